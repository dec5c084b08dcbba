//! Admission policies of the embedded plane, and what the gateway's audit log hears of them.

use kit::{gateway::ConfigFolder, wait};
use serde_json::{Value, json};

use crate::scene::Scene;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A policy about config maps, and its binding, which does this about what fails.
fn policy(name: &str, actions: &Value, annotations: &Value) -> [Value; 2] {
    let group = "admissionregistration.k8s.io/v1";
    let rules =
        json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]);
    let spec = json!({"matchConstraints": {"resourceRules": rules}, "auditAnnotations": annotations,
        "validations": [{"expression": "object.metadata.name != 'bad'", "message": "a bad name"}]});
    [
        json!({"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}),
        json!({"apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": actions}}),
    ]
}

async fn scene() -> Scene {
    Scene::with(|folder: &ConfigFolder| {
        folder.set("audit.log", json!({"path": "audit.log"}));
    })
    .await
}

/// The annotations of the event of a config map's creation.
async fn annotations(scene: &Scene, name: &str) -> Value {
    let path = scene.gateway.folder().path().join("audit.log");
    wait::until("the event", || async {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of = |event: &Value| event["verb"] == "create" && event["requestURI"].as_str().unwrap().contains(name);
        events.find(of).map(|event| event["annotations"].clone())
    })
    .await
}

async fn create(scene: &Scene, mark: &str, name: &str) -> (u16, Value) {
    let map = json!({"metadata": {"name": name}});
    let (code, answer) = scene.call("POST", &format!("{MAPS}?fieldManager={mark}"), &scene.admin, Some(&map)).await;
    (code.as_u16(), answer)
}

#[tokio::test]
async fn what_a_policy_says_of_a_request_is_in_its_audit_event() {
    let scene = scene().await;
    let key = json!([{"key": "name", "valueExpression": "'called ' + object.metadata.name"}]);
    scene.apply(&policy("named", &json!(["Audit"]), &key)).await;
    assert_eq!(create(&scene, "first", "good").await.0, 201);
    let told = annotations(&scene, "fieldManager=first").await;
    assert_eq!(told["named/name"], "called good");
    assert_eq!(told["authorization.k8s.io/decision"], "allow");
    assert_eq!(told["drover.io/cluster"], "local");
    let failure = "validation.policy.admission.k8s.io/validation_failure";
    assert_eq!(told.get(failure), None);

    // A failed validation is told and lets the request pass.
    assert_eq!(create(&scene, "second", "bad").await.0, 201);
    let told = annotations(&scene, "fieldManager=second").await;
    assert_eq!(told["named/name"], "called bad");
    assert_eq!(
        told[failure],
        r#"[{"message":"a bad name","policy":"named","binding":"named","expressionIndex":0,"validationActions":["Audit"]}]"#
    );

    // Of a refused one too.
    scene.apply(&policy("strict", &json!(["Deny", "Audit"]), &json!([]))).await;
    scene.call("DELETE", &format!("{MAPS}/bad"), &scene.admin, None).await;
    assert_eq!(create(&scene, "third", "bad").await.0, 422);
    let told = annotations(&scene, "fieldManager=third").await;
    assert_eq!(told["named/name"], "called bad");
    let failures: Value = serde_json::from_str(told[failure].as_str().unwrap()).unwrap();
    assert_eq!(failures.as_array().unwrap().len(), 2, "{failures}");
}

/// Who may write policies does not by that write the gateway's own annotations.
#[tokio::test]
async fn a_policy_cannot_speak_for_the_gateway_in_the_audit_log() {
    let scene = scene().await;
    let as_decision = json!([{"key": "decision", "valueExpression": "'forged'"}]);
    scene.apply(&policy("authorization.k8s.io", &json!(["Audit"]), &as_decision)).await;
    let as_token =
        json!([{"key": "token", "valueExpression": "'forged'"}, {"key": "cluster", "valueExpression": "'forged'"}]);
    scene.apply(&policy("drover.io", &json!(["Audit"]), &as_token)).await;
    assert_eq!(create(&scene, "first", "good").await.0, 201);
    let told = annotations(&scene, "fieldManager=first").await;
    assert!(!told.to_string().contains("forged"), "{told}");
    assert_eq!(told["authorization.k8s.io/decision"], "allow");
    let text = std::fs::read_to_string(scene.gateway.folder().path().join("audit.log")).unwrap();
    let line = text.lines().find(|line| line.contains("fieldManager=first")).unwrap();
    assert_eq!(line.matches("drover.io/cluster").count(), 1, "{line}");
}
