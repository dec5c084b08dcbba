//! Input: a request body. Reading never panics, and what was read and written reads the same.
#![no_main]

use apimachinery::json::{ContentType, decode, decode_object, encode, encode_pretty, encode_yaml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = decode_object(input, ContentType::Json).map_err(|error| error.message("Widget", input));
    if let Ok(decoded) = decode(input, ContentType::Json) {
        for written in [encode(&decoded.value), encode_pretty(&decoded.value)] {
            let again = decode(&written, ContentType::Json).expect("what was written can be read");
            assert_eq!(again.value, decoded.value);
            assert!(again.duplicates.is_empty());
        }
    }
    if let Ok(decoded) = decode(input, ContentType::Yaml) {
        let _ = encode_yaml(&decoded.value);
    }
});
