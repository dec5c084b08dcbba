//! The grammar of label selectors; what it takes and how it complains is that of `k8s.io/apimachinery/pkg/labels`.

use std::collections::BTreeSet;

use super::{Operator, Requirement, SelectorError, syntax};
use crate::field::{FieldError, Path};

/// The requirements of a selector, in the order of the text.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { tokens: scan(text), at: 0 };
    let mut found = Vec::new();
    loop {
        match parser.peek_value() {
            Token { kind: Kind::Identifier | Kind::Not, .. } => {
                let requirement = parser.requirement();
                let requirement =
                    requirement.map_err(|error| SelectorError::new(format!("unable to parse requirement: {error}")))?;
                found.push(requirement);
                match parser.next_value() {
                    Token { kind: Kind::End, .. } => return Ok(found),
                    Token { kind: Kind::Comma, .. } => {
                        let next = parser.peek_value();
                        if !matches!(next.kind, Kind::Identifier | Kind::Not) {
                            return Err(unexpected(&next, "identifier after ','"));
                        }
                    }
                    other => return Err(unexpected(&other, "',' or 'end of string'")),
                }
            }
            Token { kind: Kind::End, .. } => return Ok(found),
            other => return Err(unexpected(&other, "!, identifier, or 'end of string'")),
        }
    }
}

fn unexpected(token: &Token, expected: &str) -> SelectorError {
    SelectorError::new(format!("found '{}', expected: {expected}", token.text))
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

const END: Token = Token { kind: Kind::End, text: String::new() };

/// The token that a text is, where it is no identifier.
fn fixed(text: &str) -> Option<Kind> {
    Some(match text {
        ")" => Kind::Close,
        "," => Kind::Comma,
        "!" => Kind::Not,
        "==" => Kind::DoubleEquals,
        "=" => Kind::Equals,
        ">" => Kind::Greater,
        "in" => Kind::In,
        "<" => Kind::Less,
        "!=" => Kind::NotEquals,
        "notin" => Kind::NotIn,
        "(" => Kind::Open,
        _ => return None,
    })
}

const fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn scan(text: &str) -> Vec<Token> {
    // Kubernetes' scanner reads a NUL as the end where a token could start, and as the end of an identifier.
    let mut rest = text;
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start_matches(is_space);
        match rest.chars().next() {
            None | Some('\0') => return tokens,
            Some(c) if is_symbol(c) => {
                let (token, length) = symbol(rest);
                tokens.push(token);
                rest = rest.get(length..).unwrap_or_default();
            }
            Some(_) => {
                let length = rest.find(|c| is_symbol(c) || is_space(c) || c == '\0').unwrap_or(rest.len());
                let (word, after) = rest.split_at(length);
                tokens.push(Token { kind: fixed(word).unwrap_or(Kind::Identifier), text: word.to_owned() });
                rest = after.strip_prefix('\0').unwrap_or(after);
            }
        }
    }
}

/// The longest operator that the text starts with, and its length.
fn symbol(text: &str) -> (Token, usize) {
    let run = text.find(|c| !is_symbol(c)).unwrap_or(text.len());
    // INVARIANT: each symbol alone is a token, so the first round finds one.
    let (mut kind, mut length) = (Kind::End, 0);
    while let Some(longer) = text.get(..=length).filter(|longer| longer.len() <= run).and_then(fixed) {
        (kind, length) = (longer, length + 1);
    }
    (Token { kind, text: text.get(..length).unwrap_or_default().to_owned() }, length)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    /// The next token, where `in` and `notin` are words like any other.
    fn peek_value(&self) -> Token {
        let mut token = self.tokens.get(self.at).cloned().unwrap_or(END);
        if matches!(token.kind, Kind::In | Kind::NotIn) {
            token.kind = Kind::Identifier;
        }
        token
    }

    fn next_value(&mut self) -> Token {
        let token = self.peek_value();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let mut token = self.next_value();
        let negated = token.kind == Kind::Not;
        if negated {
            token = self.next_value();
        }
        if token.kind != Kind::Identifier {
            return Err(unexpected(&token, "identifier"));
        }
        let key = token.text;
        let wrong = syntax::label_key(&key);
        if !wrong.is_empty() {
            // The path is a nil pointer in Kubernetes, which shows it.
            let nowhere = Path::ROOT.child("<nil>");
            return Err(SelectorError::new(FieldError::invalid(&nowhere, key, wrong.join("; ")).to_string()));
        }
        if negated {
            return Requirement::new(&key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek_value().kind, Kind::End | Kind::Comma) {
            return Requirement::new(&key, Operator::Exists, Vec::new());
        }
        let operator = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => BTreeSet::from([self.exact_value()?]),
        };
        Requirement::new(&key, operator, values.into_iter().collect())
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        let token = self.tokens.get(self.at).cloned().unwrap_or(END);
        self.at += 1;
        Ok(match token.kind {
            Kind::In => Operator::In,
            Kind::Equals => Operator::Equals,
            Kind::DoubleEquals => Operator::DoubleEquals,
            Kind::Greater => Operator::GreaterThan,
            Kind::Less => Operator::LessThan,
            Kind::NotIn => Operator::NotIn,
            Kind::NotEquals => Operator::NotEquals,
            _ => return Err(unexpected(&token, "in, notin, =, ==, !=, gt, lt")),
        })
    }

    /// `(a,b)`; a place between commas or parentheses may be empty and is then the empty value.
    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let open = self.next_value();
        if open.kind != Kind::Open {
            return Err(SelectorError::new(format!("found '{}' expected: '('", open.text)));
        }
        let first = self.peek_value();
        match first.kind {
            Kind::Identifier | Kind::Comma => {
                let values = self.list()?;
                if self.next_value().kind != Kind::Close {
                    return Err(unexpected(&first, "')'"));
                }
                Ok(values)
            }
            Kind::Close => {
                self.next_value();
                Ok(BTreeSet::from([String::new()]))
            }
            _ => Err(unexpected(&first, "',', ')' or identifier")),
        }
    }

    fn list(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let mut values = BTreeSet::new();
        loop {
            let token = self.next_value();
            match token.kind {
                Kind::Identifier => {
                    values.insert(token.text);
                    let next = self.peek_value();
                    match next.kind {
                        Kind::Comma => {}
                        Kind::Close => return Ok(values),
                        _ => return Err(unexpected(&next, "',' or ')'")),
                    }
                }
                Kind::Comma => {
                    if values.is_empty() {
                        values.insert(String::new());
                    }
                    match self.peek_value().kind {
                        Kind::Close => {
                            values.insert(String::new());
                            return Ok(values);
                        }
                        Kind::Comma => {
                            values.insert(String::new());
                        }
                        _ => {}
                    }
                }
                _ => return Err(unexpected(&token, "',', or identifier")),
            }
        }
    }

    fn exact_value(&mut self) -> Result<String, SelectorError> {
        if matches!(self.peek_value().kind, Kind::End | Kind::Comma) {
            return Ok(String::new());
        }
        let token = self.next_value();
        if token.kind == Kind::Identifier { Ok(token.text) } else { Err(unexpected(&token, "identifier")) }
    }
}
