//! The whole program with a Kubernetes cluster as its management plane.

use drover::modules::{Binding, Cluster, Token, User};
use k8s_openapi::api::coordination::v1::Lease;
use kit::{
    fake::FakeApiserver,
    gateway::{ConfigFolder, Gateway},
    tls::client_config,
    wait,
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    controllers::{create, token, user},
    plane::Plane,
    webhook::Asking,
};

const DROVER: &str = env!("CARGO_BIN_EXE_drover");

/// A folder whose management plane is `plane`.
fn folder(plane: &Plane) -> ConfigFolder {
    let folder = ConfigFolder::new();
    let kubeconfig = plane.cluster().admin_kubeconfig_path().display().to_string();
    folder.set("management", json!({"kubernetes": {"kubeconfig": kubeconfig}}));
    folder
}

/// Waits until a gateway leads: it writes the folder, and runs the controllers.
async fn led(client: &Client) {
    let leases = Api::<Lease>::namespaced(client.clone(), "drover-system");
    wait::until("a leader", || async {
        let lease = leases.get_opt("drover-controllers").await.unwrap()?;
        lease.spec?.holder_identity.filter(|holder| !holder.is_empty())
    })
    .await;
}

#[tokio::test]
async fn manifests_serve_by_way_of_the_plane_and_what_is_done_there_counts() {
    let plane = Plane::kubernetes().await;
    let fake = FakeApiserver::start();
    let folder = folder(&plane);
    folder.add_cluster("c-a", &fake.kubeconfig("secret")).add_user("u-ann").add_binding("c-a", "u-ann", "view");
    let ann = folder.add_token("u-ann");
    let gateway = Gateway::start(DROVER, folder).await;
    // Each part asks again a while after the cluster has refused it: its rights are new there.
    let client = plane.admin();
    led(&client).await;
    let bindings = Api::<Binding>::namespaced(client.clone(), "c-a");
    let anns = "binding-c-a-u-ann-view";
    wait::until("the folder's last object", || async { bindings.get_opt(anns).await.unwrap() }).await;
    gateway.wait_for_cluster("c-a", &ann).await;
    assert_eq!(gateway.get("c-a", "/api/v1/pods", &ann).await.status(), 200);
    let clusters = Api::<Cluster>::all(client.clone());
    wait::until("the cluster's finalizer", || async {
        clusters.get("c-a").await.unwrap().metadata.finalizers.map(drop)
    })
    .await;
    let queue = gateway.metric("workqueue_adds_total", &[r#"name="clusters""#]).await;
    assert!(queue >= 1.0, "{queue}");

    // Made with kubectl, as any object.
    create::<User>(&client, user("u-bob")).await;
    create::<Token>(&client, token("token-bob", "u-bob")).await;
    let bob = "token-bob";
    gateway.wait_for_status("c-a", "/api/v1/pods", bob, 403).await;
    let binding = json!({"apiVersion": "management.cattle.io/v3", "kind": "ClusterRoleTemplateBinding",
        "metadata": {"name": "bob", "namespace": "c-a"}, "clusterName": "c-a", "roleTemplateName": "view", "userName": "u-bob"});
    create::<Binding>(&client, binding).await;
    gateway.wait_for_status("c-a", "/api/v1/pods", bob, 200).await;
    let users = Api::<User>::all(client.clone());
    users.delete("u-bob", &DeleteParams::default()).await.unwrap();
    wait::until("the user to go", || async { users.get_opt("u-bob").await.unwrap().is_none().then_some(()) }).await;
    gateway.wait_for_status("c-a", "/api/v1/pods", bob, 401).await;

    // A manifest that goes takes its object along.
    gateway.folder().remove_binding("c-a", "u-ann", "view");
    wait::until("the object to go", || async { bindings.get_opt(anns).await.unwrap().is_none().then_some(()) }).await;
    gateway.wait_for_status("c-a", "/api/v1/pods", &ann, 403).await;
}

#[tokio::test]
async fn the_plane_asks_the_webhook_about_every_write_and_writes_nothing_without_it() {
    let asking = Asking::start().await;
    let folder = folder(&asking.plane);
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let authority = folder.path().join("apiserver-ca.pem");
    std::fs::write(&authority, asking.ca.pem()).unwrap();
    folder.set(
        "management.kubernetes.webhook",
        json!({"address": address, "url": format!("https://{address}"), "clientCaFile": authority}),
    );
    folder.add_user("u-ann");
    let gateway = Gateway::start(DROVER, folder).await;
    let client = asking.plane.admin();
    led(&client).await;
    let users = Api::<User>::all(client.clone());
    // Drover's own writes pass it.
    wait::until("the manifest", || async { users.get_opt("u-ann").await.unwrap() }).await;
    let wrong: User =
        serde_json::from_value(json!({"metadata": {"name": "u-bob"}, "principalIds": ["nonsense"]})).unwrap();
    let refused = wait::until("the webhook to be asked", || async {
        match users.create(&PostParams { dry_run: true, ..PostParams::default() }, &wrong).await {
            Err(kube::Error::Api(status)) => Some(status),
            _ => None,
        }
    })
    .await;
    assert_eq!(refused.code, 422, "{refused:?}");
    assert!(refused.message.contains("principalIds[0]"), "{}", refused.message);

    // Another's login name, as the world knows it.
    let theirs: User = serde_json::from_value(json!({"metadata": {"name": "u-bob"}, "username": "u-ann"})).unwrap();
    wait::until("the gateway to know u-ann", || async {
        let made = users.create(&PostParams { dry_run: true, ..PostParams::default() }, &theirs).await;
        made.err().filter(|refused| refused.to_string().contains("is that of User `u-ann` already"))
    })
    .await;
    // A subresource is asked about too, and may be written.
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    users.patch_status("u-ann", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();

    // Nobody without a certificate of kube-apiserver's authority is answered.
    let tls = client_config(gateway.ca_pem(), None, &["http/1.1"]);
    let connector = tokio_rustls::TlsConnector::from(tls);
    let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let answered = async {
        let mut stream = connector.connect(name, stream).await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
        let mut byte = [0];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut byte).await
    };
    answered.await.expect_err("no answer");

    // Without the webhook nothing is written.
    gateway.sigterm();
    gateway.wait_for_exit(std::time::Duration::from_secs(20)).await;
    let good: User = serde_json::from_value(user("u-carl")).unwrap();
    let refused = users.create(&PostParams::default(), &good).await.unwrap_err();
    assert!(refused.to_string().contains("failed calling webhook"), "{refused}");
}

#[tokio::test]
async fn a_plane_that_is_a_ranchers_is_refused_at_the_start() {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    use kube::CustomResourceExt as _;

    let plane = Plane::kubernetes().await;
    let crds = Api::<CustomResourceDefinition>::all(plane.admin());
    crds.create(&PostParams::default(), &User::crd()).await.unwrap();
    let folder = folder(&plane);
    let binary = std::path::Path::new(DROVER).to_owned();
    let output = tokio::task::spawn_blocking(move || folder.command(&binary, &["serve"])).await.unwrap();
    let error = output.err();
    assert!(error.contains("management.kubernetes.rancher: alongside"), "{error}");
}

#[test]
fn what_is_said_of_a_plane_is_checked_with_the_rest_of_the_file() {
    let parse = |value: Value| {
        let folder = std::path::Path::new("/etc/drover");
        let problems = drover::config::parse(&value.to_string(), std::path::Path::new("drover.yaml"), folder);
        problems.err().map(|problems| problems.to_string()).unwrap_or_default()
    };
    let both = parse(json!({"management": {"files": {}, "kubernetes": {"kubeconfig": "/dev/null"}}}));
    assert!(
        both.contains("management.kubernetes: expected only one of `embedded`, `kubernetes` and `files`"),
        "{both}"
    );
    let keys = json!({"keyFile": "/dev/null/no", "passphraseFile": "/etc/hostname"});
    let keys = parse(json!({"management": {"embedded": {"encryption": keys}}}));
    assert!(keys.contains("encryption.passphraseFile: expected only one of `keyFile` and `passphraseFile`"), "{keys}");
    assert!(keys.contains("encryption.keyFile: `/dev/null/no` cannot be read"), "{keys}");
    let impatient = parse(json!({"management": {"staleness": {"notReady": "1s", "refuse": "500ms"}}}));
    assert!(impatient.contains("management.staleness.notReady: expected at least `30s`"), "{impatient}");
    assert!(impatient.contains("management.staleness.refuse: expected at least `notReady`"), "{impatient}");
}
