//! The reviews of `authorization.k8s.io/v1`: what is asked, and the answer. See `pkg/registry/authorization`.

mod selectors;
mod validate;

use apimachinery::meta::Meta;
use apimachinery::status::Status;
use serde_json::{Map, Value, json};

use crate::rules::{Attributes, Decision, Rule, Rules};

/// The API group of the reviews.
pub const GROUP: &str = "authorization.k8s.io";

/// The reviews that ask for one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// May I?
    SelfSubjectAccess,
    /// May they?
    SubjectAccess,
    /// May they, in this namespace?
    LocalSubjectAccess,
}

/// A review that makes sense: whom it is about and what they want.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    user: &'a str,
    groups: Vec<String>,
    spec: &'a Value,
}

/// Reads a review. `user` and `groups` are the caller's, `namespace` is the request's.
///
/// # Errors
/// 422 for a review that makes no sense; 400 for one of another namespace than the request's.
pub fn read<'a>(
    review: Review,
    object: &'a Value,
    user: &'a str,
    groups: &[String],
    namespace: &str,
) -> Result<Question<'a>, Box<Status>> {
    let errors = validate::check(review, object);
    if !errors.is_empty() {
        // Kubernetes takes the kind from a field that decoding has emptied.
        return Err(Box::new(Status::invalid(GROUP, "", "", &errors)));
    }
    if review == Review::LocalSubjectAccess {
        if namespace.is_empty() {
            return Err(Box::new(Status::bad_request("namespace is required on this type: ")));
        }
        if namespace != Meta::of(object).namespace() {
            let words = format!("spec.resourceAttributes.namespace must match namespace: {namespace}");
            return Err(Box::new(Status::bad_request(words)));
        }
    }
    let spec = object.get("spec").unwrap_or(&Value::Null);
    Ok(match review {
        Review::SelfSubjectAccess => Question { user, groups: groups.to_vec(), spec },
        Review::SubjectAccess | Review::LocalSubjectAccess => Question {
            user: text(spec, "user"),
            groups: spec
                .get("groups")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|group| group.as_str().map(str::to_owned))
                .collect(),
            spec,
        },
    })
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

impl Question<'_> {
    /// What is to be decided.
    pub fn attributes(&self) -> Attributes<'_> {
        let base = Attributes { user: self.user, groups: &self.groups, ..Attributes::default() };
        if let Some(asked) = self.spec.get("resourceAttributes").filter(|asked| !asked.is_null()) {
            return Attributes {
                verb: text(asked, "verb"),
                is_resource: true,
                group: text(asked, "group"),
                resource: text(asked, "resource"),
                subresource: text(asked, "subresource"),
                namespace: text(asked, "namespace"),
                name: text(asked, "name"),
                ..base
            };
        }
        let asked = self.spec.get("nonResourceAttributes").unwrap_or(&Value::Null);
        Attributes { verb: text(asked, "verb"), path: text(asked, "path"), ..base }
    }

    /// The `status` of the answer.
    pub fn status(&self, decision: &Decision<'_>) -> Value {
        let mut status = Map::new();
        status.insert("allowed".into(), Value::Bool(decision.allowed));
        let reason = decision.reason();
        if !reason.is_empty() {
            status.insert("reason".into(), Value::String(reason));
        }
        let errors = self.spec.get("resourceAttributes").map(selectors::errors).unwrap_or_default();
        if !errors.is_empty() {
            status.insert("evaluationError".into(), Value::String(errors.join("; ")));
        }
        Value::Object(status)
    }
}

/// The namespace that a SelfSubjectRulesReview asks about.
///
/// # Errors
/// 400 without one.
pub fn rules_namespace(object: &Value) -> Result<&str, Box<Status>> {
    match object.pointer("/spec/namespace").and_then(Value::as_str) {
        None | Some("") => Err(Box::new(Status::bad_request("no namespace on request"))),
        Some(namespace) => Ok(namespace),
    }
}

/// The answer to a SelfSubjectRulesReview, which keeps nothing of the question.
pub fn rules_answer(rules: &Rules<'_>) -> Value {
    let mut resource_rules = Vec::new();
    let mut non_resource_rules = Vec::new();
    for rule in rules.iter() {
        if !rule.resources.is_empty() {
            // A rule as it stands, less its paths.
            resource_rules.push(json!(Rule { non_resource_urls: Vec::new(), ..rule.clone() }));
        }
        if !rule.non_resource_urls.is_empty() {
            non_resource_rules.push(json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}));
        }
    }
    let mut status = Map::from_iter([
        ("resourceRules".to_owned(), Value::Array(resource_rules)),
        ("nonResourceRules".to_owned(), Value::Array(non_resource_rules)),
        ("incomplete".to_owned(), Value::Bool(false)),
    ]);
    if let Some(error) = rules.error("") {
        status.insert("evaluationError".to_owned(), Value::String(error));
    }
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "metadata": {},
        "spec": {},
        "status": status,
    })
}
