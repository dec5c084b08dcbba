//! Strategic merge patch, as kube-apiserver applies it to its own kinds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use apimachinery::patch::{PatchError, strategic};
use apimachinery::schema::Schema;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A kind with every strategy: `byName` merges by name, `scalars` merges, `plain` and `maps` are replaced.
fn schema() -> Schema {
    let item = json!({"type": "object", "properties": {
        "name": {"type": "string"},
        "value": {"type": "integer"},
        "scalars": {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"},
        "inner": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "integer"}}},
            "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name"},
    }});
    serde_json::from_value(json!({"type": "object", "properties": {
        "name": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "spec": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
        "replaced": {"type": "object", "properties": {"a": {"type": "string"}}, "x-kubernetes-patch-strategy": "replace"},
        "retained": {"type": "object", "properties": {"type": {"type": "string"}, "a": {"type": "string"}, "b": {"type": "string"}},
            "x-kubernetes-patch-strategy": "retainKeys"},
        "byName": {"type": "array", "items": item, "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name"},
        "noKey": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}},
            "x-kubernetes-patch-strategy": "merge"},
        "volumes": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "a": {"type": "string"}, "b": {"type": "string"}}},
            "x-kubernetes-patch-strategy": "merge,retainKeys", "x-kubernetes-patch-merge-key": "name"},
        "scalars": {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"},
        "plain": {"type": "array", "items": {"type": "string"}},
        "maps": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }}))
    .unwrap()
}

fn check(cases: &[(&str, Value, Value, Value)]) {
    for (name, document, patch, result) in cases {
        assert_eq!(strategic(document, patch, &schema()).unwrap(), *result, "{name}");
    }
}

#[test]
fn maps_merge_field_by_field() {
    check(&[
        ("set", json!({"name": "1"}), json!({"name": "2"}), json!({"name": "2"})),
        ("remove", json!({"name": "1", "labels": {"a": "b"}}), json!({"name": null}), json!({"labels": {"a": "b"}})),
        (
            "nested",
            json!({"spec": {"a": "1", "b": "2"}}),
            json!({"spec": {"a": null, "b": "3"}}),
            json!({"spec": {"b": "3"}}),
        ),
        (
            "free form",
            json!({"labels": {"a": "1", "b": "2"}}),
            json!({"labels": {"b": null, "c": "3"}}),
            json!({"labels": {"a": "1", "c": "3"}}),
        ),
        ("nulls of what is new", json!({}), json!({"spec": {"a": null, "b": "1"}}), json!({"spec": {"b": "1"}})),
        ("no patch", json!({"name": "1"}), Value::Null, json!({"name": "1"})),
    ]);
}

#[test]
fn a_map_is_replaced_or_emptied_where_the_patch_says_so() {
    check(&[
        (
            "replace",
            json!({"spec": {"a": "1"}}),
            json!({"spec": {"b": "2", "$patch": "replace"}}),
            json!({"spec": {"b": "2"}}),
        ),
        ("delete", json!({"spec": {"a": "1"}}), json!({"spec": {"$patch": "delete"}}), json!({"spec": {}})),
        ("at the root", json!({"name": "1"}), json!({"labels": {}, "$patch": "replace"}), json!({"labels": {}})),
        (
            "by strategy",
            json!({"replaced": {"a": "1"}}),
            json!({"replaced": {"b": "2"}}),
            json!({"replaced": {"b": "2"}}),
        ),
        ("a directive about nothing", json!({}), json!({"spec": {"$patch": "delete"}}), json!({})),
    ]);
}

#[test]
fn lists_of_maps_merge_by_key() {
    check(&[
        (
            "merge and add",
            json!({"byName": [{"name": "a", "value": 1}, {"name": "b"}]}),
            json!({"byName": [{"name": "b", "value": 2}, {"name": "c"}]}),
            json!({"byName": [{"name": "a", "value": 1}, {"name": "b", "value": 2}, {"name": "c"}]}),
        ),
        (
            "delete",
            json!({"byName": [{"name": "a"}, {"name": "b"}]}),
            json!({"byName": [{"name": "a", "$patch": "delete"}]}),
            json!({"byName": [{"name": "b"}]}),
        ),
        (
            "delete what is not there",
            json!({"byName": [{"name": "b"}]}),
            json!({"byName": [{"name": "x", "$patch": "delete"}]}),
            json!({"byName": [{"name": "b"}]}),
        ),
        (
            "replace",
            json!({"byName": [{"name": "a"}, {"name": "b"}]}),
            json!({"byName": [{"name": "c"}, {"$patch": "replace"}]}),
            json!({"byName": [{"name": "c"}]}),
        ),
        (
            "nested",
            json!({"byName": [{"name": "a", "inner": [{"name": "x", "value": 1}, {"name": "y"}]}]}),
            json!({"byName": [{"name": "a", "inner": [{"name": "y", "value": 2}]}]}),
            json!({"byName": [{"name": "a", "inner": [{"name": "x", "value": 1}, {"name": "y", "value": 2}]}]}),
        ),
        (
            "deletions in a new list fall out",
            json!({}),
            json!({"byName": [{"name": "a", "$patch": "delete"}, {"name": "b"}]}),
            json!({"byName": [{"name": "b"}]}),
        ),
        (
            "replaced without a strategy",
            json!({"maps": [{"name": "a"}]}),
            json!({"maps": [{"name": "b"}]}),
            json!({"maps": [{"name": "b"}]}),
        ),
    ]);
}

