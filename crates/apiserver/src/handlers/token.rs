//! `token` of service accounts: `pkg/registry/core/serviceaccount/storage/token.go`.

use std::sync::Arc;

use apimachinery::{
    field::{FieldError, Path},
    meta::Meta,
    status::Status,
};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Call;
use crate::{
    admission::Operation,
    answer,
    body::Body,
    builtin::defaults,
    failure::Outcome,
    incoming, object,
    options::WriteOptions,
    registry::{Resource, split_api_version},
    scope::{Part, Scope},
    server::RequestBody,
    tokens::{Bound, Claims},
    verbs,
};

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";
const TYPE: &str = "io.k8s.api.authentication.v1.TokenRequest";

pub(crate) async fn create(mut call: Call, body: RequestBody) -> Outcome<Response<Body>> {
    let body = incoming::body(body).await?;
    call.take(&WriteOptions::read(call.query(), &call.headers, "CreateOptions")?);
    let core = Arc::clone(&call.scope.core);
    let asked = asked_as(&call.scope);
    let mut request = incoming::object(&core.types, &asked, &call.headers, &body)?;
    defaults::token_request(&mut request);
    asked.settle_namespace(&mut request)?;
    check_names(&call, &request)?;
    let account = account(&call).await?;
    let account = Meta::of(&account);
    let uid = object::uid(&request);
    if !uid.is_empty() && uid != account.uid() {
        let why = format!(
            "the UID in the token request ({uid}) does not match the UID of the service account ({})",
            account.uid()
        );
        return Err(Status::conflict(GROUP, KIND, &call.name, &why).into());
    }
    let now = jiff::Timestamp::now();
    complete(&mut request, account, &core.tokens_of_accounts.audiences(), now);
    let errors = validate(&request);
    if !errors.is_empty() {
        return Err(Status::invalid(GROUP, KIND, "", &errors).into());
    }
    asked.judge(Operation::Create, &call.name, None, Some(&request)).await?;
    let spec = request.get("spec").cloned().unwrap_or_default();
    let secret = bound(&call.scope, spec.get("boundObjectRef")).await?;
    let seconds = spec.get("expirationSeconds").and_then(Value::as_i64).unwrap_or_default();
    let audiences = texts(&spec, "audiences");
    let owner = Bound { name: account.name().to_owned(), uid: account.uid().to_owned() };
    let claims = Claims::new(&call.scope.namespace, owner, secret, audiences, now.as_second(), seconds);
    let signed = core.tokens_of_accounts.sign(&core, &claims).await;
    let token = signed.map_err(|why| Status::internal_error(&format!("failed to generate token: {why}")))?;
    let expires = now.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(jiff::Timestamp::MAX);
    if let Some(fields) = request.as_object_mut() {
        let status = json!({"token": token, "expirationTimestamp": apimachinery::meta::time(expires)});
        fields.insert("status".to_owned(), status);
    }
    Ok(answer::tree(call.form, StatusCode::CREATED, &request))
}

/// The scope of what is asked for: a `TokenRequest`.
fn asked_as(scope: &Scope) -> Scope {
    let resource = Resource {
        group: GROUP.to_owned(),
        version: "v1".to_owned(),
        kind: KIND.to_owned(),
        schema: Some(Arc::new(scope.core.types.inline(TYPE))),
        ..Resource::clone(&scope.resource)
    };
    Scope { resource: Arc::new(resource), part: Part::Token, ..scope.clone() }
}

/// Name and namespace, where the body has them, are those of the path.
fn check_names(call: &Call, request: &Value) -> Outcome<()> {
    let metadata = Path::ROOT.child("metadata");
    let wrong = |field: &'static str| {
        let given = object::meta_text(request, field);
        let why = format!("must match the service account {field} if specified");
        let error = FieldError::invalid(&metadata.child(field), given, why);
        Err(Status::invalid(GROUP, KIND, &call.name, &[error]).into())
    };
    let differs = |field: &str, own: &str| {
        !matches!(object::meta_text(request, field), "") && object::meta_text(request, field) != own
    };
    if differs("name", &call.name) {
        return wrong("name");
    }
    if differs("namespace", &call.scope.namespace) {
        return wrong("namespace");
    }
    Ok(())
}

async fn account(call: &Call) -> Outcome<Value> {
    let entry = verbs::get::get(&call.scope, &call.name, "").await?;
    Ok(crate::read::value(&call.scope.resource, &entry))
}

/// Fills in what the server sets.
fn complete(request: &mut Value, account: Meta<'_>, audiences: &[String], now: jiff::Timestamp) {
    let metadata = json!({
        "name": account.name(), "namespace": account.namespace(), "uid": account.uid(),
        "creationTimestamp": apimachinery::meta::time(now),
    });
    let Some(fields) = request.as_object_mut() else { return };
    fields.remove("status");
    let own = fields.entry("metadata").or_insert_with(|| json!({}));
    if let (Some(own), Value::Object(set)) = (own.as_object_mut(), metadata) {
        own.extend(set);
    }
    let spec = fields.entry("spec").or_insert_with(|| json!({}));
    if texts(spec, "audiences").is_empty()
        && let Some(spec) = spec.as_object_mut()
    {
        spec.insert("audiences".to_owned(), json!(audiences));
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.entry("boundObjectRef").or_insert(Value::Null);
    }
}

fn validate(request: &Value) -> Vec<FieldError> {
    const LEAST: i64 = 10 * 60;
    let spec = Path::ROOT.child("spec");
    let at = spec.child("expirationSeconds");
    let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or_default();
    let mut errors = Vec::new();
    if seconds < LEAST {
        errors.push(FieldError::invalid(&at, seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > 1 << 32 {
        errors.push(FieldError::invalid(&at, seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    errors
}

/// The secret that a token is bound to, if any; what else Kubernetes can bind one to is not here.
async fn bound(scope: &Scope, reference: Option<&Value>) -> Outcome<Option<Bound>> {
    let Some(reference) = reference.filter(|reference| !reference.is_null()) else { return Ok(None) };
    let (group, version) = split_api_version(object::text(reference, "apiVersion"));
    let kind = object::text(reference, "kind");
    let name = object::text(reference, "name");
    let plural = match (group, kind) {
        ("", "Secret") => "secrets",
        ("", "Pod") => "pods",
        ("", "Node") => "nodes",
        _ => {
            let why = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
            return Err(Status::bad_request(why).into());
        }
    };
    let catalog = scope.core.registry.catalog();
    let Some(resource) = catalog.any_version("", plural).filter(|_| plural == "secrets") else {
        return Err(Status::not_found("", plural, name).into());
    };
    let secrets = Scope { resource: Arc::clone(resource), ..scope.clone() };
    let entry = verbs::get::get(&secrets, name, "").await?;
    let secret = crate::read::value(&secrets.resource, &entry);
    let (uid, wanted) = (object::uid(&secret), object::text(reference, "uid"));
    if !wanted.is_empty() && uid != wanted {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Status::conflict("", kind, name, &why).into());
    }
    Ok(Some(Bound { name: name.to_owned(), uid: uid.to_owned() }))
}

fn texts(spec: &Value, field: &str) -> Vec<String> {
    let list = spec.get(field).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
