use std::path::Path;

use super::Policy;
use crate::telemetry::audit::{Level, ObjectRef, RequestRef, Stage, UserRef};

fn policy(rules: &str) -> Policy {
    Policy::parse(&format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n{rules}"), Path::new("audit.yaml"))
        .unwrap()
}

fn refused(text: &str) -> String {
    Policy::parse(text, Path::new("audit.yaml")).unwrap_err().to_string()
}

/// `what` is `group/resource/subresource:namespace/name`, or a path that begins with `/`.
fn level(policy: &Policy, verb: &str, what: &str) -> Level {
    level_of(policy, "c-1", "u-1", &["g-1", "g-2"], verb, what)
}

fn level_of(policy: &Policy, cluster: &str, user: &str, groups: &[&str], verb: &str, what: &str) -> Level {
    let object = (!what.starts_with('/')).then(|| {
        let (kind, place) = what.split_once(':').unwrap();
        let mut kind = kind.split('/');
        let (namespace, name) = place.split_once('/').unwrap();
        ObjectRef {
            group: kind.next().unwrap(),
            version: "v1",
            resource: kind.next().unwrap(),
            subresource: kind.next().unwrap_or(""),
            namespace,
            name,
        }
    });
    let groups = groups.to_vec();
    let user = UserRef { name: user, uid: "", groups: &groups, extra: &[] };
    policy.decide(&RequestRef { cluster, user, verb, path: what, object }).level
}

const CORE_POD: &str = "core/pods:dev/web";

#[test]
fn the_first_rule_that_matches_decides_and_no_rule_means_nothing() {
    let policy = policy("- {level: None, verbs: [get]}\n- {level: Request, verbs: [get, create]}\n");
    assert_eq!(level(&policy, "get", CORE_POD), Level::None);
    assert_eq!(level(&policy, "create", CORE_POD), Level::Request);
    assert_eq!(level(&policy, "delete", CORE_POD), Level::None);
}

#[test]
fn users_groups_and_clusters_all_must_match() {
    let policy = policy("- {level: Metadata, users: [u-1, u-2], userGroups: [g-2], clusters: [c-1]}\n");
    let ask = |cluster, user, groups: &[&str]| level_of(&policy, cluster, user, groups, "get", CORE_POD);
    assert_eq!(ask("c-1", "u-1", &["g-1", "g-2"]), Level::Metadata);
    assert_eq!(ask("c-1", "u-3", &["g-2"]), Level::None);
    assert_eq!(ask("c-1", "u-1", &["g-1"]), Level::None);
    assert_eq!(ask("c-2", "u-1", &["g-2"]), Level::None);
    assert_eq!(ask("c-1", "", &[]), Level::None);
}

#[test]
fn resources_match_in_every_form_that_kubernetes_has() {
    for (rule, what, matches) in [
        ("{group: apps}", "apps/deployments:dev/web", true),
        ("{group: apps}", "apps/deployments/scale:dev/web", true),
        ("{group: apps}", "batch/jobs:dev/web", false),
        ("{group: '*', resources: [jobs]}", "batch/jobs:dev/web", true),
        ("{group: batch, resources: [jobs]}", "batch/jobs/status:dev/web", false),
        ("{group: batch, resources: [jobs/status]}", "batch/jobs/status:dev/web", true),
        ("{group: batch, resources: [jobs/status]}", "batch/jobs:dev/web", false),
        ("{group: batch, resources: [jobs/*]}", "batch/jobs/status:dev/web", true),
        ("{group: batch, resources: [jobs/*]}", "batch/jobs:dev/web", true),
        ("{group: batch, resources: [jobs/*]}", "batch/jobsets/status:dev/web", false),
        ("{group: batch, resources: ['*/status']}", "batch/jobs/status:dev/web", true),
        ("{group: batch, resources: ['*/status']}", "batch/jobs:dev/web", false),
        ("{group: batch, resources: ['*']}", "batch/jobs/status:dev/web", true),
        ("{group: batch, resources: [jobs], resourceNames: [web]}", "batch/jobs:dev/web", true),
        ("{group: batch, resources: [jobs], resourceNames: [web]}", "batch/jobs:dev/other", false),
        ("{group: batch, resources: [jobs], resourceNames: [web]}", "batch/jobs:dev/", false),
        ("{resources: [pods]}", "/api/v1/pods", false),
    ] {
        let policy = policy(&format!("- {{level: Metadata, resources: [{rule}]}}\n"));
        assert_eq!(level(&policy, "get", what) == Level::Metadata, matches, "{rule} {what}");
    }
}

#[test]
fn the_core_group_is_the_empty_string() {
    let policy = policy("- {level: Request, resources: [{group: '', resources: [pods]}]}\n");
    let groups: [&str; 0] = [];
    let user = UserRef { groups: &groups, ..UserRef::ANONYMOUS };
    let object = ObjectRef { version: "v1", resource: "pods", ..ObjectRef::default() };
    let request = RequestRef { cluster: "c-1", user, verb: "list", path: "/api/v1/pods", object: Some(object) };
    assert_eq!(policy.decide(&request).level, Level::Request);
}

#[test]
fn the_empty_namespace_means_objects_outside_of_namespaces() {
    let policy = policy("- {level: Metadata, namespaces: ['', dev]}\n");
    assert_eq!(level(&policy, "get", "core/nodes:/n1"), Level::Metadata);
    assert_eq!(level(&policy, "get", CORE_POD), Level::Metadata);
    assert_eq!(level(&policy, "get", "core/pods:prod/web"), Level::None);
    assert_eq!(level(&policy, "get", "/version"), Level::None);
}

#[test]
fn non_resource_urls_match_whole_or_by_prefix_and_no_resource() {
    let policy = policy("- {level: Metadata, nonResourceURLs: [/version, '/swagger*']}\n");
    assert_eq!(level(&policy, "get", "/version"), Level::Metadata);
    assert_eq!(level(&policy, "get", "/version/x"), Level::None);
    assert_eq!(level(&policy, "get", "/swagger/ui"), Level::Metadata);
    assert_eq!(level(&policy, "get", CORE_POD), Level::None);
}

/// T1
#[test]
fn kinds_that_hold_secrets_stay_at_metadata_whatever_the_policy_says() {
    let policy = policy("- {level: RequestResponse}\n");
    assert_eq!(level(&policy, "create", CORE_POD), Level::RequestResponse);
    assert_eq!(level(&policy, "create", "management.cattle.io/tokens:/t-1"), Level::Metadata);
    assert_eq!(level(&policy, "create", "authentication.k8s.io/tokenreviews:/"), Level::Metadata);
}

#[test]
fn stages_are_omitted_by_the_policy_and_by_the_rule() {
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nomitManagedFields: true\n\
                rules:\n- {level: Metadata, verbs: [get], omitStages: [Panic], omitManagedFields: false}\n\
                - {level: Metadata}\n";
    let policy = Policy::parse(text, Path::new("audit.yaml")).unwrap();
    let decide = |verb| {
        let user = UserRef::ANONYMOUS;
        policy.decide(&RequestRef { cluster: "", user, verb, path: "/", object: None })
    };
    let (first, second) = (decide("get"), decide("post"));
    for (stage, by_first, by_second) in [
        (Stage::RequestReceived, false, false),
        (Stage::ResponseStarted, true, true),
        (Stage::ResponseComplete, true, true),
        (Stage::Panic, false, true),
    ] {
        assert_eq!((first.wants(stage), second.wants(stage)), (by_first, by_second), "{stage:?}");
    }
    assert!(!first.omits_managed_fields());
    assert!(second.omits_managed_fields());
}

#[test]
fn the_default_policy_records_all_but_health() {
    let policy = Policy::default();
    assert_eq!(level(&policy, "get", "/readyz/world"), Level::None);
    assert_eq!(level(&policy, "get", "/version"), Level::Metadata);
    assert_eq!(level(&policy, "create", CORE_POD), Level::Metadata);
}

#[test]
fn a_bad_policy_is_refused_with_its_place_and_field() {
    let head = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n";
    for (text, expected) in [
        (format!("{head}- level: Metadata\n  verb: [get]\n"), "audit.yaml:5:3: rules[0].verb: unknown field"),
        (format!("{head}- level: All\n"), "audit.yaml:4:10: rules[0].level: expected one of `None`, `Metadata`"),
        (format!("{head}- verbs: [get]\n"), "audit.yaml:4:3: rules[0]: `level` is missing"),
        (
            format!("{head}- level: None\n- level: None\n  nonResourceURLs: ['/a', 'version']\n"),
            "audit.yaml:6:27: rules[1].nonResourceURLs[1]: `version` does not begin with `/`",
        ),
        (format!("{head}- {{level: None, nonResourceURLs: ['/a*b']}}\n"), "`/a*b` has a `*` that is not its last"),
        (format!("{head}- {{level: None, nonResourceURLs: [/a], namespaces: [b]}}\n"), "not about both"),
        (
            format!("{head}- {{level: None, resources: [{{}}, {{group: apps/v1}}]}}\n"),
            "rules[0].resources[1].group: `apps/v1` is not the name of an API",
        ),
        (format!("{head}- {{level: None, resources: [{{resourceNames: [a]}}]}}\n"), "names need at least one resource"),
        (
            "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: []\n".to_owned(),
            "audit.yaml:1:1: apiVersion: expected `audit.k8s.io/v1`, found `audit.k8s.io/v1beta1`",
        ),
        ("apiVersion: audit.k8s.io/v1\nkind: Policy\n".to_owned(), "`rules` is missing"),
        (format!("{head}- level: None\n---\nkind: Policy\n"), "a second document"),
        (String::new(), "`apiVersion` is missing"),
    ] {
        let error = refused(&text);
        assert!(error.contains(expected), "`{error}` does not say `{expected}`");
        assert!(error.starts_with("audit.yaml"), "{error}");
    }
}

#[test]
fn every_bad_rule_of_a_policy_is_told() {
    let text = "apiVersion: v1\nkind: Policy\nrules:\n- {level: None, nonResourceURLs: [a]}\n- level: None\n- {level: None, nonResourceURLs: [b]}\n";
    let told = refused(text);
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn the_example_in_the_repository_is_accepted() {
    let example = include_str!("../../../../config/audit-policy.yaml");
    Policy::parse(example, Path::new("config/audit-policy.yaml")).unwrap();
}