#[test]
fn lists_of_scalars_merge_as_sets() {
    check(&[
        ("merge", json!({"scalars": ["a", "b"]}), json!({"scalars": ["b", "c"]}), json!({"scalars": ["a", "b", "c"]})),
        ("replace", json!({"plain": ["a", "b"]}), json!({"plain": ["c"]}), json!({"plain": ["c"]})),
        (
            "delete",
            json!({"scalars": ["a", "b", "c"]}),
            json!({"$deleteFromPrimitiveList/scalars": ["b", "x"]}),
            json!({"scalars": ["a", "c"]}),
        ),
        ("delete from nothing", json!({}), json!({"$deleteFromPrimitiveList/scalars": ["b"]}), json!({})),
    ]);
}

#[test]
fn the_patch_may_order_a_list() {
    check(&[
        (
            "scalars",
            json!({"scalars": ["a", "b", "c"]}),
            json!({"$setElementOrder/scalars": ["c", "a", "b"]}),
            json!({"scalars": ["c", "a", "b"]}),
        ),
        (
            "what only the server has keeps its place",
            json!({"byName": [{"name": "a"}, {"name": "s"}, {"name": "b"}]}),
            json!({"$setElementOrder/byName": [{"name": "b"}, {"name": "a"}, {"name": "n"}], "byName": [{"name": "n", "value": 1}]}),
            json!({"byName": [{"name": "s"}, {"name": "b"}, {"name": "a"}, {"name": "n", "value": 1}]}),
        ),
        (
            "a new element takes the place at the end that a deleted one leaves",
            json!({"byName": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}),
            json!({"$setElementOrder/byName": [{"name": "d"}], "byName": [{"name": "a", "$patch": "delete"}, {"name": "d"}]}),
            json!({"byName": [{"name": "b"}, {"name": "c"}, {"name": "d"}]}),
        ),
        (
            "with deletion",
            json!({"scalars": ["a", "b", "c"]}),
            json!({"$deleteFromPrimitiveList/scalars": ["b"], "$setElementOrder/scalars": ["c", "a"]}),
            json!({"scalars": ["c", "a"]}),
        ),
        (
            "a new list",
            json!({}),
            json!({"$setElementOrder/byName": [{"name": "b"}, {"name": "a"}], "byName": [{"name": "b"}, {"name": "a"}]}),
            json!({"byName": [{"name": "b"}, {"name": "a"}]}),
        ),
    ]);
}

