//! The custom kinds that other requests use.

use serde_json::{Value, json};

use crate::request::Plan;

pub const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A definition of one kind in `example.com`.
pub fn definition(plural: &str, kind: &str, scope: &str, versions: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": scope,
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": versions,
        },
    })
}

/// A version with this schema.
pub fn version(name: &str, storage: bool, schema: &Value) -> Value {
    json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": schema}})
}

/// `widgets`: namespaced, with whatever a schema can say.
fn widgets() -> Value {
    let mut version = version("v1", true, &widget_schema());
    version["subresources"] = json!({
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    });
    version["selectableFields"] =
        json!([{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}, {"jsonPath": ".spec.enabled"}]);
    version["additionalPrinterColumns"] = json!([
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "How large it is."},
        {"name": "Color", "type": "string", "jsonPath": ".spec.color"},
        {"name": "Enabled", "type": "boolean", "jsonPath": ".spec.enabled", "priority": 1},
        {"name": "Ratio", "type": "number", "jsonPath": ".spec.ratio", "format": "double"},
        {"name": "When", "type": "date", "jsonPath": ".spec.when"},
        {"name": "Ports", "type": "string", "jsonPath": ".spec.ports[*].port"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]);
    let mut definition = definition("widgets", "Widget", "Namespaced", &json!([version]));
    definition["spec"]["names"]["shortNames"] = json!(["wd"]);
    definition["spec"]["names"]["categories"] = json!(["all", "example"]);
    definition
}

fn widget_schema() -> Value {
    apimachinery::json::decode(include_bytes!("widgets.yaml"), apimachinery::json::ContentType::Yaml).unwrap().value
}

/// `gadgets`: of the whole cluster, in several versions, without a status of its own.
fn gadgets() -> Value {
    let schema = |extra: &str| {
        json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "size": {"type": "integer"}, extra: {"type": "string", "default": extra},
            }, "x-kubernetes-preserve-unknown-fields": true},
            "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
        }})
    };
    let mut old = version("v1beta1", false, &schema("old"));
    old["deprecated"] = json!(true);
    let mut older = version("v1alpha2", false, &schema("older"));
    older["deprecated"] = json!(true);
    older["deprecationWarning"] = json!("use another \"version\" of gadgets");
    let mut hidden = version("v1alpha1", false, &schema("hidden"));
    hidden["served"] = json!(false);
    definition("gadgets", "Gadget", "Cluster", &json!([version("v1", true, &schema("new")), old, older, hidden]))
}

/// `gizmos`: anything goes.
fn gizmos() -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    definition("gizmos", "Gizmo", "Namespaced", &json!([version("v1", true, &schema)]))
}

/// `rules`: rules in CEL.
fn rules() -> Value {
    let schema = json!({
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "x-kubernetes-validations": [
                    {"rule": "self.min <= self.max", "message": "min is more than max"},
                    {"rule": "self.min >= 0", "messageExpression": "'min is below ' + '0'", "reason": "FieldValueForbidden", "fieldPath": ".min"},
                    {"rule": "!has(oldSelf.fixed) || (has(self.fixed) && self.fixed == oldSelf.fixed)", "message": "fixed stays"},
                ],
                "required": ["min", "max"],
                "properties": {
                    "min": {"type": "integer"}, "max": {"type": "integer"},
                    "fixed": {"type": "string", "maxLength": 20},
                    "name": {"type": "string", "maxLength": 20, "x-kubernetes-validations": [{"rule": "self.startsWith('a')"}]},
                    "once": {"type": "string", "maxLength": 20, "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "once is for ever"}]},
                },
            },
        },
    });
    definition("rules", "Rule", "Namespaced", &json!([version("v1", true, &schema)]))
}

/// Makes the namespaces and kinds, and waits until both servers have them.
pub fn setup(plan: &mut Plan) {
    plan.area("setup");
    for name in ["one", "two", "three"] {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        plan.post(&format!("namespace {name}"), "/api/v1/namespaces", &body);
    }
    let definitions = [widgets(), gadgets(), gizmos(), rules()];
    for definition in &definitions {
        let name = definition["metadata"]["name"].as_str().unwrap();
        plan.post(&format!("create {name}"), DEFINITIONS, definition);
    }
    for plural in ["widgets", "gadgets", "gizmos", "rules"] {
        plan.until(&format!("/apis/example.com/v1/{plural}"), 200);
    }
    for definition in &definitions {
        let name = definition["metadata"]["name"].as_str().unwrap();
        plan.get(&format!("established {name}"), &format!("{DEFINITIONS}/{name}"));
    }
}

