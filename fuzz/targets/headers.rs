//! Input: header lines `name: value`. Whatever comes in, the identity that was decided goes out, and no other.
#![no_main]

use apimachinery::headers::{
    Forwarded, Identity, is_identity_header, read_impersonation, remove_identity_headers, render_identity,
    sanitise_trailers, strip_hop_by_hop,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const OURS: [&str; 4] =
    ["impersonate-user", "impersonate-uid", "impersonate-group", "impersonate-extra-drover.io%2ftoken"];

fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(100) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let mut trailers = headers.clone();

    // What a client asks to be is read and, written again, read the same.
    if let Ok(Some(request)) = read_impersonation(&headers) {
        let extras: Vec<(&str, &[&str])> = request.extras.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect();
        let identity = Identity { user: request.user, uid: request.uid, groups: &request.groups, extras: &extras };
        if let Ok(rendered) = render_identity(&identity) {
            let mut written = HeaderMap::new();
            rendered.apply(&mut written).expect("few headers");
            let mut again = read_impersonation(&written).expect("well formed").expect("a user");
            let mut request = request;
            request.extras.sort();
            again.extras.sort();
            assert_eq!(again, request);
        }
    }

    let identity = Identity {
        user: "jo",
        uid: Some("u-1"),
        groups: &["a", "drover:c:cluster:view"],
        extras: &[("drover.io/token", &["t-1"])],
    };
    strip_hop_by_hop(&mut headers);
    remove_identity_headers(&mut headers, Forwarded::Drop);
    assert!(!headers.keys().any(is_identity_header));
    render_identity(&identity).expect("plain").apply(&mut headers).expect("few headers");
    let request = read_impersonation(&headers).expect("ours").expect("ours");
    assert_eq!((request.user, request.uid), (identity.user, identity.uid));
    assert_eq!(request.groups, identity.groups);
    assert_eq!(request.extras, [("drover.io/token".to_owned(), vec!["t-1"])]);
    for name in headers.keys().map(HeaderName::as_str).filter(|name| !OURS.contains(name)) {
        let reading = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let hostile = reading.starts_with("impersonate-")
            || reading.starts_with("x-remote-")
            || ["authorization", "cookie", "connection", "te", "upgrade", "transfer-encoding"].contains(&&*reading);
        assert!(!hostile, "`{name}` passed");
    }

    sanitise_trailers(&mut trailers);
    assert!(!trailers.keys().any(is_identity_header));
});
