//! From a document to a Rust type, by serde; every fault is found, not only the first.
//!
//! A wrong value is reported, taken out, and the rest read again. An empty or null field counts as left out, as in Kubernetes.

use std::{cell::RefCell, fmt};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::{Document, Entry, Fault, Node, Step, Value, shown};

/// Fields whose values are never shown.
const SECRET: [&str; 7] = ["token", "password", "data", "stringData", "client-key-data", "value", "env"];

/// Rounds after which the reading gives up finding more.
const ROUNDS: usize = 64;

/// Reads a document as `T`, or tells everything that is wrong with it.
pub fn decode<T: DeserializeOwned>(document: &Document) -> Result<T, Vec<Fault>> {
    let mut root = document.root.clone();
    let mut faults = Vec::new();
    for _ in 0..ROUNDS {
        let round = Round::default();
        let result = T::deserialize(De { node: &root, round: &round });
        let mut wrong = round.unknown.into_inner();
        let failed = match result {
            Ok(value) if faults.is_empty() && wrong.is_empty() => return Ok(value),
            Ok(_) => false,
            Err(error) => {
                let is_root = error.path.is_empty();
                wrong.push(error);
                !is_root
            }
        };
        for error in wrong {
            if !error.follows {
                faults.push(Fault {
                    line: error.line,
                    column: error.column,
                    field: shown(&error.path),
                    message: error.message,
                });
            }
            let mut node = Some(&mut root);
            for step in &error.path {
                node = node.and_then(|node| node.child_mut(step));
            }
            if let Some(node) = node {
                node.value = Value::Removed;
            }
        }
        if !failed {
            break;
        }
    }
    Err(faults)
}

/// State of one reading.
#[derive(Default)]
struct Round {
    path: RefCell<Vec<Step>>,
    unknown: RefCell<Vec<Error>>,
}

/// A fault on its way out; it is given its place by the innermost value that it passes.
#[derive(Debug)]
struct Error {
    line: u32,
    column: u32,
    path: Vec<Step>,
    message: String,
    placed: bool,
    /// The value found is to be shown.
    show: bool,
    /// A required field that is missing.
    missing: Option<&'static str>,
    /// Only a consequence of a fault that was told already.
    follows: bool,
}

impl Error {
    fn new(message: String, show: bool) -> Self {
        Self { line: 0, column: 0, path: Vec::new(), message, placed: false, show, missing: None, follows: false }
    }

    fn expected(what: impl fmt::Display) -> Self {
        Self::new(format!("expected {what}"), true)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string(), false)
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(plain(expected))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(plain(expected))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::expected(one_of(expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new(format!("`{field}` is missing"), false) }
    }
}

/// Serde's words for what it expects, without Rust's names of types.
fn plain(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a nonzero usize" => "a whole number above 0".to_owned(),
        "a string" | "path string" => "a text".to_owned(),
        "a map" => "a mapping".to_owned(),
        "a sequence" => "a list".to_owned(),
        text if text.starts_with("struct ") => "a mapping".to_owned(),
        _ => text,
    }
}

fn one_of(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [one] => one.clone(),
        _ => format!("one of {}", names.join(", ")),
    }
}

#[derive(Clone, Copy)]
struct De<'a> {
    node: &'a Node,
    round: &'a Round,
}

impl<'a> De<'a> {
    /// Gives a fault that has no place yet this value's.
    fn place(self, mut error: Error) -> Error {
        if error.placed {
            return error;
        }
        error.placed = true;
        (error.line, error.column) = (self.node.line, self.node.column);
        error.path.clone_from(&self.round.path.borrow());
        if error.show {
            error.message = format!("{}, found {}", error.message, self.found(&error.path));
        }
        if let (Some(field), Value::Map(entries)) = (error.missing, &self.node.value) {
            error.follows =
                entries.iter().any(|entry| entry.key == field && matches!(entry.value.value, Value::Removed));
        }
        error
    }

