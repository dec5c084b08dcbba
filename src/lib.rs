//! Drover: a multi-cluster Kubernetes gateway.
//!
//! The rooms, in the order a request meets them. Arrows go one way:
//! `world ← {identity, cluster} ← gateway ← server ← cli`; `config` and `telemetry` stand beside them.

pub mod cli;
pub mod cluster;
pub mod config;
pub mod controller;
pub mod gateway;
pub mod identity;
pub mod management;
pub mod modules;
pub mod secret;
pub mod server;
pub mod signin;
pub mod telemetry;
pub mod web;
pub mod world;
