//! What label keys and values may be, in the words of `k8s.io/apimachinery/pkg/api/validate/content`.

const NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const NAME_RULE: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const LONGEST_NAME: usize = 63;
const LONGEST_SUBDOMAIN: usize = 253;

/// What is wrong with a label's key (a "qualified name"); nothing for a good one.
pub fn label_key(key: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let rule = || example(NAME_RULE, NAME, &["MyName", "my.name", "123-abc"]);
    let name = match key.split_once('/') {
        None => key,
        Some((_, name)) if name.contains('/') => {
            let more = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {}{more}", rule())];
        }
        Some(("", name)) => {
            errors.push("prefix part must be non-empty".to_owned());
            name
        }
        Some((prefix, name)) => {
            errors.extend(dns_subdomain(prefix).into_iter().map(|error| format!("prefix part {error}")));
            name
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LONGEST_NAME {
        errors.push(format!("name part {}", too_long(LONGEST_NAME)));
    }
    if !is_name(name) {
        errors.push(format!("name part {}", rule()));
    }
    errors
}

/// What is wrong with a label's value; nothing for a good one.
pub fn label_value(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > LONGEST_NAME {
        errors.push(too_long(LONGEST_NAME));
    }
    if !value.is_empty() && !is_name(value) {
        let rule = format!("a valid label must be an empty string or {}", NAME_RULE.trim_start_matches("must "));
        errors.push(example(&rule, &format!("({NAME})?"), &["MyValue", "my_value", "12345"]));
    }
    errors
}

/// What is wrong with a DNS subdomain (RFC 1123); nothing for a good one.
pub fn dns_subdomain(name: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if name.len() > LONGEST_SUBDOMAIN {
        errors.push(too_long(LONGEST_SUBDOMAIN));
    }
    let is_label = |label: &str| {
        bounded_by(label, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if !name.split('.').all(is_label) {
        errors.push(example(SUBDOMAIN_RULE, SUBDOMAIN, &["example.com"]));
    }
    errors
}

/// A rule, with examples and its regular expression: `RegexError` of the same package.
pub fn example(rule: &str, regex: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{rule} (regex used for validation is '{regex}')");
    }
    let quoted: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{rule} (e.g. {}regex used for validation is '{regex}')", quoted.join(" or "))
}

fn too_long(most: usize) -> String {
    format!("must be no more than {most} bytes")
}

fn is_name(name: &str) -> bool {
    bounded_by(name, u8::is_ascii_alphanumeric)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Whether the first and the last byte are as `of` asks; no for the empty text.
fn bounded_by(text: &str, of: impl Fn(&u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(&of) && bytes.last().is_some_and(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_keys_and_values_pass() {
        for key in ["a", "app.kubernetes.io/name", "A-b_c.9", &"x".repeat(63)] {
            assert_eq!(label_key(key), Vec::<String>::new(), "{key}");
        }
        for value in ["", "a", "A-b_c.9"] {
            assert_eq!(label_value(value), Vec::<String>::new(), "{value}");
        }
    }

    #[test]
    fn a_bad_key_is_told_as_kubernetes_tells_it() {
        let rule = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
        assert_eq!(label_key(""), ["name part must be non-empty".to_owned(), format!("name part {rule}")]);
        assert_eq!(label_key("/a"), ["prefix part must be non-empty"]);
        assert_eq!(
            label_key("a/b/c"),
            [format!(
                "a valid label key {rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )]
        );
        assert_eq!(label_key("-a"), [format!("name part {rule}")]);
        assert_eq!(label_key(&"x".repeat(64)), ["name part must be no more than 63 bytes"]);
    }

    #[test]
    fn a_bad_value_is_told_as_kubernetes_tells_it() {
        assert_eq!(
            label_value("a b"),
            [
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            ]
        );
    }
}
