//! What `ObjectMeta` may be: `k8s.io/apimachinery/pkg/api/validation/objectmeta.go`.
//!
//! kube-apiserver checks an object twice, first as its kind asks and then as all kinds are; on an update both lists of errors are
//! shown, one behind the other. [`on_create`] and [`on_update`] are the second half.

use serde_json::Value;

use super::names::{self, NameRule};
use super::{FOREGROUND_DELETION, Meta, ORPHAN, OwnerReference, go};
use crate::field::{FieldError, Path};

/// The most bytes of all annotations together.
pub const ANNOTATIONS_MOST: usize = 256 << 10;
/// What a field that may not change says.
pub const IMMUTABLE: &str = "field is immutable";

const METADATA: Path<'static> = Path::ROOT.child("metadata");

/// All that is wrong with the metadata of an object to be created, after its name was generated.
pub fn create(object: &Value, namespaced: bool, rule: NameRule) -> Vec<FieldError> {
    create_named(object, namespaced, |name, prefix| if prefix { rule.check_prefix(name) } else { rule.check(name) })
}

/// As [`create`], for a kind whose names follow a rule of its own; it is told whether it gets only the beginning of a name.
pub fn create_named(object: &Value, namespaced: bool, rule: impl Fn(&str, bool) -> Vec<String>) -> Vec<FieldError> {
    let meta = Meta::of(object);
    let mut errors = Vec::new();
    let prefix = meta.generate_name();
    if !prefix.is_empty() {
        let path = METADATA.child("generateName");
        errors.extend(rule(prefix, true).into_iter().map(|wrong| FieldError::invalid(&path, prefix, wrong)));
    }
    let path = METADATA.child("name");
    if meta.name().is_empty() {
        errors.push(FieldError::required(&path, "name or generateName is required"));
    } else {
        errors.extend(rule(meta.name(), false).into_iter().map(|wrong| FieldError::invalid(&path, meta.name(), wrong)));
    }
    common(meta, namespaced, &mut errors);
    errors
}

fn common(meta: Meta<'_>, namespaced: bool, errors: &mut Vec<FieldError>) {
    let path = METADATA.child("namespace");
    let namespace = meta.namespace();
    match (namespaced, namespace.is_empty()) {
        (true, true) => errors.push(FieldError::required(&path, "")),
        (true, false) => {
            errors.extend(
                names::dns1123_label(namespace).into_iter().map(|wrong| FieldError::invalid(&path, namespace, wrong)),
            );
        }
        (false, false) => errors.push(FieldError::forbidden(&path, "not allowed on this type")),
        (false, true) => {}
    }
    not_negative(meta.generation(), &METADATA.child("generation"), errors);
    labels(meta.labels(), &METADATA.child("labels"), errors);
    annotations(meta.annotations(), &METADATA.child("annotations"), errors);
    owner_references(meta, errors);
    finalizers(meta, errors);
    managed_fields(meta, errors);
}

/// All that is wrong with the metadata of a changed object.
pub fn update(new: &Value, old: &Value) -> Vec<FieldError> {
    let (new, old) = (Meta::of(new), Meta::of(old));
    let mut errors = Vec::new();
    if old.is_deleting() {
        no_new_finalizers(new, old, &mut errors);
    }
    if new.resource_version().is_empty() {
        errors.push(FieldError::invalid(&METADATA.child("resourceVersion"), "", "must be specified for an update"));
    }
    let path = METADATA.child("generation");
    not_negative(new.generation(), &path, &mut errors);
    if new.generation() < old.generation() {
        errors.push(FieldError::invalid(&path, new.generation(), "must not be decremented"));
    }
    let mut immutable = |field: &str, new: Value, old: Value| {
        if new != old {
            errors.push(FieldError::invalid(&METADATA.child(field), new, IMMUTABLE));
        }
    };
    immutable("name", new.name().into(), old.name().into());
    immutable("namespace", new.namespace().into(), old.namespace().into());
    immutable("uid", new.uid().into(), old.uid().into());
    immutable("creationTimestamp", moment(new.creation_timestamp()), moment(old.creation_timestamp()));
    let deletion = |meta: Meta<'_>| moment(meta.deletion_timestamp().unwrap_or_default());
    immutable("deletionTimestamp", deletion(new), deletion(old));
    let grace = |meta: Meta<'_>| meta.deletion_grace_period_seconds().map_or(Value::Null, Value::from);
    immutable("deletionGracePeriodSeconds", grace(new), grace(old));
    labels(new.labels(), &METADATA.child("labels"), &mut errors);
    annotations(new.annotations(), &METADATA.child("annotations"), &mut errors);
    owner_references(new, &mut errors);
    managed_fields(new, &mut errors);
    errors
}

/// Go shows no time as `null`.
fn moment(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::from(text) }
}

/// What all kinds are checked for on create, only when the kind itself found nothing (`rest.ValidateCreate`).
pub fn on_create(object: &Value, namespaced: bool, by_kind: Vec<FieldError>) -> Vec<FieldError> {
    if by_kind.is_empty() { create(object, namespaced, NameRule::PathSegment) } else { by_kind }
}

