//! Objects of built-in kinds that their own rules refuse, or fill in.

use serde_json::{Value, json};

use crate::request::Plan;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

/// Sends each of `bodies` as a new object `invalid` of a kind.
fn each(plan: &mut Plan, place: (&str, &str, &str), bodies: &[(&str, Value)]) {
    let (path, api_version, kind) = place;
    for (slug, rest) in bodies {
        let mut body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "invalid"}});
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        plan.post(&format!("{kind} with {slug}"), &format!("{path}?dryRun=All"), &body);
    }
}

pub fn add(plan: &mut Plan) {
    plan.area("invalid");
    each(
        plan,
        ("/api/v1/namespaces/one/configmaps", "v1", "ConfigMap"),
        &[
            ("a bad key", json!({"data": {"a b": "x", "..": "y", "": "z"}})),
            ("a key twice", json!({"data": {"a": "x"}, "binaryData": {"a": "eA=="}})),
            ("bad base64", json!({"binaryData": {"a": "%%%"}})),
            ("a number", json!({"data": {"a": 1}})),
            ("a list", json!({"data": {"a": ["x"]}})),
            ("a null", json!({"data": {"a": null}})),
            ("too much", json!({"data": {"a": "x".repeat(1_048_577)}})),
            ("immutable", json!({"immutable": true})),
            ("immutable as text", json!({"immutable": "true"})),
        ],
    );
    each(
        plan,
        ("/api/v1/namespaces/one/secrets", "v1", "Secret"),
        &[
            ("a bad key", json!({"data": {"a b": "eA=="}})),
            ("bad base64", json!({"data": {"a": "%"}})),
            ("tls without a key", json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}})),
            ("basic auth without anything", json!({"type": "kubernetes.io/basic-auth"})),
            ("ssh auth without anything", json!({"type": "kubernetes.io/ssh-auth"})),
            (
                "a docker config that is none",
                json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}}),
            ),
            ("no docker config", json!({"type": "kubernetes.io/dockercfg"})),
            ("no service account", json!({"type": "kubernetes.io/service-account-token"})),
            (
                "a service account that is missing",
                json!({"type": "kubernetes.io/service-account-token", "metadata": {"name": "invalid", "annotations": {"kubernetes.io/service-account.name": "none"}}}),
            ),
            ("a type of one's own", json!({"type": "example.com/mine", "stringData": {"a": ""}})),
            ("data that is null", json!({"data": {"a": null}})),
            ("a bootstrap token", json!({"type": "bootstrap.kubernetes.io/token", "stringData": {"token-id": "abc"}})),
        ],
    );
    each(
        plan,
        ("/api/v1/namespaces", "v1", "Namespace"),
        &[
            ("a plain finalizer", json!({"spec": {"finalizers": ["mine"]}})),
            ("a qualified finalizer", json!({"spec": {"finalizers": ["example.com/mine"]}})),
            ("a phase", json!({"status": {"phase": "Terminating"}})),
            ("an unknown spec", json!({"spec": {"other": 1}})),
            (
                "pod security",
                json!({"metadata": {"name": "invalid", "labels": {"pod-security.kubernetes.io/enforce": "nonsense"}}}),
            ),
        ],
    );
    each(
        plan,
        ("/api/v1/namespaces/one/serviceaccounts", "v1", "ServiceAccount"),
        &[
            ("secrets", json!({"secrets": [{"name": "a", "namespace": "x", "kind": "Secret"}]})),
            ("secrets that are text", json!({"secrets": ["a"]})),
            ("a bad switch", json!({"automountServiceAccountToken": "no"})),
            ("an empty pull secret", json!({"imagePullSecrets": [{}]})),
        ],
    );
    each(
        plan,
        ("/apis/coordination.k8s.io/v1/namespaces/one/leases", "coordination.k8s.io/v1", "Lease"),
        &[
            ("nothing", json!({})),
            ("no duration", json!({"spec": {"leaseDurationSeconds": 0}})),
            ("negative transitions", json!({"spec": {"leaseTransitions": -1}})),
            ("a fraction", json!({"spec": {"leaseTransitions": 1.5}})),
            ("a large number", json!({"spec": {"leaseTransitions": 3_000_000_000_i64}})),
            ("a short time", json!({"spec": {"renewTime": "2026-01-01T00:00:00.5Z"}})),
            ("a time without a fraction", json!({"spec": {"renewTime": "2026-01-01T00:00:00Z"}})),
            ("a time that is none", json!({"spec": {"renewTime": "now"}})),
            ("a time elsewhere", json!({"spec": {"renewTime": "2026-01-01T01:00:00.000000+01:00"}})),
            ("an empty holder", json!({"spec": {"holderIdentity": ""}})),
            ("a strategy", json!({"spec": {"strategy": "OldestEmulationVersion", "preferredHolder": "x"}})),
        ],
    );
    let event = |rest: Value| {
        let mut event = json!({"involvedObject": {"namespace": "one", "name": "x", "kind": "Pod"}});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        event
    };
    each(
        plan,
        ("/api/v1/namespaces/one/events", "v1", "Event"),
        &[
            ("nothing", json!({})),
            ("another namespace", event(json!({"involvedObject": {"namespace": "two"}}))),
            ("little", event(json!({}))),
            ("an odd type", event(json!({"type": "Odd"}))),
            ("a time", event(json!({"eventTime": "2026-01-01T00:00:00.000000Z"}))),
            ("a series", event(json!({"series": {"count": 1, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}))),
            ("a bad time", event(json!({"firstTimestamp": "x"}))),
            ("a long reason", event(json!({"reason": "r".repeat(200), "message": "m".repeat(2000)}))),
        ],
    );
    let event = |rest: Value| {
        let mut event = json!({
            "regarding": {"namespace": "one", "name": "x", "kind": "Pod"}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal",
            "reportingController": "example.com/c", "reportingInstance": "i", "action": "a", "reason": "r",
        });
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        event
    };
    each(
        plan,
        ("/apis/events.k8s.io/v1/namespaces/one/events", "events.k8s.io/v1", "Event"),
        &[
            ("nothing at all", json!({})),
            ("all", event(json!({}))),
            ("no time", event(json!({"eventTime": null}))),
            ("another namespace there", event(json!({"regarding": {"namespace": "two"}}))),
            ("no controller", event(json!({"reportingController": ""}))),
            ("a bad controller", event(json!({"reportingController": "a b"}))),
            ("a long instance", event(json!({"reportingInstance": "i".repeat(129)}))),
            ("a long action", event(json!({"action": "a".repeat(129), "reason": "r".repeat(129)}))),
            ("a long note", event(json!({"note": "n".repeat(1025)}))),
            ("an odd type there", event(json!({"type": "Odd"}))),
            (
                "a series of one",
                event(json!({"series": {"count": 1, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}})),
            ),
            ("a series without a time", event(json!({"series": {"count": 2}}))),
            (
                "old fields",
                event(
                    json!({"deprecatedCount": 1, "deprecatedSource": {"host": "h"}, "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z"}),
                ),
            ),
        ],
    );
    let rules: &[(&str, Value)] = &[
        ("no rules", json!({})),
        ("a rule of nothing", json!({"rules": [{}]})),
        ("no verbs", json!({"rules": [{"apiGroups": [""], "resources": ["pods"]}]})),
        ("no groups", json!({"rules": [{"resources": ["pods"], "verbs": ["get"]}]})),
        ("no resources", json!({"rules": [{"apiGroups": [""], "verbs": ["get"]}]})),
        ("URLs", json!({"rules": [{"nonResourceURLs": ["/x", "a"], "verbs": ["get"]}]})),
        (
            "URLs and resources",
            json!({"rules": [{"nonResourceURLs": ["/x"], "apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        ),
        (
            "names",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["get"]}]}),
        ),
        ("stars", json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]})),
        ("verbs that are text", json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": "get"}]})),
    ];
    each(plan, (&format!("{RBAC}/namespaces/one/roles"), "rbac.authorization.k8s.io/v1", "Role"), rules);
    each(plan, (&format!("{RBAC}/clusterroles"), "rbac.authorization.k8s.io/v1", "ClusterRole"), rules);
    each(
        plan,
        (&format!("{RBAC}/clusterroles"), "rbac.authorization.k8s.io/v1", "ClusterRole"),
        &[
            ("an aggregation", json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}})),
            ("an aggregation of nothing", json!({"aggregationRule": {}})),
            (
                "an aggregation and rules",
                json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}, "rules": rules[8].1["rules"]}),
            ),
            (
                "a bad aggregation",
                json!({"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a b": "b"}}, {"matchExpressions": [{"key": "a", "operator": "Odd"}]}]}}),
            ),
        ],
    );
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"});
    let bindings: &[(&str, Value)] = &[
        ("no role", json!({})),
        ("no subjects", json!({"roleRef": reference})),
        ("another group", json!({"roleRef": {"apiGroup": "x", "kind": "ClusterRole", "name": "view"}})),
        (
            "another kind of role",
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Other", "name": "view"}}),
        ),
        (
            "a role without a name",
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ""}}),
        ),
        ("a role of a namespace", json!({"roleRef": {"kind": "Role", "name": "x"}})),
        ("a role that is missing", json!({"roleRef": {"kind": "ClusterRole", "name": "missing"}})),
        ("an odd subject", json!({"roleRef": reference, "subjects": [{"kind": "Odd", "name": "x"}]})),
        ("a subject without a name", json!({"roleRef": reference, "subjects": [{"kind": "User", "name": ""}]})),
        (
            "a subject of another group",
            json!({"roleRef": reference, "subjects": [{"kind": "User", "name": "a", "apiGroup": "x"}]}),
        ),
        (
            "an account without a namespace",
            json!({"roleRef": reference, "subjects": [{"kind": "ServiceAccount", "name": "a"}]}),
        ),
        (
            "an account of a bad name",
            json!({"roleRef": reference, "subjects": [{"kind": "ServiceAccount", "name": "A_", "namespace": "one"}]}),
        ),
        (
            "an account of another group",
            json!({"roleRef": reference, "subjects": [{"kind": "ServiceAccount", "name": "a", "namespace": "one", "apiGroup": "x"}]}),
        ),
        ("a group", json!({"roleRef": reference, "subjects": [{"kind": "Group", "name": "a"}]})),
    ];
    each(
        plan,
        (&format!("{RBAC}/namespaces/one/rolebindings"), "rbac.authorization.k8s.io/v1", "RoleBinding"),
        bindings,
    );
    each(
        plan,
        (&format!("{RBAC}/clusterrolebindings"), "rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        bindings,
    );
    admission(plan);
    changes(plan);
}

