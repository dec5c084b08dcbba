//! Validating admission policies, judged.
use apimachinery::cel::{Authority, Question, Ruling};
use apiserver::policies::params::{self, Wanted};
use apiserver::policies::{self, Binding, Expressions, Outcome, Policy, Request, Resource};
use serde_json::{Value, json};

/// Nobody may do anything.
struct Nobody;

impl Authority for Nobody {
    fn decide(&self, _: &Question<'_>) -> Ruling {
        Ruling::default()
    }
}

/// It fails when it is evaluated.
const FAILS: &str = "object.x == 1";
/// It cannot be compiled.
const NONE: &str = "nothing == 1";
/// It asks more often for rights than it can pay for.
const EXPENSIVE: &str =
    "[1, 2, 3, 4, 5, 6].all(a, [1, 2, 3, 4, 5, 6].all(b, !authorizer.path('/').check('get').allowed()))";

const MAPS: Resource<'static> = Resource { group: "", version: "v1", plural: "configmaps", kind: "ConfigMap" };

fn policy(spec: Value) -> Value {
    let mut whole = json!({"metadata": {"name": "p"}, "spec": {"failurePolicy": "Fail", "matchConstraints": constraints(json!({}))}});
    whole["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    whole
}

fn constraints(change: Value) -> Value {
    let mut whole = json!({"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
        "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"], "scope": "*"}]});
    whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    whole
}

fn binding(actions: &[&str]) -> Value {
    json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": actions}})
}

