//! The server as a process of its own, that can be killed and comes back at the same address.

use std::{path::PathBuf, time::Duration};

use kit::{
    client::{Endpoint, kubeconfig_with_token},
    cluster::Address,
    process::{Process, Spec},
    tls::Ca,
    wait,
};
use tempfile::TempDir;

const PORT: u16 = 6443;

/// A running server; it and its folder go when it is dropped.
pub struct Ours {
    address: Address,
    ca: Ca,
    dir: TempDir,
    program: PathBuf,
    process: Option<Process>,
}

impl Ours {
    /// Starts it over a file. `root` may do everything, `ann` nothing; their names are their tokens.
    pub async fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("drover-serve-").tempdir().unwrap();
        let address = Address::claim();
        let ca = Ca::new("serve");
        let pair = ca.server(&[&address.ip().to_string()]);
        std::fs::write(dir.path().join("server.pem"), &pair.certificate).unwrap();
        std::fs::write(dir.path().join("server.key"), &pair.key).unwrap();
        std::fs::write(dir.path().join("tokens.csv"), "root,root,root,\"system:masters\"\nann,ann,ann,\"people\"\n")
            .unwrap();
        // A build beside the test may put another program in its place.
        let program = dir.path().join("serve");
        let built = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("serve");
        std::fs::hard_link(&built, &program).or_else(|_| std::fs::copy(&built, &program).map(drop)).unwrap_or_else(
            |e| panic!("{}: {e}; `cargo build -p drover-apiserver --example serve` makes it", built.display()),
        );
        let mut ours = Self { address, ca, dir, program, process: None };
        ours.start_again().await;
        ours
    }

    /// Starts it after [`Self::kill`].
    pub async fn start_again(&mut self) {
        let in_dir = |name: &str| self.dir.path().join(name).display().to_string();
        let process = Process::start(&Spec {
            name: "the server".into(),
            program: self.program.clone(),
            args: vec![
                "--listen".into(),
                format!("{}:{PORT}", self.address.ip()),
                "--file".into(),
                in_dir("objects"),
                "--certificate".into(),
                in_dir("server.pem"),
                "--key".into(),
                in_dir("server.key"),
                "--tokens".into(),
                in_dir("tokens.csv"),
            ],
            env: vec![("RUST_BACKTRACE".into(), "1".into())],
            dir: self.dir.path().to_owned(),
            log: self.dir.path().join("log"),
        });
        let endpoint = self.endpoint();
        wait::within(Duration::from_secs(30), "the server", || async {
            process.assert_running();
            endpoint.try_connect(&["http/1.1"]).await.ok()
        })
        .await;
        self.process = Some(process);
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// How it is reached.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new((self.address.ip(), PORT).into(), &self.ca.pem())
    }

    /// A kubeconfig of one of its people.
    pub fn kubeconfig(&self, user: &str) -> String {
        kubeconfig_with_token(&format!("https://{}:{PORT}", self.address.ip()), &self.ca.pem(), user)
    }

    /// A folder for files.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }
}
