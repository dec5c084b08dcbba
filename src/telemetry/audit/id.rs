//! The id that joins the gateway's audit log and the cluster's: the value of `Audit-ID`.

use std::{cell::Cell, fmt};

use http::HeaderValue;

/// A version 4 UUID in text: unique, not secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditId([u8; 36]);

impl AuditId {
    /// The text.
    pub fn as_str(&self) -> &str {
        // INVARIANT: `new_id` writes ASCII only.
        str::from_utf8(&self.0).unwrap_or("")
    }

    /// The value of the `Audit-ID` header.
    pub fn to_header_value(&self) -> HeaderValue {
        // INVARIANT: hex digits and dashes are a valid header value.
        HeaderValue::from_bytes(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl AsRef<str> for AuditId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

thread_local! {
    /// State of xoroshiro128++ (Blackman and Vigna); all zero means not seeded, which the generator never reaches.
    static STATE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// A new id, from a generator that each thread seeds once with 128 bits of the system's randomness.
pub fn new_id() -> AuditId {
    STATE.with(|state| {
        let mut current = state.get();
        if current == (0, 0) {
            current = seed();
        }
        let (first, current) = next(current);
        let (second, current) = next(current);
        state.set(current);
        AuditId(render(first, second))
    })
}

fn seed() -> (u64, u64) {
    let mut bytes = [0_u8; 16];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        // The library aborts rather than fail here; the hasher's own random keys are good enough for uniqueness.
        use std::hash::{BuildHasher as _, RandomState};
        let keys = RandomState::new();
        return (keys.hash_one(1_u8), keys.hash_one(2_u8) | 1);
    }
    let value = u128::from_le_bytes(bytes);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are taken")]
    let halves = (value as u64, (value >> 64) as u64 | 1);
    halves
}

const fn next((a, b): (u64, u64)) -> (u64, (u64, u64)) {
    let output = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
    let mixed = a ^ b;
    (output, (a.rotate_left(49) ^ mixed ^ (mixed << 21), mixed.rotate_left(28)))
}

fn render(first: u64, second: u64) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // The version and variant bits of RFC 9562.
    let value = (u128::from(first) << 64 | u128::from(second)) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let mut bytes = value.to_be_bytes().into_iter();
    let mut text = [b'-'; 36];
    for group in [0..8, 9..13, 14..18, 19..23, 24..36] {
        for (pair, byte) in text.get_mut(group).unwrap_or_default().chunks_exact_mut(2).zip(&mut bytes) {
            if let ([high, low], Some(h), Some(l)) =
                (pair, HEX.get(usize::from(byte >> 4)), HEX.get(usize::from(byte & 15)))
            {
                (*high, *low) = (*h, *l);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{new_id, render};

    #[test]
    fn an_id_is_a_version_4_uuid() {
        assert_eq!(str::from_utf8(&render(u64::MAX, u64::MAX)).unwrap(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(str::from_utf8(&render(0, 1)).unwrap(), "00000000-0000-4000-8000-000000000001");
        assert_eq!(new_id().to_header_value().to_str().unwrap().len(), 36);
    }

    #[test]
    fn ids_differ_within_and_between_threads() {
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(|| (0..5000).map(|_| new_id()).collect::<Vec<_>>())).collect();
        let ids: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 20_000);
    }
}
