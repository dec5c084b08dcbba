//! The command line, as a person or a script uses it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use drover::config::manifests;
use kit::tls::Ca;
use serde_json::Value;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config");

fn drover(folder: &Path, arguments: &[&str]) -> Output {
    drover_reading(folder, arguments, "")
}

fn drover_reading(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_drover"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("DROVER_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn stdout(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn stderr(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code));
    assert!(output.stdout.is_empty(), "a failure prints no result");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A copy of the examples, so that commands can write.
fn examples() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("manifests")).unwrap();
    for file in ["drover.yaml", "manifests/example.yaml"] {
        fs::copy(Path::new(EXAMPLES).join(file), folder.path().join(file)).unwrap();
    }
    folder
}

fn yaml(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

#[test]
fn the_examples_pass_the_check() {
    let folder = examples();
    let output = drover(folder.path(), &["config", "check"]);
    assert_eq!(stdout(&output), "ok: 1 users, 1 tokens, 1 clusters, 1 bindings\n");
}

#[test]
fn the_check_prints_every_problem_like_a_compiler_and_exits_1() {
    let folder = examples();
    fs::write(folder.path().join("bad.yaml"), "limits:\n  maxInFlight: x\n  typo: 1\n").unwrap();
    let text = stderr(&drover(folder.path(), &["config", "check", "--config", "bad.yaml"]), 1);
    assert!(text.contains("bad.yaml:2:16: limits.maxInFlight: expected a whole number"), "{text}");
    assert!(text.contains("bad.yaml:3:3: limits.typo: unknown field"), "{text}");

    fs::write(folder.path().join("manifests/z.yaml"), "apiVersion: v1\nkind: Pod\n").unwrap();
    let text = stderr(&drover(folder.path(), &["config", "check"]), 1);
    assert!(text.contains("manifests/z.yaml:2:1: kind: expected User"), "{text}");
}

/// H22.
#[test]
fn the_check_refuses_a_cluster_at_an_address_that_is_not_listed() {
    let folder = examples();
    let example = fs::read_to_string(folder.path().join("manifests/example.yaml")).unwrap();
    let loopback = example.replace("https://kube.example.org:6443", "https://127.0.0.1:6443");
    fs::write(folder.path().join("manifests/example.yaml"), loopback).unwrap();
    let text = stderr(&drover(folder.path(), &["config", "check"]), 1);
    assert!(text.contains("Cluster `c-dev`: 127.0.0.1 port 6443 is refused: it is a loopback address"), "{text}");
    fs::write(folder.path().join("drover.yaml"), "upstream: {allowedAddresses: [127.0.0.0/8]}\n").unwrap();
    stdout(&drover(folder.path(), &["config", "check"]));
}

#[test]
fn the_check_reads_the_audit_policy_and_the_certificates_that_serving_would() {
    let folder = examples();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let (ca, other) = (Ca::new("a"), Ca::new("b"));
    let (pair, stranger) = (ca.server(&["drover.example.org"]), other.server(&["drover.example.org"]));
    write("tls.crt", &pair.certificate);
    write("tls.key", &pair.key);
    write("people.crt", &other.pem());
    write("policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n");
    write(
        "drover.yaml",
        "listen:\n  tls:\n    certificateFile: tls.crt\n    keyFile: tls.key\n    clientCaFile: people.crt\n\
         audit:\n  policyFile: policy.yaml\n  log: {path: audit.log}\n  webhook:\n    url: https://audit.example.org\n    caFile: people.crt\n",
    );
    let check = || drover(folder.path(), &["config", "check"]);
    stdout(&check());
    assert!(!folder.path().join("audit.log").exists() && !folder.path().join("data").exists(), "nothing is written");

    write("tls.key", &stranger.key);
    write("people.crt", "no PEM");
    write(
        "policy.yaml",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: All\n- {level: None, verb: []}\n",
    );
    write("manifests/z.yaml", "apiVersion: v1\nkind: Pod\n");
    let text = stderr(&check(), 1);
    for expected in [
        "drover.yaml:4:5: listen.tls.keyFile: ",
        "drover.yaml:5:5: listen.tls.clientCaFile: ",
        "drover.yaml:9:3: audit.webhook: certificate authorities: ",
        "policy.yaml:4:10: rules[0].level: expected one of `None`, `Metadata`",
        "policy.yaml:5:17: rules[1].verb: unknown field",
        "manifests/z.yaml:2:1: kind: expected User",
    ] {
        assert!(text.contains(expected), "`{expected}` is missing in\n{text}");
    }
    assert_eq!(text.lines().count(), 6, "{text}");

    write("tls.crt", "no PEM");
    let text = stderr(&check(), 1);
    assert!(text.contains("listen.tls.certificateFile: ") && !text.contains("listen.tls.keyFile"), "{text}");
}

#[test]
fn the_check_reads_what_a_cluster_is_reached_with() {
    let folder = examples();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let (ca, other) = (Ca::new("a"), Ca::new("b"));
    let (pair, stranger) = (ca.client("drover:gateway", &[]), other.client("drover:gateway", &[]));
    write("ca.crt", &ca.pem());
    write("client.crt", &pair.certificate);
    write("client.key", &pair.key);
    write("token", "a-token\n");
    let clusters = |user: &str| {
        write(
            "c.kubeconfig",
            &format!(
                "clusters: [{{name: a, cluster: {{server: 'https://kube.example.org', certificate-authority: ca.crt}}}}]\n\
                 users: [{{name: a, user: {user}}}]\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\ncurrent-context: a\n"
            ),
        );
        drover(folder.path(), &["config", "check"])
    };
    write(
        "manifests/c.yaml",
        "apiVersion: management.cattle.io/v3\nkind: Cluster\nmetadata: {name: c-file}\n\
         spec: {upstream: {kubeconfig: {file: ../c.kubeconfig}}}\n",
    );
    let certificate = "{client-certificate: client.crt, client-key: client.key}";
    let plugin = |command: &str| {
        format!("{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}, interactiveMode: Never}}}}")
    };
    for good in [certificate.to_owned(), "{tokenFile: token}".to_owned(), plugin("sh")] {
        stdout(&clusters(&good));
    }
    write("client.key", &stranger.key);
    write("token", "\n");
    for (bad, expected) in [
        (certificate.to_owned(), "the client certificate: "),
        ("{tokenFile: token}".to_owned(), "the token is empty"),
        ("{tokenFile: missing}".to_owned(), "missing`: No such file"),
        (plugin("no-such-plugin"), "the plugin `no-such-plugin` is no program"),
        (plugin("./ca.crt"), "ca.crt` is no program"),
    ] {
        let text = stderr(&clusters(&bad), 1);
        assert!(text.contains("Cluster `c-file`: ") && text.contains(expected), "{bad}: {text}");
    }
}

#[test]
fn an_unknown_command_exits_2_and_says_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = stderr(&drover(folder.path(), &["serv"]), 2);
    assert!(text.contains("serve"), "{text}");
    let text = stderr(&drover(folder.path(), &["token", "create"]), 2);
    assert!(text.contains("--user"), "{text}");
}

