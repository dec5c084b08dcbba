//! A gateway before a fake cluster `c-a`, where `u-ann` has the role `view`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use kit::{
    client::{Endpoint, empty, read},
    fake::{FakeApiserver, Recorded},
    gateway::{ConfigFolder, Gateway},
};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The role group of `view` in `c-a`.
pub(crate) const GROUP: &str = "drover:c-a:cluster:view";
/// The gateway's own token in `c-a`.
pub(crate) const ACCOUNT: &str = "account-of-the-gateway";

pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    pub(crate) fake: FakeApiserver,
    pub(crate) token: String,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::of(FakeApiserver::start(), |_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&ConfigFolder)) -> Self {
        Self::of(FakeApiserver::start(), change).await
    }

    /// `change` is made before the start.
    pub(crate) async fn of(fake: FakeApiserver, change: impl FnOnce(&ConfigFolder)) -> Self {
        let folder = ConfigFolder::new();
        folder.add_cluster("c-a", &fake.kubeconfig(ACCOUNT));
        folder.add_user("u-ann").add_binding("c-a", "u-ann", "view");
        let token = folder.add_token("u-ann");
        change(&folder);
        let gateway = Gateway::start(env!("CARGO_BIN_EXE_drover"), folder).await;
        gateway.wait_for_cluster("c-a", &token).await;
        Self { gateway, fake, token }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.gateway.endpoint()
    }

    /// A request over HTTP/1.1 and the same over HTTP/2; no credential but what `headers` say.
    pub(crate) async fn both(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> [Response<Bytes>; 2] {
        let path = Gateway::path("c-a", path);
        let endpoint = self.endpoint();
        let mut first = endpoint.request(method, &path, "", empty());
        let mut second = endpoint.request2(method, &path, "", empty());
        for (name, value) in headers {
            let (name, value) = (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
            first.headers_mut().append(name.clone(), value.clone());
            second.headers_mut().append(name, value);
        }
        let first = endpoint.send(first).await;
        let second = read(endpoint.http2().await.send_request(second).await.expect("an answer")).await;
        [first, second]
    }

    /// [`Self::both`] with ann's token.
    pub(crate) async fn both_as_ann(&self, method: &str, path: &str, more: &[(&str, &str)]) -> [Response<Bytes>; 2] {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend_from_slice(more);
        self.both(method, path, &headers).await
    }

    /// What reached the cluster under this path prefix.
    pub(crate) fn passed(&self, prefix: &str) -> Vec<Recorded> {
        let mut all = self.fake.proxied();
        all.retain(|request| request.path().starts_with(prefix));
        all
    }

    /// The head of a request by ann over HTTP/1.1, without its end, to go on with.
    pub(crate) fn head(&self, method: &str, path: &str) -> String {
        let path = Gateway::path("c-a", path);
        let (host, token) = (self.gateway.address(), &self.token);
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n")
    }

    /// Ann is served, as another client would be.
    pub(crate) async fn assert_serves(&self) {
        let answer = self.gateway.get("c-a", "/api/v1/namespaces/well", &self.token).await;
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
    }
}

/// The account is whom the gateway is, `u-ann` whom it acts for, and nobody else is spoken of.
pub(crate) fn assert_is_ann(request: &Recorded) {
    assert_eq!(request.header_all("impersonate-user"), ["u-ann"], "{request:?}");
    assert_eq!(request.impersonated_groups(), [GROUP], "{request:?}");
    assert_eq!(request.header_all("authorization"), [format!("Bearer {ACCOUNT}")], "{request:?}");
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let known = ["impersonate-user", "impersonate-group", "impersonate-uid"].contains(&&*name)
            || name.starts_with("impersonate-extra-drover-io");
        assert!(known || !name.starts_with("impersonate"), "{name}: {}", String::from_utf8_lossy(value));
        assert!(!name.starts_with("x-remote-") && name != "cookie", "{name}: {}", String::from_utf8_lossy(value));
    }
}

/// The answer is a Kubernetes `Status` of failure with this code.
pub(crate) fn assert_status(response: &Response<Bytes>, code: u16) {
    let body = String::from_utf8_lossy(response.body());
    assert_eq!(response.status(), code, "{body}");
    let status: Value = serde_json::from_slice(response.body()).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(status["kind"], "Status", "{status}");
    assert_eq!(status["apiVersion"], "v1", "{status}");
    assert_eq!(status["status"], "Failure", "{status}");
    assert_eq!(status["code"], code, "{status}");
    assert_eq!(response.headers()["content-type"], "application/json");
}

/// What came back for some bytes, and whether the gateway closed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) closed: bool,
}

impl Answer {
    /// The status codes of the answers, in order.
    pub(crate) fn codes(&self) -> Vec<u16> {
        let lines = self.text.split("HTTP/1.1 ").skip(1);
        lines.filter_map(|line| line.get(..3)?.parse().ok()).collect()
    }
}

/// Writes bytes into a new TLS connection and reads until the gateway closes, or is silent for a moment.
pub(crate) async fn raw(endpoint: &Endpoint, bytes: impl AsRef<[u8]>) -> Answer {
    let mut stream = endpoint.raw().await;
    // A gateway that refuses early may close before all is written.
    let _ = stream.write_all(bytes.as_ref()).await;
    let _ = stream.flush().await;
    let (mut text, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let closed = loop {
        match tokio::time::timeout(Duration::from_millis(800), stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(count)) => text.extend_from_slice(&buffer[..count]),
            Err(_) => break false,
        }
    };
    Answer { text: String::from_utf8_lossy(&text).into_owned(), closed }
}
