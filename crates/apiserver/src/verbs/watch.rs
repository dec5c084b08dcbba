//! Following the changes of many objects.
//!
//! See `k8s.io/apiserver/pkg/storage/cacher`: what a watch begins with, when it says how far it is, and how it ends.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use apimachinery::status::Status;
use policy::rules::{Attributes, Authorizer};
use tokio::time::{Instant, timeout_at};

use super::list::{self, Listing};
use crate::{
    convert,
    failure::{Outcome, too_large_version},
    options::ListOptions,
    scope::Scope,
    select::Selection,
    store::{Batch, Entry, Event, Unavailable, Watch, WatchEnd},
};

/// One thing that a watch tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// An object came into the selection, or was there from the beginning.
    Added(Entry),
    /// An object in the selection changed.
    Modified(Entry),
    /// An object left the selection, or is gone; as it was last, at the version of the change.
    Deleted {
        /// The last state that was in the selection.
        entry: Entry,
        /// The version of the change.
        version: u64,
    },
    /// All changes up to this version were told.
    Bookmark {
        /// The version.
        version: u64,
        /// Whether this ends what there was from the beginning.
        initial_end: bool,
    },
    /// The watch is over, and why.
    Error(Box<Status>),
}

/// How long a watch lasts that does not say so: between this and twice it, as `--min-request-timeout` has it.
const LEAST_TIME: Duration = Duration::from_mins(30);
/// How often a watch says how far it is.
const BOOKMARKS: Duration = Duration::from_mins(1);
/// How long before its end a watch says so once more.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// How many objects from the beginning are looked at in one go.
const BATCH: usize = 256;

/// A watch that is under way.
pub(crate) struct Following {
    selection: Selection,
    bookmarks: bool,
    initial: Option<Listing>,
    /// Whether the end of the beginning is still to be told.
    initial_end: bool,
    watch: Option<Watch>,
    /// Changes up to this version are not told: the watch began in the future.
    after: u64,
    waiting: VecDeque<Told>,
    end: Instant,
    next_bookmark: Instant,
    told: u64,
    rights: Rights,
}

/// The right that a watch stands on. It is asked for again when what gives rights has changed, before more is told: Kubernetes lets a
/// watch outlive its right, which here would show to the end of the watch what its caller may not see any more.
struct Rights {
    scope: Scope,
    /// The object, where one alone is watched.
    name: String,
    /// The rules that it was last asked of.
    asked: Arc<Authorizer>,
}

impl Rights {
    fn new(scope: &Scope, options: &ListOptions) -> Self {
        let name = options.fields.required("metadata.name").unwrap_or_default().to_owned();
        Self { scope: scope.clone(), name, asked: Arc::clone(&scope.core.rbac.rules()) }
    }

    fn hold(&mut self) -> bool {
        let rules = self.scope.core.rbac.rules();
        if Arc::ptr_eq(&rules, &self.asked) {
            return true;
        }
        self.asked = Arc::clone(&rules);
        let (caller, resource) = (&self.scope.caller, &self.scope.resource);
        let asked = Attributes {
            user: &caller.user,
            groups: &caller.groups,
            verb: "watch",
            is_resource: true,
            group: &resource.group,
            resource: &resource.plural,
            namespace: &self.scope.namespace,
            name: &self.name,
            ..Attributes::default()
        };
        rules.allows(&asked).allowed
    }
}

/// Begins a watch.
pub(crate) async fn watch(scope: &Scope, options: &ListOptions) -> Outcome<Following> {
    let begin = Instant::now();
    let lasts = match options.timeout_seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => LEAST_TIME + LEAST_TIME.mul_f64(jitter()),
    };
    let mut following = Following {
        selection: Selection::new(scope, options),
        bookmarks: options.bookmarks,
        initial: None,
        initial_end: false,
        watch: None,
        after: 0,
        waiting: VecDeque::new(),
        end: begin + lasts,
        next_bookmark: begin + BOOKMARKS,
        told: 0,
        rights: Rights::new(scope, options),
    };
    following.plan_bookmark(begin);
    let range = scope.selected_range(options);
    let store = &scope.core.store;
    let from = if options.initial_events == Some(true) {
        if let Err(late) = scope.wait_for(options.version.unwrap_or_default()).await {
            following.waiting.push_back(Told::Error(late));
            return Ok(following);
        }
        let unlimited =
            ListOptions { labels: options.labels.clone(), fields: options.fields.clone(), ..ListOptions::default() };
        let listing = list::list(scope, &unlimited).await?;
        let version = listing.version;
        following.initial = Some(listing);
        following.initial_end = options.bookmarks;
        version
    } else {
        match options.version {
            Some(version) if version > 0 => version,
            _ => store.snapshot().revision(),
        }
    };
    following.after = from;
    following.told = from;
    let newest = store.snapshot().revision();
    match store.watch(range, from.min(newest)) {
        Ok(watch) => following.watch = Some(watch),
        // Kubernetes answers 200 and tells it as an event: the reader is a watch client by now.
        Err(Unavailable::Compacted { oldest }) => {
            following.waiting.push_back(Told::Error(Box::new(too_old(from, oldest))));
        }
        Err(Unavailable::Future { newest }) => {
            following.waiting.push_back(Told::Error(Box::new(too_large_version(from, newest))));
        }
    }
    Ok(following)
}

