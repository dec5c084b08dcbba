//! The built-in kinds, beside what Kubernetes' own source says of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use apimachinery::discovery;
use apimachinery::negotiate::MetaVersion;
use apimachinery::schema::Schema;
use apimachinery::selector::FieldSelector;
use apimachinery::table::{Include, Options, render};
use apiserver::builtin::{self, Definition, KINDS, Types, defaults, selectable};
use serde_json::{Value, json};

fn definition(kind: &str) -> &'static Definition {
    KINDS.iter().find(|definition| definition.kind == kind).unwrap()
}

/// A file of Kubernetes' source, where the Go module cache has it.
fn kubernetes(path: &str) -> Option<Value> {
    let cache = Command::new("go").args(["env", "GOMODCACHE"]).output().ok()?;
    let cache = PathBuf::from(String::from_utf8(cache.stdout).ok()?.trim());
    let text = std::fs::read(cache.join("k8s.io/kubernetes@v1.37.2").join(path)).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

#[test]
fn all_types_are_there_and_whole() {
    let types = Types::new();
    for (name, schema) in types.iter() {
        assert_ne!(schema, &Schema::default(), "{name}");
    }
    for kind in builtin::kinds(&types) {
        let text = serde_json::to_string(&*kind.schema).unwrap();
        assert!(!text.contains("\"$ref\":\""), "{}", kind.definition.kind);
        assert!(kind.schema.properties.contains_key("metadata"), "{}", kind.definition.kind);
    }
    let names: Vec<&str> = types.iter().map(|(name, _)| name).collect();
    insta::assert_json_snapshot!("types", names);
}

/// The types are those of Kubernetes' own document: fields, formats, what is required, list types, patch strategies.
#[test]
fn the_types_are_kubernetes_own() {
    let Some(document) = kubernetes("api/openapi-spec/swagger.json") else { return };
    let mut wrong = Vec::new();
    for (name, schema) in Types::new().iter() {
        let mut ours = serde_json::to_value(schema).unwrap();
        let mut theirs = document["definitions"][name].clone();
        assert!(!theirs.is_null(), "{name}");
        theirs.as_object_mut().unwrap().remove("x-kubernetes-group-version-kind");
        texts_aside(&mut ours);
        texts_aside(&mut theirs);
        if ours != theirs {
            wrong.push(format!("{name}\n  ours:   {ours}\n  theirs: {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// k8s-openapi writes some descriptions in its own way.
fn texts_aside(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            // A server tells enumerations; the document in its source is made without them.
            if fields.get("enum").is_some_and(Value::is_array) {
                fields.remove("enum");
            }
            // The order of what is required says nothing.
            if let Some(Value::Array(required)) = fields.get_mut("required") {
                required.sort_by_key(ToString::to_string);
            }
            fields.values_mut().for_each(texts_aside);
        }
        Value::Array(items) => items.iter_mut().for_each(texts_aside),
        _ => {}
    }
}

/// What discovery tells of each kind is what Kubernetes tells.
#[test]
fn discovery_tells_what_kubernetes_tells() {
    let resources: Vec<_> = KINDS.iter().map(Definition::resource).collect();
    let mut versions: BTreeMap<(&str, &str), Vec<&Definition>> = BTreeMap::new();
    for definition in KINDS {
        versions.entry((definition.group, definition.version)).or_default().push(definition);
    }
    for ((group, version), definitions) in versions {
        let path = if group.is_empty() { "api__v1".to_owned() } else { format!("apis__{group}__{version}") };
        let Some(theirs) = kubernetes(&format!("api/discovery/{path}.json")) else { return };
        let ours = discovery::resource_list(&resources, group, version).unwrap();
        let served = |name: &str| {
            let plural = name.split('/').next().unwrap();
            definitions.iter().any(|definition| definition.plural == plural)
        };
        let theirs: Vec<&Value> = theirs["resources"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|resource| served(resource["name"].as_str().unwrap()))
            .collect();
        assert_eq!(ours["resources"].as_array().unwrap().iter().collect::<Vec<_>>(), theirs, "{path}");
    }
}

fn objects() -> Value {
    json!({
        "Namespace": {"metadata": {"name": "dev"}, "status": {"phase": "Active"}},
        "Secret": {"metadata": {"name": "s"}, "type": "Opaque", "data": {"a": "", "b": ""}},
        "ConfigMap": {"metadata": {"name": "c"}, "data": {"a": ""}, "binaryData": {"b": ""}},
        "ServiceAccount": {"metadata": {"name": "default"}},
        "Lease": {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}},
        "Role": {"metadata": {"name": "r", "creationTimestamp": "2026-01-01T00:00:00Z"}},
        "RoleBinding": {
            "metadata": {"name": "rb"}, "roleRef": {"kind": "Role", "name": "r"},
            "subjects": [
                {"kind": "User", "name": "u1"}, {"kind": "User", "name": "u2"}, {"kind": "Group", "name": "g"},
                {"kind": "ServiceAccount", "namespace": "n", "name": "a"},
            ],
        },
        "Event": {
            "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec"}, "type": "Normal",
            "reason": "R", "message": "m", "source": {"component": "c"}, "count": 2,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T23:00:00Z",
        },
        "CustomResourceDefinition": {
            "metadata": {"name": "widgets.example.com", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"kind": "Widget", "shortNames": ["w", "wd"]},
                "versions": [
                    {"name": "v2", "served": true, "storage": true}, {"name": "v1", "served": true, "storage": false},
                    {"name": "v0", "served": false, "storage": false},
                ],
            },
            "status": {"conditions": [{"type": "Established", "status": "True"}]},
        },
        "ValidatingAdmissionPolicy": {
            "metadata": {"name": "p"}, "spec": {"validations": [{}, {}], "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}},
        },
        "ValidatingAdmissionPolicyBinding": {
            "metadata": {"name": "b"},
            "spec": {"policyName": "p", "paramRef": {"selector": {"matchLabels": {"a": "b"}}}},
        },
    })
}

#[test]
fn each_kind_has_its_own_columns() {
    let types = Types::new();
    let options = Options {
        include: Include::None,
        headers: true,
        version: MetaVersion::V1,
        now: "2026-01-02T00:00:00Z".parse().unwrap(),
    };
    let mut tables = BTreeMap::new();
    for kind in builtin::kinds(&types) {
        let Some(object) = objects().get(kind.definition.kind).cloned() else { continue };
        let mut object = object;
        if kind.definition.group == "events.k8s.io" {
            builtin::event::from_core(&mut object);
        }
        let table = render(&kind.columns, &json!({}), [object], &options);
        tables.insert(format!("{}/{}", kind.definition.api_version(), kind.definition.kind), table);
    }
    insta::assert_json_snapshot!("tables", tables);
}

#[test]
fn what_is_not_said_is_filled_in() {
    let applied = |kind, mut object: Value| {
        defaults::apply(definition(kind), &mut object);
        object
    };
    insta::assert_json_snapshot!(
        "defaults",
        json!([
            applied("Namespace", json!({"metadata": {"name": "dev"}})),
            applied("Namespace", json!({"metadata": {"generateName": "dev-"}})),
            applied("Secret", json!({"stringData": {"a": "hä"}, "data": {"a": "eA==", "b": "eQ=="}})),
            applied(
                "RoleBinding",
                json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [
                    {"kind": "User", "name": "u"}, {"kind": "Group", "name": "g", "apiGroup": "x"},
                    {"kind": "ServiceAccount", "name": "s"},
                ]})
            ),
            applied(
                "CustomResourceDefinition",
                json!({"spec": {
                    "names": {"kind": "Widget"}, "versions": [{"name": "v1"}, {"name": "v2", "storage": true}],
                    "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "s"}}}},
                }})
            ),
            applied("CustomResourceDefinition", json!({"spec": {"names": {}}})),
            applied(
                "ValidatingAdmissionPolicy",
                json!({"spec": {"matchConstraints": {"resourceRules": [{}, {"scope": "Cluster"}]}}})
            ),
            applied("ValidatingAdmissionPolicyBinding", json!({"spec": {"matchResources": {"matchPolicy": "Exact"}}})),
        ])
    );
}

