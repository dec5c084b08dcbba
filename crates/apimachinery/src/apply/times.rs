//! A write that changes nothing but the times of owners changes nothing:
//! `apiserver/pkg/endpoints/handlers/fieldmanager/equality.go`.

use serde_json::Value;

use super::managed::managed_fields;

/// Puts back the times of `managedFields` where they are all that tells `new` from `old`, so that such a write is none.
pub fn keep_times(new: &mut Value, old: &Value) {
    let (Some(before), Some(after)) = (managed_fields(old), managed_fields(new)) else { return };
    if before.is_empty() || before.len() != after.len() || before == after {
        return;
    }
    let same = before.iter().zip(after).all(|(before, after)| equal_but(before, after, &["time"]))
        && equal_but(old, new, &["metadata", "managedFields"]);
    if same {
        let before = before.clone();
        if let Some(entries) = new.pointer_mut("/metadata/managedFields") {
            *entries = Value::Array(before);
        }
    }
}

/// Whether two values are equal but for what stands at `path`.
fn equal_but(left: &Value, right: &Value, path: &[&str]) -> bool {
    let Some((skipped, rest)) = path.split_first() else { return true };
    let (Value::Object(left), Value::Object(right)) = (left, right) else { return left == right };
    let same = |(name, value): (&String, &Value)| {
        if name == skipped {
            return right.get(name).is_some_and(|other| equal_but(value, other, rest)) || rest.is_empty();
        }
        right.get(name) == Some(value)
    };
    left.iter().all(same) && right.keys().all(|name| left.contains_key(name) || (name == skipped && rest.is_empty()))
}
