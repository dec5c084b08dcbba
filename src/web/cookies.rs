//! Cookies of Drover's own: all of the one host, over TLS alone, out of reach of scripts.

use http::{HeaderMap, HeaderValue, header};

/// The session: a token.
pub const SESSION: &str = "__Host-drover";
/// What forms are proved with before there is a session.
pub const FORM: &str = "__Host-drover-form";
/// A journey to a provider that is under way.
pub const JOURNEY: &str = "__Host-drover-journey";
/// That somebody signed in with this browser before.
pub const DEVICE: &str = "__Host-drover-device";

/// The value of a cookie, if the request has it exactly once: of two one could be somebody else's.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = None;
    for line in headers.get_all(header::COOKIE) {
        for pair in line.to_str().ok()?.split(';') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            if key.trim_matches([' ', '\t']) != name {
                continue;
            }
            if found.replace(value.trim_matches([' ', '\t'])).is_some() {
                return None;
            }
        }
    }
    found.filter(|value| !value.is_empty() && value.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'"'))
}

/// Whether the request has the cookie at all, readable or not.
pub fn is_there(headers: &HeaderMap, name: &str) -> bool {
    let has = |line: &HeaderValue| {
        line.as_bytes().split(|byte| *byte == b';').any(|pair| {
            let rest = pair.trim_ascii_start().strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
        })
    };
    headers.get_all(header::COOKIE).iter().any(has)
}

/// Sets a cookie; without `seconds` until the browser is closed. `value` has only characters of base64 for URLs.
pub fn set(name: &str, value: &str, seconds: Option<u64>) -> Option<HeaderValue> {
    let life = seconds.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    // Lax, not Strict: a link to Drover, and the way back from a provider, find the person signed in. What changes anything
    // needs a proof besides.
    HeaderValue::try_from(format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{life}")).ok()
}

/// Takes a cookie away.
pub fn remove(name: &str) -> Option<HeaderValue> {
    set(name, "", Some(0))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_read_where_it_stands_once() {
        assert_eq!(read(&headers(&["a=b; __Host-drover=drover_x; c=d"]), SESSION), Some("drover_x"));
        assert_eq!(read(&headers(&["a=b", "__Host-drover=drover_x"]), SESSION), Some("drover_x"));
        for none in [
            &["__host-drover=x"][..],
            &["__Host-drover=x; __Host-drover=y"],
            &["__Host-drover=x", "__Host-drover=y"],
            &["__Host-drover="],
            &["__Host-drover"],
            &["__Host-drover-form=x"],
            &["__Host-drover=\"x\""],
            &["x__Host-drover=y"],
            &[],
        ] {
            assert_eq!(read(&headers(none), SESSION), None, "{none:?}");
        }
        for (lines, there) in [
            (&["a=b; __Host-drover=x"][..], true),
            (&["__Host-drover=x; __Host-drover=y"], true),
            (&["a=b", "__Host-drover = \"x\""], true),
            (&["__Host-drover-form=x; a=__Host-drover"], false),
            (&[], false),
        ] {
            assert_eq!(is_there(&headers(lines), SESSION), there, "{lines:?}");
        }
    }

    #[test]
    fn a_cookie_is_for_this_host_over_tls_and_not_for_scripts() {
        let set = set(SESSION, "drover_x", Some(60)).unwrap();
        assert_eq!(set, "__Host-drover=drover_x; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60");
        assert!(super::set(SESSION, "a\r\nb", None).is_none());
    }
}