#[test]
fn the_server_alone_writes_status_generation_and_finalizers() {
    let mut namespace = json!({"spec": {"finalizers": ["x"]}, "status": {"phase": "Terminating"}});
    defaults::prepare_create(definition("Namespace"), &mut namespace);
    assert_eq!(namespace, json!({"spec": {"finalizers": ["x", "kubernetes"]}, "status": {"phase": "Active"}}));

    let mut update = json!({"spec": {}, "status": {"phase": "Terminating"}});
    defaults::prepare_update(definition("Namespace"), "", &mut update, &namespace);
    assert_eq!(update, namespace);
    let mut status = json!({"spec": {}, "status": {"phase": "Terminating"}});
    defaults::prepare_update(definition("Namespace"), "status", &mut status, &namespace);
    assert_eq!(status, json!({"spec": {"finalizers": ["x", "kubernetes"]}, "status": {"phase": "Terminating"}}));
    let mut finalize = json!({"spec": {"finalizers": []}, "status": {}});
    defaults::prepare_update(definition("Namespace"), "finalize", &mut finalize, &namespace);
    assert_eq!(finalize, json!({"spec": {"finalizers": []}, "status": {"phase": "Active"}}));

    let mut crd = json!({"spec": {"versions": [{"name": "v1", "storage": true}]}, "status": {"storedVersions": ["x"]}});
    defaults::prepare_create(definition("CustomResourceDefinition"), &mut crd);
    assert_eq!(
        crd["status"],
        json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": ["v1"]})
    );
    assert_eq!(crd["metadata"]["generation"], 1);
    let mut new = json!({"spec": {"versions": [{"name": "v2", "storage": true}]}, "metadata": {"generation": 9}});
    defaults::prepare_update(definition("CustomResourceDefinition"), "", &mut new, &crd);
    assert_eq!(new["status"]["storedVersions"], json!(["v1", "v2"]));
    assert_eq!(new["metadata"]["generation"], 2);
}

