//! The names of field managers: `apiserver/pkg/endpoints/handlers/create.go` and
//! `apimachinery/pkg/apis/meta/v1/validation/validation.go`.

use serde_json::Value;

use super::managed::managed_fields;
use crate::field::{FieldError, Path};

/// The longest name of a manager, in bytes.
const MAX_LENGTH: usize = 128;

/// The longest name of a subresource in `managedFields`, in bytes.
const MAX_SUBRESOURCE_LENGTH: usize = 256;

/// Who writes: the `fieldManager` of the request, else what stands in front of the first `/` of its user agent.
pub fn manager_or_user_agent(manager: &str, user_agent: &str) -> String {
    if !manager.is_empty() {
        return manager.to_owned();
    }
    let prefix = user_agent.split('/').next().unwrap_or_default();
    let mut name = String::new();
    for character in prefix.chars().filter(|character| is_printable(*character)) {
        if name.len() + character.len_utf8() > MAX_LENGTH {
            break;
        }
        name.push(character);
    }
    name
}

/// What is wrong with a manager's name. An empty one is none at all.
pub fn validate_manager(manager: &str, path: &Path<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if manager.len() > MAX_LENGTH {
        errors.push(FieldError::too_long(path, MAX_LENGTH));
    }
    for (position, character) in manager.char_indices().filter(|(_, character)| !is_printable(*character)) {
        let why = format!("invalid character U+{:04X} (at position {position})", u32::from(character));
        errors.push(FieldError::invalid(path, manager, why));
    }
    errors
}

/// What is wrong with the `managedFields` of an object that is to be stored. `path` is that of `managedFields`.
pub fn validate_managed_fields(object: &Value, path: &Path<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, entry) in managed_fields(object).into_iter().flatten().enumerate() {
        let path = path.index(index);
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("operation") {
            "" => errors.push(FieldError::required(&path.child("operation"), "must not be empty")),
            "Apply" | "Update" => {}
            other => errors.push(FieldError::not_supported(&path.child("operation"), other, &["Apply", "Update"])),
        }
        let fields_type = text("fieldsType");
        if !matches!(fields_type, "" | "FieldsV1") {
            errors.push(FieldError::invalid(&path.child("fieldsType"), fields_type, "must be `FieldsV1`"));
        }
        errors.extend(validate_manager(text("manager"), &path.child("manager")));
        if text("subresource").len() > MAX_SUBRESOURCE_LENGTH {
            errors.push(FieldError::too_long(&path.child("subresource"), MAX_SUBRESOURCE_LENGTH));
        }
    }
    errors
}

/// Whether a character is printable: Go's `unicode.IsPrint` and the table behind Rust's `escape_debug` are of one definition. That
/// escapes quotes as well, and marks unless they follow a letter.
fn is_printable(character: char) -> bool {
    let text: String = ['a', character].into_iter().collect();
    matches!(character, '"' | '\'' | '\\') || text.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_is_named_by_the_request_or_its_user_agent() {
        assert_eq!(manager_or_user_agent("me", "kubectl/v1"), "me");
        assert_eq!(manager_or_user_agent("", "kubectl/v1.37.0 (linux/amd64) kubernetes/abc"), "kubectl");
        assert_eq!(manager_or_user_agent("", "a\u{7}b c"), "ab c");
        assert_eq!(manager_or_user_agent("", &"é".repeat(100)).len(), 128);
        assert_eq!(manager_or_user_agent("", ""), "");
    }

    #[test]
    fn a_managers_name_is_short_and_printable() {
        let path = Path::ROOT.child("fieldManager");
        assert!(validate_manager("\"quoted\" é e\u{301} 日本", &path).is_empty());
        assert_eq!(
            validate_manager("a\n", &path)[0].to_string(),
            "fieldManager: Invalid value: \"a\\n\": invalid character U+000A (at position 1)"
        );
        assert_eq!(validate_manager("a\u{a0}\u{200b}", &path).len(), 2);
        assert_eq!(
            validate_manager(&"a".repeat(129), &path)[0].to_string(),
            "fieldManager: Too long: may not be more than 128 bytes"
        );
    }
}
