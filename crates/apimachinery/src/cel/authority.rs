//! `authorizer`: asks whether the user of a request, or a service account, may do something. Source: `k8s.io/apiserver/pkg/cel/library/authz.go`.

use std::fmt;
use std::rc::Rc;

use super::value::{Error, Result, Value};
use crate::meta::NameRule;

/// Says what the user of a request may do.
pub trait Authority: Sync {
    /// Whether it is allowed.
    fn decide(&self, question: &Question<'_>) -> Ruling;
}

/// May this be done?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The service account that it is asked for, by namespace and name; else it is the user of the request.
    pub account: Option<(&'a str, &'a str)>,
    /// The verb.
    pub verb: &'a str,
    /// With what.
    pub what: Target<'a>,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A path that stands for no resource.
    Path(&'a str),
    /// A resource.
    Resource(Resource<'a>),
}

/// A resource that a question is about; what is empty is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The API group.
    pub group: &'a str,
    /// The resource, in its plural form.
    pub plural: &'a str,
    /// The subresource.
    pub subresource: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why.
    pub reason: String,
    /// What went wrong while it was decided.
    pub error: Option<String>,
}

type Text = Rc<str>;

/// A question as it is put together.
#[derive(Clone)]
pub(super) enum Asking<'a> {
    Authorizer(Asker<'a>),
    Path(Asker<'a>, Text),
    Group(Asker<'a>, Text),
    Resource(Asker<'a>, Box<Parts>),
    Ruling(Ruling),
}

/// Who is asked, and for whom.
#[derive(Clone)]
pub(super) struct Asker<'a> {
    authority: &'a dyn Authority,
    account: Option<(Text, Text)>,
}

#[derive(Clone, Default)]
pub(super) struct Parts {
    group: Text,
    plural: Text,
    subresource: Text,
    namespace: Text,
    name: Text,
}

impl fmt::Debug for Asking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}

impl<'a> Asking<'a> {
    /// `authorizer`.
    pub(super) const fn new(authority: &'a dyn Authority) -> Self {
        Self::Authorizer(Asker { authority, account: None })
    }

    /// `authorizer.requestResource`.
    pub(super) fn about(authority: &'a dyn Authority, resource: Resource<'_>) -> Self {
        let parts = Parts {
            group: resource.group.into(),
            plural: resource.plural.into(),
            subresource: resource.subresource.into(),
            namespace: resource.namespace.into(),
            name: resource.name.into(),
        };
        Self::Resource(Asker { authority, account: None }, Box::new(parts))
    }

    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Self::Authorizer(_) => "kubernetes.authorization.Authorizer",
            Self::Path(..) => "kubernetes.authorization.PathCheck",
            Self::Group(..) => "kubernetes.authorization.GroupCheck",
            Self::Resource(..) => "kubernetes.authorization.ResourceCheck",
            Self::Ruling(_) => "kubernetes.authorization.Decision",
        }
    }

    /// Calls a method.
    pub(super) fn call(&self, name: &str, arguments: &[Value<'a>]) -> Result<Value<'a>> {
        let texts: Option<Vec<&str>> = arguments.iter().map(Value::as_text).collect();
        let texts = texts.ok_or_else(Error::overload)?;
        let next = |asking: Self| Ok(Value::Asking(Rc::new(asking)));
        match (self, name, texts.as_slice()) {
            (Self::Authorizer(_), "path", [path]) if path.trim().is_empty() => {
                Err(Error::new("path must not be empty"))
            }
            (Self::Authorizer(asker), "path", [path]) => next(Self::Path(asker.clone(), (*path).into())),
            (Self::Authorizer(asker), "group", [group]) => next(Self::Group(asker.clone(), (*group).into())),
            (Self::Authorizer(asker), "serviceAccount", [namespace, account]) => {
                if !NameRule::DnsSubdomain.check(account).is_empty() {
                    return Err(Error::new("Invalid service account name"));
                }
                if !NameRule::DnsLabel.check(namespace).is_empty() {
                    return Err(Error::new("Invalid service account namespace"));
                }
                let account = Some(((*namespace).into(), (*account).into()));
                next(Self::Authorizer(Asker { account, ..asker.clone() }))
            }
            (Self::Group(..), "resource", [plural]) if plural.trim().is_empty() => {
                Err(Error::new("resource must not be empty"))
            }
            (Self::Group(asker, group), "resource", [plural]) => {
                let parts = Parts { group: Rc::clone(group), plural: (*plural).into(), ..Parts::default() };
                next(Self::Resource(asker.clone(), Box::new(parts)))
            }
            (Self::Resource(asker, parts), "subresource" | "namespace" | "name", [text]) => {
                let mut parts = parts.clone();
                let part = match name {
                    "subresource" => &mut parts.subresource,
                    "namespace" => &mut parts.namespace,
                    _ => &mut parts.name,
                };
                *part = (*text).into();
                next(Self::Resource(asker.clone(), parts))
            }
            // Rights are those of RBAC, which looks at no selector.
            (Self::Resource(..), "fieldSelector" | "labelSelector", [_]) => next(self.clone()),
            (Self::Path(asker, path), "check", [verb]) => next(asker.ask(verb, Target::Path(path))),
            (Self::Resource(asker, parts), "check", [verb]) => {
                let resource = Resource {
                    group: &parts.group,
                    plural: &parts.plural,
                    subresource: &parts.subresource,
                    namespace: &parts.namespace,
                    name: &parts.name,
                };
                next(asker.ask(verb, Target::Resource(resource)))
            }
            (Self::Ruling(ruling), "allowed", []) => Ok(Value::Bool(ruling.allowed)),
            (Self::Ruling(ruling), "errored", []) => Ok(Value::Bool(ruling.error.is_some())),
            (Self::Ruling(ruling), "error", []) => Ok(Value::text(ruling.error.as_deref().unwrap_or_default())),
            (Self::Ruling(ruling), "reason", []) => Ok(Value::text(ruling.reason.as_str())),
            _ => Err(Error::overload()),
        }
    }
}

impl<'a> Asker<'a> {
    fn ask(&self, verb: &str, what: Target<'_>) -> Asking<'a> {
        let account = self.account.as_ref().map(|(namespace, name)| (&**namespace, &**name));
        Asking::Ruling(self.authority.decide(&Question { account, verb, what }))
    }
}
