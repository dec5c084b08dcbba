//! Distinguished names, read as RFC 4514 writes them and compared as directories do: types and values without regard to case, and
//! to how many spaces lie between words. Pure.

use std::fmt::{self, Write as _};

/// Bytes of one name; a longer one is none.
const LONGEST: usize = 8 * 1024;

/// A distinguished name in canonical form, the entry's own part first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dn(Vec<Vec<Part>>);

/// `type=value`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Part {
    kind: String,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Value {
    Text(Vec<u8>),
    /// `#` and the BER of the value.
    Ber(Vec<u8>),
}

impl Dn {
    /// Reads a name; `None` where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut rest = text.trim_start_matches(' ').as_bytes();
        let mut rdns = Vec::new();
        if rest.is_empty() {
            return Some(Self(rdns));
        }
        let mut rdn = Vec::new();
        loop {
            let (part, end, after) = part(rest)?;
            rdn.push(part);
            rest = after;
            if end != Some(b'+') {
                // The parts of one step have no order.
                rdn.sort_unstable();
                rdns.push(std::mem::take(&mut rdn));
            }
            if end.is_none() {
                return Some(Self(rdns));
            }
        }
    }

    /// Whether it is `base` or lies below it.
    pub fn is_under(&self, base: &Self) -> bool {
        self.0.ends_with(&base.0)
    }

    /// The DNS name of its domain, in lower case: `DC=corp,DC=example` is `corp.example` (RFC 2247).
    pub fn domain(&self) -> String {
        let labels = self.0.iter().filter_map(|rdn| match rdn.as_slice() {
            [Part { kind, value: Value::Text(text) }] if kind == "dc" => Some(String::from_utf8_lossy(text)),
            _ => None,
        });
        labels.collect::<Vec<_>>().join(".")
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, rdn) in self.0.iter().enumerate() {
            for (index, part) in rdn.iter().enumerate() {
                match (step, index) {
                    (0, 0) => {}
                    (_, 0) => f.write_char(',')?,
                    _ => f.write_char('+')?,
                }
                write!(f, "{}=", part.kind)?;
                match &part.value {
                    Value::Text(text) => escape(text, f)?,
                    Value::Ber(ber) => {
                        f.write_char('#')?;
                        ber.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A value as it stands in a name (RFC 4514, 2.4): whatever is not plain by its number.
fn escape(value: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let last = value.len().saturating_sub(1);
    for (index, &byte) in value.iter().enumerate() {
        let plain = match byte {
            b' ' => index != 0 && index != last,
            byte => byte.is_ascii_alphanumeric() || b"-._/:@'()!$&*?~^`|[]{}%".contains(&byte),
        };
        if plain { f.write_char(char::from(byte))? } else { write!(f, "\\{byte:02x}")? }
    }
    Ok(())
}

/// One `type=value`, what ended it, and the bytes after that.
fn part(text: &[u8]) -> Option<(Part, Option<u8>, &[u8])> {
    let equals = text.iter().position(|&byte| byte == b'=')?;
    let (kind, text) = (text.get(..equals)?.trim_ascii(), text.get(equals + 1..)?);
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if kind.is_empty() || !kind.iter().all(word) {
        return None;
    }
    let kind = String::from_utf8(kind.to_ascii_lowercase()).ok()?;
    let text = text.trim_ascii_start();
    if let Some(hex) = text.strip_prefix(b"#") {
        let length = hex.iter().position(|byte| b",;+".contains(byte)).unwrap_or(hex.len());
        let (digits, after) = hex.split_at(length);
        let digits = digits.trim_ascii_end();
        if digits.is_empty() || digits.len() % 2 != 0 {
            return None;
        }
        let ber = digits.chunks(2).map(byte).collect::<Option<_>>()?;
        return Some((
            Part { kind, value: Value::Ber(ber) },
            after.first().copied(),
            after.get(1..).unwrap_or_default(),
        ));
    }
    let (value, after) = value(text)?;
    let part = Part { kind, value: Value::Text(canonical(value)) };
    Some((part, after.first().copied(), after.get(1..).unwrap_or_default()))
}

/// An unescaped value, and the text from its end on.
fn value(mut text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    // Unescaped spaces at the end belong to the text around the value.
    let mut kept = 0;
    loop {
        text = match text {
            [] | [b',' | b';' | b'+', ..] => {
                value.truncate(kept);
                return Some((value, text));
            }
            [b'\\', rest @ ..] => {
                let rest = if let Some((pair, rest)) = rest.split_at_checked(2)
                    && let Some(byte) = byte(pair)
                {
                    value.push(byte);
                    rest
                } else {
                    let (&special, rest) = rest.split_first()?;
                    if !b" \"#+,;<=>\\".contains(&special) {
                        return None;
                    }
                    value.push(special);
                    rest
                };
                kept = value.len();
                rest
            }
            [b'"' | 0, ..] => return None,
            [b' ', rest @ ..] => {
                value.push(b' ');
                rest
            }
            [other, rest @ ..] => {
                value.push(*other);
                kept = value.len();
                rest
            }
        };
    }
}

fn byte(pair: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    }
}

/// A value as it is compared (RFC 4518, in short).
fn canonical(value: Vec<u8>) -> Vec<u8> {
    match String::from_utf8(value) {
        Ok(text) => {
            let text = text.to_lowercase();
            text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").into_bytes()
        }
        Err(error) => error.into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Dn;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn the_same_name_is_the_same_however_it_is_written() {
        for (one, other) in [
            ("CN=Ann  Example,OU=People,DC=corp,DC=example", "cn=ann example, ou=people, dc=corp, dc=example"),
            (r"cn=Example\, Ann,dc=x", r"cn=example\2c ann,dc=x"),
            (r"cn=\ ann\ ,dc=x", "cn=ann,dc=x"),
            ("cn=a+uid=b,dc=x", "uid=b+cn=a,dc=x"),
            (r"cn=L\C3\BC,dc=x", "cn=LÜ,dc=x"),
            ("cn=#0401,dc=x", "CN=#0401 , DC=X"),
        ] {
            assert_eq!(dn(one), dn(other), "{one}");
        }
        assert_ne!(dn(r"cn=ann\,dc\=x"), dn("cn=ann,dc=x"));
        assert_ne!(dn("cn=#0401"), dn(r"cn=\#0401"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("cn={}", "x".repeat(9_000));
        for text in
            ["ann", "=x", "cn=a,", "cn=a,,dc=x", r"cn=a\", r"cn=a\g", "cn=\"a\"", "c(n=a", "cn=#4", "cn=#", &long]
        {
            assert_eq!(Dn::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_lies_under_a_base_by_its_parts_not_by_its_text() {
        let base = dn("OU=People,DC=corp,DC=example");
        assert!(dn("cn=ann,ou=people,dc=corp,dc=example").is_under(&base));
        assert!(base.is_under(&base));
        assert!(!dn(r"cn=ann\,ou=people,dc=corp,dc=example").is_under(&base));
        assert!(!dn("cn=ann,ou=other,dc=corp,dc=example").is_under(&base));
        assert!(!dn("dc=example").is_under(&base));
    }

    #[test]
    fn the_domain_is_what_the_dc_parts_say() {
        assert_eq!(dn("CN=Ann,OU=dc,DC=Corp,DC=example").domain(), "corp.example");
        assert_eq!(dn("cn=ann,o=corp").domain(), "");
    }

    proptest! {
        #[test]
        fn a_name_is_read_again_as_it_was_written(text in r#"([a-c]{1,2}=([ a-cA-C#,+="\\]|\\[ ,0-9a-f"])*[,+;]? ?){0,4}"#) {
            if let Some(read) = Dn::parse(&text) {
                prop_assert_eq!(Dn::parse(&read.to_string()), Some(read));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            if let Some(read) = Dn::parse(&text) {
                prop_assert_eq!(Dn::parse(&read.to_string()), Some(read));
            }
        }
    }
}
