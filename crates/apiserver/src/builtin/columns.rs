//! What tables show of built-in kinds: `k8s.io/kubernetes/pkg/printers/internalversion`.

use apimachinery::table::{Cell, Column, Columns, human_age};
use jiff::Timestamp;
use serde_json::Value;

use super::{Definition, Types};

/// The columns of a kind.
pub fn of(definition: &Definition, types: &Types) -> Columns {
    let describe = |field| types.describe(definition.type_name, field);
    let text = |name, description: &str, cell| Column::new(name, "string", description, Cell::Function(cell));
    Columns::new(match definition.kind {
        "Namespace" => vec![
            Column::name(),
            text("Status", "The status of the namespace", |object, _| string(object, "/status/phase")),
            Column::age(),
        ],
        "Secret" => vec![
            Column::name(),
            text("Type", describe("type"), |object, _| string(object, "/type")),
            text("Data", describe("data"), |object, _| size(object, "/data").into()),
            Column::age(),
        ],
        "ConfigMap" => vec![
            Column::name(),
            text("Data", describe("data"), |object, _| (size(object, "/data") + size(object, "/binaryData")).into()),
            Column::age(),
        ],
        "ServiceAccount" => vec![Column::name(), Column::age()],
        "Event" => events(types),
        "Lease" => vec![
            Column::name(),
            text("Holder", types.describe("io.k8s.api.coordination.v1.LeaseSpec", "holderIdentity"), |object, _| {
                string(object, "/spec/holderIdentity")
            }),
            Column::age(),
        ],
        "ClusterRoleBinding" => bindings("clusterRoleBinding", role_ref(describe("roleRef"))),
        "RoleBinding" => bindings("roleBinding", role_ref(describe("roleRef"))),
        "ValidatingAdmissionPolicy" => vec![
            Column::name(),
            Column::new(
                "Validations",
                "integer",
                "Validations indicates the number of validation rules defined in this configuration",
                Cell::Function(|object, _| size(object, "/spec/validations").into()),
            ),
            text("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy", param_kind),
            Column::age(),
        ],
        "ValidatingAdmissionPolicyBinding" => vec![
            Column::name(),
            text(
                "PolicyName",
                "PolicyName indicates the policy definition which the policy binding binded to",
                |object, _| string(object, "/spec/policyName"),
            ),
            text(
                "ParamRef",
                "ParamRef indicates the param resource which sets the configuration param",
                |object, _| object.pointer("/spec/paramRef").map_or_else(|| "<unset>".to_owned(), param_ref).into(),
            ),
            Column::age(),
        ],
        "CustomResourceDefinition" => custom_resource_definitions(),
        _ => vec![Column::name(), Column::created_at()],
    })
}

fn events(types: &Types) -> Vec<Column> {
    // The description of both versions' events is that of the core one, which they are stored as.
    let describe = |field| types.describe("io.k8s.api.core.v1.Event", field);
    let text = |name, description: &str, cell| Column::new(name, "string", description, Cell::Function(cell));
    let object = types.describe("io.k8s.api.core.v1.ObjectReference", "fieldPath");
    vec![
        text("Last Seen", describe("lastTimestamp"), |event, now| last_seen(event, now).into()),
        text("Type", describe("type"), |event, _| string(event, "/type")),
        text("Reason", describe("reason"), |event, _| string(event, "/reason")),
        text("Object", describe("involvedObject"), |event, _| about(event).into()),
        text("Subobject", object, |event, _| either(event, "/involvedObject/fieldPath", "/regarding/fieldPath").into())
            .wide(),
        text("Source", describe("source"), |event, _| source(event).into()).wide(),
        text("Message", describe("message"), |event, _| either(event, "/message", "/note").trim().into()),
        text("First Seen", describe("firstTimestamp"), |event, now| first_seen(event, now).into()).wide(),
        text("Count", describe("count"), |event, _| count(event).into()).wide(),
        Column::name().wide(),
    ]
}

/// The words of the internal type, which tables quote: they lack the last sentence.
fn role_ref(description: &str) -> &str {
    description.strip_suffix(" This field is immutable.").unwrap_or(description)
}

fn bindings(kind: &str, role: &str) -> Vec<Column> {
    let text = |name, description: &str, cell| Column::new(name, "string", description, Cell::Function(cell));
    vec![
        Column::name(),
        text("Role", role, |binding, _| {
            format!("{}/{}", str_at(binding, "/roleRef/kind"), str_at(binding, "/roleRef/name")).into()
        }),
        Column::age(),
        text("Users", &format!("Users in the {kind}"), |binding, _| subjects(binding, "User").into()).wide(),
        text("Groups", &format!("Groups in the {kind}"), |binding, _| subjects(binding, "Group").into()).wide(),
        text("ServiceAccounts", &format!("ServiceAccounts in the {kind}"), |binding, _| {
            subjects(binding, "ServiceAccount").into()
        })
        .wide(),
    ]
}

fn custom_resource_definitions() -> Vec<Column> {
    let text = |name, description: &str, cell| Column::new(name, "string", description, Cell::Function(cell));
    vec![
        Column::name(),
        text("Scope", "Cluster/Namespaced", |object, _| string(object, "/spec/scope")),
        text("Versions", "Served versions", |object, _| versions(object).into()),
        Column::created_at(),
        text("Group", "API group", |object, _| string(object, "/spec/group")).wide(),
        text("Kind", "CustomResource kind", |object, _| string(object, "/spec/names/kind")).wide(),
        text("ShortNames", "Short names", |object, _| {
            let names: Vec<&str> = items(object, "/spec/names/shortNames").filter_map(Value::as_str).collect();
            names.join(",").into()
        })
        .wide(),
        Column::new(
            "Established",
            "boolean",
            "Established status",
            Cell::Function(|object, _| {
                let is = |condition: &Value| {
                    (str_at(condition, "/type"), str_at(condition, "/status")) == ("Established", "True")
                };
                items(object, "/status/conditions").any(is).into()
            }),
        )
        .wide(),
    ]
}

