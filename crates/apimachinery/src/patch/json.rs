//! JSON patch (RFC 6902) as `evanphx/json-patch` v4 applies it, which bends the RFC in some places: `replace` of a field that is not
//! there adds it, negative indices count from the end, a path need not start with `/`, `copy` of a missing field copies null.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{PatchError, json_type};

/// The most operations of one patch: `maxJSONPatchOperations`.
pub const MAX_OPERATIONS: usize = 10_000;

/// The most bytes that the `copy` operations of one patch may add: `JSONPatchMaxCopyBytes`.
pub const MAX_COPIED_BYTES: u64 = 3 * 1024 * 1024;

/// How deep an object may be nested after a patch: what the decoder of stored objects reads. (Go's reads 10,000.)
pub const MAX_DEPTH: usize = 128;

/// Applies a JSON patch.
///
/// # Errors
/// A patch that is not well-formed or does not fit the object.
pub fn json_patch(document: &Value, patch: &[u8]) -> Result<Value, PatchError> {
    JsonPatch::parse(patch)?.apply(document)
}

/// A decoded JSON patch.
#[derive(Clone, Debug)]
pub struct JsonPatch {
    operations: Vec<Map<String, Value>>,
    unknown: Vec<String>,
}

impl JsonPatch {
    /// Decodes a patch.
    ///
    /// # Errors
    /// Text that is not JSON, not a list of operations, or has too many of them.
    pub fn parse(patch: &[u8]) -> Result<Self, PatchError> {
        let patch: Value =
            serde_json::from_slice(patch).map_err(|_| PatchError::Malformed("invalid JSON patch".to_owned()))?;
        let items = match patch {
            Value::Null => Vec::new(),
            Value::Array(items) => items,
            other => return Err(mismatch(&other, "Go value of type []handlers.jsonPatchOp")),
        };
        let mut operations = Vec::with_capacity(items.len());
        let mut unknown = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let operation = match item {
                Value::Null => Map::new(),
                Value::Object(fields) => fields,
                other => return Err(mismatch(&other, "Go value of type handlers.jsonPatchOp")),
            };
            for (name, value) in &operation {
                match (name.as_str(), value) {
                    ("op" | "path" | "from", Value::Null | Value::String(_)) | ("value", _) => {}
                    ("op" | "path" | "from", other) => {
                        return Err(mismatch(other, &format!("Go struct field jsonPatchOp.{name} of type string")));
                    }
                    _ => unknown.push(format!("[{index}].{name}")),
                }
            }
            operations.push(operation);
        }
        if operations.len() > MAX_OPERATIONS {
            return Err(PatchError::TooManyOperations(operations.len()));
        }
        Ok(Self { operations, unknown })
    }

    /// The paths of fields that no operation has, such as `[0].foo`. Strict and warning field validation name them as
    /// `json patch unknown field "[0].foo"`.
    pub fn unknown_fields(&self) -> &[String] {
        &self.unknown
    }

    /// Applies the patch.
    ///
    /// # Errors
    /// [`PatchError::Rejected`] at the first operation that fails.
    pub fn apply(&self, document: &Value) -> Result<Value, PatchError> {
        let mut state = State { document: document.clone(), copied: 0 };
        for operation in &self.operations {
            state.step(&Operation(operation)).map_err(PatchError::Rejected)?;
        }
        Ok(state.document)
    }
}

fn mismatch(value: &Value, wanted: &str) -> PatchError {
    PatchError::Malformed(format!("error decoding patch: json: cannot unmarshal {} into {wanted}", json_type(value)))
}

struct Operation<'a>(&'a Map<String, Value>);

impl<'a> Operation<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn path(&self, kind: &str) -> Result<&'a str, String> {
        self.text("path").ok_or_else(|| match kind {
            "add" | "remove" | "copy" => format!("{kind} operation failed to decode path: missing value"),
            _ => format!("{kind} operation failed to decode path: operation missing path field: missing value"),
        })
    }

    fn from(&self, kind: &str) -> Result<&'a str, String> {
        self.text("from").ok_or_else(|| {
            format!("{kind} operation failed to decode from: operation, missing from field: missing value")
        })
    }

    fn value(&self) -> &'a Value {
        self.0.get("value").unwrap_or(&Value::Null)
    }
}

struct State {
    document: Value,
    copied: u64,
}