fn admission(plan: &mut Plan) {
    let policy = |change: Value| {
        let mut spec = json!({
            "matchConstraints": {"resourceRules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}]},
            "validations": [{"expression": "true"}],
        });
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        json!({ "spec": spec })
    };
    each(
        plan,
        (
            &format!("{ADMISSION}/validatingadmissionpolicies"),
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicy",
        ),
        &[
            ("nothing", json!({})),
            ("no constraints", policy(json!({"matchConstraints": null}))),
            ("no rules", policy(json!({"matchConstraints": {}}))),
            (
                "a rule without groups",
                policy(
                    json!({"matchConstraints": {"resourceRules": [{"apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["a"]}]}}),
                ),
            ),
            (
                "an odd operation",
                policy(
                    json!({"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["ODD"], "resources": ["a"]}]}}),
                ),
            ),
            (
                "connect",
                policy(
                    json!({"matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT", "*"], "resources": ["a", "*"]}]}}),
                ),
            ),
            ("no validations", policy(json!({"validations": []}))),
            ("an empty expression", policy(json!({"validations": [{"expression": " "}]}))),
            ("a broken expression", policy(json!({"validations": [{"expression": "object."}]}))),
            ("an expression of another type", policy(json!({"validations": [{"expression": "'x'"}]}))),
            ("an unknown variable", policy(json!({"validations": [{"expression": "nothing == 1"}]}))),
            ("an odd reason", policy(json!({"validations": [{"expression": "true", "reason": "Odd"}]}))),
            ("a message of lines", policy(json!({"validations": [{"expression": "true", "message": "a\nb"}]}))),
            (
                "a message expression",
                policy(json!({"validations": [{"expression": "true", "messageExpression": "1"}]})),
            ),
            (
                "variables",
                policy(
                    json!({"variables": [{"name": "a", "expression": "1 + 1"}, {"name": "b c", "expression": "2"}], "validations": [{"expression": "variables.a == 2"}]}),
                ),
            ),
            (
                "audit annotations",
                policy(
                    json!({"auditAnnotations": [{"key": "a", "valueExpression": "'x'"}, {"key": "a/b", "valueExpression": "1"}]}),
                ),
            ),
            (
                "match conditions",
                policy(
                    json!({"matchConditions": [{"name": "a", "expression": "true"}, {"name": "a", "expression": "1"}]}),
                ),
            ),
            ("a kind of parameters", policy(json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}))),
            ("a bad kind of parameters", policy(json!({"paramKind": {"apiVersion": "a/b/c", "kind": ""}}))),
            ("an odd failure policy", policy(json!({"failurePolicy": "Odd"}))),
            (
                "a bad selector",
                policy(
                    json!({"matchConstraints": {"namespaceSelector": {"matchLabels": {"a b": "c"}}, "resourceRules": []}}),
                ),
            ),
        ],
    );
    let binding = |change: Value| {
        let mut spec = json!({"policyName": "p", "validationActions": ["Deny"]});
        for (field, value) in change.as_object().unwrap() {
            spec[field] = value.clone();
        }
        json!({ "spec": spec })
    };
    each(
        plan,
        (
            &format!("{ADMISSION}/validatingadmissionpolicybindings"),
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicyBinding",
        ),
        &[
            ("nothing", json!({})),
            ("a policy", binding(json!({}))),
            ("a bad policy", binding(json!({"policyName": "A_"}))),
            ("no actions", binding(json!({"validationActions": []}))),
            ("an odd action", binding(json!({"validationActions": ["Odd"]}))),
            ("an action twice", binding(json!({"validationActions": ["Deny", "Deny"]}))),
            ("deny and warn", binding(json!({"validationActions": ["Deny", "Warn"]}))),
            (
                "parameters",
                binding(json!({"paramRef": {"name": "a", "namespace": "b", "parameterNotFoundAction": "Deny"}})),
            ),
            ("parameters without anything", binding(json!({"paramRef": {}}))),
            (
                "parameters by name and selector",
                binding(json!({"paramRef": {"name": "a", "selector": {}, "parameterNotFoundAction": "Odd"}})),
            ),
            (
                "resources",
                binding(
                    json!({"matchResources": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}}),
                ),
            ),
        ],
    );
}

/// What may not be changed.
fn changes(plan: &mut Plan) {
    let maps = "/api/v1/namespaces/one/configmaps";
    plan.post(
        "create an immutable ConfigMap",
        maps,
        &json!({"metadata": {"name": "fixed"}, "immutable": true, "data": {"a": "1"}}),
    );
    plan.merge("change an immutable ConfigMap", &format!("{maps}/fixed"), &json!({"data": {"a": "2"}}));
    plan.merge("free an immutable ConfigMap", &format!("{maps}/fixed"), &json!({"immutable": false}));
    plan.merge("label an immutable ConfigMap", &format!("{maps}/fixed"), &json!({"metadata": {"labels": {"a": "b"}}}));
    let secrets = "/api/v1/namespaces/one/secrets";
    plan.post(
        "create a Secret",
        secrets,
        &json!({"metadata": {"name": "typed"}, "type": "example.com/a", "stringData": {"a": "b"}}),
    );
    plan.merge("change the type of a Secret", &format!("{secrets}/typed"), &json!({"type": "example.com/b"}));
    plan.merge("change a Secret", &format!("{secrets}/typed"), &json!({"stringData": {"c": "d"}, "data": {"a": null}}));
    plan.merge("fix a Secret", &format!("{secrets}/typed"), &json!({"immutable": true}));
    plan.merge("change a fixed Secret", &format!("{secrets}/typed"), &json!({"stringData": {"c": "e"}}));
    let bindings = format!("{RBAC}/clusterrolebindings");
    plan.post(
        "create a ClusterRoleBinding",
        &bindings,
        &json!({"metadata": {"name": "fixed"}, "roleRef": {"kind": "ClusterRole", "name": "view"}}),
    );
    plan.merge(
        "change the role of a ClusterRoleBinding",
        &format!("{bindings}/fixed"),
        &json!({"roleRef": {"name": "edit"}}),
    );
    plan.merge(
        "change the subjects of a ClusterRoleBinding",
        &format!("{bindings}/fixed"),
        &json!({"subjects": [{"kind": "User", "name": "x"}, {"kind": "ServiceAccount", "name": "x"}]}),
    );
    let namespaces = "/api/v1/namespaces";
    plan.merge("change a Namespace's finalizers", &format!("{namespaces}/two"), &json!({"spec": {"finalizers": []}}));
    plan.merge(
        "change a Namespace's name label",
        &format!("{namespaces}/two"),
        &json!({"metadata": {"labels": {"kubernetes.io/metadata.name": "x"}}}),
    );
    plan.merge(
        "change a Namespace's phase",
        &format!("{namespaces}/two"),
        &json!({"status": {"phase": "Terminating"}}),
    );
    plan.delete("delete a Namespace that stays", &format!("{namespaces}/default"));
    plan.delete("delete another Namespace that stays", &format!("{namespaces}/kube-system"));
    plan.post(
        "create in a missing Namespace",
        "/api/v1/namespaces/missing/configmaps",
        &json!({"metadata": {"name": "x"}}),
    );
    plan.post(
        "create custom in a missing Namespace",
        "/apis/example.com/v1/namespaces/missing/gizmos",
        &json!({"apiVersion": "example.com/v1", "kind": "Gizmo", "metadata": {"name": "x"}}),
    );
    plan.get("list in a missing Namespace", "/api/v1/namespaces/missing/configmaps");
    plan.get("get in a missing Namespace", "/api/v1/namespaces/missing/configmaps/x");
    plan.put(
        "update in a missing Namespace",
        "/api/v1/namespaces/missing/configmaps/x",
        &json!({"metadata": {"name": "x"}}),
    );
}
