//! The patches of the Kubernetes API that are merged here: JSON patch, merge patch, strategic merge patch.
//!
//! What they do, and what they say when they fail, is kube-apiserver's own: `apiserver/pkg/endpoints/handlers/patch.go` over
//! `gopkg.in/evanphx/json-patch.v4` and `apimachinery/pkg/util/strategicpatch`.

mod go;
mod json;
mod merge;
mod strategic;

pub use json::{JsonPatch, MAX_COPIED_BYTES, MAX_DEPTH, MAX_OPERATIONS, json_patch};
pub use merge::merge_patch;
pub use strategic::strategic;

pub(crate) use go::printed;

/// Why a patch cannot be applied. Each kind is one answer of kube-apiserver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// 400 `BadRequest` with this message: the patch is not well-formed.
    #[error("{0}")]
    Malformed(String),
    /// 413 `RequestEntityTooLarge`: more operations than [`MAX_OPERATIONS`].
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooManyOperations(usize),
    /// 422 `Invalid`: the patch is well-formed and does not fit the object. Kubernetes keeps this message to itself and answers
    /// [`PatchError::REJECTED`].
    #[error("{0}")]
    Rejected(String),
    /// 500 without a reason, with this message: what Kubernetes has no answer of its own for.
    #[error("{0}")]
    Unexpected(String),
}

impl PatchError {
    /// The message that clients see of [`PatchError::Rejected`].
    pub const REJECTED: &'static str = "the server rejected our request due to an error in our request";
}

/// The type of a JSON value in the words of Go's decoder.
const fn json_type(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    }
}
