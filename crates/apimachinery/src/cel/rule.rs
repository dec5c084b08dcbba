//! One rule, and what it says of a part of an object.

use std::rc::Rc;

use serde_json::Value as Json;

use super::PER_CALL_LIMIT;
use super::ast::Expr;
use super::eval::{Evaluator, Patterns};
use super::parse::parse;
use super::source::shown;
use super::value::{Error, Value};
use crate::field::{ErrorType, FieldError, Path};
use crate::json::go_quote;
use crate::schema::field_path::{self, Step};
use crate::schema::{Schema, ValidationRule};

/// The longest message that a message expression may make, in bytes.
const MAX_MESSAGE: usize = 5 * 1024;

const OLD_SELF: &str = "oldSelf";

#[derive(Debug)]
pub(super) struct Rule {
    written: ValidationRule,
    expression: Expr,
    message: Option<Expr>,
    /// The expressions that `matches` is given as they are, compiled.
    patterns: Patterns,
    uses_old_self: bool,
    /// The rule's field path, as paths are shown.
    field_path: Option<String>,
}

/// The part of an object that a rule is about.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) schema: &'a Schema,
    pub(super) resource: bool,
    pub(super) new: &'a Json,
    pub(super) old: Option<&'a Json>,
}

/// What a rule came to.
pub(super) struct Verdict {
    pub(super) error: Option<FieldError>,
    /// Whether the rule ran and was broken; an update may go on breaking it where nothing changed.
    pub(super) broken: bool,
    /// What is left of the budget; nothing where no more rules are run.
    pub(super) left: Option<u64>,
}

impl Rule {
    /// Compiles a rule that stands at `schema`.
    ///
    /// # Errors
    /// What cel-go says, with the place in the source.
    pub(super) fn new(rule: &ValidationRule, schema: &Schema) -> Result<Self, String> {
        let read = |source: &str| parse(source).map_err(|problems| shown(source, &problems));
        let expression = read(&rule.rule)?;
        let message = if rule.message_expression.is_empty() { None } else { Some(read(&rule.message_expression)?) };
        let uses_old_self = expression.reads(OLD_SELF);
        let mut patterns = Patterns::new();
        expression.patterns(&mut patterns);
        let field_path = field_path::resolve(&rule.field_path, schema).ok().map(|(steps, _)| path_text(&steps));
        Ok(Self {
            written: rule.clone(),
            patterns,
            expression,
            message,
            uses_old_self,
            field_path: field_path.filter(|path| !path.is_empty()),
        })
    }

    pub(super) const fn uses_old_self(&self) -> bool {
        self.uses_old_self
    }

    /// What the rule is called in messages about it.
    fn name(&self) -> &str {
        let message = self.written.message.trim();
        if self.written.message.is_empty() { self.written.rule.trim() } else { message }
    }

    /// Runs the rule; nothing where it does not apply.
    pub(super) fn judge(&self, part: Part<'_>, path: &Path<'_>, budget: u64) -> Option<Verdict> {
        let optional = self.written.optional_old_self == Some(true);
        if self.uses_old_self && part.old.is_none() && !optional {
            return None;
        }
        let kind = part.schema.kind.as_str();
        let failed = |detail: String, left: Option<u64>| {
            Some(Verdict { error: Some(at(path, ErrorType::Invalid, kind.into(), detail)), broken: false, left })
        };
        let variables = match variables(part, optional) {
            Ok(variables) => variables,
            Err(error) => return failed(format!("{} evaluating rule: {}", words(&error), self.name()), Some(budget)),
        };
        let (result, cost) = Evaluator::new(variables, &self.patterns, PER_CALL_LIMIT).run(&self.expression);
        let Some(left) = budget.checked_sub(cost) else {
            let detail = "validation failed due to running out of cost budget, no further validation rules will be run";
            return failed(detail.to_owned(), None);
        };
        match result {
            Ok(Value::Bool(true)) => Some(Verdict { error: None, broken: false, left: Some(left) }),
            Ok(_) => Some(self.broken(part, path, left)),
            Err(Error::Limit) => failed(
                format!(
                    "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost \
                     exceeds limit for rule: {}",
                    self.name()
                ),
                None,
            ),
            Err(Error::Message(error)) if error.starts_with("no such overload") => failed(
                format!(
                    "'{error}': call arguments did not match a supported operator, function or macro signature for rule: {}",
                    self.name()
                ),
                Some(left),
            ),
            Err(Error::Message(error)) => failed(format!("{error} evaluating rule: {}", self.name()), Some(left)),
        }
    }

