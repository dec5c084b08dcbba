//! Validating admission policies, judged: pure functions of a request, the policies, their bindings and parameters.
//!
//! As `k8s.io/apiserver/pkg/admission/plugin/policy/{generic,matching,validating}` do it. An expression that fails is a denial unless
//! the policy says `failurePolicy: Ignore`.

mod compiled;
mod evaluate;
pub(crate) mod force;
mod matching;
pub mod params;
mod rights;
mod types;

use std::collections::BTreeMap;

use apimachinery::cel::Authority;
use apimachinery::json;
use apimachinery::meta::Meta;
use apimachinery::status::{Cause, Reason, Status};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

pub use compiled::Expressions;
pub(crate) use types::{MANAGER, run};

/// A resource in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The version.
    pub version: &'a str,
    /// The resource, in its plural form.
    pub plural: &'a str,
    /// The kind.
    pub kind: &'a str,
}

/// An object in another version than the request has it in.
#[derive(Clone, Debug)]
pub struct Converted<'a> {
    /// The version.
    pub resource: Resource<'a>,
    /// The object as it is to be.
    pub object: Option<Value>,
    /// The object as it is.
    pub old_object: Option<Value>,
}

/// What policies look at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: &'a str,
    /// The resource of the request.
    pub resource: Resource<'a>,
    /// The same objects in other versions or groups, which `matchPolicy: Equivalent` also matches.
    pub equivalents: &'a [Resource<'a>],
    /// The subresource.
    pub subresource: &'a str,
    /// The namespace; of a Namespace object its own name.
    pub namespace: &'a str,
    /// The name; empty while it is to be generated.
    pub name: &'a str,
    /// The caller as `UserInfo` of `authentication.k8s.io/v1`.
    pub user: &'a Value,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The options of the operation.
    pub options: &'a Value,
    /// The object as it is to be; none for a delete.
    pub object: Option<&'a Value>,
    /// The object as it is; none for a create.
    pub old_object: Option<&'a Value>,
    /// The Namespace that the object is in.
    pub namespace_object: Option<&'a Value>,
    /// The objects in the versions that [`wanted_versions`] names.
    pub converted: &'a [Converted<'a>],
    /// Says what the caller may do.
    pub authority: &'a dyn Authority,
}

impl<'a> Request<'a> {
    /// The objects, new and old, as a version has them.
    fn in_version(&self, resource: Resource<'_>) -> (Option<&'a Value>, Option<&'a Value>) {
        match self.converted.iter().find(|converted| converted.resource == resource) {
            Some(converted) => (converted.object.as_ref(), converted.old_object.as_ref()),
            None => (self.object, self.old_object),
        }
    }
}

/// A policy with its bindings.
#[derive(Clone, Debug)]
pub struct Policy<'a> {
    /// The policy.
    pub object: &'a Value,
    /// Its expressions.
    pub expressions: &'a Expressions,
    /// Why it cannot be used, if it cannot.
    pub error: Option<String>,
    /// Its bindings.
    pub bindings: Vec<Binding<'a>>,
}

/// A binding with its parameters, one `null` where it takes none, or why they could not be had; see [`params::wanted`].
#[derive(Clone, Debug)]
pub struct Binding<'a> {
    /// The binding.
    pub object: &'a Value,
    /// The parameters.
    pub params: Result<Vec<&'a Value>, String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The refusal, if any binding that denies was not satisfied.
    pub denied: Option<Box<Status>>,
    /// What the client is warned of.
    pub warnings: Vec<String>,
    /// What goes into the audit event's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Whether policies look at objects of this kind at all. Left out are those that make policies and webhooks, else a policy could keep
/// everybody from taking it away, and questions: `pkg/kubeapiserver/admission/exclusion`.
pub fn is_exempt(resource: &Resource<'_>) -> bool {
    const POLICIES: [&str; 6] = [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    ];
    const REVIEWS: [&str; 4] =
        ["localsubjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"];
    match resource.group {
        "admissionregistration.k8s.io" => POLICIES.contains(&resource.plural),
        "authentication.k8s.io" => matches!(resource.plural, "selfsubjectreviews" | "tokenreviews"),
        "authorization.k8s.io" => REVIEWS.contains(&resource.plural),
        _ => false,
    }
}

/// The versions, besides the request's own, in which policies will look at its objects.
pub fn wanted_versions<'a>(request: &Request<'a>, policies: &[Policy<'_>]) -> Vec<Resource<'a>> {
    let mut wanted = Vec::new();
    for policy in policies {
        let constraints = policy.object.pointer("/spec/matchConstraints").unwrap_or(&Value::Null);
        if let Ok(Some(matched)) = matching::matched(constraints, request)
            && matched != request.resource
            && !wanted.contains(&matched)
        {
            wanted.push(matched);
        }
    }
    wanted
}

/// Judges a request by all policies.
pub fn judge(request: &Request<'_>, policies: &[Policy<'_>]) -> Outcome {
    let mut judgement = Judgement::default();
    if is_exempt(&request.resource) {
        return judgement.outcome;
    }
    for policy in policies {
        judgement.policy(request, policy);
    }
    judgement.finish(request)
}

#[derive(Default)]
struct Judgement {
    outcome: Outcome,
    /// The first denial counts: message and reason.
    denial: Option<(String, String)>,
    /// What the audit event says of bindings that audit.
    failures: Vec<Audited>,
}

/// A validation that did not hold, as the audit event has it: in Go's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Audited {
    message: String,
    policy: String,
    binding: String,
    expression_index: usize,
    validation_actions: Vec<Value>,
}

