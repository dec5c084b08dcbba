//! Tables of `meta.k8s.io`: what kubectl shows of objects, with the columns of a kind.
//!
//! See `k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor` and `k8s.io/kubernetes/pkg/printers`.

mod age;
mod path;
mod text;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::negotiate::MetaVersion;
use crate::target::Query;
pub use age::{human_age, human_duration};
pub use path::{JsonPath, JsonPathError};

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const CREATION_TIMESTAMP: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// Go's zero time, as it prints it.
const ZERO: &str = "0001-01-01T00:00:00Z";

/// The columns of a kind, the name first.
#[derive(Clone, Debug, Default)]
pub struct Columns(Vec<Column>);

/// One column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: &'static str,
    /// An `OpenAPI` format; `name` for the one that holds the object's name.
    pub format: String,
    /// What it shows.
    pub description: String,
    /// 0 is always shown, more only where there is room.
    pub priority: i64,
    /// What stands in it.
    pub cell: Cell,
}

/// What stands in a column.
#[derive(Clone, Debug)]
pub enum Cell {
    /// The object's name.
    Name,
    /// What a path finds, in the form that the column's type asks for.
    Path(JsonPath),
    /// What a function of the object and the time tells.
    Function(fn(&Value, Timestamp) -> Value),
}

/// A column of a `CustomResourceDefinition`: `CustomResourceColumnDefinition` of `apiextensions.k8s.io/v1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields are those of CustomResourceColumnDefinition, documented there")]
pub struct PrinterColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub format: String,
    pub description: String,
    pub priority: i64,
    pub json_path: String,
}

impl Columns {
    /// Whether they are those of a kind that has none of its own.
    fn is_default(&self) -> bool {
        matches!(self.0.as_slice(), [_, created] if created.name == "Created At")
    }
}

impl Column {
    /// The object's name.
    pub fn name() -> Self {
        Self::new("Name", "string", NAME, Cell::Name).format("name")
    }

    /// The object's age.
    pub fn age() -> Self {
        Self::new("Age", "string", CREATION_TIMESTAMP, Cell::Function(|object, now| age_of(object, now).into()))
    }

    /// The time of the object's creation, as kinds without columns of their own show it.
    pub fn created_at() -> Self {
        let created =
            |object: &Value, _| object.pointer("/metadata/creationTimestamp").cloned().unwrap_or_else(|| ZERO.into());
        Self::new("Created At", "date", CREATION_TIMESTAMP, Cell::Function(created))
    }

    /// A column that is always shown.
    pub fn new(name: &str, kind: &'static str, description: &str, cell: Cell) -> Self {
        let (name, description) = (name.to_owned(), description.to_owned());
        Self { name, kind, format: String::new(), description, priority: 0, cell }
    }

    /// The same with a format.
    #[must_use]
    pub fn format(mut self, format: &str) -> Self {
        format.clone_into(&mut self.format);
        self
    }

    /// The same, shown only by `-o wide`.
    #[must_use]
    pub fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }

    fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format, "description": self.description,
            "priority": self.priority,
        })
    }

    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        match &self.cell {
            Cell::Name => object.pointer("/metadata/name").cloned().unwrap_or_else(|| "".into()),
            Cell::Function(function) => function(object, now),
            Cell::Path(path) => path.first(object).map_or(Value::Null, |found| typed(self.kind, found, now)),
        }
    }
}

impl Columns {
    /// The columns of a built-in kind.
    pub fn new(columns: Vec<Column>) -> Self {
        Self(columns)
    }

    /// The columns of a custom kind: the name and what its definition adds, or else the age. A path that cannot be read
    /// ends the list, as in Kubernetes.
    pub fn custom(added: &[PrinterColumn]) -> Self {
        let mut columns = vec![Column::name()];
        if added.is_empty() {
            let age = |object: &Value, now| match object.pointer("/metadata/creationTimestamp") {
                None => Value::Null,
                Some(created) => typed("date", created, now),
            };
            columns.push(Column::new("Age", "date", CREATION_TIMESTAMP, Cell::Function(age)));
        }
        for column in added {
            let Ok(path) = JsonPath::parse(&column.json_path) else { break };
            let description = if column.description.is_empty() {
                format!("Custom resource definition column (in JSONPath format): {}", column.json_path)
            } else {
                column.description.clone()
            };
            let kind = ["integer", "number", "boolean", "date"].into_iter().find(|kind| *kind == column.kind);
            columns.push(Column {
                name: column.name.clone(),
                kind: kind.unwrap_or("string"),
                format: column.format.clone(),
                description,
                priority: column.priority,
                cell: Cell::Path(path),
            });
        }
        Self(columns)
    }

