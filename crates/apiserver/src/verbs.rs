//! What can be done with objects, for requests from outside and for the server's own controllers alike.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
mod stored;
pub(crate) mod update;
pub(crate) mod watch;

pub(crate) use stored::Stored;
