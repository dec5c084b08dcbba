//! May this caller do this?
//!
//! The rules are the RBAC objects of the store. A change of one is known when its write returns: the next request is judged by it.

use std::sync::{Mutex, PoisonError};

use apimachinery::{
    request_info::{RequestInfo, Verb},
    status::Status,
};
use arc_swap::ArcSwap;
use policy::{
    escalation::{self, Write},
    rules::{Attributes, Authorizer, Kind, ROLE_GROUP},
};
use serde_json::Value;

use crate::{
    caller::Caller,
    failure::Outcome,
    object,
    scope::Scope,
    server::Core,
    store::{Key, Range, Store},
};

const KINDS: [Kind; 4] = [Kind::Role, Kind::ClusterRole, Kind::RoleBinding, Kind::ClusterRoleBinding];

/// The rules that are in force.
#[derive(Debug)]
pub(crate) struct Rbac {
    current: ArcSwap<Authorizer>,
    /// One change at a time: each starts from what the one before left.
    changing: Mutex<()>,
}

impl Rbac {
    /// The rules in a store.
    pub(crate) fn load(store: &Store) -> Self {
        let mut rules = Authorizer::default();
        let snapshot = store.snapshot();
        for kind in KINDS {
            for entry in snapshot.range(&Range::prefix(&prefix(kind)), None) {
                // One that cannot be read gives nothing.
                if let Ok(object) = serde_json::from_slice(&entry.as_bytes()) {
                    let _ = rules.put(kind, &object);
                }
            }
        }
        Self { current: ArcSwap::from_pointee(rules), changing: Mutex::new(()) }
    }

    /// The rules, to be asked.
    pub(crate) fn rules(&self) -> arc_swap::Guard<std::sync::Arc<Authorizer>> {
        self.current.load()
    }

    /// Takes in what an object is now.
    pub(crate) fn changed(&self, store: &Store, key: &Key) {
        let Some(kind) = KINDS.into_iter().find(|kind| prefix(*kind) == key.prefix()) else { return };
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = Authorizer::clone(&self.current.load());
        match store.snapshot().get(key).and_then(|entry| serde_json::from_slice(&entry.as_bytes()).ok()) {
            // One that cannot be read gives nothing.
            Some(object) => drop(rules.put(kind, &object)),
            None => rules.remove(kind, key.namespace(), key.name()),
        }
        self.current.store(rules.into());
    }
}

fn prefix(kind: Kind) -> String {
    format!("{ROLE_GROUP}/{}", kind.resource())
}

impl Core {
    /// Refuses what the caller may not do, in the words of kube-apiserver.
    pub(crate) fn authorize(&self, caller: &Caller, info: &RequestInfo<'_>) -> Outcome<()> {
        let rules = self.rbac.rules();
        let decision = rules.allows(&Attributes::of(&caller.user, &caller.groups, info));
        if decision.allowed {
            return Ok(());
        }
        Err(Status::forbidden_to(info, &caller.user, &decision.reason()).into())
    }
}

impl Scope {
    /// Nobody gives rights that they do not have: refuses roles and bindings that hold more than their writer may.
    pub(crate) fn check_rights(&self, new: &Value, old: Option<&Value>) -> Outcome<()> {
        if self.resource.group != ROLE_GROUP {
            return Ok(());
        }
        let Some(kind) = Kind::of_resource(&self.resource.plural) else { return Ok(()) };
        let name = if old.is_some() { object::name(new) } else { "" };
        let write = Write { kind, namespace: &self.namespace, name, new, old };
        escalation::check(&self.core.rbac.rules(), &self.caller.user, &self.caller.groups, &write)
    }

    /// An update that makes the object needs the right to create it as well.
    pub(crate) fn authorize_create(&self, name: &str) -> Outcome<()> {
        let info = RequestInfo {
            is_resource: true,
            verb: Verb::Create,
            path: "",
            api_prefix: "",
            group: &self.resource.group,
            version: &self.resource.version,
            namespace: &self.namespace,
            resource: &self.resource.plural,
            subresource: self.part.as_str(),
            name: name.into(),
            tail: "",
            field_selector: "".into(),
            label_selector: "".into(),
        };
        self.core.authorize(&self.caller, &info)
    }
}
