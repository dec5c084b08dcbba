//! Questions that are answered and not stored: access reviews, rules reviews, token reviews, and who one is.
//!
//! See `k8s.io/kubernetes/pkg/registry/authorization` and `…/authentication`.

use apimachinery::status::Status;
use policy::reviews;
use serde_json::{Map, Value, json};

use crate::{caller::Caller, failure::Outcome, object, registry::Resource, scope::Scope};

/// Says whose a token is.
pub trait Tokens: Send + Sync {
    /// The owner of `token`, if it is valid for one of `audiences` (any, when there are none), and the audiences it is valid for.
    fn owner(&self, token: &str, audiences: &[String]) -> Option<(Caller, Vec<String>)>;
}

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Review {
    Access(reviews::Review),
    SelfSubjectRules,
    SelfSubject,
    Token,
}

impl Review {
    /// The question that a resource stands for.
    pub(crate) fn of(resource: &Resource) -> Option<Self> {
        if resource.is_custom() {
            return None;
        }
        match (resource.group.as_str(), resource.plural.as_str()) {
            (reviews::GROUP, "subjectaccessreviews") => Some(Self::Access(reviews::Review::SubjectAccess)),
            (reviews::GROUP, "selfsubjectaccessreviews") => Some(Self::Access(reviews::Review::SelfSubjectAccess)),
            (reviews::GROUP, "localsubjectaccessreviews") => Some(Self::Access(reviews::Review::LocalSubjectAccess)),
            (reviews::GROUP, "selfsubjectrulesreviews") => Some(Self::SelfSubjectRules),
            ("authentication.k8s.io", "selfsubjectreviews") => Some(Self::SelfSubject),
            ("authentication.k8s.io", "tokenreviews") => Some(Self::Token),
            _ => None,
        }
    }

    /// Whether the answer tells who said what: of the others nothing is kept but the answer.
    pub(crate) fn is_owned(self) -> bool {
        matches!(self, Self::Access(_) | Self::Token)
    }

    /// The review with its answer in `status`.
    pub(crate) fn answer(self, scope: &Scope, mut review: Value) -> Outcome<Value> {
        let (user, groups) = (&scope.caller.user, &scope.caller.groups);
        let status = match self {
            Self::Access(kind) => {
                if kind == reviews::Review::LocalSubjectAccess {
                    scope.settle_namespace(&mut review)?;
                }
                let question = reviews::read(kind, &review, user, groups, &scope.namespace)?;
                let rules = scope.core.rbac.rules();
                question.status(&rules.allows(&question.attributes()))
            }
            Self::SelfSubjectRules => return rules(scope, &review),
            Self::SelfSubject => {
                return Ok(json!({
                    "kind": scope.resource.kind, "apiVersion": scope.resource.api_version(),
                    "metadata": {"creationTimestamp": apimachinery::meta::time(jiff::Timestamp::now())},
                    "status": {"userInfo": user_info(&scope.caller)},
                }));
            }
            Self::Token => token(scope, &review)?,
        };
        if let Some(fields) = review.as_object_mut() {
            fields.entry("metadata").or_insert_with(|| json!({}));
            fields.insert("status".to_owned(), status);
        }
        Ok(review)
    }
}

/// All that the caller may do in a namespace.
fn rules(scope: &Scope, review: &Value) -> Outcome<Value> {
    let namespace = reviews::rules_namespace(review)?;
    let current = scope.core.rbac.rules();
    let found = current.rules_for(&scope.caller.user, &scope.caller.groups, namespace);
    Ok(reviews::rules_answer(&found))
}

/// Whose a token is.
fn token(scope: &Scope, review: &Value) -> Outcome<Value> {
    let spec = review.get("spec").unwrap_or(&Value::Null);
    let token = object::text(spec, "token");
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication").into());
    }
    let audiences: Vec<String> = spec
        .get("audiences")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let core = &scope.core;
    let known = core.tokens.as_ref().and_then(|tokens| tokens.owner(token, &audiences));
    let owner = match known {
        Some(owner) => Ok(Some(owner)),
        None => core
            .tokens_of_accounts
            .owner(core, token, &audiences)
            .map(|owner| owner.map(|(account, audiences)| (account.caller().clone(), audiences))),
    };
    // As the chain of kube-apiserver's authenticators says it.
    let error = match owner {
        Ok(Some((owner, audiences))) => {
            return Ok(json!({"authenticated": true, "user": user_info(&owner), "audiences": audiences}));
        }
        Ok(None) => "invalid bearer token".to_owned(),
        Err(refused) => format!("[invalid bearer token, {refused}]"),
    };
    // What was said of it stays.
    let mut status = review.get("status").and_then(Value::as_object).cloned().unwrap_or_default();
    status.remove("authenticated");
    status.entry("user").or_insert_with(|| json!({}));
    status.insert("error".to_owned(), error.into());
    Ok(Value::Object(status))
}

/// A caller as `UserInfo` of `authentication.k8s.io/v1`.
pub(crate) fn user_info(caller: &Caller) -> Value {
    let mut info = Map::new();
    info.insert("username".to_owned(), caller.user.clone().into());
    if !caller.uid.is_empty() {
        info.insert("uid".to_owned(), caller.uid.clone().into());
    }
    if !caller.groups.is_empty() {
        info.insert("groups".to_owned(), caller.groups.clone().into());
    }
    if !caller.extra.is_empty() {
        info.insert("extra".to_owned(), json!(caller.extra));
    }
    Value::Object(info)
}
