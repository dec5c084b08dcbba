//! Server-side apply and the owners of fields, as kube-apiserver keeps them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "literals read better by value")]

use apimachinery::apply::{
    ApplyError, Context, FieldSet, Managed, OneVersion, Operation, applied, keep_times, updated,
};
use apimachinery::schema::Schema;
use jiff::Timestamp;
use serde_json::{Value, json};

const NONE: &FieldSet = &FieldSet::new();

fn schema() -> Schema {
    serde_json::from_value(json!({"type": "object", "properties": {
        "metadata": {"type": "object"},
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "integer"},
            "name": {"type": "string"},
            "size": {"x-kubernetes-int-or-string": true},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
            "nested": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
            "plain": {"type": "array", "items": {"type": "string"}},
            "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "integer"}, "other": {"type": "integer"}}}},
            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
                "items": {"type": "object", "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}, "name": {"type": "string"}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
        }},
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    }}))
    .unwrap()
}

/// An API server of one kind, as far as owners are concerned.
struct Server {
    schema: Option<Schema>,
    live: Option<Value>,
    second: i64,
}

impl Server {
    fn new() -> Self {
        Self { schema: Some(schema()), live: None, second: 0 }
    }

    fn without_schema() -> Self {
        Self { schema: None, ..Self::new() }
    }

    fn context<'a>(&'a self, manager: &'a str, subresource: &'a str, reset: &'a FieldSet) -> Context<'a> {
        Context {
            manager,
            api_version: "example.com/v1",
            kind: "Thing",
            subresource,
            now: Timestamp::from_second(self.second).unwrap(),
            schema: self.schema.as_ref(),
            reset,
            empty: None,
            versions: &OneVersion,
        }
    }

    fn store(&mut self, mut object: Value) {
        object["metadata"]["uid"] = "u1".into();
        self.live = Some(object);
    }

    fn try_apply(&mut self, manager: &str, spec: Value, force: bool) -> Result<(), ApplyError> {
        self.second += 1;
        let object = applied(self.live.as_ref(), &thing(spec), force, &self.context(manager, "", NONE))?;
        self.store(object);
        Ok(())
    }

    fn apply(&mut self, manager: &str, spec: Value) {
        self.try_apply(manager, spec, false).unwrap();
    }

    fn force(&mut self, manager: &str, spec: Value) {
        self.try_apply(manager, spec, true).unwrap();
    }

    fn conflict(&mut self, manager: &str, spec: Value) -> String {
        match self.try_apply(manager, spec, false).unwrap_err() {
            ApplyError::Conflicts(conflicts) => conflicts.to_string(),
            other => panic!("{other}"),
        }
    }

