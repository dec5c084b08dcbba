//! The checks, in the order of kube-openapi.

use serde_json::{Map, Value};

use super::node::{Additional, Node, Types};
use super::numbers::is_integer;
use super::old::Old;
use crate::field::Path;
use crate::json::{go_g, go_quote};

/// What is wrong with a part.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where; nothing for what Kubernetes tells without a place.
    pub(super) name: Option<String>,
    pub(super) kind: FaultKind,
    pub(super) value: Value,
    pub(super) message: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    Required,
    Enum,
    TooLong(i64),
    TooMany(i64),
    Type,
    Other,
}

/// What checking came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) faults: Vec<Fault>,
    /// How much was right: of the alternatives of a junctor, the one with most is what is told.
    matches: u32,
}

impl Outcome {
    /// What was told already is not told again.
    fn add(&mut self, fault: Fault) {
        let known =
            |other: &Fault| other.message == fault.message && other.kind == fault.kind && other.name == fault.name;
        if !self.faults.iter().any(known) {
            self.faults.push(fault);
        }
    }

    fn fault(&mut self, path: &Path<'_>, kind: FaultKind, value: Value, message: impl FnOnce(&str) -> String) {
        let name = path.to_string();
        let message = message(&name);
        self.add(Fault { name: Some(name), kind, value, message });
    }

    fn other(&mut self, path: &Path<'_>, value: impl Into<Value>, message: impl FnOnce(&str) -> String) {
        self.fault(path, FaultKind::Other, value.into(), message);
    }

    fn wrong_type(&mut self, path: &Path<'_>, wanted: &str, found: &str) {
        self.fault(path, FaultKind::Type, found.into(), |name| {
            format!("{name} in body must be of type {wanted}: {}", go_quote(found))
        });
    }

    /// What Kubernetes tells without a place.
    fn placeless(&mut self, message: String) {
        self.add(Fault { name: None, kind: FaultKind::Other, value: Value::Null, message });
    }

    fn merge(&mut self, other: Self) {
        self.matches += other.matches;
        for fault in other.faults {
            self.add(fault);
        }
    }
}

/// Checks a field or an item: what is as it was may be as wrong as it was.
pub(super) fn check_part(node: &Node, value: &Value, path: &Path<'_>, old: Option<Old<'_>>, outcome: &mut Outcome) {
    let Some(old) = old else { return check(node, value, path, None, outcome) };
    let mut part = Outcome::default();
    check(node, value, path, Some(old), &mut part);
    if !part.faults.is_empty() && old.equals(value) {
        part.faults.clear();
    }
    outcome.merge(part);
}

/// Checks a value against one schema.
pub(super) fn check(node: &Node, value: &Value, path: &Path<'_>, old: Option<Old<'_>>, outcome: &mut Outcome) {
    if value.is_null() {
        if node.types.any() && !node.types.has(Types::NULL) && !node.nullable {
            outcome.wrong_type(path, &node.type_name, "null");
        } else {
            outcome.matches += 1;
        }
        check_enum(node, value, path, outcome);
        return;
    }
    if node.types.any() || node.format.is_some() {
        check_type(node, value, path, outcome);
        outcome.matches += 1;
    }
    check_junctors(node, value, path, old, outcome);
    outcome.matches += 1;
    match value {
        Value::String(text) => {
            check_text(node, text, path, outcome);
            outcome.matches += 1;
            if let (Some(format), Some(name)) = (node.text_format, &node.format) {
                outcome.matches += 1;
                if !format.accepts(text) {
                    outcome.wrong_type(path, name, text);
                }
            }
        }
        Value::Number(number) => {
            match number.as_i64() {
                Some(integer) => check_integer(node, integer, path, outcome),
                None => check_float(node, number.as_f64().unwrap_or_default(), path, outcome),
            }
            outcome.matches += 2;
        }
        Value::Array(items) => {
            check_items(node, items, path, old, outcome);
            outcome.matches += 2;
        }
        _ => {}
    }
    check_enum(node, value, path, outcome);
    outcome.matches += 1;
    if let Value::Object(object) = value {
        check_object(node, object, path, old, outcome);
        outcome.matches += 1;
    }
    outcome.matches += 1;
}

