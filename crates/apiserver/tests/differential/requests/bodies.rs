//! Bodies that are no objects, or not of the kind, and their media types.

use serde_json::{Value, json};

use crate::request::Plan;

struct Place {
    name: &'static str,
    path: &'static str,
    api_version: &'static str,
    kind: &'static str,
    /// A field that holds text, as an opening of an object's body.
    field: &'static str,
}

const PLACES: &[Place] = &[
    Place {
        name: "configmap",
        path: "/api/v1/namespaces/one/configmaps",
        api_version: "v1",
        kind: "ConfigMap",
        field: "data",
    },
    Place {
        name: "widget",
        path: "/apis/example.com/v1/namespaces/one/widgets",
        api_version: "example.com/v1",
        kind: "Widget",
        field: "spec",
    },
    Place {
        name: "role",
        path: "/apis/rbac.authorization.k8s.io/v1/namespaces/one/roles",
        api_version: "rbac.authorization.k8s.io/v1",
        kind: "Role",
        field: "rules",
    },
];

pub fn add(plan: &mut Plan) {
    plan.area("bodies");
    for place in PLACES {
        texts(plan, place);
        objects(plan, place);
        media(plan, place);
    }
}

/// Text that cannot be read.
fn texts(plan: &mut Plan, place: &Place) {
    let Place { name, path, api_version, kind, .. } = place;
    let path = &format!("{path}?dryRun=All");
    let head = format!("{{\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\",\"metadata\":{{\"name\":\"a\"}}");
    let texts: &[(&str, String)] = &[
        ("empty", String::new()),
        ("blank", " ".into()),
        ("null", "null".into()),
        ("a number", "7".into()),
        ("a text", "\"x\"".into()),
        ("an array", "[]".into()),
        ("an empty object", "{}".into()),
        ("a lone brace", "{".into()),
        ("cut off", head.clone()),
        ("a comma too much", format!("{head},}}")),
        ("a missing colon", "{\"apiVersion\" \"v1\"}".into()),
        ("a control character", format!("{head},\"x\":\"a\u{1}b\"}}")),
        ("a bad escape", format!("{head},\"x\":\"\\q\"}}")),
        ("a lone surrogate", format!("{head},\"data\":{{\"x\":\"\\ud800\"}}}}")),
        ("something behind", format!("{head}}} x")),
        ("two objects", format!("{head}}}{head}}}")),
        ("a word", format!("{head},\"x\":nil}}")),
        ("a leading zero", format!("{head},\"x\":01}}")),
        ("a huge number", format!("{head},\"x\":1e999}}")),
        ("a huge integer", format!("{head},\"x\":123456789012345678901234567890}}")),
        ("no kind", format!("{{\"apiVersion\":\"{api_version}\",\"metadata\":{{\"name\":\"a\"}}}}")),
        ("no version", format!("{{\"kind\":\"{kind}\",\"metadata\":{{\"name\":\"a\"}}}}")),
        ("neither", "{\"metadata\":{\"name\":\"a\"}}".into()),
        (
            "another kind",
            format!("{{\"apiVersion\":\"{api_version}\",\"kind\":\"Other\",\"metadata\":{{\"name\":\"a\"}}}}"),
        ),
        ("a known kind", "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"}}".into()),
        (
            "another version",
            format!("{{\"apiVersion\":\"example.com/v7\",\"kind\":\"{kind}\",\"metadata\":{{\"name\":\"a\"}}}}"),
        ),
        ("an odd version", format!("{{\"apiVersion\":\"a/b/c\",\"kind\":\"{kind}\",\"metadata\":{{\"name\":\"a\"}}}}")),
        (
            "a version that is a number",
            format!("{{\"apiVersion\":1,\"kind\":\"{kind}\",\"metadata\":{{\"name\":\"a\"}}}}"),
        ),
        (
            "a kind that is a list",
            format!("{{\"apiVersion\":\"{api_version}\",\"kind\":[],\"metadata\":{{\"name\":\"a\"}}}}"),
        ),
        (
            "metadata that is a text",
            format!("{{\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\",\"metadata\":\"a\"}}"),
        ),
        ("no metadata", format!("{{\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\"}}")),
        ("null metadata", format!("{{\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\",\"metadata\":null}}")),
        ("a deep nest", format!("{head},\"x\":{}{}}}", "[".repeat(12_000), "]".repeat(12_000))),
        ("a nest", format!("{head},\"x\":{}{}}}", "[".repeat(200), "]".repeat(200))),
        ("a list of it", format!("{{\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}List\",\"items\":[]}}")),
        ("a capital field", format!("{head},\"Data\":{{\"a\":\"b\"}},\"Spec\":{{}}}}")),
    ];
    for (slug, text) in texts {
        plan.ask(&format!("{name} from {slug}"), "POST", path).text(text);
    }
    let mut bytes = format!("{head},\"x\":\"").into_bytes();
    bytes.extend_from_slice(b"\xff\xfe\"}");
    plan.ask(&format!("{name} from invalid UTF-8"), "POST", path).bytes(&bytes);
    let yaml = [
        ("plain", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: a\n")),
        (
            "comments",
            format!("# a comment\napiVersion: {api_version} # another\nkind: {kind}\nmetadata: {{name: a}}\n"),
        ),
        (
            "an anchor",
            format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: &n a\n  labels: {{x: *n}}\n"),
        ),
        ("a merge key", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  <<: {{name: a}}\n")),
        ("a tab", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n\tname: a\n")),
        ("an open bracket", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a\n")),
        ("two documents", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: a\n---\nb: c\n")),
        ("a duplicate key", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: a\n  name: b\n")),
        ("a number for a name", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: 7\n")),
        (
            "a bool for a label",
            format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: a\n  labels: {{x: yes}}\n"),
        ),
        ("a list", "- a\n- b\n".to_owned()),
        ("a text", "hello\n".to_owned()),
        ("nothing", String::new()),
        ("an unknown alias", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: *x\n")),
        ("an unknown field", format!("apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: a\nother: 1\n")),
    ];
    for (slug, text) in &yaml {
        plan.ask(&format!("{name} from YAML with {slug}"), "POST", path).content("application/yaml").text(text);
    }
}

/// Objects with fields that the kind does not have or that stand twice.
fn objects(plan: &mut Plan, place: &Place) {
    let Place { name, path, api_version, kind, field } = place;
    let head = format!("\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}\"");
    let texts = [
        ("an unknown field", format!("{{{head},\"metadata\":{{\"name\":\"a\"}},\"other\":{{\"x\":1}}}}")),
        ("unknown fields", format!("{{{head},\"metadata\":{{\"name\":\"a\",\"odd\":1}},\"z\":1,\"y\":{{}}}}")),
        ("a duplicate field", format!("{{{head},\"metadata\":{{\"name\":\"a\",\"name\":\"b\"}}}}")),
        (
            "duplicates and unknowns",
            format!(
                "{{{head},\"kind\":\"{kind}\",\"metadata\":{{\"name\":\"a\",\"labels\":{{\"x\":\"1\",\"x\":\"2\"}}}},\"o\":1,\"o\":2}}"
            ),
        ),
        ("a field of another type", format!("{{{head},\"metadata\":{{\"name\":\"a\"}},\"{field}\":7}}")),
        ("a field that is null", format!("{{{head},\"metadata\":{{\"name\":\"a\"}},\"{field}\":null}}")),
    ];
    for (slug, text) in &texts {
        for validation in ["Strict", "Warn", "Ignore", "Other"] {
            let target = format!("{path}?dryRun=All&fieldValidation={validation}");
            plan.ask(&format!("{name} with {slug}, {validation}"), "POST", &target).text(text);
        }
    }
    let wrong: &[(&str, Value)] = &[
        ("a name that is a number", json!({"name": 7})),
        ("labels that are a list", json!({"name": "a", "labels": []})),
        ("a label that is a number", json!({"name": "a", "labels": {"x": 1}})),
        ("an annotation that is an object", json!({"name": "a", "annotations": {"x": {}}})),
        ("finalizers that are a text", json!({"name": "a", "finalizers": "x"})),
        ("a time that is none", json!({"name": "a", "creationTimestamp": "yesterday"})),
        ("a generation that is a text", json!({"name": "a", "generation": "1"})),
        ("owners that are no objects", json!({"name": "a", "ownerReferences": ["x"]})),
    ];
    for (slug, metadata) in wrong {
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        plan.post(&format!("{name} with {slug}"), &format!("{path}?dryRun=All"), &body);
    }
}

/// Types of content, also for other methods.
fn media(plan: &mut Plan, place: &Place) {
    let Place { name, path, api_version, kind, .. } = place;
    let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
    let dry = &format!("{path}?dryRun=All");
    for media in [
        "application/json",
        "application/json; charset=utf-8",
        "application/yaml",
        "application/cbor",
        "application/xml",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/merge-patch+json",
        "nonsense",
        "application/json;as=Table",
    ] {
        plan.post(&format!("{name} sent as {media}"), dry, &body).content(media);
    }
    plan.post(&format!("{name} without a type"), dry, &body).content("");
    for media in ["application/json", "application/merge-patch", "text/plain", "application/json-patch+json;x=y", ""] {
        plan.merge(&format!("{name} patched as {media}"), &format!("{path}/missing"), &json!({})).content(media);
    }
    for accept in [
        "application/vnd.kubernetes.protobuf,application/json",
        "application/cbor,application/json",
        "application/cbor",
        "application/*",
        "text/plain,*/*",
        "application/json;q=0.1,application/yaml;q=0.9",
        "application/json;as=Table;v=v2;g=meta.k8s.io",
        "application/json;as=Other;v=v1;g=meta.k8s.io",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        "application/json;stream=watch",
        "nonsense",
        "application/json;pretty=1",
        ",",
    ] {
        if accept.contains("protobuf") {
            // The real server would answer in protobuf, which the embedded one does not write.
            continue;
        }
        plan.get(&format!("{name} accepted as {accept}"), &format!("{path}/missing")).accept(accept);
        plan.get(&format!("{name} list accepted as {accept}"), &format!("{path}?labelSelector=none")).accept(accept);
    }
    for (method, target) in [
        ("POST", format!("{path}/a")),
        ("PUT", (*path).to_owned()),
        ("PATCH", (*path).to_owned()),
        ("OPTIONS", (*path).to_owned()),
        ("HEAD", format!("{path}/a")),
        ("TRACE", (*path).to_owned()),
        ("PROPFIND", (*path).to_owned()),
        ("DELETE", format!("{path}/a/status")),
        ("POST", format!("{path}/a/status")),
        ("GET", format!("{path}/a/other")),
        ("GET", format!("{path}/a/status/x")),
        ("PUT", format!("{path}/a/scale")),
    ] {
        plan.ask(&format!("{name} {method} {target}"), method, &target).json(&body);
    }
    let across = path.replace("/namespaces/one", "");
    plan.post(&format!("{name} without a namespace"), &across, &body);
    plan.get(&format!("{name} of no namespace"), &format!("{across}/a"));
    plan.delete(&format!("{name} deleted across namespaces"), &across);
}
