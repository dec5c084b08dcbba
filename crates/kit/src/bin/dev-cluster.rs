//! Real clusters for a person: `make dev-cluster`, and `make demo` with a gateway in front of them.
//!
//! ```text
//! dev-cluster [--dir .dev] [--clusters N] [--gateway BINARY [--hold] | --register BINARY --config FILE]
//! ```
//!
//! Starts N clusters (one unless told), each with a node and a running pod `web`, writes an administrator's kubeconfig
//! for each into the folder, and stays until Ctrl-C. With `--gateway` it also writes a config folder for a gateway
//! before them, applies what `drover cluster rbac` prints, and runs the gateway; with `--hold` it leaves running the
//! gateway to you. With `--register` it adds them to the server that runs with that file, as its administrator: `make run`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a tool of development speaks and fails plainly"
)]

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use kit::{
    cluster::RealCluster,
    gateway::{ConfigFolder, Gateway, run},
    kubectl::Kubectl,
};
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

/// The people of the demo: login name, what they may do, in words.
const PEOPLE: [(&str, &str, &str); 2] =
    [("alice", "cluster-admin", "everything"), ("bob", "view", "read most things, but no secrets")];

/// The gateway's account in each cluster.
const NAMESPACE: &str = "drover-system";
const ACCOUNT: &str = "gateway";

