//! A version 3 document in the messages of `github.com/google/gnostic-models/openapiv3`.

use serde_json::Value;

use super::{Message, items, map, named};

/// A version 3 document as a `Document` message. What the messages have no field for is left out.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut message = Message::default();
    message.text(1, &document["openapi"]);
    message.put(2, |info| {
        info.text(1, document.pointer("/info/title").unwrap_or(&Value::Null));
        info.text(6, document.pointer("/info/version").unwrap_or(&Value::Null));
    });
    message.put(4, |paths| named(paths, 1, &document["paths"], path_item));
    let components = &document["components"];
    if components.is_object() {
        message.put(5, |message| {
            if components["schemas"].is_object() {
                message.put(1, |schemas| named(schemas, 1, &components["schemas"], schema_or_reference));
            }
            let schemes = &components["securitySchemes"];
            if schemes.is_object() {
                message.put(7, |message| {
                    named(message, 1, schemes, |either, scheme| {
                        either.put(1, |message| {
                            for (number, field) in [(1, "type"), (2, "description"), (3, "name"), (4, "in")] {
                                message.text(number, &scheme[field]);
                            }
                        });
                    });
                });
            }
        });
    }
    for requirement in items(&document["security"]) {
        message.put(6, |message| named(message, 1, requirement, |array, scopes| array.texts(1, scopes)));
    }
    message.0
}

fn path_item(message: &mut Message, item: &Value) {
    for (number, method) in
        [(4, "get"), (5, "put"), (6, "post"), (7, "delete"), (8, "options"), (9, "head"), (10, "patch")]
    {
        if let Some(one) = item.get(method) {
            message.put(number, |message| operation(message, one));
        }
    }
    parameters(message, 13, item);
}

fn operation(message: &mut Message, operation: &Value) {
    message.texts(1, &operation["tags"]);
    message.text(3, &operation["description"]);
    message.text(5, &operation["operationId"]);
    parameters(message, 6, operation);
    let body = &operation["requestBody"];
    if body.is_object() {
        message.put(7, |either| {
            either.put(1, |message| {
                message.text(1, &body["description"]);
                media_types(message, 2, body);
                message.flag(3, &body["required"]);
            });
        });
    }
    message.put(8, |responses| {
        named(responses, 2, &operation["responses"], |either, response| {
            either.put(1, |message| {
                message.text(1, &response["description"]);
                media_types(message, 3, response);
            });
        });
    });
    message.extensions(13, operation);
}

fn parameters(message: &mut Message, number: u64, of: &Value) {
    for parameter in items(&of["parameters"]) {
        message.put(number, |either| {
            either.put(1, |message| {
                for (number, field) in [(1, "name"), (2, "in"), (3, "description")] {
                    message.text(number, &parameter[field]);
                }
                message.flag(4, &parameter["required"]);
                if let Some(schema) = parameter.get("schema") {
                    message.put(10, |either| schema_or_reference(either, schema));
                }
            });
        });
    }
}

fn media_types(message: &mut Message, number: u64, of: &Value) {
    if of["content"].is_object() {
        message.put(number, |types| {
            named(types, 1, &of["content"], |message, media| {
                if let Some(schema) = media.get("schema") {
                    message.put(1, |either| schema_or_reference(either, schema));
                }
            });
        });
    }
}

fn schema_or_reference(either: &mut Message, of: &Value) {
    match of.get("$ref") {
        Some(reference) => either.put(2, |message| message.text(1, reference)),
        None => either.put(1, |message| schema(message, of)),
    }
}

fn schema(message: &mut Message, schema: &Value) {
    let of = |name: &str| schema.get(name).unwrap_or(&Value::Null);
    for (number, name) in [(1, "nullable"), (12, "exclusiveMaximum"), (14, "exclusiveMinimum"), (20, "uniqueItems")] {
        message.flag(number, of(name));
    }
    for (number, name) in [(9, "title"), (17, "pattern"), (25, "type"), (34, "description"), (35, "format")] {
        message.text(number, of(name));
    }
    for (number, name) in [(10, "multipleOf"), (11, "maximum"), (13, "minimum")] {
        message.double(number, of(name));
    }
    let lengths = [
        (15, "maxLength"),
        (16, "minLength"),
        (18, "maxItems"),
        (19, "minItems"),
        (21, "maxProperties"),
        (22, "minProperties"),
    ];
    for (number, name) in lengths {
        message.int(number, of(name));
    }
    message.texts(23, of("required"));
    for value in items(of("enum")) {
        message.any(24, value);
    }
    for (number, name) in [(26, "allOf"), (27, "oneOf"), (28, "anyOf")] {
        for one in items(of(name)) {
            message.put(number, |either| schema_or_reference(either, one));
        }
    }
    if of("not").is_object() {
        message.put(29, |message| self::schema(message, of("not")));
    }
    if of("items").is_object() {
        message.put(30, |item| item.put(1, |either| schema_or_reference(either, of("items"))));
    }
    if map(of("properties")).next().is_some() {
        message.put(31, |properties| named(properties, 1, of("properties"), schema_or_reference));
    }
    match of("additionalProperties") {
        Value::Null => {}
        // In a choice, that it is false is told as well.
        Value::Bool(allowed) => message.put(32, |item| item.choice(2, *allowed)),
        value => message.put(32, |item| item.put(1, |either| schema_or_reference(either, value))),
    }
    match of("default") {
        Value::Null => {}
        default => message.put(33, |message| match default {
            Value::Bool(value) => message.choice(2, *value),
            Value::Number(_) => message.double(1, default),
            Value::String(text) => message.bytes(3, text.as_bytes()),
            // There is no field for lists and objects.
            _ => {}
        }),
    }
    message.extensions(36, schema);
}
