//! Which parameters a binding takes: `CollectParams` of `policy/generic/policy_dispatcher.go`. Reading them is the caller's.

use apimachinery::selector::LabelSelector;
use serde_json::Value;

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: the policy is evaluated once, with `params` null.
    Nothing,
    /// The object of this name.
    Named {
        /// Where; empty for a kind of the whole cluster.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// All objects that match.
    Selected {
        /// Where; empty for a kind of the whole cluster.
        namespace: String,
        /// Which.
        selector: LabelSelector,
    },
}

/// What a binding wants for a request in `namespace`. `is_namespaced` says of the policy's `paramKind` whether its objects are in
/// namespaces; `None` if there is no such kind.
///
/// # Errors
/// The binding cannot be used for this request, which is a failure of the policy.
pub fn wanted(policy: &Value, binding: &Value, namespace: &str, is_namespaced: Option<bool>) -> Result<Wanted, String> {
    let given = |object: &'static str, owner: &Value| owner.pointer(object).filter(|it| !it.is_null()).cloned();
    let (Some(kind), Some(reference)) = (given("/spec/paramKind", policy), given("/spec/paramRef", binding)) else {
        return Ok(Wanted::Nothing);
    };
    let text = |object: &Value, field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(is_namespaced) = is_namespaced else {
        let (version, kind) = (text(&kind, "apiVersion"), text(&kind, "kind"));
        return Err(format!("paramKind kind `&ParamKind{{APIVersion:{version},Kind:{kind},}}` not known"));
    };
    let own = text(&reference, "namespace");
    let place = match (is_namespaced, own.is_empty()) {
        (true, false) => own,
        (true, true) if namespace.is_empty() => {
            return Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".into());
        }
        (true, true) => namespace.to_owned(),
        (false, false) => return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".into()),
        (false, true) => String::new(),
    };
    let name = text(&reference, "name");
    match (name.is_empty(), reference.get("selector").filter(|selector| !selector.is_null())) {
        (false, Some(_)) => Err("paramRef.name and paramRef.selector are mutually exclusive".into()),
        (false, None) => Ok(Wanted::Named { namespace: place, name }),
        (true, Some(selector)) => {
            let selector = LabelSelector::from_object(selector).map_err(|error| error.to_string())?;
            Ok(Wanted::Selected { namespace: place, selector })
        }
        (true, None) => Err("one of name or selector must be provided".into()),
    }
}

/// What was found, or why that is a failure: a binding says what it means when there is nothing.
///
/// # Errors
/// There is nothing and the binding denies then.
pub fn found<'a>(binding: &Value, objects: Vec<&'a Value>) -> Result<Vec<&'a Value>, String> {
    let action = binding.pointer("/spec/paramRef/parameterNotFoundAction").and_then(Value::as_str);
    if objects.is_empty() && action == Some("Deny") {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".into());
    }
    Ok(objects)
}
