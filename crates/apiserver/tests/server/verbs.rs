//! Verbs on one kind, called in the process.

use crate::support::{WIDGETS, ask, delete, get, merge, post, put, server, widget};
use http::Method;
use serde_json::json;

#[tokio::test]
async fn an_object_is_made_read_changed_and_deleted() {
    let server = server().await;
    let made = post(&server, WIDGETS, &widget("a", &json!({"color": "red"}))).await;
    assert_eq!(made.code, 201, "{}", made.text);
    assert_eq!(made.body["metadata"]["generation"], 1);
    assert_eq!(made.body["metadata"]["namespace"], "default");
    assert!(made.body["metadata"]["uid"].as_str().unwrap().len() == 36);

    let path = format!("{WIDGETS}/a");
    let read = get(&server, &path).await;
    assert_eq!((read.code, &read.body), (200, &made.body));

    let mut changed = made.body.clone();
    changed["spec"]["color"] = json!("blue");
    let put_back = put(&server, &path, &changed).await;
    assert_eq!(put_back.code, 200, "{}", put_back.text);
    assert_eq!(put_back.body["metadata"]["generation"], 2);
    assert_ne!(put_back.body["metadata"]["resourceVersion"], made.body["metadata"]["resourceVersion"]);

    let stale = put(&server, &path, &changed).await;
    assert_eq!(stale.code, 409);
    assert_eq!(
        stale.body["message"],
        "Operation cannot be fulfilled on widgets.example.com \"a\": the object has been modified; please apply your \
         changes to the latest version and try again"
    );

    let gone = delete(&server, &path).await;
    assert_eq!((gone.code, &gone.body["status"]), (200, &json!("Success")));
    assert_eq!(gone.body["details"]["kind"], "widgets");
    let missing = get(&server, &path).await;
    assert_eq!((missing.code, &missing.body["reason"]), (404, &json!("NotFound")));
    assert_eq!(missing.body["message"], "widgets.example.com \"a\" not found");
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let server = server().await;
    post(&server, WIDGETS, &widget("a", &json!({}))).await;
    let again = post(&server, WIDGETS, &widget("a", &json!({}))).await;
    assert_eq!((again.code, &again.body["reason"]), (409, &json!("AlreadyExists")));
    assert_eq!(again.body["message"], "widgets.example.com \"a\" already exists");
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_the_version() {
    let server = server().await;
    let made = post(&server, WIDGETS, &widget("a", &json!({"x": 1}))).await;
    let same = merge(&server, &format!("{WIDGETS}/a"), &json!({"spec": {"x": 1}})).await;
    assert_eq!(same.code, 200, "{}", same.text);
    assert_eq!(same.body["metadata"]["resourceVersion"], made.body["metadata"]["resourceVersion"]);
    let other = merge(&server, &format!("{WIDGETS}/a"), &json!({"spec": {"x": 2}})).await;
    assert_ne!(other.body["metadata"]["resourceVersion"], made.body["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let server = server().await;
    let made = post(&server, &format!("{WIDGETS}?dryRun=All"), &widget("a", &json!({}))).await;
    assert_eq!(made.code, 201, "{}", made.text);
    assert!(made.body["metadata"]["uid"].is_string());
    assert_eq!(get(&server, &format!("{WIDGETS}/a")).await.code, 404);
}

#[tokio::test]
async fn the_status_is_changed_only_through_its_own_path() {
    let server = server().await;
    let mut object = widget("a", &json!({"x": 1}));
    object["status"] = json!({"ready": true});
    let made = post(&server, WIDGETS, &object).await;
    assert!(made.body.get("status").is_none());
    let path = format!("{WIDGETS}/a/status");
    let set = merge(&server, &path, &json!({"spec": {"x": 2}, "status": {"ready": true}})).await;
    assert_eq!(set.code, 200, "{}", set.text);
    assert_eq!((&set.body["spec"]["x"], &set.body["status"]["ready"]), (&json!(1), &json!(true)));
    assert_eq!(set.body["metadata"]["generation"], 1);
    let kept = merge(&server, &format!("{WIDGETS}/a"), &json!({"status": {"ready": false}})).await;
    assert_eq!(kept.body["status"]["ready"], true);
}

#[tokio::test]
async fn a_finalizer_keeps_an_object_until_it_is_taken_away() {
    let server = server().await;
    let mut object = widget("a", &json!({}));
    object["metadata"]["finalizers"] = json!(["example.com/keep"]);
    post(&server, WIDGETS, &object).await;
    let path = format!("{WIDGETS}/a");
    let marked = delete(&server, &path).await;
    assert_eq!(marked.code, 200);
    assert!(marked.body["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(marked.body["metadata"]["generation"], 2);
    let again = delete(&server, &path).await;
    assert_eq!(again.body["metadata"]["resourceVersion"], marked.body["metadata"]["resourceVersion"]);
    let freed = merge(&server, &path, &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(freed.code, 200, "{}", freed.text);
    assert_eq!(get(&server, &path).await.code, 404);
}

#[tokio::test]
async fn a_chunked_list_shows_one_version() {
    let server = server().await;
    for name in ["a", "b", "c", "d", "e"] {
        post(&server, WIDGETS, &widget(name, &json!({}))).await;
    }
    let first = get(&server, &format!("{WIDGETS}?limit=2")).await;
    assert_eq!(first.body["metadata"]["remainingItemCount"], 3);
    delete(&server, &format!("{WIDGETS}/d")).await;
    let token = first.body["metadata"]["continue"].as_str().unwrap();
    let rest = get(&server, &format!("{WIDGETS}?limit=10&continue={token}")).await;
    assert_eq!(rest.code, 200, "{}", rest.text);
    let names: Vec<&str> =
        rest.body["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c", "d", "e"]);
    assert_eq!(rest.body["metadata"]["resourceVersion"], first.body["metadata"]["resourceVersion"]);
    assert_eq!(rest.body["metadata"]["continue"], "");
    let refused = get(&server, &format!("{WIDGETS}?continue=x&limit=2")).await;
    assert_eq!(refused.code, 400, "{}", refused.text);
}

#[tokio::test]
async fn selectors_choose_by_label_and_field() {
    let server = server().await;
    for (name, color) in [("a", "red"), ("b", "blue")] {
        let mut object = widget(name, &json!({"color": color}));
        object["metadata"]["labels"] = json!({"name": name});
        post(&server, WIDGETS, &object).await;
    }
    for query in ["labelSelector=name%3Db", "fieldSelector=metadata.name%3Db", "fieldSelector=spec.color%3Dblue"] {
        let list = get(&server, &format!("{WIDGETS}?{query}")).await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), 1, "{query}: {}", list.text);
        assert_eq!(list.body["items"][0]["metadata"]["name"], "b");
    }
    let refused = get(&server, &format!("{WIDGETS}?fieldSelector=spec.size%3D1")).await;
    assert_eq!((refused.code, &refused.body["message"]), (400, &json!("field label not supported: spec.size")));
}

#[tokio::test]
async fn a_version_that_is_not_there_yet_is_too_large() {
    let server = server().await;
    let refused = get(&server, &format!("{WIDGETS}?resourceVersion=1000000&resourceVersionMatch=Exact")).await;
    assert_eq!((refused.code, &refused.body["reason"]), (504, &json!("Timeout")), "{}", refused.text);
    assert!(
        refused.body["message"]
            .as_str()
            .unwrap()
            .starts_with("Timeout: Too large resource version: 1000000, current: ")
    );
    assert_eq!(refused.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_generated_name_is_new() {
    let server = server().await;
    let mut object = widget("", &json!({}));
    object["metadata"] = json!({"generateName": "web-"});
    let one = post(&server, WIDGETS, &object).await;
    let other = post(&server, WIDGETS, &object).await;
    assert_eq!((one.code, other.code), (201, 201), "{}", one.text);
    assert_ne!(one.body["metadata"]["name"], other.body["metadata"]["name"]);
}

#[tokio::test]
async fn bodies_that_are_no_widgets_are_refused() {
    let server = server().await;
    let broken = ask(&server, Method::POST, WIDGETS, "application/json", "{").await;
    assert_eq!((broken.code, &broken.body["reason"]), (400, &json!("BadRequest")));
    let image = ask(&server, Method::POST, WIDGETS, "image/png", "x").await;
    assert_eq!(image.code, 415);
    let large = ask(&server, Method::POST, WIDGETS, "application/json", vec![b' '; 3 * 1024 * 1024 + 1]).await;
    assert_eq!(large.code, 413);
    assert_eq!(large.body["message"], "Request entity too large: limit is 3145728");
    let mut other = widget("a", &json!({}));
    other["kind"] = json!("Gadget");
    let refused = post(&server, WIDGETS, &other).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
}

#[tokio::test]
async fn who_is_not_known_gets_nothing() {
    let server = server().await;
    let request = http::Request::builder()
        .uri(WIDGETS)
        .header("x-remote-user", "admin")
        .header("impersonate-group", "system:masters")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    assert_eq!(server.call(request).await.status(), 401);
}

#[tokio::test]
async fn an_event_is_selected_by_the_fields_of_either_version() {
    let server = server().await;
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a", "namespace": "default"},
        "regarding": {"kind": "Widget", "name": "w", "namespace": "default"}, "reason": "Made", "action": "Making", "type": "Normal",
        "reportingController": "example.com/maker", "reportingInstance": "me", "eventTime": "2026-01-01T00:00:00.000000Z",
    });
    assert_eq!(post(&server, "/apis/events.k8s.io/v1/namespaces/default/events", &event).await.code, 201);
    for (version, selector, count) in [
        ("/apis/events.k8s.io/v1", "regarding.name=w,reportingController=example.com/maker", 1),
        ("/apis/events.k8s.io/v1", "regarding.name=other", 0),
        ("/api/v1", "involvedObject.name=w,reportingComponent=example.com/maker", 1),
    ] {
        let selector = selector.replace('=', "%3D").replace('/', "%2F");
        let list = get(&server, &format!("{version}/namespaces/default/events?fieldSelector={selector}")).await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), count, "{selector}: {}", list.text);
    }
}
