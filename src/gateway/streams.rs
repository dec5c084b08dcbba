//! Open streams: watches, followed logs and upgrades, filed under what they were decided by.
//!
//! One registry a worker. When the world changes the worker judges again the streams that the change touched, and ends
//! those that would no longer be let in. A request registers first and compares generations afterwards, so that a
//! stream decided just before a revoke does not live on.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use jiff::Timestamp;
use serde::Serialize;

use super::guard;
use crate::{
    identity::{Identity, Presented},
    world::{TokenHash, Touched, Watch, World, rows::ClusterRow},
};

/// Streams judged again without giving the worker back to its requests.
const BATCH: usize = 256;

/// What kind of stream it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A watch.
    Watch,
    /// A followed log, or another long answer.
    Follow,
    /// Exec, attach, port-forward and other upgraded connections.
    Upgrade,
}

/// Why a stream was ended from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// What it was decided by is gone.
    Revoked = 1,
    /// An admin ended it.
    Killed = 2,
    /// The server drains.
    Drained = 3,
}

/// What a stream was decided by.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The caller's credential.
    pub presented: Presented,
    /// The caller's user name.
    pub user: Arc<str>,
    /// The user it runs as, where that is another one.
    pub target: Option<Target>,
    /// The cluster.
    pub cluster: Arc<str>,
    /// The caller's role groups.
    pub groups: Arc<guard::Granted>,
    /// When the credential ends.
    pub expires_at: Option<Timestamp>,
}

/// Whom a stream runs as, when it is not its caller.
#[derive(Clone, Debug)]
pub struct Target {
    /// The user name.
    pub user: Arc<str>,
    /// Its role groups.
    pub granted: Arc<guard::Granted>,
    /// Whether the groups are what the user's own bindings give; else the caller named them.
    pub from_bindings: bool,
}

impl Target {
    fn holds(&self, world: &World, cluster: &ClusterRow) -> bool {
        let Some(user) = world.user(&self.user).filter(|user| user.enabled) else { return false };
        if guard::check_published(user, cluster).is_err() {
            return false;
        }
        if self.from_bindings {
            guard::grant_user(user, cluster, world).is_ok_and(|granted| granted.covers(&self.granted))
        } else {
            self.granted.groups.iter().all(|group| cluster.published_group(group).is_some())
        }
    }
}

impl Basis {
    /// Whether it was opened with a certificate that no authority in force vouches for any more.
    fn is_withdrawn(&self) -> bool {
        matches!(&self.presented, Presented::Certificate(certificate) if certificate.is_withdrawn())
    }

    /// Every user whose change bears on the stream.
    fn users(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.user).chain(self.target.as_ref().map(|target| &target.user))
    }

    /// Whether `world` would still let the stream in with all that it was opened with.
    fn holds(&self, world: &World, now: Timestamp) -> bool {
        let Ok(identity) = Identity::of(&self.presented, world, now) else { return false };
        if identity.user.name != self.user {
            return false;
        }
        let Ok(cluster) = guard::admit(&identity, &self.cluster, world) else { return false };
        let Ok(granted) = guard::grant(&identity, cluster, world) else { return false };
        granted.covers(&self.groups) && self.target.as_ref().is_none_or(|target| target.holds(world, cluster))
    }
}

/// One open stream, as its admin sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Names it for `kill`.
    pub id: String,
    /// What kind it is.
    pub kind: Kind,
    /// The caller.
    pub user: Arc<str>,
    /// Whom it runs as, where that is another user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Arc<str>>,
    /// The cluster.
    pub cluster: Arc<str>,
    /// Its path in the cluster.
    pub path: Box<str>,
    /// Since when it is open.
    pub since: Timestamp,
    /// Role groups of the caller.
    pub groups: Vec<Arc<str>>,
}

#[derive(Debug, Default)]
struct Signal {
    end: AtomicU8,
    waker: AtomicWaker,
}

impl Signal {
    fn set(&self, end: End) {
        // The first reason stands.
        let _ = self.end.compare_exchange(0, end as u8, Ordering::AcqRel, Ordering::Relaxed);
        self.waker.wake();
    }

    fn get(&self) -> Option<End> {
        match self.end.load(Ordering::Acquire) {
            0 => None,
            1 => Some(End::Revoked),
            2 => Some(End::Killed),
            _ => Some(End::Drained),
        }
    }
}

#[derive(Debug)]
struct Entry {
    basis: Basis,
    kind: Kind,
    path: Box<str>,
    since: Timestamp,
    signal: Arc<Signal>,
}

