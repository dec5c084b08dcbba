//! JSON patch and merge patch, as kube-apiserver applies them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use apimachinery::patch::{JsonPatch, PatchError, json_patch, merge_patch};
use proptest::prelude::*;
use serde_json::{Value, json};

fn patched(document: &Value, operations: &Value) -> Value {
    json_patch(document, operations.to_string().as_bytes()).unwrap()
}

fn rejected(document: &Value, operations: &Value) -> String {
    match json_patch(document, operations.to_string().as_bytes()) {
        Err(PatchError::Rejected(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn malformed(patch: &str) -> String {
    match json_patch(&json!({}), patch.as_bytes()) {
        Err(PatchError::Malformed(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_operation_does_what_its_name_says() {
    let document = json!({"a": {"b": [1, 2, 3]}, "c": "x"});
    for (operation, result) in [
        (
            json!({"op": "add", "path": "/d", "value": {"e": null}}),
            json!({"a": {"b": [1, 2, 3]}, "c": "x", "d": {"e": null}}),
        ),
        (json!({"op": "add", "path": "/a/b/1", "value": 9}), json!({"a": {"b": [1, 9, 2, 3]}, "c": "x"})),
        (json!({"op": "add", "path": "/a/b/-", "value": 9}), json!({"a": {"b": [1, 2, 3, 9]}, "c": "x"})),
        (json!({"op": "add", "path": "/a/b/3", "value": 9}), json!({"a": {"b": [1, 2, 3, 9]}, "c": "x"})),
        (json!({"op": "remove", "path": "/a/b/0"}), json!({"a": {"b": [2, 3]}, "c": "x"})),
        (json!({"op": "remove", "path": "/a"}), json!({"c": "x"})),
        (json!({"op": "replace", "path": "/c", "value": [1]}), json!({"a": {"b": [1, 2, 3]}, "c": [1]})),
        (json!({"op": "replace", "path": "", "value": {"n": 1}}), json!({"n": 1})),
        (json!({"op": "move", "from": "/a/b", "path": "/b"}), json!({"a": {}, "b": [1, 2, 3], "c": "x"})),
        (json!({"op": "copy", "from": "/c", "path": "/a/b/0"}), json!({"a": {"b": ["x", 1, 2, 3]}, "c": "x"})),
        (json!({"op": "test", "path": "/a", "value": {"b": [1, 2, 3]}}), document.clone()),
        (json!({"op": "test", "path": "", "value": document}), document.clone()),
    ] {
        assert_eq!(patched(&document, &json!([operation])), result, "{operation}");
    }
}

#[test]
fn a_path_escapes_slash_and_tilde() {
    let document = json!({"metadata": {"annotations": {"a/b": "1", "c~d": "2"}}});
    let operations = json!([
        {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "3"},
        {"op": "remove", "path": "/metadata/annotations/c~0d"},
    ]);
    assert_eq!(patched(&document, &operations), json!({"metadata": {"annotations": {"a/b": "3"}}}));
}

#[test]
fn where_the_library_of_kubernetes_bends_the_rfc_so_does_this() {
    let document = json!({"a": [1, 2, 3], "n": null});
    for (operation, result) in [
        (json!({"op": "replace", "path": "/new", "value": 1}), json!({"a": [1, 2, 3], "n": null, "new": 1})),
        (json!({"op": "remove", "path": "/a/-1"}), json!({"a": [1, 2], "n": null})),
        (json!({"op": "add", "path": "/a/-1", "value": 4}), json!({"a": [1, 2, 3, 4], "n": null})),
        (json!({"op": "copy", "from": "/missing", "path": "/x"}), json!({"a": [1, 2, 3], "n": null, "x": null})),
        (json!({"op": "test", "path": "/missing", "value": null}), document.clone()),
        (json!({"op": "test", "path": "/n"}), document.clone()),
        (json!({"op": "add", "path": "x/b", "value": 1}), json!({"a": [1, 2, 3], "n": null, "b": 1})),
        (json!({"op": "add", "path": "/x"}), json!({"a": [1, 2, 3], "n": null, "x": null})),
    ] {
        assert_eq!(patched(&document, &json!([operation])), result, "{operation}");
    }
}

#[test]
fn an_operation_that_does_not_fit_is_rejected_in_the_words_of_the_library() {
    let document = json!({"a": {"b": 1}, "l": [1]});
    for (operation, why) in [
        (json!({"op": "test", "path": "/a/b", "value": 2}), "testing value /a/b failed: test failed"),
        (
            json!({"op": "test", "path": "/x/y", "value": 2}),
            "test operation does not apply: is missing path: /x/y: missing value",
        ),
        (
            json!({"op": "test", "path": "/l/4", "value": 2}),
            "error in test for path: '/l/4': Unable to access invalid index: 4: invalid index referenced",
        ),
        (
            json!({"op": "remove", "path": "/x"}),
            "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            json!({"op": "remove", "path": "/a/b/c"}),
            "remove operation does not apply: doc is missing path: \"/a/b/c\": missing value",
        ),
        (
            json!({"op": "add", "path": "/x/y", "value": 1}),
            "add operation does not apply: doc is missing path: \"/x/y\": missing value",
        ),
        (
            json!({"op": "add", "path": "/l/x", "value": 1}),
            "error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            json!({"op": "add", "path": "/l/2", "value": 1}),
            "error in add for path: '/l/2': Unable to access invalid index: 2: invalid index referenced",
        ),
        (
            json!({"op": "replace", "path": "/l/1", "value": 1}),
            "replace operation does not apply: doc is missing key: /l/1: missing value",
        ),
        (
            json!({"op": "move", "from": "/x", "path": "/y"}),
            "error in move for path: 'x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            json!({"op": "move", "from": "/a", "path": "/a/b"}),
            "move operation does not apply: doc is missing destination path: /a/b: missing value",
        ),
        (json!({"op": "add"}), "add operation failed to decode path: missing value"),
        (json!({"op": "test"}), "test operation failed to decode path: operation missing path field: missing value"),
        (json!({"op": "copy"}), "copy operation failed to decode from: operation, missing from field: missing value"),
        (json!({"op": "merge", "path": "/a"}), "Unexpected kind: merge"),
        (json!({"path": "/a"}), "Unexpected kind: unknown"),
        (Value::Null, "Unexpected kind: unknown"),
    ] {
        assert_eq!(rejected(&document, &json!([operation])), why, "{operation}");
    }
}

#[test]
fn a_patch_that_is_no_list_of_operations_is_malformed() {
    assert_eq!(malformed("[{"), "invalid JSON patch");
    assert_eq!(
        malformed("{}"),
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
    );
    assert_eq!(
        malformed("[1]"),
        "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"
    );
    assert_eq!(
        malformed(r#"[{"op": "add", "path": 7}]"#),
        "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string"
    );
    assert_eq!(json_patch(&json!({"a": 1}), b"null").unwrap(), json!({"a": 1}));
}

#[test]
fn a_patch_has_at_most_ten_thousand_operations() {
    let operations = vec![json!({"op": "add", "path": "/a", "value": 1}); 10_001];
    let refused = json_patch(&json!({}), Value::from(operations).to_string().as_bytes()).unwrap_err();
    assert_eq!(refused, PatchError::TooManyOperations(10_001));
    assert_eq!(refused.to_string(), "The allowed maximum operations in a JSON patch is 10000, got 10001");
}

#[test]
fn copies_may_not_grow_an_object_beyond_the_limit() {
    let document = json!({"a": "x".repeat(1_000_000)});
    let copy = |to: &str| json!({"op": "copy", "from": "/a", "path": to});
    patched(&document, &json!([copy("/b"), copy("/c"), copy("/d")]));
    assert_eq!(
        rejected(&document, &json!([copy("/b"), copy("/c"), copy("/d"), copy("/e")])),
        "Unable to complete the copy, the accumulated size increase of copy is 4000008, exceeding the limit 3145728"
    );
}

#[test]
fn copies_and_adds_may_not_nest_an_object_without_end() {
    let mut operations = vec![json!({"op": "add", "path": "/a", "value": {}})];
    let mut path = "/a".to_owned();
    for _ in 0..200 {
        path.push_str("/a");
        operations.push(json!({"op": "add", "path": path, "value": {}}));
    }
    assert!(rejected(&json!({}), &Value::from(operations)).contains("exceeded max depth"));
}

#[test]
fn unknown_fields_of_operations_are_told() {
    let patch = JsonPatch::parse(br#"[{"op": "add", "path": "/a", "value": 1, "foo": 2}]"#).unwrap();
    assert_eq!(patch.unknown_fields(), ["[0].foo"]);
}

#[test]
fn a_merge_patch_sets_and_removes_fields() {
    for (document, patch, result) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": {"b": "c", "d": 1}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d", "d": 1}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        assert_eq!(merge_patch(&document, &patch).unwrap(), result, "{patch}");
    }
}

#[test]
fn nulls_within_new_lists_vanish_except_where_the_list_takes_a_maps_place() {
    let patch = json!({"a": [{"b": null, "c": 1}, null]});
    assert_eq!(merge_patch(&json!({}), &patch).unwrap(), json!({"a": [{"c": 1}, null]}));
    assert_eq!(merge_patch(&json!({"a": [1]}), &patch).unwrap(), json!({"a": [{"c": 1}, null]}));
    assert_eq!(merge_patch(&json!({"a": {}}), &patch).unwrap(), patch);
}

#[test]
fn a_merge_patch_must_be_an_object() {
    let why = |patch: Value| merge_patch(&json!({}), &patch).unwrap_err().to_string();
    assert_eq!(why(Value::Null), "Invalid JSON Patch");
    assert_eq!(
        why(json!([])),
        "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
    );
}

/// RFC 7386's own pseudo code.
fn reference_merge(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut fields = target.as_object().cloned().unwrap_or_default();
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            let merged = reference_merge(fields.get(name).unwrap_or(&Value::Null), change);
            fields.insert(name.clone(), merged);
        }
    }
    Value::Object(fields)
}

fn tree(lists: bool) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), (0..3i64).prop_map(Value::from), "[ab]".prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let map = prop::collection::btree_map("[a-d]", inner.clone(), 0..4)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()));
        if lists {
            prop_oneof![map, prop::collection::vec(inner, 0..4).prop_map(Value::from)].boxed()
        } else {
            map.boxed()
        }
    })
}