impl State {
    fn step(&mut self, operation: &Operation<'_>) -> Result<(), String> {
        match operation.text("op").unwrap_or("unknown") {
            "add" => self.add(operation),
            "remove" => self.remove(operation),
            "replace" => self.replace(operation),
            "move" => self.relocate(operation),
            "test" => self.test(operation),
            "copy" => self.copy(operation),
            other => Err(format!("Unexpected kind: {other}")),
        }
    }

    fn add(&mut self, operation: &Operation<'_>) -> Result<(), String> {
        let path = operation.path("add")?;
        let Some(mut place) = find(&mut self.document, path) else {
            return Err(format!("add operation does not apply: doc is missing path: \"{path}\": missing value"));
        };
        place.add(operation.value().clone()).map_err(|why| format!("error in add for path: '{path}': {why}"))
    }

    fn remove(&mut self, operation: &Operation<'_>) -> Result<(), String> {
        let path = operation.path("remove")?;
        let Some(mut place) = find(&mut self.document, path) else {
            return Err(format!("remove operation does not apply: doc is missing path: \"{path}\": missing value"));
        };
        place.remove().map(drop).map_err(|why| format!("error in remove for path: '{path}': {why}"))
    }

    fn replace(&mut self, operation: &Operation<'_>) -> Result<(), String> {
        let path = operation.path("replace")?;
        let value = operation.value();
        if path.is_empty() {
            if !value.is_object() && !value.is_array() {
                return Err("replace operation value must be object or array: %!w(<nil>)".to_owned());
            }
            self.document = value.clone();
            return Ok(());
        }
        let Some(mut place) = find(&mut self.document, path) else {
            return Err(format!("replace operation does not apply: doc is missing path: {path}: missing value"));
        };
        if place.get().is_err() {
            return Err(format!("replace operation does not apply: doc is missing key: {path}: missing value"));
        }
        place.set(value.clone()).map_err(|why| format!("error in remove for path: '{path}': {why}"))
    }

    fn relocate(&mut self, operation: &Operation<'_>) -> Result<(), String> {
        let from = operation.from("move")?;
        let Some(mut place) = find(&mut self.document, from) else {
            return Err(format!("move operation does not apply: doc is missing from path: {from}: missing value"));
        };
        let failed = |key: &str, why: String| format!("error in move for path: '{key}': {why}");
        let key = place.key.clone().into_owned();
        let depth_before = place.depth;
        place.get().map_err(|why| failed(&key, why))?;
        let value = place.remove().map_err(|why| failed(&key, why))?;
        let path = operation.path("move")?;
        let Some(mut place) = find(&mut self.document, path) else {
            return Err(format!(
                "move operation does not apply: doc is missing destination path: {path}: missing value"
            ));
        };
        // A value that moves up or across nests nothing deeper, and need not be walked.
        let check = place.depth > depth_before;
        place.add_checked(value, check).map_err(|why| failed(path, why))
    }

    fn test(&mut self, operation: &Operation<'_>) -> Result<(), String> {
        let path = operation.path("test")?;
        let wanted = operation.value();
        let equal = if path.is_empty() {
            self.document == *wanted
        } else {
            let Some(place) = find(&mut self.document, path) else {
                return Err(format!("test operation does not apply: is missing path: {path}: missing value"));
            };
            let found = place.get().map_err(|why| format!("error in test for path: '{path}': {why}"))?;
            found.unwrap_or(&Value::Null) == wanted
        };
        if equal { Ok(()) } else { Err(format!("testing value {path} failed: test failed")) }
    }

    fn copy(&mut self, operation: &Operation<'_>) -> Result<(), String> {
        let from = operation.from("copy")?;
        let Some(place) = find(&mut self.document, from) else {
            return Err(format!("copy operation does not apply: doc is missing from path: {from}: missing value"));
        };
        let found = place.get().map_err(|why| format!("error in copy for from: '{from}': {why}"))?;
        let value = found.cloned();
        let path = operation.path("copy")?;
        let Some(mut place) = find(&mut self.document, path) else {
            return Err(format!(
                "copy operation does not apply: doc is missing destination path: {path}: missing value"
            ));
        };
        self.copied += value.as_ref().map_or(0, encoded_length);
        if self.copied > MAX_COPIED_BYTES {
            return Err(format!(
                "Unable to complete the copy, the accumulated size increase of copy is {}, exceeding the limit {MAX_COPIED_BYTES}",
                self.copied
            ));
        }
        place.add(value.unwrap_or(Value::Null)).map_err(|why| format!("error while adding value during copy: {why}"))
    }
}