#[derive(Debug, Default)]
struct Open {
    entries: HashMap<u64, Entry>,
    by_token: HashMap<TokenHash, HashSet<u64>>,
    /// Those of signed tokens, of which the world does not say all.
    signed: HashSet<u64>,
    by_user: HashMap<Arc<str>, HashSet<u64>>,
    by_cluster: HashMap<Arc<str>, HashSet<u64>>,
    expiries: BTreeSet<(Timestamp, u64)>,
}

/// The streams of one worker.
#[derive(Debug)]
pub struct Streams {
    worker: usize,
    next: AtomicU64,
    open: Mutex<Open>,
    watch: Watch,
}

/// Held as long as a stream is open; its drop takes the stream out of the registry.
#[derive(Debug)]
pub struct Registration {
    id: u64,
    signal: Arc<Signal>,
    streams: Arc<Streams>,
}

impl Registration {
    /// Ready once the stream must end.
    pub fn poll_end(&self, cx: &mut Context<'_>) -> Poll<End> {
        if let Some(end) = self.signal.get() {
            return Poll::Ready(end);
        }
        self.signal.waker.register(cx.waker());
        // A signal set between the look and the registration would be missed otherwise.
        self.signal.get().map_or(Poll::Pending, Poll::Ready)
    }

    /// Waits until the stream must end.
    pub async fn ended(&self) -> End {
        std::future::poll_fn(|cx| self.poll_end(cx)).await
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.streams.remove(self.id);
    }
}

impl Streams {
    /// The registry of worker `worker`.
    pub fn new(worker: usize, watch: Watch) -> Arc<Self> {
        Arc::new(Self { worker, next: AtomicU64::new(1), open: Mutex::default(), watch })
    }

    /// Files a stream that was decided at `generation`, and judges it again when the world has moved on since.
    pub fn register(
        self: &Arc<Self>,
        kind: Kind,
        basis: Basis,
        path: &str,
        generation: u64,
        now: Timestamp,
    ) -> Registration {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let signal = Arc::new(Signal::default());
        let withdrawn = {
            let mut open = self.lock();
            match &basis.presented {
                Presented::Token(hash) => {
                    open.by_token.entry(*hash).or_default().insert(id);
                }
                Presented::Account(_) | Presented::IdToken(_) => {
                    open.signed.insert(id);
                }
                Presented::Certificate(_) => {}
            }
            for user in basis.users() {
                open.by_user.entry(Arc::clone(user)).or_default().insert(id);
            }
            open.by_cluster.entry(Arc::clone(&basis.cluster)).or_default().insert(id);
            if let Some(end) = basis.expires_at {
                open.expiries.insert((end, id));
            }
            // Read under the lock: a withdrawal either finds the entry or is seen here.
            let withdrawn = basis.is_withdrawn();
            let entry = Entry { basis, kind, path: path.into(), since: now, signal: Arc::clone(&signal) };
            open.entries.insert(id, entry);
            withdrawn
        };
        let world = self.watch.load();
        if world.generation() != generation || withdrawn {
            self.judge(&[id], &world, now);
        }
        Registration { id, signal, streams: Arc::clone(self) }
    }

    /// Judges again what `touched` touches.
    pub async fn review(&self, world: &World, touched: &Touched) {
        let ids: Vec<u64> = {
            let open = self.lock();
            let mut ids = HashSet::new();
            if touched.members || touched.providers {
                ids.extend(open.entries.keys());
            }
            ids.extend(touched.tokens.iter().filter_map(|hash| open.by_token.get(hash)).flatten());
            ids.extend(touched.users.iter().filter_map(|user| open.by_user.get(user)).flatten());
            ids.extend(touched.clusters.iter().filter_map(|cluster| open.by_cluster.get(cluster)).flatten());
            ids.into_iter().collect()
        };
        for batch in ids.chunks(BATCH) {
            self.judge(batch, world, Timestamp::now());
            tokio::task::yield_now().await;
        }
    }

    /// Judges again the streams of signed tokens: those of service accounts end with what the tokens are bound to, those of
    /// ID tokens with the keys and the configuration of their issuer.
    pub async fn review_signed(&self) {
        let ids: Vec<u64> = self.lock().signed.iter().copied().collect();
        for batch in ids.chunks(BATCH) {
            self.judge(batch, &self.watch.load(), Timestamp::now());
            tokio::task::yield_now().await;
        }
    }

