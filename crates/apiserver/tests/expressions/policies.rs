//! Validating admission policies: what may be written in one, what it does, and what is said of its types.

use serde_json::{Value, json};

use crate::both::{Both, definition};

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn policy(name: &str, spec: Value) -> Value {
    let mut whole = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]}},
    });
    whole["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    whole
}

fn binding(policy: &str, spec: Value) -> Value {
    let mut whole = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": format!("{policy}-b")}, "spec": {"policyName": policy, "validationActions": ["Deny"]},
    });
    whole["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    whole
}

/// Holds for objects whose label does not say that they are of this policy.
fn only(name: &str, expression: &str) -> String {
    format!(
        "!has(object.metadata.labels) || !('case' in object.metadata.labels) || object.metadata.labels['case'] != '{name}' || ({expression})"
    )
}

fn map(name: &str, case: &str, data: Value) -> Value {
    let mut map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"case": case}}});
    if data != json!({}) {
        map["data"] = data;
    }
    map
}

/// Policies that are refused or not when they are made.
fn written() -> Vec<(&'static str, Value)> {
    let one = |validation: Value| json!({ "validations": [validation] });
    vec![
        ("one that holds", one(json!({"expression": "object.metadata.name != 'x'"}))),
        ("no bool", one(json!({"expression": "object.metadata.name"}))),
        ("a text", one(json!({"expression": "'x'"}))),
        ("no expression", one(json!({"expression": "object.metadata.name =="}))),
        ("an empty expression", one(json!({"expression": "  "}))),
        ("a name that is not there", one(json!({"expression": "thing.x == 1"}))),
        ("params without a kind of them", one(json!({"expression": "params.x == 1"}))),
        ("a field that requests do not have", one(json!({"expression": "request.nope == ''"}))),
        ("a field that users do not have", one(json!({"expression": "request.userInfo.nope == ''"}))),
        ("a comparison of types that differ", one(json!({"expression": "request.userInfo == 1"}))),
        (
            "namespaces",
            one(
                json!({"expression": "namespaceObject.metadata.labels['a'] == 'b' && namespaceObject.status.phase == ''"}),
            ),
        ),
        (
            "the authorizer",
            one(json!({"expression": "authorizer.group('apps').resource('deployments').check('create').allowed()"})),
        ),
        ("the request's resource", one(json!({"expression": "authorizer.requestResource.check('custom').allowed()"}))),
        ("a method that the authorizer does not have", one(json!({"expression": "authorizer.nope('x').allowed()"}))),
        (
            "the wrong argument of the authorizer",
            one(json!({"expression": "authorizer.group(1).resource('x').check('get').allowed()"})),
        ),
        ("a message expression", one(json!({"expression": "true", "messageExpression": "'a' + object.metadata.name"}))),
        ("a message expression of another type", one(json!({"expression": "true", "messageExpression": "1"}))),
        (
            "the authorizer in a message",
            one(json!({"expression": "true", "messageExpression": "authorizer.path('/').check('get').reason()"})),
        ),
        ("a reason that is none", one(json!({"expression": "true", "reason": "NotFound"}))),
        (
            "a variable",
            json!({"variables": [{"name": "n", "expression": "object.metadata.name"}], "validations": [{"expression": "variables.n != ''"}]}),
        ),
        (
            "a variable that is not there",
            json!({"variables": [{"name": "n", "expression": "1"}], "validations": [{"expression": "variables.m != ''"}]}),
        ),
        ("variables where there are none", one(json!({"expression": "variables.m != ''"}))),
        (
            "a variable that comes later",
            json!({"variables": [{"name": "a", "expression": "variables.b"}, {"name": "b", "expression": "1"}], "validations": [{"expression": "variables.a == 1"}]}),
        ),
        (
            "a variable of another type",
            json!({"variables": [{"name": "n", "expression": "1"}], "validations": [{"expression": "variables.n == 'x'"}]}),
        ),
        (
            "a variable without a name",
            json!({"variables": [{"name": "for", "expression": "1"}], "validations": [{"expression": "true"}]}),
        ),
        (
            "a variable that is no expression",
            json!({"variables": [{"name": "n", "expression": "1 +"}], "validations": [{"expression": "variables.n == 1"}]}),
        ),
        (
            "an annotation",
            json!({"auditAnnotations": [{"key": "a", "valueExpression": "'x'"}, {"key": "b", "valueExpression": "null"}]}),
        ),
        ("an annotation of another type", json!({"auditAnnotations": [{"key": "a", "valueExpression": "1"}]})),
        (
            "a condition",
            json!({"matchConditions": [{"name": "c", "expression": "request.operation == 'CREATE'"}], "validations": [{"expression": "true"}]}),
        ),
        (
            "a condition that is no bool",
            json!({"matchConditions": [{"name": "c", "expression": "'x'"}], "validations": [{"expression": "true"}]}),
        ),
        (
            "a condition over variables",
            json!({"variables": [{"name": "n", "expression": "1"}], "matchConditions": [{"name": "c", "expression": "variables.n == 1"}], "validations": [{"expression": "true"}]}),
        ),
        ("nothing at all", json!({})),
        ("a regular expression that is none", one(json!({"expression": "object.metadata.name.matches('[')"}))),
        (
            "optional values",
            one(json!({"expression": "object.?spec.?x.orValue('') == '' && [1, ?optional.of(2)].size() == 2"})),
        ),
    ]
}