/// What all kinds are checked for on update, followed by what the kind found (`rest.ValidateUpdate`).
pub fn on_update(new: &Value, old: &Value, namespaced: bool, by_kind: Vec<FieldError>) -> Vec<FieldError> {
    let mut errors = create(new, namespaced, NameRule::PathSegment);
    errors.extend(update(new, old));
    errors.extend(by_kind);
    errors
}

fn not_negative(value: i64, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if value < 0 {
        errors.push(FieldError::invalid(path, value, "must be greater than or equal to 0"));
    }
}

/// Checks a map of labels that stands at `path`.
pub fn labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (key, value) in labels {
        label_name(key, path, errors);
        errors.extend(names::label_value(value).into_iter().map(|wrong| FieldError::invalid(path, value, wrong)));
    }
}

/// Checks the key of a label that stands at `path`.
pub fn label_name(key: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    errors.extend(names::qualified_name(key).into_iter().map(|wrong| FieldError::invalid(path, key, wrong)));
}

/// Checks a map of annotations that stands at `path`.
pub fn annotations<'a>(
    annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let mut size = 0;
    for (key, value) in annotations {
        size += key.len() + value.len();
        let lower = key.to_lowercase();
        errors.extend(names::qualified_name(&lower).into_iter().map(|wrong| FieldError::invalid(path, key, wrong)));
    }
    if size > ANNOTATIONS_MOST {
        errors.push(FieldError::too_long(path, ANNOTATIONS_MOST));
    }
}

fn owner_references(meta: Meta<'_>, errors: &mut Vec<FieldError>) {
    let list = METADATA.child("ownerReferences");
    let mut controller: Option<String> = None;
    for (index, tree) in meta.owner_reference_trees().iter().enumerate() {
        let reference = OwnerReference::of(tree);
        owner_reference(tree, reference, &list.index(index), errors);
        if reference.controller {
            let current = format!("{}/{}", reference.kind, reference.name);
            match &controller {
                Some(first) => errors.push(FieldError::invalid_unshown(
                    &list,
                    format!(
                        "{}: Only one reference can have Controller set to true. Found \"true\" in references for {first} and {current}",
                        go::owner_references(meta.owner_reference_trees())
                    ),
                )),
                None => controller = Some(current),
            }
        }
    }
}

fn owner_reference(tree: &Value, reference: OwnerReference<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut parts = reference.api_version.split('/');
    let version = match (parts.next(), parts.next(), parts.next()) {
        (Some(version), None, _) | (Some(_), Some(version), None) => version,
        _ => "",
    };
    let at = path.child("apiVersion");
    if reference.api_version.is_empty() {
        errors.push(FieldError::required(&at, "must not be empty"));
    } else if version.is_empty() {
        errors.push(FieldError::invalid(&at, reference.api_version, "must be <group>/<version> or <version>"));
    }
    for (field, value) in [("kind", reference.kind), ("name", reference.name), ("uid", reference.uid)] {
        if value.is_empty() {
            errors.push(FieldError::required(&path.child(field), "must not be empty"));
        }
    }
    if reference.api_version == "v1" && reference.kind == "Event" {
        errors.push(FieldError::invalid(path, tree.clone(), "/v1, Kind=Event is disallowed from being an owner"));
    }
}

fn finalizers(meta: Meta<'_>, errors: &mut Vec<FieldError>) {
    let path = METADATA.child("finalizers");
    let (mut orphan, mut foreground) = (false, false);
    for finalizer in meta.finalizers() {
        finalizer_name(finalizer, &path, errors);
        orphan |= finalizer == ORPHAN;
        foreground |= finalizer == FOREGROUND_DELETION;
    }
    if orphan && foreground {
        let all: Vec<&str> = meta.finalizers().collect();
        errors.push(FieldError::invalid(
            &path,
            all,
            format!("finalizer {ORPHAN} and {FOREGROUND_DELETION} cannot be both set"),
        ));
    }
}

/// What the kinds of Kubernetes' core ask of finalizers besides: a name without a domain is one that Kubernetes knows.
pub fn core_finalizers(object: &Value, errors: &mut Vec<FieldError>) {
    let list = METADATA.child("finalizers");
    for (index, finalizer) in Meta::of(object).finalizers().enumerate() {
        core_finalizer(finalizer, &list.index(index), errors);
    }
}

/// Checks that a finalizer at `path` has a domain or is one that Kubernetes knows.
pub fn core_finalizer(finalizer: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !finalizer.contains('/') && !matches!(finalizer, "kubernetes" | ORPHAN | FOREGROUND_DELETION) {
        let words = "name is neither a standard finalizer name nor is it fully qualified";
        errors.push(FieldError::invalid(path, finalizer, words));
    }
}

