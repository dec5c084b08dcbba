use std::time::Duration;

use crate::House;

const MANIFEST: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: applied}
data: {colour: green}
";

#[tokio::test]
async fn objects_are_applied_read_changed_and_deleted() {
    let house = House::get().await;
    let ann = house.ann();
    // Client-side apply validates against the OpenAPI documents, and patches.
    let apply = |text: String| {
        let ann = &ann;
        async move { ann.run_with_input(&["apply", "-f", "-"], text).await.ok() }
    };
    assert_eq!(apply(MANIFEST.to_owned()).await, "configmap/applied created\n");
    assert_eq!(apply(MANIFEST.to_owned()).await, "configmap/applied unchanged\n");
    assert_eq!(apply(MANIFEST.replace("green", "blue")).await, "configmap/applied configured\n");
    let server_side = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    ann.run_with_input(&server_side, MANIFEST.replace("green", "red")).await.ok();
    let colour = ann.run(&["get", "configmap", "applied", "-o", "jsonpath={.data.colour}"]).await.ok();
    assert_eq!(colour, "red");
    // The table is the server's.
    let table = ann.run(&["get", "pods"]).await.ok();
    assert!(table.contains("READY") && table.contains("web") && table.contains("Running"), "{table}");
    let error = ann.run_with_input(&["apply", "-f", "-"], MANIFEST.replace("\ndata", "\ndota")).await.err();
    assert!(error.contains("unknown field \"dota\""), "{error}");
    assert_eq!(
        ann.run(&["delete", "configmap", "applied"]).await.ok(),
        "configmap \"applied\" deleted from default namespace\n"
    );
    assert!(ann.run(&["get", "configmap", "applied"]).await.err().contains("NotFound"));
    assert!(house.ben().run(&["get", "secrets"]).await.err().contains("Forbidden"));
}

#[tokio::test]
async fn a_watch_shows_changes_as_they_happen() {
    let house = House::get().await;
    let ben = house.ben();
    let mut watch = ben.start(&["get", "configmaps", "-n", "watched", "-w", "--output-watch-events"]);
    house.cluster.create_namespace("watched").await;
    for name in ["one", "two"] {
        let object = serde_json::json!({"metadata": {"name": name}});
        house.cluster.create("/api/v1/namespaces/watched/configmaps", &object).await;
        watch.line_with(name).await;
    }
    house.cluster.delete("/api/v1/namespaces/watched/configmaps/one").await;
    watch.line_with("DELETED").await;
    assert!(watch.running());
    let waited = ben.start(&["wait", "-n", "watched", "--for=create", "configmap/three", "--timeout=20s"]);
    house
        .cluster
        .create("/api/v1/namespaces/watched/configmaps", &serde_json::json!({"metadata": {"name": "three"}}))
        .await;
    waited.wait(Duration::from_secs(20)).await.ok();
}

#[tokio::test]
async fn the_kubeconfig_that_drover_writes_works_as_it_is() {
    let house = House::get().await;
    let folder = tempfile::tempdir().unwrap();
    let (token, output) = (folder.path().join("token"), folder.path().join("kubeconfig"));
    std::fs::write(&token, &house.ben).unwrap();
    let (token, output) = (token.display().to_string(), output.display().to_string());
    house.gateway.command(&["kubeconfig", "--user", "u-ben", "--token-file", &token, "--output", &output]).ok();
    let kubectl = kit::kubectl::Kubectl::new(&std::fs::read_to_string(&output).unwrap());
    assert_eq!(kubectl.run(&["config", "get-contexts", "-o", "name"]).await.ok(), "c-a\n");
    assert_eq!(kubectl.run(&["--context", "c-a", "get", "pods", "-o", "name"]).await.ok(), "pod/web\n");
    assert_eq!(kubectl.run(&["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]).await.ok(), "u-ben");
}
