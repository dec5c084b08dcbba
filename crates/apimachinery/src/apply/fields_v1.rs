//! `fieldsV1`: a set of fields as JSON, `structured-merge-diff/fieldpath/serialize.go`.

use serde_json::{Map, Value};

use super::element::{Element, ElementError};
use super::scalar::encode_text;
use super::set::{FieldSet, Node};

impl FieldSet {
    /// Reads `fieldsV1`. Steps of a kind that this version does not know are left out.
    ///
    /// # Errors
    /// What is no map of maps, or a step that is not well-formed.
    pub fn from_fields_v1(value: &Value) -> Result<Self, ElementError> {
        match value {
            Value::Null => Ok(Self::new()),
            Value::Object(fields) => Ok(read(fields)?.0),
            other => Err(ElementError::Malformed(format!("fieldsV1 must be an object, got {other}"))),
        }
    }

    /// Writes `fieldsV1`.
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(written(self, false))
    }

    /// Writes `fieldsV1` as text, its keys in the order of the set as Kubernetes has them.
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        write(&mut text, self, false);
        text
    }
}

/// The set, and whether the field that holds it is a member of the set around it.
fn read(fields: &Map<String, Value>) -> Result<(FieldSet, bool), ElementError> {
    let mut nodes = Vec::with_capacity(fields.len());
    let mut member = false;
    for (key, value) in fields {
        if key == "." {
            member = true;
            continue;
        }
        let element = match Element::parse(key) {
            Ok(element) => element,
            Err(ElementError::Unknown) => continue,
            Err(malformed) => return Err(malformed),
        };
        let (children, member) = match value {
            Value::Object(fields) => read(fields)?,
            Value::Null => (FieldSet::new(), true),
            other => return Err(ElementError::Malformed(format!("fieldsV1 must be an object, got {other}"))),
        };
        nodes.push(Node { element, member, children });
    }
    let set = FieldSet::from_nodes(nodes);
    let member = member || set.is_empty();
    Ok((set, member))
}

fn written(set: &FieldSet, member: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    if member && !set.is_empty() {
        fields.insert(".".to_owned(), Value::Object(Map::new()));
    }
    for node in set.nodes() {
        fields.insert(node.element.serialized(), Value::Object(written(&node.children, node.member)));
    }
    fields
}

fn write(text: &mut String, set: &FieldSet, member: bool) {
    text.push('{');
    let mut first = true;
    if member && !set.is_empty() {
        text.push_str("\".\":{}");
        first = false;
    }
    for node in set.nodes() {
        if !first {
            text.push(',');
        }
        first = false;
        encode_key(text, &node.element.serialized());
        text.push(':');
        write(text, &node.children, node.member);
    }
    text.push('}');
}

/// A key is a plain JSON string; only the values within it are made safe for HTML.
fn encode_key(text: &mut String, key: &str) {
    if key.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        text.push_str(&Value::from(key).to_string());
    } else {
        encode_text(text, key);
    }
}
