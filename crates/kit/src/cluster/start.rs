//! Starting the servers, and waiting for them.

use std::{net::TcpStream, path::PathBuf, time::Duration};

use super::{Builder, PORT, RealCluster, Servers, address::Address, files, random_token};
use crate::{
    fake::{FakeApiserver, Reply},
    kubectl::Kubectl,
    process::{Process, Spec},
    servers::Binaries,
    tls::Ca,
    wait,
};

const ETCD: u16 = 2379;
const ETCD_PEER: u16 = 2380;
const KUBELET: u16 = 10250;
const CONTROLLER_MANAGER: u16 = 10257;

/// How long a cluster may take to start, on a machine that compiles beside it.
const LIMIT: Duration = Duration::from_secs(90);

impl Builder {
    /// Starts it: the apiserver is ready, and so are the nodes where kwok runs, when this returns.
    pub async fn start(self) -> RealCluster {
        let options = self.0;
        let binaries = Binaries::locate();
        let address = Address::claim();
        let prefix = format!("drover-cluster-{}-", options.name);
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir().expect("a folder");
        let ca = Ca::new(&format!("kit cluster {}", options.name));
        let admin = ca.client("kit-admin", &["system:masters"]);
        let admin_token = random_token();
        files::prepare(dir.path(), address.ip(), &ca, &options, &admin_token);
        let url = format!("https://{}:{PORT}", address.ip());
        let kubectl = Kubectl::new(&files::kubeconfig_with_certificate(&url, &ca.pem(), &admin));
        let mut pod_server = None;
        if options.kwok {
            let server = FakeApiserver::builder().plain().listen(&format!("{}:0", address.ip()));
            let server = server.default_reply(Reply::text("hello from port 80 of the pod\n")).start();
            let stages = std::fs::read_to_string(binaries.program("kwok-stages.yaml")).expect("kwok's stages");
            let config = files::kwok(dir.path(), &stages, server.address().port(), address.ip());
            files::write(dir.path(), "kwok.yaml", config);
            pod_server = Some(server);
        }
        let cluster = RealCluster {
            options,
            binaries,
            address,
            dir: Some(dir),
            ca,
            admin,
            admin_token,
            kubectl,
            servers: Servers::default().into(),
            pod_server,
        };
        cluster.start_servers().await;
        if !cluster.options.controller_manager {
            cluster.aggregate_roles().await;
        }
        cluster.create_nodes().await;
        cluster
    }
}

impl RealCluster {
    /// Starts what [`Self::stop`] or [`Self::kill_apiserver`] ended, at the same address with the same data.
    pub async fn start_again(&self) {
        self.start_servers().await;
    }

    async fn start_servers(&self) {
        let mut servers = std::mem::take(&mut *self.servers.lock().unwrap());
        if servers.etcd.is_none() {
            let etcd = self.process("etcd", "etcd", self.etcd_args());
            wait::within(LIMIT, "etcd", || async {
                etcd.assert_running();
                TcpStream::connect((self.address.ip(), ETCD)).ok()
            })
            .await;
            servers.etcd = Some(etcd);
        }
        if servers.apiserver.is_none() {
            let apiserver = self.process("kube-apiserver", "kube-apiserver", self.apiserver_args());
            self.wait_until_ready(&apiserver).await;
            servers.apiserver = Some(apiserver);
        }
        if self.options.controller_manager && servers.controller_manager.is_none() {
            let name = "kube-controller-manager";
            servers.controller_manager = Some(self.process(name, name, self.controller_manager_args()));
        }
        if self.options.kwok && servers.kwok.is_none() {
            servers.kwok = Some(self.process("kwok", "kwok", self.kwok_args()));
        }
        *self.servers.lock().unwrap() = servers;
    }

    async fn wait_until_ready(&self, apiserver: &Process) {
        let endpoint = self.endpoint();
        let what = format!("cluster `{}` (logs in {})", self.options.name, self.dir().display());
        wait::within(LIMIT, &what, || async {
            apiserver.assert_running();
            endpoint.try_connect(&["http/1.1"]).await.ok()
        })
        .await;
        wait::within(LIMIT, &what, || async {
            apiserver.assert_running();
            let ready = endpoint.get("/readyz", "").await.status() == 200;
            (ready && self.try_get("/api/v1/namespaces/default").await.is_some()).then_some(())
        })
        .await;
    }

