//! Credentials: only their hashes.

use std::{sync::Arc, time::Duration};

use apimachinery::field::FieldError;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::{CustomResource, KubeSchema, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Change, Context, Kind, Managed, Module, kind};
use crate::{
    config::rules::{self, Flaw},
    identity::salted,
    world::{
        TokenHash,
        input::{TokenInput, TokenKind},
    },
};

/// The module of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Tokens;

/// A credential of a user: only its hash.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "Token",
    no_spec,
    derive = "PartialEq",
    doc = "A credential of a user: only its hash.",
    printcolumn = r#"{"name": "User", "type": "string", "jsonPath": ".userId"}"#,
    printcolumn = r#"{"name": "Cluster", "type": "string", "jsonPath": ".clusterName"}"#,
    printcolumn = r#"{"name": "Description", "type": "string", "jsonPath": ".description"}"#,
    printcolumn = r#"{"name": "Expires At", "type": "string", "jsonPath": ".expiresAt"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct TokenSpec {
    /// `sha256:` and the hash of the whole token in hexadecimal digits. A token in plain text is never taken. What Rancher wrote
    /// with the annotation `authn.management.cattle.io/token-hashed`, a salted hash of the key, is taken until the token is used:
    /// then it becomes the former.
    pub token: String,
    /// The name of the User.
    pub user_id: String,
    /// The only cluster that the token works in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// Milliseconds from the creation on; 0 is without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i64>,
    /// Milliseconds that it may be unused before it ends; 0 is without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ttl: Option<i64>,
    /// The moment from which on no request is let through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// A token whose `enabled` is false is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The groups that the provider gave at sign-in: their names, or Principal objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "kind::list_of_anything")]
    pub group_principals: Vec<Value>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The provider that the user signed in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_provider: Option<String>,
    /// The principal that the user signed in as.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "kind::anything")]
    pub user_principal: Value,
    /// What the provider needs to refresh the sign-in.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "kind::anything")]
    pub provider_info: Value,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// Whether it was made with another token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_derived: Option<bool>,
    /// Whether it has ended; written by Rancher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<bool>,
    /// Whether it is the caller's own; written by Rancher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<bool>,
}

/// Rancher's: the token's value is a hash.
pub const HASHED: &str = "authn.management.cattle.io/token-hashed";
/// Rancher's: what the token is for.
pub const KIND_LABEL: &str = "authn.management.cattle.io/kind";
/// Rancher's: whose it is.
pub const USER_LABEL: &str = "authn.management.cattle.io/token-userId";
/// The session that a token came from: the name of its first token.
pub const SESSION_LABEL: &str = "drover.io/session";

impl Token {
    /// What the token is for, as its label says.
    pub fn kind(&self) -> TokenKind {
        match self.labels().get(KIND_LABEL).map(String::as_str) {
            Some("session") => TokenKind::Session,
            Some("kubeconfig") => TokenKind::Kubeconfig,
            Some("refresh") => TokenKind::Refresh,
            _ => TokenKind::Api,
        }
    }

    /// The principal that the user signed in as.
    pub fn principal(&self) -> Option<&str> {
        kind::principal(&self.spec.user_principal).filter(|principal| !principal.is_empty())
    }

    /// Whether it is one of Rancher's that was brought over, and has not been used yet.
    fn is_salted(&self) -> bool {
        self.annotations().get(HASHED).is_some_and(|hashed| hashed == "true") && salted::is_hash(&self.spec.token)
    }

    fn last_used(&self) -> Option<Timestamp> {
        let made = self.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let used = self.spec.last_used_at.as_deref().and_then(|used| used.parse().ok());
        made.max(used)
    }

