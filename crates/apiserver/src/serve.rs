//! The way of a request, each step with the reason why it stands where it stands.

mod route;

use std::sync::Arc;

use apimachinery::{
    duration,
    negotiate::{self, Endpoint},
    request_info::{RequestInfo, Verb},
    status::Status,
    target::{self, Query, Routing, Target},
};
use futures_util::future::BoxFuture;
use http::{Request, Response, request::Parts};

use crate::{
    annotations::Annotations,
    answer,
    body::Body,
    builtin::KINDS,
    caller::Caller,
    convert::Conversions,
    failure::Outcome,
    handlers::{self, Call},
    options::FieldValidation,
    registry::Resource,
    routes,
    scope::{Part, Scope},
    server::{Core, RequestBody},
    warnings::Warnings,
};

/// Serves one request. Never fails: what goes wrong becomes a `Status`.
pub(crate) async fn serve(core: &Arc<Core>, request: Request<RequestBody>) -> Response<Body> {
    let told = Told::default();
    let (parts, body) = request.into_parts();
    let mut response = match pass(core, &parts, body, &told).await {
        Ok(response) => response,
        Err(refused) => {
            let query = Query::new(parts.uri.query().unwrap_or_default());
            // Who takes none of the forms gets JSON.
            let form = negotiate::accept(&parts.headers, query, Endpoint::Document).ok();
            answer::refusal(form, &refused)
        }
    };
    // Last, as every step may have something to say, also one that fails.
    told.warnings.write(response.headers_mut());
    told.annotations.write(response.extensions_mut());
    response
}

/// What steps say besides the answer.
#[derive(Default)]
struct Told {
    /// To the client.
    warnings: Warnings,
    /// To the audit log.
    annotations: Annotations,
}

async fn pass(core: &Arc<Core>, parts: &Parts, body: RequestBody, told: &Told) -> Outcome<Response<Body>> {
    // Who calls is known before anything is read; a request without a caller gets nothing.
    let caller = parts
        .extensions
        .get::<Arc<Caller>>()
        .cloned()
        .or_else(|| parts.extensions.get::<Caller>().cloned().map(Arc::new))
        .ok_or_else(Status::unauthorized)?;
    // One reading of the target for all that follows: what is authorized is what is done.
    let target = target::read(parts.version, &parts.method, &parts.uri, Routing::Host).map_err(Status::from)?;
    let info = RequestInfo::of(&parts.method, &target).map_err(Status::from)?;
    check_timeout(&info, &target)?;
    // Before it is looked up, so that nobody learns which resources or objects there are that they may not see.
    if let Err(forbidden) = core.authorize(&caller, &info) {
        let form = negotiate::accept(&parts.headers, target.query(), Endpoint::Document).ok();
        let forbidden = if info.is_resource { *forbidden } else { forbidden.with_details() };
        return Ok(answer::nosniff(answer::refusal(form, &forbidden)));
    }
    // After authorization, so that a refused caller takes nobody's place; a stream gives its place back once it flows.
    let place = core.fairness.enter(&caller, &info).await?;
    if !info.is_resource {
        return routes::answer(core, parts, &target).await.map(|response| answer::compressed(response, &parts.headers));
    }
    let response = resource(core, parts, body, &target, &info, caller, told).await?;
    if info.is_watch() {
        drop(place);
        return Ok(response);
    }
    Ok(answer::compressed(response.map(|body| body.holding(place)), &parts.headers))
}

