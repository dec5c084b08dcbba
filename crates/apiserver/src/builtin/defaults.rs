//! What Kubernetes fills in for built-in kinds: `zz_generated.defaults.go` and the strategies of `pkg/registry`.
//!
//! [`apply`] goes first, on each object that is read from a request; then [`prepare_create`] or [`prepare_update`], which
//! keep what the server alone may write; last, with the name known, [`canonicalize`].

mod admission;
mod crd;

use serde_json::{Map, Value, json};

use super::{Definition, written};

const RBAC: &str = "rbac.authorization.k8s.io";
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Fills in what is not said. The object is of the definition's version.
pub fn apply(definition: &Definition, object: &mut Value) {
    match definition.kind {
        "Namespace" => {
            name_label(object);
            default(entry(object, "status"), "phase", "Active");
        }
        "Secret" => {
            default(object, "type", "Opaque");
            string_data(object);
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            default(entry(object, "roleRef"), "apiGroup", RBAC);
            for subject in items_mut(object, "subjects") {
                if matches!(subject.get("kind").and_then(Value::as_str), Some("User" | "Group")) {
                    default(subject, "apiGroup", RBAC);
                }
            }
        }
        "CustomResourceDefinition" => crd::apply(object),
        "ValidatingAdmissionPolicy" => admission::policy(object),
        "ValidatingAdmissionPolicyBinding" => admission::binding(object),
        _ => {}
    }
    written::complete(definition, object);
}

/// Fills in what is not said of a `TokenRequest`.
pub fn token_request(request: &mut Value) {
    let spec = entry(request, "spec");
    if spec.get("expirationSeconds").is_none_or(Value::is_null) {
        put(spec, "expirationSeconds", 3600.into());
    }
}

/// Makes an object that is to be created what the server alone decides: no status but the first one, generation 1.
pub fn prepare_create(definition: &Definition, object: &mut Value) {
    match definition.kind {
        "Namespace" => {
            put(object, "status", json!({"phase": "Active"}));
            let spec = entry(object, "spec");
            let mut finalizers = spec.get("finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
            if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
                finalizers.push("kubernetes".into());
            }
            put(spec, "finalizers", finalizers.into());
        }
        "ServiceAccount" => secret_names(object),
        "Lease" => {
            // The gate CoordinatedLeaderElection is off.
            remove(entry(object, "spec"), &["strategy", "preferredHolder"]);
        }
        "CustomResourceDefinition" => {
            // What its type always has.
            put(object, "status", json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null}));
            put(entry(object, "metadata"), "generation", 1.into());
            crd::stored_versions(object);
            written::complete(definition, object);
        }
        "ValidatingAdmissionPolicy" => {
            put(object, "status", json!({}));
            put(entry(object, "metadata"), "generation", 1.into());
        }
        "ValidatingAdmissionPolicyBinding" => put(entry(object, "metadata"), "generation", 1.into()),
        _ => {}
    }
}

/// Puts back what an update may not change; the generation counts changes of the spec. `subresource` is empty, `status` or
/// `finalize`.
pub fn prepare_update(definition: &Definition, subresource: &str, new: &mut Value, old: &Value) {
    match (definition.kind, subresource) {
        ("Namespace", "") => {
            match old.pointer("/spec/finalizers") {
                Some(finalizers) => put(entry(new, "spec"), "finalizers", finalizers.clone()),
                None => remove(entry(new, "spec"), &["finalizers"]),
            }
            keep(new, old, "status");
        }
        ("Namespace", "finalize") => keep(new, old, "status"),
        ("Namespace" | "CustomResourceDefinition", "status") => keep(new, old, "spec"),
        ("ValidatingAdmissionPolicy", "status") => {
            keep(new, old, "spec");
            keep_metadata(new, old);
        }
        ("Secret", "") => {
            let kind = old.get("type").and_then(Value::as_str).unwrap_or_default();
            default(new, "type", kind);
        }
        ("ServiceAccount", "") => secret_names(new),
        ("Lease", "") => {
            for field in ["strategy", "preferredHolder"] {
                if old.pointer(&format!("/spec/{field}")).is_none() {
                    remove(entry(new, "spec"), &[field]);
                }
            }
        }
        ("CustomResourceDefinition", "") => {
            keep(new, old, "status");
            generation(new, old);
            crd::stored_versions(new);
        }
        ("ValidatingAdmissionPolicy", "") => {
            keep(new, old, "status");
            generation(new, old);
        }
        ("ValidatingAdmissionPolicyBinding", "") => generation(new, old),
        _ => {}
    }
}