/// Where a path ends: a map or list, and the key in it.
struct Place<'d, 'p> {
    container: &'d mut Value,
    key: Cow<'p, str>,
    /// How many containers stand around the value.
    depth: usize,
}

/// Follows a path. None where a step is missing, null, or no container.
fn find<'d, 'p>(document: &'d mut Value, path: &'p str) -> Option<Place<'d, 'p>> {
    let mut parts = path.split('/').skip(1);
    let mut key = parts.next()?;
    let mut container = document;
    let mut depth = 1;
    for next in parts {
        container = match container {
            Value::Object(fields) => fields.get_mut(&*unescaped(key))?,
            Value::Array(items) => {
                let index = index_of(&unescaped(key), items.len()).ok()?;
                items.get_mut(index)?
            }
            _ => return None,
        };
        if !container.is_object() && !container.is_array() {
            return None;
        }
        key = next;
        depth += 1;
    }
    Some(Place { container, key: unescaped(key), depth })
}

fn unescaped(part: &str) -> Cow<'_, str> {
    if part.contains('~') { Cow::Owned(part.replace("~1", "/").replace("~0", "~")) } else { Cow::Borrowed(part) }
}

impl Place<'_, '_> {
    fn get(&self) -> Result<Option<&Value>, String> {
        match &*self.container {
            Value::Array(items) => index_of(&self.key, items.len()).map(|index| items.get(index)),
            other => Ok(other.get(&*self.key)),
        }
    }

    fn set(&mut self, value: Value) -> Result<(), String> {
        self.check_depth(&value)?;
        self.put(value)
    }

    fn put(&mut self, value: Value) -> Result<(), String> {
        match &mut *self.container {
            Value::Array(items) => {
                let index = index_of(&self.key, items.len())?;
                if let Some(item) = items.get_mut(index) {
                    *item = value;
                }
            }
            Value::Object(fields) => {
                fields.insert(self.key.to_string(), value);
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, value: Value) -> Result<(), String> {
        self.add_checked(value, true)
    }

    fn add_checked(&mut self, value: Value, check: bool) -> Result<(), String> {
        let Value::Array(items) = &*self.container else {
            return if check { self.set(value) } else { self.put(value) };
        };
        let index = if self.key == "-" {
            items.len()
        } else {
            let asked = number(&self.key)
                .map_err(|why| format!("value was not a proper array index: '{}': {why}", self.key))?;
            place_in(asked, items.len() + 1)?
        };
        if check {
            self.check_depth(&value)?;
        }
        if let Value::Array(items) = &mut *self.container {
            items.insert(index, value);
        }
        Ok(())
    }

    fn remove(&mut self) -> Result<Value, String> {
        match &mut *self.container {
            Value::Array(items) => {
                let index = index_of(&self.key, items.len())?;
                Ok(items.remove(index))
            }
            Value::Object(fields) => fields
                .remove(&*self.key)
                .ok_or_else(|| format!("Unable to remove nonexistent key: {}: missing value", self.key)),
            _ => Err(format!("Unable to remove nonexistent key: {}: missing value", self.key)),
        }
    }

    /// Copies and moves could nest an object without end, which every later walk over it would pay for.
    fn check_depth(&self, value: &Value) -> Result<(), String> {
        if self.depth + depth(value) > MAX_DEPTH { Err("exceeded max depth".to_owned()) } else { Ok(()) }
    }
}

/// INVARIANT: no value here is deeper than [`MAX_DEPTH`], so that the recursion is bounded.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn index_of(key: &str, length: usize) -> Result<usize, String> {
    place_in(number(key)?, length)
}

/// An index into a list of `length`; a negative one counts from its end.
fn place_in(asked: i64, length: usize) -> Result<usize, String> {
    let size = i64::try_from(length).unwrap_or(i64::MAX);
    let index = if asked < 0 { asked.saturating_add(size) } else { asked };
    match usize::try_from(index) {
        Ok(index) if index < length => Ok(index),
        _ => Err(format!("Unable to access invalid index: {asked}: invalid index referenced")),
    }
}

/// A number as Go's `strconv.Atoi` reads it.
fn number(text: &str) -> Result<i64, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse::<i64>().map_err(|error| {
        let why =
            if matches!(error.kind(), PosOverflow | NegOverflow) { "value out of range" } else { "invalid syntax" };
        format!("strconv.Atoi: parsing {text:?}: {why}")
    })
}

/// How many bytes a value takes as JSON.
fn encoded_length(value: &Value) -> u64 {
    struct Counter(u64);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // INVARIANT: neither the counter nor a tree of JSON fails to be written.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}
