//! One step of a path to a field: `structured-merge-diff/fieldpath/element.go` and `serialize-pe.go`.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use super::scalar;

/// One step of a path.
#[derive(Clone, Debug)]
pub enum Element {
    /// A field of a map.
    Field(Box<str>),
    /// The item of a list whose fields have these values, sorted by name.
    Key(Box<[(Box<str>, Value)]>),
    /// The item of a set.
    Value(Value),
    /// The item at a place.
    Index(i64),
}

/// A step that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElementError {
    /// A step of a kind that this version does not know; to be left out.
    #[error("unknown path element type")]
    Unknown,
    /// A step that is not well-formed.
    #[error("{0}")]
    Malformed(String),
}

impl Element {
    /// The field `name`.
    pub fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    /// Reads `f:name`, `k:{"name":"x"}`, `v:"x"` or `i:1`.
    ///
    /// # Errors
    /// A step of another kind, or one that is not well-formed.
    pub fn parse(text: &str) -> Result<Self, ElementError> {
        let malformed = |why: String| ElementError::Malformed(why);
        if text.len() < 2 {
            return Err(malformed("key must be 2 characters long:".to_owned()));
        }
        let bytes = text.as_bytes();
        if bytes.get(1) != Some(&b':') {
            return Err(malformed(format!("missing colon: {text}")));
        }
        let rest = text.get(2..).unwrap_or_default();
        match bytes.first() {
            Some(b'f') => Ok(Self::field(rest)),
            Some(b'v') => serde_json::from_str(rest).map(Self::Value).map_err(|error| malformed(error.to_string())),
            Some(b'k') => {
                let fields: serde_json::Map<String, Value> =
                    serde_json::from_str(rest).map_err(|error| malformed(error.to_string()))?;
                let fields = fields.into_iter().map(|(name, value)| (name.into_boxed_str(), value)).collect();
                Ok(Self::key(fields))
            }
            Some(b'i') => rest.parse().map(Self::Index).map_err(|_| malformed(format!("not an index: {rest}"))),
            _ => Err(ElementError::Unknown),
        }
    }

    /// The item with these key fields.
    pub(super) fn key(mut fields: Vec<(Box<str>, Value)>) -> Self {
        if !fields.is_sorted_by(|left, right| left.0 <= right.0) {
            fields.sort_by(|left, right| left.0.cmp(&right.0));
        }
        Self::Key(fields.into())
    }

    /// Writes what [`Element::parse`] reads.
    pub(super) fn serialized(&self) -> String {
        match self {
            Self::Field(name) => {
                let mut text = String::with_capacity(2 + name.len());
                text.push_str("f:");
                text.push_str(name);
                text
            }
            Self::Key(fields) => {
                let mut text = "k:{".to_owned();
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    scalar::encode_text(&mut text, name);
                    text.push(':');
                    scalar::encode(&mut text, value);
                }
                text.push('}');
                text
            }
            Self::Value(value) => {
                let mut text = "v:".to_owned();
                scalar::encode(&mut text, value);
                text
            }
            Self::Index(index) => format!("i:{index}"),
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(left), Self::Field(right)) => left.cmp(right),
            (Self::Key(left), Self::Key(right)) => {
                let mut pairs = left
                    .iter()
                    .zip(right)
                    .map(|(left, right)| left.0.cmp(&right.0).then_with(|| scalar::compare(&left.1, &right.1)));
                pairs.find(|order| order.is_ne()).unwrap_or_else(|| left.len().cmp(&right.len()))
            }
            (Self::Value(left), Self::Value(right)) => scalar::compare(left, right),
            (Self::Index(left), Self::Index(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Element {}

/// As conflicts name it: `.spec`, `[name="web"]`, `[="x"]`, `[1]`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{name}={}", shown(value))?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={}]", shown(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().concat()
        }
        other => crate::patch::printed(other),
    }
}

/// A path to a field. Its text is what conflicts name: `.spec.containers[name="web"].image`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(pub Vec<Element>);

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|element| element.fmt(f))
    }
}
