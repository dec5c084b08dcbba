//! Input: where somebody would have a browser sent. A browser's own reading of addresses (the URL standard) is what it is judged by.
#![no_main]

use drover::web::targets;
use libfuzzer_sys::fuzz_target;
use url::{Host, Url};

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let own = Url::parse("https://drover.example:8443/login").expect("an address");
    if let Some(path) = targets::path(text) {
        assert_eq!(path, text);
        assert!(http::HeaderValue::from_str(path).is_ok());
        let there = own.join(path).expect("an address of this host");
        assert_eq!(there.origin(), own.origin(), "{text:?}");
    }
    if targets::loopback(text).is_some() {
        // As it is sent: with an answer behind it.
        let there = Url::parse(&format!("{text}?code=a&state=b")).expect("an address");
        assert_eq!(there.scheme(), "http", "{text:?}");
        let is_own = match there.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(_)) | None => false,
        };
        assert!(is_own && there.username().is_empty() && there.password().is_none(), "{text:?}");
        assert_eq!(there.query(), Some("code=a&state=b"), "{text:?}");
        assert_eq!(there.fragment(), None, "{text:?}");
    }
});