    /// Ends the streams whose credential has ended by `now`.
    pub fn expire(&self, now: Timestamp) {
        let mut open = self.lock();
        let due: Vec<(Timestamp, u64)> = open.expiries.range(..=(now, u64::MAX)).copied().collect();
        if due.is_empty() {
            return;
        }
        let world = self.watch.load();
        for (end, id) in due {
            let Some(entry) = open.entries.get_mut(&id) else { continue };
            // A session that is used ends later than it would have when the stream was opened.
            let later =
                Identity::of(&entry.basis.presented, &world, now).ok().and_then(|identity| identity.expires_at());
            if let Some(later) = later.filter(|later| *later > now) {
                entry.basis.expires_at = Some(later);
                open.expiries.remove(&(end, id));
                open.expiries.insert((later, id));
            } else {
                entry.signal.set(End::Revoked);
            }
        }
    }

    /// Ends the streams whose certificate was withdrawn.
    pub fn end_withdrawn(&self) {
        let open = self.lock();
        let withdrawn = open.entries.values().filter(|entry| entry.basis.is_withdrawn());
        withdrawn.for_each(|entry| entry.signal.set(End::Revoked));
    }

    /// Ends all watches and followed logs, spread evenly over `span`; upgrades live on.
    pub async fn drain(&self, span: Duration) {
        let signals: Vec<Arc<Signal>> = {
            let open = self.lock();
            let entries = open.entries.values().filter(|entry| entry.kind != Kind::Upgrade);
            entries.map(|entry| Arc::clone(&entry.signal)).collect()
        };
        let Ok(count) = u32::try_from(signals.len()) else { return };
        for signal in &signals {
            signal.set(End::Drained);
            tokio::time::sleep(span / count.max(1)).await;
        }
    }

    /// Ends every stream now.
    pub fn end_all(&self) {
        self.lock().entries.values().for_each(|entry| entry.signal.set(End::Drained));
    }

    /// Ends the stream that [`Listed::id`] names; `false` when there is none.
    pub fn kill(&self, id: &str) -> bool {
        let found = id.split_once('-').filter(|(worker, _)| worker.parse() == Ok(self.worker));
        let Some(id) = found.and_then(|(_, id)| id.parse::<u64>().ok()) else { return false };
        self.lock().entries.get(&id).is_some_and(|entry| {
            entry.signal.set(End::Killed);
            true
        })
    }

    /// All open streams.
    pub fn list(&self) -> Vec<Listed> {
        let open = self.lock();
        let listed = open.entries.iter().map(|(id, entry)| Listed {
            id: format!("{}-{id}", self.worker),
            kind: entry.kind,
            user: Arc::clone(&entry.basis.user),
            target: entry.basis.target.as_ref().map(|target| Arc::clone(&target.user)),
            cluster: Arc::clone(&entry.basis.cluster),
            path: entry.path.clone(),
            since: entry.since,
            groups: entry.basis.groups.groups.clone(),
        });
        listed.collect()
    }

