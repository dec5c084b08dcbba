//! Which requests are recorded, at which level: a `Policy` of `audit.k8s.io/v1`, with Kubernetes' meaning.
//!
//! The first rule that matches decides; no rule means `None`. See
//! <https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>. One field is our own: `clusters`.

mod file;
mod rule;

use std::path::Path;

use self::rule::Rule;
use super::{Level, RequestRef, Stage, redact};
use crate::config::Problems;

/// What is recorded of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The level, already lowered for kinds whose bodies hold secrets.
    pub level: Level,
    omit: Stages,
    omit_managed_fields: bool,
}

impl Decision {
    /// Nothing is recorded.
    pub const NOTHING: Self = Self { level: Level::None, omit: Stages(0), omit_managed_fields: false };

    /// Whether an event of `stage` is recorded.
    pub fn wants(self, stage: Stage) -> bool {
        self.level != Level::None && !self.omit.contains(stage)
    }

    pub(super) const fn omits_managed_fields(self) -> bool {
        self.omit_managed_fields
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stages(u8);

impl Stages {
    const fn contains(self, stage: Stage) -> bool {
        self.0 & (1 << stage as u8) != 0
    }

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Stage> for Stages {
    fn from_iter<T: IntoIterator<Item = Stage>>(stages: T) -> Self {
        Self(stages.into_iter().fold(0, |bits, stage| bits | 1 << stage as u8))
    }
}

/// A policy, ready to decide.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
}

impl Default for Policy {
    /// Metadata for everything except health checks, one event a request.
    fn default() -> Self {
        Self { rules: rule::defaults() }
    }
}

impl Policy {
    /// Reads a policy; `file` is its name for errors.
    ///
    /// # Errors
    /// Everything that is wrong with it, by line and field: no YAML, an unknown field, what Kubernetes refuses too.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Problems> {
        file::parse(text, file)
    }

    /// What to record of `request`.
    pub fn decide(&self, request: &RequestRef<'_>) -> Decision {
        let Some(rule) = self.rules.iter().find(|rule| rule.matches(request)) else { return Decision::NOTHING };
        let mut decision = rule.decision;
        if decision.level > Level::Metadata {
            decision.level = decision.level.min(redact::ceiling(request.object.as_ref()));
        }
        decision
    }
}

#[cfg(test)]
mod tests;
