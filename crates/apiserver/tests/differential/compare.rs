//! What differs between two answers, once all that must differ is taken out of both.

use std::sync::LazyLock;

use apimachinery::json;
use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use crate::{
    request::{Ask, Look},
    served,
    servers::Reply,
};

/// Headers that matter to a client.
const HEADERS: &[&str] =
    &["content-type", "warning", "retry-after", "allow", "cache-control", "x-content-type-options"];
/// The most text of a value that a difference shows.
const SHOWN: usize = 600;

/// The differences, one a line: what kube-apiserver said, and what the embedded server said.
pub fn differences(ask: &Ask, theirs: &Reply, ours: &Reply) -> Vec<String> {
    let mut lines = Vec::new();
    if theirs.code != ours.code {
        lines.push(format!("code: {} | {}", theirs.code, ours.code));
    }
    for name in HEADERS {
        let (theirs, ours) = (header(theirs, name), header(ours, name));
        if theirs != ours {
            lines.push(format!("{name}: {theirs} | {ours}"));
        }
    }
    let (mut theirs_body, mut ours_body) = (stripped(ask, theirs), stripped(ask, ours));
    order_complaints(&mut theirs_body);
    order_complaints(&mut ours_body);
    walk("", Some(&theirs_body), Some(&ours_body), &mut lines);
    if ask.target.contains("pretty") && indented(theirs) != indented(ours) {
        lines.push(format!("indented: {} | {}", indented(theirs), indented(ours)));
    }
    lines
}

/// Brings the complaints of a 422 into an order: where they come from a map of Go, it is another one each time.
fn order_complaints(body: &mut Value) {
    let Some(causes) = body.pointer_mut("/details/causes").and_then(Value::as_array_mut) else { return };
    if causes.len() < 2 {
        return;
    }
    causes.sort_by_key(ToString::to_string);
    if let Some(Value::String(message)) = body.get_mut("message") {
        let mut parts: Vec<String> = message.replace(['[', ']'], ", ").split(", ").map(str::to_owned).collect();
        parts.sort();
        *message = parts.join(", ");
    }
}

fn header(reply: &Reply, name: &str) -> String {
    let values: Vec<_> =
        reply.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    text(&values.join(" ; "))
}

fn indented(reply: &Reply) -> bool {
    reply.body.starts_with(b"{\n")
}

/// The body as a tree without what differs from one server, or one moment, to the next.
fn stripped(ask: &Ask, reply: &Reply) -> Value {
    let media = reply.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media.starts_with("application/yaml") {
        return match json::decode(&reply.body, json::ContentType::Yaml) {
            Ok(decoded) => cleaned(ask, decoded.value),
            Err(_) => Value::String(text(&String::from_utf8_lossy(&reply.body))),
        };
    }
    if let Ok(value) = serde_json::from_slice(&reply.body) {
        return cleaned(ask, value);
    }
    if media.starts_with("application/json") {
        // The frames of a watch: one object a line.
        let frames: Result<Vec<Value>, _> =
            serde_json::Deserializer::from_slice(&reply.body).into_iter::<Value>().collect();
        if let Ok(frames) = frames {
            return frames
                .into_iter()
                .filter(|frame| !is_plain_bookmark(frame))
                .map(|frame| cleaned(ask, frame))
                .collect();
        }
    }
    Value::String(text(&String::from_utf8_lossy(&reply.body)))
}

/// How many of those there are is a matter of time.
fn is_plain_bookmark(frame: &Value) -> bool {
    frame["type"] == "BOOKMARK" && frame["object"]["metadata"]["annotations"].is_null()
}

fn cleaned(ask: &Ask, mut value: Value) -> Value {
    match ask.look {
        Look::Whole => {}
        Look::Served => served::only(&mut value),
        Look::Envelope => {
            for field in ["items", "rows"] {
                if let Some(items) = value.get_mut(field) {
                    *items = Value::String("not compared".into());
                }
            }
        }
    }
    clean("", &mut value);
    value
}

