//! The annotation of client-side apply, which `kubectl apply --server-side` takes over: `lastappliedmanager.go` and
//! `lastappliedupdater.go` in `apimachinery/pkg/util/managedfields/internal`.

use serde_json::{Map, Value};

use super::compare::compare;
use super::scalar;
use super::set::FieldSet;
use super::to_set::to_set;
use super::types::Type;
use super::validate::validate;
use super::{ApplyError, Context};

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The only manager that the annotation concerns.
pub(super) const MANAGER: &str = "kubectl";

/// The most bytes of all annotations: `TotalAnnotationSizeLimitB`.
const ANNOTATIONS_SIZE: usize = 256 * 1024;

fn annotations(object: &Value) -> Option<&Map<String, Value>> {
    object.get("metadata")?.get("annotations")?.as_object()
}

fn last_applied(object: &Value) -> Option<&str> {
    annotations(object)?.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())
}

/// The fields that client-side apply set and that still are as it set them. None where that cannot be told.
pub(super) fn fields(live: &Value, context: &Context<'_>) -> Option<FieldSet> {
    let applied: Value = serde_json::from_str(last_applied(live)?).ok()?;
    let of = Type::root(context.schema);
    validate(of, live, false).ok()?;
    let same_version = applied.get("apiVersion").and_then(Value::as_str) == Some(context.api_version);
    let has_kind = applied.get("kind").and_then(Value::as_str).is_some_and(|kind| !kind.is_empty());
    if !same_version || !has_kind {
        return None;
    }
    validate(of, &applied, false).ok()?;
    let comparison = compare(of, &applied, live);
    let fields = to_set(of, &applied);
    Some(fields.difference(&comparison.modified).difference(&comparison.added).difference(&comparison.removed))
}

/// Brings the annotation, where there is one, to what is applied.
pub(super) fn update(object: &mut Value, config: &Value) -> Result<(), ApplyError> {
    if last_applied(object).is_none() {
        return Ok(());
    }
    if config.get("kind").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(ApplyError::Failed("failed to build last-applied annotation: Object 'Kind' is missing".to_owned()));
    }
    let mut config = config.clone();
    match annotations_mut(&mut config) {
        Some(annotations) if annotations.values().all(|value| value.is_string() || value.is_null()) => {
            annotations.remove(ANNOTATION);
            read_as_texts(annotations);
        }
        // What is no map of texts counts as none.
        _ => {
            config
                .get_mut("metadata")
                .and_then(Value::as_object_mut)
                .and_then(|metadata| metadata.remove("annotations"));
        }
    }
    let mut text = scalar::encoded(&config);
    text.push('\n');
    let Some(annotations) = annotations_mut(object) else { return Ok(()) };
    read_as_texts(annotations);
    annotations.insert(ANNOTATION.to_owned(), text.into());
    let size: usize = annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > ANNOTATIONS_SIZE {
        annotations.remove(ANNOTATION);
    }
    Ok(())
}

/// A null is the empty text to Kubernetes when it reads annotations to write them back.
fn read_as_texts(annotations: &mut Map<String, Value>) {
    for value in annotations.values_mut().filter(|value| value.is_null()) {
        *value = Value::from("");
    }
}

fn annotations_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.get_mut("metadata")?.get_mut("annotations")?.as_object_mut()
}
