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
    fields, incoming,
    options::WriteOptions,
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
            object = incoming::settle(scope, object, Vec::new(), incoming::Source::Patch)?;
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
        let mut duplicates = Vec::new();
        let new = if self.kind == PatchType::Json {
            patch::json_patch(live, &self.body).map_err(refusal)?
        } else {
            let decoded = json::decode(&self.body, json::ContentType::Json)
                .map_err(|wrong| Status::bad_request(format!("error decoding patch: {wrong}")))?;
            duplicates = decoded.duplicates;
            if self.kind == PatchType::Merge {
                patch::merge_patch(live, &decoded.value).map_err(refusal)?
            } else {
                let schema = scope.resource.schema.clone().unwrap_or_default();
                patch::strategic(live, &decoded.value, &schema).map_err(refusal)?
            }
        };
        let new = incoming::settle(scope, new, duplicates, incoming::Source::Patch)?;
        Ok(fields::updated(scope, Some(live), new))
    }
}

pub(super) fn refusal(wrong: PatchError) -> Box<Status> {
    match wrong {
        PatchError::Malformed(message) => Status::bad_request(message),
        PatchError::TooManyOperations(_) => Status::too_large(&wrong.to_string()),
        PatchError::Rejected(_) => Status::new(StatusCode::UNPROCESSABLE_ENTITY, Reason::Invalid, PatchError::REJECTED),
        PatchError::Unexpected(message) => Status::unknown(message),
    }
    .into()
}
