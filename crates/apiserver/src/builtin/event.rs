//! Events have two versions and one storage: `k8s.io/kubernetes/pkg/apis/events/v1/conversion.go`.

use serde_json::{Map, Value};

/// The fields of `events.k8s.io/v1` beside those of the core version.
const FIELDS: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
];

/// An event of `events.k8s.io/v1` as it is stored.
pub fn to_core(event: &mut Value) {
    convert(event, "v1", FIELDS.iter().copied());
}

/// A stored event as `events.k8s.io/v1`.
pub fn from_core(event: &mut Value) {
    convert(event, "events.k8s.io/v1", FIELDS.iter().map(|(new, core)| (*core, *new)));
}

fn convert<'a>(event: &mut Value, api_version: &str, names: impl Iterator<Item = (&'a str, &'a str)>) {
    let Some(fields) = event.as_object_mut() else { return };
    let moved: Map<String, Value> =
        names.filter_map(|(from, to)| Some((to.to_owned(), fields.remove(from)?))).collect();
    fields.extend(moved);
    fields.insert("apiVersion".to_owned(), api_version.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_goes_to_the_other_version_and_back() {
        let core = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "a"}, "involvedObject": {"kind": "Pod"},
            "message": "m", "source": {"component": "c"}, "count": 2, "reportingComponent": "r", "reason": "x",
        });
        let mut event = core.clone();
        from_core(&mut event);
        assert_eq!(
            event,
            json!({
                "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a"}, "regarding": {"kind": "Pod"},
                "note": "m", "deprecatedSource": {"component": "c"}, "deprecatedCount": 2, "reportingController": "r",
                "reason": "x",
            })
        );
        to_core(&mut event);
        assert_eq!(event, core);
    }
}