#[test]
fn every_command_has_a_help_text() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        "",
        "serve",
        "config",
        "config check",
        "config schema",
        "token",
        "token create",
        "token hash",
        "kubeconfig",
        "cluster",
        "cluster rbac",
        "streams",
        "streams ls",
        "streams kill",
        "backup",
        "restore",
        "admin",
        "admin recover",
        "version",
    ] {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let text = stdout(&drover(folder.path(), &arguments));
        let (about, _) = text.split_once("Usage:").unwrap();
        assert!(about.trim().len() > 10, "{command}: {text}");
    }
}

#[test]
fn what_is_for_the_embedded_plane_alone_says_so_and_makes_nothing() {
    let folder = examples();
    for arguments in [vec!["backup", "x.db"], vec!["restore", "x.db"], vec!["admin", "recover"]] {
        // A server that has never run has no plane yet.
        let output = drover(folder.path(), &arguments);
        assert!(!output.status.success());
        let text = stderr(&output, 1);
        assert!(text.contains("has never run") || text.contains("cannot be copied"), "{arguments:?}: {text}");
        assert!(!folder.path().join("data/management/store.db").exists());
    }
    fs::write(folder.path().join("drover.yaml"), "management: {files: {}}\n").unwrap();
    for arguments in [vec!["backup", "x.db"], vec!["restore", "x.db"], vec!["admin", "recover"]] {
        let text = stderr(&drover(folder.path(), &arguments), 1);
        assert!(text.contains("only for the embedded management plane"), "{arguments:?}: {text}");
    }
    let text = stderr(&drover(folder.path(), &["token", "create", "--user", "u-alice", "--apply"]), 1);
    assert!(text.contains("the folder of manifests is all there is"), "{text}");
}

