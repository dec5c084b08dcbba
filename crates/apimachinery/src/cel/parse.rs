//! From the text of an expression to its tree; macros are expanded as cel-go expands them.

mod macros;

use super::ast::{Expr, Kind};
use super::lex::{Placed, Token, lex};
use super::source::Problem;
use super::words::is_reserved;

/// How deep expressions may lie in each other; cel-go's parser allows 250.
const MAX_DEPTH: u32 = 150;

/// How deep brackets may lie in each other.
const MAX_NESTING: u32 = 100;

const PRIMARY: &str =
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/// The tree of an expression.
///
/// # Errors
/// What is no word, and the first place where words do not go together.
pub(super) fn parse(source: &str) -> Result<Expr, Vec<Problem>> {
    let (tokens, mut problems) = lex(source);
    let mut parser = Parser { source, tokens, next: 0, nesting: 0 };
    match parser.whole() {
        Ok(expression) if problems.is_empty() => return Ok(expression),
        Ok(_) => {}
        Err(problem) => problems.push(problem),
    }
    Err(problems)
}

/// An expression, if it is not too deep: what walks over one may recurse.
fn bounded(expression: Expr) -> Result<Expr, Problem> {
    if expression.depth > MAX_DEPTH { Err(too_deep(expression.at)) } else { Ok(expression) }
}

