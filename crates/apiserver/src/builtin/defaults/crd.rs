use serde_json::{Value, json};

use super::{default, entry, items_mut, put};

/// `SetDefaults_CustomResourceDefinition` of `apiextensions.k8s.io/v1`.
pub(super) fn apply(definition: &mut Value) {
    let kind = definition.pointer("/spec/names/kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let spec = entry(definition, "spec");
    let names = entry(spec, "names");
    default(names, "singular", &kind.to_lowercase());
    if !kind.is_empty() {
        default(names, "listKind", &format!("{kind}List"));
    }
    let conversion = entry(spec, "conversion");
    if conversion.as_object().is_some_and(serde_json::Map::is_empty) {
        *conversion = json!({"strategy": "None"});
    }
    if let Some(service) = conversion.pointer_mut("/webhook/clientConfig/service").filter(|service| service.is_object())
    {
        default_port(service);
    }
    let none = |status: &Value| status.get("storedVersions").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if definition.get("status").is_none_or(none) {
        stored_versions(definition);
    }
}

/// Adds the version that objects are stored in to those that objects were ever stored in.
pub(super) fn stored_versions(definition: &mut Value) {
    let storage = items_mut(entry(definition, "spec"), "versions")
        .find(|version| version.get("storage") == Some(&Value::Bool(true)))
        .and_then(|version| version.get("name").cloned());
    let Some(storage) = storage else { return };
    let status = entry(definition, "status");
    let mut stored = status.get("storedVersions").and_then(Value::as_array).cloned().unwrap_or_default();
    if !stored.contains(&storage) {
        stored.push(storage);
        put(status, "storedVersions", stored.into());
    }
}

fn default_port(service: &mut Value) {
    if service.get("port").is_none_or(Value::is_null) {
        put(service, "port", 443.into());
    }
}