#[test]
fn the_schema_is_json_and_the_version_names_itself() {
    let folder = tempfile::tempdir().unwrap();
    let schema: Value = serde_json::from_str(&stdout(&drover(folder.path(), &["config", "schema"]))).unwrap();
    assert_eq!(at(&schema, "/title"), "drover.yaml");
    let version = stdout(&drover(folder.path(), &["version"]));
    assert!(version.starts_with(concat!("drover ", env!("CARGO_PKG_VERSION"), "\n")), "{version}");
    let said = |key: &str| version.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    assert!(said("built by: ").starts_with("rustc 1."), "{version}");
    assert!(!said("commit: ").is_empty() && !said("features: ").is_empty(), "{version}");
}

/// T1, T2.
#[test]
fn a_created_token_is_shown_once_and_only_its_hash_is_written() {
    let folder = examples();
    let create = [
        "token",
        "create",
        "--user",
        "u-alice",
        "--cluster",
        "c-dev",
        "--ttl",
        "720h",
        "--name",
        "t-1",
        "--write",
        "manifests",
    ];
    let token = stdout(&drover(folder.path(), &create)).trim().to_owned();
    assert!(token.strip_prefix("drover_").unwrap().len() >= 43, "256 bits: {token}");

    let file = folder.path().join("manifests/t-1.yaml");
    let manifest = fs::read_to_string(&file).unwrap();
    assert!(!manifest.contains(&token));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let hash = stdout(&drover_reading(folder.path(), &["token", "hash"], &format!("{token}\n")));
    assert!(manifest.contains(hash.trim()), "{manifest}");

    let inputs = manifests::load(&folder.path().join("manifests")).unwrap();
    let made = inputs.tokens.iter().find(|token| &*token.name == "t-1").unwrap();
    assert_eq!((&*made.user, made.cluster.as_deref(), made.enabled), ("u-alice", Some("c-dev"), true));
    assert!(made.expires_at.is_some());

    // A second one of that name does not replace it; another is another.
    assert!(stderr(&drover(folder.path(), &create), 1).contains("t-1.yaml"));
    let other = stdout(&drover(folder.path(), &["token", "create", "--user", "u-alice", "--write", "manifests"]));
    assert_ne!(other.trim(), token);
}

#[test]
fn a_ttl_without_unit_is_refused() {
    let folder = examples();
    let text = stderr(&drover(folder.path(), &["token", "create", "--user", "u-alice", "--ttl", "720"]), 2);
    assert!(text.contains("expected a length of time"), "{text}");
}

