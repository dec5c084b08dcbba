use std::fmt;

use serde_json::Value;

use super::{SelectorError, parse, syntax};
use crate::field::{ErrorType, FieldError, Path};

/// All of some requirements on an object's labels; the empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

/// How a label's value relates to those of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of k8s.io/apimachinery/pkg/selection")]
pub enum Operator {
    In,
    NotIn,
    Equals,
    DoubleEquals,
    NotEquals,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    /// Reads `app=web,tier in (a,b),!old`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = parse::requirements(text)?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// Reads a `LabelSelector` of `meta/v1` (`matchLabels`, `matchExpressions`). Kubernetes reads none at all as one that
    /// selects nothing, which is the caller's to tell.
    pub fn from_object(selector: &Value) -> Result<Self, SelectorError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut requirements = Vec::new();
        if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
            for (key, value) in labels {
                requirements.push(Requirement::new(key, Operator::Equals, vec![text(value)])?);
            }
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let operator = match expression.get("operator").and_then(Value::as_str).unwrap_or_default() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(SelectorError::new(format!("{other:?} is not a valid label selector operator"))),
            };
            let values = expression.get("values").and_then(Value::as_array).into_iter().flatten().map(text).collect();
            let key = expression.get("key").and_then(Value::as_str).unwrap_or_default();
            requirements.push(Requirement::new(key, operator, values)?);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// Whether labels match; `get` gives a label's value.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(get(&requirement.key)))
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The requirements, in the order of their keys.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// The one value that `key` must have.
    pub fn required(&self, key: &str) -> Option<&str> {
        let requirement = self.requirements.iter().find(|requirement| requirement.key == key)?;
        match (requirement.operator, &*requirement.values) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [value]) => Some(value),
            _ => None,
        }
    }
}

impl Requirement {
    /// A requirement whose parts are checked as Kubernetes checks them.
    pub fn new(key: &str, operator: Operator, values: Vec<String>) -> Result<Self, SelectorError> {
        let path = Path::ROOT.child("values");
        let mut errors = Vec::new();
        let wrong = syntax::label_key(key);
        if !wrong.is_empty() {
            errors.push(FieldError::invalid(&Path::ROOT.child("key"), key, wrong.join("; ")));
        }
        if let Some(detail) = operator.refuses(values.len()) {
            // Kubernetes shows the Go slice: null where it is nil.
            let shown = if values.is_empty() { Value::Null } else { Value::from(values.clone()) };
            errors.push(FieldError::new(ErrorType::Invalid, &path, shown, detail));
        }
        if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
            for (index, value) in values.iter().enumerate().filter(|(_, value)| integer(value).is_none()) {
                let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(FieldError::invalid(&path.index(index), value.clone(), detail));
            }
        }
        for (index, value) in values.iter().enumerate() {
            let wrong = syntax::label_value(value);
            if !wrong.is_empty() {
                errors.push(FieldError::invalid(&path.index(index).key(key), value.clone(), wrong.join("; ")));
            }
        }
        match &*errors {
            [] => Ok(Self { key: key.to_owned(), operator, values }),
            [one] => Err(SelectorError::new(one.to_string())),
            several => {
                let mut texts: Vec<String> = Vec::new();
                for text in several.iter().map(ToString::to_string) {
                    if !texts.contains(&text) {
                        texts.push(text);
                    }
                }
                Err(SelectorError::new(format!("[{}]", texts.join(", "))))
            }
        }
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How its value relates to [`values`](Self::values).
    pub const fn operator(&self) -> Operator {
        self.operator
    }

    /// The values.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    fn matches(&self, found: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|wanted| wanted == value);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => found.is_some_and(listed),
            Operator::NotIn | Operator::NotEquals => !found.is_some_and(listed),
            Operator::Exists => found.is_some(),
            Operator::DoesNotExist => found.is_none(),
            Operator::GreaterThan => self.compares(found, |found, wanted| found > wanted),
            Operator::LessThan => self.compares(found, |found, wanted| found < wanted),
        }
    }

    fn compares(&self, found: Option<&str>, by: impl Fn(i64, i64) -> bool) -> bool {
        match (found.and_then(integer), &*self.values) {
            (Some(found), [wanted]) => integer(wanted).is_some_and(|wanted| by(found, wanted)),
            _ => false,
        }
    }
}

/// As Go's `strconv.ParseInt(text, 10, 64)` reads it.
fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

impl Operator {
    fn refuses(self, values: usize) -> Option<&'static str> {
        match self {
            Self::In | Self::NotIn if values == 0 => Some("for 'in', 'notin' operators, values set can't be empty"),
            Self::Equals | Self::DoubleEquals | Self::NotEquals if values != 1 => {
                Some("exact-match compatibility requires one single value")
            }
            Self::Exists | Self::DoesNotExist if values != 0 => {
                Some("values set must be empty for exists and does not exist")
            }
            Self::GreaterThan | Self::LessThan if values != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        values.sort_unstable();
        let (key, values) = (&self.key, values.join(","));
        match self.operator {
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}
