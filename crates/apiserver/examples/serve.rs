//! The server by itself, in memory, for a person with kubectl on this machine: everybody is an administrator.
//!
//! `cargo run -p drover-apiserver --example serve -- 127.0.0.1:8001`, then `kubectl -s http://127.0.0.1:8001 …`.
#![expect(clippy::print_stdout, reason = "it tells a person where it listens")]

use std::{error::Error, sync::Arc};

use apiserver::{
    Caller, MASTERS, Options, Server,
    listen::listen,
    store::{self, MemoryLog, Store},
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let store = Store::open(Box::new(MemoryLog::default()), store::Options::default())?;
    let server = Server::start(store, Options::default()).await;
    let listener = TcpListener::bind(&address).await?;
    println!("http://{}", listener.local_addr()?);
    let administrator = |_: &http::HeaderMap| Some(Caller::new("admin", &[MASTERS, "system:authenticated"]));
    listen(server, listener, None, Arc::new(administrator), std::future::pending()).await;
    Ok(())
}
