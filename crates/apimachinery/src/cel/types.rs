//! Types: of expressions, and of the values that a schema allows, with how large those may be.
//! Source: `k8s.io/apiserver/pkg/cel/common/schemas.go`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use super::escape::escape;
use super::value::resource_field;
use crate::json::MAX_BYTES;
use crate::schema::Schema;

/// The most bytes that a request may have.
const REQUEST: u64 = MAX_BYTES as u64;

#[derive(Clone, Debug)]
pub(super) enum Type {
    Dyn,
    /// Of the items of an empty list: any, once it is known.
    Unbound,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    /// Of types.
    Meta,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    Optional(Arc<Type>),
    /// Of the schema.
    Object(Arc<Decl>),
    /// Of a library.
    Opaque(&'static str),
    /// What a signature leaves open.
    Param(char),
}

impl Type {
    pub(super) fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    pub(super) fn optional(value: Self) -> Self {
        Self::Optional(Arc::new(value))
    }

    /// Whether all its values are of one size.
    pub(super) fn is_scalar(&self) -> bool {
        match self {
            Self::Bool | Self::Double | Self::Duration | Self::Int | Self::Timestamp | Self::Uint => true,
            Self::Optional(value) => value.is_scalar(),
            _ => false,
        }
    }

    /// Whether nothing is known of it.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Dyn | Self::Unbound)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn | Self::Unbound => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::Text => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("google.protobuf.Duration"),
            Self::Timestamp => f.write_str("google.protobuf.Timestamp"),
            Self::Meta => f.write_str("type"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Optional(value) => write!(f, "optional_type({value})"),
            Self::Object(decl) => f.write_str(decl.name),
            Self::Opaque(name) => f.write_str(name),
            Self::Param(name) => write!(f, "{name}"),
        }
    }
}

/// What a part of a schema declares.
#[derive(Debug)]
pub(super) struct Decl {
    pub(super) shape: Shape,
    /// The most characters, items or entries; zero for what has no size.
    pub(super) most: u64,
    /// The fewest bytes a value takes as JSON.
    pub(super) least: u64,
    /// What errors call the type of an object.
    pub(super) name: &'static str,
}

#[derive(Debug)]
pub(super) enum Shape {
    Dyn,
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    List(Arc<Decl>),
    Map(Arc<Decl>),
    /// Fields by the names that expressions give them.
    Object(BTreeMap<String, Arc<Decl>>),
}

impl Decl {
    fn new(shape: Shape, most: u64, least: u64) -> Arc<Self> {
        Arc::new(Self { shape, most, least, name: "object" })
    }

    /// A type of whose sizes nothing is known.
    pub(super) fn simple(shape: Shape) -> Arc<Self> {
        Self::new(shape, REQUEST, 2)
    }

    /// An object with these fields.
    pub(super) fn object_of(name: &'static str, fields: BTreeMap<String, Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { shape: Shape::Object(fields), most: 0, least: 2, name })
    }

    /// What is known of a variable by its type: `convertCelTypeToDeclType` of `plugin/cel/composition.go`.
    pub(super) fn of_type(ty: &Type) -> Arc<Self> {
        Self::simple(match ty {
            Type::Bool => Shape::Bool,
            Type::Bytes => Shape::Bytes,
            Type::Double => Shape::Double,
            Type::Duration => Shape::Duration,
            Type::Int => Shape::Int,
            Type::Text => Shape::Text,
            Type::Timestamp => Shape::Timestamp,
            Type::List(item) => Shape::List(Self::of_type(item)),
            Type::Map(_, value) => Shape::Map(Self::of_type(value)),
            _ => Shape::Dyn,
        })
    }

