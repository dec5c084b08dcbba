//! Service accounts of clusters that let them through: each comes as itself, to its own cluster and nowhere else.
//!
//! The cluster says whose a token is (a `TokenReview` under the gateway's own account), and is asked again every ten seconds as long as
//! a stream is open. Such a request is impersonated as any other; the gateway's account needs the right to.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, Method};
use jiff::Timestamp;
use moka::sync::Cache;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    cluster::Registry,
    identity::{ServiceAccount, account::is_signed},
    secret::Secret,
    world::{TokenHash, rows::UserRow},
};

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
/// What begins the name of every service account.
const PREFIX: &str = "system:serviceaccount:";
/// How long an answer is believed.
const KEPT_FOR: Duration = Duration::from_secs(10);
const KEPT: u64 = 10_000;
const MAX_ANSWER: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(5);
/// Reviews under way at once: whoever shows tokens of nobody's must not keep a cluster busy.
const AT_ONCE: usize = 16;

/// The service accounts that clusters vouched for.
pub struct ClusterAccounts {
    known: Cache<(Arc<str>, TokenHash), Arc<ServiceAccount>>,
    rows: Cache<(Arc<str>, String), Arc<UserRow>>,
    /// Of those that are in use, however long ago they were asked about.
    used: Mutex<Vec<Weak<Review>>>,
    turns: Semaphore,
}

/// What a cluster last said of a token.
struct Review {
    cluster: Arc<str>,
    token: Secret<String>,
    holds: AtomicBool,
}

impl fmt::Debug for ClusterAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterAccounts").finish_non_exhaustive()
    }
}

impl Default for ClusterAccounts {
    fn default() -> Self {
        Self {
            known: Cache::builder().max_capacity(KEPT).time_to_live(KEPT_FOR).build(),
            rows: Cache::builder().max_capacity(KEPT).time_to_idle(Duration::from_mins(10)).build(),
            used: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }
}

impl ClusterAccounts {
    /// Of `clusters`; it must be on a runtime, which asks again about those that are in use.
    pub fn start(clusters: &Registry) -> Arc<Self> {
        let accounts = Arc::<Self>::default();
        tokio::spawn(Arc::clone(&accounts).keep(clusters.clone()));
        accounts
    }

    /// Whose token it is in `cluster`, if that is a service account of it.
    pub async fn of(&self, clusters: &Registry, cluster: &Arc<str>, token: &str) -> Option<Arc<ServiceAccount>> {
        if !is_signed(token) {
            return None;
        }
        let key = (Arc::clone(cluster), TokenHash::of(token));
        if let Some(known) = self.known.get(&key) {
            return Some(known);
        }
        let _turn = self.turns.acquire().await.ok()?;
        let (name, uid) = self.review(clusters, cluster, token).await?;
        let review = Arc::new(Review {
            cluster: Arc::clone(cluster),
            token: Secret::new(token.to_owned()),
            holds: AtomicBool::new(true),
        });
        {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.retain(|review| review.strong_count() > 0);
            used.push(Arc::downgrade(&review));
        }
        let row = (Arc::clone(cluster), name.clone());
        let account = Arc::new(ServiceAccount {
            cluster: Arc::clone(cluster),
            user: self.rows.get_with(row, || Arc::new(ServiceAccount::row(&name, &uid))),
            groups: Vec::new(),
            extra: std::collections::BTreeMap::new(),
            hash: key.1,
            expires_at: expiry(token).unwrap_or(Timestamp::MAX),
            holds: Box::new(move || review.holds.load(Ordering::Acquire)),
        });
        self.known.insert(key, Arc::clone(&account));
        Some(account)
    }

    /// Name and UID of the service account that a cluster says a token is of.
    async fn review(&self, clusters: &Registry, cluster: &str, token: &str) -> Option<(String, String)> {
        let cluster = clusters.get(cluster)?;
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        let asked = cluster.json(0, Method::POST, PATH, HeaderMap::new(), None, Some(&body), MAX_ANSWER, TIMEOUT).await;
        let (code, answer) = match asked {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(cluster = %cluster.id(), %error, "the cluster could not be asked about a service account");
                return None;
            }
        };
        if !code.is_success() {
            let message = answer.pointer("/message").and_then(Value::as_str).unwrap_or_default();
            tracing::warn!(
                cluster = %cluster.id(), %code, message,
                "the gateway's account may not ask about service accounts: `drover cluster rbac --service-accounts`"
            );
            return None;
        }
        let status = answer.get("status")?;
        let user = status.get("user").filter(|_| status.get("authenticated") == Some(&Value::Bool(true)))?;
        let name = user.get("username").and_then(Value::as_str).filter(|name| name.starts_with(PREFIX))?;
        Some((name.to_owned(), user.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned()))
    }

    /// Asks about every token in use again, every ten seconds, for ever.
    async fn keep(self: Arc<Self>, clusters: Registry) {
        loop {
            tokio::time::sleep(KEPT_FOR).await;
            let used: Vec<Arc<Review>> = {
                let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
                used.retain(|review| review.strong_count() > 0);
                used.iter().filter_map(Weak::upgrade).collect()
            };
            for review in used {
                // A cluster that cannot be asked has lost its streams anyway.
                let holds = self.review(&clusters, &review.cluster, review.token.expose()).await.is_some();
                review.holds.store(holds, Ordering::Release);
            }
        }
    }
}

/// `exp` of a token that its cluster vouched for.
fn expiry(token: &str) -> Option<Timestamp> {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let end = claims.get("exp")?.as_i64()?;
    Timestamp::from_second(end).ok()
}
