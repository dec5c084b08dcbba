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
/// How long a server that works is asked before those that stand before it.
const LOYALTY: Duration = Duration::from_mins(5);

/// Connections to the servers of one directory.
pub(super) struct Pool {
    connector: Connector,
    servers: Vec<String>,
    places: Arc<Semaphore>,
    /// Bound as the account that searches, with the moment of their last use.
    idle: Mutex<Vec<(Instant, Connection)>>,
    /// The server that was reached last.
    working: Mutex<Option<(usize, Instant)>>,
}

impl Pool {
    pub(super) fn new(connector: Connector, servers: Vec<String>) -> Self {
        Self {
            connector,
            servers,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            idle: Mutex::default(),
            working: Mutex::default(),
        }
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
        if connection.is_usable() && idle.len() < MOST_IDLE {
            idle.push((Instant::now(), connection));
        }
    }

    /// Drops all connections that are kept: one of them was dead without a sign.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A new connection to the first server that answers, and what it says to `name` and `password`.
    ///
    /// The server that worked last is tried first; each may take its share of the time that is left.
    pub(super) async fn bind(
        &self,
        name: &str,
        password: &str,
        deadline: Instant,
    ) -> Result<(Connection, Bound), Fault> {
        let last = *self.working.lock().unwrap_or_else(PoisonError::into_inner);
        let first = last.filter(|(_, since)| since.elapsed() < LOYALTY).map(|(index, _)| index);
        let order = first.into_iter().chain((0..self.servers.len()).filter(|index| Some(*index) != first));
        let mut failures = Vec::new();
        let mut left = u32::try_from(self.servers.len()).unwrap_or(u32::MAX);
        for index in order {
            let Some(host) = self.servers.get(index) else { continue };
            let share = deadline.saturating_duration_since(Instant::now()) / left.max(1);
            left = left.saturating_sub(1);
            match self.bind_at(host, name, password, share).await {
                Ok(made) => {
                    self.remember(index, last);
                    return Ok(made);
                }
                Err(why) => failures.push(format!("`{}`: {why}", self.connector.url(host))),
            }
        }
        Err(Fault::Broken(failures.join("; ")))
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

    /// Loyalty counts from the change of the server, so that the first one is tried again some time.
    fn remember(&self, index: usize, last: Option<(usize, Instant)>) {
        if last.is_none_or(|(before, since)| before != index || since.elapsed() >= LOYALTY) {
            *self.working.lock().unwrap_or_else(PoisonError::into_inner) = Some((index, Instant::now()));
        }
    }
}
