//! YAML as `sigs.k8s.io/yaml` reads it: the first document, plain scalars by the rules of YAML 1.1, aliases within bounds.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::write::{go_float, go_quote};
use super::{DecodeError, Decoded, MAX_BYTES, MAX_DEPTH, scalar};

const EXCESSIVE: &str = "document contains excessive aliasing";

/// Reads the first document of a text; an empty one is `null`.
pub(super) fn read(body: &[u8]) -> Result<Decoded, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| fault("invalid leading UTF-8 octet"))?;
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((Event::DocumentEnd, _)) => break,
            Ok((event, span)) => builder.event(event, span.start.line())?,
            Err(error) => {
                let line = error.marker().line();
                return Err(fault(go_words(&error.info(), line, body)));
            }
        }
    }
    let duplicates = if builder.duplicates.is_empty() {
        Vec::new()
    } else {
        vec![format!("yaml: unmarshal errors:\n  {}", builder.duplicates.join("\n  "))]
    };
    Ok(Decoded { value: builder.root.unwrap_or_default(), duplicates })
}

/// What Go's reader says of the most common faults.
fn go_words(info: &str, line: usize, body: &[u8]) -> String {
    let place = if line > 1 { format!("line {line}: ") } else { String::new() };
    if info.contains("unknown anchor") {
        let text = String::from_utf8_lossy(body);
        let after = text.lines().nth(line.saturating_sub(1)).and_then(|line| line.split_once('*'));
        let name: String = after
            .map_or("", |(_, name)| name)
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
            .collect();
        return format!("unknown anchor '{name}' referenced");
    }
    match info {
        "unclosed bracket '{'" if line > 1 => format!("{place}did not find expected ',' or '}}'"),
        "unclosed bracket '['" if line > 1 => format!("{place}did not find expected ',' or ']'"),
        _ if info.starts_with("tabs disallowed") => format!("{place}found character that cannot start any token"),
        _ => format!("{place}{info}"),
    }
}

fn fault(message: impl Into<String>) -> DecodeError {
    DecodeError::Yaml { message: message.into() }
}

/// A value of which aliases may speak, with what it costs to repeat it.
#[derive(Clone)]
struct Node {
    value: Value,
    nodes: usize,
    bytes: usize,
}

/// A list or mapping that is open.
struct Open {
    anchor: usize,
    nodes: usize,
    bytes: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Map {
        map: Map<String, Value>,
        /// The key whose value is awaited.
        key: Option<Key>,
    },
}

enum Key {
    /// The name, and the name as Go shows it.
    Name(String, String),
    /// `<<`.
    Merge,
}

