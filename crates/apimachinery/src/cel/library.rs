//! The functions of Kubernetes' own libraries and of cel-go's extensions, from the kube-cel crate.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use kube_cel::KubeCelExt as _;
use kube_cel::cel::objects::{Key as ForeignKey, OptionalValue};
use kube_cel::cel::{self, Context, Program};

use super::value::{Error, Key, Result, Value};

/// Methods, and how many arguments they take at most.
const METHODS: [(&str, usize); 56] = [
    ("charAt", 1),
    ("indexOf", 2),
    ("lastIndexOf", 2),
    ("lowerAscii", 0),
    ("upperAscii", 0),
    ("replace", 3),
    ("split", 2),
    ("substring", 2),
    ("trim", 0),
    ("join", 1),
    ("reverse", 0),
    ("format", 1),
    ("isSorted", 0),
    ("sum", 0),
    ("min", 0),
    ("max", 0),
    ("slice", 2),
    ("sort", 0),
    ("flatten", 1),
    ("distinct", 0),
    ("first", 0),
    ("last", 0),
    ("find", 1),
    ("findAll", 2),
    ("getScheme", 0),
    ("getHost", 0),
    ("getHostname", 0),
    ("getPort", 0),
    ("getEscapedPath", 0),
    ("getQuery", 0),
    ("family", 0),
    ("isUnspecified", 0),
    ("isLoopback", 0),
    ("isLinkLocalMulticast", 0),
    ("isLinkLocalUnicast", 0),
    ("isGlobalUnicast", 0),
    ("containsIP", 1),
    ("containsCIDR", 1),
    ("prefixLength", 0),
    ("masked", 0),
    ("ip", 0),
    ("string", 0),
    ("isInteger", 0),
    ("asInteger", 0),
    ("asApproximateFloat", 0),
    ("sign", 0),
    ("add", 1),
    ("sub", 1),
    ("isGreaterThan", 1),
    ("isLessThan", 1),
    ("compareTo", 1),
    ("major", 0),
    ("minor", 0),
    ("patch", 0),
    ("validate", 1),
    ("hasValue", 0),
];

/// Functions, and how many arguments they take.
const FUNCTIONS: [(&str, usize); 39] = [
    ("url", 1),
    ("isURL", 1),
    ("ip", 1),
    ("isIP", 1),
    ("cidr", 1),
    ("isCIDR", 1),
    ("ip.isCanonical", 1),
    ("quantity", 1),
    ("isQuantity", 1),
    ("semver", 1),
    ("semver", 2),
    ("isSemver", 1),
    ("isSemver", 2),
    ("string", 1),
    ("sets.contains", 2),
    ("sets.equivalent", 2),
    ("sets.intersects", 2),
    ("lists.range", 1),
    ("strings.quote", 1),
    ("jsonpatch.escapeKey", 1),
    ("format.named", 1),
    ("format.dns1123Label", 0),
    ("format.dns1123Subdomain", 0),
    ("format.dns1035Label", 0),
    ("format.qualifiedName", 0),
    ("format.dns1123LabelPrefix", 0),
    ("format.dns1123SubdomainPrefix", 0),
    ("format.dns1035LabelPrefix", 0),
    ("format.labelValue", 0),
    ("format.uri", 0),
    ("format.uuid", 0),
    ("format.byte", 0),
    ("format.date", 0),
    ("format.datetime", 0),
    ("isIPv4", 1),
    ("isIPv6", 1),
    ("isCIDRv4", 1),
    ("isCIDRv6", 1),
    ("base64.encode", 1),
];

struct Library {
    context: Context<'static>,
    /// One small program for each function and number of arguments, whose variables are the arguments.
    programs: HashMap<(&'static str, bool, usize), Program>,
}

const VARIABLES: [&str; 4] = ["a", "b", "c", "d"];

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let mut programs = HashMap::new();
    for (name, most) in METHODS {
        for count in 0..=most {
            let arguments = VARIABLES.get(1..=count).unwrap_or_default().join(", ");
            if let Ok(program) = Program::compile(&format!("a.{name}({arguments})")) {
                programs.insert((name, true, count), program);
            }
        }
    }
    for (name, count) in FUNCTIONS {
        let arguments = VARIABLES.get(..count).unwrap_or_default().join(", ");
        if let Ok(program) = Program::compile(&format!("{name}({arguments})")) {
            programs.insert((name, false, count), program);
        }
    }
    Library { context: Context::default().with_all(), programs }
});

