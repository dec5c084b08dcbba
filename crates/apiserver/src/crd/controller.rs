//! The life of a definition: its names are accepted, it is established, and on its end its objects go first.
//!
//! See `k8s.io/apiextensions-apiserver/pkg/controller/{status,establish,finalizer}`.

use std::collections::BTreeSet;

use apimachinery::{
    meta::{Meta, MetaMut, options::DeleteOptions},
    status::Status,
};
use http::StatusCode;
use serde_json::{Map, Value};

use super::{GROUP, PLURAL, conditions};
use crate::{
    api::Api, failure::Outcome, follow::follow, object, options::ListOptions, registry::Origin, scope::Scope,
    store::Range, verbs,
};

/// Keeps a definition until its objects are gone.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Follows all definitions, for as long as the server runs.
pub(crate) async fn run(api: Api) {
    follow(api, GROUP, PLURAL, |scope, api| Box::pin(settle(scope, api))).await;
}

/// Settles each definition; also says whether one waits for its objects.
async fn settle(scope: &Scope, api: &Api) -> Outcome<bool> {
    let mut waits = false;
    let mut all = scope.list().await?;
    let names: Vec<String> = all.iter().map(|definition| object::name(definition).to_owned()).collect();
    for name in names {
        let Some(definition) = all.iter().find(|definition| object::name(definition) == name) else { continue };
        let outcome = if object::is_being_deleted(definition) {
            finish(scope, api, &name, definition).await.map(|gone| {
                waits |= !gone;
                true
            })
        } else {
            name_and_establish(scope, definition, &all).await
        };
        match outcome {
            Ok(false) => {}
            // Each sees the names that the ones before it took or gave back.
            Ok(true) => all = scope.list().await?,
            Err(lost) if matches!(lost.code(), StatusCode::NOT_FOUND | StatusCode::CONFLICT) => {
                all = scope.list().await?;
            }
            Err(failed) => return Err(failed),
        }
    }
    Ok(waits)
}

/// Gives a definition the names that it can have; says whether there was anything to do.
async fn name_and_establish(scope: &Scope, definition: &Value, all: &[Value]) -> Outcome<bool> {
    let status = conditions::of(definition);
    let names = definition.pointer("/spec/names");
    let settled = names == definition.pointer("/status/acceptedNames") && conditions::is_true(&status, "NamesAccepted");
    if settled && conditions::is_true(&status, "Established") {
        return Ok(false);
    }
    let (accepted, conflict) = accepted_names(definition, all);
    scope
        .change_status(object::name(definition), |definition| {
            match &conflict {
                None => conditions::set(definition, "NamesAccepted", "True", "NoConflicts", "no conflicts found"),
                Some((reason, message)) => conditions::set(definition, "NamesAccepted", "False", reason, message),
            }
            if let Some(status) = definition.get_mut("status").and_then(Value::as_object_mut) {
                status.insert("acceptedNames".to_owned(), Value::Object(accepted.clone()));
            }
            if conditions::is_true(&conditions::of(definition), "Established") {
                return;
            }
            if conflict.is_none() {
                let message = "the initial names have been accepted";
                conditions::set(definition, "Established", "True", "InitialNamesAccepted", message);
            } else {
                conditions::set(definition, "Established", "False", "NotAccepted", "not all names are accepted");
            }
        })
        .await?;
    Ok(true)
}

