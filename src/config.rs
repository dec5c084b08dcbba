//! The admin's files: the server's YAML file, the folder of manifests, the kubeconfigs they name.
//!
//! Everything here reads files and makes plain validated values; nothing keeps state or speaks to a network.

pub mod address;
pub mod reload;
pub mod server;
pub mod units;

pub use server::ServerConfig;