async fn resource(
    core: &Arc<Core>,
    parts: &Parts,
    body: RequestBody,
    target: &Target<'_>,
    info: &RequestInfo<'_>,
    caller: Arc<Caller>,
    told: &Told,
) -> Outcome<Response<Body>> {
    let catalog = core.registry.catalog();
    let Some(resource) = catalog.find(info.group, info.version, info.resource).cloned() else {
        // A group of built-in kinds answers for all of its paths.
        if KINDS.iter().any(|kind| kind.group == info.group) {
            return Err(Status::no_such_path().with_details().into());
        }
        return Ok(answer::no_such_page());
    };
    if let Some(definition) = resource.built_in() {
        route::check(definition, info, parts)?;
    } else if !fits(&resource, info) {
        return Ok(answer::no_such_page());
    } else if info.subresource.is_empty() && !resource.verb_names().contains(&info.verb.as_str()) {
        return Err(Status::not_supported(&resource.group, &resource.plural, info.verb.as_str()).into());
    }
    if let Some(deprecation) = &resource.deprecation {
        told.warnings.add(deprecation.clone());
    }
    let endpoint = if info.is_watch() { Endpoint::Watch } else { Endpoint::Objects };
    let form = negotiate::accept(&parts.headers, target.query(), endpoint).map_err(Status::from)?;
    let namespace = if resource.namespaced { info.namespace } else { "" };
    let call = Call {
        scope: Scope {
            core: Arc::clone(core),
            resource,
            caller,
            namespace: namespace.to_owned(),
            part: Part::Whole,
            dry_run: false,
            manager: String::new(),
            field_validation: FieldValidation::default(),
            warnings: told.warnings.clone(),
            annotations: told.annotations.clone(),
            conversions: Conversions::default(),
        },
        name: info.name.clone().into_owned(),
        subresource: info.subresource.to_owned(),
        query: target.query().raw().to_owned(),
        headers: parts.headers.clone(),
        form,
    };
    // Each verb's future stands on its own, so that a short one does not take the room of the largest.
    let answer: BoxFuture<'static, Outcome<Response<Body>>> = match (info.subresource, info.verb) {
        (_, Verb::Proxy) => return Err(Status::method_not_allowed().into()),
        (_, Verb::None) => {
            let resource = &call.scope.resource;
            return Err(Status::not_supported(&resource.group, &resource.plural, "").into());
        }
        ("", Verb::Get) => Box::pin(handlers::read::get(call)),
        ("", Verb::List) => Box::pin(handlers::read::list(call)),
        ("", Verb::Watch) => Box::pin(handlers::read::watch(call)),
        ("", Verb::Create) => Box::pin(handlers::write::create(call, body)),
        ("", Verb::Update) => Box::pin(handlers::write::update(call, body)),
        ("", Verb::Patch) => Box::pin(handlers::patch::patch(call, body)),
        ("", Verb::Delete) => Box::pin(handlers::delete::delete(call, body)),
        ("", Verb::DeleteCollection) => Box::pin(handlers::delete::delete_collection(call, body)),
        _ => Box::pin(handlers::subresource::serve(call, info.verb, body)),
    };
    answer.await
}

/// Refuses a `timeout` that is no duration, also where nothing waits for one: `k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go`.
fn check_timeout(info: &RequestInfo<'_>, target: &Target<'_>) -> Outcome<()> {
    let timeout = target.query().first("timeout").filter(|timeout| !timeout.is_empty());
    let Some(timeout) = timeout.filter(|_| !info.is_long_running(target.query())) else { return Ok(()) };
    duration::check_go(&timeout)
        .map_err(|why| Status::bad_request(format!("invalid timeout specified in the request URL - {why}")).into())
}

/// Whether the path is one that the resource has: with a namespace exactly where it lives in one, and a name where the verb
/// needs one.
fn fits(resource: &Resource, info: &RequestInfo<'_>) -> bool {
    let in_namespace = !info.namespace.is_empty() && !(resource.is("", "namespaces"));
    if in_namespace && !resource.namespaced {
        return false;
    }
    let across = matches!(info.verb, Verb::List | Verb::Watch);
    !resource.namespaced || in_namespace || across
}

impl Call {
    /// The query.
    pub(crate) fn query(&self) -> Query<'_> {
        Query::new(&self.query)
    }
}
