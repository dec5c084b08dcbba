//! The four kinds of patches, each in its corners.

use serde_json::{Value, json};

use crate::request::Plan;

const MAPS: &str = "/api/v1/namespaces/one/configmaps";
const GIZMOS: &str = "/apis/example.com/v1/namespaces/one/gizmos";
const ACCOUNTS: &str = "/api/v1/namespaces/one/serviceaccounts";

pub fn add(plan: &mut Plan) {
    plan.area("patches");
    plan.post("create a map", MAPS, &json!({"metadata": {"name": "patched", "labels": {"a": "1", "b/c": "2"}}, "data": {"x": "1", "y~z": "2", "": "no"}}));
    plan.post(
        "create the map",
        MAPS,
        &json!({"metadata": {"name": "patched", "labels": {"a": "1", "b": "2"}}, "data": {"x": "1", "y": "2"}}),
    );
    let gizmo = json!({"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "patched"},
        "list": [1, 2, 3], "map": {"a": {"b": {"c": 1}}, "x/y": 1, "m~n": 2, "": 3}, "text": "t", "number": 1.5, "nothing": null});
    plan.post("create the gizmo", GIZMOS, &gizmo);
    let operations: Vec<(&str, Value)> = vec![
        ("nothing", json!([])),
        ("add", json!([{"op": "add", "path": "/map/new", "value": 1}])),
        ("add to a list", json!([{"op": "add", "path": "/list/1", "value": 9}])),
        ("add to the end", json!([{"op": "add", "path": "/list/-", "value": 9}])),
        ("add behind the end", json!([{"op": "add", "path": "/list/7", "value": 9}])),
        ("add at -1", json!([{"op": "add", "path": "/list/-1", "value": 9}])),
        ("add at 01", json!([{"op": "add", "path": "/list/01", "value": 9}])),
        ("add at a word", json!([{"op": "add", "path": "/list/x", "value": 9}])),
        ("add below nothing", json!([{"op": "add", "path": "/none/x", "value": 9}])),
        ("add below a text", json!([{"op": "add", "path": "/text/x", "value": 9}])),
        ("add without a value", json!([{"op": "add", "path": "/map/new"}])),
        ("add a null", json!([{"op": "add", "path": "/map/new", "value": null}])),
        ("add to the root", json!([{"op": "add", "path": "", "value": {"a": 1}}])),
        ("remove", json!([{"op": "remove", "path": "/map/a/b"}])),
        ("remove what is not there", json!([{"op": "remove", "path": "/map/none"}])),
        ("remove from a list", json!([{"op": "remove", "path": "/list/0"}])),
        ("remove behind the end", json!([{"op": "remove", "path": "/list/3"}])),
        ("remove the root", json!([{"op": "remove", "path": ""}])),
        ("replace", json!([{"op": "replace", "path": "/text", "value": {"a": [1]}}])),
        ("replace what is not there", json!([{"op": "replace", "path": "/none", "value": 1}])),
        (
            "replace an escaped key",
            json!([{"op": "replace", "path": "/map/x~1y", "value": 5}, {"op": "replace", "path": "/map/m~0n", "value": 6}, {"op": "replace", "path": "/map/", "value": 7}]),
        ),
        ("move", json!([{"op": "move", "from": "/map/a", "path": "/moved"}])),
        ("move into itself", json!([{"op": "move", "from": "/map", "path": "/map/a"}])),
        ("move nothing", json!([{"op": "move", "from": "/none", "path": "/x"}])),
        ("move without from", json!([{"op": "move", "path": "/x"}])),
        ("copy", json!([{"op": "copy", "from": "/map/a", "path": "/copied"}])),
        ("copy nothing", json!([{"op": "copy", "from": "/none", "path": "/x"}])),
        ("test", json!([{"op": "test", "path": "/map/a", "value": {"b": {"c": 1}}}])),
        ("test that fails", json!([{"op": "test", "path": "/text", "value": "u"}])),
        ("test nothing", json!([{"op": "test", "path": "/none", "value": null}])),
        ("test a number", json!([{"op": "test", "path": "/number", "value": 1.50}])),
        ("an odd operation", json!([{"op": "odd", "path": "/text"}])),
        ("no operation", json!([{"path": "/text"}])),
        ("no path", json!([{"op": "remove"}])),
        ("a path without a slash", json!([{"op": "remove", "path": "text"}])),
        ("a text", json!("x")),
        ("an object", json!({})),
        ("numbers", json!([1])),
        ("a path that is a number", json!([{"op": "remove", "path": 1}])),
        ("the kind", json!([{"op": "replace", "path": "/kind", "value": "Other"}])),
        ("the version", json!([{"op": "remove", "path": "/apiVersion"}])),
        ("the name", json!([{"op": "replace", "path": "/metadata/name", "value": "other"}])),
        ("the metadata", json!([{"op": "remove", "path": "/metadata"}])),
        ("too many", json!(vec![json!({"op": "test", "path": "/text", "value": "t"}); 10_001])),
    ];
    for (slug, patch) in &operations {
        plan.json_patch(&format!("json: {slug}"), &format!("{GIZMOS}/patched?dryRun=All"), patch);
    }
    for (slug, patch) in &operations[..14] {
        plan.json_patch(&format!("json on a map: {slug}"), &format!("{MAPS}/patched?dryRun=All"), patch);
    }
    let merges: Vec<(&str, Value)> = vec![
        ("nothing", json!({})),
        ("a null", json!(null)),
        ("a list", json!([])),
        ("a text", json!("x")),
        ("a new field", json!({"new": {"a": null, "b": 1}})),
        ("a removed field", json!({"text": null, "none": null})),
        ("a replaced list", json!({"list": [{"a": null}]})),
        ("a deep change", json!({"map": {"a": {"b": {"c": null, "d": [1]}}}})),
        ("another type", json!({"map": 7, "text": {"a": "b"}})),
        ("no metadata", json!({"metadata": null})),
        ("no name", json!({"metadata": {"name": null}})),
        ("no kind", json!({"kind": null})),
        ("labels", json!({"metadata": {"labels": {"x": "y", "bad key": null}}})),
        ("bad labels", json!({"metadata": {"labels": {"bad key": "x"}}})),
    ];
    for (slug, patch) in &merges {
        plan.merge(&format!("merge: {slug}"), &format!("{GIZMOS}/patched?dryRun=All"), patch);
        plan.merge(&format!("merge on a map: {slug}"), &format!("{MAPS}/patched?dryRun=All"), patch);
        plan.strategic(&format!("strategic on a map: {slug}"), &format!("{MAPS}/patched?dryRun=All"), patch);
    }
    for (slug, text) in [
        ("malformed", "{"),
        ("empty", ""),
        ("YAML", "data: {x: y}"),
        ("with a duplicate", r#"{"data":{"x":"5","x":"6"}}"#),
    ] {
        for (kind, media) in [
            ("json", "application/json-patch+json"),
            ("merge", "application/merge-patch+json"),
            ("strategic", "application/strategic-merge-patch+json"),
            ("apply", "application/apply-patch+yaml"),
        ] {
            let target = format!("{MAPS}/patched?dryRun=All{}", if kind == "apply" { "&fieldManager=a" } else { "" });
            plan.ask(&format!("{kind} patch that is {slug}"), "PATCH", &target).content(media).text(text);
            let target = target.replace(MAPS, GIZMOS);
            plan.ask(&format!("{kind} patch of a gizmo that is {slug}"), "PATCH", &target).content(media).text(text);
        }
    }
    strategic(plan);
    let body = json!({"metadata": {"name": "patched"}, "data": {"a": "b"}});
    plan.apply("apply CBOR", &format!("{MAPS}/patched?fieldManager=x"), &body).content("application/apply-patch+cbor");
    plan.apply("apply as JSON", &format!("{MAPS}/patched?fieldManager=x"), &body)
        .content("application/apply-patch+json");
}

/// Lists with merge keys and directives.
fn strategic(plan: &mut Plan) {
    let account = json!({"metadata": {"name": "patched", "finalizers": ["example.com/a", "example.com/b"]},
        "secrets": [{"name": "a"}, {"name": "b"}], "imagePullSecrets": [{"name": "x"}, {"name": "y"}]});
    plan.post("create the account", ACCOUNTS, &account);
    for (slug, patch) in [
        ("merge by key", json!({"secrets": [{"name": "c"}, {"name": "a"}]})),
        ("delete by key", json!({"secrets": [{"$patch": "delete", "name": "a"}]})),
        ("replace", json!({"secrets": [{"$patch": "replace"}, {"name": "z"}]})),
        ("replace by nothing", json!({"secrets": [{"$patch": "replace"}]})),
        ("set by null", json!({"secrets": null})),
        ("an odd directive", json!({"secrets": [{"$patch": "odd", "name": "a"}]})),
        ("no key", json!({"secrets": [{"namespace": "a"}]})),
        (
            "order",
            json!({"$setElementOrder/secrets": [{"name": "b"}, {"name": "a"}], "secrets": [{"name": "a", "namespace": "n"}]}),
        ),
        ("order of what is not there", json!({"$setElementOrder/secrets": [{"name": "q"}]})),
        ("order that lacks one", json!({"$setElementOrder/secrets": [{"name": "a"}], "secrets": [{"name": "b"}]})),
        (
            "delete from a list of texts",
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}}),
        ),
        ("merge a list of texts", json!({"metadata": {"finalizers": ["example.com/c"]}})),
        ("replace a map", json!({"metadata": {"labels": {"$patch": "replace", "n": "1"}}})),
        ("delete a map", json!({"metadata": {"annotations": {"$patch": "delete"}}})),
        ("keep keys", json!({"metadata": {"labels": {"$retainKeys": ["n"], "n": "1"}}})),
        ("an unknown field", json!({"other": 1})),
        ("another type", json!({"secrets": {"a": "b"}})),
        ("text in a list", json!({"secrets": ["a"]})),
        ("pull secrets", json!({"imagePullSecrets": [{"name": "y", "$patch": "delete"}, {"name": "w"}]})),
    ] {
        plan.strategic(&format!("strategic: {slug}"), &format!("{ACCOUNTS}/patched?dryRun=All"), &patch);
    }
}
