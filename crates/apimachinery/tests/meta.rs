//! Metadata over an object's life, with the messages of kube-apiserver.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and hands its values over"
)]

use apimachinery::field::FieldError;
use apimachinery::meta::create::{self, Birth};
use apimachinery::meta::delete::{self, Deletion};
use apimachinery::meta::options::{DeleteOptions, Preconditions};
use apimachinery::meta::update::{self, Target};
use apimachinery::meta::{NameRule, validate};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn texts(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn birth(namespace: &str) -> Birth<'_> {
    Birth { namespace, now: now(), uid: 7, suffix: 0, counts_generations: true }
}

fn metadata(metadata: Value) -> Value {
    json!({"metadata": metadata})
}

#[test]
fn a_name_is_required_and_checked_as_the_kind_asks() {
    assert_eq!(
        texts(&validate::create(&metadata(json!({})), false, NameRule::DnsSubdomain)),
        ["metadata.name: Required value: name or generateName is required"]
    );
    let errors = validate::create(&metadata(json!({"name": "a.b"})), false, NameRule::DnsLabel);
    assert_eq!(texts(&errors), ["metadata.name: Invalid value: \"a.b\": must not contain dots"]);
    assert!(validate::create(&metadata(json!({"name": "system:a.B"})), false, NameRule::PathSegment).is_empty());
    let errors = validate::create(&metadata(json!({"name": "a", "generateName": "a/"})), false, NameRule::PathSegment);
    assert_eq!(texts(&errors), ["metadata.generateName: Invalid value: \"a/\": may not contain '/'"]);
}

#[test]
fn a_namespace_stands_where_the_scope_has_one() {
    let errors = validate::create(&metadata(json!({"name": "a"})), true, NameRule::DnsSubdomain);
    assert_eq!(texts(&errors), ["metadata.namespace: Required value"]);
    let errors = validate::create(&metadata(json!({"name": "a", "namespace": "b"})), false, NameRule::DnsSubdomain);
    assert_eq!(texts(&errors), ["metadata.namespace: Forbidden: not allowed on this type"]);
}

#[test]
fn labels_and_annotations_have_their_forms() {
    let object =
        metadata(json!({"name": "a", "labels": {"A/b": "c d"}, "annotations": {"Example.COM/x": "anything at all"}}));
    let errors = texts(&validate::create(&object, false, NameRule::DnsSubdomain));
    assert_eq!(errors.len(), 2);
    assert!(
        errors[0]
            .starts_with("metadata.labels: Invalid value: \"A/b\": prefix part a lowercase RFC 1123 subdomain must")
    );
    assert!(errors[1].starts_with("metadata.labels: Invalid value: \"c d\": a valid label must be an empty string or"));
    let object = metadata(json!({"name": "a", "annotations": {"a": "x".repeat(256 << 10)}}));
    let errors = validate::create(&object, false, NameRule::DnsSubdomain);
    assert_eq!(texts(&errors), ["metadata.annotations: Too long: may not be more than 262144 bytes"]);
}

#[test]
fn owners_are_whole_and_one_controls() {
    let owner = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": "u", "controller": true});
    let object = metadata(json!({"name": "a", "ownerReferences": [owner("x"), owner("y")]}));
    let errors = texts(&validate::create(&object, false, NameRule::DnsSubdomain));
    assert_eq!(errors.len(), 1);
    assert!(errors[0].ends_with(
        "Only one reference can have Controller set to true. Found \"true\" in references for Pod/x and Pod/y"
    ));
    let object =
        metadata(json!({"name": "a", "ownerReferences": [{"apiVersion": "a/b/c", "kind": "", "name": "", "uid": ""}]}));
    assert_eq!(
        texts(&validate::create(&object, false, NameRule::DnsSubdomain)),
        [
            "metadata.ownerReferences[0].apiVersion: Invalid value: \"a/b/c\": must be <group>/<version> or <version>",
            "metadata.ownerReferences[0].kind: Required value: must not be empty",
            "metadata.ownerReferences[0].name: Required value: must not be empty",
            "metadata.ownerReferences[0].uid: Required value: must not be empty",
        ]
    );
}

