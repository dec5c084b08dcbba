//! What a schema says of a value's parts: the types of `structured-merge-diff/schema` as `kube-openapi/pkg/schemaconv` makes them of
//! OpenAPI, read off the [`Schema`] while it is walked.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::element::Element;
use crate::schema::{Schema, SchemaOrBool};

/// The type of a value.
#[derive(Clone, Copy)]
pub(super) enum Type<'s> {
    /// What a schema describes.
    Of {
        schema: &'s Schema,
        /// Whether it or a schema around it keeps unknown fields.
        preserves: bool,
        /// Whether it is an object with `apiVersion`, `kind` and `metadata`.
        resource: bool,
    },
    /// Whatever it is: maps granular, lists atomic.
    Deduced,
    /// Whatever it is, as one: what is within a list of the type above.
    Atomic,
    /// A field that may not be there.
    Undeclared,
}

/// What a value is treated as.
#[derive(Clone, Copy)]
pub(super) enum Shape<'s> {
    Map(MapType<'s>),
    Scalar(Scalar),
    List(ListType<'s>),
    Invalid,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Numeric,
    String,
    Boolean,
    Untyped,
}

#[derive(Clone, Copy)]
pub(super) struct MapType<'s> {
    of: Type<'s>,
    pub(super) atomic: bool,
}

#[derive(Clone, Copy)]
pub(super) struct ListType<'s> {
    pub(super) kind: ListKind<'s>,
    pub(super) items: Type<'s>,
}

#[derive(Clone, Copy)]
pub(super) enum ListKind<'s> {
    Atomic,
    Set,
    Map(&'s [String]),
}

impl<'s> Type<'s> {
    /// The type of an object of a kind; without a schema it is deduced from the object.
    pub(super) fn root(schema: Option<&'s Schema>) -> Self {
        schema.map_or(Self::Deduced, |schema| Self::Of {
            schema,
            preserves: schema.preserves_unknown_fields(),
            resource: true,
        })
    }

    fn within(schema: &'s Schema, preserves: bool) -> Self {
        Self::Of {
            schema,
            preserves: preserves || schema.preserves_unknown_fields(),
            resource: schema.embedded_resource,
        }
    }

    /// What `value` is treated as: what it is, if the type allows for that, else the first thing that the type allows for.
    pub(super) fn shape(self, value: Option<&Value>) -> Shape<'s> {
        let (map, scalar, list) = self.allowed();
        let fits = match value {
            Some(Value::Object(_)) => map.map(Shape::Map),
            Some(Value::Array(_)) => list.map(Shape::List),
            None | Some(Value::Null) => None,
            Some(_) => scalar.map(Shape::Scalar),
        };
        fits.or(map.map(Shape::Map)).or(scalar.map(Shape::Scalar)).or(list.map(Shape::List)).unwrap_or(Shape::Invalid)
    }

    fn allowed(self) -> (Option<MapType<'s>>, Option<Scalar>, Option<ListType<'s>>) {
        let schema = match self {
            Self::Of { schema, .. } => schema,
            Self::Undeclared => return (None, None, None),
            Self::Deduced | Self::Atomic => {
                let map = MapType { of: self, atomic: matches!(self, Self::Atomic) };
                let list = ListType { kind: ListKind::Atomic, items: Self::Atomic };
                return (Some(map), Some(Scalar::Untyped), Some(list));
            }
        };
        let map = || Some(MapType { of: self, atomic: schema.map_type.as_deref() == Some("atomic") });
        let list = || Some(ListType { kind: list_kind(schema), items: self.items() });
        match schema.kind.as_str() {
            "object" => (map(), None, None),
            "array" => (None, None, list()),
            "integer" | "number" => (None, Some(Scalar::Numeric), None),
            "boolean" => (None, Some(Scalar::Boolean), None),
            "string" if matches!(schema.format.as_str(), "" | "byte") => (None, Some(Scalar::String), None),
            "string" => (None, Some(Scalar::Untyped), None),
            _ => (map(), Some(Scalar::Untyped), list()),
        }
    }

    fn items(self) -> Self {
        match self {
            Self::Of { schema, preserves, .. } => {
                schema.item().map_or(Self::Atomic, |item| Self::within(item, preserves))
            }
            other => other,
        }
    }
}

fn list_kind(schema: &Schema) -> ListKind<'_> {
    match (schema.list_type.as_deref(), schema.patch_strategy.as_deref()) {
        (Some("set"), _) => ListKind::Set,
        (Some("map"), _) => ListKind::Map(&schema.list_map_keys),
        (None, Some("merge" | "merge,retainKeys")) => {
            schema.patch_merge_key.as_ref().map_or(ListKind::Set, |key| ListKind::Map(std::slice::from_ref(key)))
        }
        _ => ListKind::Atomic,
    }
}