#[test]
fn metadata_is_merged_as_object_meta_whatever_the_schema_says() {
    let owner = |uid: &str| json!({"apiVersion": "v1", "kind": "K", "name": "n", "uid": uid});
    check(&[(
        "metadata",
        json!({"metadata": {"labels": {"a": "1"}, "finalizers": ["x"], "ownerReferences": [owner("1")]}}),
        json!({"metadata": {"labels": {"b": "2"}, "finalizers": ["y"], "ownerReferences": [owner("2")],
            "$deleteFromPrimitiveList/annotations": ["z"]}}),
        json!({"metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["y", "x"], "ownerReferences": [owner("2"), owner("1")]}}),
    )]);
}

#[test]
fn lists_of_many_elements_are_merged_in_time() {
    let names =
        |from: usize| -> Vec<Value> { (from..from + 8_000).map(|number| format!("n{number}").into()).collect() };
    let items = |from: usize| -> Vec<Value> { names(from).into_iter().map(|name| json!({"name": name})).collect() };
    let deleted: Vec<Value> = names(0).into_iter().map(|name| json!({"name": name, "$patch": "delete"})).collect();
    let document = json!({"scalars": names(0), "byName": items(0)});
    for patch in [
        json!({"scalars": names(4_000), "byName": items(4_000)}),
        json!({"$deleteFromPrimitiveList/scalars": names(4_000), "byName": deleted}),
        json!({"$setElementOrder/scalars": [], "scalars": names(4_000), "$setElementOrder/byName": [], "byName": items(4_000)}),
    ] {
        strategic(&document, &patch, &schema()).unwrap();
    }
}

#[test]
fn retained_keys_clear_the_others() {
    check(&[
        (
            "map",
            json!({"retained": {"type": "x", "a": "1"}}),
            json!({"retained": {"$retainKeys": ["type", "b"], "type": "y", "b": "2"}}),
            json!({"retained": {"type": "y", "b": "2"}}),
        ),
        (
            "in a merged list",
            json!({"volumes": [{"name": "v", "a": "1"}]}),
            json!({"volumes": [{"name": "v", "b": "2", "$retainKeys": ["name", "b"]}]}),
            json!({"volumes": [{"name": "v", "b": "2"}]}),
        ),
    ]);
}

#[test]
fn what_is_not_well_formed_is_a_bad_request() {
    let document = json!({"scalars": ["a"], "byName": [{"name": "a"}], "retained": {"a": "1"}});
    for (patch, why) in [
        (json!({"$deleteFromPrimitiveList": ["a"]}), "invalid patch format of primitive list"),
        (json!({"$setElementOrder": ["a"]}), "invalid patch format of setElementOrder list"),
        (json!({"retained": {"$retainKeys": "a"}}), "invalid patch format of retainKeys"),
        (json!({"retained": {"$retainKeys": ["a"], "b": "2"}}), "invalid patch format of retainKeys"),
        (json!([1]), "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ] {
        let refused = strategic(&document, &patch, &schema()).unwrap_err();
        assert_eq!(refused, PatchError::Malformed(why.to_owned()), "{patch}");
    }
}

#[test]
fn other_faults_say_what_kubernetes_says() {
    let document = json!({"scalars": ["a"], "byName": [{"name": "a"}], "noKey": [{"name": "a"}], "labels": {"a": {"b": "c"}}, "spec": {}});
    for (patch, why) in [
        (json!({"byName": [{"value": 1}]}), "map: map[value:1] does not contain declared merge key: name"),
        (json!({"byName": [{"name": "a", "$patch": "x"}]}), "unknown patch type: x in map: map[$patch:x name:a]"),
        (json!({"byName": [{"$patch": "merge"}]}), "merging lists cannot yet be specified in the patch"),
        (json!({"spec": {"$patch": "x"}}), "unknown patch type: x in map: map[$patch:x]"),
        (json!({"scalars": [1]}), "list element types are not identical: [[a] [1]]"),
        (json!({"noKey": [{"name": "b"}]}), "cannot merge lists without merge key for struct"),
        (
            json!({"labels": {"a": {"b": "d"}}}),
            "merging an object in json but data type is not struct, instead is: map",
        ),
        (json!({"$setElementOrder/scalars": "a"}), "expected a []interface {}, but received a string"),
        (
            json!({"$setElementOrder/scalars": ["a", "b"], "scalars": ["c"]}),
            "The order in patch list:\n[c]\n doesn't match $setElementOrder list:\n[a b]\n",
        ),
    ] {
        let refused = strategic(&document, &patch, &schema()).unwrap_err();
        assert_eq!(refused, PatchError::Unexpected(why.to_owned()), "{patch}");
    }
    let lists = json!({"scalars": [["a"]]});
    let refused = strategic(&lists, &lists, &schema()).unwrap_err();
    assert_eq!(refused, PatchError::Rejected("lists of lists are not supported".to_owned()));
}

proptest! {
    /// The simple view of a merged set: what was there in its order, then what is new in its own.
    #[test]
    fn a_merged_set_has_the_elements_of_both_each_once(live in prop::collection::vec("[a-f]", 0..6), patch in prop::collection::vec("[a-f]", 0..6)) {
        let mut live: Vec<String> = live;
        let mut seen = std::collections::HashSet::new();
        live.retain(|item| seen.insert(item.clone()));
        let result = strategic(&json!({"scalars": live}), &json!({"scalars": patch}), &schema()).unwrap();
        let result: Vec<String> = serde_json::from_value(result["scalars"].clone()).unwrap();
        let mut expected: Vec<String> = live.iter().chain(&patch).cloned().collect();
        expected.sort();
        expected.dedup();
        let mut sorted = result.clone();
        sorted.sort();
        prop_assert_eq!(sorted, expected);
        let untouched: Vec<_> = result.iter().filter(|item| !patch.contains(item)).collect();
        prop_assert_eq!(untouched, live.iter().filter(|item| !patch.contains(item)).collect::<Vec<_>>());
    }

    #[test]
    fn a_patch_by_key_changes_just_the_items_it_names(
        live in prop::collection::btree_map("[a-f]", 0..9i64, 0..6),
        patch in prop::collection::btree_map("[a-f]", prop::option::of(0..9i64), 0..6),
    ) {
        let items: Vec<Value> = live.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let changes: Vec<Value> = patch.iter().map(|(name, value)| match value {
            Some(value) => json!({"name": name, "value": value}),
            None => json!({"name": name, "$patch": "delete"}),
        }).collect();
        let result = strategic(&json!({"byName": items}), &json!({"byName": changes}), &schema()).unwrap();
        let mut expected = live;
        for (name, value) in patch {
            match value {
                Some(value) => { expected.insert(name, value); }
                None => { expected.remove(&name); }
            }
        }
        let mut found: Vec<Value> = result["byName"].as_array().unwrap().clone();
        found.sort_by_key(|item| item["name"].to_string());
        let expected: Vec<Value> = expected.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        prop_assert_eq!(found, expected);
    }
}
