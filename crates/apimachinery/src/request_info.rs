//! What a request asks of the Kubernetes API: verb, group, resource, namespace, name, subresource.
//!
//! The answer is kube-apiserver's own, see `RequestInfoFactory` in
//! `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`: a policy that read a request in another way than the
//! cluster does would be no policy.

mod options;
mod parts;
mod verb;

use std::borrow::Cow;

use http::Method;

use crate::target::{Query, Target};
use options::ListOptions;
use parts::Parts;
pub use verb::Verb;

/// A request as the Kubernetes API reads it. All text is borrowed from the request's path and query; a part that the
/// request does not have is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo<'a> {
    /// Whether an API resource is meant; else the request is for a path such as `/version`.
    pub is_resource: bool,
    /// The Kubernetes verb; for a path without resource the HTTP method.
    pub verb: Verb,
    /// The whole decoded path.
    pub path: &'a str,
    /// `api` or `apis`.
    pub api_prefix: &'a str,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The API version.
    pub version: &'a str,
    /// The namespace; for a Namespace object its own name.
    pub namespace: &'a str,
    /// The resource, in its plural form.
    pub resource: &'a str,
    /// The subresource, one segment.
    pub subresource: &'a str,
    /// The object's name; for a list or watch the one that `fieldSelector=metadata.name=…` asks for.
    pub name: Cow<'a, str>,
    /// What follows the subresource, without the `/` between: the sub-path of a proxied request.
    pub tail: &'a str,
    /// The field selector as text, only for a verb on many objects.
    pub field_selector: Cow<'a, str>,
    /// The label selector as text, only for a verb on many objects.
    pub label_selector: Cow<'a, str>,
}

/// Why a path cannot be read as a request to the Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestInfoError {
    /// `/api/v1/watch` or `/api/v1/proxy` with nothing behind.
    #[error("the path names no resource after `{0}`")]
    NothingAfterVerb(&'static str),
}

impl<'a> RequestInfo<'a> {
    /// Reads a target that was found canonical.
    ///
    /// # Errors
    /// See [`RequestInfo::read`].
    pub fn of(method: &Method, target: &'a Target<'_>) -> Result<Self, RequestInfoError> {
        Self::read(method, target.path(), target.query())
    }

    /// Reads a decoded path, relative to the cluster, and a query.
    ///
    /// # Errors
    /// The deprecated verb prefixes `watch` and `proxy` with no resource after them.
    pub fn read(method: &Method, path: &'a str, query: Query<'a>) -> Result<Self, RequestInfoError> {
        let mut info = Self::non_resource(method, path);
        let mut parts = Parts::of(path);
        let prefix = parts.at(0);
        if !parts.has(3) || !matches!(prefix, "api" | "apis") {
            return Ok(info);
        }
        info.api_prefix = prefix;
        parts.pass(1);
        if prefix == "apis" {
            if !parts.has(3) {
                return Ok(info);
            }
            info.group = parts.at(0);
            parts.pass(1);
        }
        info.is_resource = true;
        info.version = parts.at(0);
        parts.pass(1);

        let by_prefix = Verb::by_path_prefix(parts.at(0));
        if let Some(verb) = by_prefix {
            if !parts.has(2) {
                return Err(RequestInfoError::NothingAfterVerb(verb.as_str()));
            }
            info.verb = verb;
            parts.pass(1);
        } else {
            info.verb = Verb::by_method(method);
        }

        info.read_parts(parts);
        info.read_query(query, by_prefix.is_some());
        Ok(info)
    }

    /// What is known before a resource is found.
    fn non_resource(method: &Method, path: &'a str) -> Self {
        Self {
            is_resource: false,
            verb: Verb::of_method(method),
            path,
            api_prefix: "",
            group: "",
            version: "",
            namespace: "",
            resource: "",
            subresource: "",
            name: Cow::Borrowed(""),
            tail: "",
            field_selector: Cow::Borrowed(""),
            label_selector: Cow::Borrowed(""),
        }
    }

    /// Reads `[namespaces/<namespace>/]<resource>[/<name>[/<subresource>[/<tail>]]]`.
    fn read_parts(&mut self, mut parts: Parts<'a>) {
        if parts.at(0) == "namespaces" && parts.has(2) {
            self.namespace = parts.at(1);
            // `status` and `finalize` belong to the Namespace object itself.
            if parts.has(3) && !matches!(parts.at(2), "status" | "finalize") {
                parts.pass(2);
            }
        }
        self.resource = parts.at(0);
        self.name = Cow::Borrowed(parts.at(1));
        if self.verb == Verb::Proxy {
            self.tail = parts.from(2);
        } else {
            self.subresource = parts.at(2);
            self.tail = parts.from(3);
        }
    }

    /// What the query decides: list or watch, the name that a field selector asks for, the selectors themselves.
    fn read_query(&mut self, query: Query<'a>, verb_by_prefix: bool) {
        if !self.name.is_empty() || !matches!(self.verb, Verb::Get | Verb::Delete | Verb::Watch) {
            return;
        }
        let options = ListOptions::read(query);
        match self.verb {
            Verb::Get => {
                self.verb = if options.watch { Verb::Watch } else { Verb::List };
                if let Some(name) = options.required_name() {
                    self.name = name;
                }
            }
            Verb::Delete => self.verb = Verb::DeleteCollection,
            _ => {}
        }
        if !verb_by_prefix {
            self.field_selector = options.field_selector.unwrap_or_default();
            self.label_selector = options.label_selector.unwrap_or_default();
        }
    }

    /// Whether the answer is a stream of watch events.
    pub fn is_watch(&self) -> bool {
        self.is_resource && self.verb == Verb::Watch
    }

    /// Whether the subresource is one that clients upgrade: exec, attach, portforward, and proxy, which passes on
    /// what the application behind speaks.
    pub fn is_upgrade_subresource(&self) -> bool {
        self.is_resource && matches!(self.subresource, "exec" | "attach" | "portforward" | "proxy")
    }

    /// Whether the request may last as long as its client likes, so that no deadline and no short-call limit fits it.
    ///
    /// As kube-apiserver's `BasicLongRunningRequestCheck` is set up, but a log counts only with `follow`.
    pub fn is_long_running(&self, query: Query<'_>) -> bool {
        if !self.is_resource {
            return self.path.starts_with("/debug/pprof/");
        }
        matches!(self.verb, Verb::Watch | Verb::Proxy)
            || self.is_upgrade_subresource()
            || (self.subresource == "log" && query.flag("follow"))
    }
}
