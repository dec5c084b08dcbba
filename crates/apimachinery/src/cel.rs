//! Rules of schemas, `x-kubernetes-validations`: written in CEL, compiled once, run on every write.
//!
//! Parser, types, costs and evaluation are our own: an expression must be stopped when it has cost too much, its costs must be known
//! before it ever runs, and errors must point into the source, none of which the `cel` crate offers. Values of an object are references
//! into it; nothing is copied for a rule. The functions of Kubernetes' and cel-go's libraries are those of the `kube-cel` crate.
//!
//! Source: apiextensions-apiserver's `pkg/apiserver/schema/cel`, `k8s.io/apiserver/pkg/cel`, cel-go.

mod admission;
mod ast;
mod authority;
mod check;
pub mod claims;
mod correlate;
mod cost;
mod escape;
mod eval;
mod functions;
mod lex;
mod library;
mod parse;
pub mod policy;
mod price;
mod rule;
mod signatures;
mod source;
mod time;
mod types;
mod value;
mod words;

use std::sync::Arc;

use serde_json::Value;

use self::correlate::{Correlation, OldItems};
use self::rule::Rule;
use crate::field::{ErrorType, FieldError, Path};
use crate::schema::Schema;

pub use self::admission::check;
pub use self::authority::{Authority, Question, Resource, Ruling, Target};
pub use self::words::is_identifier;

/// What one evaluation of one rule may cost; about a tenth of a second in Kubernetes.
pub const PER_CALL_LIMIT: u64 = 1_000_000;

/// What all rules together may cost for one object.
pub const OBJECT_BUDGET: u64 = 10_000_000;

/// What rules say of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// Rules that it breaks, where an update did not change what they are about.
    pub warnings: Vec<String>,
}

/// The rules of a schema, ready to run.
#[derive(Debug)]
pub struct Compiled {
    schema: Arc<Schema>,
    /// Whether it is the schema of a resource: type and name can be read without it saying so.
    resource: bool,
    root: Option<Node>,
}

/// The rules at a part of a schema and below; parts without any are not there.
#[derive(Debug, Default)]
struct Node {
    rules: Vec<Rule>,
    properties: Vec<(String, Node)>,
    additional: Option<Box<Node>>,
    items: Option<Box<Node>>,
}

impl Compiled {
    /// Compiles the rules of a resource's schema.
    ///
    /// # Errors
    /// Rules that cannot be read, which the check of the resource definition would have refused.
    pub fn new(schema: Arc<Schema>) -> Result<Self, Vec<FieldError>> {
        Self::of(schema, true)
    }

    fn of(schema: Arc<Schema>, resource: bool) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let root = Node::new(&schema, &Path::ROOT.child("openAPIV3Schema"), &mut errors);
        if errors.is_empty() { Ok(Self { schema, resource, root }) } else { Err(errors) }
    }

    /// Whether there is any rule.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// What the rules say of an object that is made (`old` is `None`) or updated. `path` is where the object stands; `budget` is what
    /// all rules together may cost, [`OBJECT_BUDGET`] but for tests.
    pub fn validate(&self, new: &Value, old: Option<&Value>, path: &Path<'_>, budget: u64) -> Findings {
        let unchanged = old.map(|old| Correlation { new, old, schema: &self.schema });
        self.run(new, old, unchanged, path, budget)
    }

    /// `unchanged` is what tells the parts that did not change, which may go on breaking rules.
    fn run(
        &self,
        new: &Value,
        old: Option<&Value>,
        unchanged: Option<Correlation<'_>>,
        path: &Path<'_>,
        budget: u64,
    ) -> Findings {
        let mut run = Run { found: Findings::default(), budget: Some(budget), updated: unchanged.is_some() };
        if let Some(root) = &self.root {
            let place = Place { current: unchanged, parent: None };
            run.node(root, &self.schema, self.resource, new, old, place, path);
        }
        run.found
    }
}

/// The error that stands for rules that were not run because an object is so wrong that they would only add confusion.
pub fn blocked(errors: &[FieldError]) -> Option<FieldError> {
    let blocks = |error: &FieldError| {
        matches!(
            error.kind,
            ErrorType::NotSupported
                | ErrorType::Required
                | ErrorType::TooLong
                | ErrorType::TooMany
                | ErrorType::TypeInvalid
        )
    };
    errors.iter().any(blocks).then(|| FieldError {
        kind: ErrorType::Invalid,
        field: "<nil>".to_owned(),
        value: Value::Null,
        detail: "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
            .to_owned(),
    })
}

