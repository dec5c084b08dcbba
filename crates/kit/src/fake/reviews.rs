//! The access reviews that a gateway asks a cluster for, answered like an apiserver.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};

use super::{record::Recorded, reply::Reply};

/// A `SelfSubjectAccessReview` that came in.
#[derive(Clone, Debug)]
pub struct AccessReview {
    /// `Impersonate-User`: empty where the account asks for itself.
    pub user: Option<String>,
    /// `Impersonate-Group`, sorted.
    pub groups: Vec<String>,
    /// `spec.resourceAttributes.verb`.
    pub verb: String,
    /// `spec.resourceAttributes.group`.
    pub group: String,
    /// `spec.resourceAttributes.resource`.
    pub resource: String,
    /// `spec.resourceAttributes.subresource`.
    pub subresource: String,
    /// `spec.resourceAttributes.name`.
    pub name: String,
    /// `spec.resourceAttributes.namespace`.
    pub namespace: String,
}

type Allow = Arc<dyn Fn(&AccessReview) -> bool + Send + Sync>;

/// What the account of whoever asks may impersonate, and what reviews allow.
#[derive(Clone)]
pub(super) struct Reviews(Arc<Mutex<Rules>>);

struct Rules {
    users: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    allow: Allow,
}

impl Default for Reviews {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Rules { users: None, groups: None, allow: Arc::new(|_| false) })))
    }
}

impl Reviews {
    pub(super) fn users(&self, names: Option<Vec<String>>) {
        self.0.lock().unwrap().users = names;
    }

    pub(super) fn groups(&self, names: Option<Vec<String>>) {
        self.0.lock().unwrap().groups = names;
    }

    pub(super) fn allow(&self, allow: impl Fn(&AccessReview) -> bool + Send + Sync + 'static) {
        self.0.lock().unwrap().allow = Arc::new(allow);
    }

    /// The answer where `request` is a review.
    pub(super) fn answer(&self, request: &Recorded) -> Option<Reply> {
        if request.method != Method::POST {
            return None;
        }
        match request.path() {
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews" => Some(self.rules()),
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => Some(self.access(request)),
            _ => None,
        }
    }

    fn rules(&self) -> Reply {
        let rules = self.0.lock().unwrap();
        let mut listed = vec![
            json!({"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]}),
            json!({"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["*"]}),
        ];
        for (resource, names) in [("users", &rules.users), ("groups", &rules.groups)] {
            let mut rule = json!({"verbs": ["impersonate"], "apiGroups": [""], "resources": [resource]});
            match names {
                None => {}
                // RBAC reads an empty list of names as every name.
                Some(names) if names.is_empty() => continue,
                Some(names) => rule["resourceNames"] = json!(names),
            }
            listed.push(rule);
        }
        Reply::json(&json!({
            "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": {},
            "status": {"resourceRules": listed, "nonResourceRules": [], "incomplete": false},
        }))
        .status(201)
    }

    fn access(&self, request: &Recorded) -> Reply {
        let mut review = serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
        let attributes = review["spec"]["resourceAttributes"].clone();
        let field = |name: &str| attributes[name].as_str().unwrap_or_default().to_owned();
        let asked = AccessReview {
            user: request.header_all("impersonate-user").pop(),
            groups: request.impersonated_groups(),
            verb: field("verb"),
            group: field("group"),
            resource: field("resource"),
            subresource: field("subresource"),
            name: field("name"),
            namespace: field("namespace"),
        };
        let allow = Arc::clone(&self.0.lock().unwrap().allow);
        let allowed = allow(&asked);
        if !review.is_object() {
            return Reply::failure(400, "BadRequest", "the review is not a JSON object");
        }
        review["status"] = json!({"allowed": allowed});
        Reply::json(&review).status(201)
    }
}
