//! Search filters (RFC 4515): put together from values that are always escaped, and from filters of the administrator's that were
//! checked to be one whole filter. Pure.

use std::fmt::Write as _;

/// Bytes of a filter that an administrator writes.
const LONGEST: usize = 4 * 1024;
/// How deep its brackets may go: reading one takes the stack.
const DEEPEST: usize = 32;

/// `(attribute=value)`, exactly this value.
pub fn equals(attribute: &str, value: &str) -> String {
    format!("({attribute}={})", ldap3::ldap_escape(value))
}

/// `(attribute=value*)`.
pub fn begins(attribute: &str, value: &str) -> String {
    format!("({attribute}={}*)", ldap3::ldap_escape(value))
}

/// `(attribute=value)` of a value that is no text.
pub fn equals_bytes(attribute: &str, value: &[u8]) -> String {
    let mut filter = format!("({attribute}=");
    for byte in value {
        let _ = write!(filter, "\\{byte:02x}");
    }
    filter.push(')');
    filter
}

/// `(attribute:1.2.840.113556.1.4.1941:=value)`: Active Directory follows the attribute from object to object.
pub fn in_chain(attribute: &str, value: &str) -> String {
    format!("({attribute}:1.2.840.113556.1.4.1941:={})", ldap3::ldap_escape(value))
}

/// All of `filters`.
pub fn all(filters: impl IntoIterator<Item = String>) -> String {
    format!("(&{})", filters.into_iter().collect::<String>())
}

/// Any of `filters`.
pub fn any(filters: impl IntoIterator<Item = String>) -> String {
    format!("(|{})", filters.into_iter().collect::<String>())
}

/// A filter of an administrator's, with brackets around it.
///
/// # Errors
/// Why it is none.
pub fn of_administrator(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.len() > LONGEST {
        return Err("is longer than 4096 bytes");
    }
    let mut depth = 0_usize;
    for byte in text.bytes() {
        depth = match byte {
            b'(' => depth + 1,
            b')' => depth.saturating_sub(1),
            _ => depth,
        };
        if depth > DEEPEST {
            return Err("has more than 32 brackets in each other");
        }
    }
    // The whole text is one filter: what is put before or after it stays apart from it.
    if ldap3::parse_filter(text).is_err() {
        return Err("is not a search filter (RFC 4515) such as `(employeeType=staff)`");
    }
    Ok(if text.starts_with('(') { text.to_owned() } else { format!("({text})") })
}

/// Whether `name` can be the name of an attribute or class (RFC 4512, 2.5), by name or number.
pub fn is_attribute(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b';' | b'_');
    name.len() <= 128
        && name.bytes().all(inner)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use ldap3::asn1::{PL, Tag};
    use proptest::prelude::*;

    use super::{equals, equals_bytes, of_administrator};

    /// Attribute and value of an equality, as they go over the wire.
    fn read(filter: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        let Ok(Tag::Sequence(sequence)) = ldap3::parse_filter(filter) else { return None };
        let mut texts = sequence.inner.into_iter().filter_map(|tag| match tag {
            Tag::OctetString(text) => Some(text.inner),
            _ => None,
        });
        (sequence.id == 3).then_some((texts.next()?, texts.next()?))
    }

    /// T6.
    #[test]
    fn a_user_name_is_a_value_whatever_it_is() {
        for name in ["*)(uid=*", "*", r"\00", "ann)(|(uid=*", "\0", "a\\2a", "", "*)(&", "äöü"] {
            assert_eq!(read(&equals("uid", name)), Some((b"uid".to_vec(), name.into())), "{name}");
        }
    }

    #[test]
    fn a_filter_of_an_administrator_is_one_whole_filter() {
        assert_eq!(of_administrator(" (a=b) "), Ok("(a=b)".to_owned()));
        assert_eq!(of_administrator("a=b"), Ok("(a=b)".to_owned()));
        let deep = format!("{}(a=b){}", "(!".repeat(40), ")".repeat(40));
        for text in ["(a=b)(c=d)", "a=b)(c=d", "(a=b", "", "a", "(&(a=b)", &deep, &format!("(a={})", "x".repeat(5_000))]
        {
            assert!(of_administrator(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_are_written_by_their_numbers() {
        assert_eq!(equals_bytes("objectSid", &[1, 0x2a, 0xff]), r"(objectSid=\01\2a\ff)");
        assert_eq!(PL::P(read(&equals_bytes("a", &[1, 0x2a, 0xff])).unwrap().1), PL::P(vec![1, 0x2a, 0xff]));
    }

    proptest! {
        #[test]
        fn any_text_is_one_value(text in any::<String>()) {
            prop_assert_eq!(read(&equals("uid", &text)), Some((b"uid".to_vec(), text.into_bytes())));
        }
    }
}
