//! The admin's files: the server's YAML file, the folder of manifests, the kubeconfigs they name.
//!
//! Everything here reads files and makes plain validated values; nothing keeps state or speaks to a network.

pub mod address;
pub mod kubeconfig;
mod load;
pub mod manifests;
pub mod problem;
pub mod reload;
pub mod rules;
pub mod server;
pub mod units;
pub mod yaml;

pub use load::{load, parse, problem};
pub use problem::{Problem, Problems};
pub use server::ServerConfig;
