use std::fmt;

use super::SelectorError;

/// All of some requirements on an object's fields: `metadata.name=a,status.phase!=Active`. The empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

/// One requirement on a field. A field that is not there has the empty value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRequirement {
    /// The field, as the selector names it: `metadata.name`.
    pub field: String,
    /// The value, without escapes.
    pub value: String,
    /// Whether the field must have the value, or must not.
    pub equals: bool,
}

impl FieldSelector {
    /// Reads `field=value,field!=value`; `\`, `,` and `=` in a value stand behind a backslash.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut terms: Vec<&str> = terms(text).collect();
        terms.sort_unstable();
        let mut requirements = Vec::new();
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let Some((field, value, equals)) = split(term) else {
                return Err(SelectorError::new(format!("invalid selector: '{text}'; can't understand '{term}'")));
            };
            requirements.push(FieldRequirement { field: field.to_owned(), value: unescape(value)?, equals });
        }
        Ok(Self { requirements })
    }

    /// Whether fields match; `get` gives a field's value, the empty text for one that is not there.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements
            .iter()
            .all(|required| (get(&required.field).unwrap_or_default() == required.value) == required.equals)
    }

    /// The selector with each requirement's field and value as `change` gives them, such as a field's name in another
    /// version; one that becomes empty is left out. Also the place to refuse fields that a kind cannot be selected by.
    pub fn transform<E>(&self, change: impl Fn(&FieldRequirement) -> Result<(String, String), E>) -> Result<Self, E> {
        let mut requirements = Vec::with_capacity(self.requirements.len());
        for required in &self.requirements {
            let (field, value) = change(required)?;
            if !(field.is_empty() && value.is_empty()) {
                requirements.push(FieldRequirement { field, value, equals: required.equals });
            }
        }
        Ok(Self { requirements })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The requirements, in the order of their text.
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// The value that `field` must have.
    pub fn required(&self, field: &str) -> Option<&str> {
        let of_field = |required: &&FieldRequirement| required.equals && required.field == field;
        self.requirements.iter().find(of_field).map(|required| required.value.as_str())
    }
}

/// The terms between commas that no backslash stands before.
fn terms(selector: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    selector.split(move |c: char| {
        let separates = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        separates
    })
}

/// A term's field, its escaped value, and whether the operator is `=` or `==`. The first operator counts.
fn split(term: &str) -> Option<(&str, &str, bool)> {
    let at = term
        .char_indices()
        .find(|(at, c)| *c == '=' || (*c == '!' && term.get(at + 1..).is_some_and(|rest| rest.starts_with('='))));
    let (at, c) = at?;
    let (field, rest) = term.split_at(at);
    if c == '!' {
        return Some((field, rest.get(2..)?, false));
    }
    let value = rest.get(1..)?;
    Some((field, value.strip_prefix('=').unwrap_or(value), true))
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                other => {
                    let sequence: String = ['\\'].into_iter().chain(other).collect();
                    let text = format!("invalid field selector: invalid escape sequence: {sequence}");
                    return Err(SelectorError::new(text));
                }
            },
            // Kubernetes shows the character as a number.
            ',' | '=' => {
                let text = format!("invalid field selector: unescaped character in value: {}", u32::from(c));
                return Err(SelectorError::new(text));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, required) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{}{}", required.field, if required.equals { "=" } else { "!=" })?;
            for c in required.value.chars() {
                if matches!(c, '\\' | ',' | '=') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
