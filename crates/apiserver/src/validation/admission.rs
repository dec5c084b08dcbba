//! Validating admission policies and their bindings: `pkg/apis/admissionregistration/validation`.

use apimachinery::cel;
use apimachinery::cel::policy::{Compiler, Gives, Sees};
use apimachinery::field::{FieldError, Path};
use apimachinery::meta::{Meta, NameRule, names, validate};
use serde_json::Value;

use super::{given, items, text, texts, wrong};

const ROOT: Path<'static> = Path::ROOT;
const MOST_CONDITIONS: usize = 64;
const MOST_ANNOTATIONS: usize = 20;
const LONGEST_VALUE_EXPRESSION: usize = 5 << 10;
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];
const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];

/// A policy, new or changed: an update is checked as a new one is.
pub(super) fn policy(object: &Value) -> Vec<FieldError> {
    let mut errors = validate::create(object, false, NameRule::DnsSubdomain);
    policy_spec(object, &mut errors);
    errors
}

fn policy_spec(object: &Value, errors: &mut Vec<FieldError>) {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let path = ROOT.child("spec");
    supported(spec, "failurePolicy", &["Fail", "Ignore"], &path, errors);
    if let Some(kind) = given(spec, "paramKind") {
        param_kind(kind, &path.child("paramKind"), errors);
    }
    let constraints_at = path.child("matchConstraints");
    match given(spec, "matchConstraints") {
        None => errors.push(FieldError::required(&constraints_at, "")),
        Some(constraints) => {
            match_resources(constraints, &constraints_at, errors);
            if items(constraints, "resourceRules").is_empty() {
                errors.push(FieldError::required(&constraints_at.child("resourceRules"), ""));
            }
        }
    }
    let params = given(spec, "paramKind").is_some();
    let all = Sees { params, authorizer: true };
    match_conditions(spec, all, &path, errors);
    let variables = items(spec, "variables");
    let mut compiler = if variables.is_empty() { Compiler::without_variables() } else { Compiler::new() };
    let list = path.child("variables");
    for (index, variable) in variables.iter().enumerate() {
        let at = list.index(index);
        let name = text(variable, "name");
        if name.trim().is_empty() {
            errors.push(FieldError::required(&at.child("name"), "name is not specified"));
        } else if !cel::is_identifier(name) {
            errors.push(FieldError::invalid(&at.child("name"), name, "must be a valid CEL identifier"));
        }
        let expression = text(variable, "expression");
        let at = at.child("expression");
        if expression.trim().is_empty() {
            errors.push(FieldError::required(&at, "expression is not specified"));
        } else if let (_, Err(why)) = compiler.variable(name, expression, all) {
            errors.push(FieldError::invalid(&at, expression, why));
        }
    }
    let (validations, annotations) = (items(spec, "validations"), items(spec, "auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let words = "validations or auditAnnotations must contain at least one item";
        errors.push(FieldError::required(&path.child("validations"), words));
        errors.push(FieldError::required(&path.child("auditAnnotations"), words));
        return;
    }
    let list = path.child("validations");
    for (index, validation) in validations.iter().enumerate() {
        check_validation(validation, &compiler, params, &list.index(index), errors);
    }
    audit_annotations(object, annotations, (&compiler, all), &path.child("auditAnnotations"), errors);
}

/// A field that must be there and be one of a few.
fn supported(owner: &Value, field: &str, values: &[&str], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match given(owner, field).and_then(Value::as_str) {
        None => errors.push(FieldError::required(&path.child(field), "")),
        Some(value) if !values.contains(&value) => {
            errors.push(FieldError::not_supported(&path.child(field), value, values));
        }
        Some(_) => {}
    }
}

fn param_kind(kind: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let version = text(kind, "apiVersion");
    let at = path.child("apiVersion");
    let parts: Vec<&str> = version.split('/').collect();
    match parts.as_slice() {
        [""] => errors.push(FieldError::required(&at, "")),
        [only] => group_version("", only, version, &at, errors),
        [group, own] => group_version(group, own, version, &at, errors),
        _ => errors.push(FieldError::invalid(&at, version, format!("unexpected GroupVersion string: {version}"))),
    }
    let name = text(kind, "kind");
    let form = names::dns1035_label(&name.to_lowercase());
    if name.is_empty() {
        errors.push(FieldError::required(&path.child("kind"), ""));
    } else if !form.is_empty() {
        let words = format!("may have mixed case, but should otherwise match: {}", form.join(","));
        errors.push(FieldError::invalid(&path.child("kind"), name, words));
    }
}

fn group_version(group: &str, version: &str, whole: &str, at: &Path<'_>, errors: &mut Vec<FieldError>) {
    let form = names::dns1123_subdomain(group);
    if !group.is_empty() && !form.is_empty() {
        errors.push(FieldError::invalid(at, group, form.join(",")));
    }
    let form = names::dns1035_label(version);
    if version.is_empty() {
        errors.push(FieldError::invalid(at, whole, "version must be specified"));
    } else if !form.is_empty() {
        errors.push(FieldError::invalid(at, version, form.join(",")));
    }
}

/// What is wrong with an expression.
fn compile(
    (compiler, sees): (&Compiler, Sees),
    expression: &str,
    gives: Gives,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    if let Err(why) = compiler.compile(expression, sees, gives) {
        errors.push(FieldError::invalid(path, expression, why));
    }
}

fn match_conditions(spec: &Value, sees: Sees, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let compiler = Compiler::without_variables();
    let list = path.child("matchConditions");
    let conditions = items(spec, "matchConditions");
    if conditions.len() > MOST_CONDITIONS {
        errors.push(FieldError::too_many(&list, conditions.len(), MOST_CONDITIONS));
    }
    for (index, condition) in conditions.iter().enumerate() {
        let at = list.index(index);
        let expression = text(condition, "expression").trim();
        let expression_at = at.child("expression");
        if expression.is_empty() {
            errors.push(FieldError::required(&expression_at, ""));
        } else {
            compile((&compiler, sees), expression, Gives::Bool, &expression_at, errors);
        }
        let name = text(condition, "name");
        if name.is_empty() {
            errors.push(FieldError::required(&at.child("name"), ""));
            continue;
        }
        wrong(errors, &at.child("name"), name, names::qualified_name(name));
        if conditions.iter().take(index).any(|before| text(before, "name") == name) {
            errors.push(FieldError::duplicate(&at.child("name"), name));
        }
    }
}

fn check_validation(
    validation: &Value,
    compiler: &Compiler,
    params: bool,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let expression = text(validation, "expression");
    let at = path.child("expression");
    if expression.trim().is_empty() {
        errors.push(FieldError::required(&at, "expression is not specified"));
    } else {
        compile((compiler, Sees { params, authorizer: true }), expression, Gives::Bool, &at, errors);
    }
    let message_expression = text(validation, "messageExpression");
    let at = path.child("messageExpression");
    if !message_expression.is_empty() && message_expression.trim().is_empty() {
        errors.push(FieldError::invalid(&at, message_expression, "must be non-empty if specified"));
    } else if !message_expression.is_empty() {
        let sees = Sees { params, authorizer: false };
        compile((compiler, sees), message_expression, Gives::Text, &at, errors);
    }
    let message = text(validation, "message");
    let at = path.child("message");
    if !message.is_empty() && message.trim().is_empty() {
        errors.push(FieldError::invalid(&at, message, "must be non-empty if specified"));
    } else if message.trim().contains(['\n', '\r']) {
        errors.push(FieldError::invalid(&at, message, "must not contain line breaks"));
    }
    if let Some(reason) = given(validation, "reason").and_then(Value::as_str).filter(|reason| !REASONS.contains(reason))
    {
        errors.push(FieldError::not_supported(&path.child("reason"), reason, &REASONS));
    }
}

fn audit_annotations(
    object: &Value,
    annotations: &[Value],
    (compiler, sees): (&Compiler, Sees),
    list: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    if annotations.len() > MOST_ANNOTATIONS {
        let words = format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations");
        errors.push(FieldError::invalid(list, annotations.to_vec(), words));
    }
    let policy = Meta::of(object).name();
    for (index, annotation) in annotations.iter().enumerate() {
        let at = list.index(index);
        let key = text(annotation, "key");
        if policy.is_empty() {
            errors.push(FieldError::invalid(&at.child("key"), key, "requires metadata.name be non-empty"));
        } else {
            let whole = format!("{policy}/{key}");
            wrong(errors, &at.child("key"), &whole, names::qualified_name(&whole));
        }
        let expression = text(annotation, "valueExpression").trim();
        let expression_at = at.child("valueExpression");
        if expression.is_empty() {
            errors.push(FieldError::required(&expression_at, "valueExpression is not specified"));
        } else if expression.len() > LONGEST_VALUE_EXPRESSION {
            let words = format!("must not exceed {LONGEST_VALUE_EXPRESSION} bytes in length");
            errors.push(FieldError::required(&expression_at, words));
        } else if let Err(why) = compiler.compile(expression, sees, Gives::TextOrNull) {
            let written = text(annotation, "valueExpression");
            errors.push(FieldError::invalid(&expression_at, written, why));
        }
        if annotations.iter().take(index).any(|before| text(before, "key") == key) {
            errors.push(FieldError::duplicate(&at.child("key"), key));
        }
    }
}

fn match_resources(constraints: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    supported(constraints, "matchPolicy", &["Equivalent", "Exact"], path, errors);
    for field in ["namespaceSelector", "objectSelector"] {
        let at = path.child(field);
        match given(constraints, field) {
            None => errors.push(FieldError::required(&at, "")),
            Some(selector) => validate::label_selector(selector, &at, errors),
        }
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        let list = path.child(field);
        for (index, rule) in items(constraints, field).iter().enumerate() {
            named_rule(rule, &list.index(index), errors);
        }
    }
}

fn named_rule(rule: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("resourceNames");
    let own = texts(rule, "resourceNames");
    for (index, name) in own.iter().enumerate() {
        let at = list.index(index);
        wrong(errors, &at, name, names::path_segment(name));
        if own.iter().take(index).any(|before| before == name) {
            errors.push(FieldError::duplicate(&at, *name));
        }
    }
    let operations = texts(rule, "operations");
    let list = path.child("operations");
    if operations.is_empty() {
        errors.push(FieldError::required(&list, ""));
    }
    star_alone(&operations, &list, "operations", errors);
    for (index, operation) in operations.iter().enumerate().filter(|(_, operation)| !OPERATIONS.contains(operation)) {
        errors.push(FieldError::not_supported(&list.index(index), *operation, &OPERATIONS));
    }
    for (field, words) in [("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        let values = texts(rule, field);
        let at = path.child(field);
        if values.is_empty() {
            errors.push(FieldError::required(&at, ""));
        }
        star_alone(&values, &at, words, errors);
    }
    let list = path.child("apiVersions");
    for (index, _) in texts(rule, "apiVersions").iter().enumerate().filter(|(_, version)| version.is_empty()) {
        errors.push(FieldError::required(&list.index(index), ""));
    }
    resources(&texts(rule, "resources"), &path.child("resources"), errors);
    if let Some(scope) = given(rule, "scope").and_then(Value::as_str).filter(|scope| !SCOPES.contains(scope)) {
        errors.push(FieldError::not_supported(&path.child("scope"), scope, &SCOPES));
    }
}

fn star_alone(values: &[&str], at: &Path<'_>, words: &str, errors: &mut Vec<FieldError>) {
    if values.len() > 1 && values.contains(&"*") {
        let words = format!("if '*' is present, must not specify other {words}");
        errors.push(FieldError::invalid(at, values.to_vec(), words));
    }
}

fn resources(resources: &[&str], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if resources.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    let (mut whole, mut any) = (Vec::new(), Vec::new());
    // As in Kubernetes the last resource without a subresource decides.
    let mut has_plain = false;
    for (index, resource) in resources.iter().enumerate() {
        let at = path.index(index);
        if resource.is_empty() {
            errors.push(FieldError::required(&at, ""));
            continue;
        }
        let Some((own, subresource)) = resource.split_once('/') else {
            has_plain = *resource != "*";
            continue;
        };
        if whole.contains(&own) {
            let words = format!("if '{own}/*' is present, must not specify {resource}");
            errors.push(FieldError::invalid(&at, *resource, words));
        }
        if any.contains(&subresource) {
            let words = format!("if '*/{subresource}' is present, must not specify {resource}");
            errors.push(FieldError::invalid(&at, *resource, words));
        }
        if subresource == "*" {
            whole.push(own);
        }
        if own == "*" {
            any.push(subresource);
        }
    }
    if resources.len() > 1 && resources.contains(&"*/*") {
        let words = "if '*/*' is present, must not specify other resources";
        errors.push(FieldError::invalid(path, resources.to_vec(), words));
    }
    if resources.contains(&"*") && has_plain {
        let words = "if '*' is present, must not specify other resources without subresources";
        errors.push(FieldError::invalid(path, resources.to_vec(), words));
    }
}

/// A binding, new or changed.
pub(super) fn binding(object: &Value) -> Vec<FieldError> {
    let mut errors = validate::create(object, false, NameRule::DnsSubdomain);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let path = ROOT.child("spec");
    let policy = text(spec, "policyName");
    if !policy.is_empty() {
        wrong(&mut errors, &path.child("policyName"), policy, names::dns1123_subdomain(policy));
    }
    if let Some(reference) = given(spec, "paramRef") {
        param_ref(reference, &path.child("paramRef"), &mut errors);
    }
    if let Some(constraints) = given(spec, "matchResources") {
        match_resources(constraints, &path.child("matchResources"), &mut errors);
    }
    let actions = texts(spec, "validationActions");
    let list = path.child("validationActions");
    for (index, action) in actions.iter().enumerate() {
        if !ACTIONS.contains(action) {
            errors.push(FieldError::not_supported(&list.index(index), *action, &ACTIONS));
        }
        if actions.iter().take(index).any(|before| before == action) {
            errors.push(FieldError::duplicate(&list.index(index), *action));
        }
    }
    if actions.contains(&"Deny") && actions.contains(&"Warn") {
        let words = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.push(FieldError::invalid(&list, actions.clone(), words));
    }
    // What Kubernetes' declarative validation finds stands last.
    if policy.is_empty() {
        errors.push(FieldError::required(&path.child("policyName"), ""));
    }
    if actions.is_empty() {
        errors.push(FieldError::required(&list, ""));
    }
    errors
}

fn param_ref(reference: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const EXCLUSIVE: &str = "name and selector are mutually exclusive";
    let name = text(reference, "name");
    let selector = given(reference, "selector");
    if !name.is_empty() {
        wrong(errors, &path.child("name"), name, names::path_segment(name));
        if selector.is_some() {
            errors.push(FieldError::forbidden(&path.child("name"), EXCLUSIVE));
        }
    }
    if let Some(selector) = selector {
        let at = path.child("selector");
        validate::label_selector(selector, &at, errors);
        if !name.is_empty() {
            errors.push(FieldError::forbidden(&at, EXCLUSIVE));
        }
    }
    if name.is_empty() && selector.is_none() {
        errors.push(FieldError::required(path, "one of name or selector must be specified"));
    }
    let action = text(reference, "parameterNotFoundAction");
    let at = path.child("parameterNotFoundAction");
    if action.is_empty() {
        errors.push(FieldError::required(&at, ""));
    } else if !matches!(action, "Deny" | "Allow") {
        errors.push(FieldError::not_supported(&at, action, &["Deny", "Allow"]));
    }
}
