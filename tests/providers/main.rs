//! Providers of identities, each against the real server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod browser;
mod github;
mod jwt;
mod ldap;
mod oidc;
