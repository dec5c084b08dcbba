//! The real kubectl, with a home and a cache of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::servers::Binaries;

/// Runs kubectl with one kubeconfig.
pub struct Kubectl {
    binary: PathBuf,
    home: TempDir,
    limit: Duration,
    env: Vec<(String, String)>,
}

/// What a finished kubectl said.
#[derive(Clone, Debug)]
pub struct Output {
    /// The arguments, for messages.
    pub command: String,
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output of a kubectl that succeeded.
    pub fn ok(self) -> String {
        let Self { command, code, stdout, stderr } = &self;
        assert_eq!(*code, Some(0), "kubectl {command} failed\n{stdout}\n{stderr}");
        self.stdout
    }

    /// Standard error of a kubectl that failed.
    pub fn err(self) -> String {
        assert_ne!(self.code, Some(0), "kubectl {} succeeded\n{}", self.command, self.stdout);
        self.stderr
    }
}

impl Kubectl {
    /// With this kubeconfig's text.
    pub fn new(kubeconfig: &str) -> Self {
        let home = tempfile::Builder::new().prefix("drover-kubectl-").tempdir().expect("a folder");
        std::fs::write(home.path().join("config"), kubeconfig).expect("the kubeconfig is written");
        Self { binary: Binaries::locate().program("kubectl"), home, limit: Duration::from_mins(1), env: Vec::new() }
    }

    /// Kills a kubectl that takes longer; a minute unless set.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Adds to its environment, such as `KUBECTL_REMOTE_COMMAND_WEBSOCKETS`.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The kubeconfig's path.
    pub fn kubeconfig(&self) -> PathBuf {
        self.home.path().join("config")
    }

    /// Its home folder, to put files into.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.binary).args(args);
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        let home = self.home.path();
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", home.join("cache"))
            // Most end before their garbage matters.
            .env("GOGC", "400")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
    }

    /// Runs it to its end.
    pub async fn run(&self, args: &[&str]) -> Output {
        self.run_with_input(args, "").await
    }

    /// Runs it to its end with this on its standard input.
    pub async fn run_with_input(&self, args: &[&str], input: impl AsRef<[u8]>) -> Output {
        let shown = args.join(" ");
        let mut child = self.command(args).spawn().expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.as_ref();
        let feed = async move {
            let _ = stdin.write_all(input).await;
        };
        let finish = async { tokio::join!(feed, child.wait_with_output()).1.expect("kubectl's output") };
        let Ok(output) = timeout(self.limit, finish).await else {
            panic!("kubectl {shown} took longer than {:?}", self.limit)
        };
        Output {
            command: shown,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts it and leaves it running: a watch, `logs -f`, `exec -i`, `port-forward`.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::new(self.command(args).spawn().expect("kubectl starts"), args, self.limit)
    }

    /// Like [`Self::start`], on a terminal, as `exec -it` wants it.
    pub fn start_on_terminal(&self, args: &[&str]) -> Running {
        let line: Vec<String> = args.iter().map(|a| format!("'{}'", a.replace('\'', r"'\''"))).collect();
        let line = format!("{} {}", self.binary.display(), line.join(" "));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "script", "-qefc", &line, "/dev/null"]);
        self.surround(&mut command);
        Running::new(command.spawn().expect("script starts"), args, self.limit)
    }
}

/// A kubectl that runs; killed when dropped.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
    command: String,
    limit: Duration,
}

impl Running {
    fn new(mut child: Child, args: &[&str], limit: Duration) -> Self {
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        Self { child, stdin, stdout, stderr, command: args.join(" "), limit }
    }

    /// The next line of its output; `None` at the end.
    pub async fn line(&mut self) -> Option<String> {
        let Ok(line) = timeout(self.limit, self.stdout.next_line()).await else {
            panic!("kubectl {} said nothing for {:?}", self.command, self.limit)
        };
        line.expect("kubectl's output")
    }

    /// Waits for a line of its standard error that holds `text`: with `-v=6` it tells of each request there.
    pub async fn error_line_with(&mut self, text: &str) {
        let mut seen = Vec::new();
        loop {
            let Ok(line) = timeout(self.limit, self.stderr.next_line()).await else {
                panic!("kubectl {} did not tell of `{text}` for {:?}: {seen:?}", self.command, self.limit)
            };
            match line.expect("kubectl's output") {
                Some(line) if line.contains(text) => return,
                Some(line) => seen.push(line),
                None => panic!("kubectl {} ended without telling of `{text}`: {seen:?}", self.command),
            }
        }
    }

    /// Reads lines until one holds `text`, and gives it.
    pub async fn line_with(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        while let Some(line) = self.line().await {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        let stderr = rest(&mut self.stderr).await;
        panic!("kubectl {} ended without `{text}`: {seen:?}\n{stderr}", self.command)
    }

    /// Writes to its standard input.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        stdin.write_all(bytes.as_ref()).await.expect("kubectl reads");
        stdin.flush().await.expect("kubectl reads");
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Whether it still runs.
    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end and gives what it still wrote.
    pub async fn wait(mut self, limit: Duration) -> Output {
        self.stdin = None;
        let finish = async {
            let (stdout, stderr) = tokio::join!(rest(&mut self.stdout), rest(&mut self.stderr));
            let status = self.child.wait().await.expect("kubectl's status");
            Output { command: self.command.clone(), code: status.code(), stdout, stderr }
        };
        let Ok(output) = timeout(limit, finish).await else {
            panic!("kubectl {} has not ended after {limit:?}", self.command)
        };
        output
    }

    /// Kills it.
    pub async fn kill(mut self) {
        let _ = self.child.kill().await;
    }
}

/// What still comes.
async fn rest(lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>) -> String {
    let mut text = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        text.push_str(&line);
        text.push('\n');
    }
    text
}
