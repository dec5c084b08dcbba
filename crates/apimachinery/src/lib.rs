//! The pure parts of the Kubernetes API that Drover speaks: text in, values out; no IO, no clock, no runtime.

pub mod apply;
pub mod cel;
pub mod credential;
pub mod discovery;
pub mod duration;
pub mod field;
pub mod frames;
pub mod headers;
pub mod json;
pub mod meta;
pub mod negotiate;
pub mod openapi;
pub mod patch;
pub mod request_info;
pub mod route;
pub mod schema;
pub mod selector;
pub mod status;
pub mod table;
pub mod target;
