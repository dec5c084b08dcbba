//! nginx's file.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::{Kind, PROXY_CORE, Place};
use crate::names;
use crate::process::Process;

pub(super) fn start(place: &Place, port: u16, upstream: u16) -> Result<Process> {
    let dir = place.dir.path().display();
    let (ca, certificate, key) = (place.pki.ca.display(), place.pki.certificate.display(), place.pki.key.display());
    let mut headers = format!("      proxy_set_header Authorization \"Bearer {}\";\n", names::CREDENTIAL);
    for name in names::REMOVED {
        if !names::IDENTITY.iter().any(|(set, _)| set == name) {
            let _ = writeln!(headers, "      proxy_set_header {name} \"\";");
        }
    }
    for (name, value) in names::IDENTITY {
        let _ = writeln!(headers, "      proxy_set_header {name} \"{value}\";");
    }
    let text = format!(
        "daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/nginx.error.log warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
  access_log {dir}/nginx.access.log combined buffer=64k flush=1s;
  client_body_temp_path {dir}/nginx-body;
  proxy_temp_path {dir}/nginx-proxy;
  fastcgi_temp_path {dir}/nginx-fastcgi;
  uwsgi_temp_path {dir}/nginx-uwsgi;
  scgi_temp_path {dir}/nginx-scgi;
  tcp_nodelay on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  upstream cluster {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s; }}
  server {{
    listen 127.0.0.1:{port} ssl http2 backlog=4096;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    http2_max_concurrent_streams 250;
    location / {{
      proxy_pass https://cluster;
      proxy_http_version 1.1;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {ca};
      proxy_ssl_server_name on;
      proxy_ssl_name localhost;
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_session_reuse on;
      proxy_set_header Host localhost;
      proxy_set_header Connection \"\";
{headers}      proxy_max_temp_file_size 0;
      proxy_buffers 16 32k;
      proxy_buffer_size 16k;
      proxy_read_timeout 600s;
    }}
  }}
}}
"
    );
    let file = place.file("nginx.conf");
    std::fs::write(&file, text)?;
    let args = [
        "-c".to_owned(),
        file.display().to_string(),
        "-p".to_owned(),
        dir.to_string(),
        "-e".to_owned(),
        format!("{dir}/nginx.error.log"),
    ];
    let log = place.file(&format!("{}.out", Kind::Nginx.name()));
    Process::start("nginx", Some(PROXY_CORE), Path::new("/usr/sbin/nginx"), &args, &log)
}
