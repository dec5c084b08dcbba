//! The built-in kinds, with kube-apiserver's messages.
use apiserver::builtin::{Definition, KINDS, defaults};
use apiserver::validation::{self, Kind};
use serde_json::{Value, json};

fn created(kind: Kind, object: &Value) -> Vec<String> {
    validation::create(kind, object).iter().map(ToString::to_string).collect()
}

fn updated(kind: Kind, new: &Value, old: &Value) -> Vec<String> {
    validation::update(kind, "", new, old).iter().map(ToString::to_string).collect()
}

fn with(metadata: Value, rest: Value) -> Value {
    let mut object = json!({ "metadata": metadata });
    object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    object
}

fn namespaced(rest: Value) -> Value {
    with(json!({"name": "a", "namespace": "dev", "resourceVersion": "1"}), rest)
}

fn global(rest: Value) -> Value {
    with(json!({"name": "a", "resourceVersion": "1"}), rest)
}

#[test]
fn a_namespaces_name_is_a_label() {
    assert_eq!(
        created(Kind::Namespace, &json!({"metadata": {"name": "a.b"}})),
        ["metadata.name: Invalid value: \"a.b\": must not contain dots"]
    );
    let object = global(json!({"spec": {"finalizers": ["mine", "kubernetes", "a/b"]}}));
    assert_eq!(
        created(Kind::Namespace, &object),
        [
            "spec.finalizers: Invalid value: \"mine\": name is neither a standard finalizer name nor is it fully qualified"
        ]
    );
}

#[test]
fn a_namespaces_phase_follows_its_deletion() {
    let new = global(json!({"status": {"phase": "Terminating"}}));
    let errors: Vec<String> =
        validation::update(Kind::Namespace, "status", &new, &new).iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        ["status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"]
    );
}

#[test]
fn keys_of_a_config_map_are_file_names_and_stand_once() {
    let object = namespaced(json!({"data": {"a b": "x", "both": "y", "..": ""}, "binaryData": {"both": "eA=="}}));
    assert_eq!(
        created(Kind::ConfigMap, &object),
        [
            "data[..]: Invalid value: \"..\": must not be '..'",
            "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
            "data[both]: Invalid value: \"both\": duplicate of key present in binaryData",
        ]
    );
    let object = namespaced(json!({"data": {"a": "x".repeat((1 << 20) + 1)}}));
    let errors = created(Kind::ConfigMap, &object);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].ends_with("Too long: may not be more than 1048576 bytes"));
}

#[test]
fn what_is_immutable_stays() {
    let old = namespaced(json!({"immutable": true, "data": {"a": "1"}}));
    let new = namespaced(json!({"data": {"a": "2"}}));
    assert_eq!(
        updated(Kind::ConfigMap, &new, &old),
        [
            "immutable: Forbidden: field is immutable when `immutable` is set",
            "data: Forbidden: field is immutable when `immutable` is set",
        ]
    );
    assert!(updated(Kind::ConfigMap, &old, &new).is_empty());
}

