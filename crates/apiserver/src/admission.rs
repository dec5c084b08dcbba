//! What a request is checked and changed by besides its kind's own rules: pluggable, in the process.

use apimachinery::status::Status;
use futures_util::future::BoxFuture;
use policy::rules;
use serde_json::Value;

use crate::{authorize::Rbac, caller::Caller, registry::Resource};

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed, by an update, a patch or an apply.
    Update,
    /// It is deleted.
    Delete,
}

impl Operation {
    /// As an `AdmissionRequest` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A request that is about to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// What is done.
    pub operation: Operation,
    /// To what kind of object.
    pub resource: &'a Resource,
    /// Through which subresource; empty for the object itself.
    pub subresource: &'a str,
    /// The object's namespace; empty for a cluster-scoped one.
    pub namespace: &'a str,
    /// The object's name; empty while it is not yet generated.
    pub name: &'a str,
    /// The object before; `None` for a create.
    pub old: Option<&'a Value>,
    /// Who asks.
    pub caller: &'a Caller,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The rules in force.
    pub(crate) rbac: &'a Rbac,
}

impl Attributes<'_> {
    /// Whether RBAC lets somebody do something, as it stands now.
    pub fn allows(&self, asked: &rules::Attributes<'_>) -> bool {
        self.rbac.rules().allows(asked).allowed
    }
}

/// One mutator, validator, or both. All mutators run, in order, before the kind's own validation; all validators after it.
pub trait Admission: Send + Sync {
    /// Whether requests like this one are looked at.
    fn handles(&self, attributes: &Attributes<'_>) -> bool;

    /// Changes the object.
    ///
    /// # Errors
    /// What the caller is told when the request is refused.
    fn mutate<'a>(
        &'a self,
        _attributes: &'a Attributes<'a>,
        _object: &'a mut Value,
    ) -> BoxFuture<'a, Result<(), Status>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Checks the object; `None` for a delete. What it returns are warnings for the caller.
    ///
    /// # Errors
    /// What the caller is told when the request is refused.
    fn validate<'a>(
        &'a self,
        _attributes: &'a Attributes<'a>,
        _object: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<Vec<String>, Status>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}
