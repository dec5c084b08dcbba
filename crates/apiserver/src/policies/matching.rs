//! Whether `MatchResources` of a policy or binding match a request: `policy/matching` and `webhook/predicates`.

use apimachinery::meta::Meta;
use apimachinery::selector::LabelSelector;
use serde_json::Value;

use super::{Request, Resource};

/// The resource as which the request matches; `None` if it does not.
///
/// # Errors
/// A selector that is missing or cannot be read, or a namespace that is needed and not there; told only to requests that match in
/// all else.
pub(super) fn matched<'a>(resources: &Value, request: &Request<'a>) -> Result<Option<Resource<'a>>, String> {
    let in_namespace = namespace_matches(selector(resources, "namespace")?, request);
    if in_namespace == Ok(false) {
        return Ok(None);
    }
    let of_object = object_matches(selector(resources, "object")?, request);
    if of_object == Ok(false) {
        return Ok(None);
    }
    let fuzzy = resources.get("matchPolicy").and_then(Value::as_str).is_some_and(|policy| policy != "Exact");
    if by_rules(rules(resources, "excludeResourceRules"), fuzzy, request).is_some() {
        return Ok(None);
    }
    let own = rules(resources, "resourceRules");
    let found = if own.is_empty() { Some(request.resource) } else { by_rules(own, fuzzy, request) };
    if found.is_some() {
        in_namespace?;
        of_object?;
    }
    Ok(found)
}

fn selector<'a>(resources: &'a Value, of: &str) -> Result<&'a Value, String> {
    resources
        .get(format!("{of}Selector"))
        .filter(|selector| !selector.is_null())
        .ok_or_else(|| format!("a nil {of} selector was passed, please ensure selectors are initialized properly"))
}

fn rules<'a>(resources: &'a Value, field: &str) -> &'a [Value] {
    resources.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// An object of the whole cluster that is no Namespace is in all namespaces that a selector can mean.
fn namespace_matches(selector: &Value, request: &Request<'_>) -> Result<bool, String> {
    let of_namespaces = request.resource.plural == "namespaces";
    if request.namespace.is_empty() && !of_namespaces {
        return Ok(true);
    }
    let selector = LabelSelector::from_object(selector).map_err(|error| format!("Internal error occurred: {error}"))?;
    if selector.is_empty() {
        return Ok(true);
    }
    // A Namespace that is being written is the newest there is of it.
    let being_written =
        of_namespaces && request.subresource.is_empty() && matches!(request.operation, "CREATE" | "UPDATE");
    let namespace = if being_written {
        request.object
    } else {
        request.namespace_object.or(request.old_object.filter(|_| of_namespaces))
    };
    let Some(namespace) = namespace else { return Err(format!("namespaces {:?} not found", request.namespace)) };
    Ok(selector.matches(|key| Meta::of(namespace).label(key)))
}

fn object_matches(selector: &Value, request: &Request<'_>) -> Result<bool, String> {
    let selector = LabelSelector::from_object(selector).map_err(|error| format!("Internal error occurred: {error}"))?;
    if selector.is_empty() {
        return Ok(true);
    }
    let matches =
        |object: Option<&Value>| object.is_some_and(|object| selector.matches(|key| Meta::of(object).label(key)));
    Ok(matches(request.object) || matches(request.old_object))
}

fn by_rules<'a>(rules: &[Value], fuzzy: bool, request: &Request<'a>) -> Option<Resource<'a>> {
    if rules.iter().any(|rule| rule_matches(rule, &request.resource, request)) {
        return Some(request.resource);
    }
    let others = request.equivalents.iter().filter(|_| fuzzy).filter(|other| **other != request.resource);
    others.copied().find(|other| rules.iter().any(|rule| rule_matches(rule, other, request)))
}

fn rule_matches(rule: &Value, resource: &Resource<'_>, request: &Request<'_>) -> bool {
    let texts = |field: &str| {
        rule.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let has = |field: &str, wanted: &str| texts(field).iter().any(|own| *own == "*" || *own == wanted);
    let is_namespace = (resource.group, resource.version, resource.plural) == ("", "v1", "namespaces");
    let in_scope = match rule.get("scope").and_then(Value::as_str).unwrap_or("*") {
        "*" => true,
        "Namespaced" => !is_namespace && !request.namespace.is_empty(),
        "Cluster" => is_namespace || request.namespace.is_empty(),
        _ => false,
    };
    let names = texts("resourceNames");
    in_scope
        && has("operations", request.operation)
        && has("apiGroups", resource.group)
        && has("apiVersions", resource.version)
        && texts("resources").iter().any(|own| {
            let (own, subresource) = own.split_once('/').unwrap_or((own, ""));
            (own == "*" || own == resource.plural) && (subresource == "*" || subresource == request.subresource)
        })
        && (names.is_empty() || names.contains(&request.name))
}