fn judged(policy: &Value, binding: &Value, param: &Value, change: impl Fn(&mut Request<'_>)) -> Outcome {
    let object = json!({"metadata": {"name": "m", "labels": {"team": "a"}}, "data": {"size": "big"}});
    let namespace = json!({"metadata": {"name": "dev", "labels": {"stage": "dev"}}});
    let user = json!({"username": "jo"});
    let null = Value::Null;
    let mut request = Request {
        operation: "CREATE",
        resource: MAPS,
        equivalents: &[],
        subresource: "",
        namespace: "dev",
        name: "m",
        user: &user,
        dry_run: false,
        options: &null,
        object: Some(&object),
        old_object: None,
        namespace_object: Some(&namespace),
        converted: &[],
        authority: &Nobody,
    };
    change(&mut request);
    let bindings = vec![Binding { object: binding, params: Ok(vec![param]) }];
    policies::judge(
        &request,
        &[Policy { object: policy, expressions: &Expressions::of(policy), error: None, bindings }],
    )
}

fn message(spec: Value) -> Option<String> {
    let outcome = judged(&policy(spec), &binding(&["Deny"]), &Value::Null, |_| {});
    outcome.denied.map(|status| status.message().to_owned())
}

#[test]
fn a_validation_that_does_not_hold_refuses() {
    let spec = json!({"validations": [{"expression": "object.data.size == 'small'"}]});
    let outcome = judged(&policy(spec), &binding(&["Deny"]), &Value::Null, |_| {});
    let denied = outcome.denied.unwrap();
    assert_eq!((denied.code().as_u16(), format!("{:?}", denied.reason())), (422, "Invalid".to_owned()));
    assert_eq!(
        denied.message(),
        "configmaps \"m\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.data.size == 'small'"
    );
    assert_eq!(
        denied.details().causes[0].message,
        "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.data.size == 'small'"
    );
    assert_eq!(message(json!({"validations": [{"expression": "object.data.size == 'big'"}]})), None);
}

#[test]
fn the_message_is_made_said_or_the_expression() {
    let denied = |validation: Value| {
        message(json!({ "validations": [validation] })).unwrap().rsplit(": ").next().unwrap().to_owned()
    };
    assert_eq!(
        denied(json!({"expression": "false", "message": " too big ", "messageExpression": "string(object.data.size)"})),
        "big"
    );
    assert_eq!(
        denied(json!({"expression": "false", "message": " too big ", "messageExpression": "string(object.x)"})),
        "too big"
    );
    assert_eq!(denied(json!({"expression": "false"})), "false");
}

#[test]
fn a_reason_gives_the_code() {
    let spec = json!({"validations": [{"expression": "false", "reason": "Forbidden"}]});
    let outcome = judged(&policy(spec), &binding(&["Deny"]), &Value::Null, |_| {});
    assert_eq!(outcome.denied.unwrap().code().as_u16(), 403);
}

#[test]
fn a_failure_is_a_denial_unless_it_is_to_be_ignored() {
    let failing = json!({"validations": [{"expression": FAILS}, {"expression": NONE}]});
    assert!(
        message(failing.clone())
            .unwrap()
            .ends_with("denied request: expression 'object.x == 1' resulted in error: no such key: x")
    );
    let mut ignoring = failing;
    ignoring["failurePolicy"] = json!("Ignore");
    assert_eq!(message(ignoring), None);
    assert!(
        message(json!({"validations": [{"expression": NONE}]}))
            .unwrap()
            .contains("compilation error: compilation failed: ERROR: <input>:1:1: undeclared reference to 'nothing'")
    );
    let expensive = json!({"expression": EXPENSIVE});
    let one = json!({"validations": [expensive]});
    assert!(message(one).unwrap().ends_with("operation cancelled: actual cost limit exceeded"));
    let many = json!({"validations": vec![expensive; 12]});
    assert!(message(many).unwrap().ends_with("no further validation rules will be run"));
}

#[test]
fn conditions_that_do_not_hold_leave_a_request_alone() {
    let with = |conditions: Value| json!({"matchConditions": conditions, "validations": [{"expression": "false", "message": "no"}]});
    assert_eq!(message(with(json!([{"name": "a", "expression": FAILS}, {"name": "b", "expression": "false"}]))), None);
    assert!(message(with(json!([{"name": "a", "expression": "true"}]))).unwrap().ends_with("no"));
    assert!(message(with(json!([{"name": "a", "expression": FAILS}]))).unwrap().ends_with("no such key: x"));
}

#[test]
fn variables_fail_only_those_who_use_them() {
    let variables = json!([{"name": "bad", "expression": FAILS}, {"name": "size", "expression": "object.data.size"}]);
    let with = |expression: &str| message(json!({"variables": variables, "validations": [{"expression": expression}]}));
    assert_eq!(with("variables.size == 'big'"), None);
    assert!(with("variables.bad == true").unwrap().ends_with("fails to evaluate: no such key: x"));
}

#[test]
fn a_binding_may_warn_and_audit() {
    let spec = json!({"validations": [{"expression": "true"}, {"expression": "false", "message": "<no>"}],
        "auditAnnotations": [{"key": "size", "valueExpression": "string(object.data.size)"}]});
    let outcome = judged(&policy(spec), &binding(&["Warn", "Audit"]), &Value::Null, |_| {});
    assert!(outcome.denied.is_none());
    assert_eq!(outcome.warnings, ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': <no>"]);
    assert_eq!(outcome.annotations["p/size"], "big");
    // Byte for byte as Go writes it.
    assert_eq!(
        outcome.annotations["validation.policy.admission.k8s.io/validation_failure"],
        r#"[{"message":"\u003cno\u003e","policy":"p","binding":"b","expressionIndex":1,"validationActions":["Warn","Audit"]}]"#
    );
}

#[test]
fn params_are_seen() {
    let kind = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    let spec = json!({"paramKind": kind, "validations": [{"expression": "object.data.size == params.data.size"}]});
    let same = json!({"data": {"size": "big"}});
    assert!(judged(&policy(spec.clone()), &binding(&["Deny"]), &same, |_| {}).denied.is_none());
    let other = json!({"data": {"size": "small"}});
    assert!(judged(&policy(spec), &binding(&["Deny"]), &other, |_| {}).denied.is_some());
}

fn denies(constraints: Value, change: impl Fn(&mut Request<'_>)) -> bool {
    let spec = json!({"matchConstraints": constraints, "validations": [{"expression": "false"}]});
    judged(&policy(spec), &binding(&["Deny"]), &Value::Null, change).denied.is_some()
}

#[test]
fn constraints_select_what_is_looked_at() {
    assert!(denies(constraints(json!({})), |_| {}));
    assert!(!denies(constraints(json!({})), |request| request.operation = "UPDATE"));
    assert!(!denies(constraints(json!({})), |request| request.subresource = "status"));
    assert!(denies(constraints(json!({"namespaceSelector": {"matchLabels": {"stage": "dev"}}})), |_| {}));
    assert!(!denies(constraints(json!({"namespaceSelector": {"matchLabels": {"stage": "prod"}}})), |_| {}));
    assert!(denies(constraints(json!({"objectSelector": {"matchLabels": {"team": "a"}}})), |_| {}));
    assert!(!denies(constraints(json!({"objectSelector": {"matchLabels": {"team": "b"}}})), |_| {}));
    let excluded = json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"], "resourceNames": ["m"]}]);
    assert!(!denies(constraints(json!({"excludeResourceRules": excluded})), |_| {}));
    assert!(denies(constraints(json!({"excludeResourceRules": excluded})), |request| request.name = "n"));
}

#[test]
fn other_versions_match_unless_they_are_to_match_exactly() {
    let other = Resource { version: "v2", ..MAPS };
    let equivalents = [MAPS, other];
    let change = |request: &mut Request<'_>| request.resource = other;
    assert!(!denies(constraints(json!({})), change));
    let with = |policy: &Value| {
        judged(policy, &binding(&["Deny"]), &Value::Null, |request| {
            request.resource = other;
            // The slice lives for the whole test.
            request.equivalents = Box::leak(Box::new(equivalents));
        })
        .denied
        .is_some()
    };
    assert!(with(&policy_with("Equivalent")));
    assert!(!with(&policy_with("Exact")));
}

fn policy_with(match_policy: &str) -> Value {
    policy(
        json!({"matchConstraints": constraints(json!({"matchPolicy": match_policy})), "validations": [{"expression": "false"}]}),
    )
}

#[test]
fn a_policy_without_constraints_is_a_failure() {
    let spec = json!({"matchConstraints": null, "validations": [{"expression": "true"}]});
    assert_eq!(
        message(spec).unwrap(),
        "configmaps \"m\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: policy contained no match constraints, a required field"
    );
}

#[test]
fn policies_do_not_judge_policies() {
    let resource = Resource {
        group: "admissionregistration.k8s.io",
        version: "v1",
        plural: "validatingadmissionpolicies",
        kind: "ValidatingAdmissionPolicy",
    };
    let all = json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]);
    assert!(!denies(constraints(json!({"resourceRules": all})), |request| request.resource = resource));
}

#[test]
fn a_binding_says_which_params_it_takes() {
    let policy = json!({"spec": {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}});
    let with = |reference: Value| json!({"spec": {"paramRef": reference}});
    let named = with(json!({"name": "a", "parameterNotFoundAction": "Deny"}));
    assert_eq!(
        params::wanted(&policy, &named, "dev", Some(true)),
        Ok(Wanted::Named { namespace: "dev".into(), name: "a".into() })
    );
    assert_eq!(params::wanted(&json!({"spec": {}}), &named, "dev", Some(true)), Ok(Wanted::Nothing));
    assert!(params::wanted(&policy, &named, "", Some(true)).unwrap_err().contains("cluster-scoped resources"));
    assert!(params::wanted(&policy, &named, "dev", None).unwrap_err().contains("not known"));
    let placed = with(json!({"name": "a", "namespace": "x"}));
    assert!(
        params::wanted(&policy, &placed, "dev", Some(false)).unwrap_err().starts_with("paramRef.namespace must not")
    );
    assert!(params::found(&named, Vec::new()).is_err());
    assert_eq!(params::found(&placed, Vec::new()), Ok(Vec::new()));
}
