//! Making an object.
//!
//! The order of the steps is that of `k8s.io/apiserver/pkg/endpoints/handlers/create.go` and `registry/generic/registry/store.go`.

use apimachinery::{
    meta::{
        create::{Birth, before_create, dedup_owner_references, ensure_namespace, wipe},
        validate::finalizer_warnings,
    },
    status::{Reason, Status},
};
use serde_json::Value;

use super::Stored;
use crate::{
    admission::{Attributes, Operation},
    convert, crd,
    failure::Outcome,
    fields, object, read,
    scope::{Part, Scope},
    store::{CommitError, Entry, Expect, Write},
    strategy,
};

/// How often a generated name is tried.
const TRIES: usize = 8;

/// Makes `object`, which was decoded, pruned and defaulted.
pub(crate) async fn create(scope: &Scope, mut object: Value) -> Outcome<Stored> {
    scope.check_namespace()?;
    crd::controller::refuse_create(scope, object::name(&object))?;
    wipe(&mut object);
    scope.settle_namespace(&mut object)?;
    scope.dedup_owners(&mut object, false);
    let made = object;
    object = scope.converting(|| Ok(fields::updated(scope, None, made.clone()))).await?;
    let name = object::name(&object).to_owned();
    scope.admit(Operation::Create, &name, None, &mut object).await?;
    scope.dedup_owners(&mut object, true);

    if !name.is_empty() || object::meta_text(&object, "generateName").is_empty() {
        return store(scope, object).await;
    }
    let mut last = None;
    for _ in 0..TRIES {
        match store(scope, object.clone()).await {
            Err(taken) if taken.reason() == Reason::AlreadyExists => {
                let taken = taken.with_message(|message| {
                    format!("{message}, the server was not able to generate a unique name for the object")
                });
                last = Some(taken.retry(std::time::Duration::from_secs(1)));
            }
            outcome => return outcome,
        }
    }
    Err(last.unwrap_or_else(|| Status::internal_error("no name was tried")).into())
}

/// Completes, checks and stores an object; its name is generated if it has none.
pub(super) async fn store(scope: &Scope, object: Value) -> Outcome<Stored> {
    let object = completed(scope, object).await?;
    let name = object::name(&object).to_owned();
    let key = scope.key(&name);
    if scope.dry_run {
        return match scope.core.store.snapshot().get(&key) {
            Some(there) => Err(taken(scope, &name, Some(there))),
            None => Ok(Stored::Dry(read::as_stored(&scope.resource, object))),
        };
    }
    let draft = convert::draft(&scope.resource, &object).await?;
    match scope.core.commit(key, Expect::Absent, Write::Put(draft)).await {
        Ok(entry) => Ok(Stored::Entry(convert::entry(&scope.resource, entry).await?)),
        Err(CommitError::Conflict { current, .. }) => Err(taken(scope, &name, current.as_ref())),
        Err(failed) => Err(crate::commit::failed(&failed).into()),
    }
}

/// 409 for a name that another object has.
fn taken(scope: &Scope, name: &str, by: Option<&Entry>) -> Box<Status> {
    let taken = Status::already_exists(&scope.resource.group, &scope.resource.plural, name);
    if by.is_some_and(|entry| object::is_being_deleted(&read::value(&scope.resource, entry))) {
        return taken.with_message(|message| format!("object is being deleted: {message}")).into();
    }
    taken.into()
}

/// Fills in what the system sets, and checks the result.
async fn completed(scope: &Scope, mut object: Value) -> Outcome<Value> {
    let random = uuid::Uuid::new_v4();
    let (suffix, _) = uuid::Uuid::new_v4().as_u64_pair();
    let birth = Birth {
        namespace: if scope.resource.namespaced { &scope.namespace } else { "" },
        now: jiff::Timestamp::now(),
        uid: random.as_u128(),
        suffix,
        // The strategy of the kind knows.
        counts_generations: false,
    };
    before_create(&mut object, &birth)?;
    strategy::prepare_create(&scope.resource, &mut object);
    let name = object::name(&object).to_owned();
    scope.check_rights(&object, None)?;
    let errors = strategy::check_create(&scope.resource, &object, &scope.warnings);
    if !errors.is_empty() {
        let resource = &scope.resource;
        let (group, kind) = (strategy::named_group(resource, &object), strategy::named_kind(resource, &object));
        return Err(Status::invalid(group, kind, &name, &errors).into());
    }
    scope.warn_of_finalizers(&object, None);
    scope.warn_of_formats(&object, None);
    strategy::canonicalize(&scope.resource, &mut object);
    scope.judge(Operation::Create, &name, None, Some(&object)).await?;
    scope.validate(Operation::Create, &name, None, Some(&object)).await?;
    Ok(object)
}

impl Scope {
    /// What admission sees.
    fn attributes<'a>(&'a self, operation: Operation, name: &'a str, old: Option<&'a Value>) -> Attributes<'a> {
        Attributes {
            operation,
            resource: &self.resource,
            subresource: self.part.as_str(),
            namespace: &self.namespace,
            name,
            old,
            caller: &self.caller,
            dry_run: self.dry_run,
            rbac: &self.core.rbac,
        }
    }

    /// Runs the mutators.
    pub(super) async fn admit(
        &self,
        operation: Operation,
        name: &str,
        old: Option<&Value>,
        object: &mut Value,
    ) -> Outcome<()> {
        self.check_namespace_life(operation, name)?;
        let attributes = self.attributes(operation, name, old);
        for admission in &self.core.admission {
            if admission.handles(&attributes) {
                admission.mutate(&attributes, object).await?;
            }
        }
        Ok(())
    }

    /// Runs the validators.
    pub(super) async fn validate(
        &self,
        operation: Operation,
        name: &str,
        old: Option<&Value>,
        object: Option<&Value>,
    ) -> Outcome<()> {
        let attributes = self.attributes(operation, name, old);
        for admission in &self.core.admission {
            if admission.handles(&attributes) {
                for warning in admission.validate(&attributes, object).await? {
                    self.warnings.add(warning);
                }
            }
        }
        Ok(())
    }

    /// An object without a namespace gets the request's; one with another is refused.
    pub(crate) fn settle_namespace(&self, object: &mut Value) -> Outcome<()> {
        let namespace = if self.resource.namespaced { self.namespace.as_str() } else { "" };
        ensure_namespace(object, namespace)
    }

    /// Takes owners away that stand there twice, and says so.
    pub(super) fn dedup_owners(&self, object: &mut Value, admitted: bool) {
        if let Some(warning) = dedup_owner_references(object, admitted) {
            self.warnings.add(warning);
        }
    }

    /// A definition may say what is not understood.
    pub(super) fn warn_of_formats(&self, object: &Value, old: Option<&Value>) {
        if self.resource.is(crd::GROUP, crd::PLURAL) && self.part == Part::Whole {
            for warning in crd::warnings::of(object, old) {
                self.warnings.add(warning);
            }
        }
    }

    /// Custom resources' finalizers should be names with a domain.
    pub(super) fn warn_of_finalizers(&self, object: &Value, old: Option<&Value>) {
        if self.resource.is_custom() {
            for warning in finalizer_warnings(object, old) {
                self.warnings.add(warning);
            }
        }
    }
}
