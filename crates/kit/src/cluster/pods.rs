//! Nodes and pods.

use std::io::Write;

use serde_json::{Value, json};

use super::RealCluster;
use crate::wait;

impl RealCluster {
    pub(super) async fn create_nodes(&self) {
        for i in 0..self.options.nodes {
            let name = format!("node-{i}");
            let labels = json!({"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"});
            self.create("/api/v1/nodes", &json!({"metadata": {"name": name, "labels": labels}})).await;
        }
        if self.options.kwok {
            for i in 0..self.options.nodes {
                let path = format!("/api/v1/nodes/node-{i}");
                wait::until("a node to be ready", || async {
                    let node = self.try_get(&path).await?;
                    let conditions = node["status"]["conditions"].as_array()?;
                    conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True").then_some(())
                })
                .await;
            }
        }
    }

    /// Creates a pod of one container `main` on the first node; it runs when this returns, where kwok does. The
    /// namespace is made where missing.
    pub async fn create_pod(&self, namespace: &str, name: &str) -> Value {
        self.create_namespace(namespace).await;
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let pod = json!({
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "nodeName": "node-0",
                "containers": [{"name": "main", "image": "drover.io/kit", "ports": [{"containerPort": 80}]}],
            },
        });
        self.create(&pods, &pod).await;
        if self.options.kwok { self.wait_for_pod(namespace, name).await } else { Value::Null }
    }

    /// Waits until a pod runs, and gives it.
    pub async fn wait_for_pod(&self, namespace: &str, name: &str) -> Value {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        wait::until(&format!("pod {namespace}/{name} to run"), || async {
            let pod = self.try_get(&path).await?;
            (pod["status"]["phase"] == "Running").then_some(pod)
        })
        .await
    }

    /// Adds a line to what every pod of this cluster logs: `logs -f` and `attach` show it.
    pub fn write_log(&self, line: &str) {
        let path = self.dir().join("container.log");
        let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("the pods' log");
        writeln!(file, "2026-01-01T00:00:01.000000000Z stdout F {line}").expect("the pods' log");
    }

    /// Requests that came through port 80 of a pod.
    pub fn port_80_requests(&self) -> usize {
        self.pod_server.as_ref().expect("kwok runs").requests().len()
    }

    /// The folder in which a command runs that is executed in a pod.
    pub fn pod_dir(&self) -> std::path::PathBuf {
        self.dir().join("pods")
    }
}
