//! The policies that are in force, and what they are asked for a request.
//!
//! A change of a policy or binding is known when its write returns: the next request is judged by it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use apimachinery::meta::Meta;
use arc_swap::ArcSwap;
use serde_json::{Value, json};

use super::{
    Binding, Converted, Expressions, Policy, Request, Resource as Named, is_exempt, judge,
    params::{self, Wanted},
    rights::Rights,
    wanted_versions,
};
use crate::{
    admission::Operation,
    convert,
    failure::Outcome,
    handlers::scale::shown,
    object, read,
    registry::{Catalog, Resource, split_api_version},
    reviews::user_info,
    scope::{Part, Scope},
    store::{Key, Range, Store},
};

const POLICIES: &str = "admissionregistration.k8s.io/validatingadmissionpolicies";
const BINDINGS: &str = "admissionregistration.k8s.io/validatingadmissionpolicybindings";
/// Where namespaces stand in the store.
const NAMESPACES: &str = "/namespaces";

/// A policy that is bound.
#[derive(Debug)]
struct Bound {
    object: Value,
    expressions: Arc<Expressions>,
    bindings: Vec<Value>,
}

/// The policies that are in force, by name.
#[derive(Debug, Default)]
pub(crate) struct Force {
    current: ArcSwap<BTreeMap<String, Bound>>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl Force {
    /// Takes in all policies and bindings of a store.
    pub(crate) fn load(&self, store: &Store) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = store.snapshot();
        let read = |prefix: &str| -> Vec<Value> {
            let entries = snapshot.range(&Range::prefix(prefix), None);
            entries.filter_map(|entry| serde_json::from_slice(&entry.as_bytes()).ok()).collect()
        };
        let mut bindings: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for binding in read(BINDINGS) {
            let policy = binding.pointer("/spec/policyName").and_then(Value::as_str).unwrap_or_default().to_owned();
            bindings.entry(policy).or_default().push(binding);
        }
        let before = self.current.load();
        let mut next = BTreeMap::new();
        for object in read(POLICIES) {
            let name = object::name(&object).to_owned();
            let Some(bindings) = bindings.remove(&name) else { continue };
            let same = before.get(&name).filter(|bound| bound.object.get("spec") == object.get("spec"));
            let expressions =
                same.map_or_else(|| Arc::new(Expressions::of(&object)), |bound| Arc::clone(&bound.expressions));
            next.insert(name, Bound { object, expressions, bindings });
        }
        self.current.store(Arc::new(next));
    }

    /// Takes in what an object is now.
    pub(crate) fn changed(&self, store: &Store, key: &Key) {
        if matches!(key.prefix(), POLICIES | BINDINGS) {
            self.load(store);
        }
    }
}

impl Scope {
    /// Refuses what a policy denies. `name` is empty for one that is to be generated; `options` are those of the operation.
    pub(crate) async fn judge(
        &self,
        operation: Operation,
        name: &str,
        old: Option<&Value>,
        object: Option<&Value>,
    ) -> Outcome<()> {
        let force = self.core.policies.current.load_full();
        let mut own = named(&self.resource);
        if force.is_empty() || is_exempt(&own) {
            return Ok(());
        }
        // Through `scale` objects are seen as such.
        let paths = self.resource.subresources.scale.as_ref().filter(|_| self.part == Part::Scale);
        let scale = |object: Option<&Value>| {
            let both = paths.zip(object);
            both.map(|(paths, object)| shown(&self.resource, paths, object)).transpose()
        };
        let (scaled, scaled_old) = (scale(object)?, scale(old)?);
        let (object, old) = (scaled.as_ref().or(object), scaled_old.as_ref().or(old));
        if paths.is_some() {
            own.kind = "Scale";
        }
        let catalog = self.core.registry.catalog();
        let equivalents = equivalents(&catalog, &self.resource);
        let others: Vec<Named<'_>> = equivalents.iter().map(|resource| named(resource)).collect();
        let of_namespace = self.resource.is("", "namespaces");
        let namespace = if of_namespace { name } else { &self.namespace };
        let namespace_object = if of_namespace { None } else { self.namespace_object() };
        let (user, options) = (user_info(&self.caller), self.options(operation));
        let rights = Rights { core: &self.core, caller: &self.caller };
        let mut request = Request {
            operation: operation.as_str(),
            resource: own,
            equivalents: &others,
            subresource: self.part.as_str(),
            namespace,
            name,
            user: &user,
            dry_run: self.dry_run,
            options: &options,
            object,
            old_object: old,
            namespace_object: namespace_object.as_ref(),
            converted: &[],
            authority: &rights,
        };
        let mut found: Vec<Vec<Result<Vec<Value>, String>>> = Vec::with_capacity(force.len());
        for bound in force.values() {
            let mut params = Vec::with_capacity(bound.bindings.len());
            for binding in &bound.bindings {
                params.push(self.params(&catalog, bound, binding, namespace).await);
            }
            found.push(params);
        }
        let policies: Vec<Policy<'_>> = force
            .values()
            .zip(&found)
            .map(|(bound, params)| Policy {
                object: &bound.object,
                expressions: &bound.expressions,
                error: param_kind(bound, &catalog).err(),
                bindings: bound.bindings.iter().zip(params).map(|(object, params)| bind(object, params)).collect(),
            })
            .collect();
        let mut converted = Vec::new();
        for wanted in wanted_versions(&request, &policies) {
            let Some(to) = equivalents.iter().find(|resource| named(resource) == wanted) else { continue };
            let mut versioned = Converted { resource: wanted, object: None, old_object: None };
            if let Some(object) = object {
                versioned.object = Some(convert::object(to, object).await?);
            }
            if let Some(old) = old {
                versioned.old_object = Some(convert::object(to, old).await?);
            }
            converted.push(versioned);
        }
        request.converted = &converted;
        let outcome = judge(&request, &policies);
        outcome.warnings.into_iter().for_each(|warning| self.warnings.add(warning));
        outcome.annotations.into_iter().for_each(|(key, value)| self.annotations.add(key, value));
        match outcome.denied {
            Some(denied) => Err(denied),
            None => Ok(()),
        }
    }