fn check_type(node: &Node, value: &Value, path: &Path<'_>, outcome: &mut Outcome) {
    let (found, name, format) = match value {
        Value::Null => (Types::NULL, "null", ""),
        Value::Bool(_) => (Types::BOOLEAN, "boolean", ""),
        Value::String(_) => (Types::STRING, "string", ""),
        Value::Array(_) => (Types::ARRAY, "array", ""),
        Value::Object(_) => (Types::OBJECT, "object", ""),
        Value::Number(number) if number.is_i64() => (Types::INTEGER, "integer", "int64"),
        Value::Number(_) => (Types::NUMBER, "number", "float64"),
    };
    let whole = found == Types::NUMBER && node.types.has(Types::INTEGER) && value.as_f64().is_some_and(is_integer);
    let widened = found == Types::INTEGER && node.types.has(Types::NUMBER);
    let fits = node.types.has(found) || whole || widened;
    let texts_or_lists = found == Types::STRING || found == Types::ARRAY;
    if let Some(wanted) = &node.format {
        if !texts_or_lists && !fits && **wanted != *format {
            return outcome.wrong_type(path, wanted, format);
        }
        // A format of texts lets lists through, in Kubernetes too.
        if texts_or_lists && !node.types.has(Types::NUMBER) && !node.types.has(Types::INTEGER) {
            outcome.matches += 1;
            return;
        }
    }
    if fits {
        outcome.matches += 1;
    } else {
        outcome.wrong_type(path, &node.type_name, name);
    }
}

fn check_junctors(node: &Node, value: &Value, path: &Path<'_>, old: Option<Old<'_>>, outcome: &mut Outcome) {
    let run = |node: &Node| {
        let mut outcome = Outcome::default();
        check(node, value, path, old, &mut outcome);
        outcome
    };
    if !node.any_of.is_empty() {
        let mut best: Option<Outcome> = None;
        let mut valid = false;
        for alternative in &node.any_of {
            let tried = run(alternative);
            valid = tried.faults.is_empty();
            if valid || best.as_ref().is_none_or(|best| tried.matches > best.matches) {
                best = Some(tried);
            }
            if valid {
                break;
            }
        }
        if !valid {
            outcome.placeless(format!("{} must validate at least one schema (anyOf)", go_quote(&path.to_string())));
        }
        if let Some(best) = best {
            outcome.merge(best);
        }
    }
    if !node.one_of.is_empty() {
        let mut best: Option<Outcome> = None;
        let mut valid = 0_u32;
        for alternative in &node.one_of {
            let tried = run(alternative);
            if tried.faults.is_empty() {
                valid += 1;
                if valid == 1 {
                    best = Some(tried);
                }
            } else if valid == 0 && best.as_ref().is_none_or(|best| tried.matches > best.matches) {
                best = Some(tried);
            }
        }
        let found = match valid {
            1 => None,
            0 => Some("Found none valid".to_owned()),
            many => Some(format!("Found {many} valid alternatives")),
        };
        if let Some(found) = &found {
            let name = go_quote(&path.to_string());
            outcome.placeless(format!("{name} must validate one and only one schema (oneOf). {found}"));
        }
        if let Some(best) = best.filter(|_| valid < 2) {
            outcome.merge(best);
        }
    }
    if !node.all_of.is_empty() {
        let mut valid = 0;
        for part in &node.all_of {
            let tried = run(part);
            valid += usize::from(tried.faults.is_empty());
            outcome.merge(tried);
        }
        if valid < node.all_of.len() {
            let rest = if valid == 0 { ". None validated" } else { "" };
            let name = go_quote(&path.to_string());
            outcome.placeless(format!("{name} must validate all the schemas (allOf){rest}"));
        }
    }
    if node.not.as_deref().is_some_and(|not| run(not).faults.is_empty()) {
        outcome.placeless(format!("{} must not validate the schema (not)", go_quote(&path.to_string())));
    }
    outcome.matches += 1;
}

fn check_text(node: &Node, text: &str, path: &Path<'_>, outcome: &mut Outcome) {
    if node.max_length.is_some() || node.min_length.is_some() {
        let length = size(text.chars().count());
        if let Some(most) = node.max_length.filter(|most| length > *most) {
            return outcome.fault(path, FaultKind::TooLong(most), text.into(), |name| {
                format!("{name} in body should be at most {most} chars long")
            });
        }
        if let Some(least) = node.min_length.filter(|least| length < *least) {
            return outcome.other(path, text, |name| format!("{name} in body should be at least {least} chars long"));
        }
    }
    match &node.pattern {
        Some((pattern, Ok(expression))) if !expression.is_match(text) => {
            outcome.other(path, text, |name| format!("{name} in body should match '{pattern}'"));
        }
        Some((pattern, Err(error))) => outcome.other(path, text, |name| {
            format!("{name} in body should match '{pattern}, but pattern is invalid: {error}'")
        }),
        _ => {}
    }
}

