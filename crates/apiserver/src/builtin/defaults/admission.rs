use serde_json::{Value, json};

use super::{default, entry, items_mut, put};

/// `SetDefaults_ValidatingAdmissionPolicySpec` and what it holds.
pub(super) fn policy(policy: &mut Value) {
    let spec = entry(policy, "spec");
    default(spec, "failurePolicy", "Fail");
    if let Some(constraints) = spec.get_mut("matchConstraints").filter(|constraints| constraints.is_object()) {
        match_resources(constraints);
    }
}

/// Of a binding, what it matches.
pub(super) fn binding(binding: &mut Value) {
    let spec = entry(binding, "spec");
    if let Some(resources) = spec.get_mut("matchResources").filter(|resources| resources.is_object()) {
        match_resources(resources);
    }
}

fn match_resources(resources: &mut Value) {
    default(resources, "matchPolicy", "Equivalent");
    for selector in ["namespaceSelector", "objectSelector"] {
        if resources.get(selector).is_none_or(Value::is_null) {
            put(resources, selector, json!({}));
        }
    }
    for rules in ["resourceRules", "excludeResourceRules"] {
        for rule in items_mut(resources, rules) {
            default(rule, "scope", "*");
        }
    }
}
