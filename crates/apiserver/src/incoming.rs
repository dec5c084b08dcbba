//! From a request's body to an object: read, told apart, and rid of what its kind does not have.

use apimachinery::{
    field::{FieldError, Path},
    json::{self, MAX_BYTES},
    negotiate::{self, ContentType},
    status::Status,
};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::{
    builtin::{KINDS, Types, typed as go},
    failure::Outcome,
    object,
    options::FieldValidation,
    scope::{Part, Scope},
    server::RequestBody,
};

/// Where Kubernetes' list of kinds is made, as its messages tell.
pub(crate) const SCHEME: &str = "pkg/runtime/scheme.go:111";

/// The whole body; 413 beyond 3 MB.
pub(crate) async fn body(body: RequestBody) -> Outcome<Bytes> {
    match Limited::new(body, MAX_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(failed) if failed.is::<LengthLimitError>() => {
            Err(Status::too_large(&format!("limit is {MAX_BYTES}")).into())
        }
        Err(failed) => Err(Status::bad_request(format!("unable to read the request body: {failed}")).into()),
    }
}

/// A document such as `DeleteOptions`, of which only the form counts; `None` for an empty body.
pub(crate) fn document(types: &Types, headers: &HeaderMap, body: &Bytes) -> Outcome<Option<Value>> {
    if body.is_empty() {
        return Ok(None);
    }
    let read = match negotiate::content_type(headers).map_err(Status::from)? {
        ContentType::Json => json::decode_object(body, json::ContentType::Json),
        ContentType::Yaml => json::decode_object(body, json::ContentType::Yaml),
        ContentType::Protobuf => {
            let read = crate::protobuf::decode(body, types);
            return read.map(Some).map_err(|wrong| Status::bad_request(wrong.to_string()).into());
        }
    };
    read.map(|decoded| Some(decoded.value))
        .map_err(|wrong| Status::bad_request(format!("couldn't get version/kind; json parse error: {wrong}")).into())
}

/// The object of a create or update, pruned and defaulted.
pub(crate) fn object(types: &Types, scope: &Scope, headers: &HeaderMap, body: &Bytes) -> Outcome<Value> {
    let kind = scope.resource.kind.as_str();
    let (value, duplicates) = match negotiate::content_type(headers).map_err(Status::from)? {
        ContentType::Protobuf if scope.resource.is_custom() => return Err(unsupported()),
        ContentType::Protobuf => {
            let read = crate::protobuf::decode(body, types);
            (read.map_err(|wrong| Status::bad_request(wrong.to_string()))?, Vec::new())
        }
        text => {
            let form = if text == ContentType::Yaml { json::ContentType::Yaml } else { json::ContentType::Json };
            let decoded =
                json::decode_object(body, form).map_err(|wrong| Status::bad_request(wrong.message(kind, body)))?;
            (decoded.value, decoded.duplicates)
        }
    };
    let value = typed(scope, value, body)?;
    settle(scope, value, duplicates, Source::Body)
}

/// Checks which kind and version the object says it is; for built-in kinds what is not said is filled in.
fn typed(scope: &Scope, mut value: Value, body: &Bytes) -> Outcome<Value> {
    let resource = &*scope.resource;
    let expected = resource.api_version();
    let given = object::text(&value, "apiVersion");
    if given.matches('/').count() > 1 {
        let why = format!("unexpected GroupVersion string: {given}");
        return Err(Status::bad_request(json::unrecognized(&resource.kind, &why, body)).into());
    }
    if resource.is_custom() {
        if object::text(&value, "kind").is_empty() {
            let why = format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(body));
            return Err(Status::bad_request(json::unrecognized(&resource.kind, &why, body)).into());
        }
    } else {
        if value.is_null() {
            value = Value::Object(serde_json::Map::new());
        }
        if let Some(fields) = value.as_object_mut() {
            for (field, default) in [("kind", &resource.kind), ("apiVersion", &expected)] {
                if fields.get(field).and_then(Value::as_str).is_none_or(str::is_empty) {
                    fields.insert(field.to_owned(), default.clone().into());
                }
            }
        }
        check_built_in(scope, object::text(&value, "kind"), object::text(&value, "apiVersion"))?;
    }
    let version = object::text(&value, "apiVersion");
    if version != expected {
        return Err(Status::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        ))
        .into());
    }
    Ok(value)
}

