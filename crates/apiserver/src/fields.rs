//! Who owns which field: `metadata.managedFields` on every write, and server-side apply.

use std::sync::{Arc, LazyLock};

use apimachinery::{
    apply::{self, ApplyError, Context, FieldSet, Version, Versions},
    json,
    status::{Reason, Status},
};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::{
    builtin::{defaults, written},
    convert::Conversions,
    failure::Outcome,
    options::FieldValidation,
    registry::{Catalog, Resource, split_api_version},
    scope::{Part, Scope},
};

static NOTHING: LazyLock<FieldSet> = LazyLock::new(FieldSet::new);
static STATUS: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of(&[&["status"]]));
static ALL_BUT_STATUS: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of(&[&["metadata"], &["spec"]]));
static SPEC: LazyLock<FieldSet> = LazyLock::new(|| FieldSet::of(&[&["spec"]]));

/// The object with the fields that it changes owned by the scope's manager.
pub(crate) fn updated(scope: &Scope, live: Option<&Value>, new: Value) -> Value {
    with_context(scope, |context| apply::updated(live, new, context))
}

/// The object after an apply of what `body` says.
pub(crate) fn applied(scope: &Scope, live: Option<&Value>, body: &Bytes, force: bool) -> Outcome<Value> {
    let decoded = json::decode(body, json::ContentType::Yaml)
        .map_err(|wrong| Status::bad_request(format!("error decoding patch: {wrong}")))?;
    if !decoded.value.is_object() && !decoded.value.is_null() {
        return Err(Status::bad_request(format!(
            "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type \
             map[string]interface {{}}",
            json::go_kind(&decoded.value)
        ))
        .into());
    }
    let object =
        with_context(scope, |context| apply::applied(live, &decoded.value, force, context)).map_err(refusal)?;
    if !decoded.duplicates.is_empty() {
        let wrong = decoded.duplicates.join(", ");
        match scope.field_validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => {
                // Each line behind the first one tells of one.
                let lines = wrong.lines().skip(usize::from(wrong.starts_with("yaml: "))).map(str::trim_start);
                lines.for_each(|line| scope.warnings.add(line));
            }
            FieldValidation::Strict => {
                let why = format!("error strict decoding patch: error converting YAML to JSON: {wrong}");
                return Err(Status::bad_request(why).into());
            }
        }
    }
    Ok(object)
}

pub(crate) fn refusal(wrong: ApplyError) -> Box<Status> {
    match wrong {
        ApplyError::Conflicts(conflicts) => {
            let status = Status::new(StatusCode::CONFLICT, Reason::Conflict, conflicts.to_string());
            conflicts.causes().into_iter().fold(status, Status::caused_by)
        }
        ApplyError::BadRequest(message) => Status::bad_request(message),
        ApplyError::Failed(message) => Status::unknown(message),
    }
    .into()
}

fn with_context<T>(scope: &Scope, then: impl FnOnce(&Context<'_>) -> T) -> T {
    let resource = &*scope.resource;
    let empty = empty(resource);
    let versions = Others {
        catalog: scope.core.registry.catalog(),
        resource: Arc::clone(&scope.resource),
        part: scope.part,
        conversions: scope.conversions.clone(),
    };
    then(&Context {
        manager: &scope.manager,
        api_version: &resource.api_version(),
        kind: &resource.kind,
        subresource: scope.part.as_str(),
        now: jiff::Timestamp::now(),
        schema: resource.schema.as_deref(),
        reset: reset(resource, scope.part),
        empty: Some(&empty),
        versions: &versions,
    })
}

/// The fields that no write through this part changes.
fn reset(resource: &Resource, part: Part) -> &'static FieldSet {
    if let Some(definition) = resource.built_in() {
        return match defaults::reset_fields(definition, part.as_str()) {
            [] => &NOTHING,
            ["status"] => &STATUS,
            ["spec"] => &SPEC,
            _ => &ALL_BUT_STATUS,
        };
    }
    match part {
        Part::Whole if resource.subresources.status => &STATUS,
        Part::Status => &ALL_BUT_STATUS,
        Part::Whole | Part::Finalize | Part::Scale | Part::Token => &NOTHING,
    }
}

/// What an object looks like before anything is written to it: in built-in kinds `spec` and `status` are always there.
fn empty(resource: &Resource) -> Value {
    let mut empty = Map::new();
    empty.insert("apiVersion".to_owned(), resource.api_version().into());
    empty.insert("kind".to_owned(), resource.kind.clone().into());
    if let (Some(definition), Some(schema)) = (resource.built_in(), resource.schema.as_deref()) {
        let mut parts = vec!["spec", "status"];
        parts.retain(|part| schema.properties.get(*part).is_some_and(|part| part.kind == "object"));
        empty.extend(written::empty(definition, &parts));
    }
    Value::Object(empty)
}

/// The other versions of a resource.
struct Others {
    catalog: Arc<Catalog>,
    resource: Arc<Resource>,
    part: Part,
    conversions: Conversions,
}

impl Versions for Others {
    fn version(&self, api_version: &str) -> Option<Version<'_>> {
        let (group, version) = split_api_version(api_version);
        let other = self.catalog.find(group, version, &self.resource.plural)?;
        Some(Version { schema: other.schema.as_deref(), reset: reset(other, self.part) })
    }

    fn convert(&self, object: &Value, api_version: &str) -> Result<Value, String> {
        if self.resource.conversion.is_some() && crate::object::text(object, "apiVersion") != api_version {
            return self.conversions.get(object, api_version);
        }
        let mut converted = object.clone();
        if let Some(fields) = converted.as_object_mut() {
            fields.insert("apiVersion".to_owned(), api_version.into());
        }
        Ok(converted)
    }
}