/// Definitions that are refused, or change.
pub fn add(plan: &mut Plan) {
    plan.area("definitions");
    invalid_names(plan);
    invalid_schemas(plan);
    changes(plan);
}

fn plain() -> Value {
    let schema =
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}});
    definition("plains", "Plain", "Namespaced", &json!([version("v1", true, &schema)]))
}

fn invalid_names(plan: &mut Plan) {
    let set = |path: &str, value: Value| {
        let mut definition = plain();
        let (parent, field) = path.rsplit_once('/').unwrap();
        definition.pointer_mut(parent).unwrap()[field] = value;
        definition
    };
    let v = |name: &str, storage: bool| version(name, storage, &json!({"type": "object"}));
    for (slug, body) in [
        (
            "nothing",
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "plains.example.com"}}),
        ),
        ("a wrong name", set("/metadata/name", "other.example.com".into())),
        ("no group", set("/spec/group", "".into())),
        ("a bad group", set("/spec/group", "Bad_".into())),
        ("a protected group", {
            let mut body = set("/spec/group", "x.k8s.io".into());
            body["metadata"]["name"] = json!("plains.x.k8s.io");
            body
        }),
        ("an approved group", {
            let mut body = set("/spec/group", "x.k8s.io".into());
            body["metadata"] =
                json!({"name": "plains.x.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, test"}});
            body
        }),
        ("no scope", set("/spec/scope", "".into())),
        ("an odd scope", set("/spec/scope", "Odd".into())),
        ("no plural", set("/spec/names/plural", "".into())),
        ("a capital plural", set("/spec/names/plural", "Plains".into())),
        ("no kind", set("/spec/names/kind", "".into())),
        ("a bad kind", set("/spec/names/kind", "a_b".into())),
        ("a kind like its list", set("/spec/names/listKind", "Plain".into())),
        ("a bad short name", set("/spec/names/shortNames", json!(["A"]))),
        ("a bad category", set("/spec/names/categories", json!(["A_"]))),
        ("no versions", set("/spec/versions", json!([]))),
        ("null versions", set("/spec/versions", Value::Null)),
        ("no storage", set("/spec/versions", json!([v("v1", false)]))),
        ("two storages", set("/spec/versions", json!([v("v1", true), v("v2", true)]))),
        ("a version twice", set("/spec/versions", json!([v("v1", true), v("v1", false)]))),
        ("a bad version", set("/spec/versions", json!([v("V_1", true)]))),
        ("no schema", set("/spec/versions", json!([{"name": "v1", "served": true, "storage": true}]))),
        ("preserved unknown fields", set("/spec/preserveUnknownFields", true.into())),
        ("a conversion without a webhook", set("/spec/conversion", json!({"strategy": "Webhook"}))),
        ("an odd conversion", set("/spec/conversion", json!({"strategy": "Odd"}))),
        (
            "a webhook that is not asked",
            set(
                "/spec/conversion",
                json!({"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://x"}}}),
            ),
        ),
        (
            "a webhook without versions",
            set(
                "/spec/conversion",
                json!({"strategy": "Webhook", "webhook": {"clientConfig": {"url": "https://example.com/x"}}}),
            ),
        ),
        (
            "a webhook with an odd url",
            set(
                "/spec/conversion",
                json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "http://example.com/x?y"}}}),
            ),
        ),
        (
            "a webhook with a service",
            set(
                "/spec/conversion",
                json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"service": {"name": "a", "namespace": "b"}}}}),
            ),
        ),
        ("a status", set("/status", json!({"storedVersions": ["v0"]}))),
        ("an unknown field", set("/spec/other", 1.into())),
        (
            "columns",
            set(
                "/spec/versions/0/additionalPrinterColumns",
                json!([{"name": "", "type": "odd", "jsonPath": ""}, {"name": "A", "type": "string", "jsonPath": ".a["}, {"name": "B", "type": "integer", "jsonPath": ".b", "format": "odd"}]),
            ),
        ),
        ("a warning without deprecation", set("/spec/versions/0/deprecationWarning", "x".into())),
        ("a long warning", {
            let mut body = set("/spec/versions/0/deprecationWarning", "x".repeat(300).into());
            body["spec"]["versions"][0]["deprecated"] = json!(true);
            body
        }),
        (
            "a scale without paths",
            set("/spec/versions/0/subresources", json!({"scale": {"specReplicasPath": "", "statusReplicasPath": "x"}})),
        ),
        (
            "a scale with paths elsewhere",
            set(
                "/spec/versions/0/subresources",
                json!({"scale": {"specReplicasPath": ".status.a", "statusReplicasPath": ".spec.a", "labelSelectorPath": ".a"}}),
            ),
        ),
        ("selectable fields", set("/spec/versions/0/selectableFields", json!([{"jsonPath": ".spec.a"}]))),
        (
            "a selectable field that is none",
            set(
                "/spec/versions/0/selectableFields",
                json!([{"jsonPath": ".spec.z"}, {"jsonPath": "spec"}, {"jsonPath": ".metadata.name"}, {"jsonPath": ".spec.a"}, {"jsonPath": ".spec.a"}]),
            ),
        ),
        (
            "many selectable fields",
            set("/spec/versions/0/selectableFields", json!(vec![json!({"jsonPath": ".spec.a"}); 9])),
        ),
    ] {
        plan.post(slug, &format!("{DEFINITIONS}?dryRun=All"), &body);
    }
}

