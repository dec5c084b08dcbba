//! Namespace, ConfigMap, Secret, ServiceAccount: `pkg/apis/core/validation`.

use apimachinery::field::{FieldError, Path};
use apimachinery::meta::{Meta, NameRule, names, validate};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{core_create, core_update, entries, given, immutable, text, texts, wrong};

/// The most bytes of all values of a ConfigMap or Secret together.
const MOST: usize = 1 << 20;
const ROOT: Path<'static> = Path::ROOT;
const WHEN_IMMUTABLE: &str = "field is immutable when `immutable` is set";

pub(super) fn namespace(object: &Value) -> Vec<FieldError> {
    let mut errors = core_create(object, false, NameRule::DnsLabel);
    let spec = ROOT.child("spec");
    let path = spec.child("finalizers");
    for finalizer in given(object, "spec").map(|spec| texts(spec, "finalizers")).unwrap_or_default() {
        namespace_finalizer(finalizer, &path, &mut errors);
    }
    errors
}

pub(super) fn namespace_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = namespace(new);
    errors.extend(validate::update(new, old));
    errors
}

pub(super) fn namespace_status_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = core_update(new, old);
    let phase = given(new, "status").map(|status| text(status, "phase")).unwrap_or_default();
    let (wanted, when) = if Meta::of(new).is_deleting() { ("Terminating", "not empty") } else { ("Active", "empty") };
    if phase != wanted {
        let words = format!("may only be '{wanted}' if `deletionTimestamp` is {when}");
        errors.push(FieldError::invalid(&ROOT.child("status").child("Phase"), phase, words));
    }
    errors
}

pub(super) fn namespace_finalize_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = core_update(new, old);
    let spec = ROOT.child("spec");
    let path = spec.child("finalizers");
    let finalizers = given(new, "spec").map(|spec| texts(spec, "finalizers")).unwrap_or_default();
    for (index, finalizer) in finalizers.into_iter().enumerate() {
        namespace_finalizer(finalizer, &path.index(index), &mut errors);
    }
    errors
}

fn namespace_finalizer(finalizer: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    validate::finalizer_name(finalizer, path, errors);
    validate::core_finalizer(finalizer, path, errors);
}

pub(super) fn config_map(object: &Value) -> Vec<FieldError> {
    let mut errors = core_create(object, true, NameRule::DnsSubdomain);
    let mut size = 0;
    let data = ROOT.child("data");
    for (key, value) in entries(object, "data") {
        let path = data.key(key);
        wrong(&mut errors, &path, key, names::config_map_key(key));
        if given(object, "binaryData").is_some_and(|binary| binary.get(key).is_some()) {
            errors.push(FieldError::invalid(&path, key.as_str(), "duplicate of key present in binaryData"));
        }
        size += value.as_str().map_or(0, str::len);
    }
    let binary = ROOT.child("binaryData");
    for (key, value) in entries(object, "binaryData") {
        wrong(&mut errors, &binary.key(key), key, names::config_map_key(key));
        size += decoded_size(value);
    }
    if size > MOST {
        // An empty path of Kubernetes' reads like this.
        errors.push(FieldError { field: "[]".to_owned(), ..FieldError::too_long(&ROOT, MOST) });
    }
    errors
}

pub(super) fn config_map_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = core_update(new, old);
    kept_when_immutable(new, old, &["data", "binaryData"], &mut errors);
    errors.extend(config_map(new));
    errors
}

pub(super) fn secret(object: &Value) -> Vec<FieldError> {
    let mut errors = core_create(object, true, NameRule::DnsSubdomain);
    let path = ROOT.child("data");
    let mut size = 0;
    for (key, value) in entries(object, "data") {
        wrong(&mut errors, &path.key(key), key, names::config_map_key(key));
        size += decoded_size(value);
    }
    if size > MOST {
        errors.push(FieldError::too_long(&path, MOST));
    }
    secret_type(object, &path, &mut errors);
    errors
}

/// The keys that a Secret's type asks for.
fn secret_type(object: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let data = |key: &str| given(object, "data").and_then(|data| data.get(key));
    let mut require = |key: &str| errors.push(FieldError::required(&path.key(key), ""));
    match text(object, "type") {
        "kubernetes.io/service-account-token" => {
            let key = "kubernetes.io/service-account.name";
            if Meta::of(object).annotation(key).unwrap_or_default().is_empty() {
                let metadata = ROOT.child("metadata");
                errors.push(FieldError::required(&metadata.child("annotations").key(key), ""));
            }
        }
        "kubernetes.io/dockercfg" => docker(data(".dockercfg"), &path.key(".dockercfg"), errors),
        "kubernetes.io/dockerconfigjson" => docker(data(".dockerconfigjson"), &path.key(".dockerconfigjson"), errors),
        "kubernetes.io/basic-auth" if data("username").is_none() && data("password").is_none() => {
            require("username");
            require("password");
        }
        "kubernetes.io/ssh-auth" if data("ssh-privatekey").map_or(0, decoded_size) == 0 => require("ssh-privatekey"),
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if data(key).is_none() {
                    require(key);
                }
            }
        }
        _ => {}
    }
}

/// A docker configuration is a JSON object; what is in it is never shown.
fn docker(value: Option<&Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let Some(value) = value else {
        errors.push(FieldError::required(path, ""));
        return;
    };
    let bytes = decoded(value);
    let words = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(_) | Value::Null) => return,
        Ok(other) => {
            format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", type_name(&other))
        }
        Err(error) => not_json(&bytes).unwrap_or_else(|| error.to_string()),
    };
    errors.push(FieldError::invalid(path, "<secret contents redacted>", words));
}

const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        _ => "bool",
    }
}

/// What Go says of bytes that do not even begin as JSON.
fn not_json(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    match text.trim_start_matches([' ', '\t', '\r', '\n']).chars().next() {
        None => Some("unexpected end of JSON input".to_owned()),
        Some('{' | '[' | '"' | '-' | '0'..='9' | 't' | 'f' | 'n') => None,
        Some(first) => Some(format!("invalid character {first:?} looking for beginning of value")),
    }
}

pub(super) fn secret_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = core_update(new, old);
    immutable(&mut errors, &ROOT.child("type"), given(new, "type"), given(old, "type"));
    kept_when_immutable(new, old, &["data"], &mut errors);
    errors.extend(secret(new));
    errors
}

fn kept_when_immutable(new: &Value, old: &Value, fields: &[&str], errors: &mut Vec<FieldError>) {
    let is_immutable = |object: &Value| object.get("immutable").and_then(Value::as_bool) == Some(true);
    if !is_immutable(old) {
        return;
    }
    if !is_immutable(new) {
        errors.push(FieldError::forbidden(&ROOT.child("immutable"), WHEN_IMMUTABLE));
    }
    for field in fields {
        if given(new, field) != given(old, field) {
            errors.push(FieldError::forbidden(&ROOT.child(field), WHEN_IMMUTABLE));
        }
    }
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default()
}

/// The bytes that a base64 text stands for.
fn decoded_size(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    let padding = text.bytes().rev().take_while(|c| *c == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

pub(super) fn service_account(object: &Value) -> Vec<FieldError> {
    core_create(object, true, NameRule::DnsSubdomain)
}

pub(super) fn service_account_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = core_update(new, old);
    errors.extend(service_account(new));
    errors
}
