//! Owners of an object that is written in more than one version.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use apimachinery::apply::{
    ApplyError, Context, FieldSet, Managed, ReplicasPath, Version, Versions, applied, scale_managed_fields, updated,
    with_scale_managed_fields,
};
use apimachinery::schema::Schema;
use jiff::Timestamp;
use serde_json::{Value, json};

const NONE: &FieldSet = &FieldSet::new();

/// `example.com/v2` calls `count` what `example.com/v1` calls `replicas`.
struct Kind {
    v1: Schema,
    v2: Schema,
    served: Vec<&'static str>,
}

impl Kind {
    fn new() -> Self {
        let schema = |field: &str| {
            let spec =
                json!({"type": "object", "properties": {field: {"type": "integer"}, "name": {"type": "string"}}});
            serde_json::from_value(json!({"type": "object", "properties": {"spec": spec}})).unwrap()
        };
        Self { v1: schema("replicas"), v2: schema("count"), served: vec!["example.com/v1", "example.com/v2"] }
    }

    fn schema(&self, api_version: &str) -> &Schema {
        if api_version.ends_with("v1") { &self.v1 } else { &self.v2 }
    }

    fn context<'a>(&'a self, manager: &'a str, api_version: &'a str) -> Context<'a> {
        Context {
            manager,
            api_version,
            kind: "Thing",
            subresource: "",
            now: Timestamp::UNIX_EPOCH,
            schema: Some(self.schema(api_version)),
            reset: NONE,
            empty: None,
            versions: self,
        }
    }

    fn apply(&self, live: Option<&Value>, manager: &str, version: &str, spec: Value) -> Result<Value, ApplyError> {
        let live = live.map(|live| self.convert(live, version).unwrap());
        let config = thing(version, spec);
        let mut object = applied(live.as_ref(), &config, false, &self.context(manager, version))?;
        object["metadata"]["uid"] = "u1".into();
        Ok(object)
    }
}

impl Versions for Kind {
    fn version(&self, api_version: &str) -> Option<Version<'_>> {
        let served = self.served.contains(&api_version);
        served.then(|| Version { schema: Some(self.schema(api_version)), reset: NONE })
    }

    fn convert(&self, object: &Value, api_version: &str) -> Result<Value, String> {
        let mut object = object.clone();
        let (from, to) = if api_version.ends_with("v1") { ("count", "replicas") } else { ("replicas", "count") };
        if let Some(value) = object["spec"].as_object_mut().and_then(|spec| spec.remove(from)) {
            object["spec"][to] = value;
        }
        object["apiVersion"] = api_version.into();
        Ok(object)
    }
}

fn thing(api_version: &str, spec: Value) -> Value {
    let mut thing = json!({"apiVersion": api_version, "kind": "Thing", "metadata": {"name": "x"}});
    thing["spec"] = spec;
    thing
}

fn owners(object: &Value) -> Vec<(String, String, Vec<String>)> {
    let owners = Managed::of(object).unwrap().into_iter();
    owners
        .map(|owner| (owner.manager, owner.api_version, owner.fields.paths().iter().map(ToString::to_string).collect()))
        .collect()
}

fn owner(manager: &str, version: &str, paths: &[&str]) -> (String, String, Vec<String>) {
    (manager.to_owned(), version.to_owned(), paths.iter().map(|path| (*path).to_owned()).collect())
}

#[test]
fn a_conflict_is_found_and_named_in_the_owners_version() {
    let kind = Kind::new();
    let live = kind.apply(None, "one", "example.com/v1", json!({"replicas": 1, "name": "n"})).unwrap();
    let refused = kind.apply(Some(&live), "two", "example.com/v2", json!({"count": 2})).unwrap_err();
    assert_eq!(refused.to_string(), "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas");
    let shared = kind.apply(Some(&live), "two", "example.com/v2", json!({"count": 1})).unwrap();
    assert_eq!(
        owners(&shared),
        [
            owner("one", "example.com/v1", &[".spec.name", ".spec.replicas"]),
            owner("two", "example.com/v2", &[".spec.count"]),
        ]
    );
}

