//! Kinds that are declared at run time.

use crate::support::{self, Answer, ask, delete, get, merge, post, put};
use apiserver::Server;
use http::Method;
use serde_json::{Value, json};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const GADGETS: &str = "/apis/example.org/v1/namespaces/default/gadgets";

fn gadgets() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": {
                            "type": "object", "required": ["size"],
                            "properties": {
                                "size": {"type": "integer", "minimum": 1},
                                "color": {"type": "string", "default": "red"},
                                "replicas": {"type": "integer"},
                            },
                        },
                        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
                    },
                }},
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
                },
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
            }],
        },
    })
}

fn gadget(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": name}, "spec": spec})
}

/// Waits until what is asked for answers with this code.
async fn until(server: &Server, target: &str, code: u16) -> Answer {
    support::until(server, target, |answer| answer.code == code).await
}

async fn served() -> Server {
    let server = support::server().await;
    let made = post(&server, DEFINITIONS, &gadgets()).await;
    assert_eq!(made.code, 201, "{}", made.text);
    until(&server, GADGETS, 200).await;
    server
}

#[tokio::test]
async fn a_definition_is_served_once_its_names_are_accepted() {
    let server = served().await;
    let definition = get(&server, &format!("{DEFINITIONS}/gadgets.example.org")).await;
    let conditions = definition.body["status"]["conditions"].as_array().unwrap();
    for kind in ["NamesAccepted", "Established"] {
        assert!(conditions.iter().any(|c| c["type"] == kind && c["status"] == "True"), "{kind}: {}", definition.text);
    }
    let discovery = get(&server, "/apis/example.org/v1").await;
    assert_eq!(discovery.body["resources"][0]["name"], "gadgets", "{}", discovery.text);
}

#[tokio::test]
async fn objects_are_pruned_defaulted_and_checked() {
    let server = served().await;
    let made = post(&server, GADGETS, &gadget("a", &json!({"size": 2, "unknown": true}))).await;
    assert_eq!(made.code, 201, "{}", made.text);
    assert_eq!(made.body["spec"], json!({"size": 2, "color": "red"}));
    assert_eq!(made.headers["warning"], "299 - \"unknown field \\\"spec.unknown\\\"\"");
    let strict = format!("{GADGETS}?fieldValidation=Strict");
    let refused = post(&server, &strict, &gadget("b", &json!({"size": 2, "unknown": true}))).await;
    assert_eq!(refused.code, 400);
    assert_eq!(
        refused.body["message"],
        "Gadget in version \"v1\" cannot be handled as a Gadget: strict decoding error: unknown field \"spec.unknown\""
    );
    let refused = post(&server, GADGETS, &gadget("b", &json!({"size": 0}))).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
    assert_eq!(
        refused.body["message"],
        "Gadget.example.org \"b\" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or \
         equal to 1"
    );
}

#[tokio::test]
async fn a_changed_schema_holds_at_once_and_for_what_was_stored_before() {
    let server = served().await;
    post(&server, GADGETS, &gadget("a", &json!({"size": 2}))).await;
    let path = format!("{DEFINITIONS}/gadgets.example.org");
    let mut definition = get(&server, &path).await.body;
    let properties =
        &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    properties["weight"] = json!({"type": "integer", "default": 7});
    let changed = put(&server, &path, &definition).await;
    assert_eq!(changed.code, 200, "{}", changed.text);
    let read = get(&server, &format!("{GADGETS}/a")).await;
    assert_eq!(read.body["spec"]["weight"], 7, "{}", read.text);
}

#[tokio::test]
async fn the_objects_of_a_definition_go_with_it() {
    let server = served().await;
    post(&server, GADGETS, &gadget("a", &json!({"size": 2}))).await;
    let path = format!("{DEFINITIONS}/gadgets.example.org");
    let marked = delete(&server, &path).await;
    assert_eq!(marked.code, 200, "{}", marked.text);
    until(&server, &path, 404).await;
    until(&server, GADGETS, 404).await;
    post(&server, DEFINITIONS, &gadgets()).await;
    let list = until(&server, GADGETS, 200).await;
    assert_eq!(list.body["items"], json!([]));
}