/// Calls a function of the libraries; a method has its receiver as first argument.
pub(super) fn call<'a>(name: &str, method: bool, arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let library = &*LIBRARY;
    let count = if method { arguments.len().saturating_sub(1) } else { arguments.len() };
    let known = library.programs.get_key_value(&(name_of(name), method, count));
    let Some((_, program)) = known else { return Err(Error::overload()) };
    let mut context = library.context.new_inner_scope();
    for (variable, argument) in VARIABLES.iter().zip(arguments) {
        context.add_variable_from_value(*variable, to_foreign(argument)?);
    }
    match program.execute(&context) {
        Ok(value) => from_foreign(value),
        Err(cel::ExecutionError::FunctionError { message, .. }) => {
            match (name, arguments.first().and_then(Value::as_text)) {
                ("quantity", Some(text)) => Err(Error::new(quantity_error(text))),
                _ => Err(Error::Message(message)),
            }
        }
        Err(
            cel::ExecutionError::NoSuchOverload
            | cel::ExecutionError::UnexpectedType { .. }
            | cel::ExecutionError::UnsupportedTargetType { .. }
            | cel::ExecutionError::InvalidArgumentCount { .. }
            | cel::ExecutionError::UndeclaredReference(_)
            | cel::ExecutionError::NotSupportedAsMethod { .. },
        ) => Err(Error::overload()),
        Err(error) => Err(Error::Message(error.to_string())),
    }
}

/// What Kubernetes says of a text that is no quantity: `parseQuantityString` of `k8s.io/apimachinery/pkg/api/resource`.
fn quantity_error(text: &str) -> &'static str {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let suffix = unsigned.trim_start_matches(|c: char| c.is_ascii_digit());
    let suffix = suffix.strip_prefix('.').unwrap_or(suffix).trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest).trim_start_matches(|c: char| c.is_ascii_digit());
    if suffix.len() < unsigned.len() && rest.is_empty() {
        "unable to parse quantity's suffix"
    } else {
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    }
}

/// The name as the tables hold it.
fn name_of(name: &str) -> &'static str {
    METHODS.iter().chain(&FUNCTIONS).find(|(known, _)| *known == name).map_or("", |(known, _)| known)
}

fn to_foreign(value: &Value<'_>) -> Result<cel::Value> {
    if let Some(items) = value.items() {
        let items: Result<Vec<cel::Value>> = items?.iter().map(to_foreign).collect();
        return Ok(cel::Value::List(Arc::new(items?)));
    }
    Ok(match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Int(value) => cel::Value::Int(*value),
        Value::Uint(value) => cel::Value::UInt(*value),
        Value::Double(value) => cel::Value::Float(*value),
        Value::Text(text) => cel::Value::String(Arc::new((*text).to_owned())),
        Value::Made(text) => cel::Value::String(Arc::new(text.to_string())),
        Value::Bytes(bytes) => cel::Value::Bytes(Arc::new(bytes.to_vec())),
        Value::Foreign(value) => value.clone(),
        Value::Map(_) | Value::Object(..) => {
            let mut map: HashMap<ForeignKey, cel::Value> = HashMap::new();
            for (key, value) in value.entries()? {
                let key = match key.key()? {
                    Key::Bool(key) => ForeignKey::Bool(key),
                    Key::Int(key) => ForeignKey::Int(key),
                    Key::Uint(key) => ForeignKey::Uint(key),
                    Key::Text(key) => ForeignKey::String(Arc::new(key.to_string())),
                };
                map.insert(key, to_foreign(&value)?);
            }
            cel::Value::Map(map.into())
        }
        _ => return Err(Error::overload()),
    })
}

fn from_foreign<'a>(value: cel::Value) -> Result<Value<'a>> {
    Ok(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(value) => Value::Bool(value),
        cel::Value::Int(value) => Value::Int(value),
        cel::Value::UInt(value) => Value::Uint(value),
        cel::Value::Float(value) => Value::Double(value),
        cel::Value::String(text) => Value::text(text.as_str()),
        cel::Value::Bytes(bytes) => Value::Bytes(bytes.as_slice().into()),
        cel::Value::List(items) => {
            let items: Result<Vec<Value<'a>>> = items.iter().cloned().map(from_foreign).collect();
            Value::list(items?)
        }
        cel::Value::Map(map) => {
            let mut entries = BTreeMap::new();
            for (key, value) in map.map.iter() {
                let key = match key {
                    ForeignKey::Bool(key) => Key::Bool(*key),
                    ForeignKey::Int(key) => Key::Int(*key),
                    ForeignKey::Uint(key) => Key::Uint(*key),
                    ForeignKey::String(key) => Key::Text(key.as_str().into()),
                };
                entries.insert(key, from_foreign(value.clone())?);
            }
            Value::Map(Rc::new(entries))
        }
        cel::Value::Opaque(opaque) => match opaque.downcast_ref::<OptionalValue>() {
            Some(optional) => Value::Optional(optional.value().cloned().map(from_foreign).transpose()?.map(Rc::new)),
            None => Value::Foreign(cel::Value::Opaque(opaque)),
        },
        _ => return Err(Error::overload()),
    })
}