    fn process(&self, name: &str, program: &str, args: Vec<String>) -> Process {
        let dir = self.dir();
        Process::start(&Spec {
            name: format!("{name} of cluster `{}`", self.options.name),
            program: self.binaries.program(program),
            args,
            env: vec![("HOME".into(), dir.display().to_string())],
            dir: dir.to_owned(),
            log: dir.join(format!("{name}.log")),
        })
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.dir().join(name);
        path.display().to_string()
    }

    fn etcd_args(&self) -> Vec<String> {
        let ip = self.address.ip();
        let (client, peer) = (format!("http://{ip}:{ETCD}"), format!("http://{ip}:{ETCD_PEER}"));
        vec![
            "--name=kit".into(),
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=kit={peer}"),
            "--unsafe-no-fsync".into(),
            // One member has nobody to wait for.
            "--heartbeat-interval=10".into(),
            "--election-timeout=100".into(),
            "--log-level=warn".into(),
        ]
    }

    fn apiserver_args(&self) -> Vec<String> {
        let ip = self.address.ip();
        let mut args = vec![
            format!("--etcd-servers=http://{ip}:{ETCD}"),
            format!("--bind-address={ip}"),
            format!("--advertise-address={ip}"),
            format!("--secure-port={PORT}"),
            format!("--tls-cert-file={}", self.path("server.pem")),
            format!("--tls-private-key-file={}", self.path("server.key")),
            format!("--client-ca-file={}", self.path("ca.pem")),
            format!("--token-auth-file={}", self.path("tokens.csv")),
            format!("--authentication-config={}", self.path("authentication.yaml")),
            "--authorization-mode=RBAC".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", self.path("service-account.pub")),
            format!("--service-account-signing-key-file={}", self.path("service-account.key")),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
            "--endpoint-reconciler-type=none".into(),
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--allow-privileged=true".into(),
            format!("--cert-dir={}", self.path("apiserver-certs")),
        ];
        if !self.options.controller_manager || self.options.controllers.is_some() {
            // Nobody makes the `default` service accounts that it demands of every pod.
            args.push("--disable-admission-plugins=ServiceAccount".into());
        }
        if self.options.audit {
            args.push(format!("--audit-policy-file={}", self.path("audit-policy.yaml")));
            args.push(format!("--audit-log-path={}", self.path("audit.log")));
            args.push("--audit-log-mode=blocking".into());
        }
        args.extend(self.options.apiserver_args.iter().cloned());
        args
    }

    fn controller_manager_args(&self) -> Vec<String> {
        let kubeconfig = self.admin_kubeconfig_path().display().to_string();
        let mut args = vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            format!("--bind-address={}", self.address.ip()),
            format!("--secure-port={CONTROLLER_MANAGER}"),
            format!("--cert-dir={}", self.path("controller-manager-certs")),
            format!("--root-ca-file={}", self.path("ca.pem")),
            format!("--service-account-private-key-file={}", self.path("service-account.key")),
            format!("--cluster-signing-cert-file={}", self.path("ca.pem")),
            format!("--cluster-signing-key-file={}", self.path("ca.key")),
            "--use-service-account-credentials=true".into(),
            "--leader-elect=false".into(),
        ];
        args.extend(self.options.controllers.iter().map(|names| format!("--controllers={names}")));
        args
    }

    fn kwok_args(&self) -> Vec<String> {
        let ip = self.address.ip();
        vec![
            format!("--kubeconfig={}", self.admin_kubeconfig_path().display()),
            "--manage-all-nodes=true".into(),
            format!("--node-ip={ip}"),
            format!("--node-port={KUBELET}"),
            format!("--server-address={ip}:{KUBELET}"),
            format!("--tls-cert-file={}", self.path("server.pem")),
            format!("--tls-private-key-file={}", self.path("server.key")),
            "--node-lease-duration-seconds=40".into(),
            format!("--config={}", self.path("kwok.yaml")),
        ]
    }
}
