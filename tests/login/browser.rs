//! Sign-in through a browser: on this machine, and on another one with a code.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use kit::client::{Endpoint, bytes, empty};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};

use crate::scene::{DROVER, PASSWORD, Person, Scene};

const LIMIT: Duration = Duration::from_secs(20);

/// A browser without a window, on Drover's pages.
struct Browser {
    site: String,
    endpoint: Endpoint,
    cookies: BTreeMap<String, String>,
}

/// Where the browser is now.
enum Place {
    Page(String),
    /// An address of another site.
    Elsewhere(String),
}

impl Browser {
    fn new(scene: &Scene) -> Self {
        Self { site: scene.gateway.url(), endpoint: scene.gateway.endpoint(), cookies: BTreeMap::new() }
    }

    async fn send(&mut self, path: &str, form: Option<&[(&str, &str)]>) -> Response<Bytes> {
        let body = form.map_or_else(empty, |form| {
            bytes(form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish())
        });
        let method = if form.is_some() { "POST" } else { "GET" };
        let mut request = self.endpoint.request(method, path, "", body);
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut add = |name: &'static str, value: &str| {
            request.headers_mut().insert(name, HeaderValue::try_from(value).unwrap());
        };
        add("cookie", &cookies.join("; "));
        if form.is_some() {
            add("content-type", "application/x-www-form-urlencoded");
            add("origin", &self.site);
            add("sec-fetch-site", "same-origin");
        }
        let response = self.endpoint.send(request).await;
        self.keep(response.headers());
        response
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Goes to an address, and on to wherever it leads.
    async fn go(&mut self, address: &str, form: Option<&[(&str, &str)]>) -> Place {
        let own = |address: &str| address.strip_prefix(&self.site).unwrap_or(address).to_owned();
        let mut path = own(address);
        let mut response = self.send(&path, form).await;
        for _ in 0..10 {
            let Some(next) = response.headers().get(header::LOCATION) else {
                let page = String::from_utf8_lossy(response.body()).into_owned();
                assert_eq!(response.status(), 200, "{path}: {page}");
                return Place::Page(page);
            };
            let next = next.to_str().unwrap().to_owned();
            if !next.starts_with('/') && !next.starts_with(&self.site) {
                return Place::Elsewhere(next);
            }
            path = next.strip_prefix(&self.site).unwrap_or(&next).to_owned();
            response = self.send(&path, None).await;
        }
        panic!("ten redirects and no end, at {path}");
    }

    /// Signs in on the way to an address; gives the page that it leads to.
    async fn sign_in(&mut self, address: &str, user: &str, password: &str) -> String {
        let Place::Page(page) = self.go(address, None).await else { panic!("led away from {address}") };
        let form = [
            ("csrf", &*field(&page, "csrf")),
            ("next", &field(&page, "next")),
            ("provider", "local"),
            ("username", user),
            ("password", password),
        ];
        match self.go("/login", Some(&form)).await {
            Place::Page(page) => page,
            Place::Elsewhere(address) => panic!("led to {address}"),
        }
    }

    /// Answers the question whether a program may act as the person.
    async fn answer(&mut self, page: &str, action: &str, answer: &str) -> Place {
        let form = [("csrf", &*field(page, "csrf")), ("request", &field(page, "request")), ("answer", answer)];
        self.go(action, Some(&form)).await
    }
}

/// A hidden field of a page.
fn field(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split_once('"').unwrap().0.replace("&amp;", "&").replace("&#38;", "&").replace("&#x3d;", "=")
}

