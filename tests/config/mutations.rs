//! Whatever stands in the files, reading them ends with values or with problems.

use std::{fs, path::Path};

use drover::config::{
    self,
    kubeconfig::{Origin, connection},
    manifests,
};
use proptest::prelude::*;

use crate::examples;

/// A text with some bytes replaced, cut out or doubled.
fn mutated(text: &str, changes: &[(usize, usize, String)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, length, with) in changes {
        let start = at % (text.len() + 1);
        let end = (start + length).min(text.len());
        text.splice(start..end, with.chars());
    }
    text.into_iter().collect()
}

fn changes() -> impl Strategy<Value = Vec<(usize, usize, String)>> {
    let with = prop_oneof![
        Just(String::new()),
        Just("\n".to_owned()),
        Just("  ".to_owned()),
        Just(": ".to_owned()),
        Just("- ".to_owned()),
        Just("{[".to_owned()),
        Just("---\n".to_owned()),
        Just("99999999999999999999".to_owned()),
        ".{0,8}",
    ];
    prop::collection::vec((0_usize..10_000, 0_usize..12, with), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_mutated_server_file_never_panics(changes in changes()) {
        let text = fs::read_to_string(examples().join("drover.yaml")).unwrap();
        let _ = config::parse(&mutated(&text, &changes), Path::new("drover.yaml"), Path::new("/"));
    }

    #[test]
    fn mutated_manifests_never_panic_and_are_taken_whole_or_not_at_all(changes in changes()) {
        let text = fs::read_to_string(examples().join("manifests/example.yaml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yaml"), mutated(&text, &changes)).unwrap();
        if let Err(problems) = manifests::load(folder.path()) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn a_mutated_kubeconfig_never_panics(changes in changes()) {
        let text = "clusters: [{name: a, cluster: {server: 'https://a:1'}}]\nusers: [{name: a, user: {token: b}}]\n\
                    contexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\n";
        let _ = connection(&mutated(text, &changes), None, Origin::Inline);
    }

    #[test]
    fn any_text_at_all_never_panics(text in "\\PC{0,200}") {
        let _ = config::parse(&text, Path::new("drover.yaml"), Path::new("/"));
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for text in ["[".repeat(100_000), "a:\n ".repeat(2000), "{a: ".repeat(50_000), "- ".repeat(100_000)] {
        assert!(config::parse(&text, Path::new("drover.yaml"), Path::new("/")).is_err());
    }
}
