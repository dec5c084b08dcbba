//! The functions and operators of CEL itself.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::library;
use super::time;
use super::value::{Error, Result, Value};
use crate::json::go_g;
use crate::schema::pattern;

/// Calls a function. A method has its receiver as first argument.
pub(super) fn call<'a>(name: &str, method: bool, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    match arguments {
        [Value::Asking(asking), rest @ ..] if method => asking.call(name, rest),
        [a, b] if name.starts_with('_') || name.starts_with('@') => binary(name, a, b),
        [a] if !method => unary(name, a),
        [a] => without_arguments(name, a),
        [a, b] if method => with_argument(name, a, b, arguments),
        [a, b] if name == "matches" => matches(a, b),
        [] if name == "optional.none" => Ok(Value::Optional(None)),
        _ => library::call(name, method, arguments),
    }
}

fn binary<'a>(name: &str, a: &Value<'a>, b: &Value<'a>) -> Result<Value<'a>> {
    let ordered = |wanted: fn(Ordering) -> bool| match a.compare(b) {
        Some(order) => Ok(Value::Bool(wanted(order))),
        // Not a number compares with nothing.
        None if a.float().is_some() && b.float().is_some() => Ok(Value::Bool(false)),
        None => Err(Error::overload()),
    };
    match name {
        "_==_" => Ok(Value::Bool(a.equals(b)?)),
        "_!=_" => Ok(Value::Bool(!a.equals(b)?)),
        "_<_" => ordered(Ordering::is_lt),
        "_<=_" => ordered(Ordering::is_le),
        "_>_" => ordered(Ordering::is_gt),
        "_>=_" => ordered(Ordering::is_ge),
        "@in" => contains(b, a),
        "_+_" => add(a, b),
        "_-_" => subtract(a, b),
        "_*_" | "_/_" | "_%_" => arithmetic(name, a, b),
        "@sortByAssociatedKeys" => sort_by(a, b),
        _ => Err(Error::overload()),
    }
}

fn contains<'a>(container: &Value<'a>, wanted: &Value<'a>) -> Result<Value<'a>> {
    if let Some(items) = container.items() {
        for item in items? {
            if item.equals(wanted)? {
                return Ok(Value::Bool(true));
            }
        }
        return Ok(Value::Bool(false));
    }
    match container {
        Value::Map(_) | Value::Object(..) => Ok(Value::Bool(container.at(wanted).is_ok_and(|found| found.is_some()))),
        _ => Err(Error::overload()),
    }
}

fn overflow(kind: &str) -> Error {
    Error::new(format!("{kind} overflow"))
}

fn add<'a>(a: &Value<'a>, b: &Value<'a>) -> Result<Value<'a>> {
    if let (Some(a), Some(b)) = (a.as_text(), b.as_text()) {
        return Ok(Value::text(format!("{a}{b}")));
    }
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int).ok_or_else(|| overflow("integer")),
        (Value::Uint(a), Value::Uint(b)) => {
            a.checked_add(*b).map(Value::Uint).ok_or_else(|| overflow("unsigned integer"))
        }
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::Bytes(a), Value::Bytes(b)) => Ok(Value::Bytes([&**a, &**b].concat().into())),
        (Value::Duration(a), Value::Duration(b)) => {
            a.checked_add(*b).map(Value::Duration).ok_or_else(|| overflow("duration"))
        }
        (Value::Timestamp(time), Value::Duration(by)) | (Value::Duration(by), Value::Timestamp(time)) => {
            time::later(*time, *by).map(Value::Timestamp).ok_or_else(|| overflow("timestamp"))
        }
        _ => join(a, b),
    }
}