fn clean(key: &str, value: &mut Value) {
    match value {
        Value::String(found) => {
            let new = match key {
                "uid" if UID.is_match(found) => "<uid>".to_owned(),
                "resourceVersion" if !found.is_empty() => "<version>".to_owned(),
                "continue" if !found.is_empty() => "<continue>".to_owned(),
                _ => text(found),
            };
            *found = new;
        }
        Value::Array(items) => {
            if key == "cells" {
                for cell in items.iter_mut() {
                    if cell.as_str().is_some_and(|cell| AGE.is_match(cell)) {
                        *cell = "<age>".into();
                    }
                }
            }
            for item in items {
                clean(key, item);
            }
        }
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(key, value)| clean(key, value));
            // Kubernetes tells rules in the order of a map of Go, which is another one each time.
            for rules in ["resourceRules", "nonResourceRules"] {
                if let Some(Value::Array(rules)) = fields.get_mut(rules) {
                    rules.sort_by_key(ToString::to_string);
                }
            }
        }
        _ => {}
    }
}

static UID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").unwrap());
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)").unwrap());
static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\d+[smh]){1,2}$").unwrap());
/// Names that were made up by a server, and versions that a message names.
static MADE_UP: LazyLock<[(Regex, &str); 7]> = LazyLock::new(|| {
    [
        (Regex::new(r"\bgen-[a-z0-9]{5}\b").unwrap(), "gen-<made up>"),
        (Regex::new(r"\bA_[a-z0-9]{5}\b").unwrap(), "A_<made up>"),
        (Regex::new(r"too old resource version: 1 \(\d+\)").unwrap(), "too old resource version: 1 (<version>)"),
        (Regex::new(r"current: \d+").unwrap(), "current: <version>"),
        (Regex::new(r"ResourceVersion in record \(\d+\)").unwrap(), "ResourceVersion in record (<version>)"),
        (Regex::new(r"ResourceVersion in object meta: \d+").unwrap(), "ResourceVersion in object meta: <version>"),
        (Regex::new(r#"(\\*"resourceVersion\\*":\\*")\d+"#).unwrap(), "${1}<version>"),
    ]
});

/// A text without uids, times of this hour and names made up.
fn text(found: &str) -> String {
    let mut text = UID.replace_all(found, "<uid>").into_owned();
    let now = Timestamp::now();
    text = TIME
        .replace_all(&text, |found: &regex::Captures<'_>| {
            let recent =
                found[0].parse::<Timestamp>().is_ok_and(|time| now.duration_since(time).as_secs().abs() < 3600);
            if recent { "<time>".to_owned() } else { found[0].to_owned() }
        })
        .into_owned();
    for (pattern, by) in MADE_UP.iter() {
        text = pattern.replace_all(&text, *by).into_owned();
    }
    text
}

fn walk(path: &str, theirs: Option<&Value>, ours: Option<&Value>, lines: &mut Vec<String>) {
    match (theirs, ours) {
        (Some(Value::Object(theirs)), Some(Value::Object(ours))) => {
            for (key, value) in theirs {
                walk(&format!("{path}/{key}"), Some(value), ours.get(key), lines);
            }
            for (key, value) in ours.iter().filter(|(key, _)| !theirs.contains_key(*key)) {
                walk(&format!("{path}/{key}"), None, Some(value), lines);
            }
        }
        (Some(Value::Array(theirs)), Some(Value::Array(ours))) => {
            for at in 0..theirs.len().max(ours.len()) {
                walk(&format!("{path}/{at}"), theirs.get(at), ours.get(at), lines);
            }
        }
        (theirs, ours) if theirs == ours => {}
        (theirs, ours) => lines.push(format!("{path}: {} | {}", shown(theirs), shown(ours))),
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    if text.len() <= SHOWN {
        return text;
    }
    // What is cut off still counts: its digest does.
    let start: String = text.chars().take(SHOWN).collect();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let short = digest.as_ref().iter().take(6).fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
    format!("{start}… ({} bytes, {short:012x})", text.len())
}
