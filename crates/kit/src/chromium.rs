//! A real Chromium without a window, driven as a person does: through chromedriver (W3C `WebDriver`, which is JSON over HTTP).

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream as Blocking},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{
    process::{Process, Spec},
    wait,
};

/// How long the browser may take to start, beside a compiler.
const START: Duration = Duration::from_mins(1);
/// The key under which `WebDriver` names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What a browser is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether pages may run scripts.
    pub scripts: bool,
}

/// A running browser with one window; it ends when dropped.
pub struct Chromium {
    driver: Process,
    address: SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one with a profile of its own, which takes every certificate.
    pub async fn start(options: Options) -> Self {
        let profile = tempfile::Builder::new().prefix("drover-chromium-").tempdir().unwrap();
        let driver = Process::start(&Spec {
            name: "chromedriver".to_owned(),
            program: "chromedriver".into(),
            args: vec!["--port=0".to_owned()],
            env: vec![("HOME".to_owned(), profile.path().display().to_string())],
            dir: profile.path().to_owned(),
            log: profile.path().join("chromedriver.log"),
        });
        let port: u16 = wait::within(START, "chromedriver's port", || {
            driver.assert_running();
            let log = driver.log();
            let port = log.split_once("started successfully on port ").and_then(|(_, rest)| rest.split_once('.'));
            std::future::ready(port.and_then(|(port, _)| port.parse().ok()))
        })
        .await;
        let data = profile.path().join("data");
        let mut args = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            // It ends with its end of the pipe, and so with chromedriver.
            "--remote-debugging-pipe".to_owned(),
        ];
        args.push(format!("--user-data-dir={}", data.display()));
        let mut chrome = json!({"binary": "/usr/bin/chromium", "args": args});
        if !options.scripts {
            chrome["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
        }
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"acceptInsecureCerts": true, "goog:chromeOptions": chrome}}});
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let made = tokio::time::timeout(START, call(address, "POST", "/session", Some(&wanted))).await;
        let made = made.unwrap_or_else(|_| panic!("Chromium does not start: {}", driver.log()));
        let session = made.unwrap_or_else(|error| panic!("{error}\n{}", driver.log()));
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        Self { driver, address, session, _profile: profile }
    }

    /// Opens a page and waits until it is there.
    pub async fn open(&self, url: &str) {
        self.post("url", &json!({"url": url})).await;
    }

    /// Where it is.
    pub async fn url(&self) -> String {
        self.get("url").await.as_str().unwrap().to_owned()
    }

    /// The text of the page as a person reads it.
    pub async fn text(&self) -> String {
        self.text_of("body").await
    }

    /// The text of the first element that a CSS selector finds.
    pub async fn text_of(&self, selector: &str) -> String {
        // An element goes when its page does, which may be between the two.
        wait::until(&format!("the text of `{selector}`"), || async {
            let element = self.find(selector).await;
            Some(self.try_get(&format!("element/{element}/text")).await.ok()?.as_str()?.to_owned())
        })
        .await
    }

    /// Whether a CSS selector finds anything.
    pub async fn has(&self, selector: &str) -> bool {
        let found = self.post("elements", &json!({"using": "css selector", "value": selector})).await;
        found.as_array().is_some_and(|found| !found.is_empty())
    }

    /// Types into a field.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/value"), &json!({"text": text})).await;
    }

    /// Clicks on something, and waits for the page that it leads to, if it leads to one.
    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/click"), &json!({})).await;
    }

    /// Waits until a CSS selector finds something.
    pub async fn wait_for(&self, selector: &str) {
        let what = format!("`{selector}` on a page");
        wait::until(&what, || async { self.has(selector).await.then_some(()) }).await;
    }

    /// A cookie of the page.
    pub async fn cookie(&self, name: &str) -> Option<Value> {
        let cookies = self.get("cookie").await;
        cookies.as_array()?.iter().find(|cookie| cookie["name"] == name).cloned()
    }

    /// The page as a picture (PNG) at this size of the window.
    pub async fn screenshot(&self, width: u32, height: u32) -> Vec<u8> {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics});
        self.post("goog/cdp/execute", &command).await;
        STANDARD.decode(self.get("screenshot").await.as_str().unwrap()).unwrap()
    }

    async fn find(&self, selector: &str) -> String {
        // A page that is on its way has not all of its elements yet.
        wait::until(&format!("`{selector}` on the page"), || async {
            let found = self.try_post("element", &json!({"using": "css selector", "value": selector})).await;
            Some(found.ok()?[ELEMENT].as_str()?.to_owned())
        })
        .await
    }

    async fn get(&self, command: &str) -> Value {
        self.try_get(command).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    async fn try_get(&self, command: &str) -> Result<Value, String> {
        call(self.address, "GET", &format!("/session/{}/{command}", self.session), None).await
    }

    async fn post(&self, command: &str, body: &Value) -> Value {
        self.try_post(command, body).await.unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }

    async fn try_post(&self, command: &str, body: &Value) -> Result<Value, String> {
        self.driver.assert_running();
        call(self.address, "POST", &format!("/session/{}/{command}", self.session), Some(body)).await
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Lets the browser close in order; it would end with the driver anyhow.
        if let Ok(mut stream) = Blocking::connect_timeout(&self.address, Duration::from_secs(1)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let host = self.address;
            let head =
                format!("DELETE /session/{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", self.session);
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.read(&mut [0; 64]);
        }
    }
}

/// One `WebDriver` command: its `value`, or what went wrong.
async fn call(address: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
    let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let body = body.map(ToString::to_string).unwrap_or_default();
    let request = http::Request::builder().method(method).uri(path).header("host", address.to_string());
    let request = request.header("content-type", "application/json").body(Full::<Bytes>::from(body)).unwrap();
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let code = response.status();
    let bytes = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let mut answer: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let value = answer["value"].take();
    if code.is_success() { Ok(value) } else { Err(value["message"].as_str().unwrap_or_default().to_owned()) }
}
