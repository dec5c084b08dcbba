//! A real kube-apiserver: throughput through Drover and direct, and what each request costs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Args, Shape};
use crate::client::Client;
use crate::load::Protocol;
use crate::names;
use crate::peers::drover::{self, Options};
use crate::peers::{Kind, Peer, Place};
use crate::process::{Process, cpu, free_port, loopback};
use crate::stats::{Spread, spread};

/// Role group names that the account may impersonate.
const NAMES: usize = 2000;
/// Role templates that each user has, and so groups that a request carries.
const GROUPS: usize = 10;
const ADMIN: &str = "bench-administrator";

/// A kube-apiserver with its etcd, and what the users ask for.
pub struct Server {
    api: Process,
    _etcd: Process,
    /// Where it listens.
    pub port: u16,
}

/// Both ways, round by round.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let place = Place::new()?;
    let server = start(&place)?;
    let drover = drover::start(&place, server.port, &options())?;
    let direct = Peer::start(Kind::Direct, &place, server.port)?;
    let path = "/api/v1/namespaces/default/configmaps/bench";
    let through = names::target(path);
    println!(
        "### A real kube-apiserver at 32 in flight, {GROUPS} groups a request, {NAMES} published names (goals: ≥ 0.9 × direct, ≤ +0.1 ms of its CPU)\n"
    );
    println!(
        "| clients | direct, requests/s | through Drover | ratio | apiserver's CPU direct, ms/request | through Drover | more |\n|---|---|---|---|---|---|---|"
    );
    for (protocol, connections, streams) in [(Protocol::H1, 32, 1), (Protocol::H2, 8, 4)] {
        let mut figures: [Vec<f64>; 4] = Default::default();
        for _ in 0..args.rounds {
            for (at, peer, target) in [(0, &direct, path), (1, &drover, through.as_str())] {
                let shape = Shape {
                    protocol,
                    connections,
                    streams,
                    target,
                    rate: None,
                    users: (0, names::USERS),
                    seconds: args.seconds,
                };
                let start = cpu(server.api.id());
                let report = shape.run(&place, peer)?;
                let spent = cpu(server.api.id()).saturating_sub(start);
                if report.good == 0 || report.failed > 0 {
                    bail!("{} failed: {report:?}", peer.kind.name());
                }
                // The CPU is counted over the warm-up too, at the same rate.
                let requests = report.throughput() * (args.seconds + 0.5);
                figures[at].push(report.throughput());
                figures[at + 2].push(spent.as_secs_f64() * 1000.0 / requests);
            }
        }
        let [direct, through, cpu_direct, cpu_through] = &figures;
        let ratio = spread(through.iter().zip(direct).map(|(mine, its)| mine / its));
        let more = spread(cpu_through.iter().zip(cpu_direct).map(|(mine, its)| mine - its));
        let of = |values: &[f64]| spread(values.iter().copied()).median;
        let range = |value: Spread| format!("**{:.2}** ({:.2}–{:.2})", value.median, value.low, value.high);
        println!(
            "| {} | {:.0} | {:.0} | {} | {:.3} | {:.3} | {} |",
            protocol.name(),
            of(direct),
            of(through),
            range(ratio),
            of(cpu_direct),
            of(cpu_through),
            range(more)
        );
    }
    println!();
    Ok(())
}

/// A Drover that shares both cores with the server, each user with its groups.
pub fn options() -> Options {
    Options { core: None, templates: (0..GROUPS).map(template).collect(), ..Options::default() }
}

fn template(number: usize) -> String {
    format!("bench-{number}")
}

/// The folder of the real servers' programs; builds them once.
pub fn programs() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("DROVER_TEST_BIN") {
        return Ok(dir.into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/kit/servers/build.sh");
    let output = Command::new(&script)
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("running {}", script.display()))?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().last().context("the build script names no folder")?.into())
}

