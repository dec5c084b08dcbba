//! The words of CEL.

use super::source::Problem;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Ident(String),
    Int(i64),
    /// 2^63, which is an integer only behind a minus.
    MinInt,
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// An operator or bracket.
    Sign(&'static str),
    End,
}

impl Token {
    /// As error messages show it.
    pub(super) fn shown(&self, source: &str, at: u32, end: u32) -> String {
        match self {
            Self::End => "<EOF>".to_owned(),
            _ => source.get(at as usize..end as usize).unwrap_or_default().to_owned(),
        }
    }
}

/// A token with where it starts and ends.
pub(super) type Placed = (Token, u32, u32);

/// Longer ones first.
const SIGNS: [&str; 26] = [
    "&&", "||", "==", "!=", "<=", ">=", "?", ":", ".", ",", "(", ")", "[", "]", "{", "}", "<", ">", "+", "-", "*", "/",
    "%", "!", "=", "&",
];

/// The words of a source, and what in it is no word.
pub(super) fn lex(source: &str) -> (Vec<Placed>, Vec<Problem>) {
    let mut lexer = Lexer { source, at: 0 };
    let (mut tokens, mut problems) = (Vec::new(), Vec::new());
    loop {
        lexer.skip();
        let start = lexer.at;
        match lexer.token() {
            Ok(token) => {
                let end = token == Token::End;
                tokens.push((token, offset(start), offset(lexer.at)));
                if end {
                    return (tokens, problems);
                }
            }
            Err(Fault { message, length }) => {
                problems.push(Problem { at: offset(start), message });
                lexer.at = start + length;
            }
        }
    }
}

/// What is no word, and how long it is.
struct Fault {
    message: String,
    length: usize,
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    fn token(&mut self) -> Result<Token, Fault> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if let Some(token) = self.quoted()? {
            return Ok(token);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(rest.len());
            self.at += length;
            return Ok(Token::Ident(rest.get(..length).unwrap_or_default().to_owned()));
        }
        let fraction = rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
        if first.is_ascii_digit() || fraction {
            return self.number();
        }
        match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) if !matches!(*sign, "=" | "&") => {
                self.at += sign.len();
                Ok(Token::Sign(sign))
            }
            // Of the half of a sign, what follows is told too.
            Some(sign) => Err(self.unknown(rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at), sign.len())),
            None => Err(self.unknown(first.len_utf8(), first.len_utf8())),
        }
    }

    /// What begins no word: so many bytes are shown, and so many passed over.
    fn unknown(&self, shown: usize, length: usize) -> Fault {
        let shown = self.rest().get(..shown).unwrap_or_default();
        Fault { message: format!("Syntax error: token recognition error at: '{shown}'"), length }
    }

    fn number(&mut self) -> Result<Token, Fault> {
        let rest = self.rest();
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        if let Some(hex) = rest.strip_prefix("0x") {
            let length = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
            let text = hex.get(..length).unwrap_or_default();
            if hex.get(length..).is_some_and(|rest| rest.starts_with(['u', 'U'])) {
                let value = u64::from_str_radix(text, 16).map_err(|_| fault("invalid uint literal", rest))?;
                self.at += length + 3;
                return Ok(Token::Uint(value));
            }
            let value = i64::from_str_radix(text, 16).map_err(|_| fault("invalid int literal", rest))?;
            self.at += length + 2;
            return Ok(Token::Int(value));
        }
        let mut length = digits(rest);
        let mut double = false;
        let after = rest.get(length..).unwrap_or_default();
        if let Some(fraction) = after.strip_prefix('.').map(digits).filter(|fraction| *fraction > 0) {
            length += 1 + fraction;
            double = true;
        }
        let after = rest.get(length..).unwrap_or_default();
        if let Some(exponent) = after.strip_prefix(['e', 'E']) {
            let sign = usize::from(exponent.starts_with(['+', '-']));
            let count = digits(exponent.get(sign..).unwrap_or_default());
            if count > 0 {
                length += 1 + sign + count;
                double = true;
            }
        }
        let text = rest.get(..length).unwrap_or_default();
        if double {
            let value = text.parse().map_err(|_| fault("invalid double literal", rest))?;
            self.at += length;
            return Ok(Token::Double(value));
        }
        if rest.get(length..).is_some_and(|rest| rest.starts_with(['u', 'U'])) {
            let value = text.parse().map_err(|_| fault("invalid uint literal", rest))?;
            self.at += length + 1;
            return Ok(Token::Uint(value));
        }
        let token = match text.parse() {
            Ok(value) => Token::Int(value),
            Err(_) if text == "9223372036854775808" => Token::MinInt,
            Err(_) => return Err(fault("invalid int literal", rest)),
        };
        self.at += length;
        Ok(token)
    }

    /// A text or bytes: `'a'`, `"a"`, `'''a'''`, with `r` for raw and `b` for bytes before it.
    fn quoted(&mut self) -> Result<Option<Token>, Fault> {
        let rest = self.rest();
        let prefix = rest.bytes().take_while(|byte| matches!(byte, b'r' | b'R' | b'b' | b'B')).count();
        let marks = rest.get(..prefix).unwrap_or_default().to_ascii_lowercase();
        let body = rest.get(prefix..).unwrap_or_default();
        if prefix > 2 || marks == "rr" || marks == "bb" || !body.starts_with(['\'', '"']) {
            return Ok(None);
        }
        let quote = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| body.starts_with(quote)).unwrap_or("'");
        let raw = marks.contains('r');
        let inner = body.get(quote.len()..).unwrap_or_default();
        let mut end = None;
        let mut characters = inner.char_indices();
        while let Some((at, character)) = characters.next() {
            if inner.get(at..).is_some_and(|rest| rest.starts_with(quote)) {
                end = Some(at);
                break;
            }
            match character {
                '\\' if !raw => drop(characters.next()),
                '\n' | '\r' if quote.len() == 1 => break,
                _ => {}
            }
        }
        let Some(end) = end else {
            let line = rest.lines().next().unwrap_or_default().len();
            return Err(self.unknown(line, line.max(1)));
        };
        let text = inner.get(..end).unwrap_or_default();
        let bytes = marks.contains('b');
        let value =
            if raw { text.as_bytes().to_vec() } else { unescape(text, bytes).map_err(|error| fault(&error, rest))? };
        self.at += prefix + quote.len() * 2 + end;
        if bytes {
            return Ok(Some(Token::Bytes(value)));
        }
        String::from_utf8(value).map(|text| Some(Token::Text(text))).map_err(|_| fault("invalid string literal", rest))
    }
}

