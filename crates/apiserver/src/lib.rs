//! A Kubernetes API in a library: the embedded management plane, called in-process.
//!
//! [`Server`] is a tower service. Who calls comes as an extension of the request, of type [`Caller`], which only code of this
//! process can set; identity headers are never read. `serve` shows the way of a request.

pub mod admission;
mod aggregation;
mod annotations;
mod answer;
mod api;
mod authorize;
mod body;
mod bootstrap;
pub mod builtin;
mod caller;
mod commit;
mod continuation;
mod controllers;
mod convert;
mod crd;
mod discovery;
mod events;
mod failure;
mod fairness;
mod fields;
mod follow;
mod garbage;
mod handlers;
mod health;
mod incoming;
pub mod listen;
mod namespaces;
mod object;
mod openapi;
mod options;
pub mod policies;
pub mod protobuf;
mod read;
pub mod registry;
mod reviews;
mod routes;
mod scope;
mod select;
mod serve;
mod server;
mod shape;
pub mod store;
mod strategy;
mod tokens;
pub mod validation;
mod verbs;
mod warnings;

pub use annotations::AuditAnnotations;
pub use body::Body;
pub use caller::{Caller, MASTERS};
pub use convert::{AddressPolicy, Webhook};
pub use reviews::Tokens;
pub use server::{Client, Options, Server};
pub use tokens::ServiceAccount;