/// Starts both, and makes the objects.
pub fn start(place: &Place) -> Result<Server> {
    let bin = programs()?;
    let (client, peer, port) = (free_port()?, free_port()?, free_port()?);
    let dir = place.dir.path().display();
    let args = [
        format!("--data-dir={dir}/etcd"),
        format!("--listen-client-urls=http://127.0.0.1:{client}"),
        format!("--advertise-client-urls=http://127.0.0.1:{client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=error".to_owned(),
    ];
    let mut etcd = Process::start("etcd", None, &bin.join("etcd"), &args, &place.file("etcd.out"))?;
    etcd.wait_for(loopback(client))?;
    let mut tokens = format!("{ADMIN},admin,admin,\"system:masters\"\n{},drover:gateway,gateway\n", names::CREDENTIAL);
    for number in 0..names::USERS {
        tokens.push_str(&format!("{},{user},{user}\n", names::token(number), user = names::user(number)));
    }
    fs::write(place.file("tokens.csv"), tokens)?;
    let args = [
        format!("--etcd-servers=http://127.0.0.1:{client}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", place.pki.certificate.display()),
        format!("--tls-private-key-file={}", place.pki.key.display()),
        "--service-account-issuer=https://localhost".to_owned(),
        format!("--service-account-key-file={}", place.pki.certificate.display()),
        format!("--service-account-signing-key-file={}", place.pki.key.display()),
        format!("--token-auth-file={dir}/tokens.csv"),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
    ];
    let mut api =
        Process::start("kube-apiserver", None, &bin.join("kube-apiserver"), &args, &place.file("apiserver.out"))?;
    api.wait_for(loopback(port))
        .with_context(|| fs::read_to_string(place.file("apiserver.out")).unwrap_or_default())?;
    let server = Server { api, _etcd: etcd, port };
    fill(place, server.port).with_context(|| {
        let log = fs::read_to_string(place.file("apiserver.out")).unwrap_or_default();
        log.lines().rev().take(5).collect::<Vec<_>>().join("\n")
    })?;
    Ok(server)
}

/// The objects: what is asked for, and the rights of the users and of the gateway's account.
fn fill(place: &Place, port: u16) -> Result<()> {
    let config = place.pki.client(&["http/1.1"])?;
    let authorization = format!("Bearer {ADMIN}");
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = Client::connect(port, &config)
            .and_then(|mut client| client.ask("GET", "/readyz", &[("Authorization", &authorization)]));
        if matches!(answer, Ok((200, _))) {
            break;
        }
        if Instant::now() > end {
            bail!("the apiserver does not become ready: {answer:?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut client = Client::connect(port, &config)?;
    let mut create = |path: &str, object: &Value| -> Result<()> {
        let (status, answer) = client.post(path, &authorization, object.to_string().as_bytes())?;
        if status != 201 && status != 409 {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    };
    let rbac = "rbac.authorization.k8s.io";
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let binding = |name: &str, role: &str, kind: &str, subjects: &[String]| {
        let subjects: Vec<Value> =
            subjects.iter().map(|name| json!({"kind": kind, "apiGroup": rbac, "name": name})).collect();
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role}, "subjects": subjects})
    };
    create("/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}))?;
    let padding = "0123456789abcdef ".repeat(100);
    create(
        "/api/v1/namespaces/default/configmaps",
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bench"}, "data": {"padding": padding}}),
    )?;
    let mut groups = Vec::new();
    for number in 0..GROUPS {
        let (template, group) = (template(number), format!("drover:{}:cluster:{}", names::CLUSTER, template(number)));
        let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}]);
        create(
            roles,
            &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": template}, "rules": rules}),
        )?;
        create(bindings, &binding(&template, &template, "Group", &[group.clone()]))?;
        groups.push(group);
    }
    let users: Vec<String> = (0..names::USERS).map(names::user).collect();
    create(bindings, &binding("bench-direct", &template(0), "User", &users))?;
    groups.extend((0..NAMES).map(names::extra_group));
    // As `drover cluster rbac --impersonation constrained` prints it. A role with the old verb too would be used by that one from
    // the first request on that the new one does not cover.
    let group = ["authentication.k8s.io"];
    let verbs = ["impersonate:user-info"];
    let on = |verbs: &[&str]| verbs.iter().map(|verb| format!("impersonate-on:user-info:{verb}")).collect::<Vec<_>>();
    let rules = json!([
        {"apiGroups": group, "resources": ["users"], "verbs": verbs, "resourceNames": users},
        {"apiGroups": group, "resources": ["groups"], "verbs": verbs, "resourceNames": groups},
        {"apiGroups": group, "resources": ["uids", "userextras/drover.io/token", "userextras/drover.io/username"], "verbs": verbs},
        {"apiGroups": ["*"], "resources": ["*"], "verbs": on(&["get", "list", "watch", "create", "update", "patch", "delete"])},
        {"nonResourceURLs": ["*"], "verbs": on(&["get"])}
    ]);
    create(
        roles,
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "drover:gateway"}, "rules": rules}),
    )?;
    create(bindings, &binding("drover:gateway", "drover:gateway", "User", &["drover:gateway".to_owned()]))
}
