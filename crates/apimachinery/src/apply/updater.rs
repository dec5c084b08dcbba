//! Who owns what after a write: `structured-merge-diff/merge/update.go`.

use std::borrow::Cow;

use serde_json::Value;

use super::compare::{Comparison, compare};
use super::conflict::Conflict;
use super::managed::{Identity, Operation, Owner, Owners};
use super::merge::merge;
use super::reconcile::reconcile;
use super::remove::{remove, with_named};
use super::scalar;
use super::set::FieldSet;
use super::to_set::to_set;
use super::types::Type;
use super::validate::validate;
use super::{Context, Version};

/// Why owners cannot be worked out.
#[derive(Debug)]
pub(super) enum Failure {
    /// Others own fields that the applied object changes.
    Conflicts(Vec<Conflict>),
    /// Anything else.
    Other(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

/// The versions of one kind as one request sees them.
pub(super) struct Updater<'a> {
    context: &'a Context<'a>,
}

impl<'a> Updater<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self { context }
    }

    /// The version's schema and the fields that the endpoint resets. None if it is not served.
    fn version(&self, api_version: &str) -> Option<Version<'a>> {
        if api_version == self.context.api_version {
            return Some(Version { schema: self.context.schema, reset: self.context.reset });
        }
        self.context.versions.version(api_version)
    }

    fn of(&self, api_version: &str) -> Option<Type<'a>> {
        self.version(api_version).map(|version| Type::root(version.schema))
    }

    /// The object in another version. None if it is not served.
    fn convert<'v>(&self, object: &'v Value, api_version: &str) -> Result<Option<Cow<'v, Value>>, String> {
        if object.get("apiVersion").and_then(Value::as_str) == Some(api_version) {
            return Ok(Some(Cow::Borrowed(object)));
        }
        let Some(of) = self.of(api_version) else { return Ok(None) };
        let converted = self.context.versions.convert(object, api_version)?;
        validate(of, &converted, false).map_err(|errors| errors.to_string())?;
        Ok(Some(Cow::Owned(converted)))
    }

    /// Brings the owners' sets to the schemas as they are now, and drops owners in versions that are not served any more.
    fn reconcile(&self, owners: &mut Owners) {
        owners.0.retain_mut(|owner| {
            let Some(of) = self.of(&owner.entry.api_version) else { return false };
            if let Cow::Owned(fields) = reconcile(&owner.entry.fields, of) {
                owner.set_fields(fields);
            }
            true
        });
    }

    /// Takes from all owners what a write that is no apply changes or removes. Gives what the writer owns of it.
    pub(super) fn update(&self, live: &Value, new: &Value, owners: &mut Owners) -> Result<FieldSet, Failure> {
        self.reconcile(owners);
        self.transfer(live, new, owners, None, true)
    }

    /// The live object with the applied one merged into it, or None if that changes nothing.
    pub(super) fn apply(
        &self,
        live: &Value,
        config: &Value,
        owners: &mut Owners,
        applier: &Identity,
        force: bool,
    ) -> Result<Option<Value>, Failure> {
        let api_version = self.context.api_version;
        self.reconcile(owners);
        let of = Type::root(self.context.schema);
        let merged = merge(of, live, config);
        let set = to_set(of, config).recursive_difference(self.context.reset);
        let last = owners.remove(applier);
        let time = last.as_ref().and_then(|last| last.entry.time);
        owners.put(Owner::new(applier, api_version, time, set));
        let result =
            self.prune(merged, owners, last.as_ref()).map_err(|why| format!("failed to prune fields: {why}"))?;
        self.transfer(live, &result, owners, Some(applier), force)?;
        Ok((!scalar::equal(live, &result)).then_some(result))
    }

    /// Takes from all owners but `writer` what the write changes or removes. Gives what it changes or adds.
    fn transfer(
        &self,
        live: &Value,
        new: &Value,
        owners: &mut Owners,
        writer: Option<&Identity>,
        force: bool,
    ) -> Result<FieldSet, Failure> {
        let own = compare(Type::root(self.context.schema), live, new).without(self.context.reset);
        let mut changes = vec![(self.context.api_version.to_owned(), Some((own.changed(), own.removed)))];
        for owner in &owners.0 {
            let version = &owner.entry.api_version;
            if writer.is_none_or(|writer| !owner.is(writer)) && changes.iter().all(|(known, _)| known != version) {
                let comparison = self.compare_in(live, new, version)?;
                changes
                    .push((version.clone(), comparison.map(|comparison| (comparison.changed(), comparison.removed))));
            }
        }
        let mut conflicts = Vec::new();
        let mut kept = Vec::with_capacity(owners.0.len());
        for mut owner in std::mem::take(&mut owners.0) {
            if writer.is_none_or(|writer| !owner.is(writer)) {
                let here = changes.iter().find(|(known, _)| *known == owner.entry.api_version);
                let Some((written, removed)) = here.and_then(|(_, sets)| sets.as_ref()) else { continue };
                if !owner.entry.fields.is_disjoint(written) {
                    if !force {
                        let taken = owner.entry.fields.intersection(written);
                        let identity = owner.identity();
                        conflicts
                            .extend(taken.paths().into_iter().map(|path| Conflict { owner: identity.clone(), path }));
                    }
                    let fields = owner.entry.fields.difference(written);
                    owner.set_fields(fields);
                }
                if !owner.entry.fields.is_disjoint(removed) {
                    let fields = owner.entry.fields.difference(removed);
                    owner.set_fields(fields);
                }
            }
            if !owner.entry.fields.is_empty() {
                kept.push(owner);
            }
        }
        if !conflicts.is_empty() {
            return Err(Failure::Conflicts(conflicts));
        }
        owners.0 = kept;
        Ok(changes.swap_remove(0).1.map(|(changed, _)| changed).unwrap_or_default())
    }

    /// What differs in another version. None if it is not served.
    fn compare_in(&self, live: &Value, new: &Value, api_version: &str) -> Result<Option<Comparison>, String> {
        let Some(version) = self.version(api_version) else { return Ok(None) };
        // Kubernetes has converted the live object before, for the owners' sets, and reports a failure as it is.
        let old = self.convert(live, api_version)?;
        let new = self.convert(new, api_version).map_err(|why| format!("failed to convert new object: {why}"))?;
        let (Some(old), Some(new)) = (old, new) else { return Ok(None) };
        Ok(Some(compare(Type::root(version.schema), &old, &new).without(version.reset)))
    }

    /// Removes what the applier applied last time, does not apply now, and nobody else owns.
    fn prune(&self, merged: Value, owners: &Owners, last: Option<&Owner>) -> Result<Value, String> {
        let Some(last) = last.filter(|last| !last.entry.fields.is_empty()) else { return Ok(merged) };
        let version = &last.entry.api_version;
        let Some(of) = self.of(version) else { return Ok(merged) };
        let converted = match self.convert(&merged, version) {
            Ok(Some(converted)) => converted,
            Ok(None) => return Ok(merged),
            Err(why) => return Err(format!("failed to convert merged object to last applied version: {why}")),
        };
        let last_fields = with_named(&last.entry.fields, of);
        let pruned = remove(of, &converted, &last_fields);
        let pruned = self
            .add_back_owned(&converted, pruned, version, owners)
            .map_err(|why| format!("failed add back owned items: {why}"))?;
        let pruned = self
            .add_back_dangling(&converted, &pruned, version, of, &last_fields)
            .map_err(|why| format!("failed add back dangling items: {why}"))?;
        match self.convert(&pruned, self.context.api_version)? {
            Some(Cow::Owned(pruned)) => Ok(pruned),
            _ => Ok(pruned),
        }
    }

    /// Adds back what others own, or the applier's new object.
    fn add_back_owned(
        &self,
        merged: &Value,
        pruned: Value,
        pruned_version: &str,
        owners: &Owners,
    ) -> Result<Value, String> {
        let mut by_version: Vec<(&str, FieldSet)> = Vec::new();
        for owner in &owners.0 {
            let version = owner.entry.api_version.as_str();
            match by_version.iter_mut().find(|(known, _)| *known == version) {
                Some((_, fields)) => *fields = fields.union(&owner.entry.fields),
                None => by_version.push((version, owner.entry.fields.clone())),
            }
        }
        // First the version at hand: what another version's conversion needs may be among its fields.
        by_version.sort_by_key(|(version, _)| *version != pruned_version);
        let (mut merged, mut pruned) = (Cow::Borrowed(merged), pruned);
        for (version, owned) in by_version {
            let Some(of) = self.of(version) else { continue };
            let (whole, rest) = (self.convert(&merged, version), self.convert(&pruned, version));
            let whole = whole.map_err(|why| format!("failed to convert merged object at version {version}: {why}"))?;
            let rest = rest.map_err(|why| format!("failed to convert pruned object at version {version}: {why}"))?;
            let (Some(whole), Some(rest)) = (whole, rest) else { continue };
            let all = with_named(&to_set(of, &whole), of);
            let keep = with_named(&to_set(of, &rest), of).union(&with_named(&owned, of));
            let next = remove(of, &whole, &all.difference(&keep));
            if let Cow::Owned(converted) = whole {
                merged = Cow::Owned(converted);
            }
            pruned = next;
        }
        Ok(pruned)
    }

    /// Adds back what the applier did not own before: what nobody owns, or only updaters.
    fn add_back_dangling(
        &self,
        merged: &Value,
        pruned: &Value,
        version: &str,
        of: Type<'_>,
        last: &FieldSet,
    ) -> Result<Value, String> {
        let converted = self
            .convert(pruned, version)
            .map_err(|why| format!("failed to convert pruned object to last applied version: {why}"))?;
        let Some(converted) = converted else { return Ok(merged.clone()) };
        let rest = with_named(&to_set(of, &converted), of);
        let all = with_named(&to_set(of, merged), of);
        Ok(remove(of, merged, &all.difference(&rest).intersection(last)))
    }
}

/// The name of who writes here.
pub(super) fn identity(context: &Context<'_>, manager: &str, operation: Operation) -> Identity {
    Identity {
        manager: if manager.is_empty() { "unknown".to_owned() } else { manager.to_owned() },
        operation,
        api_version: match operation {
            Operation::Apply => String::new(),
            Operation::Update => context.api_version.to_owned(),
        },
        subresource: context.subresource.to_owned(),
    }
}
