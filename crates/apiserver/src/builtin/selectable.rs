//! Field selectors of built-in kinds: `AddFieldLabelConversionFunc` of each kind in Kubernetes.

use apimachinery::selector::FieldSelector;
use serde_json::Value;

use super::Definition;

/// The fields of a kind that objects can be selected by, besides name and namespace.
#[derive(Debug, PartialEq, Eq)]
pub enum Fields {
    /// None.
    Common,
    /// These: the name in selectors of this version, and the one of the stored object.
    These(&'static [(&'static str, &'static str)]),
}

impl Definition {
    /// The selector with the fields of stored objects, or what Kubernetes says to one that the kind does not have.
    pub fn select(&self, selector: &FieldSelector) -> Result<FieldSelector, String> {
        selector.transform(|required| {
            let field = &*required.field;
            let stored = match self.selectable {
                _ if field == "metadata.name" => field,
                Fields::Common if field == "metadata.namespace" => field,
                Fields::Common => {
                    let known = r#"only "metadata.name", "metadata.namespace""#;
                    return Err(format!("{field:?} is not a known field selector: {known}"));
                }
                Fields::These(_) if field == "metadata.namespace" && self.namespaced => field,
                Fields::These(fields) => match fields.iter().find(|(name, _)| *name == field) {
                    Some((_, stored)) => stored,
                    None => return Err(format!("field label not supported: {field}")),
                },
            };
            Ok((stored.to_owned(), required.value.clone()))
        })
    }
}

/// The value of a stored object's field, as a selector from [`Definition::select`] names it.
pub fn value<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    let text = |path: &str| path.split('.').try_fold(object, |value, name| value.get(name))?.as_str();
    match field {
        // An event's source, whichever of its two versions wrote it.
        "source" => text("source.component").filter(|source| !source.is_empty()).or_else(|| text("reportingComponent")),
        field => text(field),
    }
}
