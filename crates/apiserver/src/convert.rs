//! Objects of custom resources in another version than they are stored in, where a webhook converts them.
//!
//! Elsewhere versions differ by their `apiVersion` alone, which `read` sees to. Source: `pkg/apiserver/conversion` of
//! apiextensions-apiserver.

mod checks;
mod connection;
mod webhook;

use std::sync::{Arc, Mutex, PoisonError};

use apimachinery::status::Status;
use serde_json::Value;

use crate::{
    failure::Outcome,
    object, read,
    registry::Resource,
    scope::Scope,
    store::{Draft, Entry, Event},
};

pub use connection::AddressPolicy;
pub(crate) use webhook::Form;
pub use webhook::Webhook;

/// How many objects a webhook is asked about at once.
const AT_ONCE: usize = 100;

/// Whether an entry is not yet what `resource` shows: of another version, or older than its schema.
fn is_foreign(resource: &Resource, entry: &Entry) -> bool {
    let own = object::starts_with_type(entry.pieces()[0], &resource.group, &resource.version, &resource.kind);
    !(own && resource.is_stored() && entry.modified() > resource.valid_since)
}

/// Entries as `resource` has them.
pub(crate) async fn entries(resource: &Resource, mut entries: Vec<Entry>) -> Outcome<Vec<Entry>> {
    let Some(webhook) = resource.conversion.as_deref() else { return Ok(entries) };
    let to = resource.api_version();
    let foreign = entries.iter().enumerate().filter(|(_, entry)| is_foreign(resource, entry));
    let places: Vec<usize> = foreign.map(|(place, _)| place).collect();
    for places in places.chunks(AT_ONCE) {
        let found = places.iter().filter_map(|place| entries.get(*place));
        let objects = found.map(|entry| {
            // INVARIANT: the store holds what `object::draft` wrote.
            let mut object: Value = serde_json::from_slice(&entry.as_bytes()).unwrap_or_default();
            read::complete(resource, &mut object);
            object
        });
        let converted = webhook.convert(objects.collect(), &to).await.map_err(failed)?;
        for (place, mut object) in places.iter().zip(converted) {
            read::prune(resource, &mut object);
            if let Some(entry) = entries.get_mut(*place) {
                let draft = object::draft(&object, &to, &resource.kind);
                *entry = entry.with_value(&draft).map_err(|long| failed(long.to_string()))?;
            }
        }
    }
    Ok(entries)
}

/// One entry as `resource` has it.
pub(crate) async fn entry(resource: &Resource, entry: Entry) -> Outcome<Entry> {
    if resource.conversion.is_none() {
        return Ok(entry);
    }
    let mut converted = entries(resource, vec![entry]).await?;
    converted.pop().ok_or_else(|| failed("nothing was converted".to_owned()).into())
}

/// The object as it is stored.
pub(crate) async fn draft(resource: &Resource, object: &Value) -> Outcome<Draft> {
    match &resource.conversion {
        Some(webhook) if !resource.is_stored() => {
            let to = resource.storage_api_version();
            let mut converted = webhook.convert(vec![object.clone()], &to).await.map_err(failed)?;
            let object = converted.pop().unwrap_or_default();
            Ok(object::draft(&object, &to, &resource.kind))
        }
        _ => Ok(read::draft(resource, object)),
    }
}

/// Changes as `resource` has the objects.
pub(crate) async fn events(resource: &Resource, events: &[Arc<Event>]) -> Outcome<Vec<Arc<Event>>> {
    let states = events.iter().flat_map(|event| std::iter::once(&event.entry).chain(&event.previous)).cloned();
    let mut converted = entries(resource, states.collect()).await?.into_iter();
    let made = events.iter().filter_map(|event| {
        let entry = converted.next()?;
        let previous = if event.previous.is_some() { converted.next() } else { None };
        Some(Arc::new(Event { entry, previous, ..Event::clone(event) }))
    });
    Ok(made.collect())
}

/// An object of one version of a resource in another one.
pub(crate) async fn object(resource: &Resource, object: &Value) -> Outcome<Value> {
    let to = resource.api_version();
    match &resource.conversion {
        Some(webhook) if object::text(object, "apiVersion") != to => {
            let mut converted = webhook.convert(vec![object.clone()], &to).await.map_err(failed)?;
            let mut object = converted.pop().unwrap_or_default();
            read::prune(resource, &mut object);
            Ok(object)
        }
        _ => Ok(read::in_version(resource, object)),
    }
}

/// Kubernetes gives these errors no reason.
fn failed(why: String) -> Status {
    Status::unknown(why)
}

/// What a computation that cannot wait needed in other versions: it is run again once that is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conversions(Arc<Mutex<Vec<Wanted>>>);

#[derive(Debug)]
struct Wanted {
    object: Value,
    to: String,
    converted: Option<Result<Value, String>>,
}

impl Conversions {
    /// An object in another version; an error that does not count where it is not there yet.
    pub(crate) fn get(&self, object: &Value, to: &str) -> Result<Value, String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let not_yet = || Err("not converted yet".to_owned());
        if let Some(wanted) = all.iter().find(|wanted| wanted.to == to && wanted.object == *object) {
            return wanted.converted.clone().unwrap_or_else(not_yet);
        }
        all.push(Wanted { object: object.clone(), to: to.to_owned(), converted: None });
        not_yet()
    }

    /// Converts what was wanted; says whether there was anything.
    async fn settle(&self, webhook: &Webhook) -> bool {
        let open: Vec<(Value, String)> = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let open = all.iter().filter(|wanted| wanted.converted.is_none());
            open.map(|wanted| (wanted.object.clone(), wanted.to.clone())).collect()
        };
        let any = !open.is_empty();
        for (object, to) in open {
            let converted = webhook.convert(vec![object.clone()], &to).await;
            let converted =
                converted.and_then(|mut objects| objects.pop().ok_or_else(|| "nothing was converted".to_owned()));
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(wanted) = all.iter_mut().find(|wanted| wanted.to == to && wanted.object == object) {
                wanted.converted = Some(converted);
            }
        }
        any
    }
}

impl Scope {
    /// What `work` gives; again, as often as it needed an object in another version that only a webhook can tell.
    pub(crate) async fn converting<T: Send>(&self, work: impl Fn() -> Outcome<T> + Send + Sync) -> Outcome<T> {
        loop {
            let given = work();
            let Some(webhook) = self.resource.conversion.as_deref() else { return given };
            if !self.conversions.settle(webhook).await {
                return given;
            }
        }
    }
}