    /// The Namespace that the scope's objects are in.
    fn namespace_object(&self) -> Option<Value> {
        if self.namespace.is_empty() {
            return None;
        }
        let snapshot = self.core.store.snapshot();
        let entry = snapshot.get(&Key::new(NAMESPACES, "", &self.namespace))?;
        serde_json::from_slice(&entry.as_bytes()).ok()
    }

    /// The options of an operation, as an `AdmissionRequest` has them.
    fn options(&self, operation: Operation) -> Value {
        let kind = match operation {
            Operation::Create => "CreateOptions",
            Operation::Update => "UpdateOptions",
            Operation::Delete => "DeleteOptions",
        };
        let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
        if let Some(fields) = options.as_object_mut() {
            if self.dry_run {
                fields.insert("dryRun".to_owned(), json!(["All"]));
            }
            if operation != Operation::Delete && !self.manager.is_empty() {
                fields.insert("fieldManager".to_owned(), self.manager.clone().into());
            }
        }
        options
    }

    /// The parameters that a binding takes for a request in `namespace`; one null where it takes none.
    async fn params(
        &self,
        catalog: &Catalog,
        bound: &Bound,
        binding: &Value,
        namespace: &str,
    ) -> Result<Vec<Value>, String> {
        let Ok(resource) = param_kind(bound, catalog) else { return Ok(Vec::new()) };
        let namespaced = resource.map(|resource| resource.namespaced);
        let snapshot = self.core.store.snapshot();
        let (entries, selector, resource) =
            match (params::wanted(&bound.object, binding, namespace, namespaced)?, resource) {
                (Wanted::Nothing, _) | (_, None) => return Ok(vec![Value::Null]),
                (Wanted::Named { namespace, name }, Some(resource)) => {
                    let entry = snapshot.get(&Key::new(&resource.prefix, &namespace, &name)).cloned();
                    (entry.into_iter().collect::<Vec<_>>(), None, resource)
                }
                (Wanted::Selected { namespace, selector }, Some(resource)) => {
                    let range = if namespace.is_empty() {
                        Range::prefix(&resource.prefix)
                    } else {
                        Range::namespace(&resource.prefix, &namespace)
                    };
                    (snapshot.range(&range, None).cloned().collect(), Some(selector), resource)
                }
            };
        let entries = convert::entries(resource, entries).await.map_err(|failed| failed.message().to_owned())?;
        let objects = entries.iter().map(|entry| read::value(resource, entry));
        let selected = |object: &Value| {
            selector.as_ref().is_none_or(|selector| selector.matches(|key| Meta::of(object).label(key)))
        };
        let objects: Vec<Value> = objects.filter(selected).collect();
        params::found(binding, objects.iter().collect())?;
        Ok(objects)
    }
}

/// The resource that a policy takes its parameters from, if it takes any.
///
/// # Errors
/// There is none of this kind.
fn param_kind<'a>(bound: &Bound, catalog: &'a Catalog) -> Result<Option<&'a Arc<Resource>>, String> {
    let Some(kind) = bound.object.pointer("/spec/paramKind").filter(|kind| !kind.is_null()) else { return Ok(None) };
    let (group, version) = split_api_version(object::text(kind, "apiVersion"));
    let kind = object::text(kind, "kind");
    catalog
        .of_kind(group, version, kind)
        .map(Some)
        .ok_or_else(|| format!("failed to find resource referenced by paramKind: '{group}/{version}, Kind={kind}'"))
}

fn bind<'a>(object: &'a Value, params: &'a Result<Vec<Value>, String>) -> Binding<'a> {
    let params = params.as_ref().map(|params| params.iter().collect()).map_err(Clone::clone);
    Binding { object, params }
}

fn named(resource: &Resource) -> Named<'_> {
    Named { group: &resource.group, version: &resource.version, plural: &resource.plural, kind: &resource.kind }
}

/// The same objects in other versions or groups.
fn equivalents(catalog: &Catalog, resource: &Resource) -> Vec<Arc<Resource>> {
    let same = |other: &&Arc<Resource>| {
        other.served
            && other.prefix == resource.prefix
            && !other.prefix.is_empty()
            && (&other.group, &other.version) != (&resource.group, &resource.version)
    };
    catalog.resources().iter().filter(same).cloned().collect()
}
