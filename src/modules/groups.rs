//! Groups of Drover's own, and who is in them.

use std::sync::Arc;

use apimachinery::field::FieldError;
use futures_util::future::BoxFuture;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::{Api, Client, CustomResource, KubeSchema, ResourceExt, api::DeleteParams};
use serde::{Deserialize, Serialize};

use super::{Binding, Caller, Change, Context, GROUP, Kind, Managed, Module, kind, listed, rule, users::gone};
use crate::{
    config::rules::{self, Flaw},
    controller::{GenericController, Lifecycle, WithLifecycle},
    world::{
        MAX_DEPTH, World,
        input::{GroupInput, LOCAL_GROUP, MemberInput, Subject},
    },
};

/// The module of groups.
#[derive(Clone, Copy, Debug)]
pub struct Groups;

/// A group of users, of groups of a provider, and of other groups.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "Group",
    no_spec,
    derive = "PartialEq",
    doc = "A group of users, of groups of a provider, and of other groups.",
    printcolumn = r#"{"name": "Display Name", "type": "string", "jsonPath": ".displayName"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct GroupSpec {
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Principals of the members: `local://<User>`, `<provider>_user://<id>`, `<provider>_group://<id>`, and
    /// `local_group://<Group>` for another group. A `GroupMember` adds one without a change of the group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "kind::set_of_strings")]
    pub members: Vec<String>,
}

/// One member of a group.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "GroupMember",
    no_spec,
    derive = "PartialEq",
    doc = "One member of a group.",
    printcolumn = r#"{"name": "Group", "type": "string", "jsonPath": ".groupName"}"#,
    printcolumn = r#"{"name": "Principal", "type": "string", "jsonPath": ".principalId"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct GroupMemberSpec {
    /// The name of the Group.
    pub group_name: String,
    /// The member's principal, as in `members` of the Group.
    pub principal_id: String,
}

impl Group {
    /// The group as requests see it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn input(&self) -> Result<GroupInput, Vec<Flaw>> {
        let members = self.spec.members.iter().enumerate();
        let flaws: Vec<Flaw> = kind::name(&self.metadata)
            .into_iter()
            .chain(members.filter_map(|(index, member)| rules::member(&format!("members[{index}]"), member)))
            .collect();
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let members = self.spec.members.iter().map(|member| Subject::of_principal(member)).collect();
        Ok(GroupInput { name: self.name_any().into(), members })
    }
}

impl GroupMember {
    /// The membership as requests see it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn input(&self) -> Result<MemberInput, Vec<Flaw>> {
        let GroupMemberSpec { group_name, principal_id } = &self.spec;
        let flaws: Vec<Flaw> = kind::name(&self.metadata)
            .into_iter()
            .chain(rules::group_name("groupName", group_name))
            .chain(rules::member("principalId", principal_id))
            .collect();
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let member = Subject::of_principal(principal_id);
        Ok(MemberInput { name: self.name_any().into(), group: group_name.as_str().into(), member })
    }
}

/// What is wrong with `member` as a member of the group `group`: a group that is in itself, or nested too deep.
fn nesting(field: &str, group: &str, member: &str, world: &World) -> Option<Flaw> {
    let inner = member.strip_prefix(LOCAL_GROUP)?;
    let cycle = |inner: &str| Flaw::new(field, format!("`{inner}` cannot be a member: the group `{group}` is in it"));
    if inner == group {
        return Some(cycle(inner));
    }
    let outer = world.subject(&Subject::Group(group.into()))?;
    if let Some(inner_id) = world.subject(&Subject::Group(inner.into()))
        && world.membership().above(outer).any(|above| above == inner_id)
    {
        return Some(cycle(inner));
    }
    (world.membership().depth(outer) >= MAX_DEPTH).then(|| {
        Flaw::new(field, format!("the group `{group}` is nested {MAX_DEPTH} deep already: no group can be in it"))
    })
}