    fn failure(&mut self, spec: Value) -> String {
        match self.try_apply("one", spec, false).unwrap_err() {
            ApplyError::Failed(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Writes the live object with another spec.
    fn update(&mut self, manager: &str, spec: Value) {
        self.change(manager, |object| object["spec"] = spec);
    }

    fn change(&mut self, manager: &str, change: impl FnOnce(&mut Value)) {
        self.second += 1;
        let mut object = self.live.clone().unwrap_or_else(|| thing(json!({})));
        change(&mut object);
        let object = updated(self.live.as_ref(), object, &self.context(manager, "", NONE));
        self.store(object);
    }

    fn spec(&self) -> &Value {
        &self.live.as_ref().unwrap()["spec"]
    }

    fn owners(&self) -> Vec<Managed> {
        Managed::of(self.live.as_ref().unwrap()).unwrap()
    }

    /// The fields of an owner, by its name.
    fn owned(&self, manager: &str) -> Vec<String> {
        let owners = self.owners();
        let owner = owners.iter().filter(|owner| owner.manager == manager);
        owner.flat_map(|owner| owner.fields.paths()).map(|path| path.to_string()).collect()
    }
}

fn thing(spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x", "namespace": "ns"}, "spec": spec})
}

#[test]
fn an_apply_creates_an_object_and_owns_what_it_says() {
    let mut server = Server::new();
    server.apply("one", json!({"replicas": 1, "map": {"a": "1"}, "items": [{"name": "i", "value": 1}], "set": ["s"], "plain": ["p"], "whole": {"w": "1"}}));
    assert_eq!(
        server.live.as_ref().unwrap()["metadata"]["managedFields"],
        json!([{
            "apiVersion": "example.com/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {
                "f:replicas": {},
                "f:map": {"f:a": {}},
                "f:items": {"k:{\"name\":\"i\"}": {".": {}, "f:name": {}, "f:value": {}}},
                "f:set": {"v:\"s\"": {}},
                "f:plain": {},
                "f:whole": {},
            }},
            "manager": "one",
            "operation": "Apply",
            "time": "1970-01-01T00:00:01Z",
        }])
    );
}

#[test]
fn a_create_owns_what_it_adds_and_so_does_an_update() {
    let mut server = Server::new();
    server.update("creator", json!({"replicas": 1, "map": {"a": "1"}}));
    assert_eq!(server.owned("creator"), [".spec", ".spec.map", ".spec.replicas", ".spec.map.a"]);
    server.update("updater", json!({"replicas": 2, "map": {"a": "1", "b": "2"}}));
    assert_eq!(server.owned("creator"), [".spec", ".spec.map", ".spec.map.a"]);
    assert_eq!(server.owned("updater"), [".spec.replicas", ".spec.map.b"]);
    server.update("remover", json!({"replicas": 2}));
    assert_eq!(server.owned("creator"), [".spec"]);
    assert_eq!(server.owned("updater"), [".spec.replicas"]);
    assert!(server.owned("remover").is_empty());
    let owners = server.owners();
    assert_eq!(owners[1].time, Some(Timestamp::from_second(2).unwrap()));
}

#[test]
fn what_an_applier_leaves_out_goes_unless_someone_else_owns_it() {
    let mut server = Server::new();
    server.apply("one", json!({"replicas": 1, "map": {"a": "1", "b": "2"}, "set": ["a", "b"]}));
    server.apply("two", json!({"map": {"b": "2"}}));
    server.apply("one", json!({"set": ["b"]}));
    assert_eq!(*server.spec(), json!({"map": {"b": "2"}, "set": ["b"]}));
    assert_eq!(server.owned("one"), [".spec.set[=\"b\"]"]);
    server.apply("two", json!({}));
    assert_eq!(*server.spec(), json!({"set": ["b"]}));
    assert_eq!(server.owned("two"), [".spec"]);
}

#[test]
fn items_of_a_list_by_key_are_merged_and_removed_one_by_one() {
    let mut server = Server::new();
    server.apply("one", json!({"items": [{"name": "a", "value": 1}, {"name": "b", "value": 2}]}));
    server.apply("two", json!({"items": [{"name": "c", "value": 3}, {"name": "a", "other": 4}]}));
    assert_eq!(
        *server.spec(),
        json!({"items": [{"name": "c", "value": 3}, {"name": "a", "value": 1, "other": 4}, {"name": "b", "value": 2}]})
    );
    server.apply("one", json!({"items": [{"name": "b", "value": 2}]}));
    assert_eq!(
        *server.spec(),
        json!({"items": [{"name": "c", "value": 3}, {"name": "a", "other": 4}, {"name": "b", "value": 2}]})
    );
}

#[test]
fn a_key_with_a_default_need_not_be_given() {
    let mut server = Server::new();
    server.apply("one", json!({"ports": [{"port": 80}]}));
    server.apply(
        "two",
        json!({"ports": [{"port": 80, "protocol": "TCP", "name": "web"}, {"port": 80, "protocol": "UDP"}]}),
    );
    assert_eq!(
        *server.spec(),
        json!({"ports": [{"port": 80, "protocol": "TCP", "name": "web"}, {"port": 80, "protocol": "UDP"}]})
    );
    assert_eq!(
        server.owned("one"),
        [".spec.ports[port=80,protocol=\"TCP\"]", ".spec.ports[port=80,protocol=\"TCP\"].port"]
    );
}

#[test]
fn a_change_of_a_field_of_another_is_a_conflict() {
    let mut server = Server::new();
    server.apply("one", json!({"replicas": 1, "map": {"a": "1"}}));
    assert_eq!(
        server.conflict("two", json!({"replicas": 2})),
        "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas"
    );
    server.update("kubectl", json!({"replicas": 3, "map": {"a": "1"}}));
    assert_eq!(
        server.conflict("two", json!({"replicas": 2})),
        "Apply failed with 1 conflict: conflict with \"kubectl\" using example.com/v1: .spec.replicas"
    );
    assert_eq!(
        server.conflict("two", json!({"replicas": 2, "map": {"a": "2"}})),
        "Apply failed with 2 conflicts: conflicts with \"kubectl\" using example.com/v1:\n- .spec.replicas\nconflicts with \"one\":\n- .spec.map.a"
    );
    let Err(ApplyError::Conflicts(conflicts)) = server.try_apply("two", json!({"replicas": 2}), false) else {
        panic!()
    };
    let causes = conflicts.causes();
    assert_eq!(causes.len(), 1);
    assert_eq!(causes[0].reason, "FieldManagerConflict");
    assert_eq!(causes[0].message, "conflict with \"kubectl\" using example.com/v1");
    assert_eq!(causes[0].field, ".spec.replicas");
}

#[test]
fn the_same_value_is_shared_and_force_takes_a_field() {
    let mut server = Server::new();
    server.apply("one", json!({"replicas": 1, "name": "n"}));
    server.apply("two", json!({"replicas": 1}));
    assert_eq!(server.owned("one"), [".spec.name", ".spec.replicas"]);
    assert_eq!(server.owned("two"), [".spec.replicas"]);
    server.force("two", json!({"replicas": 2}));
    assert_eq!(server.owned("one"), [".spec.name"]);
    assert_eq!(*server.spec(), json!({"replicas": 2, "name": "n"}));
}

#[test]
fn an_atomic_map_or_list_has_one_owner() {
    let mut server = Server::new();
    server.apply("one", json!({"whole": {"a": "1"}, "plain": ["a"]}));
    assert_eq!(
        server.conflict("two", json!({"whole": {"b": "1"}, "plain": ["a"]})),
        "Apply failed with 1 conflict: conflict with \"one\": .spec.whole"
    );
    server.force("two", json!({"whole": {"b": "1"}, "plain": ["b"]}));
    assert_eq!(*server.spec(), json!({"whole": {"b": "1"}, "plain": ["b"]}));
    assert!(server.live.as_ref().unwrap()["metadata"]["managedFields"].as_array().unwrap().len() == 1);
}

#[test]
fn an_apply_that_changes_nothing_keeps_object_and_times() {
    let mut server = Server::new();
    server.apply("one", json!({"replicas": 1}));
    let before = server.live.clone();
    server.apply("one", json!({"replicas": 1}));
    assert_eq!(server.live, before);
    // As in Kubernetes, an owner that came without changing anything has no time, and so stands first.
    server.apply("two", json!({"replicas": 1}));
    let owners = server.owners();
    assert_eq!((owners[0].manager.as_str(), owners[0].time), ("two", None));
}

#[test]
fn an_update_that_changes_nothing_keeps_the_object() {
    let mut server = Server::new();
    server.update("one", json!({"replicas": 1}));
    let before = server.live.clone();
    server.update("two", json!({"replicas": 1}));
    assert_eq!(server.live, before);
}

#[test]
fn who_is_named_twice_updates_one_entry_and_its_time() {
    let mut server = Server::new();
    server.update("one", json!({"replicas": 1}));
    server.update("one", json!({"replicas": 1, "name": "n"}));
    let owners = server.owners();
    assert_eq!(owners.len(), 1);
    assert_eq!(owners[0].time, Some(Timestamp::from_second(2).unwrap()));
    assert_eq!(server.owned("one"), [".spec", ".spec.name", ".spec.replicas"]);
}

#[test]
fn an_object_without_owners_gets_one_before_the_first_apply() {
    let mut server = Server::new();
    server.live = Some(
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x", "uid": "u1", "labels": {"a": "b"}}, "spec": {"replicas": 1}}),
    );
    server.update("one", json!({"replicas": 2}));
    assert!(server.owners().is_empty(), "an update does not begin to track owners");
    assert_eq!(
        server.conflict("two", json!({"replicas": 3})),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using example.com/v1: .spec.replicas"
    );
    server.apply("two", json!({"replicas": 2}));
    assert_eq!(
        server.owned("before-first-apply"),
        [".spec", ".metadata.labels", ".metadata.labels.a", ".spec.replicas"]
    );
    assert_eq!(server.owned("two"), [".spec.replicas"]);
}

#[test]
fn owners_are_cleared_by_an_empty_entry_and_kept_when_a_client_forgets_them() {
    let mut server = Server::new();
    server.update("one", json!({"replicas": 1}));
    let owned = server.owned("one");
    server.change("two", |object| {
        object["metadata"].as_object_mut().unwrap().remove("managedFields");
    });
    assert_eq!(server.owned("one"), owned);
    server.change("two", |object| object["metadata"]["managedFields"] = json!("nonsense"));
    assert_eq!(server.owned("one"), owned);
    server.change("two", |object| {
        object["metadata"]["managedFields"] = json!([{"manager": "evil", "operation": "What"}]);
    });
    assert_eq!(server.owned("one"), owned);
    server.change("two", |object| object["metadata"]["managedFields"] = json!([{}]));
    assert!(server.live.as_ref().unwrap()["metadata"].get("managedFields").is_none());
    server.change("two", |object| object["metadata"]["managedFields"] = json!([]));
    assert!(server.owners().is_empty());
}

#[test]
fn a_request_may_bring_owners_of_its_own() {
    let mut server = Server::new();
    server.update("one", json!({"replicas": 1}));
    server.change("two", |object| object["metadata"]["managedFields"][0]["manager"] = "renamed".into());
    assert_eq!(server.owners()[0].manager, "renamed");
    let mut object = server.live.clone().unwrap();
    object["metadata"]["managedFields"][0]["manager"] = "through-status".into();
    let context = server.context("three", "status", NONE);
    let object = updated(server.live.as_ref(), object, &context);
    assert_eq!(Managed::of(&object).unwrap()[0].manager, "renamed", "not through a subresource");
}

#[test]
fn owners_stand_appliers_first_then_by_time_and_name() {
    let mut server = Server::new();
    server.update("z", json!({"replicas": 1}));
    server.update("a", json!({"replicas": 1, "name": "a"}));
    server.second -= 1;
    server.update("b", json!({"replicas": 1, "name": "a", "map": {"x": "1"}}));
    server.apply("late", json!({"size": 1}));
    let owners: Vec<_> = server.owners().into_iter().map(|owner| (owner.manager, owner.operation)).collect();
    assert_eq!(
        owners,
        [
            ("late".to_owned(), Operation::Apply),
            ("z".to_owned(), Operation::Update),
            ("a".to_owned(), Operation::Update),
            ("b".to_owned(), Operation::Update),
        ]
    );
}

#[test]
fn the_oldest_of_more_than_ten_updaters_become_one() {
    let mut server = Server::new();
    for number in 0..12 {
        server.change(&format!("m{number:02}"), |object| object["spec"]["map"][format!("k{number:02}")] = "v".into());
    }
    let names: Vec<_> = server.owners().into_iter().map(|owner| owner.manager).collect();
    assert_eq!(names.len(), 10);
    assert_eq!(names[0], "ancient-changes");
    assert_eq!(names[9], "m11");
    assert_eq!(
        server.owned("ancient-changes"),
        [".spec", ".spec.map", ".spec.map.k00", ".spec.map.k01", ".spec.map.k02"]
    );
}

#[test]
fn fields_that_the_endpoint_resets_are_nobodys() {
    let status = FieldSet::of(&[&["status"]]);
    let rest = FieldSet::of(&[&["metadata"], &["spec"]]);
    let mut server = Server::new();
    let mut object = thing(json!({"replicas": 1}));
    object["status"] = json!({"phase": "x"});
    let created = updated(None, object, &server.context("one", "", &status));
    server.store(created);
    assert_eq!(server.owned("one"), [".spec", ".spec.replicas"]);
    let mut object = server.live.clone().unwrap();
    object["status"]["phase"] = "y".into();
    object["spec"]["replicas"] = 2.into();
    let object = updated(server.live.as_ref(), object, &server.context("two", "status", &rest));
    server.store(object);
    assert_eq!(server.owned("one"), [".spec", ".spec.replicas"]);
    assert_eq!(server.owned("two"), [".status.phase"]);
    assert_eq!(server.owners()[1].subresource, "status");
    let mut config = thing(json!({}));
    config["status"] = json!({"phase": "z"});
    let refused = applied(server.live.as_ref(), &config, false, &server.context("three", "status", &rest)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Apply failed with 1 conflict: conflict with \"two\" with subresource \"status\" using example.com/v1: .status.phase"
    );
}

#[test]
fn an_applied_object_must_fit_endpoint_and_schema() {
    let mut server = Server::new();
    for (spec, why) in [
        (json!({"what": 1}), ".spec.what: field not declared in schema"),
        (json!({"replicas": "1"}), ".spec.replicas: expected numeric (int or float), got string"),
        (json!({"name": 1}), ".spec.name: expected string, got &value.valueUnstructured{Value:1}"),
        (json!({"map": "x"}), ".spec.map: expected map, got &{x}"),
        (json!({"set": {"a": 1}}), ".spec.set: expected list, got &{map[a:1]}"),
        (json!({"set": ["a", "a"]}), ".spec.set: duplicate entries for key [=\"a\"]"),
        (json!({"items": [{"name": "a"}, {"name": "a"}]}), ".spec.items: duplicate entries for key [name=\"a\"]"),
        (
            json!({"items": [{"value": 1}]}),
            ".spec.items: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and doesn't have \
             default values for any key fields)",
        ),
        (
            json!({"set": [null]}),
            ".spec.set: element 0: associative list without keys has an element that's an explicit null",
        ),
    ] {
        let expected = format!("failed to create typed patch object (ns/x; example.com/v1, Kind=Thing): {why}");
        assert_eq!(server.failure(spec), expected);
    }
    let context = server.context("one", "", NONE);
    let refused = |config: &Value| match applied(None, config, false, &context).unwrap_err() {
        ApplyError::BadRequest(why) => why,
        other => panic!("{other:?}"),
    };
    let mut other = thing(json!({}));
    other["kind"] = "Other".into();
    assert_eq!(refused(&other), "invalid object type: example.com/v1, Kind=Other");
    assert_eq!(refused(&json!({"metadata": {}})), "invalid object type: /, Kind=");
    let mut owned = thing(json!({}));
    owned["metadata"]["managedFields"] = json!([]);
    assert_eq!(refused(&owned), "metadata.managedFields must be nil");
    owned["metadata"] = json!({"name": "x", "foo": 1});
    assert!(
        applied(None, &owned, false, &context)
            .unwrap_err()
            .to_string()
            .ends_with(".metadata.foo: field not declared in schema")
    );
}

#[test]
fn metadata_has_the_types_of_object_meta_also_in_embedded_resources() {
    let mut server = Server::new();
    let mut config = thing(
        json!({"template": {"apiVersion": "v1", "kind": "X", "metadata": {"finalizers": ["a"]}, "data": {"list": [1]}}}),
    );
    config["metadata"]["finalizers"] = json!(["one/x"]);
    config["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "X", "name": "n", "uid": "u"}]);
    config["metadata"]["labels"] = json!({"a": "b"});
    let object = applied(None, &config, false, &server.context("one", "", NONE)).unwrap();
    server.store(object);
    assert_eq!(
        server.owned("one"),
        [
            ".metadata.finalizers[=\"one/x\"]",
            ".metadata.labels.a",
            ".metadata.ownerReferences[uid=\"u\"]",
            ".spec.template.apiVersion",
            ".spec.template.data",
            ".spec.template.kind",
            ".spec.template.data.list",
            ".spec.template.metadata.finalizers[=\"a\"]",
        ]
    );
}

#[test]
fn without_a_schema_maps_are_granular_and_lists_atomic() {
    let mut server = Server::without_schema();
    server.apply("one", json!({"a": {"b": 1}, "l": [{"name": "x"}]}));
    assert_eq!(server.owned("one"), [".spec", ".spec.a", ".spec.l", ".spec.a.b"]);
    server.apply("two", json!({"a": {"c": 2}}));
    assert_eq!(*server.spec(), json!({"a": {"b": 1, "c": 2}, "l": [{"name": "x"}]}));
    assert_eq!(
        server.conflict("two", json!({"a": {"c": 2}, "l": []})),
        "Apply failed with 1 conflict: conflict with \"one\": .spec.l"
    );
}

#[test]
fn a_field_may_be_of_two_forms() {
    let mut server = Server::new();
    server.apply("one", json!({"size": 1, "free": {"x": {"y": [1]}}}));
    server.apply("one", json!({"size": "50%", "free": {"x": "text"}}));
    assert_eq!(*server.spec(), json!({"size": "50%", "free": {"x": "text"}}));
    assert_eq!(server.owned("one"), [".spec.size", ".spec.free.x"]);
}

#[test]
fn what_an_updater_owns_outlives_the_applier_who_leaves_it_out() {
    let mut server = Server::new();
    server.apply("one", json!({"replicas": 1, "map": {"a": "1"}}));
    server.update("two", json!({"replicas": 2, "map": {"a": "1"}}));
    server.apply("one", json!({"map": {"a": "1"}}));
    assert_eq!(*server.spec(), json!({"replicas": 2, "map": {"a": "1"}}));
}

#[test]
fn a_list_that_holds_an_item_twice_is_kept_until_it_is_applied() {
    let mut server = Server::new();
    server.update(
        "one",
        json!({"set": ["a", "b", "a"], "items": [{"name": "x", "value": 1}, {"name": "x", "value": 2}]}),
    );
    server.apply("two", json!({"set": ["c"]}));
    assert_eq!(server.spec()["set"], json!(["a", "b", "a", "c"]));
    assert_eq!(
        server.conflict("two", json!({"items": [{"name": "x", "value": 1}]})),
        "Apply failed with 1 conflict: conflict with \"one\" using example.com/v1: .spec.items[name=\"x\"]"
    );
    server.force("two", json!({"items": [{"name": "x", "value": 3}]}));
    assert_eq!(server.spec()["items"], json!([{"name": "x", "value": 3}]));
}

#[test]
fn kubectl_takes_over_what_client_side_apply_owned() {
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let mut server = Server::new();
    let last = thing(json!({"replicas": 1, "name": "n"})).to_string();
    server.change("kubectl-client-side-apply", |object| {
        object["spec"] = json!({"replicas": 1, "name": "n"});
        object["metadata"]["annotations"][annotation] = last.into();
    });
    assert!(server.conflict("other", json!({"replicas": 2})).contains("kubectl-client-side-apply"));
    server.apply("kubectl", json!({"replicas": 2}));
    assert_eq!(*server.spec(), json!({"replicas": 2, "name": "n"}));
    let kept = server.live.as_ref().unwrap()["metadata"]["annotations"][annotation].as_str().unwrap();
    assert_eq!(
        kept,
        "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"x\",\"namespace\":\"ns\"},\"spec\":{\"replicas\":2}}\n"
    );
    server.update("hand", json!({"replicas": 5, "name": "n"}));
    assert_eq!(
        server.conflict("kubectl", json!({"replicas": 2})),
        "Apply failed with 1 conflict: conflict with \"hand\" using example.com/v1: .spec.replicas"
    );
}

#[test]
fn a_set_made_under_a_granular_schema_becomes_one_of_an_atomic_one() {
    let mut server = Server::new();
    server.apply("one", json!({"map": {"a": "1"}, "items": [{"name": "i", "value": 1}]}));
    server.update("two", json!({"map": {"a": "1", "b": "2"}, "items": [{"name": "i", "value": 1}]}));
    let schema = server.schema.as_mut().unwrap();
    let spec = schema.properties.get_mut("spec").unwrap();
    spec.properties.get_mut("map").unwrap().map_type = Some("atomic".to_owned());
    spec.properties.get_mut("items").unwrap().list_type = Some("atomic".to_owned());
    server.apply("one", json!({"map": {"a": "1", "b": "2"}, "items": [{"name": "i", "value": 1}]}));
    assert_eq!(server.owned("one"), [".spec.items", ".spec.map"]);
    assert_eq!(server.owned("two"), [".spec.map"]);
}

#[test]
fn a_write_that_only_moves_times_is_put_back() {
    let mut server = Server::new();
    server.apply("one", json!({"replicas": 1}));
    let old = server.live.clone().unwrap();
    let mut new = old.clone();
    new["metadata"]["managedFields"][0]["time"] = "2024-01-01T00:00:00Z".into();
    let mut same = new.clone();
    keep_times(&mut same, &old);
    assert_eq!(same, old);
    new["spec"]["replicas"] = 2.into();
    let changed = new.clone();
    keep_times(&mut new, &old);
    assert_eq!(new, changed);
}
