//! Sets of fields and their JSON.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use apimachinery::apply::{Element, FieldPath, FieldSet};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(fields: &Value) -> FieldSet {
    FieldSet::from_fields_v1(fields).unwrap()
}

fn texts(set: &FieldSet) -> Vec<String> {
    set.paths().iter().map(ToString::to_string).collect()
}

#[test]
fn fields_v1_names_fields_keys_values_and_places() {
    let fields = json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {
        "f:list": {"k:{\"name\":\"a\",\"port\":80}": {".": {}, "f:x": {}}, "v:\"s\"": {}, "v:3": {}, "v:true": {}, "i:5": {}},
    }});
    let set = read(&fields);
    assert_eq!(
        texts(&set),
        [
            ".metadata.labels",
            ".metadata.labels.app",
            ".spec.list[name=\"a\",port=80]",
            ".spec.list[=3]",
            ".spec.list[=\"s\"]",
            ".spec.list[=true]",
            ".spec.list[5]",
            ".spec.list[name=\"a\",port=80].x",
        ]
    );
    assert_eq!(set.to_fields_v1(), fields);
    assert_eq!(set.len(), 8);
}

#[test]
fn the_text_has_its_keys_in_the_order_of_kubernetes() {
    let set = read(
        &json!({"f:b": {"k:{\"p\":80}": {}, "k:{\"p\":443}": {}, "v:10": {}, "v:9": {}, "f:x": {}}, "f:a": {}, "i:10": {}, "i:9": {}}),
    );
    assert_eq!(
        set.to_json(),
        r#"{"f:a":{},"f:b":{"f:x":{},"k:{\"p\":80}":{},"k:{\"p\":443}":{},"v:9":{},"v:10":{}},"i:9":{},"i:10":{}}"#
    );
    let set = read(&json!({"f:a<": {}, "v:\"a<b\"": {".": {}, "f:x": {}}}));
    assert_eq!(set.to_json(), r#"{"f:a<":{},"v:\"a\\u003cb\"":{".":{},"f:x":{}}}"#);
}

#[test]
fn steps_of_unknown_kinds_are_left_out_and_malformed_ones_refused() {
    assert_eq!(texts(&read(&json!({"x:what": {"f:a": {}}, "f:b": {}}))), [".b"]);
    for bad in [
        json!({"f": {}}),
        json!({"fb": {}}),
        json!({"v:": {}}),
        json!({"k:{": {}}),
        json!({"k:[]": {}}),
        json!({"i:x": {}}),
        json!({"f:a": 1}),
        json!([]),
        json!("x"),
    ] {
        assert!(FieldSet::from_fields_v1(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_recursive_difference_takes_what_is_within_a_field_too() {
    let set = FieldSet::of(&[&["a"], &["a", "b"], &["a", "b", "c"], &["d"]]);
    let taken = FieldSet::of(&[&["a", "b"]]);
    assert_eq!(texts(&set.recursive_difference(&taken)), [".a", ".d"]);
    assert_eq!(texts(&set.difference(&taken)), [".a", ".d", ".a.b.c"]);
}

#[test]
fn leaves_have_nothing_within_them() {
    let set = FieldSet::of(&[&["a"], &["a", "b"], &["d"]]);
    assert_eq!(texts(&set.leaves()), [".d", ".a.b"]);
}

fn element() -> impl Strategy<Value = Element> {
    prop_oneof![
        "[a-c<\"é]".prop_map(|name| Element::field(&name)),
        (0..3i64).prop_map(Element::Index),
        prop_oneof![
            (0..3i64).prop_map(Value::from),
            "[a-c<]".prop_map(Value::from),
            any::<bool>().prop_map(Value::from)
        ]
        .prop_map(Element::Value),
        (prop::option::of("[ab]"), 0..3i64).prop_map(|(name, port)| {
            let mut key = json!({"port": port});
            if let Some(name) = name {
                key["name"] = name.into();
            }
            Element::parse(&format!("k:{key}")).unwrap()
        }),
    ]
}

fn paths() -> impl Strategy<Value = Vec<FieldPath>> {
    prop::collection::vec(prop::collection::vec(element(), 1..4).prop_map(FieldPath), 0..10)
}

fn set(paths: &[FieldPath]) -> FieldSet {
    let mut set = FieldSet::new();
    for path in paths {
        set.insert(&path.0);
    }
    set
}

/// A set as the plain set of its paths, to which the algebra is compared.
fn plain(set: &FieldSet) -> BTreeSet<FieldPath> {
    set.paths().into_iter().collect()
}

proptest! {
    #[test]
    fn a_set_is_read_back_as_it_was_written(paths in paths()) {
        let set = set(&paths);
        prop_assert_eq!(plain(&set), paths.iter().cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(&read(&set.to_fields_v1()), &set);
        prop_assert_eq!(&read(&serde_json::from_str(&set.to_json()).unwrap()), &set);
        prop_assert!(paths.iter().all(|path| set.has(&path.0)));
    }

    #[test]
    fn the_algebra_is_that_of_sets_of_paths(left in paths(), right in paths()) {
        let (left, right) = (set(&left), set(&right));
        let (one, two) = (plain(&left), plain(&right));
        prop_assert_eq!(plain(&left.union(&right)), one.union(&two).cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(plain(&left.intersection(&right)), one.intersection(&two).cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(plain(&left.difference(&right)), one.difference(&two).cloned().collect::<BTreeSet<_>>());
        let covered = |path: &FieldPath| (1..=path.0.len()).any(|length| right.has(&path.0[..length]));
        prop_assert_eq!(
            plain(&left.recursive_difference(&right)),
            one.iter().filter(|path| !covered(path)).cloned().collect::<BTreeSet<_>>()
        );
        let is_leaf = |path: &FieldPath| !one.iter().any(|other| other.0.len() > path.0.len() && other.0.starts_with(&path.0));
        prop_assert_eq!(plain(&left.leaves()), one.iter().filter(|path| is_leaf(path)).cloned().collect::<BTreeSet<_>>());
    }

    #[test]
    fn what_two_sets_share_and_what_they_do_not_make_up_the_first(left in paths(), right in paths()) {
        let (left, right) = (set(&left), set(&right));
        prop_assert_eq!(left.intersection(&right).union(&left.difference(&right)), left.clone());
        prop_assert_eq!(left.union(&right), right.union(&left));
        prop_assert!(left.difference(&left).is_empty());
    }
}
