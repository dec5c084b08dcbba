//! A TLS server without HTTP: the test has every byte in its hand.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use tokio::{net::TcpListener, sync::Notify};
use tokio_rustls::TlsAcceptor;

use super::io::BoxedStream;
use crate::tls::{Ca, server_config};

/// Gives each connection's TLS stream to a closure; it ends when dropped.
pub struct RawServer {
    ca: Ca,
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl RawServer {
    /// Starts one that offers these protocols by ALPN and runs `handler` with each stream and its number, from 0.
    pub fn start<F, Fut>(alpn: &[&str], handler: F) -> Self
    where
        F: Fn(BoxedStream, u64) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let ca = Ca::new("raw server");
        let config = server_config(&ca.server(&["127.0.0.1", "localhost"]), None, alpn);
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("a socket can be non-blocking");
        let address = socket.local_addr().expect("a bound socket has an address");
        let (stop, connections) = (Arc::new(Notify::new()), Arc::new(AtomicU64::new(0)));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&connections));
        let thread = std::thread::Builder::new().name("raw-server".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(socket).expect("a listener");
                let handler = Arc::new(handler);
                let serve = async {
                    while let Ok((socket, _)) = listener.accept().await {
                        let _ = socket.set_nodelay(true);
                        let number = counter.fetch_add(1, Ordering::Relaxed);
                        let (acceptor, handler) = (TlsAcceptor::from(Arc::clone(&config)), Arc::clone(&handler));
                        tokio::spawn(async move {
                            if let Ok(stream) = acceptor.accept(socket).await {
                                handler(Box::new(stream), number).await;
                            }
                        });
                    }
                };
                tokio::select! {
                    () = stopped.notified() => {}
                    () = serve => {}
                }
            });
        });
        Self { ca, address, connections, stop, thread: Some(thread.expect("a thread")) }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The authority that signed its certificate.
    pub const fn ca(&self) -> &Ca {
        &self.ca
    }

    /// TCP connections so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// A kubeconfig with a bearer token.
    pub fn kubeconfig(&self, token: &str) -> String {
        let (server, pem) = (self.url(), self.ca.pem());
        crate::client::kubeconfig_with_token(&server, &pem, token)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
