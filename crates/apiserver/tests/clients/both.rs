//! The same kubectl commands before both servers, and what differs in what it says.

use std::{
    fmt::Write,
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock},
};

use kit::{
    cluster::RealCluster,
    kubectl::{Kubectl, Output},
};
use regex::Regex;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::ours::Ours;

/// Our server, and a real one.
pub struct House {
    pub ours: Ours,
    pub real: RealCluster,
    _sweeper: Child,
}

impl House {
    /// The house of all tests. It stays until the process ends: to build one anew between two tests takes longer than they do.
    pub async fn get() -> Arc<Self> {
        static HOUSE: OnceCell<Arc<House>> = OnceCell::const_new();
        Arc::clone(HOUSE.get_or_init(|| async { Arc::new(Self::build().await) }).await)
    }

    async fn build() -> Self {
        let controllers =
            ["garbage-collector-controller", "namespace-controller", "clusterrole-aggregation-controller"];
        let real = RealCluster::builder().name("real").controllers(&controllers).user("root", &["system:masters"]);
        let (ours, real) = tokio::join!(Ours::start(), real.user("ann", &["people"]).start());
        // Nothing drops what is static: a shell waits for the end of this process, and takes the folders away.
        let command = "read -r _; sleep 1; rm -rf \"$@\"";
        let mut sweeper = Command::new("sh");
        sweeper.args(["-c", command, "sweeper"]).arg(ours.dir()).arg(real.dir()).stdin(Stdio::piped());
        // As long as this process lives its end of the pipe is open.
        let sweeper = sweeper.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { ours, real, _sweeper: sweeper }
    }
}

/// One person before both servers, in one namespace.
pub struct Both {
    pub ours: Kubectl,
    pub real: Kubectl,
    namespace: String,
    differences: String,
    compared: usize,
    _house: Arc<House>,
}

impl Both {
    /// An administrator in a namespace of the test's own.
    pub async fn new(namespace: &str) -> Self {
        let both = Self::person("root", namespace).await;
        for kubectl in [&both.ours, &both.real] {
            kubectl.run(&["create", "namespace", namespace]).await.ok();
        }
        both
    }

    /// `root`, who may do everything, or `ann`, who may do what she is given.
    pub async fn person(user: &str, namespace: &str) -> Self {
        let house = House::get().await;
        let real = house.real.kubeconfig_with_token(house.real.token_for(user));
        Self {
            ours: Kubectl::new(&house.ours.kubeconfig(user)),
            real: Kubectl::new(&real),
            namespace: namespace.to_owned(),
            differences: String::new(),
            compared: 0,
            _house: house,
        }
    }

    /// Adds to kubectl's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.ours = self.ours.env(name, value);
        self.real = self.real.env(name, value);
        self
    }

    /// Runs a command before both servers.
    pub async fn run(&self, command: &str, input: &str) -> (Output, Output) {
        let words = words(command);
        let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
        if !args.contains(&"-n") && !args.contains(&"-A") {
            args.splice(0..0, ["-n", &self.namespace]);
        }
        tokio::join!(self.ours.run_with_input(&args, input), self.real.run_with_input(&args, input))
    }

    /// kubectl says the same of both.
    pub async fn same(&mut self, command: &str) {
        self.same_with(command, "").await;
    }

    /// kubectl with this on its standard input says the same of both.
    pub async fn same_with(&mut self, command: &str, input: &str) {
        let (ours, real) = self.run(command, input).await;
        self.compare(command, &told(&ours), &told(&real));
    }

    /// The commands, one a line, say the same one after the other.
    pub async fn all(&mut self, commands: &str) {
        for command in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.same(command).await;
        }
    }

    /// Each line that kubectl says of ours it says of the real one too: a real one has more kinds.
    pub async fn part(&mut self, command: &str) {
        let (ours, real) = self.run(command, "").await;
        let (ours, real) = (told(&ours), told(&real));
        let missing: Vec<&str> = ours.lines().filter(|line| !real.lines().any(|other| other == *line)).collect();
        self.compare(command, &missing.join("\n"), "");
    }

    /// Each command, one a line, is answered with the same JSON, in whatever order.
    pub async fn all_raw(&mut self, commands: &str) {
        for command in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (ours, real) = self.run(command, "").await;
            self.compare(command, &json(&ours), &json(&real));
        }
    }

    /// Notes a difference.
    pub fn compare(&mut self, what: &str, ours: &str, real: &str) {
        self.compared += 1;
        if ours != real {
            let _ = writeln!(self.differences, "=== {what}\n--- ours\n{ours}\n--- real\n{real}");
        }
    }

    /// Fails with all differences, if there are any.
    pub fn end(self) {
        println!("{} answers compared in {}", self.compared, self.namespace);
        assert!(self.differences.is_empty(), "kubectl notices:\n{}", self.differences);
    }
}

/// All that kubectl said, without what differs from run to run.
pub fn told(output: &Output) -> String {
    let mut text = output.stdout.clone();
    if !output.stderr.is_empty() {
        let _ = write!(text, "\n[stderr]\n{}", output.stderr);
    }
    let _ = write!(text, "\n[code {:?}]", output.code);
    plain(&text)
}

/// The same of JSON, with its fields in order.
fn json(output: &Output) -> String {
    match serde_json::from_str::<Value>(&output.stdout) {
        Ok(mut value) => {
            // Lists of custom objects say that they do not go on.
            if value.pointer("/metadata/continue").is_some_and(|token| token == "") {
                value["metadata"].as_object_mut().unwrap().remove("continue");
            }
            plain(&format!("{value:#}"))
        }
        Err(_) => told(output),
    }
}

/// What differs from run to run, and what is put in its place. Patterns are slow to build.
static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z)", "TIME"),
        (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [-+]\d{4}", "TIME"),
        (r#"(resourceVersion"?: ?"?)\d+"#, "${1}N"),
        (r"(Resource Version:\s+)\d+", "${1}N"),
        (r"(https://)?127\.[\d.]+:\d+", "SERVER"),
        (r"(--- |\+\+\+ )/tmp/\S+\s.*", "${1}FILE"),
        (r"(?m)^[IWE]\d{4} [\d:.]+ +\d+ ", "LOG "),
        // kubectl 1.37.1 panics in `auth reconcile` after it did its work.
        (r"(?s)goroutine \d+ \[running\].*\n\[code", "[code"),
        (r"/tmp/[-\w./]+", "FILE"),
        (r"\b(\d+[smhd])+\b", "AGE"),
        (r"(\S) +", "$1 "),
        (r" +\n", "\n"),
    ]
    .into_iter()
    .map(|(pattern, to)| (Regex::new(pattern).unwrap(), to))
    .collect()
});

/// A text without uids, times, ages, revisions and addresses, and with columns of any width.
pub fn plain(text: &str) -> String {
    RULES.iter().fold(text.to_owned(), |text, (pattern, to)| pattern.replace_all(&text, *to).into_owned())
}

/// The words of a command; what is in single quotes is one.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for sign in command.chars() {
        match sign {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            sign => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    words
}
