//! Options of create, update and patch.

use apimachinery::{apply::manager_or_user_agent, meta::options, negotiate::PatchType, target::Query};
use http::HeaderMap;

use super::{dry_run, flag, refuse};
use crate::failure::Outcome;

/// What is done with fields that the kind does not have, and with fields that stand twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, with a warning.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

/// Options of a request that writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteOptions {
    /// Whether nothing is stored.
    pub(crate) dry_run: bool,
    /// Who changes fields: as the request says, else the program that sends it.
    pub(crate) manager: String,
    /// What is done with unknown fields.
    pub(crate) field_validation: FieldValidation,
    /// Whether an apply takes fields that others own.
    pub(crate) force: bool,
}

impl WriteOptions {
    /// Options of a create (`CreateOptions`) or update (`UpdateOptions`).
    pub(crate) fn read(query: Query<'_>, headers: &HeaderMap, kind: &str) -> Outcome<Self> {
        Self::checked(query, headers, kind, None)
    }

    /// Options of a patch.
    pub(crate) fn of_patch(query: Query<'_>, headers: &HeaderMap, patch: PatchType) -> Outcome<Self> {
        Self::checked(query, headers, "PatchOptions", Some(patch))
    }

    fn checked(query: Query<'_>, headers: &HeaderMap, kind: &str, patch: Option<PatchType>) -> Outcome<Self> {
        let manager = query.first("fieldManager").unwrap_or_default();
        let validation = query.first("fieldValidation").unwrap_or_default();
        let dry_run = dry_run(query);
        let force = flag(query, "force").filter(|_| patch.is_some());
        let given = options::WriteOptions { field_manager: &manager, dry_run: &dry_run, field_validation: &validation };
        let errors = match patch {
            Some(patch) => given.check_patch(patch == PatchType::Apply, force),
            None => given.check(),
        };
        refuse(kind, &errors)?;
        let agent = headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            dry_run: !dry_run.is_empty(),
            manager: manager_or_user_agent(&manager, agent.unwrap_or_default()),
            field_validation: match &*validation {
                "Ignore" => FieldValidation::Ignore,
                "Strict" => FieldValidation::Strict,
                _ => FieldValidation::Warn,
            },
            force: force.unwrap_or_default(),
        })
    }
}