/// Policies in force, and what each says of an object of its own.
fn cases() -> Vec<(&'static str, Value, Vec<Value>)> {
    let one = |name: &str, expression: &str| json!({"validations": [{"expression": only(name, expression)}]});
    let said = |name: &str, mut validation: Value| {
        validation["expression"] = only(name, "false").into();
        json!({ "validations": [validation] })
    };
    vec![
        (
            "plain",
            one("plain", "object.data.size == 'small'"),
            vec![json!({"size": "big"}), json!({"size": "small"}), json!({})],
        ),
        ("said", said("said", json!({"message": "never"})), vec![json!({})]),
        (
            "made",
            said("made", json!({"message": "never", "messageExpression": "'not ' + object.data.size"})),
            vec![json!({"size": "big"}), json!({})],
        ),
        ("lines", said("lines", json!({"message": "never", "messageExpression": "'a\\nb'"})), vec![json!({})]),
        ("reason", said("reason", json!({"message": "no", "reason": "Forbidden"})), vec![json!({})]),
        ("large", said("large", json!({"message": "no", "reason": "RequestEntityTooLarge"})), vec![json!({})]),
        ("fails", one("fails", "object.data.a[0] == 1"), vec![json!({"a": "x"}), json!({})]),
        (
            "ignores",
            json!({"failurePolicy": "Ignore", "validations": [{"expression": only("ignores", "object.data.nope == ''")}]}),
            vec![json!({})],
        ),
        (
            "requests",
            one(
                "requests",
                "request.operation == 'CREATE' && request.userInfo.username == 'kit-admin' && request.kind.kind == 'ConfigMap' && request.resource.resource == 'configmaps' && request.namespace == 'default' && request.name == object.metadata.name && request.dryRun && request.requestKind.version == 'v1' && !has(request.subResource)",
            ),
            vec![json!({})],
        ),
        (
            "options",
            one("options", "request.options.kind == 'CreateOptions' && request.options.dryRun[0] == 'All'"),
            vec![json!({})],
        ),
        (
            "namespaces",
            one(
                "namespaces",
                "namespaceObject.metadata.name == 'default' && namespaceObject.status.phase == 'Active' && namespaceObject.metadata.labels['kubernetes.io/metadata.name'] == 'default' && 'kubernetes' in namespaceObject.spec.finalizers",
            ),
            vec![json!({})],
        ),
        (
            "rights",
            one(
                "rights",
                "authorizer.group('').resource('secrets').namespace('default').check('get').allowed() && authorizer.requestResource.check('delete').allowed() && authorizer.path('/healthz').check('get').allowed() && !authorizer.serviceAccount('default', 'robot').group('').resource('secrets').check('list').allowed()",
            ),
            vec![json!({})],
        ),
        (
            "variables",
            json!({"variables": [{"name": "size", "expression": "object.data.size"}, {"name": "twice", "expression": "variables.size + variables.size"}],
            "validations": [{"expression": only("variables", "variables.twice == 'smallsmall'"), "messageExpression": "'twice is ' + variables.twice"}]}),
            vec![json!({"size": "small"}), json!({"size": "big"}), json!({})],
        ),
        (
            "conditions",
            json!({"matchConditions": [{"name": "big", "expression": "has(object.data) && object.data.?size.orValue('') == 'big'"}],
            "validations": [{"expression": only("conditions", "false")}]}),
            vec![json!({"size": "small"}), json!({"size": "big"}), json!({})],
        ),
        (
            "badcondition",
            json!({"matchConditions": [{"name": "mine", "expression": only("badcondition", "object.data.size.size() > 1")}, {"name": "other", "expression": "has(object.metadata.labels) && object.metadata.labels.?case.orValue('') == 'badcondition'"}],
            "validations": [{"expression": "false"}]}),
            vec![json!({"size": "small"}), json!({})],
        ),
        (
            "budget",
            one(
                "budget",
                &format!(
                    "{0}.all(a, {0}.all(b, !authorizer.path('/' + string(a * 10 + b)).check('get').errored()))",
                    "[1, 2, 3, 4, 5, 6]"
                ),
            ),
            vec![json!({})],
        ),
        (
            "several",
            json!({"validations": [{"expression": only("several", "object.data.a == '1'"), "message": "a"}, {"expression": only("several", "object.data.b == '1'"), "message": "b"}]}),
            vec![json!({"a": "1", "b": "2"}), json!({"a": "2", "b": "2"}), json!({"a": "1", "b": "1"})],
        ),
        (
            "annotations",
            json!({"auditAnnotations": [{"key": "size", "valueExpression": "object.?metadata.?labels.?case.orValue('') == 'annotations' ? string(object.data.size) : ''"}]}),
            vec![json!({"size": "x"})],
        ),
        (
            "types",
            one(
                "types",
                "type(object) == map && type(object.data.n) == string && int(object.data.n) == 3 && object.data == {'n': '3'} && object.metadata.name in ['m']",
            ),
            vec![json!({"n": "3"}), json!({"n": "x"})],
        ),
        (
            "quantities",
            one("quantities", "quantity(object.data.q).isLessThan(quantity('1Gi'))"),
            vec![json!({"q": "10Mi"}), json!({"q": "2Gi"}), json!({"q": "x"})],
        ),
    ]
}

