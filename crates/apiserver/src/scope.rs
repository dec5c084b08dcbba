//! What a verb works on: one resource, in one namespace, for one caller.

use std::sync::Arc;

use apimachinery::status::Status;

use crate::{
    annotations::Annotations, caller::Caller, convert::Conversions, failure::Outcome, options::FieldValidation,
    registry::Resource, server::Core, store::Key, warnings::Warnings,
};

/// Through which part of an object a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The object itself.
    Whole,
    /// `status`.
    Status,
    /// `finalize`, of namespaces.
    Finalize,
    /// `scale`.
    Scale,
    /// `token`, of service accounts.
    Token,
}

impl Part {
    /// As paths and managed fields have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Status => "status",
            Self::Finalize => "finalize",
            Self::Scale => "scale",
            Self::Token => "token",
        }
    }
}

/// All that a verb needs besides the object: for a request from outside and for the server's own calls alike.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) core: Arc<Core>,
    pub(crate) resource: Arc<Resource>,
    pub(crate) caller: Arc<Caller>,
    /// Empty for cluster-scoped resources and for all namespaces.
    pub(crate) namespace: String,
    pub(crate) part: Part,
    pub(crate) dry_run: bool,
    pub(crate) manager: String,
    pub(crate) field_validation: FieldValidation,
    pub(crate) warnings: Warnings,
    pub(crate) annotations: Annotations,
    pub(crate) conversions: Conversions,
}

impl Scope {
    /// Where an object stands.
    pub(crate) fn key(&self, name: &str) -> Key {
        Key::new(&self.resource.prefix, &self.namespace, name)
    }

    /// 404 for an object of this scope.
    pub(crate) fn not_found(&self, name: &str) -> Status {
        Status::not_found(&self.resource.group, &self.resource.plural, name)
    }

    /// 409 for an object of this scope.
    pub(crate) fn conflict(&self, name: &str, why: &str) -> Status {
        Status::conflict(&self.resource.group, &self.resource.plural, name, why)
    }

    /// A namespaced object needs a namespace.
    pub(crate) fn check_namespace(&self) -> Outcome<()> {
        if self.resource.namespaced && self.namespace.is_empty() {
            return Err(Status::bad_request("an empty namespace may not be set during creation").into());
        }
        Ok(())
    }
}
