//! The policy's YAML file.

use std::path::Path;

use serde::Deserialize;

use super::{
    Decision, Policy, Stages,
    rule::{GroupResources, Resource, Rule, Scope, Set, UrlPath},
};
use crate::{
    config::{
        Problem, Problems,
        yaml::{self, Document},
    },
    telemetry::audit::{Level, Stage},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    api_version: String,
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    #[serde(default)]
    omit_managed_fields: bool,
    rules: Vec<RuleFile>,
}

/// The name is allowed, as in any object, and means nothing.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    #[serde(default, rename = "name")]
    _name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RuleFile {
    level: Level,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    user_groups: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    resources: Vec<GroupResourcesFile>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    #[serde(default)]
    omit_managed_fields: Option<bool>,
    #[serde(default)]
    clusters: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupResourcesFile {
    #[serde(default)]
    group: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

/// What is wrong with a rule: the field below it, and what was expected.
struct Refusal {
    field: String,
    message: String,
}

pub(super) fn parse(text: &str, file: &Path) -> Result<Policy, Problems> {
    let (documents, faults) = yaml::read(text);
    let mut problems = Problems::default();
    for fault in faults {
        problems.push(Problem::fault(file, fault));
    }
    let mut documents = documents.iter();
    let empty = Document::empty();
    let document = documents.next().unwrap_or(&empty);
    if let Some(second) = documents.next() {
        problems.push(Problem::field(file, second, "", "a second document; a policy has one"));
    }
    let parsed: File = match yaml::decode(document) {
        Ok(parsed) => parsed,
        Err(faults) => {
            for fault in faults {
                problems.push(Problem::fault(file, fault));
            }
            return Err(problems.sorted());
        }
    };
    let File { api_version, kind, metadata: Metadata { .. }, omit_stages, omit_managed_fields, rules } = parsed;
    for (field, found, expected) in [("apiVersion", api_version, "audit.k8s.io/v1"), ("kind", kind, "Policy")] {
        if found != expected {
            let message = format!("expected `{expected}`, found `{found}`");
            problems.push(Problem::field(file, document, field, message));
        }
    }
    let omit: Stages = omit_stages.into_iter().collect();
    let mut compiled = Vec::with_capacity(rules.len());
    for (index, rule) in rules.into_iter().enumerate() {
        match compile(rule, omit, omit_managed_fields) {
            Ok(rule) => compiled.push(rule),
            Err(Refusal { field, message }) => {
                problems.push(Problem::field(file, document, format!("rules[{index}].{field}"), message));
            }
        }
    }
    problems.or(Policy { rules: compiled })
}

fn compile(rule: RuleFile, omit: Stages, omit_managed_fields: bool) -> Result<Rule, Refusal> {
    let scope = if rule.non_resource_urls.is_empty() {
        if rule.resources.is_empty() && rule.namespaces.is_empty() {
            Scope::All
        } else {
            let resources = rule.resources.into_iter().enumerate().map(group_resources).collect::<Result<_, _>>()?;
            Scope::Resources { namespaces: Set::new(rule.namespaces), resources }
        }
    } else {
        if !rule.resources.is_empty() || !rule.namespaces.is_empty() {
            let message = "a rule is about resources or about non-resource URLs, not about both".to_owned();
            return Err(Refusal { field: "nonResourceURLs".to_owned(), message });
        }
        Scope::Paths(rule.non_resource_urls.iter().enumerate().map(path).collect::<Result<_, _>>()?)
    };
    Ok(Rule {
        decision: Decision {
            level: rule.level,
            omit: omit.union(rule.omit_stages.into_iter().collect()),
            omit_managed_fields: rule.omit_managed_fields.unwrap_or(omit_managed_fields),
        },
        clusters: Set::new(rule.clusters),
        users: Set::new(rule.users),
        groups: Set::new(rule.user_groups),
        verbs: Set::new(rule.verbs),
        scope,
    })
}

fn path((index, url): (usize, &String)) -> Result<UrlPath, Refusal> {
    let refuse = |message| Err(Refusal { field: format!("nonResourceURLs[{index}]"), message });
    if url != "*" && !url.starts_with('/') {
        return refuse(format!("`{url}` does not begin with `/`"));
    }
    if url.strip_suffix('*').unwrap_or(url).contains('*') {
        return refuse(format!("`{url}` has a `*` that is not its last character"));
    }
    Ok(UrlPath::new(url))
}

fn group_resources((index, file): (usize, GroupResourcesFile)) -> Result<GroupResources, Refusal> {
    let group = file.group;
    if group.contains('/') || group.chars().any(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | '*')) {
        let message = format!("`{group}` is not the name of an API group: no version, lower case");
        return Err(Refusal { field: format!("resources[{index}].group"), message });
    }
    if !file.resource_names.is_empty() && file.resources.is_empty() {
        let message = "names need at least one resource in `resources`".to_owned();
        return Err(Refusal { field: format!("resources[{index}].resourceNames"), message });
    }
    Ok(GroupResources {
        group: group.into(),
        resources: file.resources.iter().map(|resource| Resource::new(resource)).collect(),
        names: Set::new(file.resource_names),
    })
}