/// Lists one behind the other. Sets take what they do not have, and items of maps take the place of those with their keys.
fn join<'a>(a: &Value<'a>, b: &Value<'a>) -> Result<Value<'a>> {
    let (Some(ours), Some(theirs)) = (a.items(), b.items()) else { return Err(Error::overload()) };
    let (mut ours, theirs) = (ours?, theirs?);
    match a {
        Value::Items(json, schema) if schema.list_type.as_deref() == Some("set") => {
            let mut seen: HashSet<String> = json.iter().map(ToString::to_string).collect();
            ours.extend(theirs.into_iter().filter(|item| seen.insert(shown(item))));
        }
        Value::Items(_, schema) if schema.list_type.as_deref() == Some("map") => {
            let key = |item: &Value<'a>| {
                let keys =
                    schema.list_map_keys.iter().map(|key| item.find(key).ok().flatten().map(|value| shown(&value)));
                keys.collect::<Vec<_>>()
            };
            let mut places: HashMap<_, usize> =
                ours.iter().enumerate().map(|(place, item)| (key(item), place)).collect();
            for item in theirs {
                let place = *places.entry(key(&item)).or_insert(ours.len());
                match ours.get_mut(place) {
                    Some(ours) => *ours = item,
                    None => ours.push(item),
                }
            }
        }
        _ => ours.extend(theirs),
    }
    Ok(Value::list(ours))
}

/// An item as JSON shows it, so that equal ones are shown alike.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Object(object, _) => serde_json::to_string(object).unwrap_or_default(),
        Value::Items(items, _) => serde_json::to_string(items).unwrap_or_default(),
        other => match other.as_text() {
            Some(text) => serde_json::Value::from(text).to_string(),
            None => other.shown(),
        },
    }
}

fn subtract<'a>(a: &Value<'a>, b: &Value<'a>) -> Result<Value<'a>> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.checked_sub(*b).map(Value::Int).ok_or_else(|| overflow("integer")),
        (Value::Uint(a), Value::Uint(b)) => {
            a.checked_sub(*b).map(Value::Uint).ok_or_else(|| overflow("unsigned integer"))
        }
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        (Value::Duration(a), Value::Duration(b)) => {
            a.checked_sub(*b).map(Value::Duration).ok_or_else(|| overflow("duration"))
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            time::between(*b, *a).map(Value::Duration).ok_or_else(|| overflow("timestamp"))
        }
        (Value::Timestamp(time), Value::Duration(by)) => by
            .checked_neg()
            .and_then(|by| time::later(*time, by))
            .map(Value::Timestamp)
            .ok_or_else(|| overflow("timestamp")),
        _ => Err(Error::overload()),
    }
}

fn arithmetic<'a>(name: &str, a: &Value<'a>, b: &Value<'a>) -> Result<Value<'a>> {
    let zero = || Error::new(if name == "_%_" { "modulus by zero" } else { "division by zero" });
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            if *b == 0 && name != "_*_" {
                return Err(zero());
            }
            let result = match name {
                "_*_" => a.checked_mul(*b),
                "_/_" => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            result.map(Value::Int).ok_or_else(|| overflow("integer"))
        }
        (Value::Uint(a), Value::Uint(b)) => {
            if *b == 0 && name != "_*_" {
                return Err(zero());
            }
            let result = match name {
                "_*_" => a.checked_mul(*b),
                "_/_" => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            result.map(Value::Uint).ok_or_else(|| overflow("unsigned integer"))
        }
        (Value::Double(a), Value::Double(b)) if name == "_*_" => Ok(Value::Double(a * b)),
        (Value::Double(a), Value::Double(b)) if name == "_/_" => Ok(Value::Double(a / b)),
        _ => Err(Error::overload()),
    }
}

fn sort_by<'a>(list: &Value<'a>, keys: &Value<'a>) -> Result<Value<'a>> {
    let (Some(items), Some(keys)) = (list.items(), keys.items()) else { return Err(Error::overload()) };
    let mut pairs: Vec<(Value<'a>, Value<'a>)> = keys?.into_iter().zip(items?).collect();
    if pairs.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a.compare(b).is_none())) {
        return Err(Error::new("list elements must be comparable"));
    }
    pairs.sort_by(|(a, _), (b, _)| a.compare(b).unwrap_or(Ordering::Equal));
    Ok(Value::list(pairs.into_iter().map(|(_, item)| item).collect()))
}

