//! The salted hashes in which Rancher keeps keys of tokens: read, so that its tokens can be brought over.
//!
//! The three forms of `pkg/auth/tokens/hashers` of github.com/rancher/rancher: scrypt, SHA-256 and SHA3-512. A key that one of
//! them proves is known by its SHA-256 from then on.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use sha3::{Digest as _, Sha3_512};

/// The cost that a stored hash may ask for: Rancher's is 15. What somebody put there must not eat the memory.
const MOST_COST: u8 = 16;
/// Bytes of a salt.
const MOST_SALT: usize = 64;

/// A stored hash, read.
enum Stored {
    /// `$1:<salt, hexadecimal>:<n>:<r>:<p>:<hash>`.
    Scrypt { salt: Vec<u8>, params: scrypt::Params, hash: Vec<u8> },
    /// `$2:<salt>:<hash>`: of the salt and then the key.
    Sha256 { salt: Vec<u8>, hash: Vec<u8> },
    /// `$3:1:<salt>:<hash>`: of the salt and then the key.
    Sha3 { salt: Vec<u8>, hash: Vec<u8> },
}

impl Stored {
    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.strip_prefix('$')?.split(':').collect();
        let base64 = |text: &str| BASE64_STANDARD_NO_PAD.decode(text).ok();
        match parts.as_slice() {
            ["1", salt, n, r, p, hash] => {
                let cost = n.parse().ok().filter(|cost| *cost <= MOST_COST)?;
                let (r, p) = (r.parse().ok().filter(|r| *r <= 16)?, p.parse().ok().filter(|p| *p <= 4)?);
                let params = scrypt::Params::new(cost, r, p).ok()?;
                Some(Self::Scrypt { salt: hexadecimal(salt)?, params, hash: sized(base64(hash)?, 64)? })
            }
            ["2", salt, hash] => Some(Self::Sha256 { salt: salted(base64(salt)?)?, hash: sized(base64(hash)?, 32)? }),
            ["3", "1", salt, hash] => {
                Some(Self::Sha3 { salt: salted(base64(salt)?)?, hash: sized(base64(hash)?, 64)? })
            }
            _ => None,
        }
    }
}

/// Whether `text` is such a hash.
pub fn is_hash(text: &str) -> bool {
    Stored::read(text).is_some()
}

/// Whether `key` is what was hashed. With scrypt some 50 ms and 32 MiB: never on a worker.
pub fn verify(text: &str, key: &str) -> bool {
    match Stored::read(text) {
        Some(Stored::Scrypt { salt, params, hash }) => {
            let mut own = vec![0; hash.len()];
            scrypt::scrypt(key.as_bytes(), &salt, &params, &mut own).is_ok() && equal(&own, &hash)
        }
        Some(Stored::Sha256 { salt, hash }) => {
            let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
            context.update(&salt);
            context.update(key.as_bytes());
            equal(context.finish().as_ref(), &hash)
        }
        Some(Stored::Sha3 { salt, hash }) => {
            let own = Sha3_512::new().chain_update(&salt).chain_update(key.as_bytes()).finalize();
            equal(&own, &hash)
        }
        None => false,
    }
}

fn equal(own: &[u8], stored: &[u8]) -> bool {
    verify_slices_are_equal(own, stored).is_ok()
}

fn sized(bytes: Vec<u8>, size: usize) -> Option<Vec<u8>> {
    (bytes.len() == size).then_some(bytes)
}

fn salted(salt: Vec<u8>) -> Option<Vec<u8>> {
    (!salt.is_empty() && salt.len() <= MOST_SALT).then_some(salt)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || text.len() > 2 * MOST_SALT {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks_exact(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_hash, verify};

    // The hashes were made with Python's hashlib, in the forms of Rancher's hashers.
    const KEY: &str = "7p8xzr6cqnrkvlh4v4vqg9l5wdm2bhkkd7pxsx6n4v4wq2h9z5tbcd";

    #[test]
    fn the_forms_that_rancher_writes_are_verified() {
        for hash in HASHES {
            assert!(is_hash(hash), "{hash}");
            assert!(verify(hash, KEY), "{hash}");
            assert!(!verify(hash, "another key"), "{hash}");
            assert!(!verify(hash, ""), "{hash}");
        }
    }

    #[test]
    fn what_is_no_such_hash_proves_nothing() {
        let plain = KEY;
        for hash in
            [plain, "", "$", "$2::", "$2:c2FsdA:", "$1:00:40:8:1:AAAA", "$3:2:c2FsdA:aGFzaA", "$1:0g:15:8:1:AAAA"]
        {
            assert!(!is_hash(hash), "{hash}");
            assert!(!verify(hash, plain), "{hash}");
        }
    }

    const HASHES: [&str; 3] = [
        "$1:010203fafbfc0708:15:8:1:EAJuNVsLCdQHPIgaDmVsUxAOk80hSOSwm46DusjqqomDJJsKU70r6iy4BgUvoy9wlhbcCnx5eflX5N+00FSsBw",
        "$2:AQID+vv8Bwg:83q0JzvI9Oz6vgpUSlSEq3kLzLqu9Mo1HI0B5wz6K8g",
        "$3:1:AQID+vv8Bwg:ckIMaPcfAdIFDX9TBdn+sDCD1L2aj7xvv0UTeE9PxSXLen+vA3iF/ms1RyRYxMlZql+oEvHNkcBGHNuZTBWvFg",
    ];
}
