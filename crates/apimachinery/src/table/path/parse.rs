use serde_json::Value;

use super::{JsonPath, JsonPathError, Slice, Step, Test};

/// Filters and unions hold paths of their own; more levels than this are no column's.
const DEEPEST: usize = 16;

pub(super) fn path(text: &str) -> Result<JsonPath, JsonPathError> {
    inner(text, DEEPEST)
}

fn refuse<T>(text: impl Into<String>) -> Result<T, JsonPathError> {
    Err(JsonPathError(text.into()))
}

fn inner(text: &str, depth: usize) -> Result<JsonPath, JsonPathError> {
    let Some(depth) = depth.checked_sub(1) else { return refuse("too deeply nested") };
    let mut steps = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("[?(") {
            let (step, after) = filter(after, depth)?;
            steps.push(step);
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("..") {
            if steps.last() == Some(&Step::Recursive) {
                return refuse("invalid multiple recursive descent");
            }
            steps.push(Step::Recursive);
            rest = after;
            if rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()) {
                let (step, after) = field(rest);
                steps.push(step);
                rest = after;
            }
            continue;
        }
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match c {
            ' ' | '@' | '$' => after,
            '[' => {
                let Some((inside, after)) = after.split_once(']').filter(|(inside, _)| !inside.contains('\n')) else {
                    return refuse("unterminated array");
                };
                steps.extend(index(inside, depth)?);
                after
            }
            '"' | '\'' => {
                let (literal, after) = quoted(after, c)?;
                steps.push(Step::Literal(literal.into()));
                after
            }
            '.' => {
                let (step, after) = field(after);
                steps.push(step);
                after
            }
            '+' | '-' | '0'..='9' => {
                let (step, after) = number(rest)?;
                steps.push(step);
                after
            }
            c if c == '_' || c.is_alphanumeric() => {
                let (word, after) = rest.split_at(rest.find(is_terminator).unwrap_or(rest.len()));
                steps.push(match word {
                    "true" => Step::Literal(true.into()),
                    "false" => Step::Literal(false.into()),
                    _ => Step::Word,
                });
                after
            }
            '\r' | '\n' => return refuse("unclosed action"),
            c => return refuse(format!("unrecognized character in action: U+{:04X} '{c}'", u32::from(c))),
        };
    }
    Ok(JsonPath(steps))
}

const fn is_terminator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

/// A field's name, up to a terminator that no backslash stands before.
fn field(text: &str) -> (Step, &str) {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = !escaped && is_terminator(c);
        escaped = !escaped && c == '\\';
        ends
    });
    let (name, after) = text.split_at(end.unwrap_or(text.len()));
    (if name == "*" { Step::Wildcard } else { Step::Field(name.replace('\\', "")) }, after)
}

fn number(text: &str) -> Result<(Step, &str), JsonPathError> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let sign = usize::from(unsigned.len() < text.len());
    let digits = text.get(sign..).unwrap_or_default();
    let length = digits.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, after) = text.split_at(sign + length);
    let value = match (number.parse::<i64>(), number.parse::<f64>()) {
        (Ok(whole), _) => Value::from(whole),
        (_, Ok(float)) => Value::from(float),
        _ => return refuse(format!("cannot parse number {number}")),
    };
    Ok((Step::Literal(value), after))
}

/// A text up to its closing quote, and what follows.
fn quoted(text: &str, quote: char) -> Result<(String, &str), JsonPathError> {
    let mut out = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next() {
            None | Some('\n') => return refuse("unterminated quoted string"),
            Some(c) if c == quote => return Ok((out, chars.as_str())),
            Some('\\') => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(c @ ('\\' | '"' | '\'')) => out.push(c),
                _ => return refuse(format!("unquote string {quote}{text} error invalid syntax")),
            },
            Some(c) => out.push(c),
        }
    }
}

/// What stands between brackets: an index, a slice, a key, or several of these.
fn index(inside: &str, depth: usize) -> Result<Vec<Step>, JsonPathError> {
    let inside = if inside == "*" { ":" } else { inside };
    if inside.contains(',') {
        let paths: Result<Vec<JsonPath>, JsonPathError> =
            inside.split(',').map(|one| inner(&format!("[{}]", one.trim_matches(' ')), depth)).collect();
        return Ok(vec![Step::Union(paths?)]);
    }
    let key = inside.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    if let Some(key) = key.filter(|key| !key.contains('\'')) {
        return Ok(inner(&format!(".{key}"), depth)?.0);
    }
    let mut parts = inside.split(':');
    let mut part = || match parts.next() {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) if text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) => match text.parse() {
            Ok(number) => Ok(Some(Some(number))),
            Err(_) => refuse(format!("array index {text} is not a number")),
        },
        Some(_) => refuse(format!("invalid array index {inside}")),
    };
    let (from, to, step) = (part()?.flatten(), part()?, part()?.flatten());
    if parts.next().is_some() {
        return refuse(format!("invalid array index {inside}"));
    }
    let single = to.is_none();
    let to = if single { Some(from.unwrap_or(0) + 1) } else { to.flatten() };
    Ok(vec![Step::Slice(Slice { from, to, step, single })])
}

/// A filter, from behind its `[?(` up to and with its `)]`.
fn filter(text: &str, depth: usize) -> Result<(Step, &str), JsonPathError> {
    let (mut quote, mut closed, mut before) = (None, false, '(');
    let end = text.char_indices().find(|(_, c)| {
        match (*c, quote) {
            ('"' | '\'', None) => quote = Some(*c),
            (c, Some(open)) if c == open && before != '\\' => closed = true,
            _ => {}
        }
        before = *c;
        *c == ')' && quote.is_some() == closed
    });
    let Some((at, _)) = end else { return refuse("unterminated filter") };
    let (condition, after) = text.split_at(at);
    let Some(after) = after.strip_prefix(")]") else { return refuse("unclosed array expect ]") };
    let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let compared = condition.find(is_operator).filter(|at| *at > 0).map(|at| condition.split_at(at));
    let compared = compared.and_then(|(left, rest)| {
        // An operator takes all of its characters but the last where nothing would be left for the right side.
        let length = rest.find(|c| !is_operator(c)).unwrap_or(rest.len().saturating_sub(1));
        let (operator, right) = rest.split_at(length);
        (!operator.is_empty() && !right.is_empty()).then_some((left, operator, right))
    });
    let Some((left, operator, right)) = compared else {
        let left = inner(condition, depth)?;
        return Ok((Step::Filter { left, test: Test::Exists, right: JsonPath(Vec::new()) }, after));
    };
    let comparison = match operator {
        "<" => Test::Less,
        "<=" => Test::LessOrEqual,
        ">" => Test::Greater,
        ">=" => Test::GreaterOrEqual,
        "==" => Test::Equal,
        "!=" => Test::NotEqual,
        _ => Test::Unknown,
    };
    Ok((Step::Filter { left: inner(left, depth)?, test: comparison, right: inner(right, depth)? }, after))
}