/// The names that a definition gets, and the last conflict that keeps it from one it asks for: `calculateNamesAndConditions` of
/// `naming_controller.go`.
fn accepted_names(definition: &Value, all: &[Value]) -> (Map<String, Value>, Option<(&'static str, String)>) {
    let names = |definition: &Value, part: &str| {
        definition.pointer(part).and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let group = definition.pointer("/spec/group");
    let (mut resources, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for other in all.iter().filter(|other| other.pointer("/spec/group") == group) {
        let taken = names(other, "/status/acceptedNames");
        for field in ["plural", "singular"] {
            resources.extend(text(&taken, field));
        }
        resources.extend(texts(&taken, "shortNames"));
        for field in ["kind", "listKind"] {
            kinds.extend(text(&taken, field));
        }
    }
    let asked = names(definition, "/spec/names");
    let mut accepted = names(definition, "/status/acceptedNames");
    let mut conflict = None;
    for (field, used, reason) in [
        ("plural", &resources, "PluralConflict"),
        ("singular", &resources, "SingularConflict"),
        ("shortNames", &resources, "ShortNamesConflict"),
        ("kind", &kinds, "KindConflict"),
        ("listKind", &kinds, "ListKindConflict"),
    ] {
        let own: Vec<String> = texts(&accepted, field).into_iter().chain(text(&accepted, field)).collect();
        let wanted: Vec<String> = texts(&asked, field).into_iter().chain(text(&asked, field)).collect();
        let taken: Vec<String> = wanted
            .into_iter()
            .filter(|name| !own.contains(name) && used.contains(name))
            .map(|name| format!("{name:?} is already in use"))
            .collect();
        match taken.as_slice() {
            [] => match asked.get(field) {
                Some(value) => drop(accepted.insert(field.to_owned(), value.clone())),
                None => drop(accepted.remove(field)),
            },
            [one] => conflict = Some((reason, one.clone())),
            several => conflict = Some((reason, format!("[{}]", several.join(", ")))),
        }
    }
    match asked.get("categories") {
        Some(categories) => drop(accepted.insert("categories".to_owned(), categories.clone())),
        None => drop(accepted.remove("categories")),
    }
    (accepted, conflict)
}

fn text(names: &Map<String, Value>, field: &str) -> Option<String> {
    names.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn texts(names: &Map<String, Value>, field: &str) -> Vec<String> {
    let list = names.get(field).and_then(Value::as_array);
    list.map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default()
}

/// Deletes a definition's objects, and lets it go when there are none; says whether it went.
async fn finish(scope: &Scope, api: &Api, name: &str, definition: &Value) -> Outcome<bool> {
    if !Meta::of(definition).finalizers().any(|finalizer| finalizer == FINALIZER) {
        return Ok(true);
    }
    let at = |path: &str| definition.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (group, plural) = (at("/spec/group"), at("/status/acceptedNames/plural"));
    let established = conditions::is_true(&conditions::of(definition), "Established");
    let ended = match api.scope(group, plural, "") {
        Ok(objects) if established => {
            if !conditions::of(definition)
                .iter()
                .any(|condition| object::text(condition, "reason") == "InstanceDeletionInProgress")
            {
                let message = "CustomResource deletion is in progress";
                scope
                    .change_status(name, |definition| {
                        conditions::set(definition, "Terminating", "True", "InstanceDeletionInProgress", message);
                    })
                    .await?;
            }
            let listing = verbs::list::list(&objects, &ListOptions::default()).await?;
            let (entries, _) = listing.page(&objects).await?;
            verbs::delete::delete_all(&objects, entries, &DeleteOptions::default()).await?;
            if api.core().store.snapshot().count(&Range::prefix(&objects.resource.prefix)) > 0 {
                return Ok(false);
            }
            ("InstanceDeletionCompleted", "removed all instances")
        }
        _ => ("NeverEstablished", "resource was never established"),
    };
    scope
        .change_status(name, |definition| {
            conditions::set(definition, "Terminating", "False", ended.0, ended.1);
        })
        .await?;
    scope
        .change(name, |definition| {
            let kept: Vec<String> = Meta::of(definition)
                .finalizers()
                .filter(|finalizer| *finalizer != FINALIZER)
                .map(str::to_owned)
                .collect();
            if let Some(mut meta) = MetaMut::of(definition) {
                meta.set_finalizers(kept);
            }
        })
        .await?;
    Ok(true)
}

/// Marks a definition that is to go: it stays until its objects are gone.
pub(crate) fn prepare_delete(definition: &mut Value) {
    let mut finalizers: Vec<String> = Meta::of(definition).finalizers().map(str::to_owned).collect();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        finalizers.push(FINALIZER.to_owned());
    }
    if let Some(mut meta) = MetaMut::of(definition) {
        meta.set_finalizers(finalizers);
    }
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    conditions::set(definition, "Terminating", "True", "InstanceDeletionPending", message);
}

/// 403 for a new object of a definition that goes: `forbidCreateAdmission` of `customresource_handler.go`.
pub(crate) fn refuse_create(scope: &Scope, name: &str) -> Outcome<()> {
    match &scope.resource.origin {
        Origin::Custom(definition) if definition.terminating => {
            let why = "create not allowed while custom resource definition is terminating";
            Err(Status::forbidden(&scope.resource.group, &scope.resource.plural, name, why).into())
        }
        _ => Ok(()),
    }
}
