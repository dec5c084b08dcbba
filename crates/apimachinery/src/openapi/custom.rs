use crate::schema::{Schema, SchemaOrArray, SchemaOrBool};

pub(super) const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
pub(super) const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
pub(super) const LIST_METADATA: &str = "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const EMBEDDED_API_VERSION: &str = "apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const EMBEDDED_KIND: &str = "kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// The name of a custom kind's type: `com.example.v1.Widget`.
pub fn custom_type_name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

/// The type of a custom kind as documents tell it: its schema, with what each object has. Without a schema it is any object.
pub fn custom_schema(schema: Option<&Schema>) -> Schema {
    let Some(schema) = schema else {
        return Schema { kind: "object".to_owned(), ..Schema::default() };
    };
    let mut schema = schema.clone();
    complete(&mut schema);
    type_meta(&mut schema, API_VERSION, KIND);
    schema
}

fn type_meta(schema: &mut Schema, api_version: &str, kind: &str) {
    let text = |description: &str| Schema {
        kind: "string".to_owned(),
        description: description.to_owned(),
        ..Schema::default()
    };
    schema.properties.insert("apiVersion".to_owned(), text(api_version));
    schema.properties.insert("kind".to_owned(), text(kind));
    let metadata = Schema {
        reference: Some("#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta".to_owned()),
        description: METADATA.to_owned(),
        ..Schema::default()
    };
    schema.properties.insert("metadata".to_owned(), metadata);
}

/// Says what the extensions of Kubernetes mean.
fn complete(schema: &mut Schema) {
    schema.properties.values_mut().for_each(complete);
    if let Some(SchemaOrArray::Schema(item)) = &mut schema.items {
        complete(item);
    }
    if let Some(SchemaOrBool::Schema(value)) = &mut schema.additional_properties {
        complete(value);
    }
    if schema.int_or_string && schema.any_of.is_empty() && schema.all_of.is_empty() {
        let of = |kind: &str| Schema { kind: kind.to_owned(), ..Schema::default() };
        schema.any_of = vec![of("integer"), of("string")];
    }
    if schema.embedded_resource {
        type_meta(schema, EMBEDDED_API_VERSION, EMBEDDED_KIND);
        for field in ["kind", "apiVersion"] {
            if !schema.required.iter().any(|required| required == field) {
                schema.required.push(field.to_owned());
            }
        }
    }
}
