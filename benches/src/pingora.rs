//! The pingora-proxy peer: the same static identity headers, the same access log.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Result;
use async_trait::async_trait;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

use crate::names;
use crate::pki::Pki;

/// Options of the peer.
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
    /// The access log's file.
    #[arg(long)]
    log: PathBuf,
}

struct Proxy {
    upstream: u16,
    authorization: String,
    log: Mutex<BufWriter<File>>,
}

/// Serves until the process is ended.
pub fn run(args: &Args) -> Result<()> {
    let pki = Pki::in_dir(&args.pki);
    let conf = ServerConf {
        threads: 1,
        ca_file: Some(pki.ca.display().to_string()),
        upstream_keepalive_pool_size: 512,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let proxy = Proxy {
        upstream: args.upstream,
        authorization: format!("Bearer {}", names::CREDENTIAL),
        log: Mutex::new(BufWriter::with_capacity(64 * 1024, File::create(&args.log)?)),
    };
    let mut service = http_proxy_service(&server.configuration, proxy);
    let mut tls = TlsSettings::intermediate(&pki.certificate.display().to_string(), &pki.key.display().to_string())?;
    tls.enable_h2();
    service.add_tls_with_settings(&format!("127.0.0.1:{}", args.port), None, tls);
    server.add_service(service);
    server.run_forever()
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(("127.0.0.1", self.upstream), true, "localhost".to_owned())))
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        (): &mut (),
    ) -> pingora_core::Result<()> {
        let sent: Vec<String> = request
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with("impersonate-") || name.as_str().starts_with("x-remote-"))
            .map(ToString::to_string)
            .collect();
        for name in &sent {
            request.remove_header(name.as_str());
        }
        request.insert_header("Authorization", self.authorization.as_str())?;
        for (name, value) in names::IDENTITY {
            request.append_header(*name, *value)?;
        }
        Ok(())
    }

    async fn logging(&self, session: &mut Session, _: Option<&pingora_core::Error>, (): &mut ()) {
        let status = session.response_written().map_or(0, |response| response.status.as_u16());
        let request = session.req_header();
        if let Ok(mut log) = self.log.lock() {
            let _ = writeln!(log, "127.0.0.1 {} {} {status}", request.method, request.uri);
        }
    }
}