fn invalid_schemas(plan: &mut Plan) {
    let nest =
        (0..70).fold(json!({"type": "string"}), |inner, _| json!({"type": "object", "properties": {"a": inner}}));
    for (slug, field) in [
        ("no type", json!({})),
        ("an odd type", json!({"type": "odd"})),
        ("a null type", json!({"type": "null"})),
        ("a list of types", json!({"type": ["string"]})),
        ("an array without items", json!({"type": "array"})),
        ("an array of arrays", json!({"type": "array", "items": [{"type": "string"}]})),
        (
            "properties and additional ones",
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
        ),
        ("additional properties false", json!({"type": "object", "additionalProperties": false})),
        ("additional properties true", json!({"type": "object", "additionalProperties": true})),
        ("a reference", json!({"$ref": "#/a"})),
        ("a definition", json!({"type": "string", "definitions": {"a": {"type": "string"}}})),
        ("an id", json!({"type": "string", "id": "x", "$schema": "y"})),
        ("pattern properties", json!({"type": "object", "patternProperties": {"a": {"type": "string"}}})),
        ("dependencies", json!({"type": "object", "dependencies": {"a": ["b"]}})),
        ("unique items", json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}})),
        ("a bad pattern", json!({"type": "string", "pattern": "("})),
        ("a lookahead", json!({"type": "string", "pattern": "(?!a)b"})),
        ("a bad enum", json!({"type": "string", "enum": []})),
        ("a default", json!({"type": "string", "default": "x"})),
        ("a default of another type", json!({"type": "string", "default": 1})),
        (
            "a default with unknown fields",
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "default": {"b": 1}}),
        ),
        ("a default that is not allowed", json!({"type": "integer", "minimum": 5, "default": 1})),
        ("a null default", json!({"type": "string", "default": null})),
        ("a nullable null default", json!({"type": "string", "nullable": true, "default": null})),
        ("nullable", json!({"type": "string", "nullable": true})),
        ("an int or string", json!({"x-kubernetes-int-or-string": true})),
        ("an int or string with a type", json!({"x-kubernetes-int-or-string": true, "type": "string"})),
        (
            "an int or string of any",
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ),
        ("preserve without a type", json!({"x-kubernetes-preserve-unknown-fields": true})),
        ("preserve false", json!({"type": "object", "x-kubernetes-preserve-unknown-fields": false})),
        ("embedded", json!({"type": "object", "x-kubernetes-embedded-resource": true})),
        ("embedded text", json!({"type": "string", "x-kubernetes-embedded-resource": true})),
        ("an odd list", json!({"type": "array", "x-kubernetes-list-type": "odd", "items": {"type": "string"}})),
        ("a list type of an object", json!({"type": "object", "x-kubernetes-list-type": "set"})),
        (
            "a set of objects",
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        ),
        (
            "a map without keys",
            json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        ),
        (
            "a map with an unknown key",
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b"], "items": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        ),
        (
            "a map with an optional key",
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"], "items": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        ),
        (
            "a map with a key that is a list",
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"], "items": {"type": "object", "required": ["a"], "properties": {"a": {"type": "array", "items": {"type": "string"}}}}}),
        ),
        (
            "keys without a map",
            json!({"type": "array", "x-kubernetes-list-map-keys": ["a"], "items": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        ),
        ("an odd map", json!({"type": "object", "x-kubernetes-map-type": "odd"})),
        (
            "a map type of a list",
            json!({"type": "array", "x-kubernetes-map-type": "atomic", "items": {"type": "string"}}),
        ),
        ("nested values", json!({"type": "object", "anyOf": [{"properties": {"a": {"type": "string"}}}]})),
        (
            "nested description",
            json!({"type": "string", "allOf": [{"description": "x", "default": "y", "nullable": true}]}),
        ),
        ("not", json!({"type": "string", "not": {"type": "string"}})),
        ("negative lengths", json!({"type": "string", "minLength": -1, "maxLength": -2})),
        ("exclusive without a bound", json!({"type": "integer", "exclusiveMinimum": true})),
        ("multiple of 0", json!({"type": "integer", "multipleOf": 0})),
        ("a format", json!({"type": "string", "format": "date-time"})),
        ("an unknown format", json!({"type": "string", "format": "odd"})),
        ("an unknown keyword", json!({"type": "string", "odd": 1})),
        ("a deep schema", nest),
        ("an example", json!({"type": "string", "example": {"a": 1}, "externalDocs": {"url": "x"}, "title": "t"})),
        ("required twice", json!({"type": "object", "required": ["a", "a"], "properties": {"a": {"type": "string"}}})),
    ] {
        let mut body = plain();
        body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["field"] = field;
        plan.post(&format!("a field with {slug}"), &format!("{DEFINITIONS}?dryRun=All"), &body);
    }
    for (slug, schema) in [
        ("a text", json!({"type": "string"})),
        ("no type", json!({})),
        ("nullable", json!({"type": "object", "nullable": true})),
        (
            "metadata",
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}}}}),
        ),
        (
            "metadata with labels",
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
        ),
        (
            "apiVersion as a number",
            json!({"type": "object", "properties": {"apiVersion": {"type": "integer"}, "kind": {"type": "string"}}}),
        ),
        ("a default at the root", json!({"type": "object", "default": {}})),
        ("required metadata", json!({"type": "object", "required": ["metadata", "spec"]})),
        ("embedded at the root", json!({"type": "object", "x-kubernetes-embedded-resource": true})),
    ] {
        let mut body = plain();
        body["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema;
        plan.post(&format!("a root with {slug}"), &format!("{DEFINITIONS}?dryRun=All"), &body);
    }
}

