//! Access reviews: questions and answers.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and hands its values over"
)]

use policy::reviews::{self, Review};
use policy::rules::{Authorizer, Kind};
use serde_json::{Value, json};

fn refused(review: Review, object: &Value, namespace: &str) -> String {
    reviews::read(review, object, "me", &[], namespace).unwrap_err().message().to_owned()
}

#[test]
fn a_review_asks_exactly_one_thing() {
    for spec in [json!({}), json!({"resourceAttributes": {}, "nonResourceAttributes": {}})] {
        let message = refused(Review::SelfSubjectAccess, &json!({"spec": spec}), "");
        assert!(message.starts_with(".authorization.k8s.io \"\" is invalid: spec: Invalid value: "));
        assert!(message.ends_with(": exactly one of nonResourceAttributes or resourceAttributes must be specified"));
    }
}

#[test]
fn a_review_about_another_says_who() {
    let object = json!({"spec": {"nonResourceAttributes": {"path": "/x", "verb": "get"}}});
    assert_eq!(
        refused(Review::SubjectAccess, &object, ""),
        ".authorization.k8s.io \"\" is invalid: spec.user: Invalid value: \"\": at least one of user or group must be specified"
    );
}

#[test]
fn a_review_has_no_metadata() {
    let object = json!({"metadata": {"name": "x", "managedFields": []}, "spec": {"resourceAttributes": {}}});
    assert_eq!(
        refused(Review::SelfSubjectAccess, &object, ""),
        ".authorization.k8s.io \"\" is invalid: metadata: Invalid value: {\"name\":\"x\"}: must be empty"
    );
}

#[test]
fn a_local_review_is_about_its_namespace() {
    let object =
        json!({"metadata": {"namespace": "dev"}, "spec": {"user": "jo", "resourceAttributes": {"namespace": "prod"}}});
    assert_eq!(
        refused(Review::LocalSubjectAccess, &object, "dev"),
        ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes.namespace: Invalid value: \"prod\": must match metadata.namespace"
    );
    let object =
        json!({"metadata": {"namespace": "dev"}, "spec": {"user": "jo", "resourceAttributes": {"namespace": "dev"}}});
    assert_eq!(
        refused(Review::LocalSubjectAccess, &object, "prod"),
        "spec.resourceAttributes.namespace must match namespace: prod"
    );
    reviews::read(Review::LocalSubjectAccess, &object, "me", &[], "dev").unwrap();
}

#[test]
fn the_answer_says_whether_and_why() {
    let mut rbac = Authorizer::default();
    let role =
        json!({"metadata": {"name": "r"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]});
    rbac.put(Kind::ClusterRole, &role).unwrap();
    let binding = json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "Group", "name": "g"}]});
    rbac.put(Kind::ClusterRoleBinding, &binding).unwrap();
    let object = json!({"spec": {"groups": ["g"], "resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "dev"}}});
    let question = reviews::read(Review::SubjectAccess, &object, "me", &[], "").unwrap();
    assert_eq!(
        question.status(&rbac.allows(&question.attributes())),
        json!({"allowed": true, "reason": "RBAC: allowed by ClusterRoleBinding \"b\" of ClusterRole \"r\" to Group \"g\""})
    );
    let groups = ["g".to_owned()];
    let object = json!({"spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}});
    let question = reviews::read(Review::SelfSubjectAccess, &object, "me", &groups, "").unwrap();
    assert_eq!(question.status(&rbac.allows(&question.attributes())), json!({"allowed": false}));
}

#[test]
fn selectors_that_are_not_understood_are_told() {
    let rbac = Authorizer::default();
    let status = |resource: Value| {
        let object = json!({"spec": {"resourceAttributes": resource}});
        let question = reviews::read(Review::SelfSubjectAccess, &object, "me", &[], "").unwrap();
        let status = question.status(&rbac.allows(&question.attributes()));
        status["evaluationError"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(
        status(json!({"labelSelector": {"rawSelector": "a in (b)"}, "fieldSelector": {"rawSelector": "a=b"}})),
        ""
    );
    assert_eq!(
        status(json!({"fieldSelector": {"rawSelector": "a"}, "labelSelector": {"rawSelector": "a in"}})),
        "spec.resourceAttributes.fieldSelector ignored due to parse error; spec.resourceAttributes.labelSelector ignored due to parse error"
    );
    let known = json!({"key": "a", "operator": "In", "values": ["b"]});
    let unknown = json!({"key": "a", "operator": "Near", "values": ["b"]});
    assert_eq!(
        status(
            json!({"fieldSelector": {"requirements": [known, unknown]}, "labelSelector": {"requirements": [unknown]}})
        ),
        "spec.resourceAttributes.fieldSelector partially ignored due to parse error; spec.resourceAttributes.labelSelector ignored due to parse error"
    );
}

#[test]
fn a_selector_says_something() {
    let object = json!({"spec": {"resourceAttributes": {"fieldSelector": {}, "labelSelector": {"rawSelector": "a", "requirements": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}}});
    let message = refused(Review::SelfSubjectAccess, &object, "");
    for part in [
        "spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required",
        "spec.resourceAttributes.labelSelector.rawSelector: Invalid value: \"a\": may not specified at the same time as requirements",
        "spec.resourceAttributes.labelSelector.requirements[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn all_rules_of_a_user_are_told_with_what_is_missing() {
    let mut rbac = Authorizer::default();
    let role = json!({"metadata": {"name": "r"}, "rules": [
        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
        {"verbs": ["get"], "nonResourceURLs": ["/x"]},
    ]});
    rbac.put(Kind::ClusterRole, &role).unwrap();
    for name in ["r", "gone"] {
        let binding = json!({"metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": name}, "subjects": [{"kind": "User", "name": "jo"}]});
        rbac.put(Kind::ClusterRoleBinding, &binding).unwrap();
    }
    assert_eq!(
        reviews::rules_answer(&rbac.rules_for("jo", &[], "dev"))["status"],
        json!({
            "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}],
            "incomplete": false,
            "evaluationError": "clusterrole.rbac.authorization.k8s.io \"gone\" not found",
        })
    );
    assert_eq!(reviews::rules_namespace(&json!({"spec": {}})).unwrap_err().message(), "no namespace on request");
}