impl Node {
    fn new(schema: &Schema, path: &Path<'_>, errors: &mut Vec<FieldError>) -> Option<Self> {
        let rules = path.child("x-kubernetes-validations");
        let mut node = Self::default();
        for (index, rule) in schema.validations.iter().enumerate() {
            match Rule::new(rule, schema) {
                Ok(rule) => node.rules.push(rule),
                Err(error) => {
                    let at = rules.index(index);
                    errors.push(FieldError::invalid(
                        &at.child("rule"),
                        rule.rule.as_str(),
                        format!("compilation failed: {error}"),
                    ));
                }
            }
        }
        for (name, property) in &schema.properties {
            if let Some(child) = Self::new(property, &path.child("properties").key(name), errors) {
                node.properties.push((name.clone(), child));
            }
        }
        let additional =
            schema.additional().and_then(|schema| Self::new(schema, &path.child("additionalProperties"), errors));
        node.additional = additional.map(Box::new);
        node.items = schema.item().and_then(|schema| Self::new(schema, &path.child("items"), errors)).map(Box::new);
        let empty =
            node.rules.is_empty() && node.properties.is_empty() && node.additional.is_none() && node.items.is_none();
        (!empty).then_some(node)
    }
}

/// What a part was before, for rules that an update may go on breaking.
#[derive(Clone, Copy)]
struct Place<'a> {
    current: Option<Correlation<'a>>,
    /// The nearest part around it that is in the old object too.
    parent: Option<Correlation<'a>>,
}

impl<'a> Place<'a> {
    fn step(self, root: bool, next: impl FnOnce(Correlation<'a>) -> Option<Correlation<'a>>, name: &str) -> Self {
        match self.current {
            None => self,
            // A change of version is not seen: both objects were converted to one.
            Some(_) if root && matches!(name, "apiVersion" | "kind") => Self { current: None, parent: None },
            Some(current) => Self { current: next(current), parent: Some(current) },
        }
    }

    fn unchanged(self) -> bool {
        self.current.or(self.parent).is_some_and(Correlation::unchanged)
    }
}

struct Run {
    found: Findings,
    /// What is left to spend; nothing once it ran out.
    budget: Option<u64>,
    updated: bool,
}

impl Run {
    #[expect(
        clippy::too_many_arguments,
        reason = "what is walked in step: rules, schema, new, old, what did not change, and the path"
    )]
    fn node<'a>(
        &mut self,
        node: &'a Node,
        schema: &'a Schema,
        resource: bool,
        new: &'a Value,
        old: Option<&'a Value>,
        place: Place<'a>,
        path: &Path<'_>,
    ) {
        if new.is_null() || self.budget.is_none() {
            return;
        }
        let old = old.filter(|old| !old.is_null());
        if !node.rules.is_empty() {
            self.rules(node, schema, resource, new, old, place, path);
        }
        match new {
            Value::Array(items) => {
                let (Some(child), Some(item)) = (&node.items, schema.item()) else { return };
                let olds = old.and_then(|old| OldItems::new(old, schema));
                for (index, value) in items.iter().enumerate() {
                    let old = olds.as_ref().and_then(|olds| olds.find(value));
                    let place = place.step(false, |current| current.item(value, old), "");
                    self.node(child, item, item.embedded_resource, value, old, place, &path.index(index));
                }
            }
            Value::Object(object) => {
                let root = place.parent.is_none() && self.updated;
                let old_of = |name: &str| old.and_then(|old| old.get(name));
                if let (Some(child), Some(additional)) = (&node.additional, schema.additional()) {
                    for (name, value) in object {
                        let place = place.step(root, |current| current.field(name), name);
                        let resource = additional.embedded_resource;
                        self.node(child, additional, resource, value, old_of(name), place, &path.key(name));
                    }
                }
                for (name, child) in &node.properties {
                    if let (Some(value), Some(property)) = (object.get(name), schema.properties.get(name)) {
                        let place = place.step(root, |current| current.field(name), name);
                        let resource = property.embedded_resource;
                        self.node(child, property, resource, value, old_of(name), place, &path.child(name));
                    }
                }
            }
            _ => {}
        }
    }

    #[expect(clippy::too_many_arguments, reason = "as in `node`")]
    fn rules(
        &mut self,
        node: &Node,
        schema: &Schema,
        resource: bool,
        new: &Value,
        old: Option<&Value>,
        place: Place<'_>,
        path: &Path<'_>,
    ) {
        let part = rule::Part { schema, resource, new, old };
        for rule in &node.rules {
            let Some(budget) = self.budget else { return };
            let Some(verdict) = rule.judge(part, path, budget) else { continue };
            self.budget = verdict.left;
            if let Some(error) = verdict.error {
                let ratcheted = verdict.broken && !rule.uses_old_self() && place.unchanged();
                if ratcheted {
                    self.found.warnings.push(error.to_string());
                } else {
                    self.found.errors.push(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
