//! Names of properties as expressions write them: `namespace` is `__namespace__`, `a-b` is `a__dash__b`.
//! Source: `k8s.io/apiserver/pkg/cel/escaping.go`.

use std::borrow::Cow;

use super::words::is_reserved;

const SIGNS: [(&str, &str); 4] = [("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")];

/// The name that an expression gives a property; nothing where there is none.
pub(super) fn escape(name: &str) -> Option<String> {
    let first = name.bytes().next()?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
    if first.is_ascii_digit() || !name.bytes().all(valid) {
        return None;
    }
    if is_reserved(name) {
        return Some(format!("__{name}__"));
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        let length = if let Some((sign, escaped)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            out.push_str(escaped);
            sign.len()
        } else {
            out.push(character);
            character.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Some(out)
}

/// The property of that name in an expression.
pub(super) fn unescape(name: &str) -> Cow<'_, str> {
    if !name.contains("__") {
        return name.into();
    }
    if let Some(keyword) =
        name.strip_prefix("__").and_then(|name| name.strip_suffix("__")).filter(|name| is_reserved(name))
    {
        return keyword.into();
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        let length = if let Some((sign, escaped)) = SIGNS.iter().find(|(_, escaped)| rest.starts_with(escaped)) {
            out.push_str(sign);
            escaped.len()
        } else {
            out.push(character);
            character.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_escaped_as_in_kubernetes() {
        for (name, escaped) in [
            ("a", "a"),
            ("namespace", "__namespace__"),
            ("a-b", "a__dash__b"),
            ("a.b/c", "a__dot__b__slash__c"),
            ("a__b", "a__underscores__b"),
            ("a_b", "a_b"),
        ] {
            assert_eq!(escape(name).as_deref(), Some(escaped));
        }
        assert_eq!(escape("1a"), None);
        assert_eq!(escape("a b"), None);
        assert_eq!(escape(""), None);
    }

    proptest! {
        #[test]
        fn a_name_comes_back(name in "[a-c_./-]{1,12}") {
            let escaped = escape(&name).unwrap();
            prop_assert_eq!(&*unescape(&escaped), name.as_str());
        }
    }
}
