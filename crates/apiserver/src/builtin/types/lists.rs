//! List types, map keys and patch strategies, which `k8s-openapi` does not carry: from the comments of Kubernetes' types
//! (`+listType`, `+listMapKey`, `+mapType`, `patchStrategy`, `patchMergeKey`). A test compares them with Kubernetes' own
//! `OpenAPI` document.

use std::collections::BTreeMap;

use apimachinery::schema::Schema;

/// What stands before each name here.
const ROOT: &str = "io.k8s.";

/// Types that apply and patches take as a whole.
const ATOMIC_TYPES: &[&str] = &[
    "api.admissionregistration.v1.MatchResources",
    "api.admissionregistration.v1.NamedRuleWithOperations",
    "api.admissionregistration.v1.ParamKind",
    "api.admissionregistration.v1.ParamRef",
    "api.admissionregistration.v1.Variable",
    "api.core.v1.LocalObjectReference",
    "api.core.v1.ObjectReference",
    "api.rbac.v1.RoleRef",
    "api.rbac.v1.Subject",
    "apimachinery.pkg.apis.meta.v1.LabelSelector",
    "apimachinery.pkg.apis.meta.v1.OwnerReference",
];

/// Lists that apply takes as a whole.
const ATOMIC_LISTS: &[(&str, &[&str])] = &[
    ("api.admissionregistration.v1.MatchResources", &["excludeResourceRules", "resourceRules"]),
    (
        "api.admissionregistration.v1.NamedRuleWithOperations",
        &["apiGroups", "apiVersions", "operations", "resourceNames", "resources"],
    ),
    ("api.admissionregistration.v1.TypeChecking", &["expressionWarnings"]),
    ("api.admissionregistration.v1.ValidatingAdmissionPolicySpec", &["auditAnnotations", "validations"]),
    ("api.authentication.v1.TokenRequestSpec", &["audiences"]),
    ("api.authentication.v1.TokenReviewSpec", &["audiences"]),
    ("api.authentication.v1.TokenReviewStatus", &["audiences"]),
    ("api.authentication.v1.UserInfo", &["groups"]),
    ("api.authorization.v1.FieldSelectorAttributes", &["requirements"]),
    ("api.authorization.v1.LabelSelectorAttributes", &["requirements"]),
    ("api.authorization.v1.NonResourceRule", &["nonResourceURLs", "verbs"]),
    ("api.authorization.v1.ResourceRule", &["apiGroups", "resourceNames", "resources", "verbs"]),
    ("api.authorization.v1.SubjectAccessReviewSpec", &["groups"]),
    ("api.authorization.v1.SubjectRulesReviewStatus", &["nonResourceRules", "resourceRules"]),
    ("api.core.v1.NamespaceSpec", &["finalizers"]),
    ("api.core.v1.ServiceAccount", &["imagePullSecrets"]),
    ("api.rbac.v1.AggregationRule", &["clusterRoleSelectors"]),
    ("api.rbac.v1.ClusterRole", &["rules"]),
    ("api.rbac.v1.ClusterRoleBinding", &["subjects"]),
    ("api.rbac.v1.PolicyRule", &["apiGroups", "nonResourceURLs", "resourceNames", "resources", "verbs"]),
    ("api.rbac.v1.Role", &["rules"]),
    ("api.rbac.v1.RoleBinding", &["subjects"]),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionNames", &["categories", "shortNames"]),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec", &["versions"]),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus", &["storedVersions"]),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion",
        &["additionalPrinterColumns", "selectableFields"],
    ),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
        &["allOf", "anyOf", "enum", "oneOf", "required", "x-kubernetes-list-map-keys"],
    ),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookConversion", &["conversionReviewVersions"]),
    ("apimachinery.pkg.apis.meta.v1.APIGroup", &["serverAddressByClientCIDRs", "versions"]),
    ("apimachinery.pkg.apis.meta.v1.APIGroupList", &["groups"]),
    ("apimachinery.pkg.apis.meta.v1.APIResource", &["categories", "shortNames"]),
    ("apimachinery.pkg.apis.meta.v1.APIResourceList", &["resources"]),
    ("apimachinery.pkg.apis.meta.v1.APIVersions", &["serverAddressByClientCIDRs", "versions"]),
    ("apimachinery.pkg.apis.meta.v1.DeleteOptions", &["dryRun"]),
    ("apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement", &["values"]),
    ("apimachinery.pkg.apis.meta.v1.LabelSelector", &["matchExpressions"]),
    ("apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement", &["values"]),
    ("apimachinery.pkg.apis.meta.v1.ObjectMeta", &["managedFields"]),
    ("apimachinery.pkg.apis.meta.v1.StatusDetails", &["causes"]),
];

/// A list of a type that is merged.
struct Merged {
    of: &'static str,
    field: &'static str,
    list: &'static str,
    key: Option<&'static str>,
    /// Whether strategic merge also merges it.
    patch: bool,
}

const MERGED_LISTS: &[Merged] = &[
    Merged {
        of: "api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec",
        field: "validationActions",
        list: "set",
        key: None,
        patch: false,
    },
    Merged {
        of: "api.admissionregistration.v1.ValidatingAdmissionPolicySpec",
        field: "matchConditions",
        list: "map",
        key: Some("name"),
        patch: true,
    },
    Merged {
        of: "api.admissionregistration.v1.ValidatingAdmissionPolicySpec",
        field: "variables",
        list: "map",
        key: Some("name"),
        patch: true,
    },
    Merged {
        of: "api.admissionregistration.v1.ValidatingAdmissionPolicyStatus",
        field: "conditions",
        list: "map",
        key: Some("type"),
        patch: false,
    },
    Merged { of: "api.core.v1.NamespaceStatus", field: "conditions", list: "map", key: Some("type"), patch: true },
    Merged { of: "api.core.v1.ServiceAccount", field: "secrets", list: "map", key: Some("name"), patch: true },
    Merged {
        of: "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus",
        field: "conditions",
        list: "map",
        key: Some("type"),
        patch: false,
    },
    Merged {
        of: "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
        field: "x-kubernetes-validations",
        list: "map",
        key: Some("rule"),
        patch: true,
    },
    Merged { of: "apimachinery.pkg.apis.meta.v1.ObjectMeta", field: "finalizers", list: "set", key: None, patch: true },
    Merged {
        of: "apimachinery.pkg.apis.meta.v1.ObjectMeta",
        field: "ownerReferences",
        list: "map",
        key: Some("uid"),
        patch: true,
    },
];

/// Puts all of these into the types.
pub(super) fn annotate(types: &mut BTreeMap<String, Schema>) {
    for name in ATOMIC_TYPES {
        if let Some(schema) = types.get_mut(&format!("{ROOT}{name}")) {
            schema.map_type = Some("atomic".to_owned());
        }
    }
    for (name, fields) in ATOMIC_LISTS {
        for field in *fields {
            if let Some(schema) = field_of(types, name, field) {
                schema.list_type = Some("atomic".to_owned());
            }
        }
    }
    for Merged { of, field, list, key, patch } in MERGED_LISTS {
        let Some(schema) = field_of(types, of, field) else { continue };
        schema.list_type = Some((*list).to_owned());
        schema.list_map_keys = key.iter().map(ToString::to_string).collect();
        if *patch {
            schema.patch_strategy = Some("merge".to_owned());
            schema.patch_merge_key = key.map(str::to_owned);
        }
    }
}

fn field_of<'a>(types: &'a mut BTreeMap<String, Schema>, name: &str, field: &str) -> Option<&'a mut Schema> {
    types.get_mut(&format!("{ROOT}{name}"))?.properties.get_mut(field)
}