    /// Streams open now.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn judge(&self, ids: &[u64], world: &World, now: Timestamp) {
        let open = self.lock();
        for entry in ids.iter().filter_map(|id| open.entries.get(id)) {
            if !entry.basis.holds(world, now) {
                entry.signal.set(End::Revoked);
            }
        }
    }

    fn remove(&self, id: u64) {
        let mut open = self.lock();
        let Some(entry) = open.entries.remove(&id) else { return };
        if let Presented::Token(hash) = &entry.basis.presented {
            unfile(&mut open.by_token, hash, id);
        }
        open.signed.remove(&id);
        for user in entry.basis.users() {
            unfile(&mut open.by_user, user, id);
        }
        unfile(&mut open.by_cluster, &entry.basis.cluster, id);
        if let Some(end) = entry.basis.expires_at {
            open.expiries.remove(&(end, id));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // No code panics while it holds the lock, and the maps would be whole if it did.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unfile<K: std::hash::Hash + Eq>(index: &mut HashMap<K, HashSet<u64>>, key: &K, id: u64) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicBool},
        time::Duration,
    };

    use jiff::Timestamp;

    use super::{Basis, End, Kind, Registration, Streams, Target};
    use crate::{
        gateway::guard,
        identity::{Identity, Presented},
        world::{
            Feed, Publisher, TokenHash, Update, Watch,
            input::{
                BindingInput, GroupInput, Inputs, Subject,
                testing::{binding, cluster, in_process, open, token, user},
            },
        },
    };

    struct House {
        feed: Feed,
        watch: Watch,
        updates: tokio::sync::mpsc::UnboundedReceiver<Update>,
        streams: Arc<Streams>,
    }

    fn inputs() -> Inputs {
        Inputs {
            users: vec![user("u-a"), user("u-b")],
            tokens: vec![token("t-a", "u-a"), token("t-b", "u-b")],
            clusters: vec![cluster("c-1", "one"), cluster("c-2", "two")],
            bindings: vec![
                binding("c-1", "view", "u-a"),
                binding("c-1", "edit", "u-a"),
                binding("c-2", "view", "u-a"),
                binding("c-1", "view", "u-b"),
            ],
            ..Inputs::default()
        }
    }

    impl House {
        async fn new() -> Self {
            let (feed, watch) = Publisher::start().unwrap();
            feed.replace(inputs()).await.unwrap();
            for id in ["c-1", "c-2"] {
                feed.published(id.into(), open());
            }
            let mut updates = feed.subscribe();
            // Behind both publications: the first update holds the snapshot of its moment.
            while watch.peek().clusters().any(|cluster| cluster.published.is_none()) {
                updates.recv().await.unwrap();
            }
            while updates.try_recv().is_ok() {}
            Self { feed, streams: Streams::new(0, watch.clone()), watch, updates }
        }

        fn basis(&self, token: &str, cluster: &str) -> Basis {
            let world = self.watch.load();
            let presented = Presented::Token(TokenHash::of(token));
            let identity = Identity::of(&presented, &world, Timestamp::now()).unwrap();
            let row = guard::admit(&identity, cluster, &world).unwrap();
            Basis {
                presented,
                user: Arc::clone(&identity.user.name),
                target: None,
                cluster: cluster.into(),
                groups: Arc::new(guard::grant(&identity, row, &world).unwrap()),
                expires_at: identity.expires_at(),
            }
        }

        fn open(&self, basis: Basis, generation: u64) -> Registration {
            self.streams.register(Kind::Watch, basis, "/api/v1/pods", generation, Timestamp::now())
        }

        fn now(&self) -> u64 {
            self.watch.peek().generation()
        }

        async fn change(&mut self, change: impl FnOnce(&mut Inputs)) {
            let mut changed = inputs();
            change(&mut changed);
            self.feed.replace(changed).await.unwrap();
            let update = self.updates.recv().await.unwrap();
            self.streams.review(&update.world, &update.touched).await;
        }
    }

    async fn ended(registration: &Registration) -> Option<End> {
        tokio::time::timeout(Duration::from_millis(20), registration.ended()).await.ok()
    }

    #[tokio::test]
    async fn a_stream_ends_with_the_binding_it_was_opened_by_and_others_go_on() {
        let mut house = House::new().await;
        let here = house.open(house.basis("t-a", "c-1"), house.now());
        let there = house.open(house.basis("t-a", "c-2"), house.now());
        let other = house.open(house.basis("t-b", "c-1"), house.now());
        house.change(|inputs| drop(inputs.bindings.remove(1))).await;
        assert_eq!(ended(&here).await, Some(End::Revoked));
        assert_eq!(ended(&there).await, None);
        assert_eq!(ended(&other).await, None);
    }

    /// T3.
    #[tokio::test]
    async fn a_stream_ends_with_its_token_or_its_user() {
        let mut house = House::new().await;
        let one = house.open(house.basis("t-a", "c-1"), house.now());
        let other = house.open(house.basis("t-b", "c-1"), house.now());
        house.change(|inputs| inputs.tokens.retain(|token| &*token.name != "t-a")).await;
        assert_eq!((ended(&one).await, ended(&other).await), (Some(End::Revoked), None));
        house.change(|inputs| inputs.users[1].enabled = false).await;
        assert_eq!(ended(&other).await, Some(End::Revoked));
    }

    /// A group within a group: `outer` is bound, and who leaves `inner` has what its own bindings give.
    #[tokio::test]
    async fn a_stream_ends_when_its_user_leaves_the_group_it_was_opened_by_and_others_go_on() {
        let group = |name: &str, members: &[&str]| {
            let members = members.iter().map(|member| Subject::of_principal(member)).collect();
            GroupInput { name: name.into(), members }
        };
        let grouped = |inputs: &mut Inputs, inner: &[&str]| {
            inputs.groups = vec![group("outer", &["local_group://inner"]), group("inner", inner)];
            let subject = Subject::Group("outer".into());
            inputs.bindings.push(BindingInput { subject, ..binding("c-1", "admin", "outer") });
        };
        let mut house = House::new().await;
        house.change(|inputs| grouped(inputs, &["local://u-a", "local://u-b"])).await;
        let leaves = house.open(house.basis("t-a", "c-1"), house.now());
        let stays = house.open(house.basis("t-b", "c-1"), house.now());
        let elsewhere = house.open(house.basis("t-a", "c-2"), house.now());
        assert!(house.basis("t-a", "c-1").groups.groups.iter().any(|group| group.ends_with(":admin")));
        house.change(|inputs| grouped(inputs, &["local://u-b"])).await;
        assert_eq!(ended(&leaves).await, Some(End::Revoked));
        assert_eq!((ended(&stays).await, ended(&elsewhere).await), (None, None));
    }

    #[tokio::test]
    async fn a_new_grant_ends_nothing() {
        let mut house = House::new().await;
        let stream = house.open(house.basis("t-b", "c-1"), house.now());
        house.change(|inputs| inputs.bindings.push(binding("c-1", "admin", "u-b"))).await;
        assert_eq!(ended(&stream).await, None);
    }

    #[tokio::test]
    async fn a_stream_decided_before_a_revoke_and_registered_after_it_ends_at_once() {
        let mut house = House::new().await;
        let (basis, decided) = (house.basis("t-b", "c-1"), house.now());
        house.change(|inputs| inputs.users[1].enabled = false).await;
        assert_eq!(ended(&house.open(basis, decided)).await, Some(End::Revoked));
    }

    #[tokio::test]
    async fn a_stream_as_another_user_ends_with_that_users_binding() {
        let mut house = House::new().await;
        let target = house.basis("t-b", "c-1");
        let mut basis = house.basis("t-a", "c-1");
        basis.target = Some(Target { user: target.user, granted: target.groups, from_bindings: true });
        let stream = house.open(basis, house.now());
        house.change(|inputs| drop(inputs.bindings.pop())).await;
        assert_eq!(ended(&stream).await, Some(End::Revoked));
    }

    /// T3: the world says nothing of service accounts.
    #[tokio::test]
    async fn a_stream_of_a_service_account_ends_with_it() {
        let mut house = House::new().await;
        house.change(|inputs| inputs.clusters.push(in_process("local"))).await;
        let (lives, end) = (Arc::new(AtomicBool::new(true)), Timestamp::from_second(4_000_000_000).unwrap());
        let account = crate::identity::account::testing::robot(&lives, end);
        let basis = Basis {
            presented: Presented::Account(Arc::clone(&account)),
            user: Arc::clone(&account.user.name),
            target: None,
            cluster: "local".into(),
            groups: Arc::new(guard::Granted { groups: account.groups.clone() }),
            expires_at: Some(end),
        };
        let stream = house.open(basis, house.now());
        house.streams.review_signed().await;
        assert_eq!(ended(&stream).await, None);
        lives.store(false, std::sync::atomic::Ordering::Relaxed);
        house.streams.review_signed().await;
        assert_eq!(ended(&stream).await, Some(End::Revoked));
        drop(stream);
        assert!(house.streams.lock().signed.is_empty());
    }

    /// T3: the token's own end.
    #[tokio::test]
    async fn a_stream_ends_when_its_token_expires() {
        let house = House::new().await;
        let end = Timestamp::from_second(4_000_000_000).unwrap();
        let mut basis = house.basis("t-a", "c-1");
        basis.expires_at = Some(end);
        let stream = house.open(basis, house.now());
        house.streams.expire(Timestamp::from_second(3_999_999_999).unwrap());
        assert_eq!(ended(&stream).await, None);
        house.streams.expire(end);
        assert_eq!(ended(&stream).await, Some(End::Revoked));
    }

    #[tokio::test]
    async fn a_stream_is_listed_while_open_and_killed_by_its_id() {
        let house = House::new().await;
        let stream = house.open(house.basis("t-a", "c-1"), house.now());
        let listed = house.streams.list();
        assert_eq!(listed.len(), 1);
        assert!(!house.streams.kill("0-999"));
        assert!(!house.streams.kill("7-1"));
        assert!(house.streams.kill(&listed[0].id));
        assert_eq!(ended(&stream).await, Some(End::Killed));
        drop(stream);
        assert!(house.streams.is_empty());
        let open = house.streams.lock();
        assert!(open.by_user.is_empty() && open.by_token.is_empty() && open.by_cluster.is_empty());
    }
}