fn string(object: &Value, pointer: &str) -> Value {
    str_at(object, pointer).into()
}

fn str_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The first that is not empty.
fn either<'a>(object: &'a Value, first: &str, second: &str) -> &'a str {
    let found = str_at(object, first);
    if found.is_empty() { str_at(object, second) } else { found }
}

fn items<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn size(object: &Value, pointer: &str) -> usize {
    match object.pointer(pointer) {
        Some(Value::Object(fields)) => fields.len(),
        Some(Value::Array(items)) => items.len(),
        _ => 0,
    }
}

fn first_seen(event: &Value, now: Timestamp) -> String {
    let first = either(event, "/firstTimestamp", "/deprecatedFirstTimestamp");
    human_age(if first.is_empty() { str_at(event, "/eventTime") } else { first }, now)
}

fn last_seen(event: &Value, now: Timestamp) -> String {
    if event.pointer("/series").is_some_and(|series| !series.is_null()) {
        return human_age(str_at(event, "/series/lastObservedTime"), now);
    }
    match either(event, "/lastTimestamp", "/deprecatedLastTimestamp") {
        "" => first_seen(event, now),
        last => human_age(last, now),
    }
}

/// How often: of the series, if it is one; an event of the new form that is alone has no count.
fn count(event: &Value) -> i64 {
    let number = |pointer| event.pointer(pointer).and_then(Value::as_i64);
    if event.pointer("/series").is_some_and(|series| !series.is_null()) {
        return number("/series/count").unwrap_or(0);
    }
    number("/count").or_else(|| number("/deprecatedCount")).filter(|count| *count != 0).unwrap_or(1)
}

fn about(event: &Value) -> String {
    let kind = either(event, "/involvedObject/kind", "/regarding/kind").to_lowercase();
    match either(event, "/involvedObject/name", "/regarding/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

fn source(event: &Value) -> String {
    let first = |pointers: [&'static str; 4]| {
        pointers.into_iter().map(|pointer| str_at(event, pointer)).find(|text| !text.is_empty()).unwrap_or_default()
    };
    let component =
        first(["/source/component", "/deprecatedSource/component", "/reportingComponent", "/reportingController"]);
    match first(["/source/host", "/deprecatedSource/host", "/reportingInstance", ""]) {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    }
}

fn subjects(binding: &Value, kind: &str) -> String {
    let names: Vec<String> = items(binding, "/subjects")
        .filter(|subject| str_at(subject, "/kind") == kind)
        .map(|subject| match kind {
            "ServiceAccount" => format!("{}/{}", str_at(subject, "/namespace"), str_at(subject, "/name")),
            _ => str_at(subject, "/name").to_owned(),
        })
        .collect();
    names.join(", ")
}

fn versions(definition: &Value) -> String {
    let flag = |version: &Value, name: &str| version.get(name).and_then(Value::as_bool).unwrap_or_default();
    let mut versions: Vec<String> = items(definition, "/spec/versions")
        .filter(|version| flag(version, "served"))
        .map(|version| {
            format!("{}{}", str_at(version, "/name"), if flag(version, "storage") { "(storage)" } else { "" })
        })
        .collect();
    versions.sort();
    versions.join(",")
}

fn param_kind(policy: &Value, _: Timestamp) -> Value {
    match policy.pointer("/spec/paramKind") {
        None | Some(Value::Null) => "<unset>".into(),
        Some(kind) => format!("{}/{}", str_at(kind, "/apiVersion"), str_at(kind, "/kind")).into(),
    }
}

/// `<namespace>/<name>`, or the selector as Go prints it.
fn param_ref(reference: &Value) -> String {
    let name = str_at(reference, "/name");
    if !name.is_empty() {
        let namespace = str_at(reference, "/namespace");
        return format!("{}/{name}", if namespace.is_empty() { "*" } else { namespace });
    }
    let Some(selector) = reference.get("selector").filter(|selector| !selector.is_null()) else {
        return "<unset>".to_owned();
    };
    let mut labels = String::new();
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
        labels.extend([key, ": ", value.as_str().unwrap_or_default(), ","]);
    }
    let mut expressions = String::new();
    for expression in items(selector, "/matchExpressions") {
        let values: Vec<&str> = items(expression, "/values").filter_map(Value::as_str).collect();
        let (key, operator, values) = (str_at(expression, "/key"), str_at(expression, "/operator"), values.join(" "));
        expressions.extend([
            "LabelSelectorRequirement{Key:",
            key,
            ",Operator:",
            operator,
            ",Values:[",
            &values,
            "],},",
        ]);
    }
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_of_either_version_is_shown_alike() {
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let core = json!({
            "involvedObject": {"kind": "Pod", "name": "a"}, "message": " x ", "count": 3,
            "source": {"component": "kubelet", "host": "n1"}, "lastTimestamp": "2026-01-01T00:09:00Z",
        });
        let new = json!({
            "regarding": {"kind": "Pod", "name": "a"}, "note": " x ", "eventTime": "2026-01-01T00:09:00.000000Z",
            "reportingController": "kubelet", "reportingInstance": "n1",
        });
        for event in [&core, &new] {
            assert_eq!(about(event), "pod/a");
            assert_eq!(source(event), "kubelet, n1");
            assert_eq!(last_seen(event, now), "60s");
        }
        assert_eq!((count(&core), count(&new)), (3, 1));
    }
}
