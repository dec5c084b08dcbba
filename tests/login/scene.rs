//! The whole program on its embedded plane, and people with a home of their own.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use kit::{
    gateway::{CommandOutput, ConfigFolder, Gateway},
    servers::Binaries,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

pub const DROVER: &str = env!("CARGO_BIN_EXE_drover");
pub const PASSWORD: &str = "correct horse battery";

/// A running program whose administrator has [`PASSWORD`].
pub struct Scene {
    pub gateway: Gateway,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With a change of its folder before the start.
    pub async fn with(change: impl FnOnce(&ConfigFolder)) -> Self {
        let folder = folder();
        change(&folder);
        Self::on(folder).await
    }

    /// On a folder of [`folder`].
    pub async fn on(folder: ConfigFolder) -> Self {
        Self { gateway: Gateway::start(DROVER, folder).await }
    }

    /// Somebody who has never signed in.
    pub fn person(&self) -> Person {
        let home = tempfile::Builder::new().prefix("drover-home-").tempdir().unwrap();
        std::fs::write(home.path().join("ca.pem"), self.gateway.ca_pem()).unwrap();
        Person { home, server: self.gateway.url() }
    }

    /// The administrator, signed in.
    pub async fn admin(&self) -> Person {
        let person = self.person();
        person.sign_in("admin", PASSWORD).await.ok();
        person
    }

    /// Makes objects in the management plane.
    pub async fn apply(&self, objects: &[Value]) {
        let token = self.gateway.command(&["token", "create", "--user", "admin", "--ttl", "1h", "--apply"]).ok();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let kubectl = self.gateway.kubectl("local", token.trim());
        self.gateway.wait_for_cluster("local", token.trim()).await;
        kubectl.run_with_input(&["apply", "--server-side", "-f", "-"], list).await.ok();
    }
}

/// A folder whose plane is the embedded one.
pub fn folder() -> ConfigFolder {
    let folder = ConfigFolder::new();
    let file = folder.path().join("admin.password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    folder.set("management", json!({"embedded": {"bootstrap": {"passwordFile": file}}}));
    folder
}

pub fn binding(user: &str, cluster: &str, template: &str) -> Value {
    json!({"apiVersion": "management.cattle.io/v3", "kind": "ClusterRoleTemplateBinding",
        "metadata": {"name": format!("{user}-{template}"), "namespace": cluster},
        "clusterName": cluster, "roleTemplateName": template, "userName": user})
}

/// Somebody with a home folder.
pub struct Person {
    home: TempDir,
    pub server: String,
}

impl Person {
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where the kubeconfig is unless told.
    pub fn kubeconfig(&self) -> PathBuf {
        self.home().join(".kube/config")
    }

    /// The folder of the sessions.
    pub fn cache(&self) -> PathBuf {
        self.home().join(".cache/drover")
    }

    /// The file of the one session.
    pub fn session(&self) -> PathBuf {
        let files = std::fs::read_dir(self.cache()).unwrap().map(|entry| entry.unwrap().path());
        let mut sessions = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
        let session = sessions.next().expect("a session");
        assert_eq!(sessions.next(), None);
        session
    }

    /// What is kept of the session.
    pub fn kept(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.session()).unwrap()).unwrap()
    }

    /// The token of this hour.
    pub fn access_token(&self) -> String {
        self.kept()["tokens"]["accessToken"].as_str().unwrap().to_owned()
    }

    /// Changes what is kept of the session.
    pub fn change_kept(&self, change: impl FnOnce(&mut Value)) {
        let mut kept = self.kept();
        change(&mut kept);
        std::fs::write(self.session(), kept.to_string()).unwrap();
    }

    /// Makes the access token one that is to be exchanged; `over`: it has ended.
    pub fn age(&self, over: bool) {
        self.change_kept(|kept| {
            kept["tokens"]["refreshAt"] = json!("2020-01-01T00:00:00Z");
            if over {
                kept["tokens"]["expiresAt"] = json!("2020-01-01T00:00:00Z");
            }
        });
    }

    /// A program with this home and nothing else of the environment; killed with this process.
    pub fn program(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .current_dir(self.home())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs `drover` to its end.
    pub async fn run(&self, args: &[&str]) -> CommandOutput {
        self.run_with(args, "").await
    }

    /// The same with this on its standard input.
    pub async fn run_with(&self, args: &[&str], input: &str) -> CommandOutput {
        finish(self.program(Path::new(DROVER), args), input).await
    }

    /// Signs in by password, with the authority that the person was given.
    pub async fn sign_in(&self, user: &str, password: &str) -> CommandOutput {
        let ca = self.home().join("ca.pem");
        let args = ["login", &self.server, "--certificate-authority", ca.to_str().unwrap()];
        let args = [&args[..], &["--user", user, "--password-stdin"]].concat();
        self.run_with(&args, password).await
    }

    /// Runs kubectl to its end, with the kubeconfig of the home.
    pub async fn kubectl(&self, args: &[&str]) -> CommandOutput {
        finish(self.program(&Binaries::locate().program("kubectl"), args), "").await
    }

    /// What `drover … -o json` says.
    pub async fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[args, &["-o", "json"]].concat()).await.ok()).unwrap()
    }
}

/// Runs a command to its end.
pub async fn finish(mut command: Command, input: &str) -> CommandOutput {
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let output = child.wait_with_output().await.unwrap();
    CommandOutput {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The permissions of a file or folder.
pub fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A kubeconfig, read.
pub fn read_kubeconfig(path: &Path) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
