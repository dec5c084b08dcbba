//! One call of the provider's: its end in time, and the connection that it searches on.

use std::sync::atomic::AtomicU64;

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    connect::Connection,
    operation::{Bound, Fault, Found, Search},
    pool::Pool,
};
use crate::secret::Secret;

/// One call of the provider's.
pub(super) struct Session<'a> {
    pool: &'a Pool,
    account: &'a str,
    password: Option<&'a Secret<String>>,
    queries: &'a AtomicU64,
    deadline: Instant,
    connection: Option<Lease>,
    _place: OwnedSemaphorePermit,
}

struct Lease {
    connection: Connection,
    /// It was used before, and may be dead without a sign.
    old: bool,
}

impl<'a> Session<'a> {
    /// Begins as soon as a place is free. `account` and `password` are those of the account that searches.
    pub(super) async fn begin(
        pool: &'a Pool,
        account: &'a str,
        password: Option<&'a Secret<String>>,
        queries: &'a AtomicU64,
        deadline: Instant,
    ) -> Result<Self, Fault> {
        let place = pool.place(deadline).await?;
        Ok(Self { pool, account, password, queries, deadline, connection: None, _place: place })
    }

    /// The server that it searches on.
    pub(super) async fn server(&mut self) -> Result<String, Fault> {
        let lease = self.lease().await?;
        let server = lease.connection.server.clone();
        self.connection = Some(lease);
        Ok(server)
    }

    /// Searches. A connection that was used before and turns out to be dead is replaced once.
    pub(super) async fn search(&mut self, search: &Search<'_>) -> Result<Found, Fault> {
        loop {
            let mut lease = self.lease().await?;
            let left = self.deadline.saturating_duration_since(Instant::now());
            let until = if lease.old { Instant::now() + left / 2 } else { self.deadline };
            match lease.connection.search(search, until, self.queries).await {
                Err(Fault::Broken(_)) if lease.old => self.pool.dead(&lease.connection.server),
                Err(Fault::Broken(why)) => {
                    return Err(Fault::Broken(format!("`{}`: {why}", lease.connection.server)));
                }
                answer => {
                    let at = |why| format!("`{}`: {why}", lease.connection.server);
                    let answer = answer.map_err(|fault| match fault {
                        Fault::Broken(why) => Fault::Broken(at(why)),
                        Fault::NoSuchObject(why) => Fault::NoSuchObject(at(why)),
                        Fault::Refused(why) => Fault::Refused(at(why)),
                    });
                    lease.old = false;
                    self.connection = Some(lease);
                    return answer;
                }
            }
        }
    }

    /// What the directory says to a person's name and password, on a connection of its own.
    pub(super) async fn prove(&self, dn: &str, password: &Secret<String>) -> Result<Bound, Fault> {
        Ok(self.pool.bind(dn, password.expose(), self.deadline).await?.1)
    }

    async fn lease(&mut self) -> Result<Lease, Fault> {
        if let Some(lease) = self.connection.take() {
            return Ok(lease);
        }
        if let Some(connection) = self.pool.take() {
            return Ok(Lease { connection, old: true });
        }
        let password = self.password.filter(|password| !password.expose().is_empty());
        let password = password.ok_or_else(|| {
            Fault::Refused("the Secret that `serviceAccountPassword` names is missing, or has no password".to_owned())
        })?;
        let (connection, bound) = self.pool.bind(self.account, password.expose(), self.deadline).await?;
        match bound {
            Bound::Accepted => Ok(Lease { connection, old: false }),
            Bound::Credentials(why) | Bound::Disabled(why) | Bound::Failed(why) => {
                let (server, account) = (&connection.server, self.account);
                Err(Fault::Refused(format!("`{server}`: the service account `{account}` is not let in: {why}")))
            }
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.connection.take() {
            self.pool.give_back(lease.connection);
        }
    }
}
