//! Evaluation, step by step, each of which is paid for.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use regex::Regex;

use super::ast::{ACCUMULATOR, Expr, Fold, Kind};
use super::policy::REQUEST_RESOURCE;
use super::value::{Error, Result, Value};
use super::{functions, price};

const LIST: u64 = 10;
const MAP: u64 = 30;

/// Regular expressions that stand in an expression as they are.
pub(super) type Patterns = HashMap<String, Regex>;

/// Evaluates expressions over the same variables.
pub(super) struct Evaluator<'a> {
    /// Names and values; what an accumulator holds may be an error.
    scope: Vec<(&'a str, Result<Value<'a>>)>,
    patterns: &'a Patterns,
    cost: u64,
    /// What is done without a price in cel-go: turns of loops, and items copied, which it does not copy.
    unpaid: u64,
    limit: u64,
}

impl<'a> Evaluator<'a> {
    /// With variables, and what one expression may cost.
    pub(super) fn new(variables: Vec<(&'a str, Value<'a>)>, patterns: &'a Patterns, limit: u64) -> Self {
        let scope = variables.into_iter().map(|(name, value)| (name, Ok(value))).collect();
        Self { scope, patterns, cost: 0, unpaid: 0, limit }
    }

    /// The value of an expression, and what it cost.
    pub(super) fn run(&mut self, expression: &'a Expr) -> (Result<Value<'a>>, u64) {
        self.cost = 0;
        self.unpaid = 0;
        let depth = self.scope.len();
        let value = self.value(expression);
        self.scope.truncate(depth);
        (value, self.cost)
    }

