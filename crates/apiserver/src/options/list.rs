//! Options of list, watch and deletecollection.

use apimachinery::{
    field::{FieldError, Path},
    selector::{FieldSelector, LabelSelector},
    status::Status,
    target::Query,
};

use super::{flag, number, refuse};
use crate::{
    failure::{Outcome, bad_version},
    registry::Resource,
};

/// `resourceVersionMatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionMatch {
    /// At this very version.
    Exact,
    /// At this version or a later one.
    NotOlderThan,
}

/// Options of a list or watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListOptions {
    /// The labels that objects must have.
    pub(crate) labels: LabelSelector,
    /// The fields that objects must have.
    pub(crate) fields: FieldSelector,
    /// `resourceVersion`; `None` when it is not given.
    pub(crate) version: Option<u64>,
    /// `resourceVersionMatch`.
    pub(crate) version_match: Option<VersionMatch>,
    /// The most objects to answer with; 0 for all.
    pub(crate) limit: usize,
    /// Where an earlier list is to go on; empty for a new one.
    pub(crate) continuation: String,
    /// How long a watch lasts, in seconds.
    pub(crate) timeout_seconds: Option<u64>,
    /// Whether a watch tells from time to time how far it is.
    pub(crate) bookmarks: bool,
    /// Whether a watch begins with what there is.
    pub(crate) initial_events: Option<bool>,
}

impl ListOptions {
    /// The options of a list or watch of `resource`. `name` is the one that the path names, or empty.
    pub(crate) fn read(query: Query<'_>, resource: &Resource, name: &str, watch: bool) -> Outcome<Self> {
        let labels = match query.first("labelSelector") {
            Some(text) => LabelSelector::parse(&text).map_err(|wrong| Status::bad_request(wrong.to_string()))?,
            None => LabelSelector::default(),
        };
        let fields = match query.first("fieldSelector") {
            Some(text) => FieldSelector::parse(&text).map_err(|wrong| Status::bad_request(wrong.to_string()))?,
            None => FieldSelector::default(),
        };
        let limit = number(query, "limit")?.unwrap_or_default();
        let timeout = number(query, "timeoutSeconds")?;
        let version_text = query.first("resourceVersion").unwrap_or_default();
        let match_text = query.first("resourceVersionMatch").unwrap_or_default();
        let continuation = query.first("continue").unwrap_or_default().into_owned();
        let mut initial_events = flag(query, "sendInitialEvents");
        // What a watch from no version and from 0 meant before there was such an option: `SetListOptionsDefaults`.
        let mut match_text = match_text;
        if watch && initial_events.is_none() && match_text.is_empty() && matches!(&*version_text, "" | "0") {
            initial_events = Some(true);
            match_text = "NotOlderThan".into();
        }
        let errors = check(watch, &version_text, &match_text, &continuation, initial_events);
        refuse("ListOptions", &errors)?;
        if !watch {
            initial_events = None;
        }
        let fields = narrowed(&fields, resource, name)?;
        let version = match &*version_text {
            "" => None,
            text => Some(text.parse().map_err(|_| bad_version(text, watch))?),
        };
        Ok(Self {
            labels,
            fields,
            version,
            version_match: match &*match_text {
                "Exact" => Some(VersionMatch::Exact),
                "NotOlderThan" => Some(VersionMatch::NotOlderThan),
                _ => None,
            },
            // A list from whatever is at hand is given whole, as Kubernetes' cache does.
            limit: if version == Some(0) { 0 } else { usize::try_from(limit).unwrap_or_default() },
            continuation,
            timeout_seconds: timeout.and_then(|seconds| u64::try_from(seconds).ok()),
            bookmarks: query.flag("allowWatchBookmarks"),
            initial_events,
        })
    }
}

/// `ValidateListOptions` of `meta/internalversion/validation`.
fn check(
    watch: bool,
    version: &str,
    version_match: &str,
    continuation: &str,
    initial_events: Option<bool>,
) -> Vec<FieldError> {
    let path = Path::ROOT.child("resourceVersionMatch");
    let mut errors = Vec::new();
    let mut forbid = |why: &str| errors.push(FieldError::forbidden(&path, why));
    if watch {
        if initial_events.is_some() && version_match != "NotOlderThan" {
            forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        if !version_match.is_empty() {
            if initial_events.is_none() {
                forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
            }
            if version_match != "NotOlderThan" {
                errors.push(FieldError::not_supported(&path, version_match, &["NotOlderThan"]));
            }
            if !continuation.is_empty() {
                errors
                    .push(FieldError::forbidden(&path, "resourceVersionMatch is forbidden when continue is provided"));
            }
        }
        return errors;
    }
    if !version_match.is_empty() {
        if version.is_empty() {
            forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if !continuation.is_empty() {
            forbid("resourceVersionMatch is forbidden when continue is provided");
        }
        if !matches!(version_match, "Exact" | "NotOlderThan") {
            errors.push(FieldError::not_supported(&path, version_match, &["Exact", "NotOlderThan", ""]));
        }
        if version_match == "Exact" && version == "0" {
            errors.push(FieldError::forbidden(
                &path,
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            ));
        }
    }
    if initial_events.is_some() {
        errors.push(FieldError::forbidden(
            &Path::ROOT.child("sendInitialEvents"),
            "sendInitialEvents is forbidden for list",
        ));
    }
    errors
}

/// The field selector with the name that the path asks for; refused when it names fields that the kind cannot be selected by.
fn narrowed(fields: &FieldSelector, resource: &Resource, name: &str) -> Outcome<FieldSelector> {
    let fields = if let Some(definition) = resource.built_in() {
        definition.select(fields).map_err(Status::bad_request)?
    } else {
        fields.transform(|required| {
            let field = required.field.as_str();
            let known = field == "metadata.name"
                || (field == "metadata.namespace" && resource.namespaced)
                || resource.selectable.iter().any(|selectable| selectable.name == field);
            if known {
                Ok((field.to_owned(), required.value.clone()))
            } else {
                Err(Box::new(Status::bad_request(format!("field label not supported: {field}"))))
            }
        })?
    };
    if name.is_empty() {
        return Ok(fields);
    }
    if fields.is_empty() {
        let by_name = format!("metadata.name={}", name.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\="));
        return FieldSelector::parse(&by_name).map_err(|wrong| Status::bad_request(wrong.to_string()).into());
    }
    if fields.required("metadata.name") == Some(name) {
        Ok(fields)
    } else {
        Err(Status::bad_request("fieldSelector metadata.name doesn't match requested name").into())
    }
}