#[test]
fn a_kubeconfig_has_the_users_clusters_as_contexts_with_authority_and_token() {
    let folder = examples();
    fs::create_dir_all(folder.path().join("data/tls")).unwrap();
    fs::write(folder.path().join("data/tls/ca.crt"), "PEM").unwrap();
    // Two clusters of one display name, and one that no binding gives.
    let example = fs::read_to_string(folder.path().join("manifests/example.yaml")).unwrap();
    let cluster = |id: &str| {
        format!(
            "---\napiVersion: management.cattle.io/v3\nkind: Cluster\nmetadata: {{name: {id}}}\nspec:\n  displayName: dev\n  \
             upstream: {{kubeconfig: {{secretRef: {{namespace: drover-system, name: c-dev}}}}}}\n"
        )
    };
    let binding = "---\napiVersion: management.cattle.io/v3\nkind: ClusterRoleTemplateBinding\nmetadata: {name: b}\n\
                   clusterName: c-two\nroleTemplateName: edit\nuserPrincipalName: x509_user://alice\n";
    let text = format!("{example}{}{}{binding}", cluster("c-two"), cluster("c-other"));
    fs::write(folder.path().join("manifests/example.yaml"), text).unwrap();

    let token = stdout(&drover(folder.path(), &["token", "create", "--user", "u-alice", "--write", "manifests"]));
    let command = ["kubeconfig", "--user", "u-alice", "--token-file", "-", "-o", "alice.kubeconfig"];
    stdout(&drover_reading(folder.path(), &command, &token));
    let file = folder.path().join("alice.kubeconfig");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let [config] = yaml(&fs::read_to_string(&file).unwrap()).try_into().unwrap();
    let names: Vec<&Value> =
        at(&config, "/contexts").as_array().unwrap().iter().map(|context| at(context, "/name")).collect();
    assert_eq!(names, ["c-dev", "c-two"], "alike display names are told apart by id");
    assert_eq!(at(&config, "/current-context"), "c-dev");
    assert_eq!(at(&config, "/clusters/1/cluster/server"), "https://localhost:8443/k8s/clusters/c-two");
    assert_eq!(at(&config, "/clusters/0/cluster/certificate-authority-data"), "UEVN");
    assert_eq!(at(&config, "/users/0/user/token"), token.trim());

    let by_name = ["kubeconfig", "--user", "u-alice", "--token-stdin"];
    let printed = stdout(&drover_reading(folder.path(), &by_name, &token));
    assert_eq!(printed, fs::read_to_string(&file).unwrap());
    let both = [&by_name[..], &["--token-file", "-"]].concat();
    assert!(stderr(&drover(folder.path(), &both), 2).contains("--token-file"));
    let text = stderr(&drover_reading(folder.path(), &by_name, "drover_guess"), 1);
    assert!(text.contains("--token-stdin: it is no token of User `u-alice`"), "{text}");

    let text = stderr(&drover(folder.path(), &["kubeconfig", "--user", "u-bob"]), 1);
    assert!(text.contains("no User `u-bob`"), "{text}");
    let text = stderr(
        &drover_reading(folder.path(), &["kubeconfig", "--user", "u-alice", "--token-file", "-"], "drover_guess"),
        1,
    );
    assert!(text.contains("no token of User `u-alice`") && !text.contains("drover_guess"), "{text}");
}

#[test]
fn the_rbac_of_a_cluster_names_bound_users_and_role_groups_and_nothing_else() {
    let folder = examples();
    let objects = yaml(&stdout(&drover(folder.path(), &["cluster", "rbac"])));
    let kinds: Vec<&Value> = objects.iter().map(|object| at(object, "/kind")).collect();
    assert_eq!(kinds, ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ClusterRoleBinding"]);
    for object in &objects {
        assert_eq!(at(object, "/metadata/labels/app.kubernetes.io~1managed-by"), "drover");
    }
    let [.., role, account, view] = objects.as_slice() else { panic!("{objects:?}") };
    assert_eq!(at(role, "/metadata/name"), "drover:gateway");
    for rule in at(role, "/rules").as_array().unwrap() {
        let verbs = at(rule, "/verbs").as_array().unwrap();
        assert!(verbs.iter().all(|verb| verb.as_str().unwrap().starts_with("impersonate")), "{rule}");
    }
    assert_eq!(at(role, "/rules/0/resourceNames"), &serde_json::json!(["u-alice"]));
    assert_eq!(at(role, "/rules/1/resourceNames"), &serde_json::json!(["drover:c-dev:cluster:view"]));
    assert_eq!(at(account, "/subjects/0/kind"), "ServiceAccount");
    assert_eq!(at(view, "/roleRef/name"), "view");
    assert_eq!(at(view, "/subjects/0/name"), "drover:c-dev:cluster:view");

    let objects =
        yaml(&stdout(&drover(folder.path(), &["cluster", "rbac", "--cluster", "c-dev", "--user", "gateway"])));
    assert_eq!(objects.len(), 3, "an account that exists elsewhere is not made");
    for (way, verb) in [("plain", "impersonate"), ("constrained", "impersonate:user-info")] {
        let objects = yaml(&stdout(&drover(folder.path(), &["cluster", "rbac", "--impersonation", way])));
        let rules = at(&objects[2], "/rules").as_array().unwrap();
        assert_eq!(at(&rules[0], "/verbs"), &serde_json::json!([verb]));
        assert_eq!(rules.len(), if way == "plain" { 3 } else { 5 });
    }
    let text = stderr(&drover(folder.path(), &["cluster", "rbac", "--cluster", "c-no"]), 1);
    assert!(text.contains("no Cluster `c-no`"), "{text}");
}

#[test]
fn streams_without_a_server_say_where_it_should_be() {
    let folder = examples();
    let text = stderr(&drover(folder.path(), &["streams", "ls"]), 1);
    assert!(text.contains("does not answer at") && text.contains("admin.sock"), "{text}");
}
