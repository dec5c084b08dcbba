//! Tables: the cells of custom kinds, and what goes along with a row.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use apimachinery::negotiate::MetaVersion;
use apimachinery::table::{Columns, Include, JsonPath, Options, PrinterColumn, render};
use apimachinery::target::Query;
use jiff::Timestamp;
use serde_json::{Value, json};

fn object() -> Value {
    json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {
            "name": "a", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"example.com/size": "big", "k8s.io/x": "y"},
        },
        "spec": {"replicas": 3, "ratio": 0.5, "on": true, "list": ["x", "y", "z"], "empty": null, "map": {"k": "v"}},
        "status": {"conditions": [
            {"type": "Synced", "status": "False", "n": 1},
            {"type": "Ready", "status": "True", "n": 2, "at": "2026-01-01T23:00:00Z"},
        ]},
    })
}

fn options(include: Include, headers: bool) -> Options {
    Options { include, headers, version: MetaVersion::V1, now: "2026-01-02T00:00:00Z".parse::<Timestamp>().unwrap() }
}

fn cell(kind: &str, path: &str) -> Value {
    let column = PrinterColumn { name: "X".into(), kind: kind.into(), json_path: path.into(), ..Default::default() };
    let table = render(&Columns::custom(&[column]), &json!({}), [object()], &options(Include::None, false));
    table.pointer("/rows/0/cells/1").cloned().unwrap()
}

#[test]
fn a_path_finds_what_kubernetes_finds() {
    for (path, found) in [
        (".spec.replicas", json!(3)),
        (".spec.list[0]", json!("x")),
        (".spec.list[-1]", json!("z")),
        (".spec.list[-1:]", json!("z")),
        (".spec.list[1:]", json!("y")),
        (".spec.list[*]", json!("x")),
        (".spec.list[::2]", json!("x")),
        (".spec['replicas']", json!(3)),
        (".spec['map']['k']", json!("v")),
        (r".metadata.annotations.example\.com/size", json!("big")),
        (r".metadata.annotations['example\.com/size']", json!("big")),
        (r#".status.conditions[?(@.type=="Ready")].status"#, json!("True")),
        (".status.conditions[?(@.type=='Ready')].status", json!("True")),
        (".status.conditions[?(@.type != 'Ready')].status", json!("False")),
        (".status.conditions[?(@.n>1)].type", json!("Ready")),
        (".status.conditions[?(@.n<=1)].type", json!("Synced")),
        (".status.conditions[?(@.at)].type", json!("Ready")),
        (".status.conditions[1,0].type", json!("Ready")),
        ("..k", json!("v")),
        (".spec.map.*", json!("v")),
    ] {
        let object = object();
        let path = JsonPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(path.first(&object), Some(&found), "{path:?}");
    }
    for path in [
        ".spec.none",
        ".none.at.all",
        ".spec.list[3]",
        ".spec.list[-4]",
        ".spec.replicas[0]",
        ".spec.replicas.x",
        ".spec.empty.x",
        ".status.conditions[?(@.n>1.5)].type",
        ".status.conditions[?(@.type=1)]",
        ".",
        ".spec.list[2:1]",
    ] {
        assert_eq!(JsonPath::parse(path).unwrap().first(&object()), None, "{path}");
    }
    for path in [".a[", ".a[x]", ".a[?(@.b", ".a[?(@.b)", "..a....", ".a,b", ".a[1:2:3:4]", ".a}"] {
        assert!(JsonPath::parse(path).is_err(), "{path}");
    }
}

#[test]
fn a_cell_has_its_columns_type() {
    for (kind, path, expected) in [
        ("string", ".spec.replicas", json!("3")),
        ("string", ".spec.on", json!("true")),
        ("string", ".spec.list", json!(r#"["x","y","z"]"#)),
        ("string", ".spec.map", json!(r#"{"k":"v"}"#)),
        ("string", ".spec.empty", json!("<no value>")),
        ("string", ".spec.none", Value::Null),
        ("integer", ".spec.replicas", json!(3)),
        ("integer", ".spec.ratio", json!(0)),
        ("integer", ".spec.on", Value::Null),
        ("number", ".spec.ratio", json!(0.5)),
        ("number", ".spec.replicas", json!(3)),
        ("boolean", ".spec.on", json!(true)),
        ("boolean", ".spec.ratio", Value::Null),
        ("date", ".metadata.creationTimestamp", json!("24h")),
        ("date", ".metadata.name", json!("<invalid>")),
        ("date", ".status.conditions[1].at", json!("60m")),
    ] {
        assert_eq!(cell(kind, path), expected, "{kind} {path}");
    }
}

#[test]
fn a_kind_without_columns_shows_name_and_age() {
    let list = json!({"resourceVersion": "9", "continue": "c", "remainingItemCount": 2});
    let table = render(&Columns::custom(&[]), &list, [object()], &options(Include::Metadata, true));
    insta::assert_json_snapshot!(table);
}

#[test]
fn columns_are_told_with_their_descriptions() {
    let columns: Vec<PrinterColumn> = serde_json::from_value(json!([
        {"name": "Replicas", "type": "integer", "format": "int32", "jsonPath": ".spec.replicas", "description": "How many."},
        {"name": "On", "type": "boolean", "priority": 1, "jsonPath": ".spec.on"},
        {"name": "Bad", "type": "string", "jsonPath": ".a["},
        {"name": "Never", "type": "string", "jsonPath": ".a"},
    ]))
    .unwrap();
    let table = render(&Columns::custom(&columns), &json!({}), [object()], &options(Include::Object, true));
    insta::assert_json_snapshot!(table);
}

#[test]
fn a_later_event_of_a_watch_tells_no_columns() {
    let table =
        render(&Columns::custom(&[]), &json!({"resourceVersion": "7"}), [object()], &options(Include::None, false));
    insta::assert_json_snapshot!(table);
}

#[test]
fn only_known_values_include_the_object() {
    assert_eq!(Include::read(Query::new("")), Ok(Include::Metadata));
    assert_eq!(Include::read(Query::new("includeObject=Object")), Ok(Include::Object));
    assert_eq!(Include::read(Query::new("includeObject=None")), Ok(Include::None));
    assert_eq!(
        Include::read(Query::new("includeObject=All")).unwrap_err().to_string(),
        "Unable to convert to Table as requested: includeObject: Invalid value: \"All\": must be 'Metadata', 'Object', 'None', or empty"
    );
}
