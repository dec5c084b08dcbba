//! The policy's YAML file.

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{
    Decision, Policy, Stages,
    rule::{GroupResources, Path, Resource, Rule, Scope, Set},
};
use crate::telemetry::audit::{Level, Stage};

/// Why a policy is refused.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not YAML, an unknown field, a field of the wrong type.
    #[error("{file}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// What the parser says, with line and column.
        message: String,
    },
    /// Well-formed, but it makes no sense.
    #[error("{file}:{line}:{column}: {field}: {message}")]
    Value {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// The field, such as `rules[2].nonResourceURLs`.
        field: String,
        /// What was expected.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    api_version: Spanned<String>,
    kind: Spanned<String>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    #[serde(default)]
    omit_managed_fields: bool,
    rules: Vec<Spanned<RuleFile>>,
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

struct Refusal {
    field: &'static str,
    message: String,
}

pub(super) fn parse(text: &str, file: &str) -> Result<Policy, PolicyError> {
    let parsed: File = serde_saphyr::from_str(text)
        .map_err(|error| PolicyError::Syntax { file: file.to_owned(), message: error.without_snippet().to_string() })?;
    let refuse = |at: Location, field: String, message: String| PolicyError::Value {
        file: file.to_owned(),
        line: at.line(),
        column: at.column(),
        field,
        message,
    };
    let File { api_version, kind, metadata: Metadata { .. }, omit_stages, omit_managed_fields, rules } = parsed;
    for (field, value, expected) in [("apiVersion", api_version, "audit.k8s.io/v1"), ("kind", kind, "Policy")] {
        if value.value != expected {
            let message = format!("`{}` is not `{expected}`", value.value);
            return Err(refuse(value.referenced, field.to_owned(), message));
        }
    }
    let omit: Stages = omit_stages.into_iter().collect();
    let rules = rules.into_iter().enumerate().map(|(index, rule)| {
        let at = rule.referenced;
        compile(rule.value, omit, omit_managed_fields)
            .map_err(|Refusal { field, message }| refuse(at, format!("rules[{index}].{field}"), message))
    });
    Ok(Policy { rules: rules.collect::<Result<_, _>>()? })
}

fn compile(rule: RuleFile, omit: Stages, omit_managed_fields: bool) -> Result<Rule, Refusal> {
    let scope = if rule.non_resource_urls.is_empty() {
        if rule.resources.is_empty() && rule.namespaces.is_empty() {
            Scope::All
        } else {
            let resources = rule.resources.into_iter().map(group_resources).collect::<Result<_, _>>()?;
            Scope::Resources { namespaces: Set::new(rule.namespaces), resources }
        }
    } else {
        if !rule.resources.is_empty() || !rule.namespaces.is_empty() {
            let message = "a rule is about resources or about non-resource URLs, not about both".to_owned();
            return Err(Refusal { field: "nonResourceURLs", message });
        }
        Scope::Paths(rule.non_resource_urls.iter().map(|url| path(url)).collect::<Result<_, _>>()?)
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

fn path(url: &str) -> Result<Path, Refusal> {
    let refuse = |message| Err(Refusal { field: "nonResourceURLs", message });
    if url != "*" && !url.starts_with('/') {
        return refuse(format!("`{url}` does not begin with `/`"));
    }
    if url.strip_suffix('*').unwrap_or(url).contains('*') {
        return refuse(format!("`{url}` has a `*` that is not its last character"));
    }
    Ok(Path::new(url))
}

fn group_resources(file: GroupResourcesFile) -> Result<GroupResources, Refusal> {
    let group = file.group;
    if group.contains('/') || group.chars().any(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | '*')) {
        let message = format!("`{group}` is not the name of an API group: no version, lower case");
        return Err(Refusal { field: "resources.group", message });
    }
    if !file.resource_names.is_empty() && file.resources.is_empty() {
        let message = "names need at least one resource in `resources`".to_owned();
        return Err(Refusal { field: "resources.resourceNames", message });
    }
    Ok(GroupResources {
        group: group.into(),
        resources: file.resources.iter().map(|resource| Resource::new(resource)).collect(),
        names: Set::new(file.resource_names),
    })
}
