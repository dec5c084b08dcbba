//! CustomResourceDefinition: `pkg/apis/apiextensions/validation` of apiextensions-apiserver. What a schema must be is
//! `apimachinery::schema::structural`'s.
//!
//! Kubernetes checks an internal form in which what all versions have in common stands once, in `spec`; the paths of the errors are
//! those of that form: `spec.validation.openAPIV3Schema` for the schema of an only version.

mod conversion;
mod names;
mod version;

use apimachinery::field::{ErrorType, FieldError, Path};
use apimachinery::meta::{Meta, NameRule, names as forms, validate};
use serde_json::Value;

use super::{given, immutable, items, text, texts};

const ROOT: Path<'static> = Path::ROOT;
const APPROVED: &str = "api-approved.kubernetes.io";

/// What is not asked of a definition that was stored without it.
#[derive(Clone, Copy)]
struct Leniency<'a> {
    /// The stored state, on an update.
    old: Option<&'a Value>,
}

pub(super) fn create(object: &Value) -> Vec<FieldError> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let wanted = format!("{}.{}", text(spec.get("names").unwrap_or(&Value::Null), "plural"), text(spec, "group"));
    let mut errors = validate::create_named(object, false, |name, is_prefix| {
        let rule = NameRule::DnsSubdomain;
        let mut wrong = if is_prefix { rule.check_prefix(name) } else { rule.check(name) };
        if name != wanted {
            wrong.push("must be spec.names.plural+\".\"+spec.group".to_owned());
        }
        wrong
    });
    check_spec(spec, Leniency { old: None }, &mut errors);
    check_rest(object, None, &mut errors);
    errors
}

pub(super) fn update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = validate::update(new, old);
    let null = &Value::Null;
    let (spec, old_spec) = (new.get("spec").unwrap_or(null), old.get("spec").unwrap_or(null));
    check_spec(spec, Leniency { old: Some(old) }, &mut errors);
    let at = ROOT.child("spec");
    let names_at = at.child("names");
    let mut same = |path: &Path<'_>, pointer: &str| {
        immutable(&mut errors, path, spec.pointer(pointer), old_spec.pointer(pointer));
    };
    if is_established(old) {
        same(&at.child("scope"), "/scope");
        same(&names_at.child("kind"), "/names/kind");
    }
    same(&at.child("group"), "/group");
    same(&names_at.child("plural"), "/names/plural");
    check_rest(new, Some(old), &mut errors);
    errors
}

pub(super) fn status_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = validate::update(new, old);
    accepted_names(new, &mut errors);
    errors
}

fn is_established(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| text(condition, "type") == "Established" && text(condition, "status") == "True")
}

/// What follows the spec: status, approval of protected groups, and a field that is gone.
fn check_rest(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    accepted_names(object, errors);
    stored_versions(object, errors);
    approval(object, old, errors);
    let preserves =
        |object: &Value| object.pointer("/spec/preserveUnknownFields").and_then(Value::as_bool) == Some(true);
    if preserves(object) && !old.is_some_and(preserves) {
        let words =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.push(FieldError::invalid(&ROOT.child("spec").child("preserveUnknownFields"), true, words));
    }
}

fn accepted_names(object: &Value, errors: &mut Vec<FieldError>) {
    if let Some(accepted) = object.pointer("/status/acceptedNames") {
        names::check(accepted, &ROOT.child("status").child("acceptedNames"), errors);
    }
}

