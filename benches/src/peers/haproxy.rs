//! HAProxy's file.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::{Kind, PROXY_CORE, Place};
use crate::names;
use crate::process::Process;

pub(super) fn start(place: &Place, port: u16, upstream: u16) -> Result<Process> {
    let (ca, bundle) = (place.pki.ca.display(), place.pki.bundle.display());
    let mut headers = format!("  http-request set-header Authorization \"Bearer {}\"\n", names::CREDENTIAL);
    for (name, value) in names::IDENTITY {
        let _ = writeln!(headers, "  http-request add-header {name} \"{value}\"");
    }
    let text = format!(
        "global
  nbthread 1
  maxconn 9000
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-server-options ssl-min-ver TLSv1.3
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option dontlognull
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
frontend gateway
  bind 127.0.0.1:{port} ssl crt {bundle} alpn h2,http/1.1
  http-request del-header impersonate- -m beg
  http-request del-header x-remote- -m beg
{headers}  default_backend cluster
backend cluster
  server cluster 127.0.0.1:{upstream} ssl verify required ca-file {ca} sni str(localhost) verifyhost localhost alpn http/1.1 pool-max-conn -1 pool-purge-delay 600s
"
    );
    let file = place.file("haproxy.cfg");
    std::fs::write(&file, text)?;
    let args = ["-db".to_owned(), "-f".to_owned(), file.display().to_string()];
    let log = place.file(&format!("{}.out", Kind::Haproxy.name()));
    Process::start("haproxy", Some(PROXY_CORE), Path::new("/usr/sbin/haproxy"), &args, &log)
}
