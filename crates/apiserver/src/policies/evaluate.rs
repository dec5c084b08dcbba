//! The expressions of one policy, evaluated for one request and one parameter: `policy/validating/validator.go`.

use apimachinery::cel::{
    self,
    policy::{Answer, CONDITIONS_BUDGET, Evaluation, Failure as Failed, Inputs, Program},
};
use serde_json::{Map, Value, json};

use super::{
    Policy, Request, Resource,
    compiled::{items, text},
};

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

pub(super) fn evaluate(request: &Request<'_>, policy: &Policy<'_>, param: &Value, matched: Resource<'_>) -> Evaluated {
    let mut out = Evaluated::default();
    let ignores = ignores_failures(policy.object);
    let alone = |message: String| {
        let failure = Failure { message, reason: String::new() };
        Evaluated { failures: if ignores { Vec::new() } else { vec![(0, failure)] }, ..Evaluated::default() }
    };
    let null = Value::Null;
    let (object, old_object) = request.in_version(matched);
    let own = admission_request(request, request.resource);
    let seen = admission_request(request, matched);
    let namespace = request.namespace_object.map(namespace_object).unwrap_or_default();
    let resource = cel::Resource {
        group: request.resource.group,
        plural: request.resource.plural,
        subresource: request.subresource,
        namespace: request.namespace,
        name: request.name,
    };
    let all = Inputs {
        object: object.unwrap_or(&null),
        old_object: old_object.unwrap_or(&null),
        request: &seen,
        params: param,
        namespace_object: &namespace,
        authorizer: Some((request.authority, resource)),
    };
    let expressions = policy.expressions;
    // Conditions see the request as it came, and no namespace.
    let evaluation = Evaluation::new(
        Inputs { request: &own, namespace_object: &null, ..all },
        &expressions.variables,
        CONDITIONS_BUDGET,
    );
    match conditions_hold(&expressions.conditions, &evaluation) {
        Ok(true) => {}
        Ok(false) => return out,
        Err(message) => return alone(message),
    }
    let evaluation = Evaluation::new(all, &expressions.variables, cel::OBJECT_BUDGET);
    let mut verdicts = Vec::with_capacity(expressions.validations.len());
    for validation in &expressions.validations {
        match run(validation, &evaluation) {
            Ok(answer) => verdicts.push(Ok(answer)),
            Err(Wrong::Budget(why)) => return alone(why),
            Err(Wrong::Failed(why)) => verdicts.push(Err(why)),
        }
    }
    let less = Inputs { authorizer: None, ..all };
    let messages = messages(policy, less, evaluation.left());
    for (index, (verdict, validation)) in verdicts.into_iter().zip(items(policy.object, "validations")).enumerate() {
        let failed = match (verdict, &messages) {
            (Err(why), _) => Err(why),
            (Ok(_), Err(why)) => Err(format!("failed messageExpression: {why}")),
            (Ok(Answer::Bool(true)), Ok(_)) => continue,
            (Ok(_), Ok(messages)) => Ok(failure(validation, messages.get(index).cloned().flatten())),
        };
        match failed {
            Ok(failure) => out.failures.push((index, failure)),
            Err(_) if ignores => {}
            Err(message) => out.failures.push((index, Failure { message, reason: String::new() })),
        }
    }
    let evaluation = Evaluation::new(less, &expressions.variables, cel::OBJECT_BUDGET);
    for (annotation, program) in items(policy.object, "auditAnnotations").iter().zip(&expressions.annotations) {
        match run(program, &evaluation) {
            Ok(answer) => annotate(annotation, answer, &mut out),
            Err(Wrong::Budget(why)) => return alone(why),
            Err(Wrong::Failed(_)) if ignores => {}
            Err(Wrong::Failed(why)) => out.annotation_errors.push(why),
        }
    }
    out
}

/// Why there is no answer.
enum Wrong {
    /// To this expression.
    Failed(String),
    /// To this and all that follow.
    Budget(String),
}

fn run<'a>(program: &'a Result<Program, String>, evaluation: &Evaluation<'a>) -> Result<Answer, Wrong> {
    let program = program.as_ref().map_err(|why| Wrong::Failed(format!("compilation error: {why}")))?;
    evaluation.evaluate(program).map_err(|failed| match failed {
        Failed::OutOfBudget => Wrong::Budget(failed.to_string()),
        Failed::Failed { .. } => Wrong::Failed(failed.to_string()),
    })
}

