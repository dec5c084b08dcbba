//! Label and field selectors: what a list, a watch or a policy asks for, in the words and with the errors of
//! `k8s.io/apimachinery/pkg/{labels,fields}`.

mod field;
mod label;
mod parse;
pub mod syntax;

pub use field::{FieldRequirement, FieldSelector};
pub use label::{LabelSelector, Operator, Requirement};

/// A selector that cannot be read; the text is Kubernetes' own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);

impl SelectorError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}
