//! A plain TLS-to-TLS relay: what the streams of an exec are measured against.

use std::path::PathBuf;

use anyhow::Result;
use rustls::pki_types::ServerName;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::pki::Pki;
use crate::process::loopback;

/// Options of the relay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder with the run's certificates.
    #[arg(long)]
    pki: PathBuf,
    /// The port to listen on, on loopback.
    #[arg(long)]
    port: u16,
    /// The upstream's port.
    #[arg(long)]
    upstream: u16,
}

/// Serves until the process is ended.
pub fn run(args: &Args) -> Result<()> {
    let pki = Pki::in_dir(&args.pki);
    let acceptor = TlsAcceptor::from(pki.server(&["http/1.1"])?);
    let connector = TlsConnector::from(pki.client(&["http/1.1"])?);
    let upstream = loopback(args.upstream);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(("127.0.0.1", args.port)).await?;
        loop {
            let (socket, _) = listener.accept().await?;
            let (acceptor, connector) = (acceptor.clone(), connector.clone());
            tokio::spawn(async move {
                // Either side may hang up at any time; there is nobody to tell.
                let _ = relay(socket, upstream, acceptor, connector).await;
            });
        }
    })
}

async fn relay(
    socket: TcpStream,
    upstream: std::net::SocketAddr,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
) -> Result<()> {
    socket.set_nodelay(true)?;
    let mut client = acceptor.accept(socket).await?;
    let socket = TcpStream::connect(upstream).await?;
    socket.set_nodelay(true)?;
    let mut server = connector.connect(ServerName::try_from("localhost")?, socket).await?;
    copy_bidirectional_with_sizes(&mut client, &mut server, 64 * 1024, 64 * 1024).await?;
    Ok(())
}