/// Functions of one argument.
fn unary<'a>(name: &str, a: &Value<'a>) -> Result<Value<'a>> {
    match name {
        "!_" => Ok(Value::Bool(!a.as_bool()?)),
        "-_" => match a {
            Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(|| overflow("integer")),
            Value::Double(value) => Ok(Value::Double(-value)),
            _ => Err(Error::overload()),
        },
        "size" => size(a),
        "type" => Ok(Value::Type(a.type_name())),
        "dyn" => Ok(a.clone()),
        "optional.of" => Ok(Value::Optional(Some(Rc::new(a.clone())))),
        "optional.ofNonZeroValue" => Ok(Value::Optional((!is_zero(a)).then(|| Rc::new(a.clone())))),
        "string" | "int" | "uint" | "double" | "bool" | "bytes" | "duration" | "timestamp" => convert(name, a),
        "lists.range" => match a {
            // Each item is paid for before it is made.
            Value::Int(most) if *most > 1_000_000 => Err(Error::Limit),
            _ => library::call(name, false, std::slice::from_ref(a)),
        },
        _ => library::call(name, false, std::slice::from_ref(a)),
    }
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Int(value) | Value::Duration(value) => *value == 0,
        Value::Uint(value) => *value == 0,
        Value::Double(value) => *value == 0.0,
        Value::Optional(value) => value.is_none(),
        other => other.size() == Some(0),
    }
}

fn size<'a>(value: &Value<'a>) -> Result<Value<'a>> {
    let size = value.size().ok_or_else(Error::overload)?;
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn convert<'a>(name: &str, value: &Value<'a>) -> Result<Value<'a>> {
    const INT64: f64 = 9_223_372_036_854_775_808.0;
    const UINT64: f64 = 18_446_744_073_709_551_616.0;
    let text = value.as_text();
    match (name, value) {
        ("string", Value::Text(_) | Value::Made(_))
        | ("int", Value::Int(_))
        | ("uint", Value::Uint(_))
        | ("double", Value::Double(_))
        | ("bool", Value::Bool(_))
        | ("bytes", Value::Bytes(_))
        | ("duration", Value::Duration(_))
        | ("timestamp", Value::Timestamp(_)) => return Ok(value.clone()),
        ("string", Value::Double(value)) => return Ok(Value::text(go_g(*value))),
        ("string", Value::Bytes(bytes)) => {
            return std::str::from_utf8(bytes)
                .map(Value::text)
                .map_err(|_| Error::new("invalid UTF-8 in bytes, cannot convert to string"));
        }
        ("string", Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Duration(_) | Value::Timestamp(_)) => {
            return Ok(Value::text(value.shown()));
        }
        ("string", Value::Foreign(_)) => return library::call(name, false, std::slice::from_ref(value)),
        ("int", Value::Uint(value)) => return i64::try_from(*value).map(Value::Int).map_err(|_| overflow("integer")),
        ("int", Value::Timestamp(time)) => return Ok(Value::Int(time.as_second())),
        #[expect(clippy::cast_possible_truncation, reason = "within range, and cut as CEL cuts it")]
        ("int", Value::Double(value)) if *value > -INT64 && *value < INT64 => return Ok(Value::Int(*value as i64)),
        ("int", Value::Double(_)) => return Err(overflow("integer")),
        ("uint", Value::Int(value)) => {
            return u64::try_from(*value).map(Value::Uint).map_err(|_| overflow("unsigned integer"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within range, and cut as CEL cuts it"
        )]
        ("uint", Value::Double(value)) if *value >= 0.0 && *value < UINT64 => return Ok(Value::Uint(*value as u64)),
        ("uint", Value::Double(_)) => return Err(overflow("unsigned integer")),
        ("double", value) if value.float().is_some() => return Ok(Value::Double(value.float().unwrap_or_default())),
        ("timestamp", Value::Int(seconds)) => {
            return jiff::Timestamp::from_second(*seconds).map(Value::Timestamp).map_err(|_| overflow("timestamp"));
        }
        _ => {}
    }
    let Some(text) = text else { return Err(Error::overload()) };
    let converted = match name {
        "int" => text.parse().ok().map(Value::Int),
        "uint" => text.parse().ok().map(Value::Uint),
        "double" => text.parse().ok().map(Value::Double),
        "bool" => match text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(Value::Bool(false)),
            _ => None,
        },
        "bytes" => Some(Value::Bytes(text.as_bytes().into())),
        "duration" => time::duration(text).map(Value::Duration),
        "timestamp" => time::timestamp(text).map(Value::Timestamp),
        _ => return Err(Error::overload()),
    };
    converted.ok_or_else(|| {
        let name = match name {
            "duration" => "google.protobuf.Duration",
            "timestamp" => "google.protobuf.Timestamp",
            name => name,
        };
        Error::new(format!("type conversion error from 'string' to '{name}'"))
    })
}