#[test]
fn a_kind_is_selected_by_its_own_fields() {
    let select = |kind: &str, text: &str| {
        let definition = KINDS.iter().rfind(|definition| definition.kind == kind).unwrap();
        definition.select(&FieldSelector::parse(text).unwrap()).map(|selector| selector.to_string())
    };
    assert_eq!(
        select("Namespace", "status.phase=Active,metadata.name!=a").unwrap(),
        "metadata.name!=a,status.phase=Active"
    );
    assert_eq!(select("Namespace", "a=b"), Err("field label not supported: a".to_owned()));
    assert_eq!(
        select("Namespace", "metadata.namespace=b"),
        Err("field label not supported: metadata.namespace".to_owned())
    );
    assert_eq!(
        select("Event", "regarding.kind=Pod,reportingController=c").unwrap(),
        "involvedObject.kind=Pod,reportingComponent=c"
    );
    assert_eq!(select("Secret", "type=Opaque").unwrap(), "type=Opaque");
    assert_eq!(select("ClusterRole", "metadata.namespace=").unwrap(), "metadata.namespace=");
    assert_eq!(
        select("ClusterRole", "a=b"),
        Err(r#""a" is not a known field selector: only "metadata.name", "metadata.namespace""#.to_owned())
    );
    let event = json!({"reportingComponent": "c", "involvedObject": {"name": "a"}});
    assert_eq!(selectable::value(&event, "source"), Some("c"));
    assert_eq!(selectable::value(&event, "involvedObject.name"), Some("a"));
}
