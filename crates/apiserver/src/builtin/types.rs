//! The types of built-in kinds by the names that `OpenAPI` documents have, from `k8s-openapi`.

mod enums;
mod lists;

use std::collections::BTreeMap;

use apimachinery::schema::{Schema, SchemaOrArray, SchemaOrBool};
use k8s_openapi::api::{
    admissionregistration, authentication, authorization, autoscaling, coordination, core, events, rbac,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta;
use k8s_openapi::apimachinery::pkg::{runtime, version};
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// What stands before a type's name in a reference.
pub const DEFINITIONS: &str = "#/definitions/";

/// Where the types of `apiextensions.k8s.io/v1` are.
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";

/// The types that built-in kinds consist of, and those of discovery, lists, options and failures. A type refers to another
/// one by [`DEFINITIONS`] and its name.
#[derive(Clone, Debug)]
pub struct Types(BTreeMap<String, Schema>);

impl Types {
    /// The types of Kubernetes 1.37.
    pub fn new() -> Self {
        let settings = SchemaSettings::draft07().with(|settings| settings.definitions_path = "/definitions".into());
        let mut generator = settings.into_generator();
        macro_rules! with {
            ($($kind:ty),* $(,)?) => { $(generator.subschema_for::<$kind>();)* };
        }
        with!(
            core::v1::Namespace,
            core::v1::Secret,
            core::v1::ConfigMap,
            core::v1::ServiceAccount,
            core::v1::Event,
            events::v1::Event,
            coordination::v1::Lease,
            rbac::v1::ClusterRole,
            rbac::v1::ClusterRoleBinding,
            rbac::v1::Role,
            rbac::v1::RoleBinding,
            admissionregistration::v1::ValidatingAdmissionPolicy,
            admissionregistration::v1::ValidatingAdmissionPolicyBinding,
            apiextensions::v1::CustomResourceDefinition,
            authentication::v1::TokenRequest,
            authentication::v1::TokenReview,
            authentication::v1::SelfSubjectReview,
            authorization::v1::SubjectAccessReview,
            authorization::v1::SelfSubjectAccessReview,
            authorization::v1::LocalSubjectAccessReview,
            authorization::v1::SelfSubjectRulesReview,
            autoscaling::v1::Scale,
            meta::v1::Status,
            meta::v1::DeleteOptions,
            meta::v1::ListMeta,
            meta::v1::ObjectMeta,
            meta::v1::APIGroup,
            meta::v1::APIGroupList,
            meta::v1::APIResourceList,
            meta::v1::APIVersions,
            meta::v1::Patch,
            runtime::RawExtension,
            version::Info,
        );
        let mut types: BTreeMap<String, Schema> =
            generator.take_definitions(false).into_iter().map(|(name, definition)| (name, read(definition))).collect();
        types.insert("io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent".to_owned(), watch_event());
        for (name, schema) in &mut types {
            adjust(name, schema);
        }
        lists::annotate(&mut types);
        enums::annotate(&mut types);
        Self(types)
    }

    /// A type by its name.
    pub fn get(&self, name: &str) -> Option<&Schema> {
        self.0.get(name)
    }

    /// All types by their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Schema)> {
        self.0.iter().map(|(name, schema)| (name.as_str(), schema))
    }

    /// The description of a type's field.
    pub fn describe(&self, name: &str, field: &str) -> &str {
        self.get(name).and_then(|schema| schema.properties.get(field)).map_or("", |schema| &schema.description)
    }

    /// A type with all that it refers to in its place. Where a type holds itself, as schemas do in a
    /// `CustomResourceDefinition`, the inner one is open.
    pub fn inline(&self, name: &str) -> Schema {
        self.expand(name, &mut Vec::new())
    }

    fn expand(&self, name: &str, within: &mut Vec<String>) -> Schema {
        let found = self.get(name).filter(|_| !within.iter().any(|outer| outer == name));
        let Some(found) = found else {
            return Schema { preserve_unknown_fields: Some(true), ..Schema::default() };
        };
        within.push(name.to_owned());
        let mut schema = found.clone();
        self.replace(&mut schema, within);
        within.pop();
        schema
    }

    fn replace(&self, schema: &mut Schema, within: &mut Vec<String>) {
        if let Some(name) = schema.reference.take() {
            let mut target = self.expand(name.strip_prefix(DEFINITIONS).unwrap_or(&name), within);
            if !schema.description.is_empty() {
                target.description = std::mem::take(&mut schema.description);
            }
            *schema = target;
            return;
        }
        each_child(schema, &mut |child| self.replace(child, within));
        let is_open = schema.properties.is_empty() && schema.additional_properties.is_none();
        if is_open && matches!(&*schema.kind, "" | "object") {
            schema.preserve_unknown_fields = Some(true);
        }
    }
}

impl Default for Types {
    fn default() -> Self {
        Self::new()
    }
}

/// A definition of `k8s-openapi` as a schema.
fn read(definition: Value) -> Schema {
    // INVARIANT: the schemas of k8s-openapi have no more than JSONSchemaProps; a test reads them all.
    serde_json::from_value(definition).unwrap_or_default()
}

fn watch_event() -> Schema {
    read(serde_json::json!({
        "description": "Event represents a single event to a watched resource.",
        "type": "object",
        "required": ["type", "object"],
        "properties": {
            "type": {"type": "string"},
            "object": {
                "description": "Object is:\n * If Type is Added or Modified: the new state of the object.\n * If Type is Deleted: the state of the object immediately before deletion.\n * If Type is Error: *Status is recommended; other types may make sense\n   depending on context.",
                "$ref": "#/definitions/io.k8s.apimachinery.pkg.runtime.RawExtension",
            },
        },
    }))
}

/// Where `k8s-openapi` says something else than Kubernetes does.
fn adjust(name: &str, schema: &mut Schema) {
    match name {
        "io.k8s.api.core.v1.Event" => {}
        "io.k8s.api.events.v1.Event" => schema.required = vec!["eventTime".to_owned()],
        "io.k8s.api.core.v1.LocalObjectReference" => schema.required.clear(),
        // The types of Rust always have metadata; in JSON it may be left out.
        _ => schema.required.retain(|field| field != "metadata"),
    }
    // These are any JSON.
    let any = ["JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"];
    if name.strip_prefix(EXTENSIONS).is_some_and(|name| any.contains(&name)) {
        *schema = Schema { description: std::mem::take(&mut schema.description), ..Schema::default() };
    }
}

/// Calls `visit` with each schema directly below.
fn each_child(schema: &mut Schema, visit: &mut impl FnMut(&mut Schema)) {
    schema.properties.values_mut().for_each(&mut *visit);
    match &mut schema.items {
        Some(SchemaOrArray::Schema(item)) => visit(item),
        Some(SchemaOrArray::Array(items)) => items.iter_mut().for_each(&mut *visit),
        None => {}
    }
    if let Some(SchemaOrBool::Schema(value)) = &mut schema.additional_properties {
        visit(value);
    }
}