fn changes(plan: &mut Plan) {
    let target = format!("{DEFINITIONS}/gizmos.example.com");
    for (slug, patch) in [
        ("another group", json!({"spec": {"group": "other.com"}})),
        ("another scope", json!({"spec": {"scope": "Cluster"}})),
        ("another kind", json!({"spec": {"names": {"kind": "Other"}}})),
        ("another plural", json!({"spec": {"names": {"plural": "others"}}})),
        ("no storage", json!({"spec": {"versions": []}})),
        ("a status", json!({"status": {"storedVersions": []}})),
        ("a short name", json!({"spec": {"names": {"shortNames": ["gz"]}}})),
    ] {
        plan.merge(&format!("change to {slug}"), &format!("{target}?dryRun=All"), &patch);
    }
    plan.merge(
        "status without the storage version",
        &format!("{target}/status?dryRun=All"),
        &json!({"status": {"storedVersions": []}}),
    );
    plan.merge(
        "status with an unknown version",
        &format!("{target}/status?dryRun=All"),
        &json!({"status": {"storedVersions": ["v1", "v9"]}}),
    );
    plan.get("status", &format!("{target}/status"));
    plan.get("as a table", &target).accept("application/json;as=Table;v=v1;g=meta.k8s.io");
    plan.delete("delete, dry", &format!("{target}?dryRun=All"));
    // A kind whose names are taken.
    let mut taken = plain();
    taken["spec"]["names"]["kind"] = json!("Gizmo");
    taken["spec"]["names"]["listKind"] = json!("GizmoList");
    plan.post("create with a kind that is taken", DEFINITIONS, &taken);
    plan.until_text(&format!("{DEFINITIONS}/plains.example.com"), "not all names are accepted");
    plan.delete("delete what was never served", &format!("{DEFINITIONS}/plains.example.com"));
}
