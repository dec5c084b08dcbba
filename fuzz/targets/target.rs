//! Input: a request target. Whatever is accepted has one reading, and what is forwarded is read the same again.
#![no_main]

use apimachinery::request_info::RequestInfo;
use apimachinery::target::{Routing, read};
use http::{Method, Uri, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(uri) = Uri::try_from(input) else { return };
    for routing in [Routing::Path, Routing::Host] {
        let Ok(target) = read(Version::HTTP_11, &Method::GET, &uri, routing) else { continue };
        let path = target.path();
        assert!(path.starts_with('/'));
        assert!(!path.split('/').any(|s| s == "." || s == ".."), "a dot segment in `{path}`");
        assert!(!path.bytes().any(|b| b < 0x20 || b == 0x7f || b == b'\\'), "a control byte in `{path:?}`");
        let decoded = percent_encoding::percent_decode_str(target.raw_path()).decode_utf8().expect("UTF-8");
        assert_eq!(decoded, path);

        let mut forwarded = String::new();
        target.write_path_and_query(&mut forwarded);
        let again: Uri = forwarded.parse().expect("what is forwarded is a target");
        let again = read(Version::HTTP_11, &Method::GET, &again, Routing::Host).expect("and is accepted");
        assert_eq!((again.path(), again.raw_path(), again.query()), (path, target.raw_path(), target.query()));

        let Ok(info) = RequestInfo::of(&Method::GET, &target) else { continue };
        let odd = path.contains("//")
            || path.contains(';')
            || path.split('/').count() != target.raw_path().split('/').count();
        assert!(!odd || info.subresource == "proxy", "`{path}` has two readings");
        let mut seen = std::collections::HashSet::new();
        for (key, _) in target.query().pairs() {
            let decides = ["watch", "fieldSelector", "labelSelector", "dryRun"].contains(&&*key);
            assert!(!decides || seen.insert(key.clone()) || info.subresource == "proxy", "`{key}` twice");
        }
    }
});
