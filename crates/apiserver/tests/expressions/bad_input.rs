//! What nobody should send, and what is said of it.

use serde_json::{Value, json};

use crate::both::{Both, definition};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const GADGETS: &str = "/apis/example.org/v1/namespaces/default/gadgets";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All";
const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const MERGE: &str = "application/merge-patch+json";
const PATCH: &str = "application/json-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

async fn start(name: &str) -> Both {
    let both = Both::start(name).await;
    let spec = json!({"type": "object", "properties": {
        "size": {"type": "integer"}, "long": {"type": "integer", "format": "int64"}, "ratio": {"type": "number"}, "name": {"type": "string"},
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    both.define(&definition("gadgets", "Gadget", &json!({"type": "object", "properties": {"spec": spec}}))).await;
    both
}

fn map(metadata: &str, data: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{metadata},"data":{data}}}"#)
}

fn gadget(metadata: &str, spec: &str) -> String {
    format!(r#"{{"apiVersion":"example.org/v1","kind":"Gadget","metadata":{metadata},"spec":{spec}}}"#)
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused_as_by_kubernetes() {
    let mut both = start("bodies").await;
    let (maps, gadgets) = (format!("{MAPS}?dryRun=All"), format!("{GADGETS}?dryRun=All"));
    let named = r#"{"name":"n"}"#;
    let long = |count: usize| format!(r#"{{"name":"{}"}}"#, "n".repeat(count));
    let labels = |count: usize| {
        let all: serde_json::Map<String, Value> = (0..count).map(|n| (format!("label-{n:05}"), json!("x"))).collect();
        json!({"name": "n", "labels": all}).to_string()
    };
    let deep = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let table: Vec<(&str, &str, &str, Vec<u8>)> = vec![
        ("nothing", &maps, JSON, Vec::new()),
        ("an open brace", &maps, JSON, b"{".to_vec()),
        ("two documents", &maps, JSON, [map(named, "{}"), map(named, "{}")].concat().into_bytes()),
        ("no kind", &maps, JSON, br#"{"apiVersion":"v1","metadata":{"name":"n"}}"#.to_vec()),
        ("no kind of a custom object", &gadgets, JSON, br#"{"apiVersion":"example.org/v1","metadata":{"name":"n"}}"#.to_vec()),
        ("another kind of a custom object", &gadgets, JSON, br#"{"apiVersion":"example.org/v1","kind":"Widget","metadata":{"name":"n"}}"#.to_vec()),
        ("another version of a custom object", &gadgets, JSON, br#"{"apiVersion":"example.org/v2","kind":"Gadget","metadata":{"name":"n"}}"#.to_vec()),
        ("a number for the name of a custom object", &gadgets, JSON, gadget(r#"{"name":1}"#, "{}").into_bytes()),
        ("text that is no UTF-8", &maps, JSON, [br#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"n"},"data":{"a":""#.as_slice(), b"\xff\xfe", br#""}}"#].concat()),
        ("text of a custom object that is no UTF-8", &gadgets, JSON, [br#"{"apiVersion":"example.org/v1","kind":"Gadget","metadata":{"name":"n"},"spec":{"name":""#.as_slice(), b"\xff", br#""}}"#].concat()),
        ("half a pair of surrogates", &maps, JSON, map(named, r#"{"a":"\ud800"}"#).into_bytes()),
        ("a control character", &maps, JSON, map(named, "{\"a\":\"\u{1}\"}").into_bytes()),
        ("a huge number", &gadgets, JSON, gadget(named, r#"{"size":123456789012345678901234567890}"#).into_bytes()),
        ("a number beyond floats", &gadgets, JSON, gadget(named, r#"{"ratio":1e400}"#).into_bytes()),
        ("a number that is no integer", &gadgets, JSON, gadget(named, r#"{"size":1.5}"#).into_bytes()),
        ("a whole number written as a float", &gadgets, JSON, gadget(named, r#"{"size":1.0,"long":9007199254740993}"#).into_bytes()),
        ("the largest integer", &gadgets, JSON, gadget(named, r#"{"long":9223372036854775807}"#).into_bytes()),
        ("one more", &gadgets, JSON, gadget(named, r#"{"long":9223372036854775808}"#).into_bytes()),
        ("a number with a leading zero", &gadgets, JSON, gadget(named, r#"{"size":01}"#).into_bytes()),
        ("deep nesting", &gadgets, JSON, gadget(named, &format!(r#"{{"any":{}}}"#, deep(80))).into_bytes()),
        ("too long a name", &maps, JSON, map(&long(254), r#"{"a":"b"}"#).into_bytes()),
        ("too long a name of a custom object", &gadgets, JSON, gadget(&long(254), "{}").into_bytes()),
        ("too long a key", &maps, JSON, map(named, &format!(r#"{{"{}":"x"}}"#, "k".repeat(254))).into_bytes()),
        ("too long a label", &maps, JSON, map(&format!(r#"{{"name":"n","labels":{{"a":"{}"}}}}"#, "v".repeat(64)), r#"{"a":"b"}"#).into_bytes()),
        ("too long a label's name", &gadgets, JSON, gadget(&format!(r#"{{"name":"n","labels":{{"{}":"a"}}}}"#, "v".repeat(64)), "{}").into_bytes()),
        ("too many annotations", &maps, JSON, map(&format!(r#"{{"name":"n","annotations":{{"a":"{}"}}}}"#, "v".repeat(262_145)), r#"{"a":"b"}"#).into_bytes()),
        ("ten thousand labels", &maps, JSON, map(&labels(10_000), r#"{"a":"b"}"#).into_bytes()),
        ("ten thousand labels of a custom object", &gadgets, JSON, gadget(&labels(10_000), "{}").into_bytes()),
        ("too large a value", &maps, JSON, map(named, &format!(r#"{{"a":"{}"}}"#, "x".repeat((1 << 20) + 1))).into_bytes()),
        ("YAML that is none", &maps, YAML, b"a: b: c".to_vec()),
        ("YAML that grows", &maps, YAML, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: n}\nx: &a [1,1,1,1,1,1,1,1,1]\ny: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nz: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nw: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\nv: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nu: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\nt: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n".to_vec()),
        ("another type of body", &maps, "text/plain", b"x".to_vec()),
    ];
    for (what, path, kind, body) in table {
        both.same(what, "POST", path, kind, body).await;
    }
    let schema =
        |schema: Value| definition("things", "Thing", &json!({"type": "object", "properties": {"spec": schema}}));
    for (what, own) in [
        ("a reference", json!({"$ref": "#/definitions/spec"})),
        ("a schema that holds itself", json!({"type": "object", "properties": {"spec": {"$ref": "#"}}})),
        ("definitions", json!({"type": "object", "definitions": {"a": {"type": "string"}}})),
    ] {
        both.post(what, DEFINITIONS, &schema(own)).await;
    }
    for (what, query) in [
        ("a token of nothing", "continue=x&limit=1"),
        ("a token that is no JSON", "continue=e30&limit=1"),
        ("a token of another version", "continue=eyJ2IjoieCIsInJ2IjoxLCJzdGFydCI6ImEifQ&limit=1"),
        (
            "a token and a version",
            "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhXHUwMDAwIn0&limit=1&resourceVersion=5",
        ),
        ("a limit that is no number", "limit=x"),
        ("a limit below zero", "limit=-1"),
        ("a version that is no number", "resourceVersion=x"),
        ("a version of the future", "resourceVersion=999999999&resourceVersionMatch=Exact"),
        ("an unknown match", "resourceVersion=1&resourceVersionMatch=Nearly"),
        ("a selector that is none", "labelSelector=a%20b"),
        ("a field that is none", "fieldSelector=spec.nope%3D1"),
    ] {
        for path in [MAPS, GADGETS] {
            let [ours, theirs] = both.ask("GET", &format!("{path}?{query}"), JSON, "").await;
            // Versions are each server's own.
            if what != "a version of the future" || ours.code != theirs.code {
                both.same(&format!("{what} at {path}"), "GET", &format!("{path}?{query}"), JSON, "").await;
            }
        }
    }
    both.finish();
}

#[tokio::test]
async fn unknown_and_doubled_fields_are_told_as_by_kubernetes() {
    let mut both = start("fields").await;
    both.make(MAPS, &json!({"metadata": {"name": "m"}, "data": {"a": "b"}})).await;
    both.make(GADGETS, &json!({"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"size": 1, "list": [{"a": "x"}], "any": {"k": 1}}})).await;
    for validation in ["Ignore", "Warn", "Strict", ""] {
        let query = if validation.is_empty() {
            "?dryRun=All".to_owned()
        } else {
            format!("?dryRun=All&fieldValidation={validation}")
        };
        let (m, g) = (format!("{MAPS}/m{query}"), format!("{GADGETS}/g{query}"));
        let apply = |path: &str| format!("{path}&fieldManager=me&force=true");
        let table: Vec<(&str, &str, String, &str, &str)> = vec![
            (
                "create",
                "POST",
                format!("{MAPS}{query}"),
                JSON,
                r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"n","x":1},"data":{"a":"b"},"y":{"z":1}}"#,
            ),
            (
                "create with doubled fields",
                "POST",
                format!("{MAPS}{query}"),
                JSON,
                r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"n","name":"n"},"data":{"a":"b","a":"c"}}"#,
            ),
            (
                "create of a custom object",
                "POST",
                format!("{GADGETS}{query}"),
                JSON,
                r#"{"apiVersion":"example.org/v1","kind":"Gadget","metadata":{"name":"n","x":1},"spec":{"size":1,"y":1,"list":[{"a":"x","b":1},{"c":2}],"any":{"q":1}},"z":1}"#,
            ),
            (
                "create of a custom object with doubled fields",
                "POST",
                format!("{GADGETS}{query}"),
                JSON,
                r#"{"apiVersion":"example.org/v1","kind":"Gadget","metadata":{"name":"n"},"spec":{"size":1,"size":2,"list":[{"a":"x","a":"y"}],"any":{"q":1,"q":2}}}"#,
            ),
            (
                "create of both",
                "POST",
                format!("{GADGETS}{query}"),
                JSON,
                r#"{"apiVersion":"example.org/v1","kind":"Gadget","metadata":{"name":"n"},"spec":{"size":1,"size":2,"y":1}}"#,
            ),
            (
                "create from YAML",
                "POST",
                format!("{GADGETS}{query}"),
                YAML,
                "apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: n}\nspec: {size: 1, size: 2, y: 1}\n",
            ),
            (
                "create of a built-in kind from YAML",
                "POST",
                format!("{MAPS}{query}"),
                YAML,
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nn}\ndata: {a: b, a: c}\nz: 1\n",
            ),
            (
                "update",
                "PUT",
                m.clone(),
                JSON,
                r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":"b"},"y":1}"#,
            ),
            ("merge patch", "PATCH", m.clone(), MERGE, r#"{"y":1,"data":{"c":"d"}}"#),
            ("merge patch with doubled fields", "PATCH", m.clone(), MERGE, r#"{"data":{"c":"d","c":"e"}}"#),
            ("strategic merge patch", "PATCH", m.clone(), STRATEGIC, r#"{"y":1,"data":{"c":"d"}}"#),
            (
                "strategic merge patch with doubled fields",
                "PATCH",
                m.clone(),
                STRATEGIC,
                r#"{"data":{"c":"d","c":"e"}}"#,
            ),
            ("JSON patch", "PATCH", m.clone(), PATCH, r#"[{"op":"add","path":"/y","value":1}]"#),
            (
                "JSON patch with doubled fields",
                "PATCH",
                m.clone(),
                PATCH,
                r#"[{"op":"add","path":"/data/x","path":"/data/y","value":"1"}]"#,
            ),
            (
                "JSON patch with unknown fields of its own",
                "PATCH",
                m.clone(),
                PATCH,
                r#"[{"op":"add","path":"/data/x","value":"1","nope":1}]"#,
            ),
            (
                "JSON patch with doubled fields in its value",
                "PATCH",
                m.clone(),
                PATCH,
                r#"[{"op":"add","path":"/data","value":{"a":"1","a":"2"}}]"#,
            ),
            ("merge patch of a custom object", "PATCH", g.clone(), MERGE, r#"{"spec":{"y":1,"size":2},"z":1}"#),
            (
                "merge patch of a custom object with doubled fields",
                "PATCH",
                g.clone(),
                MERGE,
                r#"{"spec":{"size":2,"size":3}}"#,
            ),
            (
                "JSON patch of a custom object",
                "PATCH",
                g.clone(),
                PATCH,
                r#"[{"op":"add","path":"/spec/y","value":1},{"op":"add","path":"/spec/list/0/b","value":1}]"#,
            ),
            (
                "JSON patch of a custom object with doubled fields",
                "PATCH",
                g.clone(),
                PATCH,
                r#"[{"op":"add","path":"/spec/any","value":{"a":1,"a":2}}]"#,
            ),
            ("JSON patch of metadata", "PATCH", g.clone(), PATCH, r#"[{"op":"add","path":"/metadata/x","value":1}]"#),
            ("JSON patch of nothing known", "PATCH", g.clone(), PATCH, r#"[{"op":"add","path":"/nope","value":1}]"#),
            ("apply", "PATCH", apply(&m), APPLY, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ny: 1\n"),
            (
                "apply with doubled fields",
                "PATCH",
                apply(&m),
                APPLY,
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: b, a: c}\n",
            ),
            (
                "apply of a custom object",
                "PATCH",
                apply(&g),
                APPLY,
                "apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: g}\nspec: {y: 1, size: 3}\n",
            ),
            (
                "apply of a custom object with doubled fields",
                "PATCH",
                apply(&g),
                APPLY,
                "apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: g}\nspec: {size: 3, size: 4}\n",
            ),
        ];
        for (what, method, path, kind, body) in table {
            both.same(&format!("{what} ({validation})"), method, &path, kind, body).await;
        }
    }
    both.finish();
}
