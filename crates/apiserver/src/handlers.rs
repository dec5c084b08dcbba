//! From a request for a resource to a verb, and from its outcome to an answer.

pub(crate) mod delete;
pub(crate) mod patch;
pub(crate) mod read;
pub(crate) mod scale;
pub(crate) mod subresource;
mod token;
pub(crate) mod write;

use apimachinery::negotiate::Answer;
use http::HeaderMap;

use crate::scope::Scope;

/// A request for a resource, read and authorized.
pub(crate) struct Call {
    pub(crate) scope: Scope,
    /// The object's name; empty for a verb on many.
    pub(crate) name: String,
    pub(crate) subresource: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// The form of the answer.
    pub(crate) form: Answer,
}