fn too_deep(at: u32) -> Problem {
    Problem { at, message: format!("expression recursion limit exceeded: {MAX_DEPTH}") }
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Placed>,
    next: usize,
    nesting: u32,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(token, ..)| token)
    }

    fn at(&self) -> u32 {
        self.tokens.get(self.next).map_or(0, |(_, at, _)| *at)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(other) if *other == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Problem> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected("mismatched input", &format!("'{sign}'"))) }
    }

    fn unexpected(&self, what: &str, expected: &str) -> Problem {
        let shown = self.tokens.get(self.next).map(|(token, at, end)| token.shown(self.source, *at, *end));
        let shown = shown.unwrap_or_else(|| "<EOF>".to_owned());
        Problem { at: self.at(), message: format!("Syntax error: {what} '{shown}' expecting {expected}") }
    }

    fn whole(&mut self) -> Result<Expr, Problem> {
        let expression = self.expression()?;
        if *self.peek() != Token::End {
            let last = matches!(self.tokens.get(self.next + 1), Some((Token::End, ..)));
            return Err(self.unexpected(if last { "extraneous input" } else { "mismatched input" }, "<EOF>"));
        }
        bounded(expression)
    }

    fn expression(&mut self) -> Result<Expr, Problem> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(too_deep(self.at()));
        }
        let condition = self.binary(0)?;
        let at = self.at();
        let expression = if self.take("?") {
            let yes = self.binary(0)?;
            self.expect(":")?;
            let no = self.expression()?;
            bounded(Expr::new(at, Kind::Conditional(Box::new([condition, yes, no]))))?
        } else {
            condition
        };
        self.nesting -= 1;
        Ok(expression)
    }

    /// The binary operator that comes next: how strongly it binds, and its name.
    fn operator(&self) -> Option<(u8, &'static str)> {
        Some(match self.peek() {
            Token::Sign("||") => (1, "||"),
            Token::Sign("&&") => (2, "&&"),
            Token::Sign("==") => (3, "_==_"),
            Token::Sign("!=") => (3, "_!=_"),
            Token::Sign("<=") => (3, "_<=_"),
            Token::Sign(">=") => (3, "_>=_"),
            Token::Sign("<") => (3, "_<_"),
            Token::Sign(">") => (3, "_>_"),
            Token::Ident(word) if word == "in" => (3, "@in"),
            Token::Sign("+") => (4, "_+_"),
            Token::Sign("-") => (4, "_-_"),
            Token::Sign("*") => (5, "_*_"),
            Token::Sign("/") => (5, "_/_"),
            Token::Sign("%") => (5, "_%_"),
            _ => return None,
        })
    }

    /// Binary operators that bind more strongly than `least`.
    fn binary(&mut self, least: u8) -> Result<Expr, Problem> {
        let mut left = self.unary()?;
        while let Some((level, name)) = self.operator().filter(|(level, _)| *level > least) {
            let at = self.at();
            self.next += 1;
            let right = self.binary(level)?;
            left = match (name, left.kind) {
                ("||", Kind::Or(mut terms)) => {
                    terms.push(right);
                    Expr::new(left.at, Kind::Or(terms))
                }
                ("&&", Kind::And(mut terms)) => {
                    terms.push(right);
                    Expr::new(left.at, Kind::And(terms))
                }
                ("||", kind) => Expr::new(at, Kind::Or(vec![Expr { kind, ..left }, right])),
                ("&&", kind) => Expr::new(at, Kind::And(vec![Expr { kind, ..left }, right])),
                (_, kind) => Expr::call(at, name, vec![Expr { kind, ..left }, right]),
            };
            left = bounded(left)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Problem> {
        for (sign, name) in [("!", "!_"), ("-", "-_")] {
            let at = self.at();
            let mut count = 0;
            while self.take(sign) {
                count += 1;
            }
            if count == 0 {
                continue;
            }
            let operand = match self.peek().clone() {
                // A minus belongs to the number.
                Token::MinInt if sign == "-" && count % 2 == 1 => {
                    self.next += 1;
                    let operand = self.member(Expr::new(at, Kind::Int(i64::MIN)))?;
                    return Ok(operand);
                }
                Token::Int(value) if sign == "-" => {
                    self.next += 1;
                    let value = if count % 2 == 1 { -value } else { value };
                    return self.member(Expr::new(at, Kind::Int(value)));
                }
                Token::Double(value) if sign == "-" => {
                    self.next += 1;
                    let value = if count % 2 == 1 { -value } else { value };
                    return self.member(Expr::new(at, Kind::Double(value)));
                }
                _ => self.signed()?,
            };
            return Ok(if count % 2 == 1 { Expr::call(at, name, vec![operand]) } else { operand });
        }
        let primary = self.primary()?;
        self.member(primary)
    }

    /// What stands behind a sign: there may be another one.
    fn signed(&mut self) -> Result<Expr, Problem> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(too_deep(self.at()));
        }
        let operand = self.unary();
        self.nesting -= 1;
        operand
    }

    /// Selections, indices and method calls behind an expression.
    fn member(&mut self, mut operand: Expr) -> Result<Expr, Problem> {
        loop {
            let at = self.at();
            if self.take(".") {
                let optional = self.take("?");
                let Token::Ident(name) = self.peek().clone() else {
                    return Err(self.unexpected("mismatched input", "IDENTIFIER"));
                };
                self.next += 1;
                let call = self.at();
                if !optional && self.take("(") {
                    let arguments = self.arguments(")")?;
                    operand = bounded(macros::method(call, operand, name, arguments)?)?;
                } else {
                    operand =
                        bounded(Expr::new(at, Kind::Select { operand: Box::new(operand), field: name, optional }))?;
                }
            } else if self.take("[") {
                let optional = self.take("?");
                let index = Box::new(self.expression()?);
                self.expect("]")?;
                operand = bounded(Expr::new(at, Kind::Index { operand: Box::new(operand), index, optional }))?;
            } else {
                return Ok(operand);
            }
        }
    }

    /// What stands between brackets, up to the closing one.
    fn arguments(&mut self, close: &str) -> Result<Vec<Expr>, Problem> {
        let mut arguments = Vec::new();
        if self.take(close) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.take(",") {
                self.expect(close)?;
                return Ok(arguments);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, Problem> {
        let at = self.at();
        let token = self.peek().clone();
        self.next += 1;
        let kind = match token {
            Token::Int(value) => Kind::Int(value),
            Token::MinInt => return Err(Problem { at, message: "invalid int literal".to_owned() }),
            Token::Uint(value) => Kind::Uint(value),
            Token::Double(value) => Kind::Double(value),
            Token::Text(text) => Kind::Text(text),
            Token::Bytes(bytes) => Kind::Bytes(bytes),
            Token::Ident(word) => match word.as_str() {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "null" => Kind::Null,
                "in" => {
                    self.next -= 1;
                    return Err(self.unexpected("mismatched input", PRIMARY));
                }
                word if is_reserved(word) => {
                    return Err(Problem { at, message: format!("reserved identifier: {word}") });
                }
                _ => return self.ident_or_call(at, word),
            },
            Token::Sign("(") => {
                let expression = self.expression()?;
                self.expect(")")?;
                return Ok(expression);
            }
            Token::Sign("[") => Kind::List(self.items()?),
            Token::Sign("{") => Kind::Map(self.entries()?),
            // A leading dot names the outermost scope, which here is the only one.
            Token::Sign(".") => match self.peek().clone() {
                Token::Ident(word) => {
                    self.next += 1;
                    return self.ident_or_call(at, word);
                }
                _ => return Err(self.unexpected("mismatched input", "IDENTIFIER")),
            },
            _ => {
                self.next -= 1;
                return Err(self.unexpected("mismatched input", PRIMARY));
            }
        };
        Ok(Expr::new(at, kind))
    }

    fn ident_or_call(&mut self, at: u32, word: String) -> Result<Expr, Problem> {
        let call = self.at();
        if !self.take("(") {
            return Ok(Expr::new(at, Kind::Ident(word)));
        }
        let arguments = self.arguments(")")?;
        macros::function(call, word, arguments)
    }

    fn items(&mut self) -> Result<Vec<(Expr, bool)>, Problem> {
        let mut items = Vec::new();
        while !self.take("]") {
            let optional = self.take("?");
            items.push((self.expression()?, optional));
            if !self.take(",") {
                self.expect("]")?;
                break;
            }
        }
        Ok(items)
    }

    fn entries(&mut self) -> Result<Vec<(Expr, Expr, bool)>, Problem> {
        let mut entries = Vec::new();
        while !self.take("}") {
            let optional = self.take("?");
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?, optional));
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(entries)
    }
}