    /// The token as requests see it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn input(&self) -> Result<TokenInput, Vec<Flaw>> {
        let spec = &self.spec;
        let name = self.name_any();
        let mut flaws: Vec<Flaw> = kind::name(&self.metadata).into_iter().collect();
        let salted = self.is_salted().then(|| Arc::from(spec.token.as_str()));
        let hash = match salted {
            Some(_) => Ok(TokenHash::salted(&name)),
            None => rules::token_hash(&spec.token),
        };
        if let Some(idle) = spec.idle_ttl.filter(|idle| *idle < 0) {
            flaws.push(Flaw::new("idleTtl", format!("expected milliseconds, 0 for no end; found `{idle}`")));
        }
        if spec.user_id.is_empty() {
            flaws.push(Flaw::new("userId", "is missing"));
        }
        let mut groups = Vec::new();
        for (index, value) in spec.group_principals.iter().enumerate() {
            if let Some(name) = kind::principal(value) {
                flaws.extend(rules::group_principal(index, name));
                groups.push(name.into());
            } else {
                let expected = "expected the name of a principal, or a Principal object with `metadata.name`";
                flaws.push(Flaw::new(format!("groupPrincipals[{index}]"), expected));
            }
        }
        let created = self.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string());
        // While it is created it has no time yet, and its `ttl` counts from now.
        let ttl = spec.ttl.filter(|ttl| created.is_some() || *ttl < 0);
        let told = rules::Expiry { created: created.as_deref(), ttl, expires_at: spec.expires_at.as_deref() };
        let (expires_at, wrong) = rules::expiry(told);
        flaws.extend(wrong);
        match hash {
            Ok(hash) if flaws.is_empty() => Ok(TokenInput {
                name: name.into(),
                hash,
                user: spec.user_id.as_str().into(),
                cluster: spec.cluster_name.as_deref().filter(|cluster| !cluster.is_empty()).map(Into::into),
                group_principals: groups,
                enabled: spec.enabled.unwrap_or(true),
                expires_at,
                provider: spec.auth_provider.as_deref().filter(|provider| !provider.is_empty()).map(Into::into),
                principal: self.principal().map(Into::into),
                salted,
                kind: self.kind(),
                idle: spec
                    .idle_ttl
                    .and_then(|idle| u64::try_from(idle).ok())
                    .filter(|idle| *idle > 0)
                    .map(Duration::from_millis),
                last_used: self.last_used(),
            }),
            Ok(_) => Err(flaws),
            Err(flaw) => {
                flaws.push(flaw);
                Err(flaws)
            }
        }
    }
}

impl Managed for Token {
    /// T11: whose a token is, what proves it, how long and where it works, is decided where it is made: at sign-in, by its owner's
    /// session, by the operator. Whoever may write Tokens may describe them, and switch them off.
    fn forbid(change: &Change<'_, Self>) -> Option<String> {
        let Change { old, new, .. } = *change;
        let Some(old) = old else {
            let how =
                "tokens are made at sign-in, by `drover tokens create` or `POST /v3/tokens`, which make their hashes";
            return Some(how.to_owned());
        };
        let mut allowed = old.spec.clone();
        allowed.description.clone_from(&new.spec.description);
        if new.spec.enabled == Some(false) {
            allowed.enabled = Some(false);
        }
        let labels = |token: &Self| -> Vec<Option<String>> {
            [KIND_LABEL, USER_LABEL, SESSION_LABEL].iter().map(|label| token.labels().get(*label).cloned()).collect()
        };
        let hashed = |token: &Self| token.annotations().get(HASHED).cloned();
        let same = allowed == new.spec && labels(old) == labels(new) && hashed(old) == hashed(new);
        (!same).then(|| "of a token only `description` can be changed, and `enabled` to false".to_owned())
    }

    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        let Change { old, new, world, .. } = *change;
        let mut flaws = match new.input() {
            Ok(input) => {
                let owner = world.token(&input.hash).filter(|owner| owner.name != input.name);
                let taken =
                    owner.map(|owner| Flaw::new("token", format!("is the hash of Token `{}` already", owner.name)));
                taken.into_iter().collect()
            }
            Err(flaws) => flaws,
        };
        // Another user, or another secret, is another credential.
        flaws.extend(kind::immutable("userId", old.map(|old| &old.spec.user_id), &new.spec.user_id));
        // What proves one of Rancher's is written anew at its first use.
        let before = old.filter(|old| !old.is_salted()).map(|old| &old.spec.token);
        flaws.extend(kind::immutable("token", before, &new.spec.token));
        kind::errors(flaws)
    }
}

impl Module for Tokens {
    fn name(&self) -> &'static str {
        "tokens"
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![Kind::of::<Token>()]
    }

    fn rules(&self) -> Vec<PolicyRule> {
        Vec::new()
    }

    fn controllers(&self, _: &Context) -> Vec<BoxFuture<'static, ()>> {
        Vec::new()
    }
}
