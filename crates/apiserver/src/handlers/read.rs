//! get, list and watch.

use apimachinery::{negotiate::Form, status::Status};
use http::{Response, StatusCode};

use super::Call;
use crate::{
    answer,
    body::Body,
    failure::Outcome,
    options::ListOptions,
    verbs::{self, Stored},
};

pub(crate) async fn get(call: Call) -> Outcome<Response<Body>> {
    if call.query().flag("export") {
        let why = "the export parameter, deprecated since v1.14, is no longer supported";
        return Err(Status::bad_request(why).into());
    }
    let version = call.query().first("resourceVersion").unwrap_or_default().into_owned();
    let entry = verbs::get::get(&call.scope, &call.name, &version).await?;
    answer::object(&call, StatusCode::OK, Stored::Entry(entry))
}

pub(crate) async fn list(call: Call) -> Outcome<Response<Body>> {
    let options = ListOptions::read(call.query(), &call.scope.resource, &call.name, false)?;
    let listing = verbs::list::list(&call.scope, &options).await?;
    // What a webhook converts may fail, which has to be known before an answer begins.
    let converts = call.scope.resource.conversion.is_some();
    if options.limit > 0 || converts || call.form.form != Form::Plain || !answer::streams(call.form) {
        let version = listing.version;
        let (entries, more) = listing.page(&call.scope).await?;
        return answer::list(&call, &entries, version, &more);
    }
    Ok(answer::stream_list(&call, listing))
}

pub(crate) async fn watch(call: Call) -> Outcome<Response<Body>> {
    let options = ListOptions::read(call.query(), &call.scope.resource, &call.name, true)?;
    let following = verbs::watch::watch(&call.scope, &options).await?;
    answer::watch(&call, following)
}
