//! create and update.

use apimachinery::{
    meta::create::wipe,
    negotiate::{self, Form},
    status::Status,
};
use http::{Response, StatusCode};

use super::Call;
use crate::{
    answer, body::Body, failure::Outcome, incoming, object, options::WriteOptions, server::RequestBody, verbs,
};

pub(crate) async fn create(mut call: Call, body: RequestBody) -> Outcome<Response<Body>> {
    let body = incoming::body(body).await?;
    call.take(&WriteOptions::read(call.query(), &call.headers, "CreateOptions")?);
    let review = crate::reviews::Review::of(&call.scope.resource);
    if review.is_some() && call.form.form != Form::Plain {
        return Err(Status::from(negotiate::not_acceptable()).into());
    }
    let object = incoming::object(&call.scope.core.types, &call.scope, &call.headers, &body)?;
    if let Some(review) = review {
        let mut object = object;
        wipe(&mut object);
        call.scope.settle_namespace(&mut object)?;
        let object = if review.is_owned() { crate::fields::updated(&call.scope, None, object) } else { object };
        let answered = review.answer(&call.scope, object)?;
        return Ok(answer::tree(call.form, StatusCode::CREATED, &answered));
    }
    let stored = verbs::create::create(&call.scope, object).await?;
    answer::object(&call, StatusCode::CREATED, stored)
}

pub(crate) async fn update(mut call: Call, body: RequestBody) -> Outcome<Response<Body>> {
    if call.name.is_empty() {
        return Err(Status::bad_request("name must be provided").into());
    }
    let body = incoming::body(body).await?;
    call.take(&WriteOptions::read(call.query(), &call.headers, "UpdateOptions")?);
    let mut object = incoming::object(&call.scope.core.types, &call.scope, &call.headers, &body)?;
    call.scope.check_name(&mut object, &call.name)?;
    let (stored, created) = verbs::update::update(&call.scope, &call.name, &verbs::update::Replace(object)).await?;
    let code = if created { StatusCode::CREATED } else { StatusCode::OK };
    answer::object(&call, code, stored)
}

impl Call {
    /// Puts what the request says into its scope.
    pub(super) fn take(&mut self, options: &WriteOptions) {
        self.scope.dry_run = options.dry_run;
        self.scope.field_validation = options.field_validation;
        self.scope.manager.clone_from(&options.manager);
    }
}

impl crate::scope::Scope {
    /// The object's name and namespace must be those of the path: `checkName` in `handlers/rest.go`.
    pub(crate) fn check_name(&self, object: &mut serde_json::Value, name: &str) -> Outcome<()> {
        self.settle_namespace(object)?;
        let own = object::name(object);
        if own.is_empty() {
            return Err(Status::bad_request(format!(
                "the name of the object ({name} based on URL) was undeterminable: name must be provided"
            ))
            .into());
        }
        if own != name {
            return Err(Status::bad_request(format!(
                "the name of the object ({own}) does not match the name on the URL ({name})"
            ))
            .into());
        }
        Ok(())
    }
}
