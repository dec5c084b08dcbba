//! Admission on a Kubernetes plane: kube-apiserver asks over TLS with certificates on both sides.

use kit::{
    cluster::RealCluster,
    tls::{Ca, install_provider},
};
use serde_json::json;
use tempfile::TempDir;

use crate::plane::Plane;

/// A kube-apiserver that shows its webhooks a certificate of this authority.
pub struct Asking {
    pub plane: Plane,
    pub ca: Ca,
    _files: TempDir,
}

impl Asking {
    pub async fn start() -> Self {
        install_provider();
        let ca = Ca::new("apiserver clients");
        let pair = ca.client("kube-apiserver", &[]);
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name);
        std::fs::write(path("client.pem"), &*pair.certificate).unwrap();
        std::fs::write(path("client.key"), &*pair.key).unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config",
            "users": [{"name": "*", "user": {"client-certificate": path("client.pem"), "client-key": path("client.key")}}],
        });
        std::fs::write(path("webhooks.kubeconfig"), kubeconfig.to_string()).unwrap();
        let admission = json!({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration",
            "plugins": [{"name": "ValidatingAdmissionWebhook", "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration",
                "kubeConfigFile": path("webhooks.kubeconfig"),
            }}],
        });
        std::fs::write(path("admission.yaml"), admission.to_string()).unwrap();
        let argument = format!("--admission-control-config-file={}", path("admission.yaml").display());
        let cluster = RealCluster::builder().name("management").nodes(0).apiserver_arg(&argument).start().await;
        Self { plane: Plane::of(cluster).await, ca, _files: files }
    }
}
