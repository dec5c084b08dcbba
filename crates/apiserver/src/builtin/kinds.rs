use super::selectable::Fields;
use super::{Definition, Stored, Subresource};

const ALL: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const CREATE: &[&str] = &["create"];
const STATUS: &[&str] = &["get", "patch", "update"];

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const EXTENSIONS: &str = "apiextensions.k8s.io";

/// What most kinds have: namespaced, all verbs, nothing more.
const PLAIN: Definition = Definition {
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    singular: "",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL,
    subresources: &[],
    stored: None,
    selectable: Fields::Common,
    type_name: "",
    group_priority: 18000,
};

const REVIEW: Definition = Definition { namespaced: false, verbs: CREATE, ..PLAIN };

/// Kubernetes stores all of these as `v1`.
const fn stored(prefix: &'static str, group: &'static str, kind: &'static str) -> Stored {
    Stored { prefix, kind: (group, "v1", kind) }
}

/// All built-in kinds, by group.
pub static KINDS: &[Definition] = &[
    Definition {
        kind: "Namespace",
        plural: "namespaces",
        singular: "namespace",
        short_names: &["ns"],
        namespaced: false,
        // A namespace goes with all that is in it: none of them goes with others at once.
        verbs: &["create", "delete", "get", "list", "patch", "update", "watch"],
        subresources: &[
            Subresource {
                name: "finalize",
                verbs: &["update"],
                other: None,
                type_name: "io.k8s.api.core.v1.Namespace",
            },
            Subresource { name: "status", verbs: STATUS, other: None, type_name: "io.k8s.api.core.v1.Namespace" },
        ],
        stored: Some(stored("/namespaces", "", "Namespace")),
        selectable: Fields::These(&[("status.phase", "status.phase")]),
        type_name: "io.k8s.api.core.v1.Namespace",
        ..PLAIN
    },
    Definition {
        kind: "Secret",
        plural: "secrets",
        singular: "secret",
        stored: Some(stored("/secrets", "", "Secret")),
        selectable: Fields::These(&[("type", "type")]),
        type_name: "io.k8s.api.core.v1.Secret",
        ..PLAIN
    },
    Definition {
        kind: "ConfigMap",
        plural: "configmaps",
        singular: "configmap",
        short_names: &["cm"],
        stored: Some(stored("/configmaps", "", "ConfigMap")),
        type_name: "io.k8s.api.core.v1.ConfigMap",
        ..PLAIN
    },
    Definition {
        kind: "ServiceAccount",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short_names: &["sa"],
        subresources: &[Subresource {
            name: "token",
            verbs: CREATE,
            other: Some((AUTHENTICATION, "v1", "TokenRequest")),
            type_name: "io.k8s.api.authentication.v1.TokenRequest",
        }],
        stored: Some(stored("/serviceaccounts", "", "ServiceAccount")),
        type_name: "io.k8s.api.core.v1.ServiceAccount",
        ..PLAIN
    },
    Definition {
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        stored: Some(stored("/events", "", "Event")),
        selectable: Fields::These(&[
            ("involvedObject.kind", "involvedObject.kind"),
            ("involvedObject.namespace", "involvedObject.namespace"),
            ("involvedObject.name", "involvedObject.name"),
            ("involvedObject.uid", "involvedObject.uid"),
            ("involvedObject.apiVersion", "involvedObject.apiVersion"),
            ("involvedObject.resourceVersion", "involvedObject.resourceVersion"),
            ("involvedObject.fieldPath", "involvedObject.fieldPath"),
            ("reason", "reason"),
            ("reportingComponent", "reportingComponent"),
            ("source", "source"),
            ("type", "type"),
        ]),
        type_name: "io.k8s.api.core.v1.Event",
        ..PLAIN
    },
    Definition {
        group: "events.k8s.io",
        kind: "Event",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        stored: Some(stored("/events", "", "Event")),
        selectable: Fields::These(&[
            ("reason", "reason"),
            ("regarding.kind", "involvedObject.kind"),
            ("regarding.namespace", "involvedObject.namespace"),
            ("regarding.name", "involvedObject.name"),
            ("regarding.uid", "involvedObject.uid"),
            ("regarding.apiVersion", "involvedObject.apiVersion"),
            ("regarding.resourceVersion", "involvedObject.resourceVersion"),
            ("regarding.fieldPath", "involvedObject.fieldPath"),
            ("reportingController", "reportingComponent"),
            ("type", "type"),
        ]),
        type_name: "io.k8s.api.events.v1.Event",
        group_priority: 17750,
        ..PLAIN
    },
    Definition {
        group: AUTHENTICATION,
        kind: "TokenReview",
        plural: "tokenreviews",
        singular: "tokenreview",
        type_name: "io.k8s.api.authentication.v1.TokenReview",
        group_priority: 17700,
        ..REVIEW
    },
    Definition {
        group: AUTHENTICATION,
        kind: "SelfSubjectReview",
        plural: "selfsubjectreviews",
        singular: "selfsubjectreview",
        type_name: "io.k8s.api.authentication.v1.SelfSubjectReview",
        group_priority: 17700,
        ..REVIEW
    },
    Definition {
        group: AUTHORIZATION,
        kind: "SubjectAccessReview",
        plural: "subjectaccessreviews",
        singular: "subjectaccessreview",
        type_name: "io.k8s.api.authorization.v1.SubjectAccessReview",
        group_priority: 17600,
        ..REVIEW
    },
    Definition {
        group: AUTHORIZATION,
        kind: "SelfSubjectAccessReview",
        plural: "selfsubjectaccessreviews",
        singular: "selfsubjectaccessreview",
        type_name: "io.k8s.api.authorization.v1.SelfSubjectAccessReview",
        group_priority: 17600,
        ..REVIEW
    },
    Definition {
        group: AUTHORIZATION,
        kind: "LocalSubjectAccessReview",
        plural: "localsubjectaccessreviews",
        singular: "localsubjectaccessreview",
        namespaced: true,
        type_name: "io.k8s.api.authorization.v1.LocalSubjectAccessReview",
        group_priority: 17600,
        ..REVIEW
    },
    Definition {
        group: AUTHORIZATION,
        kind: "SelfSubjectRulesReview",
        plural: "selfsubjectrulesreviews",
        singular: "selfsubjectrulesreview",
        type_name: "io.k8s.api.authorization.v1.SelfSubjectRulesReview",
        group_priority: 17600,
        ..REVIEW
    },
    Definition {
        group: RBAC,
        kind: "ClusterRole",
        plural: "clusterroles",
        singular: "clusterrole",
        namespaced: false,
        stored: Some(stored("rbac.authorization.k8s.io/clusterroles", RBAC, "ClusterRole")),
        type_name: "io.k8s.api.rbac.v1.ClusterRole",
        group_priority: 17000,
        ..PLAIN
    },
    Definition {
        group: RBAC,
        kind: "ClusterRoleBinding",
        plural: "clusterrolebindings",
        singular: "clusterrolebinding",
        namespaced: false,
        stored: Some(stored("rbac.authorization.k8s.io/clusterrolebindings", RBAC, "ClusterRoleBinding")),
        type_name: "io.k8s.api.rbac.v1.ClusterRoleBinding",
        group_priority: 17000,
        ..PLAIN
    },
    Definition {
        group: RBAC,
        kind: "Role",
        plural: "roles",
        singular: "role",
        stored: Some(stored("rbac.authorization.k8s.io/roles", RBAC, "Role")),
        type_name: "io.k8s.api.rbac.v1.Role",
        group_priority: 17000,
        ..PLAIN
    },
    Definition {
        group: RBAC,
        kind: "RoleBinding",
        plural: "rolebindings",
        singular: "rolebinding",
        stored: Some(stored("rbac.authorization.k8s.io/rolebindings", RBAC, "RoleBinding")),
        type_name: "io.k8s.api.rbac.v1.RoleBinding",
        group_priority: 17000,
        ..PLAIN
    },
    Definition {
        group: ADMISSION,
        kind: "ValidatingAdmissionPolicy",
        plural: "validatingadmissionpolicies",
        singular: "validatingadmissionpolicy",
        categories: &["api-extensions"],
        namespaced: false,
        subresources: &[Subresource {
            name: "status",
            verbs: STATUS,
            other: None,
            type_name: "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
        }],
        stored: Some(stored(
            "admissionregistration.k8s.io/validatingadmissionpolicies",
            ADMISSION,
            "ValidatingAdmissionPolicy",
        )),
        type_name: "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
        group_priority: 16700,
        ..PLAIN
    },
    Definition {
        group: ADMISSION,
        kind: "ValidatingAdmissionPolicyBinding",
        plural: "validatingadmissionpolicybindings",
        singular: "validatingadmissionpolicybinding",
        categories: &["api-extensions"],
        namespaced: false,
        stored: Some(stored(
            "admissionregistration.k8s.io/validatingadmissionpolicybindings",
            ADMISSION,
            "ValidatingAdmissionPolicyBinding",
        )),
        type_name: "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
        group_priority: 16700,
        ..PLAIN
    },
    Definition {
        group: EXTENSIONS,
        kind: "CustomResourceDefinition",
        plural: "customresourcedefinitions",
        singular: "customresourcedefinition",
        short_names: &["crd", "crds"],
        categories: &["api-extensions"],
        namespaced: false,
        subresources: &[Subresource {
            name: "status",
            verbs: STATUS,
            other: None,
            type_name: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
        }],
        stored: Some(Stored {
            prefix: "apiextensions.k8s.io/customresourcedefinitions",
            kind: (EXTENSIONS, "v1beta1", "CustomResourceDefinition"),
        }),
        type_name: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
        group_priority: 16700,
        ..PLAIN
    },
    Definition {
        group: "coordination.k8s.io",
        kind: "Lease",
        plural: "leases",
        singular: "lease",
        stored: Some(stored("coordination.k8s.io/leases", "coordination.k8s.io", "Lease")),
        type_name: "io.k8s.api.coordination.v1.Lease",
        group_priority: 16500,
        ..PLAIN
    },
];
