//! `metadata.managedFields`: who owns which fields of an object. `apimachinery/pkg/util/managedfields/internal/managedfields.go`.

use std::str::FromStr as _;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::set::FieldSet;

/// How an owner came by its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One owner of fields: a `ManagedFieldsEntry` of `meta/v1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Managed {
    /// The field manager.
    pub manager: String,
    /// How it came by them.
    pub operation: Operation,
    /// The version of the kind that the fields are named in.
    pub api_version: String,
    /// When it last changed; whole seconds.
    pub time: Option<Timestamp>,
    /// The subresource that the write went to; empty for the object itself.
    pub subresource: String,
    /// What it owns.
    pub fields: FieldSet,
}

/// Why `managedFields` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ManagedError(String);

impl Managed {
    /// Reads the owners of an object.
    ///
    /// # Errors
    /// An entry that is not well-formed.
    pub fn of(object: &Value) -> Result<Vec<Self>, ManagedError> {
        Ok(Owners::of(object)?.0.into_iter().map(|owner| owner.entry).collect())
    }
}

/// The list under `metadata.managedFields`. An object with something else there has none.
pub(super) fn managed_fields(object: &Value) -> Option<&Vec<Value>> {
    object.get("metadata")?.get("managedFields")?.as_array()
}

/// Takes `metadata.managedFields` out of an object.
pub(super) fn take_managed_fields(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")
}

/// The owners of an object while a request works on them.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners(pub(super) Vec<Owner>);

/// An owner, and its `fieldsV1` as they were as long as nothing changes them.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) entry: Managed,
    encoded: Option<Value>,
}

/// What tells owners apart: all but fields and time, and for appliers the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl Owner {
    pub(super) fn new(identity: &Identity, api_version: &str, time: Option<Timestamp>, fields: FieldSet) -> Self {
        let entry = Managed {
            manager: identity.manager.clone(),
            operation: identity.operation,
            api_version: api_version.to_owned(),
            time,
            subresource: identity.subresource.clone(),
            fields,
        };
        Self { entry, encoded: None }
    }

    pub(super) fn is(&self, identity: &Identity) -> bool {
        let entry = &self.entry;
        entry.manager == identity.manager
            && entry.operation == identity.operation
            && entry.subresource == identity.subresource
            && (entry.operation == Operation::Apply || entry.api_version == identity.api_version)
    }

    pub(super) fn identity(&self) -> Identity {
        let entry = &self.entry;
        Identity {
            manager: entry.manager.clone(),
            operation: entry.operation,
            api_version: match entry.operation {
                Operation::Apply => String::new(),
                Operation::Update => entry.api_version.clone(),
            },
            subresource: entry.subresource.clone(),
        }
    }

    pub(super) fn set_fields(&mut self, fields: FieldSet) {
        if fields != self.entry.fields {
            self.entry.fields = fields;
            self.encoded = None;
        }
    }

    fn seconds(&self) -> i64 {
        self.entry.time.map_or(0, Timestamp::as_second)
    }

    fn encode(self) -> Value {
        let Managed { manager, operation, api_version, time, subresource, fields } = self.entry;
        let mut entry = Map::new();
        entry.insert("apiVersion".to_owned(), api_version.into());
        entry.insert("fieldsType".to_owned(), "FieldsV1".into());
        entry.insert("fieldsV1".to_owned(), self.encoded.unwrap_or_else(|| fields.to_fields_v1()));
        if !manager.is_empty() {
            entry.insert("manager".to_owned(), manager.into());
        }
        entry.insert("operation".to_owned(), operation.name().into());
        if !subresource.is_empty() {
            entry.insert("subresource".to_owned(), subresource.into());
        }
        if let Some(time) = time {
            entry.insert("time".to_owned(), whole_seconds(time).to_string().into());
        }
        Value::Object(entry)
    }
}

