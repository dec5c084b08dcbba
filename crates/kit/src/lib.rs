//! The test kit: real servers, fakes and builders that every test binary uses.
//!
//! Everything here is made for tests: what goes wrong panics with what is known about it, every process and
//! folder ends with the value that owns it, and no port is fixed.
//!
//! | module | gives |
//! |---|---|
//! | [`chromium`] | a real browser, driven by a test |
//! | [`fake`] | an apiserver that records what it got, answers as told and misbehaves in every way |
//! | [`cluster`] | a real Kubernetes cluster: etcd, kube-apiserver, kube-controller-manager, kwok |
//! | [`forms`] | a browser without a window, for attacks |
//! | [`gateway`] | the real `drover serve` before clusters, with its config folder |
//! | [`github`] | GitHub Enterprise as its documents describe it |
//! | [`oidc`] | a real OpenID provider, with the accounts and keys that a test wants |
//! | [`kubectl`] | the real kubectl, with a home of its own |
//! | [`slapd`], [`samba`] | a real OpenLDAP server; a real Active Directory |
//! | [`client`] | HTTP/1.1, HTTP/2 and raw TLS connections |
//! | [`tls`] | authorities and certificates, good and bad |
//! | [`servers`], [`process`], [`wait`] | what the others are made of |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a test kit fails by panicking, so that the test that uses it does"
)]

pub mod chromium;
pub mod client;
pub mod cluster;
pub mod fake;
pub mod forms;
pub mod gateway;
pub mod github;
pub mod kubectl;
pub mod oidc;
pub mod process;
pub mod samba;
pub mod servers;
pub mod slapd;
pub mod tls;
pub mod wait;
