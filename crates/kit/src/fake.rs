//! A fake apiserver: records what it got, answers as told, and misbehaves in every way.
//!
//! It runs on a thread and a runtime of its own, so that a test that blocks does not hold it up. Without a route
//! it answers `SelfSubjectRulesReview` and `SelfSubjectAccessReview` like an apiserver, and all else with an empty
//! list.
//!
//! ```no_run
//! # use kit::fake::{FakeApiserver, Reply};
//! let fake = FakeApiserver::builder()
//!     .route("GET", "/api/v1/pods", Reply::json(&serde_json::json!({"kind": "PodList", "items": []})))
//!     .route("GET", "/api/v1/nodes", |request: &kit::fake::Recorded| Reply::text(request.uri.to_string()))
//!     .route("", "/hangs", Reply::hang())
//!     .start();
//! assert_eq!(fake.requests().len(), 0);
//! ```

mod body;
mod connection;
mod feed;
mod io;
mod raw;
mod record;
mod reply;
mod reviews;
mod server;

pub use feed::WatchFeed;
pub use io::{BoxedStream, Stream};
pub use raw::RawServer;
pub use record::{Recorded, Requests};
pub use reply::{Reply, Responder};
pub use reviews::AccessReview;
pub use server::{Builder, FakeApiserver};
