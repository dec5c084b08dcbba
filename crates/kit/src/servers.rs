//! The binaries of the real servers: built once by `servers/build.sh` into a cache, then found.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Where the real servers' binaries lie.
#[derive(Clone, Debug)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// The folder in `DROVER_TEST_BIN`, or the one that `servers/build.sh` prints: it builds what is missing, which
    /// takes minutes the first time and milliseconds afterwards.
    pub fn locate() -> Self {
        static FOUND: OnceLock<PathBuf> = OnceLock::new();
        let dir = FOUND.get_or_init(|| match std::env::var_os("DROVER_TEST_BIN") {
            Some(dir) => PathBuf::from(dir),
            None => build(),
        });
        Self { dir: dir.clone() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// One program: `etcd`, `kube-apiserver`, `kube-controller-manager`, `kwok`, `kubectl`, `helm`, or a program of
    /// `servers/kubernetes/cmd/`.
    pub fn program(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        assert!(path.exists(), "there is no {}", path.display());
        path
    }
}

fn build() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/build.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().expect("servers/build.sh runs");
    assert!(output.status.success(), "{script} ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    PathBuf::from(text.lines().last().expect("servers/build.sh prints a folder"))
}