#[test]
fn an_event_owns_nothing() {
    let object = metadata(
        json!({"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}]}),
    );
    let errors = texts(&validate::create(&object, false, NameRule::DnsSubdomain));
    assert!(errors[0].ends_with("/v1, Kind=Event is disallowed from being an owner"));
}

#[test]
fn orphaning_and_foreground_deletion_exclude_each_other() {
    let object = metadata(json!({"name": "a", "finalizers": ["orphan", "foregroundDeletion"]}));
    assert_eq!(
        texts(&validate::create(&object, false, NameRule::DnsSubdomain)),
        [
            "metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan and foregroundDeletion cannot be both set"
        ]
    );
}

#[test]
fn managed_fields_say_how_they_came() {
    let object = metadata(
        json!({"name": "a", "managedFields": [{"operation": ""}, {"operation": "Merge", "fieldsType": "FieldsV2"}]}),
    );
    assert_eq!(
        texts(&validate::create(&object, false, NameRule::DnsSubdomain)),
        [
            "metadata.managedFields[0].operation: Required value: must not be empty",
            "metadata.managedFields[1].operation: Unsupported value: \"Merge\": supported values: \"Apply\", \"Update\"",
            "metadata.managedFields[1].fieldsType: Invalid value: \"FieldsV2\": must be `FieldsV1`",
        ]
    );
}

#[test]
fn what_an_update_may_not_change() {
    let old = metadata(json!({"name": "a", "namespace": "n", "uid": "1", "resourceVersion": "5", "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z",
        "deletionGracePeriodSeconds": 0, "finalizers": ["a/b"]}));
    let new = metadata(
        json!({"name": "b", "namespace": "m", "uid": "2", "generation": 2, "finalizers": ["z/z", "a/b", "c/d"]}),
    );
    assert_eq!(
        texts(&validate::update(&new, &old)),
        [
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"c/d\", \"z/z\"}",
            "metadata.resourceVersion: Invalid value: \"\": must be specified for an update",
            "metadata.generation: Invalid value: 2: must not be decremented",
            "metadata.name: Invalid value: \"b\": field is immutable",
            "metadata.namespace: Invalid value: \"m\": field is immutable",
            "metadata.uid: Invalid value: \"2\": field is immutable",
            "metadata.creationTimestamp: Invalid value: null: field is immutable",
            "metadata.deletionTimestamp: Invalid value: null: field is immutable",
            "metadata.deletionGracePeriodSeconds: Invalid value: null: field is immutable",
        ]
    );
}

#[test]
fn a_new_object_gets_what_only_the_server_gives() {
    let mut object = json!({"metadata": {"generateName": "x-", "uid": "mine", "deletionTimestamp": "2026-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 3, "creationTimestamp": null, "selfLink": "/x", "generation": 9}});
    create::before_create(&mut object, &birth("dev")).unwrap();
    assert_eq!(
        object["metadata"],
        json!({"generateName": "x-", "name": "x-bbbbb", "namespace": "dev", "uid": "00000000-0000-4000-8000-000000000007",
            "creationTimestamp": "2026-11-25T12:00:00Z", "generation": 1})
    );
}

#[test]
fn an_object_of_another_namespace_is_refused() {
    let mut object = metadata(json!({"name": "a", "namespace": "prod"}));
    let refused = create::before_create(&mut object, &birth("dev")).unwrap_err();
    assert_eq!(refused.code(), 400);
    assert_eq!(
        refused.message(),
        "the namespace of the provided object does not match the namespace sent on the request"
    );
    create::before_create(&mut object, &birth("")).unwrap();
    assert_eq!(object["metadata"].get("namespace"), None);
}

#[test]
fn an_owner_that_stands_there_twice_is_told_and_dropped() {
    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"});
    let mut other = owner.clone();
    other["name"] = json!("q");
    let mut object = metadata(json!({"name": "a", "ownerReferences": [owner, other, owner]}));
    let warning = create::dedup_owner_references(&mut object, false).unwrap();
    assert!(warning.starts_with(".metadata.ownerReferences contains duplicate entries; API server"));
    assert!(warning.ends_with("duplicate UID(s) observed: u"));
    assert_eq!(object["metadata"]["ownerReferences"], json!([owner, other]));
    assert_eq!(create::dedup_owner_references(&mut object, true), None);
}

const TARGET: Target<'static> =
    Target { group: "apps", resource: "things", namespace: "dev", name: "a", registry_path: "apps/things" };

#[test]
fn an_update_names_the_version_it_was_made_from() {
    let stored = metadata(json!({"name": "a", "resourceVersion": "7"}));
    let mut new = metadata(json!({"name": "a", "resourceVersion": "6"}));
    let refused = update::check_version(&mut new, &stored, true, &TARGET).unwrap_err();
    assert_eq!(refused.code(), 409);
    assert_eq!(
        refused.message(),
        "Operation cannot be fulfilled on things.apps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
    let mut new = metadata(json!({"name": "a"}));
    let refused = update::check_version(&mut new, &stored, false, &TARGET).unwrap_err();
    assert_eq!(
        refused.message(),
        "things.apps \"a\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    );
    update::check_version(&mut new, &stored, true, &TARGET).unwrap();
    assert_eq!(new["metadata"]["resourceVersion"], "7");
}

#[test]
fn an_update_of_an_object_that_was_made_anew_conflicts() {
    let stored = metadata(json!({"name": "a", "uid": "new"}));
    let refused = update::check_uid(&metadata(json!({"name": "a", "uid": "old"})), &stored, &TARGET).unwrap_err();
    assert_eq!(
        refused.message(),
        "Operation cannot be fulfilled on things.apps \"a\": StorageError: invalid object, Code: 4, Key: /registry/apps/things/dev/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: old, UID in object meta: new"
    );
    update::check_uid(&metadata(json!({"name": "a"})), &stored, &TARGET).unwrap();
}

#[test]
fn an_update_keeps_what_only_the_server_sets() {
    let old = json!({"metadata": {"name": "a", "namespace": "dev", "uid": "u", "generation": 4,
        "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z",
        "deletionGracePeriodSeconds": 0}, "spec": 1});
    let mut new =
        json!({"metadata": {"name": "a", "generation": 9, "creationTimestamp": "2000-01-01T00:00:00Z"}, "spec": 1});
    update::before_update(&mut new, &old, "dev").unwrap();
    assert_eq!(new, old);
    update::count_generation(&mut new, &old);
    assert_eq!(new["metadata"]["generation"], 4);
    new["spec"] = json!(2);
    update::count_generation(&mut new, &old);
    assert_eq!(new["metadata"]["generation"], 5);
}

#[test]
fn the_last_finalizer_gone_ends_the_object() {
    let old = metadata(
        json!({"deletionTimestamp": "2026-01-02T00:00:00Z", "deletionGracePeriodSeconds": 0, "finalizers": ["a/b"]}),
    );
    let new = metadata(json!({"deletionTimestamp": "2026-01-02T00:00:00Z"}));
    assert!(update::finishes_deletion(&new, &old));
    assert!(!update::finishes_deletion(&old, &old));
    assert!(!update::finishes_deletion(&new, &metadata(json!({"finalizers": ["a/b"]}))));
}

fn deleted(finalizers: &Value, options: &DeleteOptions) -> (Deletion, Value) {
    let mut object = metadata(json!({"name": "a", "generation": 2, "finalizers": finalizers}));
    let deletion = delete::before_delete(&mut object, options, true, now()).unwrap();
    (deletion, object["metadata"].clone())
}

fn policy(policy: &str) -> DeleteOptions {
    DeleteOptions { propagation_policy: Some(policy.to_owned()), ..DeleteOptions::default() }
}

#[test]
fn an_object_without_finalizers_goes_at_once() {
    assert_eq!(deleted(&json!([]), &DeleteOptions::default()).0, Deletion::Remove);
    assert_eq!(deleted(&json!(["orphan"]), &policy("Background")).0, Deletion::Remove);
}

#[test]
fn propagation_is_kept_as_a_finalizer() {
    let (deletion, meta) = deleted(&json!(["a/b", "orphan"]), &policy("Foreground"));
    assert_eq!(deletion, Deletion::Wait);
    assert_eq!(
        meta,
        json!({"name": "a", "generation": 3, "finalizers": ["a/b", "foregroundDeletion"],
            "deletionTimestamp": "2026-11-25T12:00:00Z", "deletionGracePeriodSeconds": 0})
    );
    let (_, meta) = deleted(&json!(["orphan"]), &DeleteOptions::default());
    assert_eq!(meta["finalizers"], json!(["orphan"]));
    let orphan = DeleteOptions { orphan_dependents: Some(true), ..DeleteOptions::default() };
    assert_eq!(deleted(&json!([]), &orphan).1["finalizers"], json!(["orphan"]));
}

#[test]
fn a_second_delete_moves_neither_time_nor_generation() {
    let mut object = metadata(json!({"name": "a", "generation": 3, "finalizers": ["a/b"],
        "deletionTimestamp": "2026-11-25T11:00:00Z", "deletionGracePeriodSeconds": 0}));
    let before = object.clone();
    assert_eq!(delete::before_delete(&mut object, &DeleteOptions::default(), true, now()).unwrap(), Deletion::Wait);
    assert_eq!(object, before);
}

#[test]
fn a_precondition_that_does_not_hold_conflicts() {
    let mut object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "u", "resourceVersion": "3"}});
    let mut refused = |uid: Option<&str>, version: Option<&str>| {
        let preconditions = Preconditions { uid: uid.map(Into::into), resource_version: version.map(Into::into) };
        let options = DeleteOptions { preconditions: Some(preconditions), ..DeleteOptions::default() };
        delete::before_delete(&mut object, &options, true, now()).unwrap_err().message().to_owned()
    };
    assert_eq!(
        refused(Some("x"), None),
        "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (x) does not match the UID in record (u). The object might have been deleted and then recreated"
    );
    assert_eq!(
        refused(Some("u"), Some("2")),
        "Operation cannot be fulfilled on ConfigMap \"a\": the ResourceVersion in the precondition (2) does not match the ResourceVersion in record (3). The object might have been modified"
    );
}

proptest! {
    #[test]
    fn a_generated_name_is_as_good_as_its_prefix(prefix in "[a-z][a-z0-9.-]{0,70}", random in any::<u64>()) {
        let name = apimachinery::meta::names::generated(&prefix, random);
        prop_assert!(name.len() <= 63);
        if NameRule::DnsSubdomain.check(prefix.trim_end_matches('-')).is_empty() && !prefix.ends_with('-') && prefix.len() < 58 {
            prop_assert!(NameRule::DnsSubdomain.check(&name).is_empty());
        }
    }
}
