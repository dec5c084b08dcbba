//! Regular expressions of schemas: Go's syntax, run by the `regex` crate.
//!
//! Both are of RE2's family and linear in time. Where they differ, the pattern is rewritten: `\d`, `\w`, `\s` and `\b` are ASCII in Go,
//! `{` is itself where it starts no repetition, `[` and `&&` in a class are themselves, `\Q…\E` and octal escapes exist; what only the
//! crate knows (`(?x)`, nested classes) is refused with Go's words. What remains: `\B` sees Unicode words.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// The most repetitions that Go allows.
const MAX_REPEAT: u32 = 1000;

/// Compiles a pattern written for Go.
///
/// # Errors
/// Go's words: ``error parsing regexp: missing closing ): `(a` ``.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let text = Translator { pattern, rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len() + 8) }
        .translate()
        .map_err(|error| format!("error parsing regexp: {error}"))?;
    Regex::new(&text).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "error parsing regexp: expression too large".to_owned(),
        _ => format!("error parsing regexp: invalid character class range: `{pattern}`"),
    })
}

struct Translator<'a> {
    pattern: &'a str,
    rest: Peekable<Chars<'a>>,
    out: String,
}

/// What a backslash and what follows it mean.
enum Escape {
    /// One character.
    Char(char),
    /// A set of characters, as a class of its own.
    Set(&'static str),
    /// The same in both.
    Same(String),
    /// `\Q`.
    Quote,
}

/// What stands before a repetition.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Piece,
    Repetition,
}

