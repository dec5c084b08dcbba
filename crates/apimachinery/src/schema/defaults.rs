//! Defaults: `pkg/apiserver/schema/defaulting` of apiextensions-apiserver.

use serde_json::Value;

use super::Schema;
use super::prune::default_of;

/// Sets what is not given, and what is null without being nullable, to the schema's defaults: in objects, items and maps alike.
pub fn apply(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(object) => {
            for (name, property) in &schema.properties {
                if let Some(default) = default_of(property) {
                    match object.get_mut(name) {
                        None => drop(object.insert(name.clone(), default.clone())),
                        Some(value) if value.is_null() && !property.nullable => default.clone_into(value),
                        Some(_) => {}
                    }
                }
            }
            for (name, value) in object.iter_mut() {
                if let Some(property) = schema.properties.get(name) {
                    apply(value, property);
                } else if let Some(additional) = schema.additional() {
                    apply_in_place(value, additional);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = schema.item() {
                for value in items {
                    apply_in_place(value, item);
                }
            }
        }
        _ => {}
    }
}

/// An item or a map's value: it is there, but may be null.
fn apply_in_place(value: &mut Value, schema: &Schema) {
    if let Some(default) = default_of(schema).filter(|_| value.is_null() && !schema.nullable) {
        *value = default.clone();
    }
    apply(value, schema);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn defaulted(schema: Value, mut value: Value) -> Value {
        apply(&mut value, &serde_json::from_value(schema).unwrap());
        value
    }

    #[test]
    fn what_is_not_given_is_set_and_its_own_defaults_with_it() {
        let schema = json!({"type": "object", "properties": {
            "spec": {"type": "object", "default": {}, "properties": {"replicas": {"type": "integer", "default": 1}}},
            "other": {"type": "object", "properties": {"x": {"type": "integer", "default": 1}}}
        }});
        assert_eq!(defaulted(schema.clone(), json!({})), json!({"spec": {"replicas": 1}}));
        assert_eq!(defaulted(schema.clone(), json!({"spec": {"replicas": 3}})), json!({"spec": {"replicas": 3}}));
        assert_eq!(defaulted(schema, json!({"other": {}})), json!({"other": {"x": 1}, "spec": {"replicas": 1}}));
    }

    #[test]
    fn items_and_map_values_are_defaulted() {
        let field = json!({"type": "object", "properties": {"p": {"type": "string", "default": "TCP"}}});
        let schema = json!({"type": "object", "properties": {
            "l": {"type": "array", "items": field}, "m": {"type": "object", "additionalProperties": field}
        }});
        assert_eq!(
            defaulted(schema, json!({"l": [{}, {"p": "UDP"}], "m": {"k": {}}})),
            json!({"l": [{"p": "TCP"}, {"p": "UDP"}], "m": {"k": {"p": "TCP"}}})
        );
    }

    #[test]
    fn null_takes_the_default_unless_the_field_is_nullable() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "string", "default": "x"}, "b": {"type": "string", "default": "x", "nullable": true},
            "c": {"type": "string", "nullable": true, "default": null},
            "l": {"type": "array", "items": {"type": "string", "default": "i"}}
        }});
        assert_eq!(
            defaulted(schema, json!({"a": null, "b": null, "l": [null, "y"]})),
            json!({"a": "x", "b": null, "l": ["i", "y"]})
        );
    }
}
