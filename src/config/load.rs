//! Reading and checking the server's file.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use http::Uri;
use tracing_subscriber::EnvFilter;

use super::{
    Problem, Problems,
    server::{EmbeddedPlane, Encryption, RateLimits, ServerConfig},
    units::{Period, Size},
    yaml::{self, Document},
};

/// Reads the server's file, with its relative paths resolved to the file's folder.
///
/// # Errors
/// Everything that is wrong with it, by line and field.
pub fn load(path: &Path) -> Result<ServerConfig, Problems> {
    let unreadable = |error: io::Error| Problems::from(Problem::unreadable(path, &error));
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let folder = absolute.parent().unwrap_or(&absolute);
    parse(&text, path, folder)
}

/// The same for a text already read; `file` names it in problems, `folder` resolves its paths.
///
/// # Errors
/// Everything that is wrong with it, by line and field.
pub fn parse(text: &str, file: &Path, folder: &Path) -> Result<ServerConfig, Problems> {
    let (documents, faults) = yaml::read(text);
    let mut problems = Problems::default();
    for fault in faults {
        problems.push(Problem::fault(file, fault));
    }
    let mut documents = documents.iter();
    let document = documents.next();
    if let Some(second) = documents.next() {
        problems.push(Problem::field(file, second, "", "a second document; the server's file has one"));
    }
    let empty = Document::empty();
    let document = document.unwrap_or(&empty);
    match yaml::decode::<ServerConfig>(document) {
        Ok(mut config) => {
            resolve(&mut config, folder);
            let mut check = Check { file, document, problems };
            check.all(&config);
            check.problems.or(config)
        }
        Err(faults) => {
            for fault in faults {
                problems.push(Problem::fault(file, fault));
            }
            Err(problems.sorted())
        }
    }
}

/// A problem of one field of the server's file that only who uses the value can see, such as what is in a file it names.
pub fn problem(path: &Path, field: &str, message: impl Into<String>) -> Problem {
    let (documents, _) = yaml::read(&fs::read_to_string(path).unwrap_or_default());
    Problem::field(path, documents.first().unwrap_or(&Document::empty()), field, message)
}

fn resolve(config: &mut ServerConfig, folder: &Path) {
    let mut fix = |path: &mut PathBuf| *path = folder.join(&*path);
    fix(&mut config.data_dir.0);
    fix(&mut config.manifests.0);
    let tls = &mut config.listen.tls;
    for path in [
        &mut tls.certificate_file,
        &mut tls.key_file,
        &mut tls.client_ca_file,
        &mut config.ops.admin_socket,
        &mut config.audit.policy_file,
    ] {
        path.iter_mut().for_each(&mut fix);
    }
    if let Some(webhook) = &mut config.audit.webhook {
        webhook.kubeconfig.iter_mut().for_each(&mut fix);
        webhook.ca_file.iter_mut().for_each(&mut fix);
    }
    if let Some(plane) = &mut config.management.embedded {
        let encryption = &mut plane.encryption;
        for path in [
            &mut plane.data_dir,
            &mut encryption.key_file,
            &mut encryption.passphrase_file,
            &mut encryption.previous_key_file,
            &mut encryption.previous_passphrase_file,
            &mut plane.bootstrap.password_file,
        ] {
            path.iter_mut().for_each(&mut fix);
        }
    }
    if let Some(plane) = &mut config.management.kubernetes {
        fix(&mut plane.kubeconfig);
        if let Some(webhook) = &mut plane.webhook {
            fix(&mut webhook.client_ca_file);
        }
    }
    if let Some(log) = config.audit.log.as_mut().filter(|log| log.path != Path::new("-")) {
        fix(&mut log.path);
    }
}

struct Check<'a> {
    file: &'a Path,
    document: &'a Document,
    problems: Problems,
}

