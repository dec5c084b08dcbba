//! Paths into schemas as CEL rules and selectable fields write them: `.spec.x`, `.map['a/b']`. From `ValidFieldPath` of
//! apiextensions-apiserver's `pkg/apiserver/schema/cel/validation.go`.

use super::Schema;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A field that the schema names.
    Field(String),
    /// A key of a map.
    Key(String),
}

/// The steps of a path and the schema it leads to.
///
/// # Errors
/// What is wrong with the path.
pub fn resolve<'a>(path: &str, schema: &'a Schema) -> Result<(Vec<Step>, &'a Schema), String> {
    let mut steps = Vec::new();
    let mut schema = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let name;
        if let Some(after) = rest.strip_prefix('.') {
            let (token, after) = token(after)?;
            name = token.to_owned();
            rest = after;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (token, after) = token(after)?;
            let quoted =
                token.strip_prefix('\'').and_then(|token| token.strip_suffix('\'')).filter(|_| token.len() > 1);
            let quoted = quoted.ok_or_else(|| format!("expected single quoted string but got {token}"))?;
            name = unescape(quoted)?;
            rest = match self::token(after)? {
                ("]", after) => after,
                (other, _) => return Err(format!("expected ] but got {other}")),
            };
        } else {
            return Err(format!("expected [ or . but got: {}", token(rest)?.0));
        }
        let step;
        (step, schema) = if schema.properties.is_empty() {
            let additional = schema.additional().ok_or("does not refer to a valid field")?;
            (Step::Key(name), additional)
        } else {
            let property = schema.properties.get(&name).ok_or("does not refer to a valid field")?;
            (Step::Field(name), property)
        };
        steps.push(step);
    }
    Ok((steps, schema))
}

/// A delimiter, a quoted text, or what stands up to the next delimiter; and what follows.
fn token(text: &str) -> Result<(&str, &str), &'static str> {
    let ended = "unexpected end of JSON path";
    let end = match text.chars().next().ok_or(ended)? {
        '\'' => {
            let mut before = '\'';
            let found = text.char_indices().skip(1).find(|&(_, character)| {
                let ends = character == '\'' && before != '\\';
                before = character;
                ends
            });
            found.ok_or(ended)?.0 + 1
        }
        '.' | '[' | ']' => 1,
        _ => text.find(['.', '[', ']']).unwrap_or(text.len()),
    };
    text.split_at_checked(end).ok_or(ended)
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\'' | '\\')) => escaped,
                other => return Err(format!("invalid string literal: \\{}", other.unwrap_or_default())),
            },
            other => other,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_fields_and_keys() {
        let schema: Schema = serde_json::from_value(json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {"a.b": {"type": "string"}, "m": {"type": "object", "additionalProperties": {"type": "integer"}}}}
        }}))
        .unwrap();
        let field = |name: &str| Step::Field(name.to_owned());
        assert_eq!(resolve(".spec['a.b']", &schema).unwrap().0, [field("spec"), field("a.b")]);
        let (steps, found) = resolve(".spec.m['x\\'y']", &schema).unwrap();
        assert_eq!(steps, [field("spec"), field("m"), Step::Key("x'y".to_owned())]);
        assert_eq!(found.kind, "integer");
        assert_eq!(resolve("spec", &schema).unwrap_err(), "expected [ or . but got: spec");
        assert_eq!(resolve(".nothing", &schema).unwrap_err(), "does not refer to a valid field");
        assert_eq!(resolve(".spec[0]", &schema).unwrap_err(), "expected single quoted string but got 0");
        assert_eq!(resolve(".spec['m'", &schema).unwrap_err(), "unexpected end of JSON path");
    }
}