fn check_integer(node: &Node, value: i64, path: &Path<'_>, outcome: &mut Outcome) {
    if !node.range.has_integer(value) {
        outside(node, "Checked", path, outcome);
    }
    if let Some(factor) = node.multiple_of {
        // Go cuts the factor; what has a fraction was told as outside.
        let cut = whole(factor);
        if !node.range.has_float(factor) {
            outside(node, "MultipleOf", path, outcome);
            check_multiple(as_float(value), factor, value.into(), path, outcome);
        } else if cut <= 0 {
            outcome.other(path, cut, |name| format!("factor MultipleOf declared for {name} must be positive: {cut}"));
        } else if value % cut != 0 {
            outcome.other(path, value, |name| format!("{name} in body should be a multiple of {cut}"));
        }
    }
    if let Some(least) = node.minimum {
        if node.range.has_float(least) {
            let least = whole(least);
            if value < least || (node.exclusive_minimum && value == least) {
                let words = if node.exclusive_minimum { "greater than" } else { "greater than or equal to" };
                outcome.other(path, value, |name| format!("{name} in body should be {words} {least}"));
            }
        } else {
            outside(node, "Minimum boundary", path, outcome);
            check_least(node, as_float(value), least, path, outcome);
        }
    }
    if let Some(most) = node.maximum {
        if node.range.has_float(most) {
            let most = whole(most);
            if value > most || (node.exclusive_maximum && value == most) {
                let words = if node.exclusive_maximum { "less than" } else { "less than or equal to" };
                outcome.other(path, value, |name| format!("{name} in body should be {words} {most}"));
            }
        } else {
            outside(node, "Maximum boundary", path, outcome);
            check_most(node, as_float(value), most, path, outcome);
        }
    }
}

fn check_float(node: &Node, value: f64, path: &Path<'_>, outcome: &mut Outcome) {
    if !node.range.has_float(value) {
        outside(node, "Checked", path, outcome);
    }
    if let Some(factor) = node.multiple_of {
        if !node.range.has_float(factor) {
            outside(node, "MultipleOf", path, outcome);
        }
        check_multiple(value, factor, value.into(), path, outcome);
    }
    if let Some(least) = node.minimum {
        if !node.range.has_float(least) {
            outside(node, "Minimum boundary", path, outcome);
        }
        check_least(node, value, least, path, outcome);
    }
    if let Some(most) = node.maximum {
        if !node.range.has_float(most) {
            outside(node, "Maximum boundary", path, outcome);
        }
        check_most(node, value, most, path, outcome);
    }
}

/// A number or a bound that the type cannot hold.
fn outside(node: &Node, what: &str, path: &Path<'_>, outcome: &mut Outcome) {
    outcome.placeless(format!("{what} value must be of type {} in {path}", node.range.words()));
}

fn check_multiple(value: f64, factor: f64, shown: Value, path: &Path<'_>, outcome: &mut Outcome) {
    if factor <= 0.0 {
        let words = go_g(factor);
        return outcome
            .other(path, factor, |name| format!("factor MultipleOf declared for {name} must be positive: {words}"));
    }
    let times = if factor < 1.0 { 1.0 / factor * value } else { value / factor };
    if !is_integer(times) {
        let words = go_g(factor);
        outcome.other(path, shown, |name| format!("{name} in body should be a multiple of {words}"));
    }
}

fn check_least(node: &Node, value: f64, least: f64, path: &Path<'_>, outcome: &mut Outcome) {
    #[expect(clippy::float_cmp, reason = "the bound itself")]
    if value < least || (node.exclusive_minimum && value == least) {
        let words = if node.exclusive_minimum { "greater than" } else { "greater than or equal to" };
        let least = go_g(least);
        outcome.other(path, value, |name| format!("{name} in body should be {words} {least}"));
    }
}

fn check_most(node: &Node, value: f64, most: f64, path: &Path<'_>, outcome: &mut Outcome) {
    #[expect(clippy::float_cmp, reason = "the bound itself")]
    if value > most || (node.exclusive_maximum && value == most) {
        let words = if node.exclusive_maximum { "less than" } else { "less than or equal to" };
        let most = go_g(most);
        outcome.other(path, value, |name| format!("{name} in body should be {words} {most}"));
    }
}

