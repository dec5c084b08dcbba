//! Roles and bindings: `pkg/apis/rbac/validation`.
//!
//! Some fields are required by Kubernetes' declarative validation; what it finds stands behind all else.

use apimachinery::field::{FieldError, Path};
use apimachinery::meta::{NameRule, names, validate};
use policy::rules::ROLE_GROUP;
use serde_json::{Value, json};

use super::{core_create, core_update, given, items, text, wrong};

const ROOT: Path<'static> = Path::ROOT;

pub(super) fn role(object: &Value) -> Vec<FieldError> {
    let mut errors = core_create(object, true, NameRule::PathSegment);
    rules(object, true, &mut errors);
    without_verbs(object, &mut errors);
    errors
}

pub(super) fn role_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = core_create(new, true, NameRule::PathSegment);
    rules(new, true, &mut errors);
    errors.extend(core_update(new, old));
    without_verbs(new, &mut errors);
    errors
}

pub(super) fn cluster_role(object: &Value) -> Vec<FieldError> {
    let mut errors = whole_cluster_role(object);
    without_verbs(object, &mut errors);
    errors
}

pub(super) fn cluster_role_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = whole_cluster_role(new);
    errors.extend(core_update(new, old));
    without_verbs(new, &mut errors);
    errors
}

fn whole_cluster_role(object: &Value) -> Vec<FieldError> {
    let mut errors = core_create(object, false, NameRule::PathSegment);
    rules(object, false, &mut errors);
    if let Some(rule) = given(object, "aggregationRule") {
        let path = ROOT.child("aggregationRule");
        let path = path.child("clusterRoleSelectors");
        let selectors = items(rule, "clusterRoleSelectors");
        if selectors.is_empty() {
            let words = "at least one clusterRoleSelector required if aggregationRule is non-nil";
            errors.push(FieldError::required(&path, words));
        }
        for (index, selector) in selectors.iter().enumerate() {
            let path = path.index(index);
            validate::label_selector(selector, &path, &mut errors);
            if apimachinery::selector::LabelSelector::from_object(selector).is_err() {
                errors.push(FieldError::invalid(&path, Value::Null, "invalid label selector."));
            }
        }
    }
    errors
}

fn rules(object: &Value, namespaced: bool, errors: &mut Vec<FieldError>) {
    let list = ROOT.child("rules");
    for (index, rule) in items(object, "rules").iter().enumerate() {
        let path = list.index(index);
        let has = |field| !items(rule, field).is_empty();
        if has("nonResourceURLs") {
            let at = path.child("nonResourceURLs");
            let urls = || items(rule, "nonResourceURLs").to_vec();
            if namespaced {
                errors.push(FieldError::invalid(&at, urls(), "namespaced rules cannot apply to non-resource URLs"));
            }
            if has("apiGroups") || has("resources") || has("resourceNames") {
                let words = "rules cannot apply to both regular resources and non-resource URLs";
                errors.push(FieldError::invalid(&at, urls(), words));
            }
            continue;
        }
        if !has("apiGroups") {
            let words = "resource rules must supply at least one api group";
            errors.push(FieldError::required(&path.child("apiGroups"), words));
        }
        if !has("resources") {
            let words = "resource rules must supply at least one resource";
            errors.push(FieldError::required(&path.child("resources"), words));
        }
    }
}

fn without_verbs(object: &Value, errors: &mut Vec<FieldError>) {
    let list = ROOT.child("rules");
    for (index, rule) in items(object, "rules").iter().enumerate() {
        if items(rule, "verbs").is_empty() {
            errors.push(FieldError::required(&list.index(index).child("verbs"), ""));
        }
    }
}

pub(super) fn binding(object: &Value, namespaced: bool) -> Vec<FieldError> {
    let mut errors = whole_binding(object, namespaced);
    without_names(object, &mut errors);
    errors
}

pub(super) fn binding_update(new: &Value, old: &Value, namespaced: bool) -> Vec<FieldError> {
    let mut errors = whole_binding(new, namespaced);
    errors.extend(core_update(new, old));
    if given(new, "roleRef") != given(old, "roleRef") {
        let role = new.get("roleRef").unwrap_or(&Value::Null);
        // Kubernetes shows its internal type, whose fields have no names of the wire.
        let shown = json!({"APIGroup": text(role, "apiGroup"), "Kind": text(role, "kind"), "Name": text(role, "name")});
        errors.push(FieldError::invalid(&ROOT.child("roleRef"), shown, validate::IMMUTABLE));
    }
    without_names(new, &mut errors);
    errors
}

fn whole_binding(object: &Value, namespaced: bool) -> Vec<FieldError> {
    let mut errors = core_create(object, namespaced, NameRule::PathSegment);
    let path = ROOT.child("roleRef");
    let role = object.get("roleRef").unwrap_or(&Value::Null);
    if text(role, "apiGroup") != ROLE_GROUP {
        errors.push(FieldError::not_supported(&path.child("apiGroup"), text(role, "apiGroup"), &[ROLE_GROUP]));
    }
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&text(role, "kind")) {
        errors.push(FieldError::not_supported(&path.child("kind"), text(role, "kind"), kinds));
    }
    wrong(&mut errors, &path.child("name"), text(role, "name"), names::path_segment(text(role, "name")));
    let list = ROOT.child("subjects");
    for (index, item) in items(object, "subjects").iter().enumerate() {
        subject(item, namespaced, &list.index(index), &mut errors);
    }
    errors
}

fn subject(subject: &Value, namespaced: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                wrong(errors, &path.child("name"), name, names::dns1123_subdomain(name));
            }
            if !group.is_empty() {
                errors.push(FieldError::not_supported(&path.child("apiGroup"), group, &[""]));
            }
            if !namespaced && text(subject, "namespace").is_empty() {
                errors.push(FieldError::required(&path.child("namespace"), ""));
            }
        }
        "User" | "Group" => {
            if group != ROLE_GROUP {
                errors.push(FieldError::not_supported(&path.child("apiGroup"), group, &[ROLE_GROUP]));
            }
        }
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.push(FieldError::not_supported(&path.child("kind"), other, &kinds));
        }
    }
}

fn without_names(object: &Value, errors: &mut Vec<FieldError>) {
    let list = ROOT.child("subjects");
    for (index, subject) in items(object, "subjects").iter().enumerate() {
        if text(subject, "name").is_empty() {
            errors.push(FieldError::required(&list.index(index).child("name"), ""));
        }
    }
    if text(object.get("roleRef").unwrap_or(&Value::Null), "name").is_empty() {
        errors.push(FieldError::required(&ROOT.child("roleRef").child("name"), ""));
    }
}