/// Why a caller may not add members to a group: it would give them what it has not itself (T11).
fn gives_more(group: &str, caller: &Caller, world: &World) -> Option<String> {
    let id = world.subject(&Subject::Group(group.into()))?;
    let role = caller.lacks(world.membership().with_groups(std::iter::once(id)), world)?;
    Some(format!("the group `{group}` has the role `{role}` in the management plane, and you have not"))
}

impl Managed for Group {
    fn forbid(change: &Change<'_, Self>) -> Option<String> {
        let Change { old, new, caller, world } = *change;
        let before = old.map(|old| old.spec.members.as_slice()).unwrap_or_default();
        let adds = new.spec.members.iter().any(|member| !before.contains(member));
        gives_more(&new.name_any(), caller, world).filter(|_| adds)
    }

    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        let Change { new, world, .. } = *change;
        let name = new.name_any();
        let flaws = match new.input() {
            Ok(_) => {
                let members = new.spec.members.iter().enumerate();
                members.filter_map(|(index, one)| nesting(&format!("members[{index}]"), &name, one, world)).collect()
            }
            Err(flaws) => flaws,
        };
        kind::errors(flaws)
    }
}

impl Managed for GroupMember {
    fn forbid(change: &Change<'_, Self>) -> Option<String> {
        let Change { old, new, caller, world } = *change;
        gives_more(&new.spec.group_name, caller, world).filter(|_| old.is_none())
    }

    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        let Change { old, new, world, .. } = *change;
        let GroupMemberSpec { group_name, principal_id } = &new.spec;
        let mut flaws = match new.input() {
            Ok(_) => nesting("principalId", group_name, principal_id, world).into_iter().collect(),
            Err(flaws) => flaws,
        };
        flaws.extend(kind::immutable("groupName", old.map(|old| &old.spec.group_name), group_name));
        flaws.extend(kind::immutable("principalId", old.map(|old| &old.spec.principal_id), principal_id));
        kind::errors(flaws)
    }
}

impl Module for Groups {
    fn name(&self) -> &'static str {
        "groups"
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![Kind::of::<Group>(), Kind::of::<GroupMember>()]
    }

    fn rules(&self) -> Vec<PolicyRule> {
        vec![
            rule(GROUP, &["groups"], &["get", "list", "watch", "patch"]),
            rule(GROUP, &["groupmembers", "clusterroletemplatebindings"], &["list", "delete"]),
        ]
    }

    fn controllers(&self, context: &Context) -> Vec<BoxFuture<'static, ()>> {
        let Context { client, metrics, stop } = context.clone();
        let controller = GenericController::new("groups", Api::<Group>::all(client.clone()), &metrics);
        let handler = WithLifecycle::new(client.clone(), "groups", GroupLife { client });
        vec![Box::pin(controller.run(handler, stop))]
    }
}

/// A group that goes takes along the memberships in it and the bindings that name it: one of the same name begins anew.
struct GroupLife {
    client: Client,
}

impl Lifecycle<Group> for GroupLife {
    type Error = kube::Error;

    async fn removed(&self, group: Arc<Group>) -> Result<(), kube::Error> {
        let name = group.name_any();
        let members = Api::<GroupMember>::all(self.client.clone());
        for member in listed(&members).await? {
            if member.spec.group_name == name {
                gone(members.delete(&member.name_any(), &DeleteParams::default()).await)?;
            }
        }
        let principal = format!("{LOCAL_GROUP}{name}");
        for binding in listed(&Api::<Binding>::all(self.client.clone())).await? {
            let spec = &binding.spec;
            let named =
                spec.group_name.as_deref() == Some(&name) || spec.group_principal_name.as_deref() == Some(&principal);
            if named {
                let api = Api::<Binding>::namespaced(self.client.clone(), &binding.namespace().unwrap_or_default());
                gone(api.delete(&binding.name_any(), &DeleteParams::default()).await)?;
            }
        }
        Ok(())
    }
}