impl Check<'_> {
    fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(Problem::field(self.file, self.document, field, message));
    }

    fn all(&mut self, config: &ServerConfig) {
        self.listen(config);
        self.limits(config);
        self.times(config);
        self.audit(config);
        self.management(config);
        self.rest(config);
    }

    fn listen(&mut self, config: &ServerConfig) {
        let listen = &config.listen;
        let tls = &listen.tls;
        match (&tls.certificate_file, &tls.key_file) {
            (Some(_), None) => {
                self.wrong("listen.tls.certificateFile", "goes with `keyFile`, which is missing");
            }
            (None, Some(_)) => {
                self.wrong("listen.tls.keyFile", "goes with `certificateFile`, which is missing");
            }
            (Some(_), Some(_)) if !tls.names.is_empty() => {
                self.wrong("listen.tls.names", "only for Drover's own certificate; `certificateFile` is given");
            }
            _ => {}
        }
        for (index, name) in tls.names.iter().enumerate() {
            let bare = name.strip_prefix("*.").unwrap_or(name);
            if name.parse::<std::net::IpAddr>().is_err() && !is_host(bare) {
                let field = format!("listen.tls.names[{index}]");
                self.wrong(&field, format!("expected a host name or an address, found `{name}`"));
            }
        }
        for (field, path) in [
            ("listen.tls.certificateFile", &tls.certificate_file),
            ("listen.tls.keyFile", &tls.key_file),
            ("listen.tls.clientCaFile", &tls.client_ca_file),
            ("audit.policyFile", &config.audit.policy_file),
        ] {
            self.readable(field, path.as_deref());
        }
        if let Some(domain) = listen.base_domain.as_deref().filter(|domain| !is_host(domain)) {
            self.wrong("listen.baseDomain", format!("expected a domain such as `example.org`, found `{domain}`"));
        }
        if let Some(url) = listen.public_url.as_deref().filter(|url| !is_url(url, &["https"])) {
            let expected = "expected a URL such as `https://drover.example.org`, without query";
            self.wrong("listen.publicUrl", format!("{expected}, found `{url}`"));
        }
        let (clients, ops): (SocketAddr, SocketAddr) = (listen.address, config.ops.address);
        let meets = clients.ip() == ops.ip() || clients.ip().is_unspecified() || ops.ip().is_unspecified();
        if clients.port() != 0 && clients.port() == ops.port() && meets {
            self.wrong("ops.address", format!("is the same port as `listen.address`, `{clients}`"));
        }
    }

    fn limits(&mut self, config: &ServerConfig) {
        let limits = &config.limits;
        self.size("limits.maxHeaderBytes", limits.max_header_bytes, Size::kib(8), Size::mib(1));
        self.size("limits.http2SendBuffer", limits.http2_send_buffer, Size::kib(16), Size::mib(16));
        if !(10..=1000).contains(&limits.max_headers) {
            let found = limits.max_headers;
            self.wrong("limits.maxHeaders", format!("expected a number from 10 to 1000, found `{found}`"));
        }
        self.rates("limits.perUser", limits.per_user);
        self.rates("limits.perCluster", limits.per_cluster);
    }

    fn rates(&mut self, field: &str, rates: RateLimits) {
        if rates.burst > 0 && rates.per_second == 0 {
            self.wrong(&format!("{field}.burst"), "goes with `perSecond`, which is 0 or missing");
        }
    }

    fn times(&mut self, config: &ServerConfig) {
        let times = &config.timeouts;
        for (field, period) in [
            ("timeouts.tlsHandshake", times.tls_handshake),
            ("timeouts.headersIn", times.headers_in),
            ("timeouts.bodyStall", times.body_stall),
            ("timeouts.idleClient", times.idle_client),
            ("timeouts.connectUpstream", times.connect_upstream),
            ("timeouts.responseHeaders", times.response_headers),
            ("timeouts.idleUpstream", times.idle_upstream),
            ("timeouts.http2IdleUpstream", times.http2_idle_upstream),
            ("drain.deadline", config.drain.deadline),
            ("upstream.probeInterval", config.upstream.probe_interval),
        ] {
            if period < Period::millis(100) {
                self.wrong(field, format!("expected at least `100ms`, found `{period}`"));
            }
        }
    }

    fn audit(&mut self, config: &ServerConfig) {
        let audit = &config.audit;
        self.size("audit.queue.maxBytes", audit.queue.max_bytes, Size::kib(64), Size(u64::MAX));
        if audit.max_body > audit.queue.max_bytes {
            let queue = audit.queue.max_bytes;
            self.wrong("audit.maxBody", format!("is larger than `audit.queue.maxBytes`, `{queue}`"));
        }
        if let Some(log) = &audit.log {
            self.size("audit.log.maxSize", log.max_size, Size(0), Size(u64::MAX));
            if log.path.as_os_str().is_empty() {
                self.wrong("audit.log.path", "expected a file, or `-` for standard output");
            }
        }
        let Some(webhook) = &audit.webhook else { return };
        match (&webhook.kubeconfig, &webhook.url) {
            (None, None) => self.wrong("audit.webhook", "expected one of `kubeconfig` and `url`"),
            (Some(_), Some(_)) => {
                self.wrong("audit.webhook.url", "expected only one of `kubeconfig` and `url`, found both");
            }
            (None, Some(url)) if !is_url(url, &["https", "http"]) => {
                self.wrong("audit.webhook.url", format!("expected a URL, found `{url}`"));
            }
            _ => {}
        }
        if webhook.ca_file.is_some() && webhook.url.is_none() {
            self.wrong("audit.webhook.caFile", "goes with `url`, which is missing");
        }
        if webhook.batch_events == 0 {
            self.wrong("audit.webhook.batchEvents", "expected a number above 0, found `0`");
        }
        if webhook.attempts == 0 {
            self.wrong("audit.webhook.attempts", "expected a number above 0, found `0`");
        }
        if webhook.timeout < Period::millis(100) {
            self.wrong("audit.webhook.timeout", "expected at least `100ms`");
        }
        self.readable("audit.webhook.kubeconfig", webhook.kubeconfig.as_deref());
        self.readable("audit.webhook.caFile", webhook.ca_file.as_deref());
    }

    fn management(&mut self, config: &ServerConfig) {
        let management = &config.management;
        let named = [
            ("files", management.files.is_some()),
            ("kubernetes", management.kubernetes.is_some()),
            ("embedded", management.embedded.is_some()),
        ];
        let named: Vec<&str> = named.into_iter().filter_map(|(name, is)| is.then_some(name)).collect();
        if let [first, second, ..] = named.as_slice() {
            let message = format!("expected only one of `embedded`, `kubernetes` and `files`, found `{first}` too");
            self.wrong(&format!("management.{second}"), message);
        }
        if let Some(EmbeddedPlane { encryption, bootstrap, .. }) = &management.embedded {
            self.encryption(encryption);
            self.readable("management.embedded.bootstrap.passwordFile", bootstrap.password_file.as_deref());
        }
        let times = management.staleness;
        // A healthy plane may be silent that long; see `management::follow`.
        if times.not_ready < Period::secs(30) {
            let found = times.not_ready;
            self.wrong("management.staleness.notReady", format!("expected at least `30s`, found `{found}`"));
        }
        if times.refuse < times.not_ready {
            let (found, least) = (times.refuse, times.not_ready);
            let message = format!("expected at least `notReady`, `{least}`, found `{found}`");
            self.wrong("management.staleness.refuse", message);
        }
        let Some(plane) = &management.kubernetes else { return };
        self.readable("management.kubernetes.kubeconfig", Some(&plane.kubeconfig));
        let Some(webhook) = &plane.webhook else { return };
        self.readable("management.kubernetes.webhook.clientCaFile", Some(&webhook.client_ca_file));
        if !is_url(&webhook.url, &["https"]) {
            let expected = "expected a URL such as `https://drover.example.org:8445`, without query";
            self.wrong("management.kubernetes.webhook.url", format!("{expected}, found `{}`", webhook.url));
        }
    }

    fn encryption(&mut self, encryption: &Encryption) {
        const FIELD: &str = "management.embedded.encryption";
        let Encryption { key_file, passphrase_file, previous_key_file, previous_passphrase_file } = encryption;
        for (one, other, names) in [
            (key_file, passphrase_file, ["keyFile", "passphraseFile"]),
            (previous_key_file, previous_passphrase_file, ["previousKeyFile", "previousPassphraseFile"]),
        ] {
            let [first, second] = names;
            if one.is_some() && other.is_some() {
                let message = format!("expected only one of `{first}` and `{second}`, found both");
                self.wrong(&format!("{FIELD}.{second}"), message);
            }
            self.readable(&format!("{FIELD}.{first}"), one.as_deref());
            self.readable(&format!("{FIELD}.{second}"), other.as_deref());
        }
    }

    fn rest(&mut self, config: &ServerConfig) {
        let level = &config.telemetry.log.level;
        if EnvFilter::try_new(level).is_err() || level.trim().is_empty() {
            let expected =
                "expected `error`, `warn`, `info`, `debug` or `trace`, also by part as in `info,drover::cluster=debug`";
            self.wrong("telemetry.log.level", format!("{expected}; found `{level}`"));
        }
        if let Some(url) =
            config.telemetry.tracing.otlp_endpoint.as_deref().filter(|url| !is_url(url, &["https", "http"]))
        {
            self.wrong(
                "telemetry.tracing.otlpEndpoint",
                format!("expected a URL such as `http://127.0.0.1:4318`, found `{url}`"),
            );
        }
        if config.telemetry.tracing.otlp_endpoint.is_some() && !cfg!(feature = "otel") {
            self.wrong("telemetry.tracing.otlpEndpoint", "needs a binary built with the feature `otel`");
        }
        if config.workers.is_some_and(|workers| workers.get() > 1024) {
            self.wrong("workers", "expected a number from 1 to 1024");
        }
    }

    fn size(&mut self, field: &str, found: Size, least: Size, most: Size) {
        if found < least {
            self.wrong(field, format!("expected at least `{least}`, found `{found}`"));
        } else if found > most {
            self.wrong(field, format!("expected at most `{most}`, found `{found}`"));
        }
    }

    fn readable(&mut self, field: &str, path: Option<&Path>) {
        let Some(path) = path else { return };
        let result = fs::File::open(path).and_then(|file| file.metadata());
        match result {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => self.wrong(field, format!("expected a file, `{}` is none", path.display())),
            Err(error) => self.wrong(field, format!("`{}` cannot be read: {error}", path.display())),
        }
    }
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
    })
}