#[test]
fn a_secrets_type_asks_for_keys() {
    let errors = |kind: &str, data: Value| created(Kind::Secret, &namespaced(json!({"type": kind, "data": data})));
    assert!(errors("Opaque", json!({})).is_empty());
    assert_eq!(errors("kubernetes.io/tls", json!({"tls.crt": ""})), ["data[tls.key]: Required value"]);
    assert_eq!(
        errors("kubernetes.io/basic-auth", json!({})),
        ["data[username]: Required value", "data[password]: Required value"]
    );
    assert!(errors("kubernetes.io/basic-auth", json!({"password": ""})).is_empty());
    assert_eq!(
        errors("kubernetes.io/ssh-auth", json!({"ssh-privatekey": ""})),
        ["data[ssh-privatekey]: Required value"]
    );
    assert_eq!(errors("kubernetes.io/dockercfg", json!({})), ["data[.dockercfg]: Required value"]);
    let broken = errors("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "eA=="}));
    assert!(broken[0].starts_with("data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": "));
    assert!(errors("kubernetes.io/dockerconfigjson", json!({".dockerconfigjson": "e30="})).is_empty());
    assert_eq!(
        errors("kubernetes.io/service-account-token", json!({})),
        ["metadata.annotations[kubernetes.io/service-account.name]: Required value"]
    );
}

#[test]
fn a_secrets_type_stays() {
    let old = namespaced(json!({"type": "a"}));
    let new = namespaced(json!({"type": "b"}));
    assert_eq!(updated(Kind::Secret, &new, &old), ["type: Invalid value: \"b\": field is immutable"]);
}

#[test]
fn a_lease_lasts_some_time() {
    let object =
        namespaced(json!({"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1, "preferredHolder": "x"}}));
    assert_eq!(
        created(Kind::Lease, &object),
        [
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
            "spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined",
        ]
    );
}

#[test]
fn an_event_of_v1_is_only_in_the_namespace_of_what_it_is_about() {
    let object = namespaced(json!({"involvedObject": {"namespace": "prod"}}));
    assert_eq!(
        created(Kind::CoreEvent, &object),
        ["involvedObject.namespace: Invalid value: \"prod\": does not match event.namespace"]
    );
    assert!(created(Kind::CoreEvent, &namespaced(json!({"involvedObject": {"namespace": "dev"}}))).is_empty());
}

#[test]
fn an_event_of_events_is_checked_strictly() {
    let errors = created(Kind::Event, &namespaced(json!({"regarding": {"namespace": "dev"}})));
    assert_eq!(errors, ["eventTime: Required value", "type: Invalid value: \"\": has invalid value: "]);
    let event = namespaced(json!({"regarding": {"namespace": "dev"}, "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal", "reportingController": "drover.io/agent", "reportingInstance": "a", "action": "Sync", "reason": "Done"}));
    assert!(created(Kind::Event, &event).is_empty());
    let mut changed = event.clone();
    changed["reason"] = json!("Other");
    changed["series"] = json!({"count": 1});
    assert_eq!(
        updated(Kind::Event, &changed, &event),
        [
            "series.count: Invalid value: \"\": should be at least 2",
            "series.lastObservedTime: Required value",
            "reason: Invalid value: \"Other\": field is immutable",
            "reason: Invalid value: \"Other\": field is immutable",
        ]
    );
}

#[test]
fn a_rule_is_for_resources_or_for_paths() {
    let object = namespaced(json!({"rules": [
        {"verbs": []},
        {"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"]},
    ]}));
    assert_eq!(
        created(Kind::Role, &object),
        [
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
            "rules[0].resources: Required value: resource rules must supply at least one resource",
            "rules[1].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
            "rules[1].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and non-resource URLs",
            "rules[0].verbs: Required value",
        ]
    );
    let object = global(json!({"rules": [], "aggregationRule": {}}));
    assert_eq!(
        created(Kind::ClusterRole, &object),
        [
            "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil"
        ]
    );
}

#[test]
fn a_binding_names_a_role_and_subjects() {
    let group = "rbac.authorization.k8s.io";
    let object = global(json!({"roleRef": {"apiGroup": group, "kind": "Role", "name": ""}, "subjects": [
        {"kind": "ServiceAccount", "name": "a"}, {"kind": "User", "name": "jo"}, {"kind": "Robot", "name": ""},
    ]}));
    assert_eq!(
        created(Kind::ClusterRoleBinding, &object),
        [
            "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
            "subjects[0].namespace: Required value",
            "subjects[1].apiGroup: Unsupported value: \"\": supported values: \"rbac.authorization.k8s.io\"",
            "subjects[2].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\"",
            "subjects[2].name: Required value",
            "roleRef.name: Required value",
        ]
    );
}

#[test]
fn a_bindings_role_stays() {
    let binding = |name: &str| {
        namespaced(json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}}))
    };
    let errors = updated(Kind::RoleBinding, &binding("b"), &binding("a"));
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("roleRef: Invalid value: {") && errors[0].ends_with(": field is immutable"));
}

fn definition() -> Value {
    json!({
        "metadata": {"name": "things.example.com", "resourceVersion": "1"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {
                    "size": {"type": "integer"}, "parts": {"type": "array", "items": {"type": "string"}}
                }}}}},
            }],
        },
    })
}

