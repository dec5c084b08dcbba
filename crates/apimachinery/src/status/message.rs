//! The wording of Kubernetes' own messages.

use crate::json::go_quote;
use crate::request_info::RequestInfo;

/// `deployments.apps "x"`, or `deployments.apps` without a name.
pub(super) fn object(group: &str, resource: &str, name: &str) -> String {
    let mut out = String::from(resource);
    if !group.is_empty() {
        out.push('.');
        out.push_str(group);
    }
    if !name.is_empty() {
        out.push(' ');
        quote(&mut out, name);
    }
    out
}

/// `User "jo" cannot list resource "pods" in API group "" in the namespace "dev"`.
///
/// See `k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go`, which also keeps the text from being HTML.
pub(super) fn denied(info: &RequestInfo<'_>, user: &str) -> String {
    let mut out = String::from("User ");
    quote(&mut out, user);
    out.push_str(" cannot ");
    out.push_str(info.verb.as_str());
    if !info.is_resource {
        out.push_str(" path ");
        quote(&mut out, info.path);
        return without_markup(&out);
    }
    out.push_str(" resource ");
    if info.subresource.is_empty() {
        quote(&mut out, info.resource);
    } else {
        quote(&mut out, &format!("{}/{}", info.resource, info.subresource));
    }
    out.push_str(" in API group ");
    quote(&mut out, info.group);
    if info.namespace.is_empty() {
        out.push_str(" at the cluster scope");
    } else {
        out.push_str(" in the namespace ");
        quote(&mut out, info.namespace);
    }
    without_markup(&out)
}

/// Appends `text` in double quotes, as Go's `%q` writes it.
fn quote(out: &mut String, text: &str) {
    out.push_str(&go_quote(text));
}

/// Keeps a browser from reading the text as HTML.
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
