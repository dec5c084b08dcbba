//! Which paths, methods and types of bodies a built-in kind has: what `emicklei/go-restful` checks before a handler of Kubernetes runs.

use apimachinery::{
    negotiate,
    request_info::{RequestInfo, Verb},
    status::Status,
};
use http::{Method, request::Parts};

use crate::{builtin::Definition, failure::Outcome};

/// Refuses what no route of the kind takes.
pub(super) fn check(definition: &Definition, info: &RequestInfo<'_>, parts: &Parts) -> Outcome<()> {
    let methods = methods(definition, info).ok_or_else(|| Status::no_such_path().with_details())?;
    if !methods.contains(&parts.method) {
        return Err(Status::method_not_allowed().with_details().into());
    }
    if parts.method == Method::PATCH {
        negotiate::check_patch(&parts.headers)?;
    }
    let list = info.name.is_empty() || matches!(info.verb, Verb::List | Verb::Watch);
    negotiate::check_accept(&parts.headers, list)
}

/// The methods that the path has; none for a path that is none.
fn methods(definition: &Definition, info: &RequestInfo<'_>) -> Option<Vec<Method>> {
    let in_namespace = !info.namespace.is_empty() && definition.plural != "namespaces";
    if !info.tail.is_empty() || (in_namespace && !definition.namespaced) {
        return None;
    }
    let named = path_names_one(info);
    let (verbs, wanted): (&[&str], &[&str]) = if !info.subresource.is_empty() {
        (
            definition.subresources.iter().find(|sub| sub.name == info.subresource)?.verbs,
            &["get", "update", "patch", "create", "delete"],
        )
    } else if named {
        (definition.verbs, &["get", "update", "patch", "delete"])
    } else if definition.namespaced && !in_namespace {
        (definition.verbs, &["list"])
    } else {
        (definition.verbs, &["list", "create", "deletecollection"])
    };
    if (named || !info.subresource.is_empty()) && definition.namespaced && !in_namespace {
        return None;
    }
    let methods: Vec<Method> =
        wanted.iter().filter(|verb| verbs.contains(verb)).filter_map(|verb| method(verb)).collect();
    (!methods.is_empty()).then_some(methods)
}

/// Whether the path itself names an object, and not only a field selector.
fn path_names_one(info: &RequestInfo<'_>) -> bool {
    !info.name.is_empty() && info.path.trim_end_matches('/').ends_with(&format!("/{}/{}", info.resource, info.name))
}

fn method(verb: &str) -> Option<Method> {
    Some(match verb {
        "get" | "list" => Method::GET,
        "create" => Method::POST,
        "update" => Method::PUT,
        "patch" => Method::PATCH,
        "delete" | "deletecollection" => Method::DELETE,
        _ => return None,
    })
}