fn built_in(kind: &str) -> &'static Definition {
    KINDS.iter().find(|definition| definition.kind == kind).unwrap()
}

fn prepared(mut object: Value) -> Value {
    let kind = built_in("CustomResourceDefinition");
    defaults::apply(kind, &mut object);
    defaults::prepare_create(kind, &mut object);
    object
}

#[test]
fn a_definition_needs_little() {
    let object = prepared(definition());
    assert!(
        created(Kind::CustomResourceDefinition, &object).is_empty(),
        "{:?}",
        created(Kind::CustomResourceDefinition, &object)
    );
    assert_eq!(
        object["spec"]["names"],
        json!({"plural": "things", "kind": "Thing", "singular": "thing", "listKind": "ThingList"})
    );
    assert_eq!(object["spec"]["conversion"], json!({"strategy": "None"}));
    assert_eq!(
        object["status"],
        json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": ["v1"]})
    );
    assert_eq!(object["metadata"]["generation"], 1);
}

fn definition_errors(change: impl Fn(&mut Value)) -> Vec<String> {
    let mut object = definition();
    change(&mut object);
    created(Kind::CustomResourceDefinition, &prepared(object))
}

#[test]
fn a_definitions_name_is_of_plural_and_group() {
    assert_eq!(
        definition_errors(|object| object["metadata"]["name"] = json!("other.example.com")),
        ["metadata.name: Invalid value: \"other.example.com\": must be spec.names.plural+\".\"+spec.group"]
    );
}

#[test]
fn a_definition_says_group_scope_and_one_stored_version() {
    assert_eq!(
        definition_errors(|object| {
            object["spec"]["group"] = json!("example");
            object["metadata"]["name"] = json!("things.example");
            object["spec"]["scope"] = json!("World");
        }),
        [
            "spec.group: Invalid value: \"example\": should be a domain with at least one dot",
            "spec.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespaced\"",
        ]
    );
    let errors = definition_errors(|object| object["spec"]["versions"][0]["storage"] = json!(false));
    assert!(errors[0].starts_with("spec.versions: Invalid value: ["));
    assert!(errors[0].ends_with("must have exactly one version marked as storage version"));
    assert_eq!(errors[1], "status.storedVersions: Invalid value: null: must have at least one stored version");
    let errors = definition_errors(|object| {
        let mut second = object["spec"]["versions"][0].clone();
        second["storage"] = json!(false);
        object["spec"]["versions"].as_array_mut().unwrap().push(second);
    });
    assert!(errors[0].ends_with("must contain unique version names"));
}

#[test]
fn a_version_needs_a_schema() {
    assert_eq!(
        definition_errors(|object| {
            object["spec"]["versions"][0].as_object_mut().unwrap().remove("schema");
        }),
        ["spec.versions[0].schema.openAPIV3Schema: Required value"]
    );
}

#[test]
fn what_all_versions_share_is_named_once() {
    let columns = json!([{"name": "Size", "type": "count", "format": "tiny", "jsonPath": "spec.size"}]);
    assert_eq!(
        definition_errors(|object| object["spec"]["versions"][0]["additionalPrinterColumns"] = columns.clone()),
        [
            "spec.additionalPrinterColumns[0].type: Invalid value: \"count\": must be one of boolean,date,integer,number,string",
            "spec.additionalPrinterColumns[0].format: Invalid value: \"tiny\": must be one of byte,date,date-time,double,float,int32,int64,password",
            "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"spec.size\": must be a simple json path starting with .",
        ]
    );
    let errors = definition_errors(|object| {
        let mut second = object["spec"]["versions"][0].clone();
        second["name"] = json!("v2");
        second["storage"] = json!(false);
        second["additionalPrinterColumns"] = json!([{"type": "string", "jsonPath": ".x"}]);
        object["spec"]["versions"].as_array_mut().unwrap().push(second);
    });
    assert_eq!(errors, ["spec.versions[1].additionalPrinterColumns[0].name: Required value"]);
}

