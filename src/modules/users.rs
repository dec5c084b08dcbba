//! People and robots.

use std::{collections::BTreeMap, sync::Arc};

use apimachinery::field::FieldError;
use futures_util::{TryStreamExt as _, future::BoxFuture, stream};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::{Api, Client, CustomResource, KubeSchema, ResourceExt, api::DeleteParams};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Binding, Change, Context, GROUP, GroupMember, Kind, Limits, Managed, Module, Token, kind, listed, rule};
use crate::{
    config::rules::{self, Flaw},
    controller::{Conditions, GenericController, Lifecycle, WithLifecycle},
    world::input::{AttributeInput, Subject, UserInput, is_group_of},
};

/// The module of users.
#[derive(Clone, Copy, Debug)]
pub struct Users;

/// A person or a robot; a cluster sees its name as the user name.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "User",
    no_spec,
    status = "Conditions",
    derive = "PartialEq",
    doc = "A person or a robot; a cluster sees its name as the user name.",
    printcolumn = r#"{"name": "Username", "type": "string", "jsonPath": ".username"}"#,
    printcolumn = r#"{"name": "Display Name", "type": "string", "jsonPath": ".displayName"}"#,
    printcolumn = r#"{"name": "Enabled", "type": "boolean", "jsonPath": ".enabled"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct UserSpec {
    /// The login name; without it the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A user whose `enabled` is false is refused everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Identities outside, each `<provider>_user://<id>`; `local://<name>` is always one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub principal_ids: Vec<String>,
    /// Whether the password must be changed at the next sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_change_password: Option<bool>,
    /// Instead of the server's limits for each user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// What the providers of a user said of it at its last sign-in or refresh; named as the user.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "UserAttribute",
    no_spec,
    derive = "PartialEq",
    doc = "What the providers of a user said of it at its last sign-in or refresh; named as the user.",
    printcolumn = r#"{"name": "Last Refresh", "type": "string", "jsonPath": ".lastRefresh"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct UserAttributeSpec {
    /// The name of the User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// By provider: the principals of the groups that the user is in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub group_principals: BTreeMap<String, Principals>,
    /// When the providers were last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refresh: Option<String>,
    /// Whether they are to be asked again soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_refresh: Option<bool>,
    /// By provider: what else it says of the user, such as the login name there.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "kind::anything")]
    pub extra_by_provider: Value,
}

/// Principals of groups.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
pub struct Principals {
    /// Their names, or Principal objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "kind::list_of_anything")]
    pub items: Vec<Value>,
}

impl UserAttribute {
    /// The groups as requests see them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn input(&self) -> Result<AttributeInput, Vec<Flaw>> {
        let name = self.name_any();
        let mut flaws: Vec<Flaw> = kind::name(&self.metadata).into_iter().collect();
        if self.spec.user_name.as_ref().is_some_and(|user| *user != name) {
            flaws.push(Flaw::new("userName", format!("expected the object's name, `{name}`")));
        }
        let mut group_principals = Vec::new();
        for (provider, Principals { items }) in &self.spec.group_principals {
            for (index, item) in items.iter().enumerate() {
                let field = format!("groupPrincipals[{provider}].items[{index}]");
                match kind::principal(item) {
                    // What one provider says counts for its own groups alone.
                    Some(group) if is_group_of(provider, group) && provider != "local" => {
                        group_principals.push(Arc::from(group));
                    }
                    _ => {
                        let expected = format!("expected the principal `{provider}_group://<id>` of a group");
                        flaws.push(Flaw::new(field, expected));
                    }
                }
            }
        }
        if flaws.is_empty() { Ok(AttributeInput { user: name.into(), group_principals }) } else { Err(flaws) }
    }
}

impl Managed for UserAttribute {
    /// T11: what providers say of a user is written by sign-in, which asked them. Others may have them asked again.
    fn forbid(change: &Change<'_, Self>) -> Option<String> {
        let Change { old, new, .. } = *change;
        let mut allowed = old.map(|old| old.spec.clone()).unwrap_or_default();
        if new.spec.needs_refresh == Some(true) {
            allowed.needs_refresh = Some(true);
        }
        let why = "what providers say of a user is written by sign-in alone; only `needsRefresh` can be set, to true";
        (allowed != new.spec || old.is_none()).then(|| why.to_owned())
    }

    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        kind::errors(change.new.input().err().unwrap_or_default())
    }
}

impl User {
    fn login(&self) -> String {
        self.spec.username.clone().filter(|username| !username.is_empty()).unwrap_or_else(|| self.name_any())
    }

    fn flaws(&self) -> Vec<Flaw> {
        let name = self.name_any();
        let principals = self.spec.principal_ids.iter().enumerate();
        let principals = principals.filter_map(|(index, principal)| rules::user_principal(&name, index, principal));
        kind::name(&self.metadata).into_iter().chain(rules::login(&self.login())).chain(principals).collect()
    }

