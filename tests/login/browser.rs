//! Sign-in through a browser: on this machine, and on another one with a code.

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use kit::{
    chromium::{Chromium, Options},
    forms::{Forms, Page},
    wait,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};

use crate::scene::{DROVER, PASSWORD, Person, Scene};

const LIMIT: Duration = Duration::from_secs(20);

/// Signs the administrator in on the way to an address; gives the page that it leads to.
async fn sign_in(browser: &mut Forms, address: &str) -> Page {
    let path = address.strip_prefix(&browser.origin()).unwrap();
    let page = browser.get(path).await;
    let page = browser.follow(page).await;
    let fields = [
        ("csrf", &*page.csrf()),
        ("next", &page.field("next").unwrap()),
        ("provider", "local"),
        ("username", "admin"),
        ("password", PASSWORD),
    ];
    let page = browser.post("/login", &fields).await;
    let page = browser.follow(page).await;
    assert_eq!(page.status, 200, "{page:?}");
    page
}

/// Answers the question whether a program may act as the person.
async fn answer(browser: &mut Forms, page: &Page, action: &str, answer: &str) -> Page {
    let request = page.field("request").unwrap();
    browser.post(action, &[("csrf", &page.csrf()), ("request", &request), ("answer", answer)]).await
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
    let mut browser = Forms::new(scene.gateway.endpoint());
    let page = sign_in(&mut browser, &address).await;
    let page = answer(&mut browser, &page, "/oauth2/authorize", "yes").await;
    let back = page.location().unwrap().to_owned();
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
    let again = browser.post("/oauth2/token", &form).await;
    assert_eq!(again.status, 400, "{again:?}");
}

/// The policy of the pages lets a real browser go from the last form to this machine.
#[tokio::test]
async fn a_real_browser_goes_all_the_way() {
    let scene = Scene::start().await;
    let person = scene.person();
    let mut login = Waiting::start(&person, &["--no-browser"]);
    let address = login.line("https://").await;
    let browser = Chromium::start(Options::default()).await;
    browser.open(&address).await;
    browser.type_into("#username", "admin").await;
    browser.type_into("#password", PASSWORD).await;
    browser.click("form[action='/login'] button").await;
    let yes = "form[action='/oauth2/authorize'] button[value='yes']";
    browser.wait_for(yes).await;
    assert!(browser.text().await.contains("drover on this machine"));
    browser.click(yes).await;
    wait::until("the answer", || async { browser.text().await.contains("You are signed in.").then_some(()) }).await;
    assert!(browser.url().await.starts_with("http://127.0.0.1:"));
    let (well, output, errors) = login.end().await;
    assert!(well && output.contains("as admin."), "{output}{errors}");
    person.kubectl(&["get", "users.management.cattle.io", "admin"]).await.ok();
}

#[tokio::test]
async fn who_says_no_signs_nobody_in() {
    let scene = Scene::start().await;
    let person = scene.person();
    let mut login = Waiting::start(&person, &["--no-browser"]);
    let address = login.line("https://").await;
    let mut browser = Forms::new(scene.gateway.endpoint());
    let page = sign_in(&mut browser, &address).await;
    let page = answer(&mut browser, &page, "/oauth2/authorize", "no").await;
    bring(page.location().unwrap()).await;
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
    wait::until_true("the browser", || opened.exists()).await;
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

    let mut browser = Forms::new(scene.gateway.endpoint());
    let page = sign_in(&mut browser, &whole).await;
    assert!(page.text.contains(&code) && page.text.contains("127.0.0.1"), "{page:?}");
    assert!(page.text.contains("drover/") && page.text.contains(" on "), "the page says what asks: {page:?}");
    let done = answer(&mut browser, &page, "/device", "yes").await;
    assert!(done.text.contains("The device is signed in"), "{done:?}");
    let page = browser.get(other.strip_prefix(&no.server).unwrap()).await;
    answer(&mut browser, &page, "/device", "no").await;

    let (well, output, errors) = login.end().await;
    assert!(well && output.contains("as admin."), "{output}{errors}");
    yes.kubectl(&["get", "users.management.cattle.io", "admin"]).await.ok();
    let (well, _, errors) = refused.end().await;
    assert!(!well);
    assert_eq!(errors.trim(), "error: somebody said no to the code");
}