#[test]
fn scale_reads_spec_and_status() {
    assert_eq!(
        definition_errors(|object| {
            object["spec"]["versions"][0]["subresources"] = json!({"scale": {"specReplicasPath": ".status.size", "statusReplicasPath": "", "labelSelectorPath": "x"}});
        }),
        [
            "spec.subresources.scale.specReplicasPath: Invalid value: \".status.size\": should be a json path under .spec",
            "spec.subresources.scale.statusReplicasPath: Required value",
            "spec.subresources.scale.labelSelectorPath: Invalid value: \"x\": must be a simple json path starting with .",
        ]
    );
}

#[test]
fn selectable_fields_are_scalars_of_the_schema() {
    let fields = |paths: &[&str]| -> Vec<Value> { paths.iter().map(|path| json!({"jsonPath": path})).collect() };
    assert_eq!(
        definition_errors(|object| {
            object["spec"]["versions"][0]["selectableFields"] =
                json!(fields(&[".spec.size", ".spec.none", ".spec.parts", ".spec.size", "spec", ".spec.parts[0]"]));
        }),
        [
            "spec.selectableFields[1].jsonPath: Invalid value: \".spec.none\": is an invalid path: does not refer to a valid field",
            "spec.selectableFields[2].jsonPath: Invalid value: \".spec.parts\": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
            "spec.selectableFields[3].jsonPath: Duplicate value: \".spec.size\"",
            "spec.selectableFields[4].jsonPath: Invalid value: \"spec\": is an invalid path: expected [ or . but got: spec",
            "spec.selectableFields[5].jsonPath: Invalid value: \".spec.parts[0]\": is an invalid path: array notation is not allowed",
        ]
    );
}

#[test]
fn a_webhook_converts_only_when_it_is_asked_to() {
    let errors = |conversion: Value| definition_errors(|object| object["spec"]["conversion"] = conversion.clone());
    assert_eq!(
        errors(
            json!({"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://x"}}})
        ),
        [
            "spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook",
            "spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook",
        ]
    );
    assert_eq!(
        errors(json!({"strategy": "Webhook"})),
        [
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
            "spec.conversion.conversionReviewVersions: Required value",
        ]
    );
    assert_eq!(
        errors(
            json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v9"], "clientConfig": {"url": "http://jo@x/?a"}}})
        ),
        [
            "spec.conversion.webhookClientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
            "spec.conversion.webhookClientConfig.url: Invalid value: \"jo\": user information is not permitted in the URL",
            "spec.conversion.webhookClientConfig.url: Invalid value: \"a\": query parameters are not permitted in the URL",
            "spec.conversion.conversionReviewVersions: Invalid value: [\"v9\"]: must include at least one of v1, v1beta1",
        ]
    );
}

#[test]
fn groups_of_the_community_need_its_approval() {
    let errors = |annotation: Option<&str>| {
        definition_errors(|object| {
            object["metadata"]["name"] = json!("things.x.k8s.io");
            object["spec"]["group"] = json!("x.k8s.io");
            if let Some(annotation) = annotation {
                object["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": annotation});
            }
        })
    };
    assert_eq!(
        errors(None),
        [
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111"
        ]
    );
    assert!(errors(Some("unapproved, a test")).is_empty());
    assert!(errors(Some("https://github.com/kubernetes/kubernetes/pull/1")).is_empty());
    assert!(errors(Some("yes"))[0].contains("with either a URL or a reason starting with \"unapproved\""));
}

#[test]
fn an_established_definition_keeps_its_names() {
    let mut old = prepared(definition());
    let mut new = old.clone();
    new["spec"]["scope"] = json!("Cluster");
    new["spec"]["names"]["kind"] = json!("Other");
    new["spec"]["group"] = json!("example.org");
    assert_eq!(
        updated(Kind::CustomResourceDefinition, &new, &old),
        ["spec.group: Invalid value: \"example.org\": field is immutable"]
    );
    old["status"]["conditions"] = json!([{"type": "Established", "status": "True"}]);
    assert_eq!(
        updated(Kind::CustomResourceDefinition, &new, &old),
        [
            "spec.scope: Invalid value: \"Cluster\": field is immutable",
            "spec.names.kind: Invalid value: \"Other\": field is immutable",
            "spec.group: Invalid value: \"example.org\": field is immutable",
        ]
    );
}

