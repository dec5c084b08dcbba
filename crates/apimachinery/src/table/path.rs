//! The JSON paths of printer columns: the part of `k8s.io/client-go/util/jsonpath` that finds values.

mod parse;

use serde_json::Value;

/// A path into an object: `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonPathError(String);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Wildcard,
    Recursive,
    Slice(Slice),
    Union(Vec<JsonPath>),
    Filter {
        left: JsonPath,
        test: Test,
        right: JsonPath,
    },
    Literal(Value),
    /// Read, but never found: `range`, `end` and other words.
    Word,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Slice {
    from: Option<i64>,
    to: Option<i64>,
    step: Option<i64>,
    /// One index, of which `to` is the next.
    single: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    /// Read, but never true: `=`, `<>` and the like.
    Unknown,
}

impl JsonPath {
    /// Reads a path, without the braces that kubectl's templates put around it.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        parse::path(text)
    }

    /// The first value that the path finds.
    pub fn first<'a>(&'a self, object: &'a Value) -> Option<&'a Value> {
        self.walk(vec![object])?.into_iter().next()
    }

    /// All values; None where a step fails: an index outside a list, a comparison of unlike values.
    fn walk<'a>(&'a self, mut found: Vec<&'a Value>) -> Option<Vec<&'a Value>> {
        for step in &self.0 {
            found = step.walk(found)?;
        }
        Some(found)
    }
}

impl Step {
    fn walk<'a>(&'a self, input: Vec<&'a Value>) -> Option<Vec<&'a Value>> {
        match self {
            Self::Field(name) => Some(input.into_iter().filter_map(|value| value.as_object()?.get(name)).collect()),
            Self::Wildcard => Some(input.into_iter().flat_map(children).collect()),
            Self::Recursive => {
                let mut found = Vec::new();
                for value in input {
                    descend(value, &mut found);
                }
                Some(found)
            }
            Self::Slice(slice) => {
                let mut found = Vec::new();
                for value in input.into_iter().filter(|value| !value.is_null()) {
                    found.extend(slice.of(value.as_array()?)?);
                }
                Some(found)
            }
            Self::Union(paths) => {
                let mut found = Vec::new();
                for path in paths {
                    found.extend(path.walk(input.clone())?);
                }
                Some(found)
            }
            Self::Filter { left, test, right } => {
                let mut found = Vec::new();
                for value in input {
                    for item in value.as_array()? {
                        if test.holds(left, right, item)? {
                            found.push(item);
                        }
                    }
                }
                Some(found)
            }
            Self::Literal(value) => Some(input.iter().map(|_| value).collect()),
            Self::Word => None,
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

/// A value and all below it that have something below them.
fn descend<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    let below = children(value);
    if !below.is_empty() {
        found.push(value);
        for value in below {
            descend(value, found);
        }
    }
}

impl Slice {
    fn of(self, items: &[Value]) -> Option<Vec<&Value>> {
        let length = i64::try_from(items.len()).ok()?;
        let from = self.from.map_or(0, |from| if from < 0 { from + length } else { from });
        let to = match self.to {
            None => length,
            Some(to) if to < 0 || (to == 0 && self.single) => to + length,
            Some(to) => to,
        };
        if from == to {
            return Some(Vec::new());
        }
        if !(0..length).contains(&from) || !(0..=length).contains(&to) || from > to {
            return None;
        }
        let step = self.step.map_or(Some(1), |step| usize::try_from(step).ok().filter(|step| *step > 0))?;
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
        Some(items.get(from..to)?.iter().step_by(step).collect())
    }
}

impl Test {
    fn holds(self, left: &JsonPath, right: &JsonPath, item: &Value) -> Option<bool> {
        let lefts = left.walk(vec![item]);
        if self == Self::Exists {
            return Some(lefts.is_some_and(|lefts| !lefts.is_empty()));
        }
        let rights = right.walk(vec![item])?;
        let (left, right) = match (&*lefts?, &*rights) {
            ([], _) | (_, []) => return Some(false),
            ([left], [right]) => (*left, *right),
            _ => return None,
        };
        Some(match self {
            Self::Equal => equal(left, right)?,
            Self::NotEqual => !equal(left, right)?,
            Self::Less => less(left, right)?,
            Self::GreaterOrEqual => !less(left, right)?,
            Self::LessOrEqual => less(left, right)? || equal(left, right)?,
            Self::Greater => !(less(left, right)? || equal(left, right)?),
            Self::Exists | Self::Unknown => return None,
        })
    }
}

fn equal(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left == right),
        (Value::String(left), Value::String(right)) => Some(left == right),
        _ => numbers(left, right, |left, right| left == right, |left, right| left.total_cmp(&right).is_eq()),
    }
}

fn less(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left < right),
        _ => numbers(left, right, |left, right| left < right, |left, right| left < right),
    }
}

/// Whole numbers compare with whole ones, others with others.
fn numbers(
    left: &Value,
    right: &Value,
    whole: impl Fn(i64, i64) -> bool,
    float: impl Fn(f64, f64) -> bool,
) -> Option<bool> {
    match (left.as_i64(), right.as_i64()) {
        (Some(left), Some(right)) => Some(whole(left, right)),
        (None, None) => Some(float(left.as_f64()?, right.as_f64()?)),
        _ => None,
    }
}
