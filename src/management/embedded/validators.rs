//! The kinds' validators as the embedded API server asks them: the same functions that a Kubernetes plane asks by webhook.

use apimachinery::status::Status;
use apiserver::admission::{Admission, Attributes, Operation};
use futures_util::future::BoxFuture;
use policy::rules::{self, ROLE_GROUP};
use serde_json::Value;

use crate::{
    management::access::OPERATOR,
    modules::{CONFIG_IDENTITY, Caller, GROUP, Kind, Refused, Review},
    world::{Watch, names::LOCAL},
};

/// What says whom a binding binds, and to what.
const FIELDS: [&str; 5] = ["roleTemplateName", "userName", "userPrincipalName", "groupName", "groupPrincipalName"];

/// Validates Drover's kinds.
pub(super) struct Validators {
    kinds: Vec<(String, Kind)>,
    world: Watch,
}

impl Validators {
    pub(super) fn new(kinds: Vec<Kind>, world: Watch) -> Self {
        Self { kinds: kinds.into_iter().map(|kind| (kind.plural(), kind)).collect(), world }
    }

    fn kind(&self, attributes: &Attributes<'_>) -> Option<&Kind> {
        self.kinds.iter().find(|(plural, _)| *plural == attributes.resource.plural).map(|(_, kind)| kind)
    }

    fn check(&self, attributes: &Attributes<'_>, object: Option<&Value>) -> Result<(), Box<Status>> {
        let Some(new) = object else { return deletion(attributes) };
        let Some(kind) = self.kind(attributes) else { return Ok(()) };
        let caller = Caller { user: attributes.caller.user.clone(), groups: attributes.caller.groups.clone() };
        let world = self.world.load();
        match kind.validate(&Review { old: attributes.old, new, caller: &caller, world: &world }) {
            Ok(errors) if errors.is_empty() => rights(attributes, new),
            Ok(errors) => Err(Status::invalid(GROUP, &attributes.resource.kind, attributes.name, &errors).into()),
            Err(error @ Refused::Unreadable { .. }) => Err(Status::bad_request(error.to_string()).into()),
            Err(Refused::Forbidden(why)) => Err(forbidden(attributes, &why)),
        }
    }
}

impl Admission for Validators {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.resource.group == GROUP
    }

    fn validate<'a>(
        &'a self,
        attributes: &'a Attributes<'a>,
        object: Option<&'a Value>,
    ) -> BoxFuture<'a, Result<Vec<String>, Status>> {
        Box::pin(std::future::ready(self.check(attributes, object).map(|()| Vec::new()).map_err(|refused| *refused)))
    }
}

fn forbidden(attributes: &Attributes<'_>, why: &str) -> Box<Status> {
    Status::forbidden(GROUP, &attributes.resource.plural, attributes.name, why).into()
}

/// Without its Cluster object the management plane would be out of everybody's reach.
fn deletion(attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
    let local = attributes.operation == Operation::Delete
        && attributes.resource.plural == "clusters"
        && attributes.subresource.is_empty()
        && attributes.name == LOCAL;
    if local { Err(forbidden(attributes, "it is the management plane itself")) } else { Ok(()) }
}

/// Nobody gives rights over the management plane that they could not give with a ClusterRoleBinding: who binds a ClusterRole in
/// `local` must be allowed to `bind` it.
fn rights(attributes: &Attributes<'_>, new: &Value) -> Result<(), Box<Status>> {
    let binds = attributes.resource.plural == "clusterroletemplatebindings"
        && attributes.namespace == LOCAL
        && attributes.subresource.is_empty();
    if !binds || [CONFIG_IDENTITY, OPERATOR].contains(&attributes.caller.user.as_str()) {
        return Ok(());
    }
    if attributes.old.is_some_and(|old| FIELDS.iter().all(|field| old.get(field) == new.get(field))) {
        return Ok(());
    }
    let role = new.get("roleTemplateName").and_then(Value::as_str).unwrap_or_default();
    let asked = rules::Attributes {
        user: &attributes.caller.user,
        groups: &attributes.caller.groups,
        verb: "bind",
        is_resource: true,
        group: ROLE_GROUP,
        resource: "clusterroles",
        name: role,
        ..rules::Attributes::default()
    };
    if attributes.allows(&asked) {
        return Ok(());
    }
    Err(forbidden(attributes, &format!("user {:?} may not bind ClusterRole {role:?}", attributes.caller.user)))
}
