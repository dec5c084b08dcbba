//! What every Kubernetes object carries: `ObjectMeta` of `meta/v1`, read, checked and kept over an object's life.
//!
//! Objects are JSON trees here. [`Meta`] reads one, [`MetaMut`] changes it; the modules hold the rules of
//! `k8s.io/apimachinery/pkg/api/validation` and of `k8s.io/apiserver/pkg/registry/rest`. `schema::metadata` brings what a client sent
//! into the form that a Go server would have made of it.

mod access;
pub mod create;
pub mod delete;
pub mod go;
pub mod names;
pub mod options;
pub mod update;
pub mod validate;

pub use access::{Meta, MetaMut, OwnerReference};
pub use names::NameRule;

use jiff::Timestamp;

/// The finalizer that keeps an owner until its blocking dependents are gone.
pub const FOREGROUND_DELETION: &str = "foregroundDeletion";
/// The finalizer that keeps an owner until its dependents have forgotten it.
pub const ORPHAN: &str = "orphan";

/// A time as `meta/v1` writes it: UTC, whole seconds.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A random (version 4) UUID made of `random`.
pub fn uid(random: u128) -> String {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut out = String::with_capacity(36);
    for (at, digit) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_a_version_4_uuid() {
        assert_eq!(uid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn a_time_has_whole_seconds() {
        let at: Timestamp = "2026-11-25T14:50:23.987Z".parse().unwrap();
        assert_eq!(time(at), "2026-11-25T14:50:23Z");
    }
}