#[tokio::test]
async fn an_applier_owns_what_it_applies() {
    let server = served().await;
    let body = gadget("a", &json!({"size": 2, "color": "blue"})).to_string();
    let target = |manager: &str| format!("{GADGETS}/a?fieldManager={manager}");
    let apply = "application/apply-patch+yaml";
    let made = ask(&server, Method::PATCH, &target("one"), apply, body).await;
    assert_eq!(made.code, 201, "{}", made.text);
    assert_eq!(made.body["metadata"]["managedFields"][0]["manager"], "one");
    let other = gadget("a", &json!({"size": 3})).to_string();
    let conflict = ask(&server, Method::PATCH, &target("two"), apply, other.clone()).await;
    assert_eq!(conflict.code, 409, "{}", conflict.text);
    assert_eq!(conflict.body["message"], "Apply failed with 1 conflict: conflict with \"one\": .spec.size");
    let forced = ask(&server, Method::PATCH, &format!("{}&force=true", target("two")), apply, other).await;
    assert_eq!((forced.code, &forced.body["spec"]["size"]), (200, &json!(3)), "{}", forced.text);
}

#[tokio::test]
async fn a_scale_is_read_and_changed() {
    let server = served().await;
    post(&server, GADGETS, &gadget("a", &json!({"size": 2, "replicas": 1}))).await;
    let path = format!("{GADGETS}/a/scale");
    let scale = get(&server, &path).await;
    assert_eq!((scale.code, &scale.body["spec"]["replicas"]), (200, &json!(1)), "{}", scale.text);
    let scaled = merge(&server, &path, &json!({"spec": {"replicas": 4}})).await;
    assert_eq!(scaled.code, 200, "{}", scaled.text);
    assert_eq!(get(&server, &format!("{GADGETS}/a")).await.body["spec"]["replicas"], 4);
}

#[tokio::test]
async fn a_table_shows_the_definitions_columns() {
    let server = served().await;
    post(&server, GADGETS, &gadget("a", &json!({"size": 2}))).await;
    let request = http::Request::builder()
        .uri(GADGETS)
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
        .extension(support::admin())
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    let table = support::answer(server.call(request).await).await;
    assert_eq!(table.body["kind"], "Table", "{}", table.text);
    assert_eq!(table.body["rows"][0]["cells"], json!(["a", 2]));
}

#[tokio::test]
async fn what_a_scale_shows_is_checked_whatever_the_schema_says() {
    let server = served().await;
    let gadget = |replicas: Value| {
        json!({
            "apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "scaled"}, "spec": {"size": 1, "replicas": replicas},
        })
    };
    for (replicas, why) in [
        (json!(-1), "should be a non-negative integer"),
        (json!(1_i64 << 31), "should be less than or equal to 2147483647"),
    ] {
        let refused = post(&server, GADGETS, &gadget(replicas)).await;
        assert_eq!(refused.code, 422, "{}", refused.text);
        let cause = &refused.body["details"]["causes"][0];
        assert_eq!(cause["field"], ".spec.replicas");
        assert!(cause["message"].as_str().unwrap().ends_with(why), "{cause}");
    }
    let whole = json!({
        "apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "scaled"}, "spec": [],
    });
    let refused = post(&server, GADGETS, &whole).await;
    assert!(
        refused.text.contains(
            ".spec.replicas accessor error: [] is of the type []interface {}, expected map[string]interface{}"
        ),
        "{}",
        refused.text
    );
}

#[tokio::test]
async fn a_new_object_has_its_statuss_defaults_and_no_status_of_its_makers() {
    let server = served().await;
    let mut definition = gadgets();
    definition["metadata"]["name"] = "doors.example.org".into();
    definition["spec"]["names"] =
        json!({"plural": "doors", "singular": "door", "kind": "Door", "listKind": "DoorList"});
    let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["status"] =
        json!({"type": "object", "properties": {"open": {"type": "boolean"}}, "default": {"open": false}});
    assert_eq!(post(&server, DEFINITIONS, &definition).await.code, 201);
    let doors = "/apis/example.org/v1/namespaces/default/doors";
    until(&server, doors, 200).await;
    let door = json!({
        "apiVersion": "example.org/v1", "kind": "Door", "metadata": {"name": "a"}, "spec": {"size": 1}, "status": {"open": true},
    });
    let made = post(&server, doors, &door).await;
    assert_eq!((made.code, &made.body["status"]), (201, &json!({"open": false})), "{}", made.text);
    assert_eq!(get(&server, &format!("{doors}/a")).await.body["status"], json!({"open": false}));
}
