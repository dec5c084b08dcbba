//! Values while an expression is evaluated. What comes from an object stays a reference into it, read by its schema.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kube_cel::cel;
use serde_json::Value as Json;

use super::authority::Asking;
use super::escape::unescape;
use super::policy::Lazy;
use super::time;
use crate::json::go_g;
use crate::schema::Schema;

/// Why there is no value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Error {
    /// More was spent than may be; nothing goes on after this.
    Limit,
    /// What cel-go says.
    Message(String),
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    pub(super) fn overload() -> Self {
        Self::new("no such overload")
    }

    pub(super) fn no_key(key: &str) -> Self {
        Self::Message(format!("no such key: {key}"))
    }
}

pub(super) type Result<T> = std::result::Result<T, Error>;

#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    /// Of the object or of the expression.
    Text(&'a str),
    /// Made by a function.
    Made(Rc<str>),
    Bytes(Rc<[u8]>),
    /// In nanoseconds.
    Duration(i64),
    Timestamp(Timestamp),
    List(Rc<Vec<Value<'a>>>),
    Map(Rc<BTreeMap<Key, Value<'a>>>),
    /// A list of the object, and the schema of the list.
    Items(&'a [Json], &'a Schema),
    /// An object or a map of the object.
    Object(&'a serde_json::Map<String, Json>, View<'a>),
    Type(&'static str),
    Optional(Option<Rc<Value<'a>>>),
    /// A value of the Kubernetes libraries: a quantity, an address.
    Foreign(cel::Value),
    /// What asks for rights, step by step.
    Asking(Rc<Asking<'a>>),
    /// The variables of a policy, each evaluated when it is first read.
    Variables(Rc<Lazy<'a>>),
}

/// How an object of the object is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) schema: &'a Schema,
    /// Whether it is a resource: type and name can be read without the schema saying so.
    pub(super) resource: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Rc<str>),
}

static TEXT: LazyLock<Schema> = LazyLock::new(|| Schema { kind: "string".to_owned(), ..Schema::default() });

static METADATA: LazyLock<Schema> = LazyLock::new(|| Schema {
    kind: "object".to_owned(),
    properties: ["name", "generateName"].into_iter().map(|name| (name.to_owned(), TEXT.clone())).collect(),
    ..Schema::default()
});

/// The schema that a resource has for one of its own fields.
pub(super) fn resource_field(name: &str) -> Option<&'static Schema> {
    match name {
        "apiVersion" | "kind" => Some(&TEXT),
        "metadata" => Some(&METADATA),
        _ => None,
    }
}

/// The schema of what has none: every field is there under its own name, and has none either.
static OPEN: LazyLock<Schema> = LazyLock::new(Schema::default);

impl<'a> View<'a> {
    fn is_open(self) -> bool {
        std::ptr::eq(self.schema, LazyLock::force(&OPEN))
    }

    /// The schema of a field, and its name in JSON.
    fn field<'n>(self, name: &'n str) -> Option<(std::borrow::Cow<'n, str>, &'a Schema)> {
        if self.is_open() {
            return Some((name.into(), self.schema));
        }
        if let Some(additional) = self.schema.additional() {
            return Some((name.into(), additional));
        }
        let name = unescape(name);
        let schema =
            self.resource.then(|| resource_field(&name)).flatten().or_else(|| self.schema.properties.get(&*name))?;
        Some((name, schema))
    }
}

impl<'a> Value<'a> {
    /// A value that no schema describes, such as the object of a request: all is what JSON says.
    pub(super) fn open(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Array(items) => Self::Items(items, &OPEN),
            Json::Object(object) => Self::Object(object, View { schema: &OPEN, resource: false }),
            Json::String(text) => Self::Text(text),
            Json::Number(number) => match number.as_i64() {
                Some(integer) => Self::Int(integer),
                None => Self::Double(number.as_f64().unwrap_or_default()),
            },
        }
    }

    /// A value of the object, read by its schema.
    pub(super) fn of(json: &'a Json, schema: &'a Schema, resource: bool) -> Result<Self> {
        let wrong = |wanted: &str| Err(Error::new(format!("invalid data, expected {wanted}")));
        Ok(match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Array(items) => Self::Items(items, schema),
            Json::Object(object) => {
                Self::Object(object, View { schema, resource: resource || schema.embedded_resource })
            }
            Json::Number(number) if schema.kind == "number" && !schema.int_or_string => {
                Self::Double(number.as_f64().unwrap_or_default())
            }
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Int(integer),
                (None, Some(float)) => Self::Double(float),
                (None, None) => return wrong("a number"),
            },
            Json::String(text) if schema.int_or_string || schema.format.is_empty() => Self::Text(text),
            Json::String(text) => match schema.format.as_str() {
                "byte" => match STANDARD.decode(text) {
                    Ok(bytes) => Self::Bytes(bytes.into()),
                    Err(_) => return wrong("base64"),
                },
                "date" => Self::Timestamp(time::date(text).ok_or_else(|| {
                    Error::new("Invalid date formatted string type, CEL timestamp conversion failed")
                })?),
                "date-time" => Self::Timestamp(
                    time::timestamp(text)
                        .ok_or_else(|| Error::new(format!("Invalid date-time {text} as CEL timestamp")))?,
                ),
                "duration" => Self::Duration(
                    time::duration(text)
                        .ok_or_else(|| Error::new(format!("Invalid duration {text} as CEL duration")))?,
                ),
                _ => Self::Text(text),
            },
        })
    }

    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Made(text.into())
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Made(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_bool(&self) -> Result<bool> {
        match self {
            Self::Bool(value) => Ok(*value),
            _ => Err(Error::overload()),
        }
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items))
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Option<Result<Vec<Self>>> {
        match self {
            Self::List(items) => Some(Ok(items.to_vec())),
            Self::Items(items, schema) => {
                let item = schema.item().unwrap_or(schema);
                Some(items.iter().map(|value| Self::of(value, item, false)).collect())
            }
            _ => None,
        }
    }

    /// What a loop over the value goes through: index and item, or key and value.
    pub(super) fn entries(&self) -> Result<Vec<(Self, Self)>> {
        if let Some(items) = self.items() {
            let numbered = items?.into_iter().zip(0_i64..).map(|(item, index)| (Self::Int(index), item));
            return Ok(numbered.collect());
        }
        match self {
            Self::Map(map) => Ok(map.iter().map(|(key, value)| (key.clone().into(), value.clone())).collect()),
            Self::Object(object, view) => {
                let read = object.iter().filter_map(|(name, value)| {
                    let (_, schema) = view.field(name)?;
                    Some(Self::of(value, schema, false).map(|value| (Self::Text(name), value)))
                });
                read.collect()
            }
            _ => Err(Error::overload()),
        }
    }

    /// The value of a field or key; nothing where it is not there.
    pub(super) fn find(&self, name: &str) -> Result<Option<Self>> {
        match self {
            Self::Object(object, view) => {
                let Some((name, schema)) = view.field(name) else { return Ok(None) };
                object.get(&*name).map(|value| Self::of(value, schema, false)).transpose()
            }
            Self::Map(map) => Ok(map.get(&Key::Text(name.into())).cloned()),
            Self::Optional(Some(value)) => value.find(name),
            // A scalar whose type was not known when it was compiled has no fields.
            _ => Ok(None),
        }
    }

    pub(super) fn select(&self, name: &str) -> Result<Self> {
        self.find(name)?.ok_or_else(|| Error::no_key(name))
    }

    /// The value at an index or key; nothing where it is not there.
    pub(super) fn at(&self, index: &Self) -> Result<Option<Self>> {
        if let Some(place) = index.whole() {
            let place = usize::try_from(place);
            match self {
                Self::List(items) => return Ok(place.ok().and_then(|place| items.get(place)).cloned()),
                Self::Items(items, schema) => {
                    let value = place.ok().and_then(|place| items.get(place));
                    return value.map(|value| Self::of(value, schema.item().unwrap_or(schema), false)).transpose();
                }
                _ => {}
            }
        }
        match (self, index) {
            (Self::Optional(Some(value)), index) => value.at(index),
            (Self::Map(map), index) => {
                let found = index.whole().map(|number| (Key::Int(number), u64::try_from(number).map(Key::Uint)));
                Ok(match found {
                    Some((int, uint)) => map.get(&int).or_else(|| map.get(&uint.ok()?)).cloned(),
                    None => map.get(&index.key()?).cloned(),
                })
            }
            (Self::Object(..), index) => match index.as_text() {
                Some(name) => self.find(name),
                None => Err(Error::overload()),
            },
            (Self::List(_) | Self::Items(..), _) => Err(Error::overload()),
            _ => Ok(None),
        }
    }

    pub(super) fn index(&self, index: &Self) -> Result<Self> {
        self.at(index)?.ok_or_else(|| match (self, index) {
            (Self::List(_) | Self::Items(..), index) => Error::new(format!("index out of bounds: {}", index.shown())),
            (_, index) => Error::no_key(&index.shown()),
        })
    }

    /// A number as an integer, where it is a whole one.
    fn whole(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Uint(value) => i64::try_from(*value).ok(),
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
            Self::Double(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
            _ => None,
        }
    }

    pub(super) fn key(&self) -> Result<Key> {
        Ok(match self {
            Self::Bool(value) => Key::Bool(*value),
            Self::Int(value) => Key::Int(*value),
            Self::Uint(value) => Key::Uint(*value),
            _ => Key::Text(self.as_text().ok_or_else(|| Error::new("unsupported key type"))?.into()),
        })
    }

    /// What `size()` gives, where there is a size.
    pub(super) fn size(&self) -> Option<usize> {
        Some(match self {
            Self::Text(text) => characters(text),
            Self::Made(text) => characters(text),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items) => items.len(),
            Self::Items(items, _) => items.len(),
            Self::Map(map) => map.len(),
            Self::Object(object, _) => object.len(),
            _ => return None,
        })
    }

    /// What a value counts as when costs are reckoned.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Optional(Some(value)) => value.weight(),
            _ => self.size().map_or(1, |size| size as u64),
        }
    }

    /// As messages show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Double(value) => go_g(*value),
            Self::Duration(value) => time::duration_text(*value),
            Self::Timestamp(value) => time::timestamp_text(*value),
            Self::Type(name) => (*name).to_owned(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => other.as_text().map_or_else(|| other.type_name().to_owned(), ToOwned::to_owned),
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) | Self::Made(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::List(_) | Self::Items(..) => "list",
            Self::Map(_) => "map",
            Self::Object(_, view) if view.is_open() || view.schema.additional().is_some() => "map",
            Self::Object(..) => "object",
            Self::Type(_) => "type",
            Self::Optional(_) => "optional_type",
            Self::Asking(asking) => asking.type_name(),
            Self::Variables(_) => "kubernetes.variables",
            Self::Foreign(value) => match value {
                cel::Value::Opaque(opaque) if opaque.runtime_type_name().contains("Quantity") => "kubernetes.Quantity",
                _ => "kubernetes",
            },
        }
    }

    /// The order of two values that have one.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) | (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            (Self::Uint(a), Self::Uint(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Uint(a), Self::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Int(_) | Self::Uint(_) | Self::Double(_), Self::Int(_) | Self::Uint(_) | Self::Double(_)) => {
                self.float()?.partial_cmp(&other.float()?)
            }
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            _ => Some(self.as_text()?.cmp(other.as_text()?)),
        }
    }

    pub(super) fn float(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "as CEL compares numbers of different types")]
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Uint(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether two values are equal; values of different types are not.
    pub(super) fn equals(&self, other: &Self) -> Result<bool> {
        if let (Self::Items(a, schema), Self::Items(b, _)) = (self, other) {
            if a.len() != b.len() {
                return Ok(false);
            }
            // Sets and maps have no order.
            if matches!(schema.list_type.as_deref(), Some("set" | "map")) {
                let ours: HashSet<String> = a.iter().map(ToString::to_string).collect();
                return Ok(b.iter().all(|item| ours.contains(&item.to_string())));
            }
        }
        if let (Some(ours), Some(theirs)) = (self.items(), other.items()) {
            let (ours, theirs) = (ours?, theirs?);
            return all_equal(ours.iter().zip(&theirs), ours.len() == theirs.len());
        }
        match (self, other) {
            (Self::Null, Self::Null) => Ok(true),
            (Self::Type(a), Self::Type(b)) => Ok(a == b),
            (Self::Optional(a), Self::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.equals(b),
                (a, b) => Ok(a.is_none() && b.is_none()),
            },
            (Self::Foreign(a), Self::Foreign(b)) => Ok(a == b),
            (Self::Map(_) | Self::Object(..), Self::Map(_) | Self::Object(..)) => {
                let (ours, theirs) = (self.entries()?, other.entries()?);
                if ours.len() != theirs.len() {
                    return Ok(false);
                }
                for (key, value) in &ours {
                    match other.at(key)? {
                        Some(theirs) if value.equals(&theirs)? => {}
                        _ => return Ok(false),
                    }
                }
                Ok(true)
            }
            _ => Ok(self.compare(other) == Some(Ordering::Equal)),
        }
    }
}

fn all_equal<'v, 'a: 'v>(pairs: impl Iterator<Item = (&'v Value<'a>, &'v Value<'a>)>, start: bool) -> Result<bool> {
    if !start {
        return Ok(false);
    }
    for (a, b) in pairs {
        if !a.equals(b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

impl From<Key> for Value<'_> {
    fn from(key: Key) -> Self {
        match key {
            Key::Bool(value) => Self::Bool(value),
            Key::Int(value) => Self::Int(value),
            Key::Uint(value) => Self::Uint(value),
            Key::Text(text) => Self::Made(text),
        }
    }
}