    /// What a schema declares; nothing for what expressions cannot see.
    pub(super) fn of(schema: &Schema, resource: bool) -> Option<Arc<Self>> {
        if schema.int_or_string {
            return Some(Self::new(Shape::Dyn, schema.max_length.map_or(REQUEST - 2, in_bytes), 1));
        }
        Some(match schema.kind.as_str() {
            "array" => {
                let item = schema.item()?;
                let item = Self::of(item, item.embedded_resource)?;
                let most = schema.max_items.map_or((REQUEST - 2) / (item.least + 1), at_least_zero);
                Self::new(Shape::List(item), most, 2)
            }
            "object" => match schema.additional() {
                Some(additional) => {
                    let value = Self::of(additional, additional.embedded_resource)?;
                    let most = schema.max_properties.map_or((REQUEST - 2) / (value.least + 6), at_least_zero);
                    Self::new(Shape::Map(value), most, 2)
                }
                None => Self::object(schema, resource),
            },
            "string" => {
                let most = schema.max_length.map(in_bytes);
                match schema.format.as_str() {
                    "byte" => Self::new(Shape::Bytes, schema.max_length.map_or(REQUEST - 2, at_least_zero), 2),
                    "duration" => Self::new(Shape::Duration, 32, 3),
                    "date" => Self::new(Shape::Timestamp, 12, 12),
                    "date-time" => Self::new(Shape::Timestamp, 32, 21),
                    _ => {
                        let longest = schema.enumeration.iter().filter_map(Json::as_str).map(str::len).max();
                        let listed = (!schema.enumeration.is_empty()).then_some(longest.unwrap_or(0) as u64);
                        Self::new(Shape::Text, most.or(listed).unwrap_or(REQUEST - 2), 2)
                    }
                }
            }
            "boolean" => Self::new(Shape::Bool, 0, 4),
            "number" => Self::new(Shape::Double, 0, 1),
            "integer" => Self::new(Shape::Int, 0, 1),
            _ => return None,
        })
    }

    fn object(schema: &Schema, resource: bool) -> Arc<Self> {
        let mut fields = BTreeMap::new();
        let mut least = 2;
        let own = ["apiVersion", "kind", "metadata"].into_iter().filter(|_| resource);
        let own = own.filter_map(|name| Some((name, resource_field(name)?)));
        let named = schema.properties.iter().map(|(name, property)| (name.as_str(), property));
        let named = named.filter(|(name, _)| !resource || resource_field(name).is_none());
        for (name, property) in named.chain(own) {
            let Some(field) = Self::of(property, property.embedded_resource) else { continue };
            if property.default.is_none() && schema.required.iter().any(|required| required == name) {
                least += name.len() as u64 + field.least + 4;
            }
            if let Some(name) = escape(name) {
                fields.insert(name, field);
            }
        }
        Self::new(Shape::Object(fields), 0, least)
    }

    /// What the keys of maps are.
    pub(super) fn key() -> Arc<Self> {
        Self::new(Shape::Text, 0, 2)
    }

    /// The type of the values.
    pub(super) fn ty(self: &Arc<Self>) -> Type {
        match &self.shape {
            Shape::Dyn => Type::Dyn,
            Shape::Bool => Type::Bool,
            Shape::Int => Type::Int,
            Shape::Double => Type::Double,
            Shape::Text => Type::Text,
            Shape::Bytes => Type::Bytes,
            Shape::Duration => Type::Duration,
            Shape::Timestamp => Type::Timestamp,
            Shape::List(item) => Type::list(item.ty()),
            Shape::Map(value) => Type::Map(Arc::new(Type::Text), Arc::new(value.ty())),
            Shape::Object(_) => Type::Object(Arc::clone(self)),
        }
    }

    /// What a list's items or a map's values are.
    pub(super) fn element(&self) -> Option<Arc<Self>> {
        match &self.shape {
            Shape::List(element) | Shape::Map(element) => Some(Arc::clone(element)),
            _ => None,
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<Arc<Self>> {
        match &self.shape {
            Shape::Object(fields) => fields.get(name).cloned(),
            _ => None,
        }
    }
}

fn at_least_zero(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A length in characters, each of which may take four bytes.
fn in_bytes(characters: i64) -> u64 {
    at_least_zero(characters).saturating_mul(4)
}
