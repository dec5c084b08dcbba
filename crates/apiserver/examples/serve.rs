//! The server by itself, for tests and for a person with kubectl on this machine.
//!
//! `cargo run -p drover-apiserver --example serve -- --listen 127.0.0.1:8001`, then `kubectl -s http://127.0.0.1:8001 …`: in
//! memory, and everybody is an administrator. The address is printed once requests are served.
//!
//! | argument | means |
//! |---|---|
//! | `--listen ADDRESS` | where; port 0 is any free one |
//! | `--file FILE` | objects are kept in this file, and are there again after a restart |
//! | `--certificate FILE --key FILE` | TLS with this certificate (PEM) |
//! | `--tokens FILE` | who has which token, as kube-apiserver's `--token-auth-file`: `token,user,uid,"group,group"` |
#![expect(clippy::print_stdout, reason = "it tells a person where it listens")]

use std::{collections::HashMap, error::Error, path::Path, sync::Arc};

use apiserver::{
    Caller, MASTERS, Options, Server, Tokens,
    listen::{Authenticate, bearer, listen},
    store::{self, Log, MemoryLog, SqliteLog, Store},
};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

type Failure = Box<dyn Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let log: Box<dyn Log> = match arguments.get("--file") {
        Some(file) => Box::new(SqliteLog::open(Path::new(file), None)?),
        None => Box::new(MemoryLog::default()),
    };
    let store = Store::open(log, store::Options::default())?;
    let known = arguments.get("--tokens").map(Known::read).transpose()?.map(Arc::new);
    let tokens = known.clone().map(|known| known as Arc<dyn Tokens>);
    let tls = arguments.get("--certificate").map(|file| acceptor(file, arguments.get("--key"))).transpose()?;
    let server = Server::start(store, Options { tokens, ..Options::default() }).await;
    let listener = TcpListener::bind(arguments.get("--listen").unwrap_or("127.0.0.1:0")).await?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    println!("{scheme}://{}", listener.local_addr()?);
    let authenticate: Arc<Authenticate> = match known {
        Some(known) => Arc::new(move |headers| known.0.get(bearer(headers)?).cloned()),
        None => Arc::new(|_| Some(Caller::new("admin", &[MASTERS, "system:authenticated"]))),
    };
    listen(server, listener, tls, authenticate, std::future::pending()).await;
    Ok(())
}

/// Names with a value each.
struct Arguments(HashMap<String, String>);

impl Arguments {
    const KNOWN: [&str; 5] = ["--listen", "--file", "--certificate", "--key", "--tokens"];

    fn read(mut given: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut read = HashMap::new();
        while let Some(name) = given.next() {
            if !Self::KNOWN.contains(&name.as_str()) {
                return Err(format!("there is no argument `{name}`").into());
            }
            let value = given.next().ok_or_else(|| format!("`{name}` has no value"))?;
            read.insert(name, value);
        }
        Ok(Self(read))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// TLS for HTTP/1.1 and HTTP/2.
fn acceptor(certificate: &str, key: Option<&str>) -> Result<TlsAcceptor, Failure> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key.ok_or("a certificate needs its `--key`")?)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Tokens and who has them.
struct Known(HashMap<String, Caller>);

impl Known {
    fn read(file: &str) -> Result<Self, Failure> {
        let mut known = HashMap::new();
        for line in std::fs::read_to_string(file)?.lines() {
            let mut fields = line.splitn(4, ',');
            let (Some(token), Some(user), Some(uid)) = (fields.next(), fields.next(), fields.next()) else {
                return Err(format!("a line of `{file}` is not `token,user,uid,\"groups\"`").into());
            };
            let groups =
                fields.next().unwrap_or_default().trim_matches('"').split(',').filter(|group| !group.is_empty());
            let groups: Vec<&str> = groups.chain(["system:authenticated"]).collect();
            known.insert(token.to_owned(), Caller { uid: uid.to_owned(), ..Caller::new(user, &groups) });
        }
        Ok(Self(known))
    }
}

impl Tokens for Known {
    fn owner(&self, token: &str, audiences: &[String]) -> Option<(Caller, Vec<String>)> {
        Some((self.0.get(token)?.clone(), audiences.to_vec()))
    }
}
