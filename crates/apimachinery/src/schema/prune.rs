//! Removal of what a schema does not name: `pkg/apiserver/schema/pruning` and `defaulting/prunenulls.go` of apiextensions-apiserver.

use serde_json::{Map, Value};

use super::{Schema, SchemaOrBool};
use crate::field::Path;

/// What an object may have without its schema saying so, where it is a resource.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes the fields of a resource that its schema does not know, and gives their paths in order: `spec.foo`, `spec.items[0].bar`.
///
/// `apiVersion`, `kind` and `metadata` of the root and of embedded resources are kept as they are; see
/// [`coerce`](super::metadata::coerce) for the fields of metadata.
pub fn prune(object: &mut Value, schema: &Schema) -> Vec<String> {
    let mut unknown = Vec::new();
    visit(object, Some(schema), true, &Path::ROOT, &mut unknown);
    unknown.sort();
    unknown
}

/// As [`prune`], for a value that is no resource: a default, or a part of an object.
pub fn prune_value(value: &mut Value, schema: &Schema) -> Vec<String> {
    let mut unknown = Vec::new();
    visit(value, Some(schema), schema.embedded_resource, &Path::ROOT, &mut unknown);
    unknown.sort();
    unknown
}

/// What a schema says of a field.
enum Place<'a> {
    /// What it must be.
    Schema(&'a Schema),
    /// That there may be one.
    Allowed,
    /// Nothing.
    None,
}

impl<'a> Place<'a> {
    fn of(schema: &'a Schema, name: &str) -> Self {
        match (schema.properties.get(name), &schema.additional_properties) {
            (Some(property), _) => Self::Schema(property),
            (None, Some(SchemaOrBool::Schema(additional))) => Self::Schema(additional),
            (None, Some(SchemaOrBool::Allowed(_))) => Self::Allowed,
            (None, None) => Self::None,
        }
    }
}

fn visit(value: &mut Value, schema: Option<&Schema>, resource: bool, path: &Path<'_>, unknown: &mut Vec<String>) {
    let keeps = schema.is_some_and(Schema::preserves_unknown_fields);
    match value {
        Value::Object(object) => visit_object(object, schema, keeps, resource, path, unknown),
        Value::Array(items) => {
            let item = schema.and_then(Schema::item);
            for (index, value) in items.iter_mut().enumerate() {
                match item {
                    // All below is kept.
                    None if keeps => {}
                    // Inside a part that is kept, a list in a list is kept as well.
                    Some(item) if keeps && !item.preserves_unknown_fields() => {
                        visit_kept(value, item, &path.index(index), unknown);
                    }
                    _ => {
                        let resource = item.is_some_and(|item| item.embedded_resource);
                        visit(value, item, resource, &path.index(index), unknown);
                    }
                }
            }
        }
        _ => {}
    }
}

/// A value whose unknown fields are kept though its own schema does not say so: an item of a list that keeps them.
fn visit_kept(value: &mut Value, schema: &Schema, path: &Path<'_>, unknown: &mut Vec<String>) {
    match value {
        Value::Object(object) => visit_object(object, Some(schema), true, schema.embedded_resource, path, unknown),
        Value::Array(items) => {
            let Some(item) = schema.item() else { return };
            for (index, value) in items.iter_mut().enumerate() {
                visit_kept(value, item, &path.index(index), unknown);
            }
        }
        _ => {}
    }
}

fn visit_object(
    object: &mut Map<String, Value>,
    schema: Option<&Schema>,
    keeps: bool,
    resource: bool,
    path: &Path<'_>,
    unknown: &mut Vec<String>,
) {
    object.retain(|name, value| {
        let meta = META.contains(&name.as_str());
        let Some(schema) = schema else {
            unknown.push(path.child(name).to_string());
            return false;
        };
        if resource && meta {
            return true;
        }
        match Place::of(schema, name) {
            Place::Schema(field) => {
                visit(value, Some(field), field.embedded_resource, &path.child(name), unknown);
                true
            }
            Place::Allowed => {
                visit(value, None, false, &path.child(name), unknown);
                true
            }
            Place::None if keeps => true,
            Place::None => {
                // The root's own are never told: they are put back.
                let told = !meta || !path.to_string().is_empty();
                if told {
                    unknown.push(path.child(name).to_string());
                }
                false
            }
        }
    });
}

