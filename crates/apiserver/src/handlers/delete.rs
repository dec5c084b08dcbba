//! delete and deletecollection.

use apimachinery::status::Details;
use http::{Response, StatusCode};

use super::Call;
use crate::{
    answer,
    body::Body,
    failure::Outcome,
    incoming, object,
    options::{ListOptions, delete_options},
    server::RequestBody,
    verbs::{self, delete::Deleted},
};

pub(crate) async fn delete(mut call: Call, body: RequestBody) -> Outcome<Response<Body>> {
    let body = incoming::body(body).await?;
    let options = delete_options(
        &call.scope.core.types,
        call.query(),
        incoming::document(&call.scope.core.types, &call.headers, &body)?,
    )?;
    call.scope.dry_run = options.is_dry_run();
    match verbs::delete::delete(&call.scope, &call.name, &options).await? {
        Deleted::Gone(last) => {
            let resource = &call.scope.resource;
            Ok(answer::success(
                call.form,
                &Details {
                    name: call.name.clone(),
                    group: resource.group.clone(),
                    kind: resource.plural.clone(),
                    uid: object::uid(&last).to_owned(),
                    ..Details::default()
                },
            ))
        }
        Deleted::Waiting(stored) => {
            let code = if options.orphan_dependents == Some(false) { StatusCode::ACCEPTED } else { StatusCode::OK };
            answer::object(&call, code, stored)
        }
    }
}

pub(crate) async fn delete_collection(mut call: Call, body: RequestBody) -> Outcome<Response<Body>> {
    let body = incoming::body(body).await?;
    let list = ListOptions::read(call.query(), &call.scope.resource, "", false)?;
    let options = delete_options(
        &call.scope.core.types,
        call.query(),
        incoming::document(&call.scope.core.types, &call.headers, &body)?,
    )?;
    call.scope.dry_run = options.is_dry_run();
    let listing = verbs::list::list(&call.scope, &list).await?;
    let version = listing.version;
    let (entries, more) = listing.page(&call.scope).await?;
    let deleted = verbs::delete::delete_all(&call.scope, entries, &options).await?;
    answer::list(&call, &deleted, version, &more)
}
