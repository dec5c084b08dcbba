//! What an administrator does in a cluster.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::RealCluster;
use crate::{
    client::{Endpoint, empty, json_body},
    kubectl::{Kubectl, Output},
    wait,
};

impl RealCluster {
    /// How its apiserver is reached, with every right.
    pub fn admin_endpoint(&self) -> Endpoint {
        self.endpoint().certificate(self.admin.clone())
    }

    /// One call of its API, with every right.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let endpoint = self.admin_endpoint();
        let mut request = endpoint.request(method, path, "", body.map_or_else(empty, json_body));
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        request.headers_mut().insert("content-type", http::HeaderValue::from_static(kind));
        let response: Response<Bytes> = endpoint.send(request).await;
        let value = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status(), value)
    }

    /// An object, with every right; `None` where there is none.
    pub async fn try_get(&self, path: &str) -> Option<Value> {
        let (status, value) = self.request("GET", path, None).await;
        (status == StatusCode::OK).then_some(value)
    }

    /// Creates an object; one that exists already is left as it is.
    pub async fn create(&self, path: &str, object: &Value) -> Value {
        let (status, value) = self.request("POST", path, Some(object)).await;
        assert!(status.is_success() || status == StatusCode::CONFLICT, "POST {path}: {status}: {value}");
        value
    }

    /// Deletes an object, where there is one.
    pub async fn delete(&self, path: &str) {
        let (status, value) = self.request("DELETE", path, None).await;
        assert!(status.is_success() || status == StatusCode::NOT_FOUND, "DELETE {path}: {status}: {value}");
    }

    /// Applies manifests, with every right.
    pub async fn apply(&self, yaml: &str) {
        self.kubectl.run_with_input(&["apply", "--validate=false", "-f", "-"], yaml).await.ok();
    }

    /// kubectl with every right, to its end.
    pub async fn kubectl(&self, args: &[&str]) -> Output {
        self.kubectl.run(args).await
    }

    /// The runner behind [`Self::kubectl`].
    pub const fn admin_kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// kubectl as this user with at most two groups.
    pub fn kubectl_for(&self, user: &str, groups: &[&str]) -> Kubectl {
        Kubectl::new(&self.kubeconfig_for(user, groups))
    }

    /// Makes a namespace, where it is missing.
    pub async fn create_namespace(&self, name: &str) {
        self.create("/api/v1/namespaces", &json!({"metadata": {"name": name}})).await;
    }

    /// A token of a service account that is good for an hour; namespace and account are made where missing.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> String {
        self.create_namespace(namespace).await;
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.create(&accounts, &json!({"metadata": {"name": name}})).await;
        let request = json!({"spec": {"expirationSeconds": 3600}});
        let token = self.create(&format!("{accounts}/{name}/token"), &request).await;
        token["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// Gives `view`, `edit` and `admin` their rules, as a controller does where it runs.
    pub(super) async fn aggregate_roles(&self) {
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
        for role in ["view", "edit", "admin"] {
            let label = format!("rbac.authorization.k8s.io%2Faggregate-to-{role}%3Dtrue");
            let (_, parts) = self.request("GET", &format!("{path}?labelSelector={label}"), None).await;
            let parts = parts["items"].as_array().cloned().unwrap_or_default();
            let rules: Vec<&Value> = parts.iter().filter_map(|part| part["rules"].as_array()).flatten().collect();
            let (status, value) =
                self.request("PATCH", &format!("{path}/{role}"), Some(&json!({"rules": rules}))).await;
            assert!(status.is_success(), "the rules of {role}: {status}: {value}");
        }
    }

    /// Binds a user to a ClusterRole in the whole cluster.
    pub async fn bind_user(&self, user: &str, cluster_role: &str) {
        self.bind("User", user, cluster_role).await;
    }

    /// Binds a group to a ClusterRole in the whole cluster.
    pub async fn bind_group(&self, group: &str, cluster_role: &str) {
        self.bind("Group", group, cluster_role).await;
    }

    async fn bind(&self, kind: &str, name: &str, cluster_role: &str) {
        let api = "rbac.authorization.k8s.io";
        let object = json!({
            "metadata": {"name": format!("kit:{kind}:{name}:{cluster_role}").to_lowercase()},
            "subjects": [{"kind": kind, "name": name, "apiGroup": api}],
            "roleRef": {"kind": "ClusterRole", "name": cluster_role, "apiGroup": api},
        });
        self.create(&format!("/apis/{api}/v1/clusterrolebindings"), &object).await;
        self.wait_for_binding(&object).await;
    }

    /// Waits until a RoleBinding or ClusterRoleBinding is in force for its first subject: the apiserver learns of one a moment
    /// after it is stored.
    pub async fn wait_for_binding(&self, binding: &Value) {
        let namespace = binding["metadata"]["namespace"].as_str();
        let name = binding["roleRef"]["name"].as_str().unwrap_or_default();
        let path = match namespace {
            Some(namespace) if binding["roleRef"]["kind"] == "Role" => format!("namespaces/{namespace}/roles/{name}"),
            _ => format!("clusterroles/{name}"),
        };
        let given = self.try_get(&format!("/apis/rbac.authorization.k8s.io/v1/{path}")).await;
        let Some(rule) =
            given.as_ref().and_then(|role| role["rules"].as_array()?.iter().find(|r| r["resources"].is_array()))
        else {
            return;
        };
        let resource = rule["resources"][0].as_str().unwrap_or_default();
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let subject = &binding["subjects"][0];
        let name = subject["name"].as_str().unwrap_or_default();
        let is_user = subject["kind"] == "User";
        let review = json!({"spec": {
            "user": if is_user { name } else { "" },
            "groups": if is_user { Vec::new() } else { vec![name] },
            "resourceAttributes": {
                "namespace": namespace, "verb": rule["verbs"][0], "group": rule["apiGroups"][0], "resource": resource,
                "subresource": subresource, "name": rule["resourceNames"][0],
            },
        }});
        wait::until(&format!("the binding of `{name}` to be in force"), || async {
            let answer = self.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await;
            (answer["status"]["allowed"] == true).then_some(())
        })
        .await;
    }

    /// What the cluster's audit log holds so far (see [`super::Builder::audit`]).
    pub fn audit_events(&self) -> Vec<Value> {
        assert!(self.options.audit, "the audit log is off: use Builder::audit");
        let text = std::fs::read_to_string(self.dir().join("audit.log")).unwrap_or_default();
        // A line that is being written is read the next time.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for an audit event that `accept` takes, and gives it.
    pub async fn wait_for_audit_event(&self, what: &str, accept: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, || std::future::ready(self.audit_events().into_iter().find(&accept))).await
    }
}
