//! A log that is gone with the process: for tests, and for a server that is told to keep nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Log, LogError, Record};
use crate::store::{Revision, entry::Row};

/// A log in memory. Clones are one log: a store that is opened on a clone continues where the last one stopped.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    compacted: Revision,
    // The entries are those of the index: a record costs its row and two pointers.
    records: BTreeMap<Row, Record>,
    full: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { compacted: 1, records: BTreeMap::new(), full: false }
    }
}

impl State {
    fn room(&self) -> Result<(), LogError> {
        if self.full { Err(LogError::Full { path: "memory".into() }) } else { Ok(()) }
    }
}

impl MemoryLog {
    /// Takes nothing more while `full`, as a disk that is.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for MemoryLog {
    fn compacted(&mut self) -> Result<Revision, LogError> {
        Ok(self.state().compacted)
    }

    fn replay(&mut self, each: &mut dyn FnMut(Record)) -> Result<(), LogError> {
        self.state().records.values().cloned().for_each(each);
        Ok(())
    }

    fn append(&mut self, records: &[Record]) -> Result<(), LogError> {
        let mut state = self.state();
        state.room()?;
        state.records.extend(records.iter().map(|record| (record.entry.row(), record.clone())));
        Ok(())
    }

    fn compact(&mut self, to: Revision, rows: &[Row]) -> Result<(), LogError> {
        let mut state = self.state();
        state.room()?;
        state.compacted = state.compacted.max(to);
        for row in rows {
            state.records.remove(row);
        }
        Ok(())
    }

    fn probe(&mut self) -> Result<(), LogError> {
        self.state().room()
    }

    fn tend(&mut self) -> Result<bool, LogError> {
        Ok(false)
    }
}