/// Makes a tree of a parser's events.
#[derive(Default)]
struct Builder {
    root: Option<Value>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    duplicates: Vec<String>,
    nodes: usize,
    aliased: usize,
    /// Bytes of text that aliases repeated.
    repeated: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), DecodeError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let bytes = text.len();
                let plain = style == ScalarStyle::Plain;
                if self.awaits_key() {
                    let key = if plain && tag.is_none() && text == "<<" {
                        Key::Merge
                    } else {
                        name(&text, plain, tag.as_deref())?
                    };
                    if anchor != 0 {
                        self.anchors.insert(anchor, Node { value: text.into_owned().into(), nodes: 1, bytes });
                    }
                    return self.key(key);
                }
                let value = resolve(&text, plain, tag.as_deref())?.value()?;
                self.keep(anchor, Node { value, nodes: 1, bytes }, line)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(anchor, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.begin(anchor, Content::Map { map: Map::new(), key: None }),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, nodes, bytes, content }) = self.open.pop() else { return Ok(()) };
                let value = match content {
                    Content::List(list) => Value::Array(list),
                    Content::Map { map, .. } => Value::Object(map),
                };
                self.keep(anchor, Node { value, nodes: nodes + 1, bytes }, line)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(fault("anchor value contains itself"));
                };
                self.aliased += node.nodes;
                self.repeated += node.bytes;
                // The rule of go-yaml, and one for long texts, which Go shares in memory and we do not.
                let nodes = self.nodes + node.nodes;
                #[expect(clippy::cast_precision_loss, reason = "a ratio of counts far below 2^52")]
                let ratio = self.aliased as f64 / nodes as f64;
                if self.repeated > MAX_BYTES || (self.aliased > 100 && nodes > 1000 && ratio > allowed(nodes)) {
                    return Err(fault(EXCESSIVE));
                }
                let node = node.clone();
                if self.awaits_key() {
                    let Value::String(text) = node.value else { return Err(fault("invalid map key")) };
                    let shown = go_quote(&text);
                    return self.key(Key::Name(text, shown));
                }
                self.add(node, line)
            }
            _ => Ok(()),
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, name: Key) -> Result<(), DecodeError> {
        if let Some(Open { content: Content::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(name);
            return Ok(());
        }
        Err(fault("invalid map key"))
    }

    fn begin(&mut self, anchor: usize, content: Content) -> Result<(), DecodeError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(fault(format!("exceeded max depth of {MAX_DEPTH}")));
        }
        if self.awaits_key() {
            return Err(fault("invalid map key"));
        }
        self.open.push(Open { anchor, nodes: 0, bytes: 0, content });
        Ok(())
    }

    /// A value is complete: aliases may speak of it, and it belongs to what is open around it.
    fn keep(&mut self, anchor: usize, node: Node, line: usize) -> Result<(), DecodeError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.add(node, line)
    }

    fn add(&mut self, node: Node, line: usize) -> Result<(), DecodeError> {
        self.nodes += node.nodes;
        let depth = self.open.len();
        let Some(around) = self.open.last_mut() else {
            self.root = Some(node.value);
            return Ok(());
        };
        if depth + nesting(&node.value) > MAX_DEPTH {
            return Err(fault(format!("exceeded max depth of {MAX_DEPTH}")));
        }
        around.nodes += node.nodes;
        around.bytes += node.bytes;
        match &mut around.content {
            Content::List(list) => list.push(node.value),
            Content::Map { map, key } => match key.take() {
                None => return Err(fault("invalid map key")),
                Some(Key::Merge) => merge(map, node.value)?,
                Some(Key::Name(name, shown)) => {
                    if map.contains_key(&name) {
                        self.duplicates.push(format!("line {line}: key {shown} already set in map"));
                    }
                    map.insert(name, node.value);
                }
            },
        }
        Ok(())
    }
}

/// How deep the containers of a value lie in each other, itself included.
fn nesting(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(nesting).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(nesting).max().unwrap_or(0),
        _ => 0,
    }
}

/// The share of nodes that aliases may bring: all but one in a hundred in a small document, one in ten in a large one.
fn allowed(nodes: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let nodes = nodes as f64;
    0.99 - 0.89 * ((nodes.clamp(LOW, HIGH) - LOW) / (HIGH - LOW))
}

/// `<<: *other` and `<<: [*one, *other]`, of which the earlier ones win.
fn merge(into: &mut Map<String, Value>, value: Value) -> Result<(), DecodeError> {
    let refused = || fault("map merge requires map or sequence of maps as the value");
    match value {
        Value::Object(map) => into.extend(map),
        Value::Array(list) => {
            for value in list.into_iter().rev() {
                let Value::Object(map) = value else { return Err(refused()) };
                into.extend(map);
            }
        }
        _ => return Err(refused()),
    }
    Ok(())
}

/// What a scalar says.
enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond what a signed integer holds.
    Unsigned(u64),
    Float(f64),
    Text(String),
}

impl Scalar {
    /// The value, as if it had been written as JSON and read again.
    fn value(self) -> Result<Value, DecodeError> {
        match self {
            Self::Null => Ok(Value::Null),
            Self::Bool(value) => Ok(value.into()),
            Self::Int(value) => Ok(value.into()),
            #[expect(clippy::cast_precision_loss, reason = "Go reads what does not fit 64 bits with sign as a float")]
            Self::Unsigned(value) => Ok((value as f64).into()),
            Self::Float(value) => scalar::float(value).ok_or_else(|| {
                DecodeError::Unsupported(match value {
                    f64::INFINITY => "+Inf".to_owned(),
                    f64::NEG_INFINITY => "-Inf".to_owned(),
                    _ => "NaN".to_owned(),
                })
            }),
            Self::Text(text) => Ok(Value::String(text)),
        }
    }
}

