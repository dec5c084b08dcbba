//! Conversion webhooks of the embedded plane: whoever may write definitions says where they are.

use kit::fake::FakeApiserver;
use serde_json::{Value, json};

use crate::scene::Scene;

const PATH: &str = "/apis/example.org/v2/namespaces/default/gadgets";

/// A kind whose second version is converted at `url`.
fn definition(url: &str) -> Value {
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object"}}});
    let webhook = json!({"conversionReviewVersions": ["v1"], "clientConfig": {"url": url}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gadgets.example.org"},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [version("v1", true), version("v2", false)],
            "conversion": {"strategy": "Webhook", "webhook": webhook}}})
}

/// What the creation of an object that must be converted is answered.
async fn create(scene: &Scene, url: &str) -> String {
    scene.apply(&[definition(url)]).await;
    scene.gateway.wait_for_status("local", PATH, &scene.admin, 200).await;
    let gadget = json!({"apiVersion": "example.org/v2", "kind": "Gadget", "metadata": {"name": "a"}});
    let (code, refused) = scene.call("POST", PATH, &scene.admin, Some(&gadget)).await;
    assert_eq!(code, 500, "{refused}");
    refused["message"].as_str().unwrap().to_owned()
}

/// H22.
#[tokio::test]
async fn a_conversion_webhook_is_no_way_to_what_only_this_machine_reaches() {
    let fake = FakeApiserver::start();
    let port = fake.address().port();
    let scene = Scene::with(|folder| {
        folder.set("upstream.allowedAddresses", json!([]));
    })
    .await;
    let own = scene.gateway.address().port();
    for (url, why) in [
        (format!("https://127.0.0.1:{port}/convert"), "it is a loopback address"),
        (format!("https://localhost:{port}/convert"), "it is a loopback address"),
        ("https://169.254.169.254/latest/meta-data".to_owned(), "it is a link-local or metadata address"),
        (format!("https://127.0.0.1:{own}/k8s/clusters/local"), "it is the gateway's own address"),
    ] {
        let message = create(&scene, &url).await;
        assert!(message.contains(&format!("connecting is not allowed: {why}")), "{url}: {message}");
    }
    assert_eq!(fake.tcp_connections(), 0);
}

#[tokio::test]
async fn an_admin_lets_webhooks_be_at_listed_addresses() {
    let fake = FakeApiserver::start();
    // The folder of tests lists loopback.
    let scene = Scene::start().await;
    let message = create(&scene, &format!("https://127.0.0.1:{}/convert", fake.address().port())).await;
    // Nobody vouches for its certificate, but it was dialled.
    assert!(message.contains("certificate"), "{message}");
    assert!(fake.tcp_connections() > 0);
}