    fn broken(&self, part: Part<'_>, path: &Path<'_>, left: u64) -> Verdict {
        let kind = part.schema.kind.as_str();
        let (message, left) = match self.message(part, left) {
            Ok(made) => made,
            Err(detail) => {
                let error = Some(self.placed(path, ErrorType::Invalid, kind.into(), detail));
                return Verdict { error, broken: true, left: None };
            }
        };
        let detail = message.unwrap_or_else(|| {
            if self.written.message.is_empty() {
                format!("failed rule: {}", self.name())
            } else {
                self.name().to_owned()
            }
        });
        let whole = matches!(kind, "object" | "array");
        let value = if whole { Json::Null } else { part.new.clone() };
        let (kind, value, detail) = match self.written.reason.as_deref() {
            Some("FieldValueForbidden") => (ErrorType::Forbidden, Json::Null, detail),
            Some("FieldValueRequired") => (ErrorType::Required, Json::Null, detail),
            Some("FieldValueDuplicate") => (ErrorType::Duplicate, value, String::new()),
            _ if whole => (ErrorType::InvalidUnshown, value, detail),
            _ => (ErrorType::Invalid, value, detail),
        };
        Verdict { error: Some(self.placed(path, kind, value, detail)), broken: true, left: Some(left) }
    }

    /// The message that the rule's message expression makes, if any, and what is left of the budget.
    ///
    /// # Errors
    /// The expression cost too much.
    fn message(&self, part: Part<'_>, left: u64) -> Result<(Option<String>, u64), String> {
        let Some(expression) = &self.message else { return Ok((None, left)) };
        let Ok(variables) = variables(part, false) else { return Ok((None, left)) };
        let (result, cost) = Evaluator::new(variables, &self.patterns, PER_CALL_LIMIT).run(expression);
        let Some(left) = left.checked_sub(cost) else {
            let detail = "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run";
            return Err(detail.to_owned());
        };
        match result {
            Err(Error::Limit) => {
                let source = go_quote(&self.written.message_expression);
                let detail =
                    "no further validation rules will be run due to call cost exceeds limit for messageExpression";
                Err(format!("{detail}: {source}"))
            }
            Err(Error::Message(_)) => Ok((None, left)),
            Ok(value) => {
                let message = value.as_text().map(str::trim);
                let usable =
                    |message: &&str| !message.is_empty() && message.len() <= MAX_MESSAGE && !message.contains('\n');
                Ok((message.filter(usable).map(ToOwned::to_owned), left))
            }
        }
    }

    fn placed(&self, path: &Path<'_>, kind: ErrorType, value: Json, detail: String) -> FieldError {
        let mut error = at(path, kind, value, detail);
        if let Some(relative) = &self.field_path {
            let base = path.to_string();
            error.field = if base.is_empty() { relative.clone() } else { format!("{base}.{relative}") };
        }
        error
    }
}

fn at(path: &Path<'_>, kind: ErrorType, value: Json, detail: String) -> FieldError {
    let mut error = FieldError::new(kind, path, value, detail);
    if error.field.is_empty() {
        // What Go prints for a path that is none.
        "<nil>".clone_into(&mut error.field);
    }
    error
}

fn words(error: &Error) -> &str {
    match error {
        Error::Limit => "operation cancelled: actual cost limit exceeded",
        Error::Message(message) => message,
    }
}

fn variables<'a>(part: Part<'a>, optional: bool) -> Result<Vec<(&'a str, Value<'a>)>, Error> {
    let read = |json: &'a Json| Value::of(json, part.schema, part.resource);
    let mut variables = vec![("self", read(part.new)?)];
    match (part.old.map(read).transpose()?, optional) {
        (old, true) => variables.push((OLD_SELF, Value::Optional(old.map(Rc::new)))),
        (Some(old), false) => variables.push((OLD_SELF, old)),
        (None, false) => {}
    }
    Ok(variables)
}

fn path_text(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Field(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Key(key) => {
                text.push('[');
                text.push_str(key);
                text.push(']');
            }
        }
    }
    text
}
