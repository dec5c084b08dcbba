//! YAML and JSON texts as trees in which every value knows its line and column.
//!
//! Anchors, aliases, tags and a key given twice are refused: a file reads the same to a person and to the program.

mod decode;

use std::fmt::Write as _;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

pub use self::decode::decode;

/// Nesting of lists and mappings beyond which a text is refused.
const DEPTH: usize = 64;

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    root: Node,
}

/// A value and where it starts.
#[derive(Clone, Debug)]
struct Node {
    line: u32,
    column: u32,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Was reported as wrong, and is passed over since.
    Removed,
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    line: u32,
    column: u32,
    value: Node,
}

/// What is wrong in a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The field's path.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// A path as it is shown: `spec.names[0]`.
fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a string does not fail.
        let _ = match step {
            Step::Key(key) if text.is_empty() => write!(text, "{key}"),
            Step::Key(key) => write!(text, ".{key}"),
            Step::Index(index) => write!(text, "[{index}]"),
        };
    }
    text
}

impl Document {
    /// A document without any field.
    pub fn empty() -> Self {
        Self { root: Node { line: 1, column: 1, value: Value::Map(Vec::new()) } }
    }

    /// Line and column of the field at `path` (`spec.names[0]`), or of the nearest value around where it would stand.
    pub fn position(&self, path: &str) -> (u32, u32) {
        let mut node = &self.root;
        let mut position = (node.line, node.column);
        for part in path.split(['.', '[']) {
            let next = match &node.value {
                Value::Map(entries) => entries.iter().find(|entry| entry.key == part).map(|entry| {
                    position = (entry.line, entry.column);
                    &entry.value
                }),
                Value::List(nodes) => {
                    let index = part.strip_suffix(']').and_then(|index| index.parse::<usize>().ok());
                    index.and_then(|index| nodes.get(index)).inspect(|node| position = (node.line, node.column))
                }
                Value::Scalar { .. } | Value::Removed => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        position
    }

    /// The text of a field at the document's top, such as `kind`.
    pub fn top(&self, key: &str) -> Option<&str> {
        let Value::Map(entries) = &self.root.value else { return None };
        match entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value.value) {
            Some(Value::Scalar { text, .. }) => Some(text),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.root.is_null()
    }
}

impl Node {
    fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    fn child_mut(&mut self, step: &Step) -> Option<&mut Self> {
        match (&mut self.value, step) {
            (Value::Map(entries), Step::Key(key)) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)
            }
            (Value::List(nodes), Step::Index(index)) => nodes.get_mut(*index),
            _ => None,
        }
    }
}

/// Reads all documents of a text that hold anything, up to the first place where it is no YAML.
pub fn read(text: &str) -> (Vec<Document>, Vec<Fault>) {
    let mut reader = Reader::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                if let Err(message) = reader.event(event, span) {
                    let (line, column) = position(&span);
                    reader.faults.push(Fault { line, column, field: shown(&reader.path()), message });
                    break;
                }
            }
            Err(error) => {
                let marker = error.marker();
                let (line, column) = (number(marker.line()), number(marker.col()) + 1);
                reader.faults.push(Fault { line, column, field: String::new(), message: error.info() });
                break;
            }
        }
    }
    (reader.documents, reader.faults)
}

fn position(span: &Span) -> (u32, u32) {
    (number(span.start.line()), number(span.start.col()) + 1)
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A key with its line and column.
type Key = (String, u32, u32);

/// Makes trees of a parser's events.
#[derive(Default)]
struct Reader {
    documents: Vec<Document>,
    faults: Vec<Fault>,
    /// The lists and mappings that are open, outermost first; a mapping with the key whose value is awaited.
    open: Vec<(Node, Option<Key>)>,
}

impl Reader {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), String> {
        let (line, column) = position(&span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse(anchor, tag.is_some())?;
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.add(Node { line, column, value })?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse(anchor, tag.is_some())?;
                self.open(Node { line, column, value: Value::List(Vec::new()) })?;
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse(anchor, tag.is_some())?;
                self.open(Node { line, column, value: Value::Map(Vec::new()) })?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((node, _)) = self.open.pop() {
                    self.add(node)?;
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => return Err("aliases are not read here".to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, node: Node) -> Result<(), String> {
        if self.open.len() >= DEPTH {
            return Err(format!("nested more than {DEPTH} deep"));
        }
        if let Some((Node { value: Value::Map(_), .. }, None)) = self.open.last() {
            return Err("expected a plain text as key".to_owned());
        }
        self.open.push((node, None));
        Ok(())
    }

    /// A value is complete: it belongs to what is open around it.
    fn add(&mut self, node: Node) -> Result<(), String> {
        let Some((around, awaited)) = self.open.last_mut() else {
            let document = Document { root: node };
            if !document.is_null() {
                self.documents.push(document);
            }
            return Ok(());
        };
        match &mut around.value {
            Value::List(nodes) => nodes.push(node),
            Value::Map(entries) => {
                if let Some((key, line, column)) = awaited.take() {
                    entries.push(Entry { key, line, column, value: node });
                    return Ok(());
                }
                let Value::Scalar { text, .. } = node.value else {
                    return Err("expected a plain text as key".to_owned());
                };
                if entries.iter().any(|entry| entry.key == text) {
                    return Err(format!("the key `{text}` is given twice"));
                }
                *awaited = Some((text, node.line, node.column));
            }
            Value::Scalar { .. } | Value::Removed => {}
        }
        Ok(())
    }

    fn path(&self) -> Vec<Step> {
        let step = |(node, awaited): &(Node, Option<Key>)| match (&node.value, awaited) {
            (Value::List(nodes), _) => Some(Step::Index(nodes.len())),
            (Value::Map(_), Some((key, ..))) => Some(Step::Key(key.clone())),
            _ => None,
        };
        self.open.iter().filter_map(step).collect()
    }
}

fn refuse(anchor: usize, tagged: bool) -> Result<(), String> {
    match (anchor, tagged) {
        (0, false) => Ok(()),
        (0, true) => Err("tags are not read here".to_owned()),
        _ => Err("anchors are not read here".to_owned()),
    }
}
