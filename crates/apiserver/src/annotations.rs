//! What the audit event of a request is told: `k8s.io/apiserver/pkg/audit`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use http::Extensions;

/// Annotations for the audit event of a request, by their keys: an extension of its response, where there are any. The server keeps no
/// audit log of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditAnnotations(pub BTreeMap<String, String>);

/// Collects annotations over a request's life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    said: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Annotations {
    /// Adds one. The first value of a key stays: what was said before an object was tried again, or of the first of many, is true.
    pub(crate) fn add(&self, key: String, value: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.entry(key).or_insert(value);
    }

    /// Hands them to whoever gets the response.
    pub(crate) fn write(&self, extensions: &mut Extensions) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.is_empty() {
            extensions.insert(AuditAnnotations(std::mem::take(&mut *said)));
        }
    }
}
