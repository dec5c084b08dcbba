//! The forms that names have: `k8s.io/apimachinery/pkg/util/validation` and `pkg/api/validate/content`, with their messages.
//!
//! Each check returns what is wrong, nothing when all is well. Kubernetes counts some lengths in `bytes` and some in `characters`,
//! depending on which of its two packages a check lives in; so do these.

/// The most bytes of a DNS label.
pub const LABEL_MOST: usize = 63;
/// The most bytes of a DNS subdomain.
pub const SUBDOMAIN_MOST: usize = 253;

const LABEL_FORM: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_FORM: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_WORDS: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const KEY_FORM: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const KEY_WORDS: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// What a kind asks of its objects' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameRule {
    /// A DNS subdomain: most kinds, and all custom resources.
    DnsSubdomain,
    /// A DNS label of RFC 1123: namespaces.
    DnsLabel,
    /// A DNS label of RFC 1035: services.
    Dns1035Label,
    /// Whatever can stand in a path: roles and bindings.
    PathSegment,
}

impl NameRule {
    /// What is wrong with `name`.
    pub fn check(self, name: &str) -> Vec<String> {
        match self {
            Self::DnsSubdomain => dns1123_subdomain(name),
            Self::DnsLabel => dns1123_label(name),
            Self::Dns1035Label => dns1035_label(name),
            Self::PathSegment => path_segment(name),
        }
    }

    /// What is wrong with `prefix` as the beginning of a generated name.
    pub fn check_prefix(self, prefix: &str) -> Vec<String> {
        if self == Self::PathSegment { path_segment_prefix(prefix) } else { self.check(&without_trailing_dash(prefix)) }
    }
}

/// Kubernetes puts an `a` in the place of the last *two* characters; a prefix whose last but one is bad thus passes, and the
/// generated name is what fails.
fn without_trailing_dash(name: &str) -> String {
    match name.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let mut kept = rest.to_owned();
            kept.pop();
            kept.push('a');
            kept
        }
        _ => name.to_owned(),
    }
}

/// A generated name: `base`, cut so that the whole has at most 63 bytes, and five characters made of `random`.
///
/// See `k8s.io/apiserver/pkg/storage/names`; the alphabet has no vowels, so that no words come out.
pub fn generated(base: &str, random: u64) -> String {
    const ALPHABET: [char; 27] = [
        'b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'z', '2', '4',
        '5', '6', '7', '8', '9',
    ];
    const SUFFIX: usize = 5;
    let mut name = truncated(base, LABEL_MOST - SUFFIX).to_owned();
    let mut rest = random;
    for _ in 0..SUFFIX {
        let at = usize::try_from(rest % 27).unwrap_or_default();
        name.push(ALPHABET.get(at).copied().unwrap_or('b'));
        rest /= 27;
    }
    name
}

/// The longest beginning of `text` that has at most `most` bytes and whole characters.
fn truncated(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// What is wrong with a DNS label of RFC 1123.
pub fn dns1123_label(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > LABEL_MOST {
        wrong.push(too_many_characters(LABEL_MOST));
    }
    if !is_label(value) {
        wrong.push(if is_subdomain(value) {
            "must not contain dots".to_owned()
        } else {
            not_of_form(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                LABEL_FORM,
                &["my-name", "123-abc"],
            )
        });
    }
    wrong
}

/// What is wrong with a DNS subdomain of RFC 1123.
pub fn dns1123_subdomain(value: &str) -> Vec<String> {
    subdomain(value, too_many_characters)
}

fn subdomain(value: &str, too_long: fn(usize) -> String) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > SUBDOMAIN_MOST {
        wrong.push(too_long(SUBDOMAIN_MOST));
    }
    if !is_subdomain(value) {
        wrong.push(not_of_form(SUBDOMAIN_WORDS, SUBDOMAIN_FORM, &["example.com"]));
    }
    wrong
}