fn stored_versions(object: &Value, errors: &mut Vec<FieldError>) {
    let status = ROOT.child("status");
    let path = status.child("storedVersions");
    let stored = object.get("status").map(|status| texts(status, "storedVersions")).unwrap_or_default();
    if stored.is_empty() {
        errors.push(FieldError::invalid(&path, Value::Null, "must have at least one stored version"));
        return;
    }
    let versions = object.get("spec").map(|spec| items(spec, "versions")).unwrap_or_default();
    for (index, version) in versions.iter().enumerate() {
        let name = text(version, "name");
        // As in Kubernetes a second version of the same name does not find the name any more.
        let known = stored.contains(&name) && !versions.iter().take(index).any(|before| text(before, "name") == name);
        if version.get("storage").and_then(Value::as_bool) == Some(true) && !known {
            errors.push(FieldError::invalid(&path, stored.clone(), format!("must have the storage version {name}")));
        }
    }
    for (index, name) in stored.iter().enumerate() {
        if !versions.iter().any(|version| text(version, "name") == *name) {
            errors.push(FieldError::invalid(
                &path.index(index),
                *name,
                format!(
                    "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
                ),
            ));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Approval {
    Missing,
    Bypassed,
    Approved,
    Invalid,
}

/// Groups of the Kubernetes community need an approval of theirs, or the word that there is none.
fn approval(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let group = object.get("spec").map(|spec| text(spec, "group")).unwrap_or_default();
    let protected = ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|own| group.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    let state = approval_state(object);
    if !protected || old.is_some_and(|old| approval_state(old) == state) {
        return;
    }
    let metadata = ROOT.child("metadata");
    let annotations = metadata.child("annotations");
    let path = annotations.key(APPROVED);
    let needed = format!("protected groups must have approval annotation {APPROVED:?}");
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    match state {
        Approval::Missing => errors.push(FieldError::required(&path, format!("{needed}, {see}"))),
        Approval::Invalid => {
            let value = Meta::of(object).annotation(APPROVED).unwrap_or_default();
            let words = format!("{needed} with either a URL or a reason starting with \"unapproved\", {see}");
            errors.push(FieldError::invalid(&path, value, words));
        }
        Approval::Bypassed | Approval::Approved => {}
    }
}

fn approval_state(object: &Value) -> Approval {
    match Meta::of(object).annotation(APPROVED).unwrap_or_default() {
        "" => Approval::Missing,
        value if value.starts_with("unapproved") => Approval::Bypassed,
        value => match conversion::Url::parse(value) {
            Ok(url) if !url.scheme.is_empty() && !url.host.is_empty() => Approval::Approved,
            _ => Approval::Invalid,
        },
    }
}

fn check_spec(spec: &Value, leniency: Leniency<'_>, errors: &mut Vec<FieldError>) {
    let path = ROOT.child("spec");
    let group = text(spec, "group");
    let group_at = path.child("group");
    let form = forms::dns1123_subdomain(group);
    if group.is_empty() {
        errors.push(FieldError::required(&group_at, ""));
    } else if !form.is_empty() {
        errors.push(FieldError::invalid(&group_at, group, form.join(",")));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid(&group_at, group, "should be a domain with at least one dot"));
    }
    one_of(text(spec, "scope"), &path.child("scope"), &["Cluster", "Namespaced"], errors);
    version::schemas_are_there(spec, leniency, &path, errors);
    version::check_each(spec, leniency, &path, errors);
    let versions = items(spec, "versions");
    let list = path.child("versions");
    let mut seen: Vec<&str> = versions.iter().map(|version| text(version, "name")).collect();
    seen.sort_unstable();
    if seen.windows(2).any(|pair| pair.first() == pair.last()) {
        errors.push(FieldError::invalid(&list, versions.to_vec(), "must contain unique version names"));
    }
    if versions.iter().filter(|version| version.get("storage").and_then(Value::as_bool) == Some(true)).count() != 1 {
        let words = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid(&list, versions.to_vec(), words));
    }
    if let Some(name) = versions.first().map(|version| text(version, "name")) {
        let form = forms::dns1035_label(name);
        if !name.is_empty() && !form.is_empty() {
            errors.push(FieldError::invalid(&path.child("version"), name, form.join(",")));
        }
    }
    let own = spec.get("names").unwrap_or(&Value::Null);
    let names_at = path.child("names");
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(own, field).is_empty() {
            errors.push(FieldError::required(&names_at.child(field), ""));
        }
    }
    names::check(own, &names_at, errors);
    version::check_common(spec, leniency, &path, errors);
    if let Some(conversion) = given(spec, "conversion") {
        let preserves = spec.get("preserveUnknownFields").and_then(Value::as_bool) == Some(true);
        let at = path.child("conversion");
        if preserves && text(conversion, "strategy") != "None" {
            let words = "must be None if spec.preserveUnknownFields is true";
            errors.push(FieldError::invalid(&at.child("strategy"), text(conversion, "strategy"), words));
        }
        conversion::check(conversion, leniency, &at, errors);
    }
}

/// A text that must be one of a few.
fn one_of(value: &str, path: &Path<'_>, accepted: &[&str], errors: &mut Vec<FieldError>) {
    if value.is_empty() {
        errors.push(FieldError::new(ErrorType::Required, path, Value::Null, ""));
    } else if !accepted.contains(&value) {
        errors.push(FieldError::not_supported(path, value, accepted));
    }
}