/// Fills in what follows from the name, which `generateName` may have made just now.
pub fn canonicalize(definition: &Definition, object: &mut Value) {
    match definition.kind {
        "Namespace" => name_label(object),
        // Where it is stored, an empty list is none.
        "Role" | "ClusterRole" if object.get("rules").and_then(Value::as_array).is_some_and(Vec::is_empty) => {
            put(object, "rules", Value::Null);
        }
        _ => {}
    }
}

/// The fields that an update at an endpoint does not write, as `GetResetFields` of the strategies: apply does not count
/// them as the applier's.
pub fn reset_fields(definition: &Definition, subresource: &str) -> &'static [&'static str] {
    match (definition.kind, subresource) {
        ("ValidatingAdmissionPolicy", "status") => &["spec", "metadata"],
        ("Namespace" | "CustomResourceDefinition", "status") => &["spec"],
        ("Namespace", "" | "finalize") | ("ValidatingAdmissionPolicy" | "CustomResourceDefinition", "") => &["status"],
        _ => &[],
    }
}

fn name_label(namespace: &mut Value) {
    let name = namespace.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !name.is_empty() {
        put(entry(entry(namespace, "metadata"), "labels"), NAME_LABEL, name.into());
    }
}

/// `stringData` is written only: it goes into `data`.
fn string_data(secret: &mut Value) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let Some(texts) = secret.as_object_mut().and_then(|secret| secret.remove("stringData")) else { return };
    let Value::Object(texts) = texts else { return };
    if texts.is_empty() {
        return;
    }
    let data = entry(secret, "data");
    for (key, text) in texts {
        put(data, &key, STANDARD.encode(text.as_str().unwrap_or_default()).into());
    }
}

/// A service account refers to secrets by name, whatever else a client says of them.
fn secret_names(account: &mut Value) {
    for secret in items_mut(account, "secrets") {
        let name = secret.get("name").cloned();
        *secret = name.map_or_else(|| json!({}), |name| json!({"name": name}));
    }
}

fn generation(new: &mut Value, old: &Value) {
    let now = old.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
    let changed = new.get("spec") != old.get("spec");
    put(entry(new, "metadata"), "generation", (now + i64::from(changed)).into());
}

fn keep(new: &mut Value, old: &Value, field: &str) {
    match old.get(field) {
        Some(value) => put(new, field, value.clone()),
        None => remove(new, &[field]),
    }
}

/// Of metadata, what an update of the status may not change: `ResetObjectMetaForStatus`.
fn keep_metadata(new: &mut Value, old: &Value) {
    let none = Value::Null;
    let (new, old) = (entry(new, "metadata"), old.get("metadata").unwrap_or(&none));
    for field in
        ["deletionTimestamp", "generation", "selfLink", "labels", "annotations", "finalizers", "ownerReferences"]
    {
        keep(new, old, field);
    }
}

/// The map in a field, made if there is none.
fn entry<'a>(object: &'a mut Value, field: &str) -> &'a mut Value {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let slot = &mut object[field];
    if slot.is_null() {
        *slot = Value::Object(Map::new());
    }
    slot
}

fn put(object: &mut Value, field: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

fn remove(object: &mut Value, names: &[&str]) {
    if let Some(fields) = object.as_object_mut() {
        for name in names {
            fields.remove(*name);
        }
    }
}

/// Sets a text that is not there or empty.
fn default(object: &mut Value, field: &str, value: &str) {
    let unset = match object.get(field) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    };
    if unset && !value.is_empty() {
        put(object, field, value.into());
    }
}

fn items_mut<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}
