//! `OpenAPI` documents of what is served, as pure functions of the list of kinds: version 3 for each group and version, version 2
//! as one, also in the protobuf form that client-go asks for.
//!
//! See `k8s.io/kube-openapi`, `k8s.io/apiserver/pkg/endpoints/installer.go`, and for custom kinds
//! `k8s.io/apiextensions-apiserver/pkg/controller/openapi`.

mod custom;
mod gnostic;
mod operations;
mod schemas;
mod v2;
mod v3;

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha512};

use crate::discovery::Resource;
use crate::schema::Schema;

pub use custom::{custom_schema, custom_type_name};
pub use gnostic::{encode as to_protobuf, encode_version3 as v3_to_protobuf};
pub use v2::v2;
pub use v3::{Known, v3, v3_index};

/// The media type of the version 2 document in protobuf, as clients ask for it.
pub const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// The `Content-Type` that it is answered with: `@` may not stand in one.
pub const V2_PROTOBUF_ANSWER: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// The media type of a version 3 document in protobuf, as clients ask for it.
pub const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3@v1.0+protobuf";
/// The `Content-Type` that it is answered with.
pub const V3_PROTOBUF_ANSWER: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

const DEFINITIONS: &str = "#/definitions/";

/// A kind that documents tell of.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its resource.
    pub resource: Resource,
    /// The kind of its lists.
    pub list_kind: String,
    /// The name of its type: `io.k8s.api.core.v1.Secret`.
    pub type_name: String,
    /// The names of the types that subresources take and give, where these are not its own.
    pub subresource_types: Vec<(String, String)>,
    /// The fields of a custom kind that objects can be selected by, such as `spec.color`.
    pub selectable: Vec<String>,
}

/// Finds a type by its name. A type refers to others by `#/definitions/` and their names.
pub type Types<'a> = dyn Fn(&str) -> Option<&'a Schema> + 'a;

/// A document and the hash that tells it from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The path behind `/openapi/v3/`: `api/v1`, `apis/apps/v1`. Empty for version 2.
    pub path: String,
    /// The document in JSON.
    pub bytes: Vec<u8>,
    /// Its hash, also its `ETag` when in quotes.
    pub hash: String,
}

impl Document {
    fn new(path: String, document: &Value) -> Self {
        let bytes = document.to_string().into_bytes();
        let mut hash = String::with_capacity(128);
        for byte in Sha512::digest(&bytes) {
            // INVARIANT: writing to a String never fails.
            let _ = write!(hash, "{byte:02X}");
        }
        Self { path, bytes, hash }
    }

    /// Where it is found, with its hash: what is found there never changes.
    pub fn url(&self) -> String {
        format!("/openapi/v3/{}?hash={}", self.path, self.hash)
    }
}

impl Kind {
    fn gvk(&self) -> Value {
        gvk(&self.resource.group, &self.resource.version, &self.resource.kind)
    }

    /// The name of the type of its lists.
    fn list_type(&self) -> String {
        let package = self.type_name.rsplit_once('.').map_or("", |(package, _)| package);
        format!("{package}.{}", self.list_kind)
    }

    /// The schema of its lists, with references.
    fn list_schema(&self) -> Value {
        let described = |text: &str, mut schema: Value| {
            set(&mut schema, "description", text.into());
            schema
        };
        json!({
            "description": format!("{} is a list of {}", self.list_kind, self.resource.kind),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": described(custom::API_VERSION, json!({"type": "string"})),
                "kind": described(custom::KIND, json!({"type": "string"})),
                "metadata": described(
                    custom::LIST_METADATA,
                    json!({"$ref": format!("{DEFINITIONS}io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta")}),
                ),
                "items": {
                    "description": format!(
                        "List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
                        self.resource.plural,
                    ),
                    "type": "array",
                    "items": {"$ref": format!("{DEFINITIONS}{}", self.type_name)},
                },
            },
        })
    }
}

fn gvk(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

/// Sets a field of a document.
fn set(document: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = document {
        fields.insert(name.to_owned(), value);
    }
}

fn info(version: &str) -> Value {
    json!({"title": "Kubernetes", "version": version})
}

fn security_scheme() -> Map<String, Value> {
    let scheme = json!({
        "BearerToken": {
            "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header",
        },
    });
    match scheme {
        Value::Object(scheme) => scheme,
        _ => Map::new(),
    }
}
