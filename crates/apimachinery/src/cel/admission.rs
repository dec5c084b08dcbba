//! What is wrong with the rules of a custom resource's schema: whether they compile, and what they may cost. From
//! `pkg/apis/apiextensions/validation` of apiextensions-apiserver.

use std::sync::Arc;

use serde::Serialize;

use super::check::{Checker, Known};
use super::parse::parse;
use super::source::shown;
use super::types::{Decl, Type};
use super::{Compiled, OBJECT_BUDGET};
use crate::field::{FieldError, Path};
use crate::json::MAX_BYTES;
use crate::schema::{Schema, SchemaOrBool, ValidationRule};

/// What one rule may cost, as often as it can run in one object.
const RULE_LIMIT: u64 = 10_000_000;

/// What all rules of a schema may cost.
const SCHEMA_LIMIT: u64 = 100_000_000;

/// How many of the most expensive rules are named where all are too expensive.
const NAMED: usize = 4;

/// What is wrong with the rules of a resource's schema, which must be structural. `path` is where the schema stands; `stored` says that
/// the same schema is stored already: what a single rule may cost was decided then.
pub fn check(schema: &Schema, path: &Path<'_>, stored: bool) -> Vec<FieldError> {
    let mut check = Check { errors: Vec::new(), total: 0, costs: Vec::new(), stored };
    check.schema(schema, true, Some(1), None, path);
    let total = check.total;
    if total > SCHEMA_LIMIT {
        check.costs.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        let why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        for (field, _) in check.costs.into_iter().take(NAMED) {
            let mut error = FieldError::forbidden(&Path::ROOT, why);
            error.field = field;
            check.errors.push(error);
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        check.errors.push(FieldError::forbidden(path, too_expensive(what, total, SCHEMA_LIMIT)));
    }
    check.errors
}

struct Check {
    errors: Vec<FieldError>,
    /// What all expressions may cost.
    total: u64,
    /// Where each expression stands that counts, and what it may cost.
    costs: Vec<(String, u64)>,
    stored: bool,
}

impl Check {
    /// `times` is how often the schema's values may be in an object, where that is bounded; `uncorrelated` is the schema around this one
    /// whose parts cannot be told in an old object.
    fn schema(&mut self, schema: &Schema, root: bool, times: Option<u64>, uncorrelated: Option<&str>, path: &Path<'_>) {
        if !schema.validations.is_empty() {
            self.rules(schema, root, times, uncorrelated, path);
        }
        if self.errors.is_empty() {
            self.default(schema, path);
        }
        let inner = times.zip(most(schema)).map(|(times, most)| times.saturating_mul(most));
        let here = path.to_string();
        if let Some(additional) = schema.additional() {
            self.schema(additional, false, inner, uncorrelated, &path.child("additionalProperties"));
        }
        for (name, property) in &schema.properties {
            self.schema(property, false, inner, uncorrelated, &path.child("properties").key(name));
        }
        if let Some(item) = schema.item() {
            let list = (schema.list_type.as_deref() != Some("map")).then_some(here.as_str());
            self.schema(item, false, inner, uncorrelated.or(list), &path.child("items"));
        }
    }

    /// A default must keep the rules, also where there was nothing before it.
    fn default(&mut self, schema: &Schema, path: &Path<'_>) {
        let Some(default) = schema.default.as_ref().filter(|default| !default.is_null()) else { return };
        let Ok(compiled) = Compiled::of(Arc::new(schema.clone()), schema.embedded_resource) else { return };
        let path = path.child("default");
        let updated = compiled.run(default, Some(default), None, &path, OBJECT_BUDGET).errors;
        let made = if updated.is_empty() {
            compiled.run(default, None, None, &path, OBJECT_BUDGET).errors
        } else {
            Vec::new()
        };
        self.errors.extend(updated);
        self.errors.extend(made);
    }

    fn rules(&mut self, schema: &Schema, root: bool, times: Option<u64>, uncorrelated: Option<&str>, path: &Path<'_>) {
        let path = path.child("x-kubernetes-validations");
        let Some(decl) = Decl::of(schema, root || schema.embedded_resource) else {
            let why = "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert \
                       structural schema to CEL declarations";
            self.errors.push(FieldError::new(crate::field::ErrorType::Internal, &path, serde_json::Value::Null, why));
            return;
        };
        // Where nothing bounds how often it may be there, the size of a request does.
        let times = times.unwrap_or(MAX_BYTES as u64 / (decl.least + 1));
        for (index, rule) in schema.validations.iter().enumerate() {
            self.rule(rule, &decl, times, uncorrelated, &path.index(index));
        }
    }

    fn rule(
        &mut self,
        rule: &ValidationRule,
        decl: &Arc<Decl>,
        times: u64,
        uncorrelated: Option<&str>,
        path: &Path<'_>,
    ) {
        if rule.rule.trim().is_empty() {
            return;
        }
        let rule_path = path.child("rule");
        let optional = rule.optional_old_self == Some(true);
        let (uses_old_self, compiled) = compile(&rule.rule, decl, optional);
        match compiled {
            Err(error) => {
                self.errors.push(about(rule, &rule_path, &format!("compilation failed: {error}")));
            }
            Ok(known) if !matches!(known.ty, Type::Bool) => {
                let why = "cel expression must evaluate to a bool";
                self.errors.push(about(rule, &rule_path, why));
            }
            Ok(known) => {
                self.cost("estimated rule cost", known.cost.max.saturating_mul(times), &rule_path);
                self.message(rule, decl, path);
            }
        }
        if uses_old_self {
            if let Some(part) = uncorrelated {
                let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {part}");
                self.errors.push(FieldError::invalid(&rule_path, rule.rule.as_str(), why));
            }
        } else if let Some(optional) = rule.optional_old_self {
            let why = "may not be set if oldSelf is not used in rule";
            self.errors.push(FieldError::invalid(&path.child("optionalOldSelf"), optional, why));
        }
    }

    fn message(&mut self, rule: &ValidationRule, decl: &Arc<Decl>, path: &Path<'_>) {
        if rule.message_expression.is_empty() {
            return;
        }
        let path = path.child("messageExpression");
        let optional = rule.optional_old_self == Some(true);
        match compile(&rule.message_expression, decl, optional).1 {
            Err(error) => {
                let why = format!("messageExpression compilation failed: {error}");
                self.errors.push(about(rule, &path, &why));
            }
            Ok(known) if !matches!(known.ty, Type::Text) => {
                let why = "messageExpression must evaluate to a string";
                self.errors.push(about(rule, &path, why));
            }
            Ok(known) => self.cost("estimated messageExpression cost", known.cost.max, &path),
        }
    }

    fn cost(&mut self, what: &str, cost: u64, path: &Path<'_>) {
        if cost > RULE_LIMIT && !self.stored {
            self.errors.push(FieldError::forbidden(path, too_expensive(what, cost, RULE_LIMIT)));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= SCHEMA_LIMIT / 100 {
            self.costs.push((path.to_string(), cost));
        }
    }
}

/// Whether an expression reads `oldSelf`, and what is known of it.
pub(super) fn compile(source: &str, decl: &Arc<Decl>, optional: bool) -> (bool, Result<Known, String>) {
    let expression = match parse(source) {
        Ok(expression) => expression,
        Err(problems) => return (false, Err(shown(source, &problems))),
    };
    let old = if optional { Type::optional(decl.ty()) } else { decl.ty() };
    let checker = Checker::new(decl, vec![("self", decl.ty()), ("oldSelf", old)]);
    let known = checker.check(&expression).map_err(|problems| shown(source, &problems));
    (known.is_ok() && expression.reads("oldSelf"), known)
}

/// How often the parts of a schema's value may be in it, where that is bounded.
fn most(schema: &Schema) -> Option<u64> {
    let bound = |most: Option<i64>| most.map(|most| u64::try_from(most).unwrap_or(0));
    match schema.kind.as_str() {
        "object" => match &schema.additional_properties {
            None | Some(SchemaOrBool::Allowed(false)) => Some(1),
            Some(_) => bound(schema.max_properties),
        },
        "array" => bound(schema.max_items),
        _ => None,
    }
}

/// A rule as errors show it: its fields in the order of Kubernetes' type.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Written<'a> {
    rule: &'a str,
    message: &'a str,
    message_expression: &'a str,
    reason: Option<&'a str>,
    field_path: &'a str,
    optional_old_self: Option<bool>,
}

/// The error about a whole rule.
fn about(rule: &ValidationRule, path: &Path<'_>, why: &str) -> FieldError {
    let written = Written {
        rule: &rule.rule,
        message: &rule.message,
        message_expression: &rule.message_expression,
        reason: rule.reason.as_deref(),
        field_path: &rule.field_path,
        optional_old_self: rule.optional_old_self,
    };
    let written = serde_json::to_string(&written).unwrap_or_default();
    // As Go writes JSON.
    let written = written.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    FieldError::invalid_unshown(path, format!("{written}: {why}"))
}

fn too_expensive(what: &str, cost: u64, limit: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a factor to be read by a person")]
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where \
         arrays, maps, and strings are declared)"
    )
}

#[cfg(test)]
mod tests;