impl<'s> MapType<'s> {
    /// The type of a field that the type names.
    pub(super) fn named(self, name: &str) -> Option<Type<'s>> {
        let Type::Of { schema, preserves, resource } = self.of else { return None };
        if resource {
            match name {
                "metadata" => return Some(Type::Of { schema: &METADATA, preserves: false, resource: false }),
                "apiVersion" | "kind" => return Some(Type::Of { schema: &TEXT, preserves: false, resource: false }),
                _ => {}
            }
        }
        schema.properties.get(name).map(|property| Type::within(property, preserves))
    }

    /// The type of fields that the type does not name.
    pub(super) fn other(self) -> Type<'s> {
        let Type::Of { schema, preserves, resource } = self.of else { return self.of };
        match &schema.additional_properties {
            Some(SchemaOrBool::Schema(values)) => Type::within(values, preserves),
            Some(SchemaOrBool::Allowed(true)) => Type::Deduced,
            None if preserves || (schema.properties.is_empty() && !resource) => Type::Deduced,
            Some(SchemaOrBool::Allowed(false)) | None => Type::Undeclared,
        }
    }

    /// The type of any field.
    pub(super) fn field(self, name: &str) -> Type<'s> {
        self.named(name).unwrap_or_else(|| self.other())
    }

    /// Whether the type names no field and takes any: a set of fields of it is left as it is when the schema changes.
    pub(super) fn is_free(self) -> bool {
        match self.of {
            Type::Of { schema, resource, .. } => {
                let untyped = match self.other() {
                    Type::Deduced => true,
                    Type::Of { schema, .. } => schema.kind.is_empty(),
                    _ => false,
                };
                untyped && schema.properties.is_empty() && !resource
            }
            Type::Deduced => true,
            _ => false,
        }
    }
}

impl<'s> ListType<'s> {
    /// The step to an item.
    ///
    /// # Errors
    /// An item that is none of such a list, in Kubernetes' words.
    pub(super) fn element(self, item: &Value) -> Result<Element, String> {
        match self.kind {
            ListKind::Map(keys) if !keys.is_empty() => self.keyed(keys, item),
            ListKind::Set | ListKind::Map(_) => match item {
                Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
                Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
                Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
                scalar => Ok(Element::Value(scalar.clone())),
            },
            ListKind::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        }
    }

    fn keyed(self, keys: &[String], item: &Value) -> Result<Element, String> {
        let fields = match item {
            Value::Object(fields) => fields,
            Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
            _ => return Err("associative list with keys may not have non-map elements".to_owned()),
        };
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(value) = fields.get(key).or(self.key_default(key)) {
                found.push((key.as_str().into(), value.clone()));
            }
        }
        if found.is_empty() {
            let names: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
            return Err(format!(
                "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any \
                 key fields)",
                names.join(" ")
            ));
        }
        Ok(Element::key(found))
    }

    fn key_default(self, key: &str) -> Option<&'s Value> {
        let Type::Of { schema, .. } = self.items else { return None };
        schema.properties.get(key)?.default.as_ref().filter(|default| !default.is_null())
    }
}

static TEXT: LazyLock<Schema> = LazyLock::new(|| schema(&json!({"type": "string"})));

/// `ObjectMeta` of `meta/v1`. A schema's own words about `metadata` do not count.
static METADATA: LazyLock<Schema> = LazyLock::new(|| {
    schema(&json!({"type": "object", "properties": {
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "creationTimestamp": {"type": "string", "format": "date-time"},
        "deletionGracePeriodSeconds": {"type": "integer"},
        "deletionTimestamp": {"type": "string", "format": "date-time"},
        "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge"},
        "generateName": {"type": "string"},
        "generation": {"type": "integer"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "managedFields": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "object", "properties": {
            "apiVersion": {"type": "string"},
            "fieldsType": {"type": "string"},
            "fieldsV1": {"type": "object"},
            "manager": {"type": "string"},
            "operation": {"type": "string"},
            "subresource": {"type": "string"},
            "time": {"type": "string", "format": "date-time"},
        }}},
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "ownerReferences": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "uid",
            "items": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {
                "apiVersion": {"type": "string"},
                "blockOwnerDeletion": {"type": "boolean"},
                "controller": {"type": "boolean"},
                "kind": {"type": "string"},
                "name": {"type": "string"},
                "uid": {"type": "string"},
            }}},
        "resourceVersion": {"type": "string"},
        "selfLink": {"type": "string"},
        "uid": {"type": "string"},
    }}))
});

/// The schema of `metadata` in any object.
pub(crate) fn object_meta() -> &'static Schema {
    &METADATA
}

fn schema(value: &Value) -> Schema {
    // INVARIANT: the two literals above are schemas; a test reads them.
    serde_json::from_value(value.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_schemas_are_schemas() {
        assert_eq!(TEXT.kind, "string");
        assert_eq!(METADATA.properties.len(), 15);
    }
}
