//! Providers: each a place where people are known, behind [`Provider`](super::provider::Provider).

pub mod ldap;
