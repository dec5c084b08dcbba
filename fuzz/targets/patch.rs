//! Input: an object, a line feed, a patch. Taken as each kind of patch: no panic, and nothing deeper than can be read again.
#![no_main]

use apimachinery::patch::{json_patch, merge_patch, strategic};
use apimachinery::schema::Schema;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const SCHEMA: &str = r#"{"type": "object", "properties": {
    "s": {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"},
    "m": {"type": "array", "x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "k",
        "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}}}}"#;

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (object, patch) = (&input[..end], &input[end + 1..]);
    let Ok(object) = serde_json::from_slice::<Value>(object) else { return };
    if !object.is_object() {
        return;
    }
    let schema: Schema = serde_json::from_str(SCHEMA).unwrap();
    let mut results = vec![json_patch(&object, patch)];
    if let Ok(patch) = serde_json::from_slice::<Value>(patch) {
        results.push(merge_patch(&object, &patch));
        results.push(strategic(&object, &patch, &schema));
    }
    for result in results.into_iter().flatten() {
        let text = result.to_string();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap().to_string(), text);
    }
});