    fn pay(&mut self, cost: u64) -> Result<()> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit { Err(Error::Limit) } else { Ok(()) }
    }

    /// Counts what has no price, so that it has an end too.
    fn count(&mut self, done: usize) -> Result<()> {
        self.unpaid = self.unpaid.saturating_add(done as u64);
        if self.unpaid > self.limit { Err(Error::Limit) } else { Ok(()) }
    }

    fn value(&mut self, expression: &'a Expr) -> Result<Value<'a>> {
        match &expression.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Bool(value) => Ok(Value::Bool(*value)),
            Kind::Int(value) => Ok(Value::Int(*value)),
            Kind::Uint(value) => Ok(Value::Uint(*value)),
            Kind::Double(value) => Ok(Value::Double(*value)),
            Kind::Text(text) => Ok(Value::Text(text)),
            Kind::Bytes(bytes) => Ok(Value::Bytes(bytes.as_slice().into())),
            Kind::Ident(name) => self.ident(name),
            Kind::Select { operand, field, optional } => self.select(operand, field, *optional),
            Kind::Has { operand, field } => match self.value(operand)? {
                Value::Optional(None) => Ok(Value::Bool(false)),
                Value::Variables(variables) => Ok(Value::Bool(variables.has(field))),
                operand => Ok(Value::Bool(operand.find(field)?.is_some())),
            },
            Kind::Index { operand, index, optional } => self.index(operand, index, *optional),
            Kind::Call { target, name, arguments } => self.call(target.as_deref(), name, arguments),
            Kind::And(terms) => self.junction(terms, false),
            Kind::Or(terms) => self.junction(terms, true),
            Kind::Conditional(parts) => {
                let [condition, yes, no] = &**parts;
                let chosen = if self.value(condition)?.as_bool()? { yes } else { no };
                let value = self.value(chosen);
                // What is only named there costs nothing of its own.
                self.cost = self.cost.saturating_sub(u64::from(is_attribute(chosen)));
                value
            }
            Kind::List(items) => self.list(items),
            Kind::Map(entries) => self.map(entries),
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    fn ident(&mut self, name: &'a str) -> Result<Value<'a>> {
        if let Some((_, value)) = self.scope.iter().rev().find(|(known, _)| *known == name) {
            let value = value.clone();
            self.pay(1)?;
            return value;
        }
        match name {
            "bool" | "int" | "uint" | "double" | "string" | "bytes" | "list" | "map" | "null_type" | "type" => {
                Ok(Value::Type(name_of(name)))
            }
            _ => Err(Error::new(format!("no such attribute(s): {name}"))),
        }
    }

    fn select(&mut self, operand: &'a Expr, field: &'a str, optional: bool) -> Result<Value<'a>> {
        if let Some(name) = qualified(operand, field) {
            return Ok(Value::Type(name));
        }
        if is_request_resource(operand, field)
            && let Some((_, value)) = self.scope.iter().rev().find(|(known, _)| *known == REQUEST_RESOURCE)
        {
            let value = value.clone();
            self.pay(1)?;
            return value;
        }
        let value = self.value(operand)?;
        self.pay(step_price(operand))?;
        if let Value::Variables(variables) = &value {
            return variables.get(field);
        }
        let chained = matches!(value, Value::Optional(_));
        if !optional && !chained {
            return value.select(field);
        }
        Ok(Value::Optional(value.find(field)?.map(Rc::new)))
    }

    fn index(&mut self, operand: &'a Expr, index: &'a Expr, optional: bool) -> Result<Value<'a>> {
        let value = self.value(operand)?;
        let named = is_attribute(index);
        let index = self.value(index)?;
        self.cost = self.cost.saturating_sub(u64::from(named));
        self.pay(step_price(operand))?;
        let chained = matches!(value, Value::Optional(_));
        if !optional && !chained {
            return value.index(&index);
        }
        Ok(Value::Optional(value.at(&index)?.map(Rc::new)))
    }

    fn call(&mut self, target: Option<&'a Expr>, name: &'a str, arguments: &'a [Expr]) -> Result<Value<'a>> {
        if name == "@not_strictly_false" {
            let value = arguments.first().map_or(Ok(Value::Null), |argument| self.value(argument));
            self.pay(1)?;
            return match value {
                Err(Error::Limit) => Err(Error::Limit),
                Ok(Value::Bool(value)) => Ok(Value::Bool(value)),
                _ => Ok(Value::Bool(true)),
            };
        }
        let values: Result<Vec<Value<'a>>> =
            target.into_iter().chain(arguments).map(|argument| self.value(argument)).collect();
        let values = values?;
        if is_settled(name, arguments) {
            return functions::call(name, target.is_some(), &values);
        }
        // Costly ones are paid for before they run.
        if matches!(
            name,
            "matches"
                | "find"
                | "findAll"
                | "contains"
                | "replace"
                | "sets.contains"
                | "sets.intersects"
                | "sets.equivalent"
        ) {
            self.pay(price::call(name, target.is_some(), &values, None))?;
            if let ("matches", [text, pattern]) = (name, values.as_slice()) {
                let compiled = pattern.as_text().and_then(|pattern| self.patterns.get(pattern));
                if let (Some(compiled), Some(text)) = (compiled, text.as_text()) {
                    return Ok(Value::Bool(compiled.is_match(text)));
                }
            }
            return functions::call(name, target.is_some(), &values);
        }
        let value = functions::call(name, target.is_some(), &values);
        self.pay(price::call(name, target.is_some(), &values, value.as_ref().ok()))?;
        if let ("_+_", Ok(Value::List(joined))) = (name, &value) {
            self.count(joined.len())?;
        }
        value
    }

    /// `&&` and `||`: one term that decides wins over errors of others.
    fn junction(&mut self, terms: &'a [Expr], decisive: bool) -> Result<Value<'a>> {
        let mut failed = None;
        for term in terms {
            match self.value(term).and_then(|value| value.as_bool()) {
                Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(Error::Limit) => return Err(Error::Limit),
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn list(&mut self, items: &'a [(Expr, bool)]) -> Result<Value<'a>> {
        let mut list = Vec::with_capacity(items.len());
        for (item, optional) in items {
            match (self.value(item)?, optional) {
                (Value::Optional(value), true) => list.extend(value.as_deref().cloned()),
                (_, true) => return Err(Error::overload()),
                (value, false) => list.push(value),
            }
        }
        if !items.iter().all(|(item, _)| is_constant(item)) {
            self.pay(LIST)?;
        }
        Ok(Value::list(list))
    }

    fn map(&mut self, entries: &'a [(Expr, Expr, bool)]) -> Result<Value<'a>> {
        let mut map = BTreeMap::new();
        for (key, value, optional) in entries {
            let key = self.value(key)?.key()?;
            let value = match (self.value(value)?, optional) {
                (Value::Optional(value), true) => match value {
                    Some(value) => (*value).clone(),
                    None => continue,
                },
                (_, true) => return Err(Error::overload()),
                (value, false) => value,
            };
            if map.insert(key, value).is_some() {
                return Err(Error::new("Failed with repeated key"));
            }
        }
        if !entries.iter().all(|(key, value, _)| is_constant(key) && is_constant(value)) {
            self.pay(MAP)?;
        }
        Ok(Value::Map(Rc::new(map)))
    }

    fn fold(&mut self, fold: &'a Fold) -> Result<Value<'a>> {
        let range = self.value(&fold.range)?;
        let start = self.value(&fold.start)?;
        let entries = range.entries()?;
        let keyed = matches!(range, Value::Map(_) | Value::Object(..));
        let depth = self.scope.len();
        self.scope.push((&fold.accumulator, Ok(start)));
        for (key, value) in entries {
            self.count(1)?;
            match &fold.second {
                Some(second) => {
                    self.scope.push((&fold.variable, Ok(key)));
                    self.scope.push((second, Ok(value)));
                }
                None => self.scope.push((&fold.variable, Ok(if keyed { key } else { value }))),
            }
            let go_on = self.value(&fold.condition)?.as_bool()?;
            if go_on {
                self.step(&fold.step, depth)?;
            }
            self.scope.truncate(depth + 1);
            if !go_on {
                break;
            }
        }
        let result = self.value(&fold.result);
        self.scope.truncate(depth);
        result
    }

    /// One step of a loop, which changes what stands at `place`. Lists and maps grow where they are and are not copied.
    fn step(&mut self, step: &'a Expr, place: usize) -> Result<()> {
        match &step.kind {
            Kind::Conditional(parts) => {
                let [condition, yes, no] = &**parts;
                let chosen = self.value(condition)?.as_bool()?;
                return self.step(if chosen { yes } else { no }, place);
            }
            Kind::Ident(name) if name == ACCUMULATOR => return Ok(()),
            Kind::Call { target: None, name, arguments } if matches!(name.as_str(), "_+_" | "cel.@mapInsert") => {
                match arguments.as_slice() {
                    [Expr { kind: Kind::Ident(accumulator), .. }, rest @ ..] if accumulator == ACCUMULATOR => {
                        return self.grow(name, rest, place);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        let value = self.value(step);
        if matches!(value, Err(Error::Limit)) {
            return Err(Error::Limit);
        }
        // Junctors may yet decide over an error; nothing else can.
        if value.is_err() && !matches!(step.kind, Kind::And(_) | Kind::Or(_)) {
            return value.map(drop);
        }
        if let Some((_, accumulator)) = self.scope.get_mut(place) {
            *accumulator = value;
        }
        Ok(())
    }

    fn grow(&mut self, name: &str, arguments: &'a [Expr], place: usize) -> Result<()> {
        let values: Result<Vec<Value<'a>>> = arguments.iter().map(|argument| self.value(argument)).collect();
        let values = values?;
        self.pay(2)?;
        let Some((_, Ok(accumulator))) = self.scope.get_mut(place) else { return Err(Error::overload()) };
        if name != "_+_" {
            return functions::insert(accumulator, &values);
        }
        match (accumulator, values.as_slice()) {
            (Value::List(list), [item]) => {
                let Some(items) = item.items() else { return Err(Error::overload()) };
                Rc::make_mut(list).extend(items?);
                Ok(())
            }
            (accumulator, [value]) => {
                *accumulator = functions::call("_+_", false, &[accumulator.clone(), value.clone()])?;
                Ok(())
            }
            _ => Err(Error::overload()),
        }
    }
}

/// What a step into a value costs: one more where the value was made just for it.
const fn step_price(operand: &Expr) -> u64 {
    if matches!(operand.kind, Kind::Ident(_) | Kind::Select { .. } | Kind::Index { .. }) { 1 } else { 2 }
}

/// Whether an expression only names a part of a variable.
fn is_attribute(expression: &Expr) -> bool {
    match &expression.kind {
        Kind::Ident(_) => true,
        Kind::Select { operand, .. } | Kind::Index { operand, .. } => is_attribute(operand),
        _ => false,
    }
}

/// Whether a value stands there as it is: cel-go makes it once, when it compiles.
fn is_constant(expression: &Expr) -> bool {
    match &expression.kind {
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Uint(_)
        | Kind::Double(_)
        | Kind::Text(_)
        | Kind::Bytes(_) => true,
        Kind::List(items) => items.iter().all(|(item, optional)| !optional && is_constant(item)),
        Kind::Map(entries) => {
            entries.iter().all(|(key, value, optional)| !optional && is_constant(key) && is_constant(value))
        }
        _ => false,
    }
}

/// Whether cel-go settles a call when it compiles, or does not count it.
fn is_settled(name: &str, arguments: &[Expr]) -> bool {
    match (name, arguments) {
        ("or" | "orValue", _) => true,
        ("@in", [_, container]) => is_constant(container),
        ("bool" | "bytes" | "double" | "duration" | "int" | "string" | "timestamp" | "uint", [argument]) => {
            is_constant(argument)
        }
        _ => false,
    }
}

/// The type of that name.
fn name_of(name: &str) -> &'static str {
    const NAMES: [&str; 10] = ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];
    NAMES.into_iter().find(|known| *known == name).unwrap_or_default()
}

/// Whether it is `authorizer.requestResource`, a variable whose name has a dot.
pub(super) fn is_request_resource(operand: &Expr, field: &str) -> bool {
    field == "requestResource" && matches!(&operand.kind, Kind::Ident(name) if name == "authorizer")
}

/// Types whose names have dots.
pub(super) fn qualified(operand: &Expr, field: &str) -> Option<&'static str> {
    let Kind::Select { operand, field: middle, .. } = &operand.kind else { return None };
    match (&operand.kind, middle.as_str(), field) {
        (Kind::Ident(first), "protobuf", "Timestamp") if first == "google" => Some("google.protobuf.Timestamp"),
        (Kind::Ident(first), "protobuf", "Duration") if first == "google" => Some("google.protobuf.Duration"),
        _ => None,
    }
}