impl Identity {
    /// The JSON that Kubernetes has as an owner's name; it orders owners where nothing else does.
    pub(super) fn text(&self) -> String {
        let mut entry = Vec::new();
        for (name, value) in [
            ("manager", self.manager.as_str()),
            ("operation", self.operation.name()),
            ("apiVersion", &self.api_version),
            ("subresource", &self.subresource),
        ] {
            if !value.is_empty() {
                entry.push(format!("\"{name}\":{}", super::scalar::encoded(&Value::from(value))));
            }
        }
        format!("{{{}}}", entry.join(","))
    }

    /// As conflicts name it: `"kubectl" with subresource "scale" using apps/v1`.
    pub(super) fn printed(&self) -> String {
        let subresource = match self.subresource.as_str() {
            "" => String::new(),
            subresource => format!(" with subresource {subresource:?}"),
        };
        let version = match self.operation {
            Operation::Apply => String::new(),
            Operation::Update => format!(" using {}", self.api_version),
        };
        format!("{:?}{subresource}{version}", self.manager)
    }
}

impl Owners {
    /// The owners of an object.
    pub(super) fn of(object: &Value) -> Result<Self, ManagedError> {
        Self::decode(managed_fields(object).cloned().unwrap_or_default())
    }

    /// Reads `managedFields`; none are no owners.
    pub(super) fn decode(mut entries: Vec<Value>) -> Result<Self, ManagedError> {
        if entries.iter().any(|entry| Raw::read(entry).is_none()) {
            // Kubernetes takes a list with an entry that is no `ManagedFieldsEntry` for no list at all.
            return Ok(Self::default());
        }
        let mut owners = Self(Vec::with_capacity(entries.len()));
        for (index, entry) in entries.iter_mut().enumerate() {
            let encoded = entry.get_mut("fieldsV1").map(Value::take).filter(|fields| !fields.is_null());
            let Some(raw) = Raw::read(entry) else { continue };
            let entry = raw.decode(index, encoded.as_ref())?;
            let owner = Owner { entry, encoded };
            let identity = owner.identity();
            match owners.find_mut(&identity) {
                // The last one of a name counts.
                Some(existing) => *existing = owner,
                None => owners.0.push(owner),
            }
        }
        Ok(owners)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, identity: &Identity) -> Option<&Owner> {
        self.0.iter().find(|owner| owner.is(identity))
    }

    pub(super) fn find_mut(&mut self, identity: &Identity) -> Option<&mut Owner> {
        self.0.iter_mut().find(|owner| owner.is(identity))
    }

    pub(super) fn remove(&mut self, identity: &Identity) -> Option<Owner> {
        let index = self.0.iter().position(|owner| owner.is(identity))?;
        Some(self.0.swap_remove(index))
    }

    /// Adds an owner in the place of one of the same name.
    pub(super) fn put(&mut self, owner: Owner) {
        self.remove(&owner.identity());
        self.0.push(owner);
    }