/// The name that a scalar gives as key.
fn name(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Key, DecodeError> {
    let (name, shown) = match resolve(text, plain, tag)? {
        Scalar::Text(name) => {
            let shown = go_quote(&name);
            (name, shown)
        }
        Scalar::Null => return Err(fault("unsupported map key of type: %!s(<nil>)")),
        Scalar::Bool(value) => (value.to_string(), value.to_string()),
        Scalar::Int(value) => (value.to_string(), value.to_string()),
        Scalar::Unsigned(value) => (value.to_string(), format!("{value:#x}")),
        Scalar::Float(value) if value.is_infinite() => {
            let name = if value > 0.0 { ".inf" } else { "-.inf" };
            (name.to_owned(), name.to_owned())
        }
        Scalar::Float(value) if value.is_nan() => (".nan".to_owned(), "NaN".to_owned()),
        Scalar::Float(value) => (go_float(value), go_float(value)),
    };
    Ok(Key::Name(name, shown))
}

/// `resolve` of go-yaml.
fn resolve(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Scalar, DecodeError> {
    let Some(tag) = tag else {
        return Ok(if plain { untagged(text) } else { Scalar::Text(text.to_owned()) });
    };
    let refused = |found: &str, wanted: &str| Err(fault(format!("cannot decode !!{found} `{text}` as a !!{wanted}")));
    match (tag.core_suffix(), untagged(text)) {
        (Some("int"), number @ (Scalar::Int(_) | Scalar::Unsigned(_)))
        | (Some("float"), number @ Scalar::Float(_))
        | (Some("bool"), number @ Scalar::Bool(_))
        | (Some("null"), number @ Scalar::Null) => Ok(number),
        #[expect(clippy::cast_precision_loss, reason = "it was asked for")]
        (Some("float"), Scalar::Int(value)) => Ok(Scalar::Float(value as f64)),
        (Some("binary"), _) => match STANDARD.decode(text.replace(['\n', ' '], "")) {
            Ok(bytes) => Ok(Scalar::Text(String::from_utf8_lossy(&bytes).into_owned())),
            Err(_) => Err(fault("!!binary value contains invalid base64 data")),
        },
        (Some(wanted @ ("int" | "float" | "bool" | "null")), found) => refused(found.tag(), wanted),
        _ => Ok(Scalar::Text(text.to_owned())),
    }
}

impl Scalar {
    const fn tag(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Unsigned(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
        }
    }
}

/// A plain scalar by the rules of YAML 1.1, as go-yaml has them.
fn untagged(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return Scalar::Text(text.to_owned());
    }
    let digits = text.replace('_', "");
    if let Some(integer) = integer(&digits) {
        return integer;
    }
    let body = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    let numeric = body.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && body.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    match digits.parse::<f64>() {
        Ok(value) if numeric && value.is_finite() => Scalar::Float(value),
        _ => Scalar::Text(text.to_owned()),
    }
}

/// `strconv.ParseInt` with base 0: `0x`, `0o`, `0b`, and octal where it starts with a zero.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = body.to_ascii_lowercase();
    let (digits, base) = match lower.as_bytes() {
        [b'0', b'x', ..] => (lower.get(2..)?, 16),
        [b'0', b'o', ..] => (lower.get(2..)?, 8),
        [b'0', b'b', ..] => (lower.get(2..)?, 2),
        [b'0', _, ..] => (lower.get(1..)?, 8),
        _ => (lower.as_str(), 10),
    };
    // Rust would take a second sign.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
    if let Ok(value) = i64::from_str_radix(&signed, base) {
        return Some(Scalar::Int(value));
    }
    let unsigned = !negative && !text.starts_with('+');
    unsigned.then(|| u64::from_str_radix(digits, base).ok().map(Scalar::Unsigned)).flatten()
}