fn check_items(node: &Node, items: &[Value], path: &Path<'_>, old: Option<Old<'_>>, outcome: &mut Outcome) {
    if let Some(item) = &node.items {
        let old = old.and_then(Old::items);
        for (index, value) in items.iter().enumerate() {
            let old = old.as_ref().and_then(|old| old.find(value));
            check_part(item, value, &path.index(index), old, outcome);
        }
    }
    for (index, (item, value)) in node.item_places.iter().zip(items).enumerate() {
        check(item, value, &path.index(index), None, outcome);
    }
    let length = size(items.len());
    if let Some(least) = node.min_items.filter(|least| length < *least) {
        outcome.other(path, length, |name| format!("{name} in body should have at least {least} items"));
    }
    if let Some(most) = node.max_items.filter(|most| length > *most) {
        outcome.fault(path, FaultKind::TooMany(most), length.into(), |name| {
            format!("{name} in body should have at most {most} items")
        });
    }
    if node.unique_items {
        let mut seen = std::collections::HashSet::new();
        if !items.iter().all(|item| seen.insert(item.to_string())) {
            outcome.other(path, Value::Null, |name| format!("{name} in body shouldn't contain duplicates"));
        }
    }
}

fn check_enum(node: &Node, value: &Value, path: &Path<'_>, outcome: &mut Outcome) {
    if node.enumeration.is_empty() || node.enumeration.iter().any(|allowed| !value.is_null() && same(value, allowed)) {
        return;
    }
    let allowed = node.enumeration.iter().map(|allowed| match allowed {
        Value::String(text) => go_quote(text),
        other => go_quote(&other.to_string()),
    });
    let message = format!("supported values: {}", allowed.collect::<Vec<_>>().join(", "));
    outcome.fault(path, FaultKind::Enum, value.clone(), |_| message);
}

/// Equal, integers and floats being one.
fn same(value: &Value, allowed: &Value) -> bool {
    value == allowed || (value.is_number() && allowed.is_number() && value.as_f64() == allowed.as_f64())
}

fn check_object(
    node: &Node,
    object: &Map<String, Value>,
    path: &Path<'_>,
    old: Option<Old<'_>>,
    outcome: &mut Outcome,
) {
    let length = size(object.len());
    if let Some(least) = node.min_properties.filter(|least| length < *least) {
        outcome.other(path, length, |name| format!("{name} in body should have at least {least} properties"));
    }
    if let Some(most) = node.max_properties.filter(|most| length > *most) {
        outcome.fault(path, FaultKind::TooMany(most), length.into(), |name| {
            format!("{name} in body should have at most {most} properties")
        });
    }
    let old_of = |name: &str| {
        // A change of version is not seen here: both objects were converted to one.
        let type_meta = matches!(name, "kind" | "apiVersion") && path.to_string().is_empty();
        old.filter(|_| !type_meta).and_then(|old| old.field(name))
    };
    for (name, value) in object {
        if node.properties.contains_key(name.as_str()) {
            continue;
        }
        match &node.additional {
            Additional::Any => {}
            Additional::No => {
                outcome.other(path, name.as_str(), |at| format!("{at}.{name} in body is a forbidden property"));
            }
            Additional::Node(additional) => check_part(additional, value, &path.child(name), old_of(name), outcome),
        }
    }
    if object.len() < node.properties.len() {
        for (name, value) in object {
            if let Some(property) = node.properties.get(name.as_str()) {
                check_part(property, value, &path.child(name), old_of(name), outcome);
            }
        }
    } else {
        for (name, property) in &node.properties {
            if let Some(value) = object.get(&**name) {
                check_part(property, value, &path.child(name), old_of(name), outcome);
            }
        }
    }
    for name in &node.required {
        if !object.contains_key(&**name) {
            outcome.fault(&path.child(name), FaultKind::Required, Value::Null, |name| {
                format!("{name} in body is required")
            });
        }
    }
}

fn size(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "cut as Go cuts it")]
const fn whole(value: f64) -> i64 {
    value as i64
}

#[expect(clippy::cast_precision_loss, reason = "as Go compares it")]
const fn as_float(value: i64) -> f64 {
    value as f64
}