#[test]
fn a_version_that_objects_are_stored_in_stays() {
    let old = prepared(definition());
    let mut new = old.clone();
    new["spec"]["versions"][0]["name"] = json!("v2");
    defaults::prepare_update(built_in("CustomResourceDefinition"), "", &mut new, &old);
    let errors = updated(Kind::CustomResourceDefinition, &new, &old);
    assert!(errors[0].starts_with("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; v1 was previously a storage version"));
}

fn policy(spec: Value) -> Vec<String> {
    let mut object = global(json!({ "spec": spec }));
    defaults::apply(built_in("ValidatingAdmissionPolicy"), &mut object);
    created(Kind::ValidatingAdmissionPolicy, &object)
}

#[test]
fn a_policy_matches_and_validates_something() {
    assert_eq!(
        policy(json!({})),
        [
            "spec.matchConstraints: Required value",
            "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
            "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
        ]
    );
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]);
    assert!(
        policy(json!({"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "true"}]}))
            .is_empty()
    );
    assert_eq!(
        policy(json!({
            "failurePolicy": "Maybe",
            "paramKind": {"apiVersion": "a/b/c", "kind": ""},
            "matchConstraints": {"resourceRules": [{"apiGroups": ["*", "a"], "apiVersions": [""], "operations": ["PATCH"], "resources": ["pods/*", "pods/log", "*", "x"]}]},
            "matchConditions": [{"name": "a", "expression": " "}, {"name": "a", "expression": "true"}],
            "variables": [{"name": "if", "expression": "1"}],
            "validations": [{"expression": "", "message": "a\nb", "reason": "Why"}],
        })),
        [
            "spec.failurePolicy: Unsupported value: \"Maybe\": supported values: \"Fail\", \"Ignore\"",
            "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
            "spec.paramKind.kind: Required value",
            "spec.matchConstraints.resourceRules[0].operations[0]: Unsupported value: \"PATCH\": supported values: \"*\", \"CONNECT\", \"CREATE\", \"DELETE\", \"UPDATE\"",
            "spec.matchConstraints.resourceRules[0].apiGroups: Invalid value: [\"*\",\"a\"]: if '*' is present, must not specify other API groups",
            "spec.matchConstraints.resourceRules[0].apiVersions[0]: Required value",
            "spec.matchConstraints.resourceRules[0].resources[1]: Invalid value: \"pods/log\": if 'pods/*' is present, must not specify pods/log",
            "spec.matchConstraints.resourceRules[0].resources: Invalid value: [\"pods/*\",\"pods/log\",\"*\",\"x\"]: if '*' is present, must not specify other resources without subresources",
            "spec.matchConditions[0].expression: Required value",
            "spec.matchConditions[1].name: Duplicate value: \"a\"",
            "spec.variables[0].name: Invalid value: \"if\": must be a valid CEL identifier",
            "spec.validations[0].expression: Required value: expression is not specified",
            "spec.validations[0].message: Invalid value: \"a\\nb\": must not contain line breaks",
            "spec.validations[0].reason: Unsupported value: \"Why\": supported values: \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\"",
        ]
    );
}

#[test]
fn a_policys_binding_says_what_to_do() {
    let errors = |spec: Value| created(Kind::ValidatingAdmissionPolicyBinding, &global(json!({ "spec": spec })));
    assert_eq!(errors(json!({})), ["spec.policyName: Required value", "spec.validationActions: Required value"]);
    assert_eq!(
        errors(
            json!({"policyName": "p", "validationActions": ["Deny", "Warn", "Warn", "Shout"], "paramRef": {"name": "a", "selector": {}}})
        ),
        [
            "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
            "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
            "spec.paramRef.parameterNotFoundAction: Required value",
            "spec.validationActions[2]: Duplicate value: \"Warn\"",
            "spec.validationActions[3]: Unsupported value: \"Shout\": supported values: \"Audit\", \"Deny\", \"Warn\"",
            "spec.validationActions: Invalid value: [\"Deny\",\"Warn\",\"Warn\",\"Shout\"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)",
        ]
    );
}
