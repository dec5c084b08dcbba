//! What a call costs, by the sizes of its arguments: cel-go's `interpreter/runtimecost.go` and `k8s.io/apiserver/pkg/cel/library/cost.go`.

use super::value::Value;

/// The cost of a call that was made.
pub(super) fn call(name: &str, method: bool, arguments: &[Value<'_>], result: Option<&Value<'_>>) -> u64 {
    let weight = |index: usize| arguments.get(index).map_or(1, Value::weight);
    let first = weight(0);
    match name {
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => traversal(arguments.first()),
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
        "sets.contains" | "sets.intersects" | "sets.equivalent" => first.saturating_mul(weight(1)).max(1),
        "lists.range" | "sort" | "distinct" | "flatten" | "reverse" | "slice" | "@sortByAssociatedKeys" => {
            1 + result.map_or(0, Value::weight)
        }
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

/// The cost of going through a value: texts a tenth of their length, lists and maps the sum of what is in them.
fn traversal(value: Option<&Value<'_>>) -> u64 {
    let Some(value) = value else { return 1 };
    if value.as_text().is_some() || matches!(value, Value::Bytes(_)) {
        return tenth(value.weight());
    }
    match value.entries() {
        Ok(entries) => entries.iter().map(|(_, item)| traversal(Some(item))).sum::<u64>() + 1,
        Err(_) => 1,
    }
}
