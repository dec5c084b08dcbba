//! From the changes of a kind to calls of a handler.

use std::{collections::HashSet, fmt, future::Future, sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    stream::{BoxStream, SelectAll},
};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt, reflector,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Backoff, Queue, WorkQueueMetrics};

/// Keys worked on at once, unless told.
const WORKERS: usize = 4;

/// When a handler wants to see an object again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When it changes.
    Change,
    /// After this time, or when it changes.
    After(Duration),
}

/// What is called for each object that changed. It must come to the same result however often it is called.
pub trait Handler<K: Resource<DynamicType = ()>>: Send + Sync + 'static {
    /// Why an object is tried again, after its back-off.
    type Error: fmt::Display + Send;

    /// `object` is new, has changed, or is due again; `None` once it is gone.
    fn sync(
        &self,
        key: &ObjectRef<K>,
        object: Option<Arc<K>>,
    ) -> impl Future<Output = Result<Next, Self::Error>> + Send;
}

/// A source of keys beside the kind itself.
type Keys<K> = BoxStream<'static, ObjectRef<K>>;

/// Watches one kind and calls a handler for each object that changed: never twice at the same time for one object, again
/// after a back-off where it failed.
pub struct GenericController<K: Resource<DynamicType = ()> + 'static> {
    name: &'static str,
    api: Api<K>,
    watch: watcher::Config,
    workers: usize,
    queue: Queue<ObjectRef<K>>,
    others: SelectAll<Keys<K>>,
}

impl<K: Resource<DynamicType = ()>> fmt::Debug for GenericController<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenericController").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<K> GenericController<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static,
{
    /// A controller over what `api` reaches; `name` is that of its work queue.
    pub fn new(name: &'static str, api: Api<K>, metrics: &WorkQueueMetrics) -> Self {
        Self {
            name,
            api,
            watch: watcher::Config::default(),
            workers: WORKERS,
            queue: Queue::new(Backoff::default(), metrics.queue(name)),
            others: SelectAll::new(),
        }
    }

    /// Objects worked on at once.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Also calls the handler for the objects that `keys` names whenever one of another kind changes.
    #[must_use]
    pub fn watches<R>(mut self, api: Api<R>, keys: impl Fn(&R) -> Vec<ObjectRef<K>> + Send + Sync + 'static) -> Self
    where
        R: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static,
    {
        let keys = Arc::new(keys);
        let events = watcher(api, watcher::Config::default()).default_backoff().touched_objects();
        let name = self.name;
        let others = events.flat_map(move |event| {
            let named = match event {
                Ok(object) => keys(&object),
                Err(error) => {
                    tracing::warn!(controller = name, %error, "a related kind cannot be watched");
                    Vec::new()
                }
            };
            futures_util::stream::iter(named)
        });
        self.others.push(others.boxed());
        self
    }

    /// Runs until `stop`; work that is under way is finished.
    pub async fn run(self, handler: impl Handler<K>, stop: CancellationToken) {
        let (reader, writer) = reflector::store();
        let handler = Arc::new(handler);
        let mut workers = JoinSet::new();
        for _ in 0..self.workers {
            workers.spawn(work(self.name, self.queue.clone(), reader.clone(), Arc::clone(&handler)));
        }
        let events = watcher(self.api, self.watch).default_backoff();
        let events = reflector(writer, events);
        stop.run_until_cancelled(feed(self.name, &self.queue, events.boxed(), self.others)).await;
        self.queue.close();
        while workers.join_next().await.is_some() {}
    }
}

/// Turns events into keys, until the watch ends.
async fn feed<K>(
    name: &'static str,
    queue: &Queue<ObjectRef<K>>,
    mut events: BoxStream<'static, watcher::Result<watcher::Event<K>>>,
    mut others: SelectAll<Keys<K>>,
) where
    K: Resource<DynamicType = ()>,
{
    let mut known: HashSet<ObjectRef<K>> = HashSet::new();
    let mut listed: HashSet<ObjectRef<K>> = HashSet::new();
    let mut synced = false;
    loop {
        tokio::select! {
            event = events.next() => match event {
                None => return,
                Some(Ok(watcher::Event::Init)) => listed.clear(),
                Some(Ok(watcher::Event::InitApply(object))) => {
                    listed.insert(ObjectRef::from_obj(&object));
                }
                // Only now does the store show what was listed. What was there before and is not listed is gone.
                Some(Ok(watcher::Event::InitDone)) => {
                    known.difference(&listed).chain(&listed).cloned().for_each(|key| queue.add(key));
                    known = std::mem::take(&mut listed);
                    synced = true;
                }
                Some(Ok(watcher::Event::Apply(object))) => {
                    let key = ObjectRef::from_obj(&object);
                    known.insert(key.clone());
                    queue.add(key);
                }
                Some(Ok(watcher::Event::Delete(object))) => {
                    let key = ObjectRef::from_obj(&object);
                    known.remove(&key);
                    queue.add(key);
                }
                Some(Err(error)) => tracing::warn!(controller = name, %error, "its kind cannot be watched"),
            },
            // Before the first list is whole an object that is missing says nothing.
            Some(key) = others.next(), if synced && !others.is_empty() => queue.add(key),
        }
    }
}

async fn work<K, H>(name: &'static str, queue: Queue<ObjectRef<K>>, store: Store<K>, handler: Arc<H>)
where
    K: Resource<DynamicType = ()> + Clone,
    H: Handler<K>,
{
    while let Some(key) = queue.next().await {
        match handler.sync(&key, store.get(&key)).await {
            Ok(next) => {
                queue.forget(&key);
                if let Next::After(delay) = next {
                    queue.add_after(key.clone(), delay);
                }
            }
            Err(error) => {
                tracing::warn!(controller = name, object = %key, %error, "tried again later");
                queue.retry(key.clone());
            }
        }
        queue.done(&key);
    }
}
