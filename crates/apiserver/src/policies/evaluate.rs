//! The expressions of one policy, evaluated for one request and one parameter: `policy/validating/validator.go`.

use serde_json::{Value, json};

use super::{Request, Resource};

/// What evaluates CEL.
pub trait Expressions {
    /// The value of an expression.
    ///
    /// # Errors
    /// It cannot be read, or evaluating it failed or cost too much.
    fn evaluate(&self, expression: &str, variables: &Variables<'_>) -> Result<Value, EvaluationError>;
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It is no expression.
    #[error("compilation error: {0}")]
    Compilation(String),
    /// It failed.
    #[error("expression '{expression}' resulted in error: {why}")]
    Failed {
        /// The expression.
        expression: String,
        /// Why.
        why: String,
    },
    /// All expressions together cost too much.
    #[error("validation failed due to running out of cost budget, no further validation rules will be run")]
    OutOfBudget,
}

/// What an expression sees. What there is not is null.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// `object`.
    pub object: &'a Value,
    /// `oldObject`.
    pub old_object: &'a Value,
    /// `request`.
    pub request: &'a Value,
    /// `params`.
    pub params: &'a Value,
    /// `namespaceObject`.
    pub namespace_object: &'a Value,
    /// `variables`: the name of each with its value, or why it has none, which is an error only of who uses it.
    pub composed: &'a [(String, Result<Value, EvaluationError>)],
    /// Whether `authorizer` is there: not for messages and audit annotations.
    pub may_authorize: bool,
}

/// A validation that did not hold.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: String,
    /// The `StatusReason`, empty for the usual one.
    pub(super) reason: String,
}

/// What came of one evaluation.
#[derive(Debug, Default)]
pub(super) struct Evaluated {
    /// Validations that did not hold, by their place.
    pub(super) failures: Vec<(usize, Failure)>,
    pub(super) annotations: Vec<(String, String)>,
    /// Annotations that could not be made, each a denial.
    pub(super) annotation_errors: Vec<String>,
}

/// Whether a policy that cannot be evaluated lets requests pass.
pub(super) fn ignores_failures(policy: &Value) -> bool {
    policy.pointer("/spec/failurePolicy").and_then(Value::as_str) == Some("Ignore")
}

fn items<'a>(policy: &'a Value, field: &str) -> &'a [Value] {
    policy.get("spec").and_then(|spec| spec.get(field)).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn evaluate(
    request: &Request<'_>,
    policy: &Value,
    param: &Value,
    matched: Resource<'_>,
    expressions: &dyn Expressions,
) -> Evaluated {
    let mut out = Evaluated::default();
    let ignores = ignores_failures(policy);
    let seen = admission_request(request, matched);
    let null = Value::Null;
    let base = Variables {
        object: request.object.unwrap_or(&null),
        old_object: request.old_object.unwrap_or(&null),
        request: &seen,
        params: param,
        namespace_object: request.namespace_object.unwrap_or(&null),
        composed: &[],
        may_authorize: true,
    };
    match conditions_hold(policy, &base, expressions) {
        Ok(true) => {}
        Ok(false) => return out,
        Err(message) => {
            if !ignores {
                out.failures.push((0, Failure { message, reason: String::new() }));
            }
            return out;
        }
    }
    let mut composed: Vec<(String, Result<Value, EvaluationError>)> = Vec::new();
    for variable in items(policy, "variables") {
        let value = expressions.evaluate(text(variable, "expression"), &Variables { composed: &composed, ..base });
        composed.push((text(variable, "name").to_owned(), value));
    }
    let variables = Variables { composed: &composed, ..base };
    for (index, validation) in items(policy, "validations").iter().enumerate() {
        match expressions.evaluate(text(validation, "expression"), &variables) {
            Ok(Value::Bool(true)) => {}
            Ok(_) => out.failures.push((index, failure(validation, &variables, expressions))),
            Err(_) if ignores => {}
            Err(error) => {
                let failure = Failure { message: error.to_string(), reason: String::new() };
                if error == EvaluationError::OutOfBudget {
                    out.failures = vec![(0, failure)];
                    return out;
                }
                out.failures.push((index, failure));
            }
        }
    }
    annotate(policy, &Variables { may_authorize: false, ..variables }, expressions, ignores, &mut out);
    out
}

