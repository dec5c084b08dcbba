//! Input: lines of `Authorization`, an empty line, lines of `Sec-WebSocket-Protocol`.
#![no_main]

use apimachinery::credential::{LONGEST, read_authorization, read_subprotocol};
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    let mut name = AUTHORIZATION;
    for line in input.split(|byte| *byte == b'\n').take(20) {
        if line.is_empty() {
            name = SEC_WEBSOCKET_PROTOCOL;
        } else if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(&name, value);
        }
    }
    let is_token = |text: &str| !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic());
    match read_authorization(&headers) {
        Ok(Some(token)) => assert!(is_token(token.expose())),
        Ok(None) => assert!(!headers.contains_key(AUTHORIZATION)),
        Err(_) => {}
    }
    if let Ok(found) = read_subprotocol(&headers) {
        let rest = match found {
            Some(found) => {
                assert!(is_token(found.token.expose()));
                vec![found.protocols]
            }
            None => headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect(),
        };
        for line in rest {
            let mut protocols = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            let prefix = b"base64url.bearer.authorization.k8s.io.";
            assert!(!protocols.any(|protocol| protocol.starts_with(prefix)), "a token would be forwarded");
        }
    }
});
