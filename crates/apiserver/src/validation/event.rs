//! Event: `pkg/apis/core/validation/events.go`. Events of `v1` are taken almost as they come; those of `events.k8s.io/v1` are
//! checked strictly. Both groups show the same objects, in fields of other names.

use apimachinery::field::{FieldError, Path};
use apimachinery::meta::{Meta, NameRule, names};
use serde_json::Value;

use super::{core_create, core_update, given, immutable, text, wrong};

const ROOT: Path<'static> = Path::ROOT;

/// The names that the two groups give to what they share; the errors use those of the internal type.
struct Names {
    about: &'static str,
    reporter: &'static str,
    reporter_in_errors: &'static str,
    message: &'static str,
    first: &'static str,
    last: &'static str,
    count: &'static str,
    source: &'static str,
}

const CORE: Names = Names {
    about: "involvedObject",
    reporter: "reportingComponent",
    reporter_in_errors: "reportingComponent",
    message: "message",
    first: "firstTimestamp",
    last: "lastTimestamp",
    count: "count",
    source: "source",
};

const EVENTS: Names = Names {
    about: "regarding",
    reporter: "reportingController",
    reporter_in_errors: "reportingController",
    message: "note",
    first: "deprecatedFirstTimestamp",
    last: "deprecatedLastTimestamp",
    count: "deprecatedCount",
    source: "deprecatedSource",
};

/// An event of `v1`, new or changed.
pub(super) fn core(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    legacy(object, &CORE, &mut errors);
    errors
}

pub(super) fn create(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    legacy(object, &EVENTS, &mut errors);
    errors.extend(core_create(object, true, NameRule::DnsSubdomain));
    series(object, &mut errors);
    if text(object, "eventTime").is_empty() {
        errors.push(FieldError::required(&ROOT.child("eventTime"), ""));
    }
    let kind = text(object, "type");
    if !matches!(kind, "Normal" | "Warning") {
        errors.push(FieldError::invalid(&ROOT.child("type"), "", format!("has invalid value: {kind}")));
    }
    let mut unset = |field: &str, is_set: bool| {
        if is_set {
            errors.push(FieldError::invalid(&ROOT.child(field), "", "needs to be unset"));
        }
    };
    unset("firstTimestamp", given(object, EVENTS.first).is_some());
    unset("lastTimestamp", given(object, EVENTS.last).is_some());
    unset("count", object.get(EVENTS.count).and_then(Value::as_i64).unwrap_or_default() != 0);
    let source = given(object, EVENTS.source);
    unset(
        "source",
        source.is_some_and(|source| !text(source, "component").is_empty() || !text(source, "host").is_empty()),
    );
    errors
}

pub(super) fn update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    legacy(new, &EVENTS, &mut errors);
    errors.extend(core_update(new, old));
    if given(new, "series") != given(old, "series") {
        series(new, &mut errors);
    }
    for (shown, field) in [
        ("involvedObject", EVENTS.about),
        ("reason", "reason"),
        ("message", EVENTS.message),
        ("source", EVENTS.source),
        ("firstTimestamp", EVENTS.first),
        ("lastTimestamp", EVENTS.last),
        ("count", EVENTS.count),
        ("reason", "reason"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", EVENTS.reporter),
        ("reportingInstance", "reportingInstance"),
    ] {
        immutable(&mut errors, &ROOT.child(shown), given(new, field), given(old, field));
    }
    errors
}

fn series(object: &Value, errors: &mut Vec<FieldError>) {
    let Some(series) = given(object, "series") else { return };
    let path = ROOT.child("series");
    if series.get("count").and_then(Value::as_i64).unwrap_or_default() < 2 {
        errors.push(FieldError::invalid(&path.child("count"), "", "should be at least 2"));
    }
    if text(series, "lastObservedTime").is_empty() {
        errors.push(FieldError::required(&path.child("lastObservedTime"), ""));
    }
}

fn legacy(object: &Value, names: &Names, errors: &mut Vec<FieldError>) {
    let own = Meta::of(object).namespace();
    let about = given(object, names.about).map(|about| text(about, "namespace")).unwrap_or_default();
    let involved = ROOT.child("involvedObject");
    let is_new = !text(object, "eventTime").is_empty();
    let agree = match (is_new, about) {
        (false, "") => matches!(own, "" | "default"),
        (false, about) => own == about,
        (true, "") => matches!(own, "default" | "kube-system"),
        (true, _) => true,
    };
    if !agree {
        errors.push(FieldError::invalid(&involved.child("namespace"), about, "does not match event.namespace"));
    }
    if is_new {
        strict_fields(object, names, errors);
    }
}

fn strict_fields(object: &Value, names: &Names, errors: &mut Vec<FieldError>) {
    let reporter = text(object, names.reporter);
    let at = ROOT.child(names.reporter_in_errors);
    if reporter.is_empty() {
        errors.push(FieldError::required(&at, ""));
    }
    wrong(errors, &at, reporter, names::qualified_name(reporter));
    for field in ["reportingInstance", "action", "reason"] {
        let value = text(object, field);
        if value.is_empty() {
            errors.push(FieldError::required(&ROOT.child(field), ""));
        }
        if value.len() > 128 {
            errors.push(FieldError::invalid(&ROOT.child(field), "", "can have at most 128 characters"));
        }
    }
    if text(object, names.message).len() > 1024 {
        errors.push(FieldError::invalid(&ROOT.child("message"), "", "can have at most 1024 characters"));
    }
}