/// Methods without arguments.
fn without_arguments<'a>(name: &str, a: &Value<'a>) -> Result<Value<'a>> {
    match (name, a) {
        ("size", a) => size(a),
        ("hasValue", Value::Optional(value)) => Ok(Value::Bool(value.is_some())),
        ("value", Value::Optional(value)) => match value {
            Some(value) => Ok((**value).clone()),
            None => Err(Error::new("optional.none() dereference")),
        },
        (name, Value::Timestamp(time)) => time::part(*time, name, None).map(Value::Int).ok_or_else(Error::overload),
        (name, Value::Duration(duration)) => {
            time::duration_part(*duration, name).map(Value::Int).ok_or_else(Error::overload)
        }
        _ => library::call(name, true, std::slice::from_ref(a)),
    }
}

/// Methods with one argument.
fn with_argument<'a>(name: &str, a: &Value<'a>, b: &Value<'a>, both: &[Value<'a>]) -> Result<Value<'a>> {
    match (name, a, b) {
        ("or", Value::Optional(a), Value::Optional(b)) => Ok(Value::Optional(a.clone().or_else(|| b.clone()))),
        ("orValue", Value::Optional(a), b) => Ok(a.as_deref().unwrap_or(b).clone()),
        ("includes", a, b) => contains(a, b),
        (name, Value::Timestamp(time), zone) => {
            time::part(*time, name, zone.as_text()).map(Value::Int).ok_or_else(|| match zone.as_text() {
                Some(zone) => Error::new(format!("unknown time zone {zone}")),
                None => Error::overload(),
            })
        }
        ("matches", a, b) => matches(a, b),
        ("startsWith" | "endsWith" | "contains", a, b) => {
            let (Some(a), Some(b)) = (a.as_text(), b.as_text()) else { return Err(Error::overload()) };
            Ok(Value::Bool(match name {
                "startsWith" => a.starts_with(b),
                "endsWith" => a.ends_with(b),
                _ => a.contains(b),
            }))
        }
        _ => library::call(name, true, both),
    }
}

fn matches<'a>(text: &Value<'a>, expression: &Value<'a>) -> Result<Value<'a>> {
    let (Some(text), Some(expression)) = (text.as_text(), expression.as_text()) else { return Err(Error::overload()) };
    let compiled = pattern::compile(expression).map_err(Error::Message)?;
    Ok(Value::Bool(compiled.is_match(text)))
}

/// An entry more in a map; a key that is there already is an error.
pub(super) fn insert<'a>(map: &mut Value<'a>, arguments: &[Value<'a>]) -> Result<()> {
    let Value::Map(entries) = map else { return Err(Error::overload()) };
    let entries: &mut BTreeMap<_, _> = Rc::make_mut(entries);
    let new = match arguments {
        [key, value] => vec![(key.clone(), value.clone())],
        [map] => map.entries()?,
        _ => return Err(Error::overload()),
    };
    for (key, value) in new {
        if entries.insert(key.key()?, value).is_some() {
            return Err(Error::new(format!("insert failed: key {} already exists", key.shown())));
        }
    }
    Ok(())
}
