//! The cluster behind every peer: a static TLS server that answers in Kubernetes' forms.
//!
//! It does as little as it can, so that the proxy in front is what a run measures: bodies are built
//! once, and an HTTP/1.1 answer is one write.

pub mod answer;
mod http1;
mod http2;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use self::answer::Answers;
use crate::pki::Pki;

/// Options of the upstream.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder with the run's certificates.
    #[arg(long)]
    pki: PathBuf,
    /// The port to listen on, on loopback.
    #[arg(long)]
    port: u16,
    /// How many role group names the account may impersonate, besides the one that is used.
    #[arg(long, default_value_t = 0)]
    names: usize,
}

/// What the server counted since its start.
#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
    /// Access reviews.
    reviews: AtomicU64,
}

impl Counters {
    fn json(&self) -> String {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (connections, requests, reviews) = (of(&self.connections), of(&self.requests), of(&self.reviews));
        format!("{{\"connections\":{connections},\"requests\":{requests},\"reviews\":{reviews}}}")
    }
}

/// Serves until the process is ended.
pub fn run(args: &Args) -> Result<()> {
    let tls = TlsAcceptor::from(Pki::in_dir(&args.pki).server(&["h2", "http/1.1"])?);
    let answers = Arc::new(Answers::new(args.names));
    let counters = Arc::new(Counters::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(("127.0.0.1", args.port)).await?;
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::spawn(serve(socket, tls.clone(), Arc::clone(&answers), Arc::clone(&counters)));
        }
    })
}

async fn serve(socket: TcpStream, tls: TlsAcceptor, answers: Arc<Answers>, counters: Arc<Counters>) {
    let _ = socket.set_nodelay(true);
    let Ok(stream) = tls.accept(socket).await else { return };
    counters.connections.fetch_add(1, Ordering::Relaxed);
    let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    // A peer that hangs up ends its connection; there is nobody to tell.
    if two {
        let _ = http2::serve(stream, answers, counters).await;
    } else {
        let _ = http1::serve(stream, &answers, &counters).await;
    }
}
