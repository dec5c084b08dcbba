//! Whether a policy's expressions fit the types of the objects that it matches: `policy/validating/typechecking.go`, and the controller
//! `validatingadmissionpolicystatus`, which writes it into the policy's status.

use std::collections::BTreeSet;

use apimachinery::{
    cel::policy::{Compiler, Gives, Sees},
    meta::Meta,
    schema::Schema,
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::compiled::{items, text};
use crate::{
    api::Api,
    builtin::Types,
    failure::Outcome,
    follow::follow,
    object,
    registry::{Catalog, Resource, split_api_version},
    scope::Scope,
};

/// The name that the controller owns fields under.
pub(crate) const MANAGER: &str = "validatingadmissionpolicy-status";
/// How many types a policy is checked against at most.
const MOST_TYPES: usize = 10;
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Checks policies, for as long as the server runs.
pub(crate) async fn run(api: Api) {
    let kind = "validatingadmissionpolicies";
    follow(api, "admissionregistration.k8s.io", kind, |scope, api| Box::pin(settle(scope, api))).await;
}

/// Checks each policy that changed since it was checked.
async fn settle(scope: &Scope, api: &Api) -> Outcome<bool> {
    for policy in scope.list().await? {
        let generation = policy.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
        let observed = policy.pointer("/status/observedGeneration").and_then(Value::as_i64).unwrap_or_default();
        if generation <= observed {
            continue;
        }
        let core = api.core();
        let warnings = check(&policy, &core.registry.catalog(), &core.types);
        let outcome = scope
            .change_status(Meta::of(&policy).name(), |policy| {
                let mut checked = Map::new();
                if !warnings.is_empty() {
                    checked.insert("expressionWarnings".to_owned(), warnings.clone().into());
                }
                if let Some(fields) = policy.as_object_mut() {
                    let status = fields.entry("status").or_insert_with(|| json!({}));
                    if let Some(status) = status.as_object_mut() {
                        status.insert("observedGeneration".to_owned(), generation.into());
                        status.insert("typeChecking".to_owned(), checked.into());
                    }
                }
            })
            .await;
        match outcome {
            // Whoever changed it makes it be looked at again.
            Err(lost) if matches!(lost.code(), StatusCode::NOT_FOUND | StatusCode::CONFLICT) => {}
            outcome => drop(outcome?),
        }
    }
    Ok(false)
}

/// An `ExpressionWarning` for each expression that does not fit.
fn check(policy: &Value, catalog: &Catalog, types: &Types) -> Vec<Value> {
    let mut warnings = Vec::new();
    let matched = matched(policy, catalog);
    let kind = policy.pointer("/spec/paramKind").filter(|kind| !kind.is_null());
    let params = kind.and_then(|kind| {
        let (group, version) = split_api_version(object::text(kind, "apiVersion"));
        catalog.of_kind(group, version, object::text(kind, "kind")).map(|resource| whole(resource, types))
    });
    let sees = Sees { params: kind.is_some(), authorizer: true };
    let checked: Vec<(String, Compiler)> = matched
        .iter()
        .map(|resource| {
            let mut compiler = Compiler::typed(Some(&whole(resource, types)), params.as_ref());
            for variable in items(policy, "variables") {
                // A wrong one is of any type for those who read it.
                let _ = compiler.variable(text(variable, "name"), text(variable, "expression"), sees);
            }
            (format!("{}/{}, Kind={}", resource.group, resource.version, resource.kind), compiler)
        })
        .collect();
    for (index, validation) in items(policy, "validations").iter().enumerate() {
        for field in ["expression", "messageExpression"] {
            let source = text(validation, field);
            if field == "messageExpression" && source.is_empty() {
                continue;
            }
            let wrong: Vec<String> = checked
                .iter()
                .filter_map(|(kind, compiler)| {
                    let why = compiler.compile(source, sees, Gives::Anything).err()?;
                    Some(format!("{kind}: {why}\n"))
                })
                .collect();
            if !wrong.is_empty() {
                let field = format!("spec.validations[{index}].{field}");
                warnings.push(json!({"fieldRef": field, "warning": wrong.join("\n")}));
            }
        }
    }
    warnings
}

/// The resources that a policy names without wildcards, by group, version and kind.
fn matched<'a>(policy: &Value, catalog: &'a Catalog) -> Vec<&'a Resource> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<&Resource> = Vec::new();
    let rules = policy.pointer("/spec/matchConstraints/resourceRules").and_then(Value::as_array);
    for rule in rules.into_iter().flatten() {
        let texts = |field: &str| {
            let list = rule.get(field).and_then(Value::as_array);
            let mut texts: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
            texts.sort_unstable();
            texts
        };
        let (groups, versions) = (texts("apiGroups"), texts("apiVersions"));
        if groups.iter().chain(&versions).any(|text| text.contains('*')) {
            continue;
        }
        let resources: Vec<&str> =
            texts("resources").into_iter().filter(|resource| !resource.contains(['*', '/'])).collect();
        let mut count = 0;
        for group in groups {
            for version in &versions {
                for plural in &resources {
                    let Some(resource) = catalog.find(group, version, plural) else { continue };
                    if seen.insert((group.to_owned(), (*version).to_owned(), resource.kind.clone())) {
                        found.push(resource);
                    }
                    count += 1;
                    if count == MOST_TYPES {
                        return sorted(found);
                    }
                }
            }
        }
    }
    sorted(found)
}

fn sorted(mut found: Vec<&Resource>) -> Vec<&Resource> {
    found.sort_by(|a, b| (&a.group, &a.version, &a.kind).cmp(&(&b.group, &b.version, &b.kind)));
    found
}

/// The schema of a resource, with what every object has.
fn whole(resource: &Resource, types: &Types) -> Schema {
    let mut schema = resource.schema.as_deref().cloned().unwrap_or_default();
    if resource.is_custom() {
        "object".clone_into(&mut schema.kind);
        let text = || Schema { kind: "string".to_owned(), ..Schema::default() };
        schema.properties.insert("apiVersion".to_owned(), text());
        schema.properties.insert("kind".to_owned(), text());
        schema.properties.insert("metadata".to_owned(), types.inline(OBJECT_META));
    }
    schema
}
