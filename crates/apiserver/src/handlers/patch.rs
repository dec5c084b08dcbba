//! patch: JSON patch, merge patch, strategic merge patch, apply.

use apimachinery::{
    json,
    negotiate::{self, PatchType},
    patch::{self, PatchError},
    status::{Reason, Status},
};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::Call;
use crate::{
    answer,
    body::Body,
    failure::Outcome,
    fields,
    incoming::{self, Source},
    options::{FieldValidation, WriteOptions},
    scope::Scope,
    server::RequestBody,
    verbs::{self, update::Change},
};

pub(crate) async fn patch(mut call: Call, body: RequestBody) -> Outcome<Response<Body>> {
    // First, as what follows depends on it.
    let kind = negotiate::patch_type(&call.headers, !call.scope.resource.is_custom()).map_err(Status::from)?;
    let body = incoming::body(body).await?;
    let options = WriteOptions::of_patch(call.query(), &call.headers, kind)?;
    call.take(&options);
    let patched = Patched { kind, body, name: call.name.clone(), force: options.force };
    let (stored, created) = verbs::update::update(&call.scope, &call.name, &patched).await?;
    let code = if created { StatusCode::CREATED } else { StatusCode::OK };
    answer::object(&call, code, stored)
}

struct Patched {
    kind: PatchType,
    body: Bytes,
    name: String,
    force: bool,
}

impl Change for Patched {
    fn apply(&self, scope: &Scope, live: Option<&Value>) -> Outcome<Value> {
        let mut object = match (self.kind, live) {
            (PatchType::Apply, live) => fields::applied(scope, live, &self.body, self.force)?,
            (_, None) => return Err(scope.not_found(&self.name).into()),
            (_, Some(live)) => self.merged(scope, live)?,
        };
        if self.kind == PatchType::Apply {
            object = incoming::settle(scope, object, Vec::new(), Source::Patch)?;
        }
        scope.check_name(&mut object, &self.name)?;
        Ok(object)
    }

    fn creates(&self) -> bool {
        self.kind == PatchType::Apply
    }
}

impl Patched {
    fn merged(&self, scope: &Scope, live: &Value) -> Outcome<Value> {
        if self.kind == PatchType::Json {
            let new = patch::json_patch(live, &self.body).map_err(refusal)?;
            let told = scope.field_validation != FieldValidation::Ignore;
            let problems = if told { problems(&self.body) } else { Vec::new() };
            let new = incoming::settle(scope, new, problems, Source::Patch)?;
            return Ok(fields::updated(scope, Some(live), new));
        }
        let decoded =
            json::decode(&self.body, json::ContentType::Json).map_err(|_| Status::bad_request("invalid JSON patch"))?;
        let (new, source) = if self.kind == PatchType::Merge {
            (patch::merge_patch(live, &decoded.value).map_err(refusal)?, Source::Patch)
        } else {
            let schema = scope.resource.schema.clone().unwrap_or_default();
            let new = patch::strategic(live, &decoded.value, &schema).map_err(refusal)?;
            (new, Source::Strategic(&decoded.value))
        };
        let new = incoming::settle(scope, new, decoded.duplicates, source)?;
        Ok(fields::updated(scope, Some(live), new))
    }
}

/// What a JSON patch has besides operations: fields that no operation has, and fields that stand twice, in it and then in the object.
fn problems(body: &[u8]) -> Vec<String> {
    const KNOWN: [&str; 4] = ["op", "path", "from", "value"];
    let Ok(decoded) = json::decode(body, json::ContentType::Json) else { return Vec::new() };
    let operations = decoded.value.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found: Vec<String> = decoded.duplicates.iter().map(|told| format!("json patch {told}")).collect();
    for (index, operation) in operations.iter().enumerate() {
        let fields = operation.as_object().into_iter().flat_map(|fields| fields.keys());
        let unknown = fields.filter(|field| !KNOWN.contains(&field.as_str()));
        found.extend(unknown.map(|field| format!("json patch unknown field \"[{index}].{field}\"")));
    }
    for (index, operation) in operations.iter().enumerate() {
        let Some(path) = operation.get("path").and_then(Value::as_str) else { continue };
        let at = path.trim_start_matches('/').replace('/', ".");
        let prefix = format!("duplicate field \"[{index}].value.");
        let inside = decoded.duplicates.iter().filter_map(|told| told.strip_prefix(&prefix));
        found.extend(inside.map(|rest| format!("duplicate field \"{at}.{rest}")));
    }
    found
}

pub(super) fn refusal(wrong: PatchError) -> Box<Status> {
    match wrong {
        PatchError::Malformed(message) => Status::bad_request(message),
        PatchError::TooManyOperations(_) => Status::too_large(&wrong.to_string()),
        PatchError::Rejected(_) => {
            Status::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Invalid, PatchError::REJECTED).with_details()
        }
        PatchError::Unexpected(message) => Status::unknown(message),
    }
    .into()
}
