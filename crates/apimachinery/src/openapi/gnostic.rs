//! The version 2 document in the messages of `github.com/google/gnostic-models/openapiv2`, which client-go reads; version 3 below.

mod version3;

use serde_json::{Map, Value};

pub use version3::encode as encode_version3;

/// A version 2 document as a `Document` message. What the messages have no field for is left out.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut message = Message::default();
    message.text(1, &document["swagger"]);
    message.put(2, |info| {
        info.text(1, document.pointer("/info/title").unwrap_or(&Value::Null));
        info.text(2, document.pointer("/info/version").unwrap_or(&Value::Null));
    });
    message.put(8, |paths| {
        named(paths, 2, &document["paths"], path_item);
    });
    message.put(9, |definitions| named(definitions, 1, &document["definitions"], schema));
    for requirement in items(&document["security"]) {
        message.put(12, |message| named(message, 1, requirement, |array, scopes| array.texts(1, scopes)));
    }
    message.put(13, |message| {
        named(message, 1, &document["securityDefinitions"], |definition, scheme| {
            definition.put(2, |key| {
                for (number, field) in [(1, "type"), (2, "name"), (3, "in"), (4, "description")] {
                    key.text(number, &scheme[field]);
                }
            });
        });
    });
    message.0
}

/// A message as it is written: fields one after another.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            // The lowest seven bits, marked as not the last ones.
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.varint(number << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// An inner message.
    fn put(&mut self, number: u64, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(number, &inner.0);
    }

    /// A text; the empty one is not written.
    fn text(&mut self, number: u64, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn texts(&mut self, number: u64, list: &Value) {
        for text in items(list).filter_map(Value::as_str) {
            self.bytes(number, text.as_bytes());
        }
    }

    fn flag(&mut self, number: u64, value: &Value) {
        if value.as_bool() == Some(true) {
            self.varint(number << 3);
            self.varint(1);
        }
    }

    /// A flag that is told whatever it is.
    fn choice(&mut self, number: u64, value: bool) {
        self.varint(number << 3);
        self.varint(value.into());
    }

    fn int(&mut self, number: u64, value: &Value) {
        if let Some(value) = value.as_u64().filter(|value| *value != 0) {
            self.varint(number << 3);
            self.varint(value);
        }
    }

    fn double(&mut self, number: u64, value: &Value) {
        if let Some(value) = value.as_f64().filter(|value| *value != 0.0) {
            self.varint(number << 3 | 1);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// An `Any`: YAML, of which JSON is a part.
    fn any(&mut self, number: u64, value: &Value) {
        self.put(number, |any| any.bytes(2, value.to_string().as_bytes()));
    }

    fn extensions(&mut self, number: u64, fields: &Value) {
        for (name, value) in map(fields).filter(|(name, _)| name.starts_with("x-")) {
            self.put(number, |named| {
                named.bytes(1, name.as_bytes());
                named.any(2, value);
            });
        }
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn map(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// Pairs of a name and a message.
fn named(message: &mut Message, number: u64, fields: &Value, fill: impl Fn(&mut Message, &Value)) {
    for (name, value) in map(fields) {
        message.put(number, |pair| {
            pair.bytes(1, name.as_bytes());
            pair.put(2, |inner| fill(inner, value));
        });
    }
}

fn path_item(message: &mut Message, item: &Value) {
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(one) = item.get(method) {
            message.put(number, |message| operation(message, one));
        }
    }
    for one in items(&item["parameters"]) {
        message.put(9, |message| parameter(message, one));
    }
}

fn operation(message: &mut Message, operation: &Value) {
    message.texts(1, &operation["tags"]);
    message.text(3, &operation["description"]);
    message.text(5, &operation["operationId"]);
    message.texts(6, &operation["produces"]);
    message.texts(7, &operation["consumes"]);
    for one in items(&operation["parameters"]) {
        message.put(8, |message| parameter(message, one));
    }
    message.put(9, |responses| {
        named(responses, 1, &operation["responses"], |value, response| {
            value.put(1, |message| {
                message.text(1, &response["description"]);
                if let Some(of) = response.get("schema") {
                    message.put(2, |item| item.put(1, |message| schema(message, of)));
                }
            });
        });
    });
    message.texts(10, &operation["schemes"]);
    message.extensions(13, operation);
}

fn parameter(message: &mut Message, parameter: &Value) {
    let place = parameter["in"].as_str().unwrap_or_default();
    message.put(1, |either| {
        if place == "body" {
            either.put(1, |body| {
                body.text(1, &parameter["description"]);
                body.text(2, &parameter["name"]);
                body.text(3, &parameter["in"]);
                body.flag(4, &parameter["required"]);
                body.put(5, |message| schema(message, &parameter["schema"]));
            });
            return;
        }
        let query = place == "query";
        either.put(2, |other| {
            other.put(if query { 3 } else { 4 }, |message| {
                message.flag(1, &parameter["required"]);
                message.text(2, &parameter["in"]);
                message.text(3, &parameter["description"]);
                message.text(4, &parameter["name"]);
                // A query parameter has one field more, `allowEmptyValue`, before the others.
                message.text(if query { 6 } else { 5 }, &parameter["type"]);
                message.flag(if query { 20 } else { 19 }, &parameter["uniqueItems"]);
            });
        });
    });
}

fn schema(message: &mut Message, schema_: &Value) {
    let of = |name: &str| schema_.get(name).unwrap_or(&Value::Null);
    for (number, name) in [(1, "$ref"), (2, "format"), (3, "title"), (4, "description"), (13, "pattern")] {
        message.text(number, of(name));
    }
    for (number, name) in [(6, "multipleOf"), (7, "maximum"), (9, "minimum")] {
        message.double(number, of(name));
    }
    for (number, name) in [(8, "exclusiveMaximum"), (10, "exclusiveMinimum"), (16, "uniqueItems")] {
        message.flag(number, of(name));
    }
    let lengths = [
        (11, "maxLength"),
        (12, "minLength"),
        (14, "maxItems"),
        (15, "minItems"),
        (17, "maxProperties"),
        (18, "minProperties"),
    ];
    for (number, name) in lengths {
        message.int(number, of(name));
    }
    message.texts(19, of("required"));
    for value in items(of("enum")) {
        message.any(20, value);
    }
    match of("additionalProperties") {
        Value::Bool(allowed) => message.put(21, |item| item.flag(2, &Value::Bool(*allowed))),
        Value::Null => {}
        value => message.put(21, |item| item.put(1, |message| schema(message, value))),
    }
    if of("type").is_string() {
        message.put(22, |item| item.text(1, of("type")));
    }
    if of("items").is_object() {
        message.put(23, |item| item.put(1, |message| schema(message, of("items"))));
    }
    if of("properties").is_object() {
        message.put(25, |properties| named(properties, 1, of("properties"), schema));
    }
    message.extensions(31, schema_);
}
