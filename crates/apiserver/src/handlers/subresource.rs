//! `status`, `finalize`, `scale` and `token`.

use apimachinery::{request_info::Verb, status::Status};
use http::Response;

use super::{Call, patch, read, scale, token, write};
use crate::{answer, body::Body, failure::Outcome, scope::Part, server::RequestBody};

pub(crate) async fn serve(mut call: Call, verb: Verb, body: RequestBody) -> Outcome<Response<Body>> {
    let subresources = &call.scope.resource.subresources;
    let part = match call.subresource.as_str() {
        "status" if subresources.status => Part::Status,
        "finalize" if subresources.finalize => Part::Finalize,
        "token" if subresources.token && verb == Verb::Create => return token::create(call, body).await,
        "token" if subresources.token => return Err(Status::method_not_allowed().into()),
        "scale" if subresources.scale.is_some() => return scale::serve(call, verb, body).await,
        _ if call.scope.resource.is_custom() => return Err(call.scope.not_found(&call.name).into()),
        _ => return Ok(answer::no_such_page()),
    };
    call.scope.part = part;
    match (part, verb) {
        (Part::Status, Verb::Get) => read::get(call).await,
        (_, Verb::Update) => write::update(call, body).await,
        (Part::Status, Verb::Patch) => patch::patch(call, body).await,
        _ => {
            let resource = &call.scope.resource;
            Err(Status::not_supported(&resource.group, &resource.plural, verb.as_str()).into())
        }
    }
}
