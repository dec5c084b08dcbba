//! What an apply that is not forced runs into: `apimachinery/pkg/util/managedfields/internal/conflict.go`.

use std::fmt;

use super::element::FieldPath;
use super::managed::Identity;
use crate::status::Cause;

/// A field that somebody else owns and the applied object has another value for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) owner: Identity,
    pub(super) path: FieldPath,
}

/// All conflicts of one apply. Its text is the message of the 409 that Kubernetes answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflicts(pub(super) Vec<Conflict>);

impl Conflicts {
    pub(super) fn new(mut conflicts: Vec<Conflict>) -> Self {
        // By owner; those of one owner are in the order of its set.
        conflicts.sort_by_cached_key(|conflict| conflict.owner.text());
        Self(conflicts)
    }

    /// The causes of the `Status`: one for each field.
    pub fn causes(&self) -> Vec<Cause> {
        let causes = self.0.iter().map(|conflict| Cause {
            reason: "FieldManagerConflict".to_owned(),
            message: format!("conflict with {}", conflict.owner.printed()),
            field: conflict.path.to_string(),
        });
        causes.collect()
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "Apply failed with 1 conflict: conflict with {}: {}", only.owner.printed(), only.path);
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut last: Option<&Identity> = None;
        for conflict in &self.0 {
            if last != Some(&conflict.owner) {
                let separator = if last.is_some() { "\n" } else { "" };
                write!(f, "{separator}conflicts with {}:", conflict.owner.printed())?;
                last = Some(&conflict.owner);
            }
            write!(f, "\n- {}", conflict.path)?;
        }
        Ok(())
    }
}

impl std::error::Error for Conflicts {}