    /// Writes the owners into the object, in Kubernetes' order; without any the field goes.
    pub(super) fn write(mut self, object: &mut Value) {
        take_managed_fields(object);
        if self.0.is_empty() {
            return;
        }
        self.0.sort_by(|left, right| {
            let (one, two) = (&left.entry, &right.entry);
            one.operation
                .cmp(&two.operation)
                .then_with(|| left.seconds().cmp(&right.seconds()))
                .then_with(|| one.manager.cmp(&two.manager))
                .then_with(|| one.api_version.cmp(&two.api_version))
                .then_with(|| one.subresource.cmp(&two.subresource))
        });
        let entries = self.0.into_iter().map(Owner::encode).collect();
        let Value::Object(object) = object else { return };
        let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if metadata.is_null() {
            *metadata = Value::Object(Map::new());
        }
        if let Value::Object(metadata) = metadata {
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }

    /// Joins the oldest updaters of each version to one until there are at most `most` of them.
    pub(super) fn cap_updaters(&mut self, most: usize) {
        let mut updaters: Vec<Identity> = Vec::new();
        for owner in self.0.iter().filter(|owner| owner.entry.operation == Operation::Update) {
            updaters.push(owner.identity());
        }
        let mut count = updaters.len();
        if count <= most {
            return;
        }
        updaters.sort_by_cached_key(|identity| (self.find(identity).map_or(0, Owner::seconds), identity.text()));
        let mut first_of: Vec<Identity> = Vec::new();
        for identity in updaters {
            if count <= most {
                return;
            }
            let Some(first) = first_of.iter().find(|first| first.api_version == identity.api_version) else {
                first_of.push(identity);
                continue;
            };
            let bucket = Identity {
                manager: "ancient-changes".to_owned(),
                operation: Operation::Update,
                api_version: identity.api_version.clone(),
                subresource: String::new(),
            };
            let Some(joined) = self.remove(&identity) else { continue };
            let Some(base) = self.remove(&bucket).or_else(|| self.remove(first)) else {
                self.0.push(joined);
                continue;
            };
            let fields = joined.entry.fields.union(&base.entry.fields);
            self.put(Owner::new(&bucket, &identity.api_version, joined.entry.time, fields));
            count -= 1;
        }
    }
}

/// An entry as it stands in JSON.
struct Raw<'v> {
    manager: &'v str,
    operation: &'v str,
    api_version: &'v str,
    time: Option<Timestamp>,
    fields_type: &'v str,
    has_fields: bool,
    subresource: &'v str,
}

impl<'v> Raw<'v> {
    /// None where a field is of another type.
    fn read(entry: &'v Value) -> Option<Self> {
        let entry = entry.as_object()?;
        let text = |name: &str| match entry.get(name) {
            None | Some(Value::Null) => Some(""),
            Some(Value::String(text)) => Some(text.as_str()),
            Some(_) => None,
        };
        let time = match text("time")? {
            "" => None,
            time => Some(whole_seconds(Timestamp::from_str(time).ok()?)),
        };
        Some(Self {
            manager: text("manager")?,
            operation: text("operation")?,
            api_version: text("apiVersion")?,
            time,
            fields_type: text("fieldsType")?,
            has_fields: entry.get("fieldsV1").is_some_and(|fields| !fields.is_null()),
            subresource: text("subresource")?,
        })
    }

    fn decode(self, index: usize, fields: Option<&Value>) -> Result<Managed, ManagedError> {
        let operation = match self.operation {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err(ManagedError("operation must be `Apply` or `Update`".to_owned())),
        };
        if self.api_version.is_empty() {
            return Err(ManagedError("apiVersion must not be empty".to_owned()));
        }
        match self.fields_type {
            "FieldsV1" => {}
            "" => return Err(ManagedError(format!("missing fieldsType in managed fields entry {index}"))),
            other => {
                return Err(ManagedError(format!("invalid fieldsType {other:?} in managed fields entry {index}")));
            }
        }
        let fields = fields.map_or_else(|| Ok(FieldSet::new()), FieldSet::from_fields_v1).map_err(|error| {
            ManagedError(format!("error decoding versioned set of manager {:?}: {error}", self.manager))
        })?;
        Ok(Managed {
            manager: self.manager.to_owned(),
            operation,
            api_version: self.api_version.to_owned(),
            time: self.time,
            subresource: self.subresource.to_owned(),
            fields,
        })
    }

    fn is_default(&self) -> bool {
        self.manager.is_empty()
            && self.operation.is_empty()
            && self.api_version.is_empty()
            && self.time.is_none()
            && self.fields_type.is_empty()
            && !self.has_fields
            && self.subresource.is_empty()
    }
}

/// Whether a request asks for all owners to be forgotten: an empty list, or one empty entry.
pub(super) fn is_reset(entries: Option<&Vec<Value>>) -> bool {
    match entries.map(Vec::as_slice) {
        Some([]) => true,
        Some([only]) => Raw::read(only).is_some_and(|entry| entry.is_default()),
        _ => false,
    }
}

/// A time as `metav1.Time` keeps it.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