/// A word that is not well-formed; what follows it is of no use.
fn fault(message: &str, rest: &str) -> Fault {
    Fault { message: message.to_owned(), length: rest.len() }
}

fn unescape(text: &str, bytes: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    let push = |character: char, out: &mut Vec<u8>| {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    };
    while let Some(character) = rest.next() {
        if character != '\\' {
            push(character, &mut out);
            continue;
        }
        let escaped = rest.next().ok_or("unable to unescape string, found '\\' as last character")?;
        let (base, length, first) = match escaped {
            'a' => (0, 0, '\u{7}'),
            'b' => (0, 0, '\u{8}'),
            'f' => (0, 0, '\u{c}'),
            'n' => (0, 0, '\n'),
            'r' => (0, 0, '\r'),
            't' => (0, 0, '\t'),
            'v' => (0, 0, '\u{b}'),
            '\\' | '\'' | '"' | '`' | '?' => (0, 0, escaped),
            'x' | 'X' => (16, 2, '0'),
            'u' if !bytes => (16, 4, '0'),
            'U' if !bytes => (16, 8, '0'),
            '0'..='3' => (8, 2, escaped),
            _ => return Err("unable to unescape string".to_owned()),
        };
        if base == 0 {
            push(first, &mut out);
            continue;
        }
        let mut code = first.to_digit(base).unwrap_or_default();
        for _ in 0..length {
            let digit = rest.next().and_then(|digit| digit.to_digit(base)).ok_or("unable to unescape string")?;
            code = code.wrapping_mul(base).wrapping_add(digit);
        }
        match u8::try_from(code) {
            Ok(byte) if bytes => out.push(byte),
            _ => push(char::from_u32(code).ok_or("invalid unicode code point")?, &mut out),
        }
    }
    Ok(out)
}