    fn found(self, path: &[Step]) -> String {
        let secret = path.iter().any(|step| matches!(step, Step::Key(key) if SECRET.contains(&key.as_str())));
        match &self.node.value {
            _ if self.node.is_null() => "nothing".to_owned(),
            Value::Scalar { .. } if secret => "another value".to_owned(),
            Value::Scalar { text, .. } if text.chars().count() > 80 => {
                format!("`{}…`", text.chars().take(80).collect::<String>())
            }
            Value::Scalar { text, .. } => format!("`{text}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) | Value::Removed => "a mapping".to_owned(),
        }
    }

    fn text(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, .. } if !self.node.is_null() => Some(text),
            _ => None,
        }
    }

    fn is_plain(self) -> bool {
        matches!(self.node.value, Value::Scalar { plain: true, .. })
    }

    fn child<T>(self, step: Step, node: &'a Node, read: impl FnOnce(De<'a>) -> Result<T, Error>) -> Result<T, Error> {
        self.round.path.borrow_mut().push(step);
        let child = De { node, round: self.round };
        let result = read(child).map_err(|error| child.place(error));
        self.round.path.borrow_mut().pop();
        result
    }

    fn whole<T: TryFrom<i128>>(self, least: i128, most: i128) -> Result<T, Error> {
        let refuse = || self.place(Error::expected(format_args!("a whole number from {least} to {most}")));
        let text = self.text().filter(|_| self.is_plain()).ok_or_else(refuse)?;
        text.parse::<i128>().ok().and_then(|n| T::try_from(n).ok()).ok_or_else(refuse)
    }

    fn string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(text) = self.text() else { return Err(self.place(Error::expected("a text"))) };
        if self.is_plain() && !matches!(scalar(text), Scalar::Text) {
            return Err(self.place(Error::expected("a text (in quotes where it looks like something else)")));
        }
        visitor.visit_str(text).map_err(|error| self.place(error))
    }

    /// The entries that count: neither taken out nor empty nor unknown.
    fn entries(self, entries: &'a [Entry], known: Option<&'static [&'static str]>) -> Entries<'a> {
        Entries { de: self, rest: entries.iter(), known, value: None }
    }
}

/// What a scalar without quotes means, by YAML's core schema.
enum Scalar {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text,
}

fn scalar(text: &str) -> Scalar {
    match text {
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        _ => {}
    }
    let numeric = text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if !numeric {
        return Scalar::Text;
    }
    if let Ok(number) = text.parse() {
        return Scalar::Unsigned(number);
    }
    if let Ok(number) = text.parse() {
        return Scalar::Signed(number);
    }
    text.parse().map_or(Scalar::Text, Scalar::Float)
}

macro_rules! whole {
    ($($method:ident $visit:ident $type:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let number = self.whole::<$type>(i128::from($type::MIN), i128::from($type::MAX))?;
            visitor.$visit(number).map_err(|error| self.place(error))
        }
    )*};
}

impl<'de> Deserializer<'de> for De<'de> {
    type Error = Error;

    whole!(
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.node.value {
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
            Value::Scalar { .. } if self.node.is_null() => visitor.visit_unit(),
            Value::Scalar { text, plain: false } => visitor.visit_str(text),
            Value::Scalar { text, plain: true } => match scalar(text) {
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Unsigned(number) => visitor.visit_u64(number),
                Scalar::Signed(number) => visitor.visit_i64(number),
                Scalar::Float(number) => visitor.visit_f64(number),
                Scalar::Text => visitor.visit_str(text),
            },
            Value::Removed => visitor.visit_unit(),
        };
        result.map_err(|error| self.place(error))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.text().filter(|_| self.is_plain()).map(scalar) {
            Some(Scalar::Bool(value)) => visitor.visit_bool(value),
            _ => Err(self.place(Error::expected("`true` or `false`"))),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::List(nodes) = &self.node.value else { return Err(self.place(Error::expected("a list"))) };
        let items = Items { de: self, rest: nodes.iter().enumerate() };
        visitor.visit_seq(items).map_err(|error| self.place(error))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Map(entries) = &self.node.value else { return Err(self.place(Error::expected("a mapping"))) };
        visitor.visit_map(self.entries(entries, None)).map_err(|error| self.place(error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Map(entries) = &self.node.value else { return Err(self.place(Error::expected("a mapping"))) };
        for entry in entries {
            if fields.contains(&entry.key.as_str()) || matches!(entry.value.value, Value::Removed) {
                continue;
            }
            let mut path = self.round.path.borrow().clone();
            path.push(Step::Key(entry.key.clone()));
            self.round.unknown.borrow_mut().push(Error {
                line: entry.line,
                column: entry.column,
                path,
                placed: true,
                ..Error::new(format!("unknown field, expected {}", one_of(fields)), false)
            });
        }
        visitor.visit_map(self.entries(entries, Some(fields))).map_err(|error| self.place(error))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Some(text) = self.text() else { return Err(self.place(Error::expected(one_of(variants)))) };
        visitor.visit_enum(text.into_deserializer()).map_err(|error| self.place(error))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items<'a> {
    de: De<'a>,
    rest: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let next = self.rest.find(|(_, node)| !matches!(node.value, Value::Removed));
        let Some((index, node)) = next else { return Ok(None) };
        self.de.child(Step::Index(index), node, |de| seed.deserialize(de)).map(Some)
    }
}

struct Entries<'a> {
    de: De<'a>,
    rest: std::slice::Iter<'a, Entry>,
    known: Option<&'static [&'static str]>,
    value: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let known = self.known;
        let counts = |entry: &&Entry| {
            known.is_none_or(|known| known.contains(&entry.key.as_str()))
                && !matches!(entry.value.value, Value::Removed)
                && !entry.value.is_null()
        };
        self.value = self.rest.find(counts);
        match self.value {
            Some(entry) => seed.deserialize(entry.key.as_str().into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.value.take() else { return Err(de::Error::custom("a value without its key")) };
        self.de.child(Step::Key(entry.key.clone()), &entry.value, |de| seed.deserialize(de))
    }
}
