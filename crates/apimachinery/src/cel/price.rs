//! What a call costs, by the sizes of its arguments: cel-go's `interpreter/runtimecost.go` and `k8s.io/apiserver/pkg/cel/library/cost.go`.

use super::value::Value;

/// The cost of a call that was made.
pub(super) fn call(name: &str, method: bool, arguments: &[Value<'_>], result: Option<&Value<'_>>) -> u64 {
    let weight = |index: usize| arguments.get(index).map_or(1, Value::weight);
    let first = weight(0);
    match name {
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => traversal(arguments.first()),
        "check" if method => AUTHORIZATION,
        "ip" if method => 1,
        "string" if !matches!(arguments.first(), Some(Value::Bytes(_))) => 1,
        "ip"
        | "string"
        | "bytes"
        | "strings.quote"
        | "format"
        | "url"
        | "lowerAscii"
        | "upperAscii"
        | "substring"
        | "trim"
        | "jsonpatch.escapeKey"
        | "cidr"
        | "isIP"
        | "isCIDR"
        | "quantity"
        | "isQuantity"
        | "semver"
        | "isSemver" => tenth(first),
        "ip.isCanonical" | "replace" | "split" => tenth(first * 2),
        "join" => tenth(result.map_or(1, Value::weight) * 2),
        "find" | "findAll" | "matches" => tenth(first + 1).saturating_mul(quarter(weight(1))),
        "containsIP" => tenth(first * 2) + tenth(text_weight(arguments.get(1))),
        "containsCIDR" => tenth(first * 2) + tenth(first) + 1 + tenth(text_weight(arguments.get(1))),
        // The longest expression behind a format's name.
        "validate" => tenth(weight(1) + 1).saturating_mul(quarter(128)),
        "startsWith" | "endsWith" => tenth(weight(1)),
        "contains" => tenth(first).saturating_mul(tenth(weight(1))),
        "@in" => match arguments.get(1) {
            Some(Value::Map(_) | Value::Object(..)) => 1,
            _ => weight(1),
        },
        "_==_" | "_!=_" if matches!(arguments.first(), Some(Value::Foreign(_))) => 1,
        "_==_" | "_!=_" => tenth(first.min(weight(1))),
        "_<_" | "_<=_" | "_>_" | "_>=_" if arguments.iter().all(|argument| argument.size().is_some()) => {
            tenth(first.min(weight(1)))
        }
        "_+_"
            if arguments.iter().all(|argument| argument.as_text().is_some() || matches!(argument, Value::Bytes(_))) =>
        {
            tenth(first + weight(1))
        }
        "sets.contains" | "sets.intersects" => first.saturating_mul(weight(1)) + 1,
        "sets.equivalent" => first.saturating_mul(weight(1)).saturating_mul(2) + 1,
        "sort" | "distinct" => squared(arguments.first()),
        "@sortByAssociatedKeys" => squared(arguments.get(1)),
        "lists.range" | "slice" => result.map_or(0, Value::weight) + LISTED,
        "reverse" if arguments.iter().all(|argument| argument.as_text().is_none()) => first + LISTED,
        "flatten" => match arguments.get(1) {
            Some(Value::Int(depth)) => first.saturating_mul(u64::try_from(*depth).unwrap_or(1)) + LISTED,
            _ => first + LISTED,
        },
        _ => 1,
    }
}

fn tenth(size: u64) -> u64 {
    size.div_ceil(10)
}

fn quarter(size: u64) -> u64 {
    size.div_ceil(4)
}

fn text_weight(value: Option<&Value<'_>>) -> u64 {
    value.filter(|value| value.as_text().is_some()).map_or(0, Value::weight)
}

/// A question to the authorizer.
const AUTHORIZATION: u64 = 350_000;

/// A call that makes a list.
const LISTED: u64 = 11;

/// The cost of comparing all items of a list with each other.
fn squared(list: Option<&Value<'_>>) -> u64 {
    let size = list.map_or(1, Value::weight);
    let texts = match list {
        Some(Value::List(items)) => items.first().is_some_and(|item| item.as_text().is_some()),
        Some(Value::Items(items, _)) => items.first().is_some_and(serde_json::Value::is_string),
        _ => false,
    };
    let pairs = size.saturating_mul(size);
    let compared = pairs.saturating_mul(2).saturating_add(if texts { pairs / 10 } else { 0 });
    compared.saturating_add(LISTED)
}

/// The cost of going through a value: texts a tenth of their length, lists and maps the sum of what is in them.
fn traversal(value: Option<&Value<'_>>) -> u64 {
    let Some(value) = value else { return 1 };
    if value.as_text().is_some() || matches!(value, Value::Bytes(_)) {
        return value.weight() / 10;
    }
    let keyed = matches!(value, Value::Map(_) | Value::Object(..));
    match value.entries() {
        Ok(entries) => {
            let cost = |(key, item): &(Value<'_>, Value<'_>)| {
                traversal(Some(item)) + if keyed { traversal(Some(key)) } else { 0 }
            };
            entries.iter().map(cost).sum()
        }
        Err(_) => 1,
    }
}
