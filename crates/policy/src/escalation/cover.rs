//! Whether some rules give all that others give.

use std::collections::HashMap;

use crate::rules::{Rule, path_covers};

/// What of `wanted` the rules of the owner do not give, in rules of one verb and one resource or path each; nothing when they
/// give all.
///
/// As in Kubernetes each of these must be given by a single rule of the owner's: several rules with one name each do not make a
/// rule for all names, and no list of verbs makes `*`.
pub fn covers<'a>(owner: &(impl Iterator<Item = &'a Rule> + Clone), wanted: &[Rule]) -> Vec<Rule> {
    wanted.iter().flat_map(break_down).filter(|atom| !owner.clone().any(|rule| gives(rule, atom))).collect()
}

/// A rule in parts of one verb and one resource (and name) or path.
fn break_down(rule: &Rule) -> Vec<Rule> {
    let one = |text: &String| vec![text.clone()];
    let mut atoms = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let atom =
                    Rule { verbs: one(verb), api_groups: one(group), resources: one(resource), ..Rule::default() };
                if rule.resource_names.is_empty() {
                    atoms.push(atom);
                } else {
                    atoms.extend(
                        rule.resource_names.iter().map(|name| Rule { resource_names: one(name), ..atom.clone() }),
                    );
                }
            }
        }
    }
    for path in &rule.non_resource_urls {
        atoms.extend(rule.verbs.iter().map(|verb| Rule {
            verbs: one(verb),
            non_resource_urls: one(path),
            ..Rule::default()
        }));
    }
    atoms
}

fn gives(rule: &Rule, atom: &Rule) -> bool {
    let has = |list: &[String], wanted: &str| list.iter().any(|own| own == wanted);
    let all_of = |list: &[String], wanted: &[String]| has(list, "*") || wanted.iter().all(|wanted| has(list, wanted));
    all_of(&rule.verbs, &atom.verbs)
        && all_of(&rule.api_groups, &atom.api_groups)
        && atom.resources.iter().all(|wanted| {
            has(&rule.resources, "*")
                || has(&rule.resources, wanted)
                || wanted.split_once('/').is_some_and(|(_, subresource)| {
                    rule.resources.iter().any(|own| own.strip_prefix("*/") == Some(subresource))
                })
        })
        && (rule.resource_names.is_empty()
            || (!atom.resource_names.is_empty()
                && atom.resource_names.iter().all(|wanted| has(&rule.resource_names, wanted))))
        && atom.non_resource_urls.iter().all(|wanted| rule.non_resource_urls.iter().any(|own| path_covers(own, wanted)))
}

/// Joins the verbs of rules for the same single resource (and name); the others come first.
pub fn compact(rules: Vec<Rule>) -> Vec<Rule> {
    let mut joined: Vec<Rule> = Vec::new();
    let mut places: HashMap<(String, String, Option<String>), usize> = HashMap::new();
    let mut out = Vec::new();
    for rule in rules {
        let key = match (rule.api_groups.as_slice(), rule.resources.as_slice(), rule.resource_names.as_slice()) {
            ([group], [resource], []) => Some((group.clone(), resource.clone(), None)),
            ([group], [resource], [name]) => Some((group.clone(), resource.clone(), Some(name.clone()))),
            _ => None,
        };
        let Some(key) = key.filter(|_| rule.non_resource_urls.is_empty()) else {
            out.push(rule);
            continue;
        };
        if let Some(same) = places.get(&key).and_then(|at| joined.get_mut(*at)) {
            same.verbs.extend(rule.verbs);
        } else {
            places.insert(key, joined.len());
            joined.push(rule);
        }
    }
    out.extend(joined);
    out
}