fn too_old(asked: u64, oldest: u64) -> Status {
    Status::expired(format!("too old resource version: {asked} ({oldest})"))
}

/// A number between 0 and 1, so that watches that began together do not end together.
fn jitter() -> f64 {
    let random = uuid::Uuid::new_v4();
    f64::from(random.as_bytes().last().copied().unwrap_or_default()) / 256.0
}

impl Following {
    /// What comes next, at least one; `None` when the watch is over.
    pub(crate) async fn next(&mut self) -> Option<VecDeque<Told>> {
        loop {
            if !self.waiting.is_empty() {
                return self.rights.hold().then(|| std::mem::take(&mut self.waiting));
            }
            if let Some(initial) = &mut self.initial {
                match initial.next(BATCH).await {
                    Ok(batch) => self.waiting.extend(batch.into_iter().map(Told::Added)),
                    Err(failed) => {
                        self.fail(failed);
                        continue;
                    }
                }
                if initial.is_over() {
                    let version = initial.version;
                    self.initial = None;
                    if self.initial_end {
                        self.waiting.push_back(Told::Bookmark { version, initial_end: true });
                    }
                }
                // Others have their turn between two batches.
                tokio::task::yield_now().await;
                continue;
            }
            let watch = self.watch.as_mut()?;
            let wake = if self.bookmarks { self.next_bookmark.min(self.end) } else { self.end };
            match timeout_at(wake, watch.next()).await {
                Ok(Ok(batch)) => self.take(&batch).await,
                Ok(Err(WatchEnd::Slow { .. } | WatchEnd::Stopped)) => self.watch = None,
                Err(_) => self.late(),
            }
        }
    }

    /// A bookmark is due, or the end is.
    fn late(&mut self) {
        let now = Instant::now();
        let Some(watch) = &mut self.watch else { return };
        let version = watch.seen().max(self.told);
        if self.bookmarks && now < self.end {
            self.waiting.push_back(Told::Bookmark { version, initial_end: false });
            self.told = version;
            self.plan_bookmark(now);
        }
        if now >= self.end {
            self.waiting.clear();
            self.watch = None;
        }
    }

    /// The next bookmark comes in a minute; one stands shortly before the end, and none after that.
    fn plan_bookmark(&mut self, now: Instant) {
        self.next_bookmark = match self.end.checked_sub(LAST_BOOKMARK) {
            Some(last) if now < last => last.min(now + BOOKMARKS),
            _ => self.end,
        };
    }

    async fn take(&mut self, batch: &Batch) {
        let resource = Arc::clone(self.selection.resource());
        let converted = match &resource.conversion {
            Some(_) => match convert::events(&resource, &batch.events).await {
                Ok(events) => Some(events),
                Err(failed) => return self.fail(failed),
            },
            None => None,
        };
        for event in converted.as_ref().unwrap_or(&batch.events) {
            if event.revision > self.after
                && let Some(told) = self.tell(event)
            {
                self.waiting.push_back(told);
            }
        }
        self.told = self.told.max(batch.revision);
    }

    /// The watch ends with an error: its objects cannot be had in its version.
    fn fail(&mut self, failed: Box<Status>) {
        self.waiting.push_back(Told::Error(failed));
        self.initial = None;
        self.watch = None;
    }

    /// What a change is for this selection: an object that a change takes out of it was deleted, as far as the watcher sees.
    fn tell(&self, event: &Arc<Event>) -> Option<Told> {
        let selects = |entry: &Entry| self.selection.selects(entry);
        let is = !event.deleted && selects(&event.entry);
        let was = match &event.previous {
            Some(previous) => selects(previous),
            None => false,
        };
        match (was, is) {
            (false, true) => Some(Told::Added(event.entry.clone())),
            (true, true) => Some(Told::Modified(event.entry.clone())),
            (true, false) => {
                let entry = if event.deleted { &event.entry } else { event.previous.as_ref()? };
                Some(Told::Deleted { entry: entry.clone(), version: event.revision })
            }
            (false, false) => None,
        }
    }
}