/// Each error once, as Kubernetes tells those of its own kinds; those of custom resources and their definitions stand as often as
/// they were found.
pub fn distinct(errors: Vec<FieldError>) -> Vec<FieldError> {
    let mut kept: Vec<FieldError> = Vec::with_capacity(errors.len());
    for error in errors {
        if !kept.contains(&error) {
            kept.push(error);
        }
    }
    kept
}

/// Checks the name of a finalizer that stands at `path`.
pub fn finalizer_name(finalizer: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    errors
        .extend(names::qualified_name(finalizer).into_iter().map(|wrong| FieldError::invalid(path, finalizer, wrong)));
}

fn no_new_finalizers(new: Meta<'_>, old: Meta<'_>, errors: &mut Vec<FieldError>) {
    let mut added: Vec<&str> = new.finalizers().filter(|new| !old.finalizers().any(|old| old == *new)).collect();
    added.sort_unstable();
    added.dedup();
    if !added.is_empty() {
        let quoted: Vec<String> = added.iter().map(|finalizer| format!("{finalizer:?}")).collect();
        errors.push(FieldError::forbidden(
            &METADATA.child("finalizers"),
            format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                quoted.join(", ")
            ),
        ));
    }
}

fn managed_fields(meta: Meta<'_>, errors: &mut Vec<FieldError>) {
    const SUBRESOURCE_MOST: usize = 256;
    let list = METADATA.child("managedFields");
    for (index, entry) in meta.managed_fields().iter().enumerate() {
        let path = list.index(index);
        let text = |field| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        match text("operation") {
            "" => errors.push(FieldError::required(&path.child("operation"), "must not be empty")),
            "Apply" | "Update" => {}
            other => errors.push(FieldError::not_supported(&path.child("operation"), other, &["Apply", "Update"])),
        }
        let kind = text("fieldsType");
        if !kind.is_empty() && kind != "FieldsV1" {
            errors.push(FieldError::invalid(&path.child("fieldsType"), kind, "must be `FieldsV1`"));
        }
        super::options::field_manager(text("manager"), &path.child("manager"), errors);
        if text("subresource").len() > SUBRESOURCE_MOST {
            errors.push(FieldError::too_long(&path.child("subresource"), SUBRESOURCE_MOST));
        }
    }
}

/// Checks a LabelSelector of an object, at `path`.
pub fn label_selector(selector: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if let Some(wanted) = selector.get("matchLabels").and_then(Value::as_object) {
        let pairs = wanted.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
        labels(pairs, &path.child("matchLabels"), errors);
    }
    let list = path.child("matchExpressions");
    for (index, requirement) in
        selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        selector_requirement(requirement, false, &list.index(index), errors);
    }
}

/// Checks a requirement of a LabelSelector, at `path`.
pub fn selector_requirement(requirement: &Value, unknown_allowed: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    selector_operator(requirement, unknown_allowed, path, errors);
    label_name(requirement.get("key").and_then(Value::as_str).unwrap_or_default(), &path.child("key"), errors);
    let values_at = path.child("values");
    for (index, value) in requirement_values(requirement).enumerate() {
        let at = values_at.index(index);
        errors.extend(names::label_value(value).into_iter().map(|wrong| FieldError::invalid(&at, value, wrong)));
    }
}

/// The values of a requirement of a selector.
pub fn requirement_values(requirement: &Value) -> impl Iterator<Item = &str> {
    requirement.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Checks that a requirement has values exactly where its operator takes some.
pub fn selector_operator(requirement: &Value, unknown_allowed: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let values = requirement_values(requirement).count();
    let operator = requirement.get("operator").and_then(Value::as_str).unwrap_or_default();
    match operator {
        "In" | "NotIn" => {
            if values == 0 {
                errors.push(FieldError::required(
                    &path.child("values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                ));
            }
        }
        "Exists" | "DoesNotExist" => {
            if values > 0 {
                errors.push(FieldError::forbidden(
                    &path.child("values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                ));
            }
        }
        _ if unknown_allowed => {}
        _ => errors.push(FieldError::invalid(&path.child("operator"), operator, "not a valid selector operator")),
    }
}

/// What a custom resource's new finalizers are warned about: names without a domain.
pub fn finalizer_warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let known: Vec<&str> = old.map(|old| Meta::of(old).finalizers().collect()).unwrap_or_default();
    let mut added: Vec<&str> = Meta::of(new).finalizers().filter(|finalizer| !known.contains(finalizer)).collect();
    added.sort_unstable();
    added.dedup();
    let mut warnings = Vec::new();
    for finalizer in added {
        warnings.extend(
            names::qualified_name(finalizer)
                .into_iter()
                .map(|wrong| format!("metadata.finalizers: {finalizer:?}: {wrong}")),
        );
        if !finalizer.contains('/') && !matches!(finalizer, ORPHAN | FOREGROUND_DELETION | "kubernetes") {
            let path = if finalizer.contains('.') { " including a path (/)" } else { "" };
            warnings.push(format!(
                "metadata.finalizers: {finalizer:?}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
            ));
        }
    }
    warnings
}