/// What the decoder of the built-in kinds says of a kind that is not the expected one.
fn check_built_in(scope: &Scope, kind: &str, api_version: &str) -> Outcome<()> {
    let resource = &*scope.resource;
    if kind == resource.kind && api_version == resource.api_version() {
        return Ok(());
    }
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let is_known = KINDS.iter().any(|known| {
        known.api_version() == api_version
            && (known.kind == kind || (known.stored.is_some() && known.list_kind() == kind))
    });
    // Another group's version of the same kind is converted, and refused only then.
    if is_known && kind == resource.kind {
        return Ok(());
    }
    let why = if is_known {
        let ours = resource.go_type();
        format!("converting ({version}.{kind}) to ({}): unknown conversion", ours.trim_start_matches('*'))
    } else {
        format!("no kind {kind:?} is registered for version {api_version:?} in scheme \"{SCHEME}\"")
    };
    let kind_wanted = &resource.kind;
    Err(Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind_wanted}: {why}"))
        .into())
}

fn unsupported() -> Box<Status> {
    Status::unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
    )
    .into()
}

/// Where an object comes from: what is wrong with it is told in other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// A request's body.
    Body,
    /// What a patch made of the stored one.
    Patch,
    /// The same of a strategic merge patch, which is shown instead.
    Strategic(&'a Value),
}

/// Drops what the kind does not have, as the request wants it told, and fills in defaults.
pub(crate) fn settle(scope: &Scope, mut value: Value, duplicates: Vec<String>, source: Source<'_>) -> Outcome<Value> {
    // A patch's result is shown as it was before it was read.
    let shown = match source {
        Source::Body => None,
        Source::Patch => Some(serde_json::to_string(&value).unwrap_or_default()),
        Source::Strategic(patch) => Some(go_map(patch)),
    };
    let unknown = read(scope, &mut value).map_err(|wrong| {
        if let (Some(shown), true) = (&shown, scope.resource.is_custom()) {
            return patch_error(shown, wrong);
        }
        let kind = &scope.resource.kind;
        let (found, version) = (object::text(&value, "kind"), &scope.resource.version);
        Status::bad_request(format!("{found} in version {version:?} cannot be handled as a {kind}: {wrong}"))
    })?;
    let mut wrong = duplicates;
    if !scope.resource.is_custom() {
        // What Go's structures do not have is not told to stand twice.
        wrong.retain(|text| !unknown.iter().any(|path| *text == format!("duplicate field \"{path}\"")));
    }
    wrong.extend(unknown.into_iter().map(|path| format!("unknown field \"{path}\"")));
    if wrong.is_empty() {
        return Ok(value);
    }
    match scope.field_validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => {
            for text in wrong {
                // What the reader of YAML says of each line.
                match text.strip_prefix("yaml: unmarshal errors:\n") {
                    Some(lines) => lines.lines().for_each(|line| scope.warnings.add(line.trim_start())),
                    None => scope.warnings.add(text),
                }
            }
        }
        FieldValidation::Strict => {
            let why = format!("strict decoding error: {}", wrong.join(", "));
            let kind = &scope.resource.kind;
            if let Some(shown) = &shown {
                return Err(patch_error(shown, why).into());
            }
            return Err(Status::bad_request(format!(
                "{} in version {:?} cannot be handled as a {kind}: {why}",
                object::text(&value, "kind"),
                scope.resource.version
            ))
            .into());
        }
    }
    Ok(value)
}

/// A value as Go's `%+v` shows it.
fn go_map(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => json::go_g(number.as_f64().unwrap_or_default()),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_map).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut pairs: Vec<String> = fields.iter().map(|(key, value)| format!("{key}:{}", go_map(value))).collect();
            pairs.sort();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// 422 for what a patch made.
fn patch_error(shown: &str, why: String) -> Status {
    let error = FieldError::invalid(&Path::ROOT.child("patch"), shown, why);
    Status::invalid("", "", "", &[error])
}

/// Reads an object into its kind; gives the fields that the kind does not have.
fn read(scope: &Scope, value: &mut Value) -> Result<Vec<String>, String> {
    let mut unknown = match scope.resource.built_in() {
        Some(definition) => {
            // What is asked of `token` is of a kind of its own.
            let token = definition.subresources.iter().find(|part| part.name == "token" && scope.part == Part::Token);
            go::read(&scope.core.types, token.map_or(definition.type_name, |part| part.type_name), value)?
        }
        None => Vec::new(),
    };
    unknown.extend(crate::shape::settle(&scope.resource, value)?);
    unknown.sort();
    unknown.dedup();
    Ok(unknown)
}
