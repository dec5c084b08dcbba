//! The options of a request, from its query or body, checked as Kubernetes checks them.
//!
//! See `ListOptions`, `CreateOptions`, `UpdateOptions`, `PatchOptions` and `DeleteOptions` of `meta/v1`, and
//! `k8s.io/apimachinery/pkg/apis/meta/v1/validation`.

mod delete;
mod list;
mod write;

use apimachinery::{field::FieldError, status::Status, target::Query};

use crate::failure::{Outcome, signed};

pub(crate) use delete::delete_options;
pub(crate) use list::{ListOptions, VersionMatch};
pub(crate) use write::{FieldValidation, WriteOptions};

/// The group that options belong to in an error.
const GROUP: &str = "meta.k8s.io";

/// A whole number from the query.
fn number(query: Query<'_>, key: &str) -> Outcome<Option<i64>> {
    match query.first(key) {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| Status::bad_request(signed(&text)).into()),
    }
}

/// A boolean from the query that can be unset.
fn flag(query: Query<'_>, key: &str) -> Option<bool> {
    query.first(key).map(|_| query.flag(key))
}

/// All values of `dryRun`.
fn dry_run(query: Query<'_>) -> Vec<String> {
    query.pairs().filter(|(key, _)| key == "dryRun").map(|(_, value)| value.into_owned()).collect()
}

/// 422 when there are errors.
fn refuse(kind: &str, errors: &[FieldError]) -> Outcome<()> {
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(GROUP, kind, "", errors).into()) }
}
