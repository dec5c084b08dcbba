//! What of the real server's discovery documents the embedded server has, too.

use apiserver::builtin::KINDS;
use serde_json::Value;

/// Groups of kinds that the test makes.
const CUSTOM: &[&str] = &["example.com", "legacy.example.com"];

fn is_served(group: &str, version: &str, plural: &str) -> bool {
    KINDS.iter().any(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

fn is_group(group: &str) -> bool {
    CUSTOM.contains(&group) || KINDS.iter().any(|kind| kind.group == group)
}

/// Takes out of a discovery document all that is no kind of ours.
pub fn only(document: &mut Value) {
    match document["kind"].as_str().unwrap_or_default() {
        "APIGroupList" => keep(&mut document["groups"], |group| is_group(text(group, "name"))),
        "APIResourceList" => {
            let whole = text(document, "groupVersion").to_owned();
            let (group, version) = whole.rsplit_once('/').unwrap_or(("", &whole));
            if CUSTOM.contains(&group) {
                by_name(&mut document["resources"], "name");
            } else {
                keep(&mut document["resources"], |resource| {
                    let plural = text(resource, "name").split('/').next().unwrap_or_default();
                    is_served(group, version, plural)
                });
            }
        }
        "APIGroupDiscoveryList" => {
            keep(&mut document["items"], |item| is_group(text(&item["metadata"], "name")));
            for item in document["items"].as_array_mut().into_iter().flatten() {
                let group = text(&item["metadata"], "name").to_owned();
                if CUSTOM.contains(&group.as_str()) {
                    for version in item["versions"].as_array_mut().into_iter().flatten() {
                        by_name(&mut version["resources"], "resource");
                    }
                    continue;
                }
                for version in item["versions"].as_array_mut().into_iter().flatten() {
                    let name = text(version, "version").to_owned();
                    keep(&mut version["resources"], |resource| is_served(&group, &name, text(resource, "resource")));
                }
                keep(&mut item["versions"], |version| {
                    version["resources"].as_array().is_none_or(|all| !all.is_empty())
                });
            }
        }
        _ => {}
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn keep(list: &mut Value, wanted: impl Fn(&Value) -> bool) {
    if let Some(list) = list.as_array_mut() {
        list.retain(wanted);
    }
}

/// Custom kinds are told in a random order.
fn by_name(list: &mut Value, field: &str) {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_key(|item| text(item, field).to_owned());
    }
}