    /// The columns, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Column> {
        self.0.iter()
    }
}

/// What of each object goes along with its row: the `includeObject` parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

/// The `includeObject` parameter has none of its values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Unable to convert to Table as requested: includeObject: Invalid value: {0:?}: must be 'Metadata', 'Object', 'None', or empty"
)]
pub struct IncludeError(String);

impl Include {
    /// Reads the parameter.
    pub fn read(query: Query<'_>) -> Result<Self, IncludeError> {
        match query.first("includeObject").as_deref() {
            None | Some("" | "Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(IncludeError(other.to_owned())),
        }
    }
}

/// How a table is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What goes along with each row.
    pub include: Include,
    /// Whether the columns are told; in a watch only with its first event.
    pub headers: bool,
    /// The version of the table.
    pub version: MetaVersion,
    /// The time that ages count to.
    pub now: Timestamp,
}

/// A `Table` of objects. `metadata` is the list's (`resourceVersion`, `continue`, `remainingItemCount`), or for one object
/// its `resourceVersion`. Objects are whole, with `apiVersion` and `kind`.
pub fn render(
    columns: &Columns,
    metadata: &Value,
    objects: impl IntoIterator<Item = Value>,
    options: &Options,
) -> Value {
    let rows: Vec<Value> = objects.into_iter().map(|object| row(columns, object, options)).collect();
    // What has no columns but its names is listed by another way in Kubernetes, which tells no rows as null.
    let rows = if rows.is_empty() && columns.is_default() { Value::Null } else { Value::Array(rows) };
    let definitions = if options.headers { columns.iter().map(Column::definition).collect() } else { Value::Null };
    json!({
        "kind": "Table", "apiVersion": options.version.api_version(), "metadata": metadata,
        "columnDefinitions": definitions, "rows": rows,
    })
}

/// One row of a table.
pub fn row(columns: &Columns, object: Value, options: &Options) -> Value {
    let cells: Vec<Value> = columns.iter().map(|column| column.cell(&object, options.now)).collect();
    let object = match options.include {
        Include::Object => object,
        Include::Metadata => partial_metadata(object, options.version),
        // The end of a watch's initial events is told by an annotation, which stays.
        Include::None if object.pointer("/metadata/annotations/k8s.io~1initial-events-end").is_some() => {
            partial_metadata(object, options.version)
        }
        Include::None => Value::Null,
    };
    json!({"cells": cells, "object": object})
}

/// The `PartialObjectMetadata` of an object.
pub fn partial_metadata(mut object: Value, version: MetaVersion) -> Value {
    let metadata = object.get_mut("metadata").map_or_else(|| Value::Object(Map::new()), Value::take);
    json!({"kind": "PartialObjectMetadata", "apiVersion": version.api_version(), "metadata": metadata})
}

/// How old an object is: `3d4h`; `<unknown>` without a creation time.
pub fn age_of(object: &Value, now: Timestamp) -> String {
    let created = object.pointer("/metadata/creationTimestamp").and_then(Value::as_str).unwrap_or_default();
    human_age(created, now)
}

/// What a path found, as a column's type shows it; null where it does not fit.
fn typed(kind: &str, found: &Value, now: Timestamp) -> Value {
    match kind {
        "string" => text::of(found).into(),
        "integer" => found.as_i64().or_else(|| found.as_f64().and_then(whole)).map_or(Value::Null, Value::from),
        "number" => found.as_f64().map_or(Value::Null, text::number),
        "boolean" => found.as_bool().map_or(Value::Null, Value::from),
        "date" => found.as_str().map_or(Value::Null, |time| human_age(time, now).into()),
        _ => Value::Null,
    }
}

/// A number without its fraction, as Go converts it.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it saturates, which no column shows")]
    number.is_finite().then_some(number as i64)
}
