//! The numbers of the fields in protobuf messages, from the `generated.proto` files of Kubernetes.
//!
//! `*` stands before a field that Go has a pointer for: its zero value says something. `=` stands before a message whose fields
//! are the outer message's own in JSON.

/// What stands before each name here.
pub(super) const ROOT: &str = "io.k8s.";

/// A type's name, and its fields with their numbers. In the order of names.
pub(super) const FIELDS: &[(&str, &str)] = &[
    ("api.admissionregistration.v1.AuditAnnotation", "1 key 2 valueExpression"),
    ("api.admissionregistration.v1.ExpressionWarning", "2 fieldRef 3 warning"),
    ("api.admissionregistration.v1.MatchCondition", "1 name 2 expression"),
    (
        "api.admissionregistration.v1.MatchResources",
        "1 namespaceSelector 2 objectSelector 3 resourceRules 4 excludeResourceRules 7 *matchPolicy",
    ),
    (
        "api.admissionregistration.v1.NamedRuleWithOperations",
        "1 resourceNames 2 =api.admissionregistration.v1.RuleWithOperations",
    ),
    ("api.admissionregistration.v1.ParamKind", "1 apiVersion 2 kind"),
    ("api.admissionregistration.v1.ParamRef", "1 name 2 namespace 3 selector 4 *parameterNotFoundAction"),
    ("api.admissionregistration.v1.Rule", "1 apiGroups 2 apiVersions 3 resources 4 *scope"),
    ("api.admissionregistration.v1.RuleWithOperations", "1 operations 2 =api.admissionregistration.v1.Rule"),
    ("api.admissionregistration.v1.TypeChecking", "1 expressionWarnings"),
    ("api.admissionregistration.v1.ValidatingAdmissionPolicy", "1 metadata 2 spec 3 status"),
    ("api.admissionregistration.v1.ValidatingAdmissionPolicyBinding", "1 metadata 2 spec"),
    (
        "api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec",
        "1 policyName 2 paramRef 3 matchResources 4 validationActions",
    ),
    (
        "api.admissionregistration.v1.ValidatingAdmissionPolicySpec",
        "1 paramKind 2 matchConstraints 3 validations 4 *failurePolicy 5 auditAnnotations 6 matchConditions 7 variables",
    ),
    (
        "api.admissionregistration.v1.ValidatingAdmissionPolicyStatus",
        "1 observedGeneration 2 typeChecking 3 conditions",
    ),
    ("api.admissionregistration.v1.Validation", "1 expression 2 message 3 *reason 4 messageExpression"),
    ("api.admissionregistration.v1.Variable", "1 name 2 expression"),
    ("api.authentication.v1.BoundObjectReference", "1 kind 2 apiVersion 3 name 4 uid"),
    ("api.authentication.v1.SelfSubjectReview", "1 metadata 2 status"),
    ("api.authentication.v1.SelfSubjectReviewStatus", "1 userInfo"),
    ("api.authentication.v1.TokenRequest", "1 metadata 2 spec 3 status"),
    ("api.authentication.v1.TokenRequestSpec", "1 audiences 3 boundObjectRef 4 *expirationSeconds 5 attestations"),
    ("api.authentication.v1.TokenRequestStatus", "1 token 2 expirationTimestamp"),
    ("api.authentication.v1.TokenReview", "1 metadata 2 spec 3 status"),
    ("api.authentication.v1.TokenReviewSpec", "1 token 2 audiences"),
    ("api.authentication.v1.TokenReviewStatus", "1 authenticated 2 user 3 error 4 audiences"),
    ("api.authentication.v1.UserInfo", "1 username 2 uid 3 groups 4 extra"),
    ("api.authorization.v1.FieldSelectorAttributes", "1 rawSelector 2 requirements"),
    ("api.authorization.v1.LabelSelectorAttributes", "1 rawSelector 2 requirements"),
    ("api.authorization.v1.LocalSubjectAccessReview", "1 metadata 2 spec 3 status"),
    ("api.authorization.v1.NonResourceAttributes", "1 path 2 verb"),
    ("api.authorization.v1.NonResourceRule", "1 verbs 2 nonResourceURLs"),
    (
        "api.authorization.v1.ResourceAttributes",
        "1 namespace 2 verb 3 group 4 version 5 resource 6 subresource 7 name 8 fieldSelector 9 labelSelector",
    ),
    ("api.authorization.v1.ResourceRule", "1 verbs 2 apiGroups 3 resources 4 resourceNames"),
    ("api.authorization.v1.SelfSubjectAccessReview", "1 metadata 2 spec 3 status"),
    ("api.authorization.v1.SelfSubjectAccessReviewSpec", "1 resourceAttributes 2 nonResourceAttributes"),
    ("api.authorization.v1.SelfSubjectRulesReview", "1 metadata 2 spec 3 status"),
    ("api.authorization.v1.SelfSubjectRulesReviewSpec", "1 namespace"),
    ("api.authorization.v1.SubjectAccessReview", "1 metadata 2 spec 3 status"),
    (
        "api.authorization.v1.SubjectAccessReviewSpec",
        "1 resourceAttributes 2 nonResourceAttributes 3 user 4 groups 5 extra 6 uid",
    ),
    ("api.authorization.v1.SubjectAccessReviewStatus", "1 allowed 2 reason 3 evaluationError 4 denied"),
    (
        "api.authorization.v1.SubjectRulesReviewStatus",
        "1 resourceRules 2 nonResourceRules 3 incomplete 4 evaluationError",
    ),
    ("api.autoscaling.v1.Scale", "1 metadata 2 spec 3 status"),
    ("api.autoscaling.v1.ScaleSpec", "1 replicas"),
    ("api.autoscaling.v1.ScaleStatus", "1 replicas 2 selector"),
    ("api.coordination.v1.Lease", "1 metadata 2 spec"),
    (
        "api.coordination.v1.LeaseSpec",
        "1 *holderIdentity 2 *leaseDurationSeconds 3 acquireTime 4 renewTime 5 *leaseTransitions 6 *strategy 7 *preferredHolder",
    ),
    ("api.core.v1.ConfigMap", "1 metadata 2 data 3 binaryData 4 *immutable"),
    (
        "api.core.v1.Event",
        "1 metadata 2 involvedObject 3 reason 4 message 5 source 6 firstTimestamp 7 lastTimestamp 8 count 9 type 10 eventTime 11 series 12 action 13 related 14 reportingComponent 15 reportingInstance",
    ),
    ("api.core.v1.EventSeries", "1 count 2 lastObservedTime"),
    ("api.core.v1.EventSource", "1 component 2 host"),
    ("api.core.v1.LocalObjectReference", "1 name"),
    ("api.core.v1.Namespace", "1 metadata 2 spec 3 status"),
    ("api.core.v1.NamespaceCondition", "1 type 2 status 4 lastTransitionTime 5 reason 6 message"),
    ("api.core.v1.NamespaceSpec", "1 finalizers"),
    ("api.core.v1.NamespaceStatus", "1 phase 2 conditions"),
    ("api.core.v1.ObjectReference", "1 kind 2 namespace 3 name 4 uid 5 apiVersion 6 resourceVersion 7 fieldPath"),
    ("api.core.v1.Secret", "1 metadata 2 data 3 type 4 stringData 5 *immutable"),
    ("api.core.v1.ServiceAccount", "1 metadata 2 secrets 3 imagePullSecrets 4 *automountServiceAccountToken"),
    (
        "api.events.v1.Event",
        "1 metadata 2 eventTime 3 series 4 reportingController 5 reportingInstance 6 action 7 reason 8 regarding 9 related 10 note 11 type 12 deprecatedSource 13 deprecatedFirstTimestamp 14 deprecatedLastTimestamp 15 deprecatedCount",
    ),
    ("api.events.v1.EventSeries", "1 count 2 lastObservedTime"),
    ("api.rbac.v1.AggregationRule", "1 clusterRoleSelectors"),
    ("api.rbac.v1.ClusterRole", "1 metadata 2 rules 3 aggregationRule"),
    ("api.rbac.v1.ClusterRoleBinding", "1 metadata 2 subjects 3 roleRef"),
    ("api.rbac.v1.PolicyRule", "1 verbs 2 apiGroups 3 resources 4 resourceNames 5 nonResourceURLs"),
    ("api.rbac.v1.Role", "1 metadata 2 rules"),
    ("api.rbac.v1.RoleBinding", "1 metadata 2 subjects 3 roleRef"),
    ("api.rbac.v1.RoleRef", "1 apiGroup 2 kind 3 name"),
    ("api.rbac.v1.Subject", "1 kind 2 apiGroup 3 name 4 namespace"),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceColumnDefinition",
        "1 name 2 type 3 format 4 description 5 priority 6 jsonPath",
    ),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceConversion", "1 strategy 2 webhook"),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition", "1 metadata 2 spec 3 status"),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionCondition",
        "1 type 2 status 3 lastTransitionTime 4 reason 5 message 6 observedGeneration",
    ),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionNames",
        "1 plural 2 singular 3 shortNames 4 kind 5 listKind 6 categories",
    ),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec",
        "1 group 3 names 4 scope 7 versions 9 conversion 10 preserveUnknownFields",
    ),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus",
        "1 conditions 2 acceptedNames 3 storedVersions 4 observedGeneration",
    ),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion",
        "1 name 2 served 3 storage 4 schema 5 subresources 6 additionalPrinterColumns 7 deprecated 8 *deprecationWarning 9 selectableFields",
    ),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceScale",
        "1 specReplicasPath 2 statusReplicasPath 3 *labelSelectorPath",
    ),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceStatus", ""),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresources", "1 status 2 scale"),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceValidation", "1 openAPIV3Schema"),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.ExternalDocumentation", "1 description 2 url"),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
        "1 id 2 $schema 3 *$ref 4 description 5 type 6 format 7 title 8 default 9 *maximum 10 exclusiveMaximum 11 *minimum 12 exclusiveMinimum 13 *maxLength 14 *minLength 15 pattern 16 *maxItems 17 *minItems 18 uniqueItems 19 *multipleOf 20 enum 21 *maxProperties 22 *minProperties 23 required 24 items 25 allOf 26 oneOf 27 anyOf 28 not 29 properties 30 additionalProperties 31 patternProperties 32 dependencies 33 additionalItems 34 definitions 35 externalDocs 36 example 37 nullable 38 *x-kubernetes-preserve-unknown-fields 39 x-kubernetes-embedded-resource 40 x-kubernetes-int-or-string 41 x-kubernetes-list-map-keys 42 *x-kubernetes-list-type 43 *x-kubernetes-map-type 44 x-kubernetes-validations",
    ),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.SelectableField", "1 jsonPath"),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference", "1 namespace 2 name 3 *path 4 *port"),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule",
        "1 rule 2 message 3 messageExpression 4 *reason 5 fieldPath 6 *optionalOldSelf",
    ),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookClientConfig", "1 service 2 caBundle 3 *url"),
    (
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookConversion",
        "2 clientConfig 3 conversionReviewVersions",
    ),
    (
        "apimachinery.pkg.apis.meta.v1.Condition",
        "1 type 2 status 3 observedGeneration 4 lastTransitionTime 5 reason 6 message",
    ),
    (
        "apimachinery.pkg.apis.meta.v1.DeleteOptions",
        "1 *gracePeriodSeconds 2 preconditions 3 *orphanDependents 4 *propagationPolicy 5 dryRun 6 *ignoreStoreReadErrorWithClusterBreakingPotential",
    ),
    ("apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement", "1 key 2 operator 3 values"),
    ("apimachinery.pkg.apis.meta.v1.LabelSelector", "1 matchLabels 2 matchExpressions"),
    ("apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement", "1 key 2 operator 3 values"),
    (
        "apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry",
        "1 manager 2 operation 3 apiVersion 4 time 6 fieldsType 7 fieldsV1 8 subresource",
    ),
    (
        "apimachinery.pkg.apis.meta.v1.ObjectMeta",
        "1 name 2 generateName 3 namespace 4 selfLink 5 uid 6 resourceVersion 7 generation 8 creationTimestamp 9 deletionTimestamp 10 *deletionGracePeriodSeconds 11 labels 12 annotations 13 ownerReferences 14 finalizers 17 managedFields",
    ),
    (
        "apimachinery.pkg.apis.meta.v1.OwnerReference",
        "1 kind 3 name 4 uid 5 apiVersion 6 *controller 7 *blockOwnerDeletion",
    ),
    ("apimachinery.pkg.apis.meta.v1.Preconditions", "1 *uid 2 *resourceVersion"),
];