/// Removes the nulls of fields that may not be null and have no default. Those that have one are left for
/// [`apply`](super::defaults::apply).
pub fn prune_nulls(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(object) => object.retain(|name, value| {
            let Some(field) = schema.properties.get(name).or_else(|| schema.additional()) else { return true };
            if value.is_null() && !field.nullable && default_of(field).is_none() {
                return false;
            }
            prune_nulls(value, field);
            true
        }),
        Value::Array(items) => {
            if let Some(item) = schema.item() {
                for value in items {
                    prune_nulls(value, item);
                }
            }
        }
        _ => {}
    }
}

/// The default of a field; a default of null is none.
pub(super) fn default_of(schema: &Schema) -> Option<&Value> {
    schema.default.as_ref().filter(|default| !default.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(value: Value) -> Schema {
        serde_json::from_value(value).unwrap()
    }

    fn pruned(schema_of: Value, mut object: Value) -> (Value, Vec<String>) {
        let unknown = prune(&mut object, &schema(schema_of));
        (object, unknown)
    }

    #[test]
    fn unknown_fields_go_and_are_told_in_order() {
        let (object, unknown) = pruned(
            json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
                "a": {"type": "string"},
                "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
                "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"y": {"type": "string"}}}}
            }}}}),
            json!({"apiVersion": "v1", "kind": "W", "metadata": {"odd": 1}, "other": 1, "spec": {"a": "x", "b": {"c": 1},
                "list": [{"x": "1"}, {"x": "1", "z": 2}], "map": {"k": {"y": "1", "w": 1}}}}),
        );
        assert_eq!(
            object,
            json!({"apiVersion": "v1", "kind": "W", "metadata": {"odd": 1}, "spec": {"a": "x", "list": [{"x": "1"}, {"x": "1"}],
                "map": {"k": {"y": "1"}}}})
        );
        assert_eq!(unknown, ["other", "spec.b", "spec.list[1].z", "spec.map.k.w"]);
    }

    #[test]
    fn a_part_that_keeps_unknown_fields_prunes_below_those_it_names() {
        let (object, unknown) = pruned(
            json!({"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}}}}}),
            json!({"spec": {"any": {"b": 1}, "known": {"a": "x", "b": 1}}}),
        );
        assert_eq!(object, json!({"spec": {"any": {"b": 1}, "known": {"a": "x"}}}));
        assert_eq!(unknown, ["spec.known.b"]);
    }

    #[test]
    fn an_embedded_resource_keeps_its_type_and_metadata() {
        let (object, unknown) = pruned(
            json!({"type": "object", "properties": {"pod": {"type": "object", "x-kubernetes-embedded-resource": true,
                "properties": {"spec": {"type": "object"}}}}}),
            json!({"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"a": 1}, "status": {}}}),
        );
        assert_eq!(object, json!({"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {}}}));
        assert_eq!(unknown, ["pod.spec.a", "pod.status"]);
    }

    #[test]
    fn a_kind_without_a_schema_keeps_only_what_every_resource_has() {
        let (object, unknown) =
            pruned(json!({}), json!({"apiVersion": "v1", "kind": "W", "metadata": {}, "spec": {"a": 1}}));
        assert_eq!(object, json!({"apiVersion": "v1", "kind": "W", "metadata": {}}));
        assert_eq!(unknown, ["spec"]);
    }

    #[test]
    fn a_map_of_anything_keeps_keys_but_not_fields() {
        let (object, _) = pruned(
            json!({"type": "object", "properties": {"m": {"type": "object", "additionalProperties": true}}}),
            json!({"m": {"a": 1, "b": {"c": 1}, "d": [{"e": 1}]}}),
        );
        assert_eq!(object, json!({"m": {"a": 1, "b": {}, "d": [{}]}}));
    }

    #[test]
    fn nulls_go_where_the_field_is_neither_nullable_nor_defaulted() {
        let schema = schema(json!({"type": "object", "properties": {
            "a": {"type": "string"}, "b": {"type": "string", "nullable": true}, "c": {"type": "string", "default": "x"},
            "m": {"type": "object", "additionalProperties": {"type": "string"}},
            "l": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}
        }}));
        let mut object =
            json!({"a": null, "b": null, "c": null, "m": {"x": null}, "l": [null, {"a": null}], "other": null});
        prune_nulls(&mut object, &schema);
        assert_eq!(object, json!({"b": null, "c": null, "m": {}, "l": [null, {}], "other": null}));
    }
}
