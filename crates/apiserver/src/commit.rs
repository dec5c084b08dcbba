//! The one way into the store: what a change means for the server itself is done before the caller hears of it.

use std::sync::Arc;

use apimachinery::status::Status;

use crate::{
    server::Core,
    store::{CommitError, Entry, Expect, Key, Malformed, Write},
};

impl Core {
    /// Stores one change. What the server itself reads of it, it knows when this returns, and also where the caller does not wait
    /// for that: a change that is stored is in force.
    pub(crate) async fn commit(self: &Arc<Self>, key: Key, expect: Expect, write: Write) -> Result<Entry, CommitError> {
        let core = Arc::clone(self);
        let change = tokio::spawn(async move { core.change(key, expect, write).await });
        change.await.unwrap_or(Err(CommitError::Stopped))
    }

    async fn change(&self, key: Key, expect: Expect, write: Write) -> Result<Entry, CommitError> {
        let deleted = matches!(write, Write::Delete(_));
        let committed = self.store.commit(vec![(key.clone(), expect, write)]).await?;
        self.rbac.changed(&self.store, &key);
        self.policies.changed(&self.store, &key);
        if self.definitions.changed(&self.store, &self.registry, &key) {
            self.garbage.kinds_changed();
        }
        let entry = committed.entries.into_iter().next().ok_or(CommitError::Stopped)?;
        self.garbage.changed(&key, deleted, &entry);
        Ok(entry)
    }
}

/// What a caller is told of a change that the store did not take.
pub(crate) fn failed(why: &CommitError) -> Status {
    match why {
        CommitError::Malformed(Malformed::TooLong) => Status::too_large("the object is too large to be stored"),
        CommitError::Conflict { .. } | CommitError::Malformed(_) => Status::internal_error(&why.to_string()),
        CommitError::ReadOnly(_) | CommitError::Stopped => Status::unavailable(why.to_string()),
    }
}
