//! Nobody gives rights that they do not have: `pkg/registry/rbac` and `k8s.io/component-helpers/auth/rbac/validation`.

mod cover;

use apimachinery::meta::MetaMut;
use apimachinery::status::Status;
use serde_json::Value;

pub use cover::{compact, covers};

use crate::quoted::{quoted, quoted_list};
use crate::rules::{Attributes, Authorizer, Binding, Kind, MASTERS, ROLE_GROUP, RoleRef, Rule};

/// A write of a role or binding, after admission.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The kind.
    pub kind: Kind,
    /// The request's namespace; empty for the whole cluster.
    pub namespace: &'a str,
    /// The name in the request's path; empty for a create.
    pub name: &'a str,
    /// The new state.
    pub new: &'a Value,
    /// The stored state; `None` for a create.
    pub old: Option<&'a Value>,
}

/// Refuses a write that gives more than the writer has.
///
/// # Errors
/// 403 with the rules that are missing; 404 when a binding refers to a role that does not exist and the writer may not bind it
/// unseen.
pub fn check(authorizer: &Authorizer, user: &str, groups: &[String], write: &Write<'_>) -> Result<(), Box<Status>> {
    if groups.iter().any(|group| group == MASTERS) {
        return Ok(());
    }
    let writer = Writer { authorizer, user, groups };
    match write.kind {
        Kind::Role | Kind::ClusterRole => writer.check_role(write),
        Kind::RoleBinding | Kind::ClusterRoleBinding => writer.check_binding(write),
    }
}

struct Writer<'a> {
    authorizer: &'a Authorizer,
    user: &'a str,
    groups: &'a [String],
}

impl Writer<'_> {
    fn may(&self, verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> bool {
        let asked = Attributes {
            user: self.user,
            groups: self.groups,
            verb,
            is_resource: true,
            group,
            resource,
            namespace,
            name,
            ..Attributes::default()
        };
        self.authorizer.allows(&asked).allowed
    }

    fn check_role(&self, write: &Write<'_>) -> Result<(), Box<Status>> {
        if self.may("escalate", ROLE_GROUP, write.kind.resource(), write.namespace, write.name)
            || only_collecting(write)
        {
            return Ok(());
        }
        let rules = read_rules(write.new)?;
        self.confirm(&rules, write).map_err(|why| forbidden(write, &why))?;
        if write.kind == Kind::ClusterRole && (aggregates(write.new) || write.old.is_some_and(aggregates)) {
            let words = "must have cluster-admin privileges to use the aggregationRule";
            self.confirm(&full_authority(), write).map_err(|_| forbidden(write, words))?;
        }
        Ok(())
    }

    fn check_binding(&self, write: &Write<'_>) -> Result<(), Box<Status>> {
        if write.old.is_some() && only_collecting(write) {
            return Ok(());
        }
        let role = Binding::read(write.new).map_err(|error| Status::bad_request(error.to_string()))?.role;
        let resource = match role.kind.as_str() {
            "ClusterRole" => "clusterroles",
            "Role" => "roles",
            _ => return self.give(&role, write),
        };
        if self.may("bind", group_of(&role), resource, write.namespace, &role.name) {
            return Ok(());
        }
        self.give(&role, write)
    }

    fn give(&self, role: &RoleRef, write: &Write<'_>) -> Result<(), Box<Status>> {
        let Some(rules) = self.authorizer.rules_of(role, write.namespace) else {
            // Kubernetes' storage names what it does not find by the resource of the request.
            return Err(Box::new(match role.kind.as_str() {
                "ClusterRole" | "Role" => Status::not_found(ROLE_GROUP, write.kind.resource(), &role.name),
                other => Status::internal_error(&format!("unsupported role reference kind: {}", quoted(other))),
            }));
        };
        self.confirm(rules, write).map_err(|why| Box::new(forbidden(write, &why)))
    }

    /// Confirms that the writer has all of `wanted` where they write; else says what is missing.
    fn confirm(&self, wanted: &[Rule], write: &Write<'_>) -> Result<(), String> {
        let own = self.authorizer.rules_for(self.user, self.groups, write.namespace);
        let missing = covers(&own.iter(), wanted);
        if missing.is_empty() {
            return Ok(());
        }
        let mut descriptions: Vec<String> = compact(missing).iter().map(describe).collect();
        descriptions.sort_unstable();
        descriptions.dedup();
        let mut message = format!(
            "user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            quoted(self.user),
            quoted_list(self.groups),
            descriptions.join("\n")
        );
        if let Some(errors) = own.error(write.kind.resource()) {
            message.push_str("; resolution errors: [");
            message.push_str(&errors);
            message.push(']');
        }
        Err(message)
    }
}

fn forbidden(write: &Write<'_>, why: &str) -> Status {
    let name = apimachinery::meta::Meta::of(write.new).name();
    Status::forbidden(ROLE_GROUP, write.kind.resource(), name, why)
}

fn read_rules(role: &Value) -> Result<Vec<Rule>, Box<Status>> {
    match role.get("rules") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(rules) => serde::Deserialize::deserialize(rules)
            .map_err(|error: serde_json::Error| Box::new(Status::bad_request(error.to_string()))),
    }
}

/// What an unset group means after defaulting.
fn group_of(role: &RoleRef) -> &str {
    if role.api_group.is_empty() { ROLE_GROUP } else { &role.api_group }
}

fn aggregates(role: &Value) -> bool {
    role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

fn full_authority() -> [Rule; 2] {
    let all = || vec!["*".to_owned()];
    [
        Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() },
        Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() },
    ]
}

/// Whether an update touches only what the garbage collector does: owners and finalizers. Else nobody but an administrator could
/// delete an administrator's role in the foreground.
fn only_collecting(write: &Write<'_>) -> bool {
    let Some(old) = write.old else { return false };
    let stripped = |object: &Value| {
        let mut object = object.clone();
        if let Some(mut meta) = MetaMut::of(&mut object) {
            for field in ["ownerReferences", "finalizers", "selfLink", "managedFields"] {
                meta.remove(field);
            }
        }
        object
    };
    stripped(write.new) == stripped(old)
}

/// A rule as Kubernetes shows it: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`.
pub fn describe(rule: &Rule) -> String {
    let parts: Vec<String> = [
        ("APIGroups", &rule.api_groups),
        ("Resources", &rule.resources),
        ("NonResourceURLs", &rule.non_resource_urls),
        ("ResourceNames", &rule.resource_names),
        ("Verbs", &rule.verbs),
    ]
    .into_iter()
    .filter(|(_, list)| !list.is_empty())
    .map(|(name, list)| format!("{name}:{}", quoted_list(list)))
    .collect();
    format!("{{{}}}", parts.join(", "))
}
