//! The request path less TLS and the kernel, for callgrind: how many instructions one request costs.
//!
//! A client connection in memory, and a cluster without TLS that answers 2 kB from this thread, so
//! that what the kernel and the ciphers do stays out: the whole path is counted (parse,
//! authenticate, route, guard, impersonate, limits, forward, reply, audit, metrics), and some
//! thousand instructions of the client and the cluster with it. Instructions do not depend on what
//! else the machine does, so a change of one percent shows.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use drover::cluster::Registry;
use drover::gateway::accounts::ClusterAccounts;
use drover::gateway::impersonate::Reviews;
use drover::gateway::limits::{Defaults, Limits};
use drover::gateway::{Gateway, Peer, Settings, Worker, stack};
use drover::telemetry::audit::AuditLog;
use drover::telemetry::metrics::Metrics;
use drover::telemetry::ops::Checks;
use drover::telemetry::trace::Tracer;
use drover::world::Publisher;
use drover::world::input::{Connection, Names, Published, Reach};
use drover::{cluster, config};
use http::HeaderValue;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Bytes of an answer's body.
const BODY: usize = 2048;

/// Options.
#[derive(Debug, clap::Parser)]
struct Args {
    /// The folder of a `drover.yaml` that the comparison wrote.
    #[arg(long)]
    config: PathBuf,
    /// The token to ask with.
    #[arg(long)]
    token: String,
    /// The target to ask for.
    #[arg(long)]
    target: String,
    /// How many requests.
    #[arg(long)]
    requests: usize,
}

fn main() -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = Args::parse();
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = control.block_on(worker(&args, control.handle().clone()))?;
    control.block_on(ask(&args, worker))
}

/// One worker of a gateway, put together as the server does it.
async fn worker(args: &Args, control: tokio::runtime::Handle) -> Result<Arc<Worker>> {
    let config = config::load(&args.config).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let inputs = config::manifests::load(config.manifests()).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let (feed, watch) = Publisher::start()?;
    let names = |names: &mut dyn Iterator<Item = Arc<str>>| Names::Only(names.collect::<BTreeSet<_>>());
    let published = Published {
        users: names(&mut inputs.users.iter().map(|user| Arc::clone(&user.name))),
        groups: names(
            &mut inputs
                .bindings
                .iter()
                .map(|binding| format!("drover:{}:cluster:{}", binding.cluster, binding.template).into()),
        ),
        uids: true,
        extras: Names::Any,
        administrator: false,
    };
    let registry = Registry::new(control.clone(), cluster::Options::default());
    let port = answering().await?;
    for cluster in &inputs.clusters {
        let Reach::Direct(connection) = &cluster.reach else { bail!("cluster `{}` is in this process", cluster.id) };
        let plain = Connection { https: false, port, ca: None, tls_server_name: None, ..Connection::clone(connection) };
        registry.put(&cluster.id, &Arc::new(plain));
    }
    let clusters: Vec<Arc<str>> = inputs.clusters.iter().map(|cluster| Arc::clone(&cluster.id)).collect();
    let mut updates = feed.subscribe();
    feed.replace(inputs).await?;
    for id in clusters {
        feed.published(Arc::clone(&id), published.clone());
        loop {
            let world = updates.recv().await.context("the publisher ended")?.world;
            if world.cluster(&id).is_some_and(|cluster| cluster.published.is_some()) {
                break;
            }
        }
    }
    let unlimited = || Defaults { in_flight: 0, per_second: 0, burst: 0 };
    let cluster_accounts = ClusterAccounts::start(&registry);
    let gateway = Gateway {
        watch,
        clusters: registry,
        accounts: None,
        verifier: None,
        cluster_accounts,
        pages: None,
        audit: AuditLog::start(&config.audit, 1, &control)?,
        metrics: Arc::new(Metrics::new(1)?),
        tracer: Tracer::start(&config.telemetry.tracing, &control)?,
        limits: Limits::new(unlimited(), unlimited(), 2000, 2000, 0),
        reviews: Reviews::default(),
        checks: Arc::new(Checks::new()),
        cut_off: AtomicBool::new(false),
        settings: Settings {
            base_domain: None,
            response_headers: Duration::from_secs(75),
            body_stall: Duration::from_secs(60),
            audit_body: 0,
        },
    };
    Ok(Worker::new(0, Arc::new(gateway)))
}

/// A cluster that answers each request on a connection with 2 kB; its port.
async fn answering() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {BODY}\r\n\r\n{:BODY$}", "{}");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let (mut buffer, mut filled) = (vec![0; 16 * 1024], 0);
                while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]).await {
                    filled += read;
                    // One request at a time, and none has a body.
                    if buffer[..filled].ends_with(b"\r\n\r\n") {
                        filled = 0;
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    Ok(port)
}

async fn ask(args: &Args, worker: Arc<Worker>) -> Result<()> {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let peer = Arc::new(Peer {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        forwarded_for: HeaderValue::from_static("127.0.0.1"),
        trusted: false,
        certificate: None,
        open: AtomicU32::new(0),
    });
    let service = service_fn(move |request| {
        let (worker, peer) = (Arc::clone(&worker), Arc::clone(&peer));
        async move { Ok::<_, std::convert::Infallible>(stack::serve(worker, peer, request).await) }
    });
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service));
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kubectl/v1.37.2 (linux/amd64)\r\nAccept: application/json\r\n\
         Authorization: Bearer {}\r\n\r\n",
        args.target, args.token
    );
    let mut buffer = vec![0; 16 * 1024];
    for _ in 0..args.requests {
        client.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        // A head with its length, and the document.
        loop {
            let read = client.read(&mut buffer[filled..]).await?;
            ensure!(read > 0, "the server hung up");
            filled += read;
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(head) = response.parse(&buffer[..filled])? else { continue };
            if response.code != Some(200) {
                bail!("answered {:?}: {}", response.code, String::from_utf8_lossy(&buffer[head..filled]));
            }
            let length = response
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"))
                .context("no length")?;
            if filled >= head + std::str::from_utf8(length.value)?.parse::<usize>()? {
                break;
            }
        }
    }
    Ok(())
}
