//! Where a browser may be sent: a path of Drover's own, or the loopback address of the machine that it runs on. Nowhere else, so
//! that no link to Drover is a link to somebody else (open redirect, T7).

use http::Uri;

/// The longest target.
const LONGEST: usize = 2048;

/// Whether a text is one line of visible ASCII without `\`, which browsers read as `/`.
fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\')
}

/// `next` as a path of Drover's own; `None` where it could lead anywhere else.
pub fn path(next: &str) -> Option<&str> {
    let own = next.strip_prefix('/').is_some_and(|rest| !rest.starts_with('/'));
    (own && is_plain(next)).then_some(next)
}

/// A redirection URI of a command on the person's own machine (RFC 8252, 7.3): `http` to a loopback address, with any port.
pub fn loopback(uri: &str) -> Option<Uri> {
    if !is_plain(uri) || uri.contains('#') || !uri.starts_with("http://") {
        return None;
    }
    let parsed: Uri = uri.parse().ok()?;
    let authority = parsed.authority()?.as_str();
    let port = authority.strip_prefix("127.0.0.1:").or_else(|| authority.strip_prefix("[::1]:"))?;
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    (is_port && parsed.query().is_none()).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ones_own_are_gone_on_at() {
        for own in
            ["/", "/account", "/oauth2/authorize?client_id=drover-cli&state=a%2Fb", "/device?user_code=BCDF-GHJK"]
        {
            assert_eq!(path(own), Some(own));
        }
        let long = format!("/{}", "a".repeat(3000));
        for foreign in [
            "",
            "account",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\r\nLocation: https://evil.example",
            "javascript:alert(1)",
            " /account",
            "/a b",
            "/ä",
            &long,
        ] {
            assert_eq!(path(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn a_command_is_answered_on_its_own_machine_alone() {
        for own in ["http://127.0.0.1:1/", "http://127.0.0.1:65535/callback", "http://[::1]:8000/callback"] {
            assert!(loopback(own).is_some(), "{own}");
        }
        for foreign in [
            "http://127.0.0.1/callback",
            "https://127.0.0.1:8000/",
            "http://localhost:8000/",
            "http://evil.example:80/",
            "http://127.0.0.1:80@evil.example/",
            "http://127.0.0.1.evil.example:80/",
            "http://127.0.0.1:0/",
            "http://127.0.0.1:65536/",
            "http://127.0.0.1:80/#a",
            "http://127.0.0.1:80/?a=b",
            "http://127.0.0.1:8\\@evil.example/",
            "//127.0.0.1:80/",
            "/callback",
            "javascript:alert(1)",
            "",
            "http://[::1]:+80/",
            "HTTP://127.0.0.1:80/",
        ] {
            assert!(loopback(foreign).is_none(), "{foreign}");
        }
    }
}