fn object(lists: bool) -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-d]", tree(lists), 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn operation() -> impl Strategy<Value = Value> {
    let path = prop::collection::vec("[a-d0-2]", 1..4).prop_map(|parts| format!("/{}", parts.join("/")));
    (0..6usize, path.clone(), path, tree(true)).prop_map(|(kind, path, from, value)| match kind {
        0 => json!({"op": "add", "path": path, "value": value}),
        1 => json!({"op": "remove", "path": path}),
        2 => json!({"op": "replace", "path": path, "value": value}),
        3 => json!({"op": "move", "path": path, "from": from}),
        4 => json!({"op": "copy", "path": path, "from": from}),
        _ => json!({"op": "test", "path": path, "value": value}),
    })
}

proptest! {
    #[test]
    fn without_lists_a_merge_patch_is_that_of_the_rfc(document in object(false), patch in object(false)) {
        prop_assert_eq!(merge_patch(&document, &patch).unwrap(), reference_merge(&document, &patch));
    }

    #[test]
    fn what_a_strict_json_patch_does_this_does_as_well(document in object(true), operations in prop::collection::vec(operation(), 1..6)) {
        let mut strict = document.clone();
        let parsed: json_patch::Patch = serde_json::from_value(Value::from(operations.clone())).unwrap();
        // Not `patch`, whose way back from a failure may panic.
        if json_patch::patch_unsafe(&mut strict, &parsed).is_ok() {
            prop_assert_eq!(patched(&document, &Value::from(operations)), strict);
        }
    }
}
