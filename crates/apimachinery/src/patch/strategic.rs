//! Strategic merge patch: `apimachinery/pkg/util/strategicpatch/patch.go`, with the strategies and merge keys of the [`Schema`].

mod directives;
mod lists;
mod order;

use serde_json::{Map, Value};

use super::{PatchError, json_type, printed};
use crate::apply::object_meta;
use crate::schema::Schema;
use directives::{Directive, retain_keys, without_directives, without_nulls};

type Fields = Map<String, Value>;

/// `$patch` in a map: what to do with the map it stands in.
const MARKER: &str = "$patch";

/// Applies a strategic merge patch.
///
/// # Errors
/// A patch that is not well-formed or does not fit the object or its schema.
pub fn strategic(document: &Value, patch: &Value, schema: &Schema) -> Result<Value, PatchError> {
    let patch = match patch {
        Value::Object(fields) => fields.clone(),
        Value::Null => return Ok(document.clone()),
        other => {
            let kind = json_type(other);
            return Err(PatchError::Malformed(format!(
                "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
            )));
        }
    };
    let document = document.as_object().cloned().unwrap_or_default();
    merge_maps(document, patch, Shape { schema: Some(schema), is_root: true }).map(Value::Object)
}

/// The schema of a map, where there is one.
#[derive(Clone, Copy)]
struct Shape<'s> {
    schema: Option<&'s Schema>,
    /// Whether it is the object itself, whose `metadata` is an `ObjectMeta` whatever the schema says of it.
    is_root: bool,
}

impl<'s> Shape<'s> {
    const NONE: Self = Self { schema: None, is_root: false };

    const fn of(schema: &'s Schema) -> Self {
        Self { schema: Some(schema), is_root: false }
    }
}

/// What a schema says of merging a field.
struct Field<'s> {
    /// The schema of the field's value; of its items, for a list.
    shape: Shape<'s>,
    /// `merge`, `replace`, or nothing.
    strategy: &'s str,
    merge_key: &'s str,
}

impl<'s> Shape<'s> {
    /// The schema of the field `name`, and how it is merged. A map that keeps unknown fields has nothing to say of them.
    fn field(self, name: &str) -> Result<(Option<&'s Schema>, Field<'s>), PatchError> {
        const PLAIN: Field<'static> = Field { shape: Shape::NONE, strategy: "", merge_key: "" };
        let Some(schema) = self.schema else { return Ok((None, PLAIN)) };
        let property =
            if self.is_root && name == "metadata" { Some(object_meta()) } else { schema.properties.get(name) };
        let Some(property) = property else {
            if schema.preserves_unknown_fields() {
                return Ok((None, PLAIN));
            }
            return Err(PatchError::Unexpected(if schema.properties.is_empty() {
                "merging an object in json but data type is not struct, instead is: map".to_owned()
            } else {
                format!("unable to find api field in struct {} for the json field {name:?}", schema.title)
            }));
        };
        let strategies: Vec<&str> = property.patch_strategy.as_deref().unwrap_or_default().split(',').collect();
        let strategy = match strategies.as_slice() {
            ["retainKeys"] => "",
            ["retainKeys", other] | [other, "retainKeys"] | [other] => other,
            _ => return Err(PatchError::Unexpected(format!("unexpected patch strategy: [{}]", strategies.join(" ")))),
        };
        let merge_key = property.patch_merge_key.as_deref().unwrap_or_default();
        Ok((Some(property), Field { shape: Shape::of(property), strategy, merge_key }))
    }

    fn map_field(self, name: &str) -> Result<Field<'s>, PatchError> {
        self.field(name).map(|(_, field)| field)
    }

    fn list_field(self, name: &str) -> Result<Field<'s>, PatchError> {
        let (property, field) = self.field(name)?;
        if let Some(item) = property.and_then(Schema::item) {
            if item.kind == "array" {
                return Err(PatchError::Unexpected("unexpected slice of slice".to_owned()));
            }
            return Ok(Field { shape: Shape::of(item), ..field });
        }
        Ok(Field { shape: Shape::NONE, ..field })
    }

    /// The kind of the type that the schema stands for, as Go's reflection names it.
    fn kind(self) -> &'static str {
        match self.schema {
            Some(schema) if schema.kind == "object" && !schema.properties.is_empty() => "struct",
            Some(schema) if schema.kind == "object" => "map",
            Some(schema) if schema.kind == "array" => "slice",
            Some(schema) if schema.kind == "string" => "string",
            _ => "interface",
        }
    }
}

fn merge_maps(mut original: Fields, mut patch: Fields, shape: Shape<'_>) -> Result<Fields, PatchError> {
    if let Some(directive) = patch.remove(MARKER) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Fields::new()),
            _ => {
                patch.insert(MARKER.to_owned(), directive.clone());
                Err(bad_patch_type(&directive, &Value::Object(patch)))
            }
        };
    }
    retain_keys(&mut original, &mut patch)?;
    order::merge_ordered_lists(&mut original, &mut patch, shape)?;
    for (name, change) in patch {
        let (name, deletes) = match Directive::DeleteFromPrimitiveList.field_of(&name)? {
            Some(field) => (field.to_owned(), true),
            None => (name, false),
        };
        if change.is_null() {
            original.remove(&name);
            continue;
        }
        let merged = match (original.remove(&name), change) {
            (Some(Value::Object(current)), Value::Object(change)) => {
                let field = shape.map_field(&name)?;
                Some(Value::Object(match field.strategy {
                    "replace" => change,
                    _ => merge_maps(current, change, field.shape)?,
                }))
            }
            (Some(Value::Array(current)), Value::Array(change)) => {
                let field = shape.list_field(&name)?;
                Some(Value::Array(merge_list_field(current, change, &field, deletes)?))
            }
            // Two scalars of one type are merged before Go asks whether the list is one of deletions.
            (Some(current), change) if !deletes || json_type(&current) == json_type(&change) => {
                without_directives(without_nulls(change))
            }
            (None, change) if !deletes => without_directives(without_nulls(change)),
            (current, _) => current,
        };
        if let Some(merged) = merged {
            original.insert(name, merged);
        }
    }
    Ok(original)
}

fn merge_list_field(
    original: Vec<Value>,
    patch: Vec<Value>,
    field: &Field<'_>,
    deletes: bool,
) -> Result<Vec<Value>, PatchError> {
    if field.strategy == "merge" || deletes {
        lists::merge_lists(original, patch, field.shape, field.merge_key, deletes)
    } else {
        Ok(patch)
    }
}

fn bad_patch_type(directive: &Value, map: &Value) -> PatchError {
    PatchError::Unexpected(format!("unknown patch type: {} in map: {}", printed(directive), printed(map)))
}

fn no_merge_key(map: &Value, key: &str) -> PatchError {
    PatchError::Unexpected(format!("map: {} does not contain declared merge key: {key}", printed(map)))
}

/// A value of another type than the merge needs, in Go's names for both.
fn bad_type(expected: &str, actual: &Value) -> PatchError {
    let actual = match actual {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    PatchError::Unexpected(format!("expected a {expected}, but received a {actual}"))
}
