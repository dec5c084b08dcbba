//! `docs/compatibility.md`: how many requests were compared, and what still differs.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use crate::explained::Explained;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md")
}

/// The page as it is.
pub fn read() -> String {
    std::fs::read_to_string(path()).unwrap_or_default()
}

pub fn write(page: &str) {
    std::fs::write(path(), page).unwrap();
}

/// The page as it should be.
pub fn page(keys: &[String], found: &BTreeMap<String, Vec<String>>, explained: &Explained) -> String {
    let mut areas: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for key in keys {
        let area = key.split('/').next().unwrap_or_default();
        let (all, equal) = areas.entry(area).or_default();
        *all += 1;
        *equal += usize::from(!found.contains_key(key));
    }
    let mut page = String::from(INTRODUCTION);
    let _ = writeln!(page, "| area | requests | equal | explained |\n|---|---:|---:|---:|");
    for (area, (all, equal)) in &areas {
        let _ = writeln!(page, "| {area} | {all} | {equal} | {} |", all - equal);
    }
    let (all, equal) = (keys.len(), keys.len() - found.len());
    let share = equal * 1000 / all.max(1);
    let _ =
        writeln!(page, "| **all** | **{all}** | **{equal}** ({}.{} %) | **{}** |", share / 10, share % 10, all - equal);
    let _ = writeln!(page, "\n## What differs, and why\n");
    for reason in &explained.reasons {
        let requests: Vec<_> = reason.requests.keys().map(|request| format!("`{request}`")).collect();
        let _ = writeln!(page, "- {} ({}: {})", reason.reason, requests.len(), requests.join(", "));
    }
    page.push_str(CLIENTS);
    page.push_str(ENDING);
    page
}

const INTRODUCTION: &str = "\
# How near the embedded API is to Kubernetes

<!-- Written by `crates/apiserver/tests/differential`; do not edit. -->

The test `differential` of `crates/apiserver` sends each of its requests to a real kube-apiserver 1.37.2 and to the embedded server, and compares
code, headers (`Content-Type`, `Warning`, `Retry-After`, `Allow`, `Cache-Control`, `X-Content-Type-Options`) and body. Taken out of both are only: uids,
times of the last hour, ages in tables, resource versions, continue tokens, names made up by `generateName`, what Kubernetes tells in the order of one
of Go's maps, which is random (rules in a `SelfSubjectRulesReview`, several complaints of one 422, resources of custom kinds in discovery), and plain bookmarks of watches. Discovery
documents are compared for the groups and kinds that the embedded server has.

";

const CLIENTS: &str = "
## What clients miss

- `kubectl cluster-info` lists Services, and ends with `the server doesn't have a resource type \"services\"`: there are none here, and a list that is
  always empty would say in discovery that there could be. `kubectl version` and `kubectl get --raw /readyz` tell whether the server is there.
";

const ENDING: &str = "
The exact differences are in `crates/apiserver/tests/differential/explained.json`. The test fails when a request differs that is not listed there, differs in
another way than listed, or is listed and does not differ; and when less than 97 % are equal. `DROVER_DIFFERENTIAL=write` writes the list and this page
anew; a new difference then waits for its reason, without which the test fails.
";