/// What is wrong with a DNS label of RFC 1035.
pub fn dns1035_label(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > LABEL_MOST {
        wrong.push(too_many_characters(LABEL_MOST));
    }
    if !is_label(value) || !value.starts_with(|first: char| first.is_ascii_lowercase()) {
        wrong.push(not_of_form(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    wrong
}

/// What is wrong with a qualified name, the form of label keys, annotation keys and finalizers: `[<DNS subdomain>/]<name>`.
pub fn qualified_name(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut parts = value.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                wrong.extend(
                    subdomain(prefix, too_many_bytes).into_iter().map(|message| format!("prefix part {message}")),
                );
            }
            name
        }
        _ => {
            let form = not_of_form(KEY_WORDS, KEY_FORM, &["MyName", "my.name", "123-abc"]);
            wrong.push(format!(
                "a valid label key {form} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return wrong;
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MOST {
        wrong.push(format!("name part {}", too_many_bytes(LABEL_MOST)));
    }
    if !is_key(name) {
        wrong.push(format!("name part {}", not_of_form(KEY_WORDS, KEY_FORM, &["MyName", "my.name", "123-abc"])));
    }
    wrong
}

/// What is wrong with the value of a label.
pub fn label_value(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > LABEL_MOST {
        wrong.push(too_many_bytes(LABEL_MOST));
    }
    if !value.is_empty() && !is_key(value) {
        wrong.push(not_of_form(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
            &["MyValue", "my_value", "12345"],
        ));
    }
    wrong
}

/// What is wrong with a name that stands as one segment of a path.
pub fn path_segment(name: &str) -> Vec<String> {
    if name == "." || name == ".." { vec![format!("may not be '{name}'")] } else { path_segment_prefix(name) }
}

/// What is wrong with the beginning of a name that stands as one segment of a path.
pub fn path_segment_prefix(name: &str) -> Vec<String> {
    ["/", "%"]
        .into_iter()
        .filter(|illegal| name.contains(illegal))
        .map(|illegal| format!("may not contain '{illegal}'"))
        .collect()
}

/// What is wrong with a key of a ConfigMap or Secret.
pub fn config_map_key(value: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if value.len() > SUBDOMAIN_MOST {
        wrong.push(too_many_characters(SUBDOMAIN_MOST));
    }
    if value.is_empty() || !value.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_')) {
        wrong.push(not_of_form(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match value {
        "." | ".." => wrong.push(format!("must not be '{value}'")),
        _ if value.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => {}
    }
    wrong
}

/// Whether `value` is a DNS label, of any length.
fn is_label(value: &str) -> bool {
    let alphanumeric = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = value.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|c| alphanumeric(c) || *c == b'-')
}

/// Whether `value` is a DNS subdomain, of any length.
fn is_subdomain(value: &str) -> bool {
    value.split('.').all(is_label)
}

/// Whether `value` is the name part of a label key, of any length.
fn is_key(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

fn too_many_characters(most: usize) -> String {
    format!("must be no more than {most} characters")
}

fn too_many_bytes(most: usize) -> String {
    format!("must be no more than {most} bytes")
}

/// `RegexError`: what the form is, examples, and the expression.
pub fn not_of_form(words: &str, form: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{words} (regex used for validation is '{form}')");
    }
    let quoted: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{words} (e.g. {}regex used for validation is '{form}')", quoted.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_lower_case_without_dots() {
        let long = "a".repeat(63);
        for good in ["a", "ab", "a1", "a-1", "a--1--2--b", "0", "1-a", long.as_str()] {
            assert!(dns1123_label(good).is_empty(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "A", "aBc", "-", "a-", "-a", "_", "a_b", ".", "a.b", " ", "a b", "ä", long.as_str()] {
            assert!(!dns1123_label(bad).is_empty(), "{bad}");
        }
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(
            dns1123_label("A"),
            [
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ]
        );
        assert_eq!(dns1123_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
    }

    #[test]
    fn a_subdomain_is_labels_between_dots() {
        let long = "a".repeat(253);
        for good in ["a", "a.a", "1.2.3.4.5", "a--1--2--b.a", long.as_str()] {
            assert!(dns1123_subdomain(good).is_empty(), "{good}");
        }
        let long = "a".repeat(254);
        for bad in ["", "A", ".", "a.", ".a", "a..b", "a_b", "a@b", "a:b", "A.a", long.as_str()] {
            assert!(!dns1123_subdomain(bad).is_empty(), "{bad}");
        }
        assert_eq!(
            dns1123_subdomain("A"),
            [
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            ]
        );
    }

    #[test]
    fn a_qualified_name_may_have_a_domain() {
        let long = format!("{}/{}", "a".repeat(253), "b".repeat(63));
        for good in [
            "simple",
            "1-num.2-num/3-num",
            "1.2.3.4/5678",
            "Uppercase_Is_OK_123",
            "example.com/Uppercase_Is_OK_123",
            long.as_str(),
        ] {
            assert!(qualified_name(good).is_empty(), "{good}");
        }
        let long = format!("{}/abc", "a".repeat(254));
        for bad in [
            "",
            "nospecialchars%^=@",
            "cantendwithadash-",
            "only/one/slash",
            "Example.com/abc",
            "example.com/",
            "/simple",
            long.as_str(),
        ] {
            assert!(!qualified_name(bad).is_empty(), "{bad}");
        }
        assert_eq!(qualified_name(&long), ["prefix part must be no more than 253 bytes"]);
        assert_eq!(qualified_name("a/")[..1], ["name part must be non-empty".to_owned()]);
        assert_eq!(
            qualified_name("a/b/c"),
            [
                "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ]
        );
    }

    #[test]
    fn a_label_value_may_be_empty() {
        for good in ["", "simple", "end-with-num-1", "a_b.c"] {
            assert!(label_value(good).is_empty(), "{good}");
        }
        for bad in ["nospecialchars%^=@", "-starts", "ends.", "Māori"] {
            assert!(!label_value(bad).is_empty(), "{bad}");
        }
        assert_eq!(label_value(&"a".repeat(64)), ["must be no more than 63 bytes"]);
    }

    #[test]
    fn a_path_segment_is_anything_but_a_way_out() {
        assert!(path_segment("system:admin:Ä").is_empty());
        assert_eq!(path_segment(".."), ["may not be '..'"]);
        assert_eq!(path_segment("a/b%c"), ["may not contain '/'", "may not contain '%'"]);
        assert!(path_segment_prefix("..").is_empty());
    }

    #[test]
    fn a_config_key_is_a_file_name() {
        for good in ["a", "good", "good-good", "still.good", "THIS_IS_also_good", ".dot"] {
            assert!(config_map_key(good).is_empty(), "{good}");
        }
        assert_eq!(config_map_key("."), ["must not be '.'"]);
        assert_eq!(config_map_key("..b"), ["must not start with '..'"]);
        assert!(!config_map_key("b a d").is_empty());
        assert!(!config_map_key("").is_empty());
    }

    #[test]
    fn a_prefix_may_end_with_a_dash() {
        assert!(NameRule::DnsSubdomain.check_prefix("a-").is_empty());
        assert!(NameRule::DnsSubdomain.check_prefix("ab-").is_empty());
        assert!(!NameRule::DnsSubdomain.check_prefix("-").is_empty());
        assert!(!NameRule::DnsLabel.check_prefix("a.b-").is_empty());
    }

    #[test]
    fn a_generated_name_has_five_random_characters_and_fits_a_label() {
        assert_eq!(generated("pod-", 0), "pod-bbbbb");
        assert_eq!(generated("", 26), "9bbbb");
        let long = generated(&"ä".repeat(60), u64::MAX);
        assert!(long.len() <= 63 && long.starts_with('ä'));
        assert_eq!(generated(&"a".repeat(70), 1).len(), 63);
    }
}
