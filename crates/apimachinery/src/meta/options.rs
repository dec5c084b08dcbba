//! The options of writes and deletes: `k8s.io/apimachinery/pkg/apis/meta/v1/validation`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::field::{FieldError, Path};

/// The most bytes of a field manager's name.
pub const FIELD_MANAGER_MOST: usize = 128;

/// `DeleteOptions` of `meta/v1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are those of DeleteOptions, documented there")]
pub struct DeleteOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preconditions: Option<Preconditions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphan_dependents: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_store_read_error_with_cluster_breaking_potential: Option<bool>,
}

/// What must hold for a write to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Preconditions {
    /// The object is this very one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The object has not changed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

impl DeleteOptions {
    /// Whether nothing is to be stored.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run.as_ref().is_some_and(|values| !values.is_empty())
    }

    /// What is wrong with the options.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let path = Path::ROOT.child("propagationPolicy");
        if let Some(policy) = &self.propagation_policy {
            if self.orphan_dependents.is_some() {
                errors.push(FieldError::invalid(
                    &path,
                    policy.as_str(),
                    "orphanDependents and deletionPropagation cannot be both set",
                ));
            }
            if !matches!(policy.as_str(), "Foreground" | "Background" | "Orphan") {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                errors.push(FieldError::not_supported(&path, policy.as_str(), &supported));
            }
        }
        dry_run(self.dry_run.as_deref().unwrap_or_default(), &mut errors);
        if self.ignore_store_read_error_with_cluster_breaking_potential == Some(true) {
            let path = Path::ROOT.child("ignoreStoreReadErrorWithClusterBreakingPotential");
            for (set, field) in [
                (self.propagation_policy.is_some(), "propagationPolicy"),
                (self.orphan_dependents.is_some(), "orphanDependents"),
                (self.grace_period_seconds.is_some(), "gracePeriodSeconds"),
                (self.preconditions.is_some(), "preconditions"),
            ] {
                if set {
                    errors.push(FieldError::invalid(&path, true, format!("cannot be set together with .{field}")));
                }
            }
        }
        errors
    }
}

/// The query parameters of a create, an update or a patch.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions<'a> {
    /// `fieldManager`; empty for not said.
    pub field_manager: &'a str,
    /// `dryRun`, all of its values.
    pub dry_run: &'a [String],
    /// `fieldValidation`; empty for not said.
    pub field_validation: &'a str,
}

impl WriteOptions<'_> {
    /// What is wrong with the options of a create or an update.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.check_into(&mut errors);
        errors
    }

    /// What is wrong with the options of a patch; `force` is its own parameter.
    pub fn check_patch(&self, is_apply: bool, force: Option<bool>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if is_apply {
            if self.field_manager.is_empty() {
                errors.push(FieldError::required(&Path::ROOT.child("fieldManager"), "is required for apply patch"));
            }
        } else if force.is_some() {
            errors.push(FieldError::forbidden(&Path::ROOT.child("force"), "may not be specified for non-apply patch"));
        }
        self.check_into(&mut errors);
        errors
    }

    fn check_into(&self, errors: &mut Vec<FieldError>) {
        field_manager(self.field_manager, &Path::ROOT.child("fieldManager"), errors);
        dry_run(self.dry_run, errors);
        if !matches!(self.field_validation, "" | "Ignore" | "Warn" | "Strict") {
            errors.push(FieldError::not_supported(
                &Path::ROOT.child("fieldValidation"),
                self.field_validation,
                &["", "Ignore", "Strict", "Warn"],
            ));
        }
    }
}

fn dry_run(values: &[String], errors: &mut Vec<FieldError>) {
    if values.iter().any(|value| value != "All") {
        let values: Vec<Value> = values.iter().map(|value| Value::from(value.as_str())).collect();
        errors.push(FieldError::not_supported(&Path::ROOT.child("dryRun"), values, &["All"]));
    }
}

/// Checks the name of a field manager that stands at `path`.
pub fn field_manager(name: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if name.len() > FIELD_MANAGER_MOST {
        errors.push(FieldError::too_long(path, FIELD_MANAGER_MOST));
    }
    for (at, c) in name.char_indices().filter(|(_, c)| !is_print(*c)) {
        errors.push(FieldError::invalid(
            path,
            name,
            format!("invalid character U+{:04X} (at position {at})", u32::from(c)),
        ));
    }
}

/// Whether `c` can be seen, as Go's `unicode.IsPrint` has it: letters, marks, numbers, punctuation, symbols and the ASCII space.
/// Characters that no version of Unicode has given a meaning pass here.
fn is_print(c: char) -> bool {
    let invisible = c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e007f}' | '\u{f0000}'..);
    c == ' ' || !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn delete_options_say_one_thing() {
        let options = DeleteOptions {
            orphan_dependents: Some(true),
            propagation_policy: Some("Never".into()),
            dry_run: Some(vec!["Some".into()]),
            ..DeleteOptions::default()
        };
        assert_eq!(
            texts(&options.check()),
            [
                "propagationPolicy: Invalid value: \"Never\": orphanDependents and deletionPropagation cannot be both set",
                "propagationPolicy: Unsupported value: \"Never\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
                "dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
            ]
        );
    }

    #[test]
    fn an_apply_names_its_manager_and_nothing_else_forces() {
        let options = WriteOptions::default();
        assert_eq!(
            texts(&options.check_patch(true, Some(true))),
            ["fieldManager: Required value: is required for apply patch"]
        );
        assert_eq!(
            texts(&options.check_patch(false, Some(false))),
            ["force: Forbidden: may not be specified for non-apply patch"]
        );
    }

    #[test]
    fn a_field_manager_is_short_and_can_be_seen() {
        let options =
            WriteOptions { field_manager: "a\tä\u{200b}", field_validation: "strict", ..WriteOptions::default() };
        assert_eq!(
            texts(&options.check()),
            [
                "fieldManager: Invalid value: \"a\\tä\\u200b\": invalid character U+0009 (at position 1)",
                "fieldManager: Invalid value: \"a\\tä\\u200b\": invalid character U+200B (at position 4)",
                "fieldValidation: Unsupported value: \"strict\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
            ]
        );
        let long = "a".repeat(129);
        let options = WriteOptions { field_manager: &long, ..WriteOptions::default() };
        assert_eq!(texts(&options.check()), ["fieldManager: Too long: may not be more than 128 bytes"]);
    }
}
