//! What the gateway tells of a request: borrowed, so that an event costs no allocation.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use super::AuditId;

/// How much of a request is recorded, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
pub enum Level {
    /// Nothing.
    None,
    /// Who, what, when, and the result.
    Metadata,
    /// That and the request's body.
    Request,
    /// That and the reply's body.
    RequestResponse,
}

impl Level {
    /// The word of `audit.k8s.io/v1`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

/// Where in its life a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
pub enum Stage {
    /// Before it is decided.
    RequestReceived,
    /// The reply's head is sent, its body is not: long replies only.
    ResponseStarted,
    /// All is over.
    ResponseComplete,
    /// The handler failed.
    Panic,
}

impl Stage {
    /// The word of `audit.k8s.io/v1`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }
}

/// A list of strings in whatever shape its owner keeps it; pairs of lists are lists.
pub trait Strings {
    /// Calls `visit` with each string in turn until it says `false`.
    fn each(&self, visit: &mut dyn FnMut(&str) -> bool);

    /// Whether one of them passes.
    fn any(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut found = false;
        self.each(&mut |string| {
            found = test(string);
            !found
        });
        found
    }
}

impl<S: AsRef<str>> Strings for [S] {
    fn each(&self, visit: &mut dyn FnMut(&str) -> bool) {
        let _ = self.iter().all(|string| visit(string.as_ref()));
    }
}

impl<S: AsRef<str>, const N: usize> Strings for [S; N] {
    fn each(&self, visit: &mut dyn FnMut(&str) -> bool) {
        self.as_slice().each(visit);
    }
}

impl<S: AsRef<str>> Strings for Vec<S> {
    fn each(&self, visit: &mut dyn FnMut(&str) -> bool) {
        self.as_slice().each(visit);
    }
}

impl<T: Strings + ?Sized> Strings for &T {
    fn each(&self, visit: &mut dyn FnMut(&str) -> bool) {
        (**self).each(visit);
    }
}

impl<T: Strings + ?Sized> Strings for Arc<T> {
    fn each(&self, visit: &mut dyn FnMut(&str) -> bool) {
        (**self).each(visit);
    }
}

impl<A: Strings, B: Strings> Strings for (A, B) {
    fn each(&self, visit: &mut dyn FnMut(&str) -> bool) {
        let mut go_on = true;
        self.0.each(&mut |string| {
            go_on = visit(string);
            go_on
        });
        if go_on {
            self.1.each(visit);
        }
    }
}

/// A person, as `user` or `impersonatedUser`.
#[derive(Clone, Copy)]
pub struct UserRef<'a> {
    /// The user name, such as `u-abc12`; empty for nobody.
    pub name: &'a str,
    /// The uid; empty for none.
    pub uid: &'a str,
    /// Groups.
    pub groups: &'a dyn Strings,
    /// Extra values by key.
    pub extra: &'a [(&'a str, &'a [&'a str])],
}

impl UserRef<'_> {
    /// Nobody: a request that did not authenticate.
    pub const ANONYMOUS: UserRef<'static> = UserRef { name: "", uid: "", groups: &[] as &[&str; 0], extra: &[] };
}

/// The object of a resource request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectRef<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// API version, such as `v1`.
    pub version: &'a str,
    /// Plural, such as `pods`.
    pub resource: &'a str,
    /// Subresource, or empty.
    pub subresource: &'a str,
    /// Namespace, or empty.
    pub namespace: &'a str,
    /// Name, or empty.
    pub name: &'a str,
}

/// What both the policy and the event read.
#[derive(Clone, Copy)]
pub struct RequestRef<'a> {
    /// Id of the cluster; empty for a request to Drover itself.
    pub cluster: &'a str,
    /// The caller.
    pub user: UserRef<'a>,
    /// Kubernetes' verb, or the HTTP method in lower case.
    pub verb: &'a str,
    /// The path that the cluster sees: policies name paths as Kubernetes does, without the gateway's prefix.
    pub path: &'a str,
    /// The object, or `None` for a path that is no resource.
    pub object: Option<ObjectRef<'a>>,
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseRef<'a> {
    /// HTTP status.
    pub code: u16,
    /// The reason of our own `Status`, such as `Forbidden`; empty otherwise.
    pub reason: &'a str,
    /// The message of our own `Status`; empty otherwise.
    pub message: &'a str,
}

/// A body as far as it was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body<'a> {
    /// There was none, or the level asked for none.
    #[default]
    None,
    /// The whole body.
    Whole(&'a [u8]),
    /// It was longer than the configured `maxBody`.
    TooLong,
}

/// One event.
#[derive(Clone, Copy)]
pub struct EventRef<'a> {
    /// The request.
    pub request: &'a RequestRef<'a>,
    /// The id sent to the cluster as `Audit-ID`.
    pub id: &'a AuditId,
    /// Where the request is.
    pub stage: Stage,
    /// Path and query as the client sent them; secret query values are redacted here.
    pub uri: &'a str,
    /// Who the cluster is told it is, where that is another person than the caller (`--as`).
    pub impersonated: Option<UserRef<'a>>,
    /// The client first, then trusted proxies.
    pub source_ips: &'a [IpAddr],
    /// The `User-Agent` header's bytes; empty for none.
    pub user_agent: &'a [u8],
    /// The answer; `None` before there is one.
    pub response: Option<ResponseRef<'a>>,
    /// The request's body, read at level `Request` and up.
    pub request_body: Body<'a>,
    /// The reply's body, read at level `RequestResponse`.
    pub response_body: Body<'a>,
    /// When the request's head was read.
    pub received: SystemTime,
    /// When the stage was reached.
    pub reached: SystemTime,
    /// Annotations, such as `authorization.k8s.io/decision`, [`annotation::TOKEN`]; empty values are left out.
    pub annotations: &'a [(&'a str, &'a str)],
}

/// Keys of annotations.
pub mod annotation {
    /// `allow` or `forbid`.
    pub const DECISION: &str = "authorization.k8s.io/decision";
    /// Why.
    pub const REASON: &str = "authorization.k8s.io/reason";
    /// The cluster's id; written for every request that has one.
    pub const CLUSTER: &str = "drover.io/cluster";
    /// The name (never the value) of the token.
    pub const TOKEN: &str = "drover.io/token";
    /// Why a stream ended or a request failed.
    pub const CAUSE: &str = "drover.io/cause";
    /// A body was left out.
    pub const TRUNCATED: &str = "audit.k8s.io/truncated";

    /// Whether the gateway itself writes a key, so that it is nobody else's.
    pub fn is_own(key: &str) -> bool {
        let domain = key.split_once('/').map_or(key, |(domain, _)| domain);
        matches!(domain, "authorization.k8s.io" | "audit.k8s.io" | "drover.io")
    }
}