#[tokio::test]
async fn policies_are_admitted_and_judge_as_by_kubernetes() {
    let mut both = Both::start("policies").await;
    for (what, spec) in written() {
        both.post(what, &format!("{POLICIES}?dryRun=All"), &policy("p", spec)).await;
    }
    for (name, spec, _) in cases() {
        both.make(POLICIES, &policy(name, spec)).await;
        both.make(BINDINGS, &binding(name, json!({}))).await;
    }
    both.make(
        POLICIES,
        &policy("warns", json!({"validations": [{"expression": only("warns", "false"), "message": "mind this"}]})),
    )
    .await;
    both.make(BINDINGS, &binding("warns", json!({"validationActions": ["Warn", "Audit"]}))).await;
    params(&both).await;
    both.make(POLICIES, &policy("last", json!({"validations": [{"expression": only("last", "false")}]}))).await;
    both.make(BINDINGS, &binding("last", json!({}))).await;
    let maps = format!("{MAPS}?dryRun=All");
    // A cluster follows each kind in order: with the last policy, its binding and the parameter all are in force.
    both.until("POST", &maps, &map("m", "last", json!({})), |reply| reply.code == 422).await;
    both.until("POST", &maps, &map("m", "selected", json!({"size": "4"})), |reply| {
        reply.body.to_string().contains("at most 3 by most-3")
    })
    .await;

    for (name, _, objects) in cases() {
        for data in objects {
            both.post(&format!("{name} of {data}"), &maps, &map("m", name, data)).await;
        }
    }
    both.post("a warning", &maps, &map("m", "warns", json!({}))).await;
    for (case, data) in [
        ("named", json!({"size": "2"})),
        ("named", json!({"size": "5"})),
        ("selected", json!({"size": "2"})),
        ("selected", json!({"size": "3"})),
        // Of two that deny, Kubernetes names now one, now the other: only one does here.
        ("selected", json!({"size": "4"})),
        ("missing", json!({})),
        ("allowed", json!({})),
        ("unknown", json!({})),
    ] {
        both.post(&format!("parameters {case} of {data}"), &maps, &map("m", case, data)).await;
    }
    // A generated name, updates, and what was there before.
    let mut generated = map("m", "plain", json!({"size": "big"}));
    generated["metadata"] = json!({"generateName": "m-", "labels": {"case": "said"}});
    let [ours, theirs] = both.ask("POST", &maps, "application/json", generated.to_string()).await;
    assert_eq!((ours.code, theirs.code), (422, 422), "{ours:?} {theirs:?}");
    both.make(MAPS, &map("kept", "none", json!({"size": "1"}))).await;
    both.merge("an update", &format!("{MAPS}/kept"), &json!({"metadata": {"labels": {"case": "said"}}})).await;
    both.merge(
        "an update that holds",
        &format!("{MAPS}/kept"),
        &json!({"metadata": {"labels": {"case": "plain"}}, "data": {"size": "small"}}),
    )
    .await;
    let reply = both
        .same(
            "an apply",
            "PATCH",
            &format!("{MAPS}/applied?fieldManager=me"),
            "application/apply-patch+yaml",
            map("applied", "said", json!({})).to_string(),
        )
        .await;
    assert_eq!(reply.code, 422);
    both.same("a delete", "DELETE", &format!("{MAPS}/kept"), "application/json", "").await;
    both.finish();
}

