//! HTTPS to a webhook: a few connections that are kept, each for one request at a time.
//!
//! Whoever may write definitions says where it is: what it is dialled at is asked of the program, by the address that the name has
//! at that moment. No redirect is followed, and no proxy taken.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

/// How many connections that nobody uses are kept.
const MOST_IDLE: usize = 4;
/// The longest answer that is read: a hundred of the largest objects are fewer bytes.
const LONGEST: usize = 128 << 20;

/// Says whether the server may connect to an address that is not of its own choosing; the text says why not.
///
/// It is given the host as the URL has it, an address of it, and the port.
pub type AddressPolicy = Arc<dyn Fn(&str, IpAddr, u16) -> Result<(), String> + Send + Sync>;

/// Where a webhook is, and whom to trust there.
pub(super) struct Connection {
    url: Uri,
    host: String,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    policy: Option<AddressPolicy>,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Connection {
    /// For a URL; `ca` is PEM in base64, empty to trust whom the system trusts. Without a policy every address may be dialled.
    pub(super) fn new(url: &str, ca: &str, policy: Option<AddressPolicy>) -> Result<Self, String> {
        let url: Uri = url.parse().map_err(|wrong| format!("Unparsable URL: {wrong}"))?;
        let host = url.host().unwrap_or_default().to_owned();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|wrong| format!("Unparsable URL: {wrong}"))?;
        let ca = STANDARD.decode(ca).map_err(|wrong| wrong.to_string())?;
        let mut roots = RootCertStore::empty();
        if ca.trim_ascii().is_empty() {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        } else {
            for certificate in CertificateDer::pem_slice_iter(&ca) {
                let certificate = certificate.map_err(|wrong| wrong.to_string())?;
                roots.add(certificate).map_err(|wrong| wrong.to_string())?;
            }
        }
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { url, host, name, tls: Arc::new(tls), policy, idle: Mutex::default() })
    }

    /// Posts a body and reads the answer.
    ///
    /// # Errors
    /// In the words of Go's client.
    pub(super) async fn post(&self, body: Bytes, time: Duration) -> Result<Bytes, String> {
        let shown = format!("{}?timeout={}s", self.url, time.as_secs());
        let failed = |why: String| format!("Post {shown:?}: {why}");
        match tokio::time::timeout(time, self.exchange(body, time)).await {
            Ok(Ok((code, body))) => answer(code, body),
            Ok(Err(why)) => Err(failed(why)),
            Err(_) => Err(failed("context deadline exceeded".to_owned())),
        }
    }

    async fn exchange(&self, body: Bytes, time: Duration) -> Result<(u16, Bytes), String> {
        // A connection that was kept may have been closed meanwhile; then nobody has read the request.
        while let Some(sender) = self.kept() {
            if let Ok(answer) = self.send(sender, body.clone(), time).await {
                return Ok(answer);
            }
        }
        let sender = self.connect().await?;
        self.send(sender, body, time).await
    }

    fn kept(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|sender| !sender.is_closed())
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let port = self.url.port_u16().unwrap_or(443);
        let stream = self.dial(port).await.map_err(|why| format!("dial tcp {}:{port}: {why}", self.host))?;
        let _ = stream.set_nodelay(true);
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let stream = tls.connect(self.name.clone(), stream).await.map_err(|wrong| wrong.to_string())?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|wrong| wrong.to_string())?;
        // Ends with the sender.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Connects to the first address that may be dialled and answers.
    async fn dial(&self, port: u16) -> Result<TcpStream, String> {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        // Each address is judged as it is dialled: what a name stands for may change between two look-ups.
        let addresses: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) => lookup_host((bare, port)).await.map_err(|wrong| wrong.to_string())?.collect(),
        };
        let mut failure = "the name has no address".to_owned();
        for address in addresses {
            if let Some(policy) = &self.policy
                && let Err(why) = policy(bare, address.ip(), port)
            {
                failure = format!("connecting is not allowed: {why}");
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(wrong) if wrong.kind() == std::io::ErrorKind::ConnectionRefused => {
                    "connect: connection refused".clone_into(&mut failure);
                }
                Err(wrong) => failure = wrong.to_string(),
            }
        }
        Err(failure)
    }

    async fn send(
        &self,
        mut sender: SendRequest<Full<Bytes>>,
        body: Bytes,
        time: Duration,
    ) -> Result<(u16, Bytes), String> {
        let path = match self.url.path() {
            "" => "/",
            path => path,
        };
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let request = Request::post(format!("{path}?timeout={}s", time.as_secs()))
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "kube-apiserver-admission")
            .body(Full::new(body))
            .map_err(|wrong| wrong.to_string())?;
        sender.ready().await.map_err(|wrong| wrong.to_string())?;
        let response: Response<Incoming> = sender.send_request(request).await.map_err(|wrong| wrong.to_string())?;
        let code = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(|wrong| wrong.to_string())?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(sender);
        }
        Ok((code, body.to_bytes()))
    }
}

/// The body of an answer that is one; else what `client-go` makes of it.
fn answer(code: u16, body: Bytes) -> Result<Bytes, String> {
    if (200..300).contains(&code) {
        return Ok(body);
    }
    if code == 404 {
        return Err("the server could not find the requested resource".to_owned());
    }
    let text = String::from_utf8_lossy(&body);
    let text: String = text.trim().chars().take(2048).collect();
    let said = if text.is_empty() { "unknown".to_owned() } else { text };
    Err(format!("an error on the server ({said:?}) has prevented the request from succeeding"))
}