/// One condition that is false decides, whatever else failed.
fn conditions_hold(policy: &Value, variables: &Variables<'_>, expressions: &dyn Expressions) -> Result<bool, String> {
    let mut errors = Vec::new();
    for condition in items(policy, "matchConditions") {
        match expressions.evaluate(text(condition, "expression"), variables) {
            Ok(Value::Bool(false)) => return Ok(false),
            Ok(_) => {}
            Err(error) => {
                let text = error.to_string();
                if !errors.contains(&text) {
                    errors.push(text);
                }
            }
        }
    }
    match errors.as_slice() {
        [] => Ok(true),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

/// The message of a validation: that of its expression if it gives one line, else the one it says, else its own expression.
fn failure(validation: &Value, variables: &Variables<'_>, expressions: &dyn Expressions) -> Failure {
    const LONGEST: usize = 5 << 10;
    let expression = text(validation, "messageExpression");
    let made = (!expression.is_empty())
        .then(|| expressions.evaluate(expression, &Variables { may_authorize: false, ..*variables }))
        .and_then(Result::ok)
        .and_then(|value| value.as_str().map(|text| text.trim().to_owned()))
        .filter(|text| !text.is_empty() && text.len() <= LONGEST && !text.contains('\n'));
    let said = text(validation, "message").trim();
    let message = made.unwrap_or_else(|| {
        if said.is_empty() {
            format!("failed expression: {}", text(validation, "expression").trim())
        } else {
            said.to_owned()
        }
    });
    Failure { message, reason: text(validation, "reason").to_owned() }
}

fn annotate(
    policy: &Value,
    variables: &Variables<'_>,
    expressions: &dyn Expressions,
    ignores: bool,
    out: &mut Evaluated,
) {
    const LONGEST: usize = 10 << 10;
    for annotation in items(policy, "auditAnnotations") {
        let expression = text(annotation, "valueExpression");
        match expressions.evaluate(expression.trim(), variables) {
            Ok(Value::String(value)) => {
                let mut value = value.trim();
                if value.len() > LONGEST {
                    let mut end = LONGEST;
                    while !value.is_char_boundary(end) {
                        end -= 1;
                    }
                    value = value.get(..end).unwrap_or_default();
                }
                if !value.is_empty() {
                    out.annotations.push((text(annotation, "key").to_owned(), value.to_owned()));
                }
            }
            Ok(Value::Null) => {}
            Ok(_) => out.annotation_errors.push(format!(
                "valueExpression '{expression}' resulted in unsupported return type. Return type must be either string or null."
            )),
            Err(_) if ignores => {}
            Err(error) => out.annotation_errors.push(error.to_string()),
        }
    }
}

/// `request` as expressions see it: an `AdmissionRequest` without the objects.
fn admission_request(request: &Request<'_>, matched: Resource<'_>) -> Value {
    let kind = |of: &Resource<'_>| json!({"group": of.group, "version": of.version, "kind": of.kind});
    let resource = |of: &Resource<'_>| json!({"group": of.group, "version": of.version, "resource": of.plural});
    json!({
        "kind": kind(&matched),
        "resource": resource(&matched),
        "subResource": request.subresource,
        "requestKind": kind(&request.resource),
        "requestResource": resource(&request.resource),
        "requestSubResource": request.subresource,
        "name": request.name,
        "namespace": request.namespace,
        "operation": request.operation,
        "userInfo": request.user,
        "dryRun": request.dry_run,
        "options": request.options,
    })
}
