//! `authorizer` of expressions: what the caller of a request, or a service account, may do.

use apimachinery::cel::{Authority, Question, Ruling, Target};
use policy::rules::Attributes;

use crate::{caller::Caller, server::Core};

/// The rights of a caller.
pub(super) struct Rights<'a> {
    pub(super) core: &'a Core,
    pub(super) caller: &'a Caller,
}

impl Authority for Rights<'_> {
    fn decide(&self, question: &Question<'_>) -> Ruling {
        let account = question.account.map(|(namespace, name)| Caller::service_account(namespace, name));
        let caller = account.as_ref().unwrap_or(self.caller);
        let who =
            Attributes { user: &caller.user, groups: &caller.groups, verb: question.verb, ..Attributes::default() };
        let asked = match question.what {
            Target::Path(path) => Attributes { path, ..who },
            Target::Resource(resource) => Attributes {
                is_resource: true,
                group: resource.group,
                resource: resource.plural,
                subresource: resource.subresource,
                namespace: resource.namespace,
                name: resource.name,
                ..who
            },
        };
        let rules = self.core.rbac.rules();
        let decision = rules.allows(&asked);
        Ruling { allowed: decision.allowed, reason: decision.reason(), error: None }
    }
}
