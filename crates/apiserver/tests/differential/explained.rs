//! The differences that are known, each with its reason.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Requests that differ for one reason.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Reason {
    /// Why they differ. An empty one explains nothing.
    pub reason: String,
    /// The exact differences, by request.
    pub requests: BTreeMap<String, Vec<String>>,
}

/// All known differences.
pub struct Explained {
    pub reasons: Vec<Reason>,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/differential/explained.json")
}

impl Explained {
    pub fn load() -> Self {
        let text = std::fs::read(path()).unwrap_or_else(|_| b"[]".to_vec());
        Self { reasons: serde_json::from_slice(&text).unwrap() }
    }

    /// What is wrong with the list, given what was found.
    pub fn complaints(&self, found: &BTreeMap<String, Vec<String>>) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut known = BTreeMap::new();
        for reason in &self.reasons {
            for (request, lines) in &reason.requests {
                if reason.reason.is_empty() {
                    complaints.push(format!("{request} is listed without a reason"));
                }
                if known.insert(request, lines).is_some() {
                    complaints.push(format!("{request} is listed twice"));
                }
                match found.get(request) {
                    None => complaints.push(format!("{request} is listed but does not differ")),
                    Some(lines_now) if lines_now != lines => complaints.push(format!(
                        "{request} differs in another way than the list says:\n    {}",
                        lines_now.join("\n    ")
                    )),
                    Some(_) => {}
                }
            }
        }
        for (request, lines) in found {
            if !known.contains_key(request) {
                complaints.push(format!("{request} differs:\n    {}", lines.join("\n    ")));
            }
        }
        complaints
    }

    /// The list for what was found: reasons that are known stay, new differences wait for one.
    pub fn write(&self, found: &BTreeMap<String, Vec<String>>) {
        let mut rest = found.clone();
        let mut reasons = Vec::new();
        for reason in self.reasons.iter().filter(|reason| !reason.reason.is_empty()) {
            let requests: BTreeMap<_, _> =
                reason.requests.keys().filter_map(|request| rest.remove_entry(request)).collect();
            if !requests.is_empty() {
                reasons.push(Reason { reason: reason.reason.clone(), requests });
            }
        }
        if !rest.is_empty() {
            reasons.push(Reason { reason: String::new(), requests: rest });
        }
        let text = serde_json::to_string_pretty(&reasons).unwrap();
        std::fs::write(path(), text + "\n").unwrap();
    }
}