#[test]
fn an_applier_that_moves_to_another_version_removes_what_it_leaves_out() {
    let kind = Kind::new();
    let live = kind.apply(None, "one", "example.com/v1", json!({"replicas": 1, "name": "n"})).unwrap();
    let live = kind.apply(Some(&live), "two", "example.com/v2", json!({"count": 1})).unwrap();
    let live = kind.apply(Some(&live), "one", "example.com/v2", json!({})).unwrap();
    assert_eq!(live["spec"], json!({"count": 1}), "what two owns stays");
    assert_eq!(
        owners(&live),
        [owner("one", "example.com/v2", &[".spec"]), owner("two", "example.com/v2", &[".spec.count"])]
    );
}

#[test]
fn an_update_takes_fields_from_owners_in_other_versions() {
    let kind = Kind::new();
    let live = kind.apply(None, "one", "example.com/v1", json!({"replicas": 1, "name": "n"})).unwrap();
    let live = kind.convert(&live, "example.com/v2").unwrap();
    let mut new = live.clone();
    new["spec"]["count"] = 3.into();
    let new = updated(Some(&live), new, &kind.context("two", "example.com/v2"));
    assert_eq!(
        owners(&new),
        [owner("one", "example.com/v1", &[".spec.name"]), owner("two", "example.com/v2", &[".spec.count"])]
    );
}

#[test]
fn owners_in_a_version_that_is_gone_own_nothing() {
    let mut kind = Kind::new();
    let live = kind.apply(None, "one", "example.com/v1", json!({"replicas": 1})).unwrap();
    kind.served.remove(0);
    let live = kind.apply(Some(&live), "two", "example.com/v2", json!({"count": 2})).unwrap();
    assert_eq!(owners(&live), [owner("two", "example.com/v2", &[".spec.count"])]);
}

#[test]
fn a_conversion_that_fails_leaves_the_owners_of_an_update_and_stops_an_apply() {
    struct Broken(Kind);
    impl Versions for Broken {
        fn version(&self, api_version: &str) -> Option<Version<'_>> {
            self.0.version(api_version)
        }
        fn convert(&self, _: &Value, _: &str) -> Result<Value, String> {
            Err("the webhook is away".to_owned())
        }
    }
    let kind = Kind::new();
    let live = kind.apply(None, "one", "example.com/v1", json!({"replicas": 1})).unwrap();
    let live = kind.convert(&live, "example.com/v2").unwrap();
    let broken = Broken(Kind::new());
    let context = Context { versions: &broken, ..kind.context("two", "example.com/v2") };
    let mut new = live.clone();
    new["spec"]["count"] = 3.into();
    let new = updated(Some(&live), new, &context);
    assert_eq!(new["spec"]["count"], 3);
    assert_eq!(owners(&new), owners(&live));
    let refused = applied(Some(&live), &thing("example.com/v2", json!({"count": 2})), false, &context).unwrap_err();
    assert_eq!(refused.to_string(), "the webhook is away");
}

#[test]
fn the_owner_of_replicas_is_the_same_through_scale() {
    let paths = [
        ReplicasPath { api_version: "example.com/v1", path: &["spec", "replicas"] },
        ReplicasPath { api_version: "example.com/v2", path: &["spec", "count"] },
    ];
    let kind = Kind::new();
    let mut parent = kind.apply(None, "one", "example.com/v1", json!({"replicas": 1, "name": "n"})).unwrap();
    let mut scale =
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "x"}, "spec": {"replicas": 1}});
    scale_managed_fields(&parent, &mut scale, &paths).unwrap();
    assert_eq!(owners(&scale), [owner("one", "autoscaling/v1", &[".spec.replicas"])]);
    scale["metadata"]["managedFields"] = json!([{
        "manager": "scaler", "operation": "Update", "apiVersion": "autoscaling/v1", "subresource": "scale",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }]);
    parent["spec"]["replicas"] = 2.into();
    with_scale_managed_fields(&mut parent, &scale, "example.com/v1", &paths).unwrap();
    assert_eq!(
        owners(&parent),
        [owner("one", "example.com/v1", &[".spec.name"]), owner("scaler", "example.com/v1", &[".spec.replicas"])]
    );
    assert_eq!(Managed::of(&parent).unwrap()[1].subresource, "scale");
}