impl Translator<'_> {
    fn translate(mut self) -> Result<String, String> {
        let mut open = 0_u32;
        let mut before = Before::Nothing;
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => {
                    match self.escape()? {
                        Escape::Char(character) => self.push(character),
                        Escape::Set(set) => self.out.push_str(set),
                        Escape::Same(text) => self.out.push_str(&text),
                        Escape::Quote => self.quoted(),
                    }
                    before = Before::Piece;
                }
                '[' => {
                    self.class()?;
                    before = Before::Piece;
                }
                '(' => {
                    open += u32::from(self.group()?);
                    before = Before::Nothing;
                }
                ')' => {
                    open = open.checked_sub(1).ok_or_else(|| format!("unexpected ): `{}`", self.pattern))?;
                    self.out.push(')');
                    before = Before::Piece;
                }
                '*' | '+' | '?' => {
                    self.repeat(&character.to_string(), before)?;
                    before = Before::Repetition;
                }
                '{' => match self.counted() {
                    None => {
                        self.out.push_str("\\{");
                        before = Before::Piece;
                    }
                    Some((text, low, high)) => {
                        if low > MAX_REPEAT || high.is_some_and(|high| high > MAX_REPEAT || high < low) {
                            return Err(format!("invalid repeat count: `{text}`"));
                        }
                        self.repeat(&text, before)?;
                        before = Before::Repetition;
                    }
                },
                '|' => {
                    self.out.push('|');
                    before = Before::Nothing;
                }
                '^' | '$' | '.' => {
                    self.out.push(character);
                    before = Before::Piece;
                }
                character => {
                    self.push(character);
                    before = Before::Piece;
                }
            }
        }
        if open > 0 {
            return Err(format!("missing closing ): `{}`", self.pattern));
        }
        Ok(self.out)
    }

    fn skip(&mut self, characters: usize) {
        for _ in 0..characters {
            self.rest.next();
        }
    }

    /// A character as itself.
    fn push(&mut self, character: char) {
        self.out.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
    }

    fn repeat(&mut self, text: &str, before: Before) -> Result<(), String> {
        match before {
            Before::Nothing => return Err(format!("missing argument to repetition operator: `{text}`")),
            Before::Repetition => return Err(format!("invalid nested repetition operator: `{text}`")),
            Before::Piece => self.out.push_str(text),
        }
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        Ok(())
    }

    /// `{2}`, `{2,}`, `{2,5}` behind the brace, where that is what stands there.
    fn counted(&mut self) -> Option<(String, u32, Option<u32>)> {
        let text: String = self.rest.clone().take_while(|&character| character != '}').take(24).collect();
        let (low, high) = text.split_once(',').map_or((text.as_str(), None), |(low, high)| (low, Some(high)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let closed = self.rest.clone().nth(text.chars().count()) == Some('}');
        if !closed || !digits(low) || high.is_some_and(|high| !high.is_empty() && !digits(high)) {
            return None;
        }
        self.skip(text.chars().count() + 1);
        let number = |text: &str| text.parse().unwrap_or(u32::MAX);
        let (low, high) = (number(low), high.filter(|high| !high.is_empty()).map(number));
        Some((format!("{{{text}}}"), low, high))
    }

    /// What opens a group; false where it only sets flags: `(?i)`.
    fn group(&mut self) -> Result<bool, String> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(true);
        }
        let mut head = String::from("?");
        for character in self.rest.by_ref() {
            head.push(character);
            if matches!(character, ')' | ':' | '>') {
                break;
            }
        }
        if let Some(name) = head.strip_prefix("?P<").or_else(|| head.strip_prefix("?<")) {
            let name = name.strip_suffix('>').unwrap_or_default();
            if name.is_empty() || !name.chars().all(|character| character == '_' || character.is_alphanumeric()) {
                return Err(format!("invalid named capture: `({head}`"));
            }
        } else {
            let wrong = head.char_indices().skip(1).find(|(_, flag)| !"imsU-:)".contains(*flag));
            let flags = head.trim_start_matches('?').trim_end_matches([')', ':']);
            let well_formed = head.ends_with([')', ':']) && flags.matches('-').count() < 2 && !flags.ends_with('-');
            if wrong.is_some() || !well_formed {
                let shown = wrong.and_then(|(at, flag)| head.get(..at + flag.len_utf8())).unwrap_or(&head);
                return Err(format!("invalid or unsupported Perl syntax: `({shown}`"));
            }
        }
        let opens = !head.ends_with(')');
        // `(?)` and `(?:` without flags are the same in both.
        if head == "?)" {
            self.out.pop();
            return Ok(false);
        }
        self.out.push_str(&head);
        Ok(opens)
    }

    fn quoted(&mut self) {
        while let Some(character) = self.rest.next() {
            if character == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.push(character);
        }
    }

    fn escape(&mut self) -> Result<Escape, String> {
        let character = self.rest.next().ok_or("trailing backslash at end of expression: ``")?;
        Ok(match character {
            'd' => Escape::Set("[0-9]"),
            'D' => Escape::Set("[^0-9]"),
            's' => Escape::Set("[\\t\\n\\f\\r ]"),
            'S' => Escape::Set("[^\\t\\n\\f\\r ]"),
            'w' => Escape::Set("[0-9A-Za-z_]"),
            'W' => Escape::Set("[^0-9A-Za-z_]"),
            'b' => Escape::Same("(?-u:\\b)".to_owned()),
            'B' | 'A' | 'z' => Escape::Same(format!("\\{character}")),
            'a' => Escape::Char('\u{7}'),
            'f' => Escape::Char('\u{c}'),
            'n' => Escape::Char('\n'),
            'r' => Escape::Char('\r'),
            't' => Escape::Char('\t'),
            'v' => Escape::Char('\u{b}'),
            'Q' => Escape::Quote,
            'x' => Escape::Char(self.hexadecimal()?),
            '0'..='7' => {
                let digits = self.rest.clone().take(2).take_while(|digit| digit.is_digit(8)).collect::<String>();
                if character != '0' && digits.is_empty() {
                    return Err(format!("invalid escape sequence: `\\{character}`"));
                }
                self.skip(digits.len());
                let code = u32::from_str_radix(&format!("{character}{digits}"), 8).unwrap_or_default();
                Escape::Char(char::from_u32(code).unwrap_or_default())
            }
            'p' | 'P' => Escape::Same(self.property(character)?),
            character if character.is_ascii() && !character.is_ascii_alphanumeric() => Escape::Char(character),
            character => return Err(format!("invalid escape sequence: `\\{character}`")),
        })
    }

    fn hexadecimal(&mut self) -> Result<char, String> {
        let digits: String = if self.rest.next_if_eq(&'{').is_some() {
            self.rest.by_ref().take_while(|&digit| digit != '}').collect()
        } else {
            self.rest.by_ref().take(2).collect()
        };
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| !digits.starts_with('+'));
        code.and_then(char::from_u32).ok_or_else(|| format!("invalid escape sequence: `\\x{digits}`"))
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`.
    fn property(&mut self, kind: char) -> Result<String, String> {
        let refused = |name: &str| Err(format!("invalid character class range: `\\{kind}{name}`"));
        match self.rest.next() {
            Some('{') => {
                let name: String = self.rest.by_ref().take_while(|&character| character != '}').collect();
                let (negated, plain) =
                    name.strip_prefix('^').map_or((kind == 'P', name.as_str()), |name| (kind == 'p', name));
                let kind = if negated { 'P' } else { 'p' };
                let text =
                    if plain == "Any" { "[\\x{0}-\\x{10FFFF}]".to_owned() } else { format!("\\{kind}{{{plain}}}") };
                if Regex::new(&text).is_err() { refused(&format!("{{{name}}}")) } else { Ok(text) }
            }
            Some(letter) => {
                let text = format!("\\{kind}{letter}");
                if Regex::new(&text).is_err() { refused(&letter.to_string()) } else { Ok(text) }
            }
            None => refused(""),
        }
    }

    /// A class, behind its bracket. Each character is written by its number, so that none means more to the crate than to Go.
    fn class(&mut self) -> Result<(), String> {
        let start: String = std::iter::once('[').chain(self.rest.clone()).collect();
        let unclosed = || format!("missing closing ]: `{start}`");
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let character = self.rest.next().ok_or_else(unclosed)?;
            if character == ']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            let low = match character {
                '[' if self.rest.peek() == Some(&':') => match self.posix() {
                    Some(Ok(text)) => {
                        self.out.push_str(&text);
                        continue;
                    }
                    Some(Err(text)) => return Err(format!("invalid character class range: `{text}`")),
                    None => '[',
                },
                '\\' => match self.escape_in_class()? {
                    Escape::Char(character) => character,
                    Escape::Set(set) => {
                        self.out.push_str(set);
                        continue;
                    }
                    Escape::Same(text) => {
                        self.out.push_str(&text);
                        continue;
                    }
                    Escape::Quote => return Err("invalid escape sequence: `\\Q`".to_owned()),
                },
                character => character,
            };
            let mut ahead = self.rest.clone();
            let ranged = ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']');
            let high = if ranged {
                self.rest.next();
                match self.rest.next().ok_or_else(unclosed)? {
                    '\\' => match self.escape_in_class()? {
                        Escape::Char(character) => character,
                        _ => return Err(format!("invalid character class range: `{low}-`")),
                    },
                    character => character,
                }
            } else {
                low
            };
            if high < low {
                return Err(format!("invalid character class range: `{low}-{high}`"));
            }
            // Writing to a string does not fail.
            let _ = write!(self.out, "\\x{{{:X}}}-\\x{{{:X}}}", u32::from(low), u32::from(high));
        }
    }

    fn escape_in_class(&mut self) -> Result<Escape, String> {
        match self.rest.peek() {
            Some(&character @ ('b' | 'B' | 'A' | 'z' | 'Q')) => {
                Err(format!("invalid escape sequence: `\\{character}`"))
            }
            _ => self.escape(),
        }
    }

    /// `[:alpha:]` in a class, where that is what stands there.
    fn posix(&mut self) -> Option<Result<String, String>> {
        let rest: String = self.rest.clone().collect();
        let end = rest.find(":]")?;
        let text = format!("[{}", rest.get(..end + 2)?);
        self.skip(text.chars().count() - 1);
        Some(if Regex::new(&format!("[{text}]")).is_ok() { Ok(text) } else { Err(text) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        compile(pattern).unwrap().is_match(text)
    }

    #[test]
    fn perl_classes_are_ascii() {
        assert!(matches(r"^\d+$", "123") && !matches(r"^\d+$", "٣"));
        assert!(matches(r"^\w+$", "aZ_9") && !matches(r"^\w+$", "ü"));
        assert!(matches(r"^[\d-]+$", "1-2") && matches(r"^[\w-.]+$", "a-.b") && !matches(r"^[^\s]$", " "));
        assert!(matches(r"\bfoo\b", "a foo b"));
        assert!(matches(r"^\W$", "ü"));
    }

    #[test]
    fn what_means_nothing_to_go_is_itself() {
        assert!(
            matches(r"^a{$", "a{")
                && matches(r"^a{,5}$", "a{,5}")
                && matches(r"^{a}$", "{a}")
                && matches(r"^a{2,3}$", "aaa")
        );
        assert!(
            matches(r"^[[]$", "[")
                && matches(r"^[a&&b]+$", "a&b")
                && matches(r"^[+--]+$", "-,+")
                && matches(r"^[]a]$", "]")
        );
        assert!(matches(r"^\Qa.b\E$", "a.b") && !matches(r"^\Qa.b\E$", "axb"));
        assert!(matches(r"^\_\-\/\%$", "_-/%"));
        assert!(matches(r"^\101\x42\x{43}$", "ABC"));
        assert!(matches(r"^[[:alpha:]]+\pL\p{Greek}[\p{Lu}]$", "abcxαX"));
        assert!(matches(r"(?i)^HELLO(?-i:x)$", "hellox") && matches(r"^(?P<a>x)(?<b>y)(?:z)$", "xyz"));
        assert!(matches("^a # b$", "a # b"));
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words() {
        for (pattern, words) in [
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("[a", "missing closing ]: `[a`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `*`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            (r"a\y", "invalid escape sequence: `\\y`"),
            (r"\1", "invalid escape sequence: `\\1`"),
            ("[b-a]", "invalid character class range: `b-a`"),
            (r"\p{Nothing}", "invalid character class range: `\\p{Nothing}`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?<=a)", "invalid named capture: `(?<=a)`"),
            ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
            ("a\\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(compile(pattern).unwrap_err(), format!("error parsing regexp: {words}"), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_compiled_or_refused(pattern in any::<String>()) {
            let _ = compile(&pattern);
        }

        #[test]
        fn a_quoted_text_matches_itself(text in "[a-z.*+?(){}|^$]{0,20}") {
            let quoted = format!("^\\Q{text}\\E$");
            prop_assert!(matches(&quoted, &text));
        }

        #[test]
        fn punctuation_is_compiled_or_refused(pattern in r"[\[\]\\(){}|*+?^$a-d0-2:,&~-]{0,12}") {
            let _ = compile(&pattern);
        }
    }
}
