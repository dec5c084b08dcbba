//! The rules of one role, found by resource.

use std::collections::HashMap;

use super::{Attributes, Rule};

/// The resource of a request as rules can name it, made once a request.
pub(super) struct Asked<'a> {
    attributes: &'a Attributes<'a>,
    combined: std::borrow::Cow<'a, str>,
    /// `*/log` for a subresource, else empty.
    any_with_subresource: String,
}

impl<'a> Asked<'a> {
    pub(super) fn new(attributes: &'a Attributes<'a>) -> Self {
        let any_with_subresource =
            if attributes.subresource.is_empty() { String::new() } else { format!("*/{}", attributes.subresource) };
        Self { attributes, combined: attributes.combined(), any_with_subresource }
    }
}

/// The rules of a Role or ClusterRole.
#[derive(Debug)]
pub(super) struct RuleIndex {
    rules: Box<[Rule]>,
    /// Rules by each resource they name, `*` left out.
    by_resource: HashMap<Box<str>, Vec<u32>>,
    /// Rules for all resources.
    for_all: Vec<u32>,
    /// Rules for paths.
    for_paths: Vec<u32>,
}

impl RuleIndex {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let mut index =
            Self { rules: rules.into(), by_resource: HashMap::new(), for_all: Vec::new(), for_paths: Vec::new() };
        for (at, rule) in (0u32..).zip(index.rules.iter()) {
            for resource in &rule.resources {
                let list = if resource == "*" {
                    &mut index.for_all
                } else {
                    index.by_resource.entry(resource.as_str().into()).or_default()
                };
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
            if !rule.non_resource_urls.is_empty() {
                index.for_paths.push(at);
            }
        }
        index
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether any rule allows it.
    pub(super) fn allows(&self, asked: &Asked<'_>) -> bool {
        let attributes = asked.attributes;
        if !attributes.is_resource {
            return self.any(&self.for_paths, |rule| rule.has_verb(attributes.verb) && rule.has_path(attributes.path));
        }
        let fits = |rule: &Rule| {
            rule.has_verb(attributes.verb) && rule.has_group(attributes.group) && rule.has_name(attributes.name)
        };
        let named = |resource: &str| self.by_resource.get(resource).is_some_and(|rules| self.any(rules, fits));
        self.any(&self.for_all, fits)
            || named(&asked.combined)
            || (!asked.any_with_subresource.is_empty() && named(&asked.any_with_subresource))
    }

    fn any(&self, list: &[u32], fits: impl Fn(&Rule) -> bool) -> bool {
        list.iter().filter_map(|at| self.rules.get(usize::try_from(*at).ok()?)).any(fits)
    }
}
