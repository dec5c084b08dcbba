//! The expressions of a policy, compiled once for each state of it: `compilePolicy` of `policy/validating/plugin.go`.

use apimachinery::cel::policy::{Compiler, Gives, Program, Sees, Variable};
use serde_json::Value;

/// An expression, or why it cannot be compiled.
type Compiled = Result<Program, String>;

/// A policy's expressions.
#[derive(Debug)]
pub struct Expressions {
    pub(super) variables: Vec<Variable>,
    pub(super) conditions: Vec<Compiled>,
    pub(super) validations: Vec<Compiled>,
    /// One for each validation that has one.
    pub(super) messages: Vec<Option<Compiled>>,
    pub(super) annotations: Vec<Compiled>,
}

impl Expressions {
    /// Compiles the expressions of a policy. What is wrong with one is told when it is to be evaluated.
    pub fn of(policy: &Value) -> Self {
        let params = policy.pointer("/spec/paramKind").is_some_and(|kind| !kind.is_null());
        let (all, less) = (Sees { params, authorizer: true }, Sees { params, authorizer: false });
        let mut compiler = Compiler::new();
        let variables = items(policy, "variables")
            .iter()
            .map(|variable| compiler.variable(text(variable, "name"), text(variable, "expression"), all))
            .collect();
        let compile = |list: &str, field: &str, gives: Gives| {
            let sources = items(policy, list).iter().map(|item| text(item, field));
            sources.map(|source| compiler.compile(source, all, gives)).collect()
        };
        let messages = items(policy, "validations").iter().map(|validation| {
            let source = text(validation, "messageExpression");
            (!source.is_empty()).then(|| compiler.compile(source, less, Gives::Text))
        });
        Self {
            conditions: compile("matchConditions", "expression", Gives::Bool),
            validations: compile("validations", "expression", Gives::Bool),
            annotations: compile("auditAnnotations", "valueExpression", Gives::TextOrNull),
            messages: messages.collect(),
            variables,
        }
    }
}

pub(super) fn items<'a>(policy: &'a Value, field: &str) -> &'a [Value] {
    policy.get("spec").and_then(|spec| spec.get(field)).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}