impl Judgement {
    fn deny(&mut self, policy: &Value, binding: Option<&Value>, message: &str, reason: &str) {
        let name = Meta::of(policy).name();
        let by = binding.map(|binding| format!(" with binding '{}'", Meta::of(binding).name())).unwrap_or_default();
        let text = format!("ValidatingAdmissionPolicy '{name}'{by} denied request: {message}");
        self.denial.get_or_insert((text, reason.to_owned()));
    }

    /// A policy or binding that cannot be used is a denial, unless the policy says that failures are to be ignored.
    fn misconfigured(&mut self, policy: &Value, binding: Option<&Value>, why: &str) {
        if !evaluate::ignores_failures(policy) {
            let what = if binding.is_some() { "binding" } else { "policy" };
            self.deny(policy, binding, &format!("failed to configure {what}: {why}"), "");
        }
    }

    fn policy(&mut self, request: &Request<'_>, policy: &Policy<'_>) {
        let constraints = policy.object.pointer("/spec/matchConstraints").filter(|it| !it.is_null());
        let Some(constraints) = constraints else {
            return self.misconfigured(policy.object, None, "policy contained no match constraints, a required field");
        };
        let matched = match matching::matched(constraints, request) {
            Ok(Some(matched)) => matched,
            Ok(None) => return,
            Err(why) => return self.misconfigured(policy.object, None, &why),
        };
        if let Some(why) = &policy.error {
            return self.misconfigured(policy.object, None, why);
        }
        let mut annotations: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for binding in &policy.bindings {
            self.binding(request, policy, binding, matched, &mut annotations);
        }
        let name = Meta::of(policy.object).name();
        let named = annotations.into_iter().map(|(key, values)| (format!("{name}/{key}"), values.join(", ")));
        self.outcome.annotations.extend(named);
    }

    fn binding(
        &mut self,
        request: &Request<'_>,
        policy: &Policy<'_>,
        binding: &Binding<'_>,
        matched: Resource<'_>,
        annotations: &mut BTreeMap<String, Vec<String>>,
    ) {
        if let Some(resources) = binding.object.pointer("/spec/matchResources").filter(|it| !it.is_null()) {
            match matching::matched(resources, request) {
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(why) => return self.misconfigured(policy.object, Some(binding.object), &why),
            }
        }
        let params = match &binding.params {
            Ok(params) => params,
            Err(why) => return self.misconfigured(policy.object, Some(binding.object), why),
        };
        for param in params {
            let result = evaluate::evaluate(request, policy, param, matched);
            for (index, failure) in result.failures {
                self.act(policy.object, binding.object, index, &failure);
            }
            for (key, value) in result.annotations {
                let values = annotations.entry(key).or_default();
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            for error in result.annotation_errors {
                self.deny(policy.object, Some(binding.object), &error, "");
            }
        }
    }

    /// Does what the binding says is to be done about a validation that failed.
    fn act(&mut self, policy: &Value, binding: &Value, index: usize, failure: &evaluate::Failure) {
        let actions = binding.pointer("/spec/validationActions").and_then(Value::as_array);
        let (policy_name, binding_name) = (Meta::of(policy).name(), Meta::of(binding).name());
        for action in actions.into_iter().flatten().filter_map(Value::as_str) {
            match action {
                "Deny" => self.deny(policy, Some(binding), &failure.message, &failure.reason),
                "Warn" => self.outcome.warnings.push(format!(
                    "Validation failed for ValidatingAdmissionPolicy '{policy_name}' with binding '{binding_name}': {}",
                    failure.message
                )),
                "Audit" => self.failures.push(Audited {
                    message: failure.message.clone(),
                    policy: policy_name.to_owned(),
                    binding: binding_name.to_owned(),
                    expression_index: index,
                    validation_actions: actions.cloned().unwrap_or_default(),
                }),
                _ => {}
            }
        }
    }

    fn finish(mut self, request: &Request<'_>) -> Outcome {
        const MOST_FAILURES: usize = 50;
        if !self.failures.is_empty() {
            self.failures.truncate(MOST_FAILURES);
            let key = "validation.policy.admission.k8s.io/validation_failure".to_owned();
            let value = String::from_utf8_lossy(&json::encode(&self.failures)).into_owned();
            self.outcome.annotations.insert(key, value);
        }
        if let Some((message, reason)) = self.denial {
            self.outcome.denied = Some(Box::new(refusal(request, &message, &reason)));
        }
        self.outcome
    }
}

/// The refusal of a request: what a 403 would say, under the code of the validation's reason.
fn refusal(request: &Request<'_>, message: &str, reason: &str) -> Status {
    let (code, reason) = match reason {
        "Forbidden" => (StatusCode::FORBIDDEN, Reason::Forbidden),
        "Unauthorized" => (StatusCode::UNAUTHORIZED, Reason::Unauthorized),
        "RequestEntityTooLarge" => (StatusCode::PAYLOAD_TOO_LARGE, Reason::RequestEntityTooLarge),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, Reason::Invalid),
    };
    let meta = request.object.map(Meta::of);
    let name = [Some(request.name), meta.map(Meta::name), meta.map(Meta::generate_name)]
        .into_iter()
        .flatten()
        .find(|name| !name.is_empty())
        .unwrap_or("Unknown");
    let forbidden = Status::forbidden(request.resource.group, request.resource.plural, name, message);
    Status::new(code, reason, forbidden.message())
        .about(request.resource.group, request.resource.plural, name)
        .caused_by(Cause { message: message.to_owned(), ..Cause::default() })
}
