//! Schemas in the form that validation reads.

use std::collections::{BTreeMap, HashMap};

use regex::Regex;
use serde_json::Value;

use crate::schema::format::Format;
use crate::schema::{Schema, SchemaOrArray, SchemaOrBool, pattern};

/// A set of JSON types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const STRING: Self = Self(1);
    pub(super) const INTEGER: Self = Self(2);
    pub(super) const NUMBER: Self = Self(4);
    pub(super) const BOOLEAN: Self = Self(8);
    pub(super) const OBJECT: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const NULL: Self = Self(64);
    /// A name that is none: nothing is of that type.
    const UNKNOWN: Self = Self(128);

    fn parse(name: &str) -> Self {
        match name {
            "" => Self(0),
            "string" => Self::STRING,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "boolean" => Self::BOOLEAN,
            "object" => Self::OBJECT,
            "array" => Self::ARRAY,
            "null" => Self::NULL,
            _ => Self::UNKNOWN,
        }
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn any(self) -> bool {
        self.0 != 0
    }
}

/// How wide a number's type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Any number.
    Any,
    Int32,
    Int64,
    /// `integer` without a format.
    Int,
    Float,
}

#[derive(Debug)]
pub(super) enum Additional {
    /// Not said, or yes.
    Any,
    No,
    Node(Box<Node>),
}

/// One schema.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the form of a schema")]
pub(super) struct Node {
    pub(super) types: Types,
    /// As messages say it: `integer,string`.
    pub(super) type_name: Box<str>,
    /// The format's name, where it is one that Kubernetes knows for the type.
    pub(super) format: Option<Box<str>>,
    pub(super) text_format: Option<Format>,
    pub(super) nullable: bool,
    pub(super) range: Range,
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_maximum: bool,
    pub(super) minimum: Option<f64>,
    pub(super) exclusive_minimum: bool,
    pub(super) multiple_of: Option<f64>,
    pub(super) max_length: Option<i64>,
    pub(super) min_length: Option<i64>,
    pub(super) pattern: Option<(Box<str>, Result<Regex, String>)>,
    pub(super) enumeration: Box<[Value]>,
    pub(super) max_items: Option<i64>,
    pub(super) min_items: Option<i64>,
    pub(super) unique_items: bool,
    pub(super) items: Option<Box<Node>>,
    pub(super) item_places: Box<[Node]>,
    pub(super) max_properties: Option<i64>,
    pub(super) min_properties: Option<i64>,
    pub(super) required: Box<[Box<str>]>,
    pub(super) properties: BTreeMap<Box<str>, Node>,
    pub(super) additional: Additional,
    pub(super) all_of: Box<[Node]>,
    pub(super) any_of: Box<[Node]>,
    pub(super) one_of: Box<[Node]>,
    pub(super) not: Option<Box<Node>>,
    /// The keys of the items, where the list is of type map.
    pub(super) list_map_keys: Option<Box<[Box<str>]>>,
}

impl Node {
    pub(super) fn new(schema: &Schema) -> Self {
        Builder::default().node(schema)
    }
}

/// Builds nodes; an expression that a schema repeats is compiled once.
#[derive(Default)]
struct Builder {
    patterns: HashMap<String, Result<Regex, String>>,
}

impl Builder {
    fn nodes(&mut self, schemas: &[Schema]) -> Box<[Node]> {
        schemas.iter().map(|schema| self.node(schema)).collect()
    }

    fn node(&mut self, schema: &Schema) -> Node {
        let (types, type_name) = if schema.int_or_string {
            (Types(Types::INTEGER.0 | Types::STRING.0), "integer,string")
        } else {
            (Types::parse(&schema.kind), schema.kind.as_str())
        };
        let format = Some(schema.format.as_str()).filter(|format| {
            match if schema.int_or_string { "" } else { schema.kind.as_str() } {
                "" | "string" => Format::parse(format).is_some(),
                "integer" => matches!(*format, "int32" | "int64"),
                "number" => matches!(*format, "float" | "double"),
                _ => false,
            }
        });
        let range = match (type_name, format) {
            ("integer", Some("int32")) => Range::Int32,
            ("integer", Some("int64")) => Range::Int64,
            ("integer", _) => Range::Int,
            ("number", Some("float")) => Range::Float,
            _ => Range::Any,
        };
        let (items, item_places) = match &schema.items {
            None => (None, Box::default()),
            Some(SchemaOrArray::Schema(item)) => (Some(Box::new(self.node(item))), Box::default()),
            Some(SchemaOrArray::Array(places)) => (None, self.nodes(places)),
        };
        let additional = match &schema.additional_properties {
            None | Some(SchemaOrBool::Allowed(true)) => Additional::Any,
            Some(SchemaOrBool::Allowed(false)) => Additional::No,
            Some(SchemaOrBool::Schema(schema)) => Additional::Node(Box::new(self.node(schema))),
        };
        let pattern =
            (!schema.pattern.is_empty()).then(|| (schema.pattern.as_str().into(), self.pattern(&schema.pattern)));
        let keyed =
            schema.kind == "array" && schema.list_type.as_deref() == Some("map") && !schema.list_map_keys.is_empty();
        let names = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect::<Box<[Box<str>]>>();
        Node {
            types,
            type_name: type_name.into(),
            text_format: format.and_then(Format::parse),
            format: format.map(Into::into),
            nullable: schema.nullable,
            range,
            maximum: schema.maximum,
            exclusive_maximum: schema.exclusive_maximum,
            minimum: schema.minimum,
            exclusive_minimum: schema.exclusive_minimum,
            multiple_of: schema.multiple_of,
            max_length: schema.max_length,
            min_length: schema.min_length,
            pattern,
            enumeration: schema.enumeration.clone().into_boxed_slice(),
            max_items: schema.max_items,
            min_items: schema.min_items,
            unique_items: schema.unique_items,
            items,
            item_places,
            max_properties: schema.max_properties,
            min_properties: schema.min_properties,
            required: names(&schema.required),
            properties: schema
                .properties
                .iter()
                .map(|(name, schema)| (name.as_str().into(), self.node(schema)))
                .collect(),
            additional,
            all_of: self.nodes(&schema.all_of),
            any_of: self.nodes(&schema.any_of),
            one_of: self.nodes(&schema.one_of),
            not: schema.not.as_deref().map(|schema| Box::new(self.node(schema))),
            list_map_keys: keyed.then(|| names(&schema.list_map_keys)),
        }
    }

    fn pattern(&mut self, text: &str) -> Result<Regex, String> {
        if let Some(known) = self.patterns.get(text) {
            return known.clone();
        }
        let compiled = pattern::compile(text);
        self.patterns.insert(text.to_owned(), compiled.clone());
        compiled
    }
}
