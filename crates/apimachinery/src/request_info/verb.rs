//! Kubernetes verbs.

use std::fmt;

use http::Method;

/// What a request does, in the words of Kubernetes RBAC.
///
/// A request for a resource has one of the resource verbs; any other has its HTTP method in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object, or GET a path.
    Get,
    /// Read many objects.
    List,
    /// Follow the changes of many objects.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object in part, or PATCH a path.
    Patch,
    /// Delete an object, or DELETE a path.
    Delete,
    /// Delete many objects.
    DeleteCollection,
    /// The deprecated `/api/v1/proxy/…`.
    Proxy,
    /// HEAD of a path that is no resource.
    Head,
    /// POST to a path that is no resource.
    Post,
    /// PUT to a path that is no resource.
    Put,
    /// OPTIONS of a path that is no resource.
    Options,
    /// A method that is no verb on a resource; no rule but `*` allows it.
    None,
}

impl Verb {
    /// The verb as RBAC rules and audit write it; empty for [`Verb::None`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Proxy => "proxy",
            Self::Head => "head",
            Self::Post => "post",
            Self::Put => "put",
            Self::Options => "options",
            Self::None => "",
        }
    }

    /// Whether the verb changes nothing: get, list, watch, head, options.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch | Self::Head | Self::Options)
    }

    /// The verb of a request for a path that is no resource.
    pub(super) fn of_method(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            Method::OPTIONS => Self::Options,
            _ => Self::None,
        }
    }

    /// The verb on a resource, before name and query are looked at.
    pub(super) fn by_method(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::POST => Self::Create,
            Method::PUT => Self::Update,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ => Self::None,
        }
    }

    /// The verb that stands in front of the resource in the deprecated form `/api/v1/watch/pods`.
    pub(super) fn by_path_prefix(segment: &str) -> Option<Self> {
        match segment {
            "watch" => Some(Self::Watch),
            "proxy" => Some(Self::Proxy),
            _ => None,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