    /// The user as requests see it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn input(&self) -> Result<UserInput, Vec<Flaw>> {
        let flaws = self.flaws();
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let name = self.name_any();
        Ok(UserInput {
            uid: self.metadata.uid.as_deref().map(Arc::from),
            username: self.login().into(),
            display_name: self.spec.display_name.as_deref().unwrap_or_default().into(),
            enabled: self.spec.enabled.unwrap_or(true),
            principal_ids: rules::principals(&name, &self.spec.principal_ids),
            limits: self.spec.limits.unwrap_or_default().into(),
            name: name.into(),
        })
    }
}

impl Managed for User {
    /// T10: who signs in as somebody, and whether it can, is for those who have as much in the management plane.
    fn forbid(change: &Change<'_, Self>) -> Option<String> {
        let Change { old, new, caller, world } = *change;
        let decides = |user: &Self| {
            let UserSpec { username, enabled, principal_ids, must_change_password, .. } = &user.spec;
            (username.clone(), *enabled, principal_ids.clone(), *must_change_password)
        };
        if old.is_some_and(|old| decides(old) == decides(new)) {
            return None;
        }
        // One that is new has what was bound to its name, or to its principals, before.
        let name = new.name_any();
        let own = [Subject::User(name.as_str().into()), Subject::UserPrincipal(rules::local_principal(&name).into())];
        let named = new.spec.principal_ids.iter().map(|principal| Subject::UserPrincipal(principal.as_str().into()));
        let named = own.into_iter().chain(named).filter_map(|subject| world.subject(&subject));
        let known = world.user(&name).into_iter().flat_map(|user| user.own());
        let role =
            caller.lacks(world.membership().with_groups(named.chain(known).collect::<Vec<_>>().into_iter()), world)?;
        Some(format!("User `{name}` has the role `{role}` in the management plane, and you have not"))
    }

    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        let Change { old, new, world, .. } = *change;
        let name = new.name_any();
        let mut flaws = new.flaws();
        for (index, principal) in new.spec.principal_ids.iter().enumerate() {
            if let Some(other) = world.user_by_principal(principal).filter(|other| *other.name != *name) {
                let message = format!("the principal `{principal}` is that of User `{}` already", other.name);
                flaws.push(Flaw::new(format!("principalIds[{index}]"), message));
            }
        }
        let login = new.login();
        // Looked for only where it is new: it costs a walk over all users.
        if old.is_none_or(|old| old.login() != login)
            && let Some(other) = world.users().find(|other| *other.username == *login && *other.name != *name)
        {
            let message = format!("the login name `{login}` is that of User `{}` already", other.name);
            flaws.push(Flaw::new("username", message));
        }
        kind::errors(flaws)
    }
}

impl Module for Users {
    fn name(&self) -> &'static str {
        "users"
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![Kind::of::<User>(), Kind::of::<UserAttribute>()]
    }

    fn rules(&self) -> Vec<PolicyRule> {
        vec![
            rule(GROUP, &["users"], &["get", "list", "watch", "patch"]),
            rule(GROUP, &["tokens", "groupmembers", "clusterroletemplatebindings"], &["list", "delete"]),
            rule(GROUP, &["userattributes"], &["delete"]),
        ]
    }

    fn controllers(&self, context: &Context) -> Vec<BoxFuture<'static, ()>> {
        let Context { client, metrics, stop } = context.clone();
        let controller = GenericController::new("users", Api::<User>::all(client.clone()), &metrics);
        let handler = WithLifecycle::new(client.clone(), "users", UserLife { client });
        vec![Box::pin(controller.run(handler, stop))]
    }
}

/// A user that goes takes its tokens, memberships and bindings along.
struct UserLife {
    client: Client,
}

impl Lifecycle<User> for UserLife {
    type Error = kube::Error;

    async fn removed(&self, user: Arc<User>) -> Result<(), kube::Error> {
        let name = user.name_any();
        let tokens = Api::<Token>::all(self.client.clone());
        let of_user = listed(&tokens).await?.into_iter().filter(|token| token.spec.user_id == name);
        for token in of_user {
            gone(tokens.delete(&token.name_any(), &DeleteParams::default()).await)?;
        }
        let attributes = Api::<UserAttribute>::all(self.client.clone());
        gone(attributes.delete(&name, &DeleteParams::default()).await)?;
        let local = rules::local_principal(&name);
        let members = Api::<GroupMember>::all(self.client.clone());
        for member in listed(&members).await? {
            if member.spec.principal_id == local {
                gone(members.delete(&member.name_any(), &DeleteParams::default()).await)?;
            }
        }
        let bindings = listed(&Api::<Binding>::all(self.client.clone())).await?;
        let of_user = bindings.into_iter().filter(|binding| binding.spec.user_name.as_deref() == Some(&name));
        let client = &self.client;
        stream::iter(of_user.map(Ok))
            .try_for_each(async |binding| {
                let api = Api::<Binding>::namespaced(client.clone(), &binding.namespace().unwrap_or_default());
                gone(api.delete(&binding.name_any(), &DeleteParams::default()).await)
            })
            .await
    }
}

/// An object that is to go may be gone already.
pub(super) fn gone<T>(result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}
