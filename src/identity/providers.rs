//! Providers: each a place where people are known, behind [`Provider`](super::provider::Provider).

pub mod github;
pub mod http;
pub mod issuer;
pub mod jwt;
pub mod ldap;
pub mod oauth;
pub mod oidc;
