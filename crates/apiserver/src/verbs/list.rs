//! Reading many objects, at one version.

use std::sync::Arc;

use apimachinery::status::Status;

use super::get::unavailable;
use crate::{
    continuation::Place,
    convert,
    failure::Outcome,
    options::{ListOptions, VersionMatch},
    scope::Scope,
    select::Selection,
    store::{Entry, Key, Range, Snapshot, Unavailable},
};

/// Objects of one version, to be read one after the other.
pub(crate) struct Listing {
    /// The version of the list.
    pub(crate) version: u64,
    snapshot: Snapshot,
    range: Range,
    prefix: String,
    selection: Selection,
    after: Option<Key>,
    /// The most objects that are still to come.
    left: usize,
}

/// What a limited list says beside its objects.
#[derive(Debug, Default)]
pub(crate) struct More {
    /// Where it goes on; empty when this was all.
    pub(crate) continuation: String,
    /// How many are to come, when nothing is selected among them.
    pub(crate) remaining: Option<usize>,
}

const TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list \
                       without the continue parameter, or use the continue token in this response to retrieve the remainder of \
                       the results. Continuing with the provided token results in an inconsistent list - objects that were \
                       created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/// Begins a list.
pub(crate) async fn list(scope: &Scope, options: &ListOptions) -> Outcome<Listing> {
    let range = scope.selected_range(options);
    let spans = scope.resource.namespaced && scope.namespace.is_empty();
    let store = &scope.core.store;
    let mut after = None;
    let snapshot = if options.continuation.is_empty() {
        match options.version {
            None | Some(0) => store.snapshot(),
            Some(version) => {
                let exact = match options.version_match {
                    Some(VersionMatch::Exact) => true,
                    Some(VersionMatch::NotOlderThan) => false,
                    None => options.limit > 0,
                };
                if exact {
                    store.snapshot_at(version).map_err(|why| unavailable(version, why))?
                } else {
                    scope.wait_for(version).await?;
                    store.snapshot()
                }
            }
        }
    } else {
        let place = Place::decode(&options.continuation, &scope.namespace, spans)?;
        if options.version.is_some_and(|version| version != 0) {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue").into());
        }
        after = Some(Key::new(&scope.resource.prefix, &place.namespace, &place.name));
        match place.version {
            None => store.snapshot(),
            Some(version) => store.snapshot_at(version).map_err(|why| match why {
                Unavailable::Compacted { .. } => {
                    Status::expired(TOO_OLD).continued(Place { version: None, ..place }.encode(spans))
                }
                Unavailable::Future { .. } => unavailable(version, why),
            })?,
        }
    };
    Ok(Listing {
        version: snapshot.revision(),
        snapshot,
        range,
        prefix: scope.resource.prefix.clone(),
        selection: Selection::new(scope, options),
        after,
        left: if options.limit == 0 { usize::MAX } else { options.limit },
    })
}

impl Listing {
    /// The next objects, at most `most`; empty when there are no more. Rejected ones count as work, so that a selector that fits
    /// nothing does not keep others waiting: an empty batch with [`Listing::is_over`] false is to be asked again.
    pub(crate) fn batch(&mut self, most: usize) -> Vec<Entry> {
        /// How many objects are looked at in one go.
        const LOOKED_AT: usize = 2048;
        let mut found = Vec::new();
        let mut last = None;
        let mut over = true;
        for entry in self.snapshot.range(&self.range, self.after.as_ref()).take(LOOKED_AT) {
            if found.len() >= most.min(self.left) {
                over = false;
                break;
            }
            last = Some(entry);
            if self.selection.selects(entry) {
                found.push(entry.clone());
            }
        }
        let next = last.map(|entry| entry.key(&self.prefix));
        if let Some(next) = next {
            over &= self.snapshot.range(&self.range, Some(&next)).len() == 0;
            self.after = Some(next);
        }
        self.left = self.left.saturating_sub(found.len());
        if over {
            self.left = 0;
        }
        found
    }

    /// The next objects as the resource has them, which a webhook may be asked for; selected are they only then.
    pub(crate) async fn next(&mut self, most: usize) -> Outcome<Vec<Entry>> {
        /// How many objects are converted in one go.
        const CONVERTED: usize = 500;
        let resource = Arc::clone(self.selection.resource());
        if resource.conversion.is_none() {
            return Ok(self.batch(most));
        }
        let most = most.min(self.left).min(CONVERTED);
        let stored: Vec<Entry> = self.snapshot.range(&self.range, self.after.as_ref()).take(most).cloned().collect();
        let mut over = true;
        if let Some(last) = stored.last() {
            let next = last.key(&self.prefix);
            over = self.snapshot.range(&self.range, Some(&next)).len() == 0;
            self.after = Some(next);
        }
        let mut found = convert::entries(&resource, stored).await?;
        found.retain(|entry| self.selection.selects(entry));
        self.left = if over { 0 } else { self.left.saturating_sub(found.len()) };
        Ok(found)
    }

    /// Whether there is nothing more to come within the limit.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// The objects of a list with a limit, and where it goes on.
    pub(crate) async fn page(mut self, scope: &Scope) -> Outcome<(Vec<Entry>, More)> {
        let mut found = Vec::new();
        while !self.is_over() {
            found.append(&mut self.next(self.left).await?);
        }
        let rest = self.snapshot.range(&self.range, self.after.as_ref()).len();
        let spans = scope.resource.namespaced && scope.namespace.is_empty();
        let more = match self.after.filter(|_| rest > 0) {
            Some(after) => More {
                continuation: Place {
                    version: Some(self.version),
                    namespace: after.namespace().to_owned(),
                    name: after.name().to_owned(),
                }
                .encode(spans),
                remaining: self.selection.selects_all().then_some(rest),
            },
            None => More::default(),
        };
        Ok((found, more))
    }
}

impl Scope {
    /// Where the objects stand that a selection can fit at most.
    pub(crate) fn selected_range(&self, options: &ListOptions) -> Range {
        let namespace = match options.fields.required("metadata.namespace") {
            Some(selected) if self.namespace.is_empty() && self.resource.namespaced => selected,
            _ => &self.namespace,
        };
        let prefix = self.resource.prefix.clone();
        match options.fields.required("metadata.name") {
            Some(name) if !self.resource.namespaced || !namespace.is_empty() => {
                Range::object(&Key::new(&prefix, namespace, name))
            }
            _ if namespace.is_empty() => Range::prefix(&prefix),
            _ => Range::namespace(&prefix, namespace),
        }
    }
}
