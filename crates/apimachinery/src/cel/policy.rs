//! Expressions over a request: what admission policies are made of.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/cel`. Objects are read without a schema, as JSON says them. A variable of a policy is
//! evaluated when it is first read, and once for all expressions that are evaluated together.

mod environment;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::PER_CALL_LIMIT;
use super::ast::Expr;
use super::authority::{Asking, Authority, Resource};
use super::eval::{Evaluator, Patterns};
use super::value::{Error, Result as Evaluated, Value};

pub use self::environment::{Compiler, Gives, Sees};

/// What all match conditions of a policy together may cost for one request.
pub const CONDITIONS_BUDGET: u64 = 2_500_000;

/// What cel-go says of an expression that costs more than one may.
const CANCELLED: &str = "operation cancelled: actual cost limit exceeded";

/// An expression of a policy, ready to be evaluated.
#[derive(Debug)]
pub struct Program {
    source: String,
    expression: Expr,
    patterns: Patterns,
}

/// A variable of a policy: its name, and the expression or why it cannot be compiled.
pub type Variable = (String, Result<Program, String>);

/// What the expressions of a policy see. What there is not is null.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// `object`.
    pub object: &'a Json,
    /// `oldObject`.
    pub old_object: &'a Json,
    /// `request`.
    pub request: &'a Json,
    /// `params`.
    pub params: &'a Json,
    /// `namespaceObject`.
    pub namespace_object: &'a Json,
    /// `authorizer`, with the resource of the request.
    pub authorizer: Option<(&'a dyn Authority, Resource<'a>)>,
}

/// What an expression gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(String),
    /// Null.
    Null,
    /// Anything else, by the name of its type.
    Other(&'static str),
}

/// Why an expression gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It failed.
    #[error("expression '{expression}' resulted in error: {why}")]
    Failed {
        /// The expression.
        expression: String,
        /// What cel-go says.
        why: String,
    },
    /// All expressions together cost too much.
    #[error("validation failed due to running out of cost budget, no further validation rules will be run")]
    OutOfBudget,
}

/// Evaluates expressions that belong together: they share the values of variables, and a budget.
pub struct Evaluation<'a> {
    scope: Scope<'a>,
    variables: Rc<Lazy<'a>>,
}

type Scope<'a> = Vec<(&'a str, Value<'a>)>;

/// The variables of a policy while it is evaluated.
pub(super) struct Lazy<'a> {
    variables: &'a [Variable],
    scope: Scope<'a>,
    known: RefCell<BTreeMap<&'a str, Evaluated<Value<'a>>>>,
    left: Cell<u64>,
}

impl std::fmt::Debug for Lazy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("variables")
    }
}

impl<'a> Lazy<'a> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.variables.iter().any(|(own, _)| own == name)
    }

    /// The value of a variable.
    pub(super) fn get(self: &Rc<Self>, name: &str) -> Evaluated<Value<'a>> {
        if let Some(known) = self.known.borrow().get(name) {
            return known.clone();
        }
        // The last one of a name counts.
        let Some((name, program)) = self.variables.iter().rev().find(|(own, _)| own == name) else {
            return Err(Error::no_key(name));
        };
        let value = match program {
            Err(why) => Err(Error::new(format!("composited variable {name:?} fails to compile: {why}"))),
            Ok(program) => {
                let (value, cost) = self.run(program);
                self.left.set(self.left.get().saturating_sub(cost));
                let failed = |why: &str| Error::new(format!("composited variable {name:?} fails to evaluate: {why}"));
                value.map_err(|error| match error {
                    Error::Limit if self.left.get() == 0 => Error::Limit,
                    Error::Limit => failed(CANCELLED),
                    Error::Message(why) => failed(&why),
                })
            }
        };
        self.known.borrow_mut().insert(name, value.clone());
        value
    }

    fn run(self: &Rc<Self>, program: &'a Program) -> (Evaluated<Value<'a>>, u64) {
        let mut scope = self.scope.clone();
        scope.push(("variables", Value::Variables(Rc::clone(self))));
        Evaluator::new(scope, &program.patterns, self.left.get().min(PER_CALL_LIMIT)).run(&program.expression)
    }
}

impl<'a> Evaluation<'a> {
    /// An evaluation of expressions that may cost `budget` together.
    pub fn new(inputs: Inputs<'a>, variables: &'a [Variable], budget: u64) -> Self {
        let mut scope = vec![
            ("object", Value::open(inputs.object)),
            ("oldObject", Value::open(inputs.old_object)),
            ("request", Value::open(inputs.request)),
            ("params", Value::open(inputs.params)),
            ("namespaceObject", Value::open(inputs.namespace_object)),
        ];
        if let Some((authority, resource)) = inputs.authorizer {
            scope.push(("authorizer", Value::Asking(Rc::new(Asking::new(authority)))));
            scope.push((REQUEST_RESOURCE, Value::Asking(Rc::new(Asking::about(authority, resource)))));
        }
        let lazy = Lazy { variables, scope: scope.clone(), known: RefCell::default(), left: Cell::new(budget) };
        Self { scope, variables: Rc::new(lazy) }
    }

    /// What is left of the budget.
    pub fn left(&self) -> u64 {
        self.variables.left.get()
    }

    /// Evaluates an expression.
    ///
    /// # Errors
    /// It failed, or there is nothing left to spend; then nothing more is to be evaluated.
    pub fn evaluate(&self, program: &'a Program) -> Result<Answer, Failure> {
        let mut scope = self.scope.clone();
        scope.push(("variables", Value::Variables(Rc::clone(&self.variables))));
        let limit = self.left().min(PER_CALL_LIMIT);
        let (value, cost) = Evaluator::new(scope, &program.patterns, limit).run(&program.expression);
        // What variables cost was paid when they were read.
        let left = self.left().checked_sub(cost).ok_or(Failure::OutOfBudget)?;
        self.variables.left.set(left);
        match value {
            Ok(Value::Bool(value)) => Ok(Answer::Bool(value)),
            Ok(Value::Null) => Ok(Answer::Null),
            Ok(value) => Ok(value
                .as_text()
                .map_or_else(|| Answer::Other(value.type_name()), |text| Answer::Text(text.to_owned()))),
            Err(Error::Limit) if left == 0 => Err(Failure::OutOfBudget),
            Err(Error::Limit) => Err(Failure::Failed { expression: program.source.clone(), why: CANCELLED.to_owned() }),
            Err(Error::Message(why)) => Err(Failure::Failed { expression: program.source.clone(), why }),
        }
    }
}

impl Drop for Evaluation<'_> {
    fn drop(&mut self) {
        // A variable can hold the variables.
        self.variables.known.borrow_mut().clear();
    }
}

/// The name of `authorizer.requestResource` among the variables; no source can write it otherwise.
pub(super) const REQUEST_RESOURCE: &str = "authorizer.requestResource";

#[cfg(test)]
mod tests;
