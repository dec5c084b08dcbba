//! The whole program on its embedded plane.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};
use kit::{
    client::{Endpoint, empty, json_body},
    gateway::{ConfigFolder, Gateway},
    kubectl::Kubectl,
};
use serde_json::{Value, json};

pub const DROVER: &str = env!("CARGO_BIN_EXE_drover");

/// A running program, and a token of its administrator.
pub struct Scene {
    pub gateway: Gateway,
    pub admin: String,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With a change of its folder before the start.
    pub async fn with(change: impl FnOnce(&ConfigFolder)) -> Self {
        let folder = folder();
        change(&folder);
        let gateway = Gateway::start(DROVER, folder).await;
        let admin = new_token(&gateway, "admin");
        gateway.wait_for_cluster("local", &admin).await;
        Self { gateway, admin }
    }

    /// kubectl of the administrator in `local`.
    pub fn kubectl(&self) -> Kubectl {
        self.gateway.kubectl("local", &self.admin)
    }

    /// Makes objects in `local` as the administrator.
    pub async fn apply(&self, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        self.kubectl().run_with_input(&["apply", "--server-side", "-f", "-"], list).await.ok();
    }

    /// Makes a user with a token and a role in `local`; gives the token, once it is let in.
    pub async fn user(&self, name: &str, template: &str) -> String {
        self.apply(&[user(name), binding(name, template)]).await;
        let token = new_token(&self.gateway, name);
        self.gateway.wait_for_cluster("local", &token).await;
        token
    }

    pub fn endpoint(&self) -> Endpoint {
        self.gateway.endpoint()
    }

    /// A call into `local`.
    pub async fn call(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let endpoint = self.endpoint();
        let body = body.map_or_else(empty, json_body);
        let mut request = endpoint.request(method, &Gateway::path("local", path), token, body);
        let kind = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert("content-type", kind);
        let response: Response<Bytes> = endpoint.send(request).await;
        (response.status(), serde_json::from_slice(response.body()).unwrap_or(Value::Null))
    }

    /// Stops the program as an operator does.
    pub async fn stop(&self) {
        self.gateway.sigterm();
        self.gateway.wait_for_exit(Duration::from_secs(20)).await;
    }
}

/// A folder whose plane is the embedded one.
pub fn folder() -> ConfigFolder {
    let folder = ConfigFolder::new();
    folder.set("management", json!({"embedded": {}}));
    folder
}

/// Runs `drover` on a folder whose server may have ended.
pub fn command(folder: &ConfigFolder, args: &[&str]) -> kit::gateway::CommandOutput {
    folder.command(Path::new(DROVER), args)
}

/// A new token of a user, of the running server.
pub fn new_token(gateway: &Gateway, user: &str) -> String {
    gateway.command(&["token", "create", "--user", user, "--ttl", "1h", "--apply"]).ok().trim().to_owned()
}

pub fn user(name: &str) -> Value {
    json!({"apiVersion": "management.cattle.io/v3", "kind": "User", "metadata": {"name": name}})
}

pub fn binding(user: &str, template: &str) -> Value {
    json!({"apiVersion": "management.cattle.io/v3", "kind": "ClusterRoleTemplateBinding",
        "metadata": {"name": format!("{user}-{template}"), "namespace": "local"},
        "clusterName": "local", "roleTemplateName": template, "userName": user})
}