struct Options {
    dir: PathBuf,
    clusters: usize,
    drover: Option<PathBuf>,
    hold: bool,
    register: Option<PathBuf>,
    config: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Some(options) = options() else {
        println!(
            "usage: dev-cluster [--dir .dev] [--clusters N] [--gateway BINARY [--hold] | --register BINARY --config FILE]"
        );
        std::process::exit(2);
    };
    fs::create_dir_all(&options.dir).unwrap_or_else(|e| panic!("{}: {e}", options.dir.display()));
    let dir = options.dir.canonicalize().expect("the folder is there");
    println!("Starting {} cluster(s); the first time their servers are built, which takes minutes.", options.clusters);
    let clusters = start_clusters(options.clusters).await;
    for cluster in &clusters {
        let path = dir.join(format!("{}.kubeconfig", cluster.name()));
        write_private(&path, &cluster.admin_kubeconfig());
        println!("\nCluster {} at {}, as its administrator:", cluster.name(), cluster.server_url());
        println!("  kubectl --kubeconfig {} get nodes,pods -A", path.display());
    }
    let mut gateway = None;
    if let Some(drover) = &options.drover {
        let folder = configure(&dir, &clusters, drover).await;
        if options.hold {
            println!("\nThe gateway's configuration is in {}. Run it with", folder.path().display());
            println!("  {} serve --config {}", drover.display(), folder.config_path().display());
        } else {
            gateway = Some(run_gateway(&dir, &clusters, drover, folder).await);
        }
    }
    if let Some(drover) = &options.register {
        for cluster in &clusters {
            register(&dir, cluster, drover, &options.config).await;
        }
    }
    println!("\nCtrl-C ends it all.");
    let mut terminate = signal(SignalKind::terminate()).expect("a signal handler");
    let gone = async {
        match &gateway {
            Some(gateway) => {
                while gateway.process().ended().is_none() {
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = gone => println!("The gateway has ended: see {}", dir.join("gateway/drover.log").display()),
    }
}

fn options() -> Option<Options> {
    let mut options = Options {
        dir: PathBuf::from(".dev"),
        clusters: 1,
        drover: None,
        hold: false,
        register: None,
        config: PathBuf::from(".dev/run/drover.yaml"),
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--dir" => options.dir = args.next()?.into(),
            "--clusters" => options.clusters = args.next()?.parse().ok().filter(|&n| n > 0)?,
            "--gateway" => options.drover = Some(args.next()?.into()),
            "--hold" => options.hold = true,
            "--register" => options.register = Some(args.next()?.into()),
            "--config" => options.config = args.next()?.into(),
            _ => return None,
        }
    }
    Some(options)
}

async fn start_clusters(count: usize) -> Vec<RealCluster> {
    let mut starting = JoinSet::new();
    for i in 0..count {
        let name = if i == 0 { "dev".to_owned() } else { format!("dev{}", i + 1) };
        starting.spawn(async move {
            let builder = RealCluster::builder().name(&name).kwok(true).controller_manager(true);
            let cluster = builder.start().await;
            kit::wait::until("the default service account", || {
                cluster.try_get("/api/v1/namespaces/default/serviceaccounts/default")
            })
            .await;
            cluster.create_pod("default", "web").await;
            cluster
        });
    }
    let mut clusters = starting.join_all().await;
    clusters.sort_by(|a, b| a.name().cmp(b.name()));
    clusters
}

/// Writes the gateway's folder and gives the gateway its account in each cluster.
async fn configure(dir: &Path, clusters: &[RealCluster], drover: &Path) -> ConfigFolder {
    let path = dir.join("gateway");
    // What an earlier run left names clusters that are gone; the gateway's own authority stays.
    let _ = fs::remove_dir_all(path.join("manifests"));
    let folder = ConfigFolder::at(
        &path,
        json!({
            "listen": {"address": free_port(8443)},
            "ops": {"address": free_port(8444)},
            "upstream": {"allowedAddresses": ["127.0.0.0/8"], "probeInterval": "2s"},
            "telemetry": {"log": {"format": "text"}},
            "drain": {"delay": "0s", "deadline": "2s"},
            "management": {"files": {}},
        }),
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("the folder is ours");
    for cluster in clusters {
        let token = cluster.service_account_token(NAMESPACE, ACCOUNT).await;
        folder.add_cluster(&id(cluster), &cluster.kubeconfig_with_token(&token));
    }
    for (person, template, _) in PEOPLE {
        let user = format!("u-{person}");
        folder.add_user_with(&user, &json!({"username": person}));
        write_private(&dir.join(format!("{person}.token")), &folder.add_token(&user));
        for cluster in clusters {
            folder.add_binding(&id(cluster), &user, template);
        }
    }
    for cluster in clusters {
        let rbac = folder.command(drover, &["cluster", "rbac", "--cluster", &id(cluster)]).ok();
        cluster.apply(&rbac).await;
    }
    folder
}

async fn run_gateway(dir: &Path, clusters: &[RealCluster], drover: &Path, folder: ConfigFolder) -> Gateway {
    let gateway = Gateway::start(drover, folder).await;
    println!("\nThe gateway serves at {}, metrics at http://{}/metrics.", gateway.url(), gateway.ops_address());
    println!("Its configuration and log are in {}; changes there are read at once.", gateway.folder().path().display());
    for (person, template, may) in PEOPLE {
        let (token, kubeconfig) = (dir.join(format!("{person}.token")), dir.join(format!("{person}.kubeconfig")));
        let text = fs::read_to_string(&token).expect("the token was written");
        for cluster in clusters {
            gateway.wait_for_cluster(&id(cluster), &text).await;
        }
        let (token, output) = (token.display().to_string(), kubeconfig.display().to_string());
        let user = format!("u-{person}");
        gateway.command(&["kubeconfig", "--user", &user, "--token-file", &token, "--output", &output]).ok();
        println!("\n{person} has the role {template} ({may}):");
        println!("  export KUBECONFIG={output}");
        println!("  kubectl auth whoami");
        println!("  kubectl get pods -A");
    }
    println!("\nAs alice also:");
    println!("  kubectl exec -it web -- sh        kubectl logs -f web        kubectl get pods -w");
    println!("  kubectl --as u-bob get secrets    kubectl port-forward web 8080:80");
    if clusters.len() > 1 {
        println!("  kubectl config get-contexts");
    }
    gateway
}

/// Adds a cluster to the server that runs with `config`, with kubectl alone, as its administrator would.
async fn register(dir: &Path, cluster: &RealCluster, drover: &Path, config: &Path) {
    let config = config.display().to_string();
    let ask = |args: &[&str]| run(drover, &[args, &["--config", &config]].concat()).ok();
    let local = Kubectl::new(&ask(&["kubeconfig", "--user", "admin", "--new-token", "1h"]));
    let id = id(cluster);
    let token = cluster.service_account_token(NAMESPACE, ACCOUNT).await;
    let group = "management.cattle.io/v3";
    let secret = json!({"namespace": NAMESPACE, "name": id});
    let upstream = json!({"kubeconfig": {"secretRef": secret}});
    let objects = json!([
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": id}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret,
            "stringData": {"kubeconfig": cluster.kubeconfig_with_token(&token)}},
        {"apiVersion": group, "kind": "Cluster", "metadata": {"name": id},
            "spec": {"displayName": cluster.name(), "upstream": upstream}},
        {"apiVersion": group, "kind": "ClusterRoleTemplateBinding", "metadata": {"name": "admin", "namespace": id},
            "clusterName": id, "roleTemplateName": "cluster-admin", "userName": "admin"},
    ]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    local.run_with_input(&["apply", "--server-side", "--force-conflicts", "-f", "-"], list).await.ok();
    cluster.apply(&ask(&["cluster", "rbac", "--cluster", &id])).await;
    let output = dir.join("admin.kubeconfig").display().to_string();
    ask(&["kubeconfig", "--user", "admin", "--new-token", "24h", "--output", &output]);
    println!("\nThe server that runs with {config} has it as {id}; its administrator types");
    println!("  export KUBECONFIG={output}");
    println!("  kubectl --context {} get pods -A", cluster.name());
    println!("  kubectl --context {} exec -it web -- sh", cluster.name());
}

fn id(cluster: &RealCluster) -> String {
    format!("c-{}", cluster.name())
}

/// `127.0.0.1` with this port where it is free, else with any.
fn free_port(port: u16) -> String {
    let port = if TcpListener::bind(("127.0.0.1", port)).is_ok() { port } else { 0 };
    format!("127.0.0.1:{port}")
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
