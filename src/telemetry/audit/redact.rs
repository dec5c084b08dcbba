//! What never reaches the audit log, whatever the policy says.

use percent_encoding::percent_decode_str;

use super::{Level, ObjectRef, json};

/// Resources whose bodies hold secrets: (group, resource, subresource or `*`).
const SECRET: [(&str, &str, &str); 11] = [
    ("", "secrets", "*"),
    ("", "serviceaccounts", "token"),
    ("authentication.k8s.io", "tokenreviews", "*"),
    ("management.cattle.io", "tokens", "*"),
    ("management.cattle.io", "users", "*"),
    ("management.cattle.io", "authconfigs", "*"),
    ("management.cattle.io", "clusterregistrationtokens", "*"),
    ("management.cattle.io", "samltokens", "*"),
    ("ext.cattle.io", "tokens", "*"),
    ("ext.cattle.io", "kubeconfigs", "*"),
    ("ext.cattle.io", "passwordchangerequests", "*"),
];

/// The highest level at which `object` may be recorded: bodies that hold secrets never are.
pub fn ceiling(object: Option<&ObjectRef<'_>>) -> Level {
    let Some(object) = object else { return Level::RequestResponse };
    let secret = SECRET.iter().any(|(group, resource, subresource)| {
        object.resource == *resource
            && object.group == *group
            && (*subresource == "*" || object.subresource == *subresource)
    });
    if secret { Level::Metadata } else { Level::RequestResponse }
}

/// Keys of query parameters whose values are secrets; compared without case, `-` and `_`.
const KEYS: [&str; 16] = [
    "token",
    "accesstoken",
    "idtoken",
    "refreshtoken",
    "bearertoken",
    "authtoken",
    "authorization",
    "bearer",
    "code",
    "password",
    "passwd",
    "secret",
    "clientsecret",
    "apikey",
    "credential",
    "signature",
];

/// Appends `uri` (path and query) as a JSON string, values of secret query parameters replaced.
pub fn uri(uri: &str, out: &mut Vec<u8>) {
    let Some((path, query)) = uri.split_once('?') else { return json::string(uri, out) };
    out.push(b'"');
    json::escaped(path.as_bytes(), out);
    let mut separator = b'?';
    for pair in query.split('&') {
        out.push(separator);
        separator = b'&';
        match pair.split_once('=') {
            Some((key, value)) if !value.is_empty() && is_secret(key) => {
                json::escaped(key.as_bytes(), out);
                out.extend_from_slice(b"=REDACTED");
            }
            _ => json::escaped(pair.as_bytes(), out),
        }
    }
    out.push(b'"');
}

fn is_secret(key: &str) -> bool {
    // A key longer than this cannot be one of ours, even percent-encoded.
    if key.len() > 64 {
        return false;
    }
    // Most of Kubernetes' own keys are told by their first letter, without decoding anything.
    let first = key.bytes().next().unwrap_or_default().to_ascii_lowercase();
    let encoded = matches!(first, b'%' | b'-' | b'_');
    if !encoded && !KEYS.iter().any(|secret| secret.bytes().next() == Some(first)) {
        return false;
    }
    let plain = |byte: &u8| !matches!(byte, b'-' | b'_');
    KEYS.iter()
        .any(|secret| percent_decode_str(key).map(|byte| byte.to_ascii_lowercase()).filter(plain).eq(secret.bytes()))
}

#[cfg(test)]
mod tests {
    use super::{ceiling, uri};
    use crate::telemetry::audit::{Level, ObjectRef};

    fn shown(text: &str) -> String {
        let mut out = Vec::new();
        uri(text, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    /// T1
    #[test]
    fn secret_query_values_are_replaced_however_the_key_is_written() {
        assert_eq!(shown("/a?token=abc"), "/a?token=REDACTED");
        assert_eq!(shown("/a?x=1&Access_Token=abc&y=2"), "/a?x=1&Access_Token=REDACTED&y=2");
        assert_eq!(shown("/a?%74oken=abc"), "/a?%74oken=REDACTED");
        assert_eq!(shown("/a?_token=abc"), "/a?_token=REDACTED");
        assert_eq!(shown("/a?client-secret=a=b?c&z"), "/a?client-secret=REDACTED&z");
        assert_eq!(shown("/a?watch=true&token=a%26b"), "/a?watch=true&token=REDACTED");
    }

    #[test]
    fn other_query_values_stay_as_they_were_sent() {
        let long = format!("/a?{}=1", "k".repeat(100));
        for text in ["/a", "/a?", "/a?b", "/a?token", "/a?token=", "/a?labelSelector=a%3Db&limit=500&", &long] {
            assert_eq!(shown(text), text);
        }
    }

    /// T1
    #[test]
    fn bodies_of_secret_kinds_are_never_recorded() {
        let of = |group, resource, subresource| ObjectRef { group, resource, subresource, ..ObjectRef::default() };
        assert_eq!(ceiling(Some(&of("", "secrets", ""))), Level::Metadata);
        assert_eq!(ceiling(Some(&of("", "serviceaccounts", "token"))), Level::Metadata);
        assert_eq!(ceiling(Some(&of("", "serviceaccounts", ""))), Level::RequestResponse);
        assert_eq!(ceiling(Some(&of("authentication.k8s.io", "tokenreviews", ""))), Level::Metadata);
        assert_eq!(ceiling(Some(&of("management.cattle.io", "tokens", ""))), Level::Metadata);
        assert_eq!(ceiling(Some(&of("example.com", "secrets", ""))), Level::RequestResponse);
        assert_eq!(ceiling(None), Level::RequestResponse);
    }
}
