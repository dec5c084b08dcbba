//! Texts of which there are only some, which `k8s-openapi` does not carry: the types marked `+enum` in Kubernetes, and what it says of
//! each value.

use std::collections::BTreeMap;

use apimachinery::schema::{Schema, SchemaOrArray};

/// A field of a type, and the values that it may have with what they mean.
type Enum = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const ENUMS: &[Enum] = &[
    (
        "io.k8s.api.core.v1.NamespaceStatus",
        "phase",
        &[
            ("Active", "means the namespace is available for use in the system"),
            ("Terminating", "means the namespace is undergoing graceful termination"),
        ],
    ),
    (
        "io.k8s.api.admissionregistration.v1.MatchResources",
        "matchPolicy",
        &[
            (
                "Equivalent",
                "means requests should be sent to the webhook if they modify a resource listed in rules via another API group or version.",
            ),
            ("Exact", "means requests should only be sent to the webhook if they exactly match a given rule."),
        ],
    ),
    (
        "io.k8s.api.admissionregistration.v1.NamedRuleWithOperations",
        "operations",
        &[("*", ""), ("CONNECT", ""), ("CREATE", ""), ("DELETE", ""), ("UPDATE", "")],
    ),
    (
        "io.k8s.api.admissionregistration.v1.NamedRuleWithOperations",
        "scope",
        &[
            ("*", "means that all scopes are included."),
            ("Cluster", "means that scope is limited to cluster-scoped objects. Namespace objects are cluster-scoped."),
            ("Namespaced", "means that scope is limited to namespaced objects."),
        ],
    ),
    (
        "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec",
        "validationActions",
        &[("Audit", ""), ("Deny", ""), ("Warn", "")],
    ),
    (
        "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicySpec",
        "failurePolicy",
        &[
            ("Fail", "means that an error calling the webhook causes the admission to fail."),
            ("Ignore", "means that an error calling the webhook is ignored."),
        ],
    ),
    (
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule",
        "reason",
        &[
            ("FieldValueDuplicate", "is used to report collisions of values that must be unique (e.g. unique IDs)."),
            (
                "FieldValueForbidden",
                "is used to report valid (as per formatting rules) values which would be accepted under some conditions, but which are \
                 not permitted by the current conditions (such as security policy).",
            ),
            (
                "FieldValueInvalid",
                "is used to report malformed values (e.g. failed regex match, too long, out of bounds).",
            ),
            (
                "FieldValueRequired",
                "is used to report required values that are not provided (e.g. empty strings, null values, or empty arrays).",
            ),
        ],
    ),
];

/// Puts all of these into the types. Of a list it is the items that have the values, and nothing is said of them.
pub(super) fn annotate(types: &mut BTreeMap<String, Schema>) {
    for (name, field, values) in ENUMS {
        let Some(schema) = types.get_mut(*name).and_then(|schema| schema.properties.get_mut(*field)) else { continue };
        let enumeration = values.iter().map(|(value, _)| (*value).into()).collect();
        if let Some(SchemaOrArray::Schema(items)) = &mut schema.items {
            items.enumeration = enumeration;
            continue;
        }
        schema.enumeration = enumeration;
        let lines: Vec<String> = values.iter().map(|(value, means)| format!(" - `\"{value}\"` {means}")).collect();
        schema.description = format!("{}\n\nPossible enum values:\n{}", schema.description, lines.join("\n"));
    }
}