/// One condition that is false decides, whatever else failed.
fn conditions_hold<'a>(conditions: &'a [Result<Program, String>], evaluation: &Evaluation<'a>) -> Result<bool, String> {
    // All are evaluated before one counts.
    let mut answers = Vec::with_capacity(conditions.len());
    for condition in conditions {
        match run(condition, evaluation) {
            Err(Wrong::Budget(why)) => return Err(why),
            answer => answers.push(answer),
        }
    }
    let mut errors = Vec::new();
    for answer in answers {
        match answer {
            Ok(Answer::Bool(false)) => return Ok(false),
            Err(Wrong::Failed(text) | Wrong::Budget(text)) if !errors.contains(&text) => errors.push(text),
            _ => {}
        }
    }
    match errors.as_slice() {
        [] => Ok(true),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

/// The messages that message expressions make, for all validations at once.
fn messages(policy: &Policy<'_>, inputs: Inputs<'_>, budget: u64) -> Result<Vec<Option<String>>, String> {
    const LONGEST: usize = 5 << 10;
    let evaluation = Evaluation::new(inputs, &policy.expressions.variables, budget);
    let mut messages = Vec::with_capacity(policy.expressions.messages.len());
    for program in &policy.expressions.messages {
        let answer = program.as_ref().map(|program| run(program, &evaluation)).transpose();
        messages.push(match answer {
            Err(Wrong::Budget(why)) => return Err(why),
            Ok(Some(Answer::Text(text))) => Some(text.trim().to_owned()),
            Ok(_) | Err(Wrong::Failed(_)) => None,
        });
    }
    let usable = |text: &String| !text.is_empty() && text.len() <= LONGEST && !text.contains('\n');
    Ok(messages.into_iter().map(|message| message.filter(usable)).collect())
}

/// The message of a validation: that of its expression if it gives one line, else the one it says, else its own expression.
fn failure(validation: &Value, made: Option<String>) -> Failure {
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

fn annotate(annotation: &Value, answer: Answer, out: &mut Evaluated) {
    const LONGEST: usize = 10 << 10;
    let kind = match answer {
        Answer::Text(value) => {
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
            return;
        }
        Answer::Null => return,
        Answer::Bool(_) => "bool",
        Answer::Other(kind) => kind,
    };
    let expression = text(annotation, "valueExpression");
    out.annotation_errors.push(format!(
        "valueExpression '{expression}' resulted in unsupported return type: {kind}. Return type must be either string or null."
    ));
}

/// `request` as expressions see it: an `AdmissionRequest` without the objects.
fn admission_request(request: &Request<'_>, matched: Resource<'_>) -> Value {
    let kind = |of: &Resource<'_>| json!({"group": of.group, "version": of.version, "kind": of.kind});
    let resource = |of: &Resource<'_>| json!({"group": of.group, "version": of.version, "resource": of.plural});
    let mut seen = json!({
        "uid": "",
        "kind": kind(&matched),
        "resource": resource(&matched),
        "requestKind": kind(&request.resource),
        "requestResource": resource(&request.resource),
        "operation": request.operation,
        "userInfo": request.user,
        "dryRun": request.dry_run,
        "options": request.options,
    });
    // As JSON leaves them out.
    for (field, text) in [
        ("subResource", request.subresource),
        ("requestSubResource", request.subresource),
        ("name", request.name),
        ("namespace", request.namespace),
    ] {
        if let Some(seen) = seen.as_object_mut().filter(|_| !text.is_empty()) {
            seen.insert(field.to_owned(), text.into());
        }
    }
    seen
}

/// What expressions see of a namespace: `CreateNamespaceObject` of `plugin/cel/condition.go`.
fn namespace_object(namespace: &Value) -> Value {
    const HIDDEN: [&str; 3] = ["managedFields", "ownerReferences", "selfLink"];
    let part = |name: &str| namespace.get(name).cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let mut metadata = part("metadata");
    if let Some(fields) = metadata.as_object_mut() {
        fields.retain(|name, _| !HIDDEN.contains(&name.as_str()));
    }
    json!({"metadata": metadata, "spec": part("spec"), "status": part("status")})
}
