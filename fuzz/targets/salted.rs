//! Input: a token that somebody shows, a line feed, what is stored of one of Rancher's.
#![no_main]

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use drover::identity::{
    salted::{is_hash, verify},
    signed::named,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (token, stored) = text.split_once('\n').unwrap_or((text, text));
    let key = match named(token) {
        Some((name, key)) => {
            assert_eq!(format!("{name}:{key}"), token);
            assert!(!name.is_empty() && !name.contains(':') && !key.is_empty());
            key
        }
        None => token,
    };
    if !is_hash(stored) {
        assert!(!verify(stored, key), "no hash proves nothing");
    } else if !stored.starts_with("$1") {
        // The form with a cost takes too long to be tried so often.
        let same = verify(stored, key);
        assert!(!(same && verify(stored, &format!("{key}x"))), "two keys of one hash");
    }
    // A salt of any bytes, and the key: what Rancher would have stored proves the key and no other.
    let salt: Vec<u8> = stored.bytes().take(64).collect();
    if salt.is_empty() {
        return;
    }
    let mut hashed = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    hashed.update(&salt);
    hashed.update(key.as_bytes());
    let [salt, hash] = [&*salt, hashed.finish().as_ref()].map(|part| BASE64_STANDARD_NO_PAD.encode(part));
    let own = format!("$2:{salt}:{hash}");
    assert!(is_hash(&own) && verify(&own, key) && !verify(&own, &format!("{key}x")));
});
