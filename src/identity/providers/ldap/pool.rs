//! Connections to the servers of one directory: which server, how many, and when one is of no use any more.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::{
    connect::{Connection, Connector},
    operation::{Bound, Fault},
};

/// Calls that search at once; each may have a second connection on which a person proves its password.
const AT_ONCE: usize = 16;
/// Connections kept for the next call.
const MOST_IDLE: usize = 4;
/// How long a connection is kept unused: less than servers and firewalls do.
const IDLE: Duration = Duration::from_mins(1);
/// How long a connection is used at all, so that all go back to the first server some time after it is there again.
const OLDEST: Duration = Duration::from_mins(10);
/// How long a server that did not answer is asked only after the others.
const AVOIDED: Duration = Duration::from_mins(5);

/// Connections to the servers of one directory.
pub(super) struct Pool {
    connector: Connector,
    servers: Vec<String>,
    places: Arc<Semaphore>,
    /// Bound as the account that searches, with the moment of their last use.
    idle: Mutex<Vec<(Instant, Connection)>>,
    /// When each server did not answer, last.
    failed: Mutex<Vec<Option<Instant>>>,
}

impl Pool {
    pub(super) fn new(connector: Connector, servers: Vec<String>) -> Self {
        let failed = Mutex::new(vec![None; servers.len()]);
        Self { connector, servers, places: Arc::new(Semaphore::new(AT_ONCE)), idle: Mutex::default(), failed }
    }

    /// Waits until one more call may run.
    pub(super) async fn place(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Fault> {
        match timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Fault::Broken(format!("{AT_ONCE} calls to the directory run already, and none ended in time"))),
        }
    }

    /// A connection that was used before.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(|(since, connection)| since.elapsed() < IDLE && connection.is_usable());
        idle.pop().map(|(_, connection)| connection)
    }

    /// Keeps a connection for the next call, if it is of use.
    pub(super) fn give_back(&self, mut connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.is_usable() && connection.since.elapsed() < OLDEST && idle.len() < MOST_IDLE {
            idle.push((Instant::now(), connection));
        }
    }

    /// A connection to `server` was dead without a sign: none that is kept is used any more, and another server is asked first.
    pub(super) fn dead(&self, server: &str) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Some(index) = self.servers.iter().position(|host| self.connector.url(host) == server) {
            self.mark(index, Some(Instant::now()));
        }
    }

    /// A new connection to the first server that answers, and what it says to `name` and `password`.
    ///
    /// Those that did not answer lately are asked last; each may take its share of the time that is left.
    pub(super) async fn bind(
        &self,
        name: &str,
        password: &str,
        deadline: Instant,
    ) -> Result<(Connection, Bound), Fault> {
        let mut failures = Vec::new();
        let mut left = u32::try_from(self.servers.len()).unwrap_or(u32::MAX);
        for index in self.order() {
            let Some(host) = self.servers.get(index) else { continue };
            let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            match self.bind_at(host, name, password, share).await {
                Ok(made) => {
                    self.mark(index, None);
                    return Ok(made);
                }
                Err(why) => {
                    self.mark(index, Some(Instant::now()));
                    failures.push(format!("`{}`: {why}", self.connector.url(host)));
                }
            }
        }
        Err(Fault::Broken(failures.join("; ")))
    }

    /// The servers as they are asked.
    fn order(&self) -> Vec<usize> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut order: Vec<usize> = (0..self.servers.len()).collect();
        let avoided = |index: &usize| failed.get(*index).copied().flatten().is_some_and(|at| at.elapsed() < AVOIDED);
        order.sort_by_key(avoided);
        order
    }

    fn mark(&self, index: usize, failed: Option<Instant>) {
        if let Some(mark) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            *mark = failed;
        }
    }

    async fn bind_at(
        &self,
        host: &str,
        name: &str,
        password: &str,
        limit: Duration,
    ) -> Result<(Connection, Bound), String> {
        let start = Instant::now();
        let mut connection = self.connector.connect(host, limit).await?;
        match connection.bind(name, password, limit.saturating_sub(start.elapsed())).await {
            Ok(Bound::Failed(why)) | Err(Fault::Broken(why) | Fault::NoSuchObject(why) | Fault::Refused(why)) => {
                Err(why)
            }
            Ok(bound) => Ok((connection, bound)),
        }
    }
}