/// Policies with parameters: one by its name, some by their labels, and none.
async fn params(both: &Both) {
    let kind = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    let holds = |case: &str| json!([{"expression": only(case, "int(object.data.?size.orValue('0')) <= int(params.data.most)"), "messageExpression": "'at most ' + params.data.most + ' by ' + params.metadata.name"}]);
    for (name, most, label) in [("most-4", "4", "a"), ("most-1", "1", "b"), ("most-3", "3", "a")] {
        both.make(MAPS, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"set": label}}, "data": {"most": most}})).await;
    }
    for (name, reference) in [
        ("named", json!({"name": "most-3", "namespace": "default", "parameterNotFoundAction": "Deny"})),
        ("selected", json!({"selector": {"matchLabels": {"set": "a"}}, "parameterNotFoundAction": "Deny"})),
        ("missing", json!({"name": "nothing", "namespace": "default", "parameterNotFoundAction": "Deny"})),
        ("allowed", json!({"name": "nothing", "namespace": "default", "parameterNotFoundAction": "Allow"})),
    ] {
        // What is missing would deny to all.
        let spec = json!({"paramKind": kind, "validations": holds(name), "matchConstraints": {
            "objectSelector": {"matchLabels": {"case": name}},
            "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]}});
        both.make(POLICIES, &policy(name, spec)).await;
        both.make(BINDINGS, &binding(name, json!({ "paramRef": reference }))).await;
    }
    let spec = json!({"paramKind": {"apiVersion": "rules.example.com/v1", "kind": "Nothing"}, "validations": [{"expression": "params.x == 1"}],
        "matchConstraints": {"objectSelector": {"matchLabels": {"case": "unknown"}},
            "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]}});
    both.make(POLICIES, &policy("unknown", spec)).await;
    both.make(BINDINGS, &binding("unknown", json!({"paramRef": {"name": "x", "parameterNotFoundAction": "Deny"}})))
        .await;
}

#[tokio::test]
async fn custom_objects_are_judged_in_the_version_that_a_policy_names() {
    let mut both = Both::start("versions").await;
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer"}, "f": {"type": "number"}}}}});
    let mut kind = definition("gadgets", "Gadget", &schema);
    let mut second = kind["spec"]["versions"][0].clone();
    second["name"] = json!("v2");
    second["storage"] = json!(false);
    kind["spec"]["versions"].as_array_mut().unwrap().push(second);
    both.define(&kind).await;
    let rules = |version: &str, resource: &str| json!({"resourceRules": [{"apiGroups": ["example.org"], "apiVersions": [version], "operations": ["*"], "resources": [resource]}]});
    let parts = json!({"matchConstraints": rules("v1", "gadgets/status"), "validations": [{"expression": "request.subResource == 'status' && object.status.n != 1", "message": "not one"}]});
    let whole = json!({"matchConstraints": rules("v2", "gadgets"), "validations": [
        {"expression": "request.operation == 'DELETE' || object.apiVersion == 'example.org/v2'", "messageExpression": "'it is ' + object.apiVersion"},
        {"expression": "request.operation == 'DELETE' || object.spec.n > 0", "messageExpression": "'n is ' + string(object.spec.n)"},
        {"expression": "request.operation == 'DELETE' || !has(object.spec.f) || object.spec.f > 0.5"},
        {"expression": "request.requestKind.version == 'v1' || request.kind.version == 'v2'"},
        {"expression": "request.operation != 'DELETE' || (oldObject.spec.n != 7 && object == null)", "message": "seven stays"},
    ]});
    for (name, spec) in [("parts", parts), ("gadgets", whole)] {
        both.make(POLICIES, &policy(name, spec)).await;
        both.make(BINDINGS, &binding(name, json!({}))).await;
    }
    let gadget = |version: &str, spec: Value| json!({"apiVersion": format!("example.org/{version}"), "kind": "Gadget", "metadata": {"name": "g"}, "spec": spec});
    let path = |version: &str| format!("/apis/example.org/{version}/namespaces/default/gadgets");
    // The last of them is in force, and with it the one before.
    both.until("POST", &format!("{}?dryRun=All", path("v1")), &gadget("v1", json!({"n": 0})), |reply| {
        reply.code == 422
    })
    .await;
    for (version, spec) in [
        ("v1", json!({"n": 0})),
        ("v2", json!({"n": 0})),
        ("v1", json!({"n": 1, "f": 0.25})),
        ("v2", json!({"n": 1, "f": 1})),
        ("v1", json!({})),
    ] {
        both.post(&format!("{version} {spec}"), &format!("{}?dryRun=All", path(version)), &gadget(version, spec)).await;
    }
    both.make(&path("v1"), &gadget("v1", json!({"n": 7}))).await;
    both.same("a delete", "DELETE", &format!("{}/g", path("v1")), "application/json", "").await;
    both.same("a delete of all", "DELETE", &path("v1"), "application/json", "").await;
    both.merge("a status", &format!("{}/g/status", path("v1")), &json!({"status": {"n": 1}})).await;
    both.finish();
}

/// What a controller says of the types of expressions, which here is the server's own.
#[tokio::test]
async fn types_that_do_not_fit_are_told_in_the_status() {
    let both = Both::start_with_controllers("types").await;
    let schema =
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer"}}}}});
    both.define(&definition("gadgets", "Gadget", &schema)).await;
    // The controller reads types from the documents, which a cluster writes anew a moment later.
    both.until("GET", "/openapi/v3/apis/example.org/v1", &Value::Null, |reply| {
        reply.code == 200 && reply.body.to_string().contains("org.example.v1.Gadget")
    })
    .await;
    let rules = |group: &str, resource: &str| json!({"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]});
    let cases = [
        (
            "fits",
            json!([rules("", "configmaps")]),
            json!([{"expression": "object.data['a'] == 'b' && object.metadata.name != ''"}]),
        ),
        ("missing", json!([rules("", "configmaps")]), json!([{"expression": "object.spec.x == 1"}])),
        (
            "several",
            json!([rules("", "secrets"), rules("example.org", "gadgets"), rules("", "configmaps")]),
            json!([{"expression": "object.spec.n == 'x'", "messageExpression": "string(object.nope)"}]),
        ),
        (
            "wrong",
            json!([rules("example.org", "gadgets")]),
            json!([{"expression": "object.spec.n == 'x'"}, {"expression": "object.metadata.labels['a'] == 1"}]),
        ),
        (
            "rights",
            json!([rules("", "configmaps")]),
            json!([{"expression": "authorizer.requestResource.check('get').allowed()"}]),
        ),
        (
            "wild",
            json!([rules("*", "configmaps"), rules("", "*"), rules("nothing.example.org", "things")]),
            json!([{"expression": "object.nope == 1"}]),
        ),
    ];
    for (name, rules, validations) in &cases {
        both.make(
            POLICIES,
            &policy(name, json!({"matchConstraints": {"resourceRules": rules}, "validations": validations})),
        )
        .await;
    }
    let mut both = both;
    for (name, ..) in &cases {
        let path = format!("{POLICIES}/{name}");
        both.until("GET", &path, &Value::Null, |reply| reply.body["status"]["observedGeneration"] == 1).await;
        both.same(name, "GET", &path, "application/json", "").await;
    }
    both.finish();
}
