//! The same requests to a real kube-apiserver and to the embedded server: the answers are to be equal.
//!
//! `requests` has the list, `compare` what is taken out of the answers, `explained.json` the differences that are known.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "a test fails by panicking, hands its values over, and its tables are long"
)]

mod compare;
mod explained;
mod report;
mod request;
mod requests;
mod served;
mod servers;

use std::collections::BTreeMap;

use explained::Explained;
use futures_util::future::join_all;
use request::Step;
use servers::{Embedded, Real, until};

/// The share of equal answers, in per mille, that is asked for.
const EQUAL: usize = 970;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_server_answers_as_kubernetes_does() {
    let mut real = Real::start().await;
    let mut embedded = Embedded::start(real.host()).await;
    let plan = requests::all();
    let mut keys = Vec::new();
    let mut found = BTreeMap::new();
    for step in plan.steps {
        let asks = match step {
            Step::One(ask) => vec![ask],
            Step::Together(asks) => asks,
            Step::Until(ask, code, text) => {
                let answered = tokio::join!(
                    until(code, text, async || real.ask(&ask).await),
                    until(code, text, async || embedded.ask(&ask).await)
                );
                let target = &ask.target;
                assert_eq!(
                    answered,
                    (true, true),
                    "{target} is to be answered with {code}; until then differed: {found:#?}"
                );
                continue;
            }
        };
        let (theirs, ours) = tokio::join!(
            join_all(asks.iter().map(|ask| real.ask(ask))),
            join_all(asks.iter().map(|ask| embedded.ask(ask)))
        );
        for ((ask, theirs), ours) in asks.into_iter().zip(theirs).zip(ours) {
            servers::save(&mut real.saved, &ask, &theirs);
            servers::save(&mut embedded.saved, &ask, &ours);
            let made = !ask.key.starts_with("setup/") || theirs.code < 300;
            assert!(made, "{}: {}", ask.key, String::from_utf8_lossy(&theirs.body));
            let lines = compare::differences(&ask, &theirs, &ours);
            if !lines.is_empty() {
                found.insert(ask.key.clone(), lines);
            }
            assert!(!keys.contains(&ask.key), "{}: each request has a name of its own", ask.key);
            keys.push(ask.key);
        }
    }
    let (all, equal) = (keys.len(), keys.len() - found.len());
    if std::env::var("DROVER_DIFFERENTIAL").is_ok_and(|what| what == "write") {
        Explained::load().write(&found);
        report::write(&report::page(&keys, &found, &Explained::load()));
    }
    let explained = Explained::load();
    let complaints = explained.complaints(&found);
    assert!(complaints.is_empty(), "{equal} of {all} are equal\n{}", complaints.join("\n"));
    assert!(equal * 1000 >= EQUAL * all, "only {equal} of {all} are equal");
    let page = report::page(&keys, &found, &explained);
    assert_eq!(
        page,
        report::read(),
        "docs/compatibility.md is not what was found: write it anew with DROVER_DIFFERENTIAL=write"
    );
}