/// GET of the address on this machine that a command waits at.
async fn bring(address: &str) -> String {
    let (host, path) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// `drover login` of somebody, which waits.
struct Waiting {
    child: Child,
    errors: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
}

impl Waiting {
    fn start(person: &Person, args: &[&str]) -> Self {
        let args = [&["login", &person.server, "--certificate-authority", "ca.pem"], args].concat();
        Self::of(person.program(Path::new(DROVER), &args))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        drop(child.stdin.take());
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, errors }
    }

    /// The next line that begins so, without the spaces before it.
    async fn line(&mut self, start: &str) -> String {
        loop {
            let line = timeout(LIMIT, self.errors.next_line()).await.expect("a line").unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended without `{start}`")).trim().to_owned();
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Its end: whether it went well, and what it said since.
    async fn end(mut self) -> (bool, String, String) {
        let mut output = String::new();
        let mut errors = String::new();
        let rest = async {
            self.child.stdout.take().unwrap().read_to_string(&mut output).await.unwrap();
            while let Some(line) = self.errors.next_line().await.unwrap() {
                errors.push_str(&line);
                errors.push('\n');
            }
            self.child.wait().await.unwrap()
        };
        let status = timeout(LIMIT, rest).await.expect("its end");
        (status.success(), output, errors)
    }
}

#[tokio::test]
async fn a_browser_brings_the_code_back_to_this_machine_and_only_the_answer_that_is_waited_for() {
    let scene = Scene::start().await;
    let person = scene.person();
    let mut login = Waiting::start(&person, &["--no-browser"]);
    let address = login.line("https://").await;
    assert!(address.starts_with(&format!("{}/oauth2/authorize?", person.server)), "{address}");
    assert!(address.contains("code_challenge_method=S256") && !address.contains("code_verifier"), "{address}");
    let mut browser = Browser::new(&scene);
    let page = browser.sign_in(&address, "admin", PASSWORD).await;
    let Place::Elsewhere(back) = browser.answer(&page, "/oauth2/authorize", "yes").await else { panic!("a page") };
    assert!(back.starts_with("http://127.0.0.1:") && back.contains("/callback?code="), "{back}");

    // Another page of the person's browser, or another program of this machine, ends nothing.
    let (start, _) = back.split_once('?').unwrap();
    for other in [
        format!("{start}?code=x&state=y&iss=z"),
        back.replace("state=", "state=x"),
        back.replace("iss=https", "iss=http"),
        format!("{back}&code=other"),
        start.replace("/callback", "/favicon.ico"),
    ] {
        let answer = bring(&other).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{other}: {answer}");
    }
    let answer = bring(&back).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("You are signed in."), "{answer}");
    assert!(answer.contains("Content-Security-Policy: default-src 'none'"), "{answer}");
    let (well, output, errors) = login.end().await;
    assert!(well && output.contains("as admin."), "{output}{errors}");
    person.kubectl(&["get", "users.management.cattle.io", "admin"]).await.ok();
    // The code was good for one thing, once.
    let code = back.split_once("code=").unwrap().1.split('&').next().unwrap();
    let form = [("grant_type", "authorization_code"), ("client_id", "drover-cli"), ("code", code)];
    let again = browser.send("/oauth2/token", Some(&form)).await;
    assert_eq!(again.status(), 400, "{again:?}");
}

#[tokio::test]
async fn who_says_no_signs_nobody_in() {
    let scene = Scene::start().await;
    let person = scene.person();
    let mut login = Waiting::start(&person, &["--no-browser"]);
    let address = login.line("https://").await;
    let mut browser = Browser::new(&scene);
    let page = browser.sign_in(&address, "admin", PASSWORD).await;
    let Place::Elsewhere(back) = browser.answer(&page, "/oauth2/authorize", "no").await else { panic!("a page") };
    bring(&back).await;
    let (well, output, errors) = login.end().await;
    assert!(!well && output.is_empty(), "{output}");
    assert_eq!(errors.trim(), "error: you said no in the browser");
    assert!(!person.cache().join("server").exists());
}

#[tokio::test]
async fn the_browser_of_the_desktop_is_opened() {
    let scene = Scene::start().await;
    let person = scene.person();
    let programs = person.home().join("bin");
    std::fs::create_dir(&programs).unwrap();
    let open = programs.join("xdg-open");
    std::fs::write(&open, "#!/bin/sh\nprintf %s \"$1\" > opened.new && mv opened.new opened\n").unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command =
        person.program(Path::new(DROVER), &["login", &person.server, "--certificate-authority", "ca.pem"]);
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    command.env("PATH", path).env("DISPLAY", ":0");
    let mut login = Waiting::of(command);
    let address = login.line("https://").await;
    let opened = person.home().join("opened");
    kit::wait::until_true("the browser", || opened.exists()).await;
    assert_eq!(std::fs::read_to_string(&opened).unwrap(), address);
    drop(login);
}

#[tokio::test]
async fn a_server_that_calls_itself_otherwise_gets_no_browser_sent() {
    let scene = Scene::with(|folder| {
        folder.set("listen.publicUrl", "https://drover.example.org");
    })
    .await;
    let person = scene.person();
    let refused = person.run(&["login", &person.server, "--certificate-authority", "ca.pem"]).await.err();
    assert!(refused.contains("the server calls itself `https://drover.example.org`"), "{refused}");
    // A password goes to the server that was named, whatever it calls itself.
    person.sign_in("admin", PASSWORD).await.ok();
}

#[tokio::test]
async fn a_machine_without_a_browser_is_let_in_by_its_code() {
    let scene = Scene::start().await;
    let (yes, no) = (scene.person(), scene.person());
    let mut login = Waiting::start(&yes, &["--device"]);
    let page = login.line("https://").await;
    assert_eq!(page, format!("{}/device", yes.server));
    let whole = login.line("https://").await;
    let code = whole.split_once("user_code=").unwrap().1.to_owned();
    let mut refused = Waiting::start(&no, &["--device"]);
    refused.line("https://").await;
    let other = refused.line("https://").await;

    let mut browser = Browser::new(&scene);
    let page = browser.sign_in(&whole, "admin", PASSWORD).await;
    assert!(page.contains(&code) && page.contains("127.0.0.1"), "{page}");
    assert!(page.contains("drover/") && page.contains(" on "), "the page says what asks: {page}");
    let Place::Page(done) = browser.answer(&page, "/device", "yes").await else { panic!("led away") };
    assert!(done.contains("The device is signed in"), "{done}");
    let Place::Page(page) = browser.go(&other, None).await else { panic!("led away") };
    browser.answer(&page, "/device", "no").await;

    let (well, output, errors) = login.end().await;
    assert!(well && output.contains("as admin."), "{output}{errors}");
    yes.kubectl(&["get", "users.management.cattle.io", "admin"]).await.ok();
    let (well, _, errors) = refused.end().await;
    assert!(!well);
    assert_eq!(errors.trim(), "error: somebody said no to the code");
}
