//! Input: lines of `Cookie`.
#![no_main]

use drover::web::cookies::{DEVICE, FORM, JOURNEY, SESSION, is_there, read, set};
use http::{HeaderMap, HeaderValue, header::COOKIE};
use libfuzzer_sys::fuzz_target;

/// How often a browser's own reading (RFC 6265, 4.2.1) finds the name.
fn times(headers: &HeaderMap, name: &str) -> usize {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let names = pairs.filter_map(|pair| pair.split(|byte| *byte == b'=').next().filter(|name| name.len() < pair.len()));
    names.filter(|found| found.trim_ascii() == name.as_bytes()).count()
}

fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(20) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    for name in [SESSION, FORM, JOURNEY, DEVICE] {
        assert_eq!(is_there(&headers, name), times(&headers, name) > 0, "{name}");
        let Some(value) = read(&headers, name) else { continue };
        assert_eq!(times(&headers, name), 1, "of two one could be somebody else's");
        assert!(!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\";".contains(&byte)));
        // What is set is what comes back, and ends no line and no cookie.
        let line = set(name, value, Some(1)).expect("visible characters alone");
        let (pair, rest) = line.to_str().expect("visible characters alone").split_once(';').expect("it has attributes");
        assert_eq!(rest, " Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1");
        let mut back = HeaderMap::new();
        back.insert(COOKIE, HeaderValue::from_str(pair).expect("visible characters alone"));
        assert_eq!(read(&back, name), Some(value));
    }
});
