//! Tokens of service accounts.

use apiserver::{
    Options, Server,
    store::{MemoryLog, Store},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::both::{Both, Reply, ask};

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

fn store() -> Store {
    Store::open(Box::new(MemoryLog::default()), apiserver::store::Options::default()).unwrap()
}

async fn with_account() -> Server {
    let server = Server::start(store(), Options::default()).await;
    let made = ask(&server, "POST", ACCOUNTS, &json!({"metadata": {"name": "robot"}})).await;
    assert_eq!(made.0, 201, "{}", made.1);
    server
}

async fn token(server: &Server, spec: Value) -> String {
    let (code, answer) = ask(server, "POST", &format!("{ACCOUNTS}/robot/token"), &json!({ "spec": spec })).await;
    assert_eq!(code, 201, "{answer}");
    answer["status"]["token"].as_str().unwrap().to_owned()
}

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_names_its_account_and_is_taken() {
    let server = with_account().await;
    let token = token(&server, json!({})).await;
    let (head, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(head["alg"], "ES256");
    assert_eq!(claims["sub"], "system:serviceaccount:default:robot");
    assert_eq!(claims["aud"], json!(["https://kubernetes.default.svc"]));
    assert_eq!(claims["iss"], "https://kubernetes.default.svc");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    let account = server.service_account(&token).unwrap();
    let caller = account.caller();
    assert_eq!(caller.user, "system:serviceaccount:default:robot");
    assert_eq!(caller.groups, ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]);
    assert_eq!(caller.uid, claims["kubernetes.io"]["serviceaccount"]["uid"].as_str().unwrap());
    let (_, keys) = ask(&server, "GET", "/openid/v1/jwks", &Value::Null).await;
    assert_eq!(keys["keys"][0]["kid"], head["kid"]);
    let (_, configuration) = ask(&server, "GET", "/.well-known/openid-configuration", &Value::Null).await;
    assert_eq!(configuration["issuer"], claims["iss"]);
}

#[tokio::test]
async fn a_token_that_was_changed_is_not_taken() {
    let server = with_account().await;
    let token = token(&server, json!({})).await;
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims = part(&token, 1);
    claims["sub"] = json!("system:serviceaccount:kube-system:robot");
    claims["kubernetes.io"]["namespace"] = json!("kube-system");
    let forged = URL_SAFE_NO_PAD.encode(claims.to_string());
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none"}).to_string());
    let hmac = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256"}).to_string());
    for bad in [
        format!("{}.{forged}.{}", parts[0], parts[2]),
        format!("{none}.{}.", parts[1]),
        format!("{hmac}.{}.{}", parts[1], parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}.x"),
        String::new(),
    ] {
        assert!(server.service_account(&bad).is_none(), "{bad}");
    }
    let other = with_account().await;
    assert!(other.service_account(&token).is_none());
}

#[tokio::test]
async fn a_token_ends_with_its_account() {
    let server = with_account().await;
    let token = token(&server, json!({})).await;
    let account = server.service_account(&token).unwrap();
    assert!(server.holds(&account));
    ask(&server, "DELETE", &format!("{ACCOUNTS}/robot"), &Value::Null).await;
    assert!(server.service_account(&token).is_none() && !server.holds(&account));
    // Another account of the same name is another account.
    ask(&server, "POST", ACCOUNTS, &json!({"metadata": {"name": "robot"}})).await;
    assert!(server.service_account(&token).is_none());
}

#[tokio::test]
async fn a_token_may_be_bound_to_a_secret() {
    let server = with_account().await;
    let secrets = "/api/v1/namespaces/default/secrets";
    ask(&server, "POST", secrets, &json!({"metadata": {"name": "s"}})).await;
    let reference = json!({"apiVersion": "v1", "kind": "Secret", "name": "s"});
    let token = token(&server, json!({ "boundObjectRef": reference })).await;
    assert!(server.service_account(&token).is_some());
    ask(&server, "DELETE", &format!("{secrets}/s"), &Value::Null).await;
    assert!(server.service_account(&token).is_none());
}

#[tokio::test]
async fn a_token_for_others_is_not_for_the_server() {
    let server = with_account().await;
    let token = token(&server, json!({"audiences": ["vault"]})).await;
    assert!(server.service_account(&token).is_none());
    let review = |audiences: Value| json!({"spec": {"token": token, "audiences": audiences}});
    let (_, own) = ask(&server, "POST", REVIEWS, &review(json!(["vault", "x"]))).await;
    assert_eq!(own["status"]["authenticated"], true, "{own}");
    assert_eq!(own["status"]["audiences"], json!(["vault"]));
    let (_, other) = ask(&server, "POST", REVIEWS, &review(json!(["x"]))).await;
    assert_eq!(other["status"].get("authenticated"), None);
}

#[tokio::test]
async fn the_key_outlives_the_server_and_nobody_can_read_it() {
    let store = store();
    let server = Server::start(store.clone(), Options::default()).await;
    ask(&server, "POST", ACCOUNTS, &json!({"metadata": {"name": "robot"}})).await;
    let token = token(&server, json!({})).await;
    drop(server);
    let server = Server::start(store, Options::default()).await;
    assert!(server.service_account(&token).is_some());
    let paths = ["/apis/drover.io/v1/signing-keys", "/apis/drover.io/v1/signingkeys", "/api/v1/signing-keys"];
    for path in paths {
        assert_eq!(ask(&server, "GET", path, &Value::Null).await.0, 404);
    }
}

/// A reply without what differs from token to token.
fn plain(mut reply: Reply) -> Reply {
    let body = &mut reply.body;
    for pointer in
        ["/status/token", "/status/expirationTimestamp", "/spec/token", "/status/user/uid", "/status/user/extra"]
    {
        if let Some(value) = body.pointer_mut(pointer) {
            *value = json!("…");
        }
    }
    reply
}

#[tokio::test]
async fn tokens_are_asked_for_as_from_kubernetes() {
    let both = Both::start("tokens").await;
    both.make(ACCOUNTS, &json!({"metadata": {"name": "robot"}})).await;
    both.make("/api/v1/namespaces/default/secrets", &json!({"metadata": {"name": "s"}})).await;
    let own = format!("{ACCOUNTS}/robot/token");
    let reference = |api: &str, kind: &str, name: &str| json!({"apiVersion": api, "kind": kind, "name": name});
    let mut differences = Vec::new();
    for (what, path, body) in [
        ("one", own.clone(), json!({"spec": {"audiences": ["a"], "expirationSeconds": 601}})),
        (
            "several audiences",
            own.clone(),
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["a", "b"]}}),
        ),
        ("too short", own.clone(), json!({"spec": {"audiences": ["a"], "expirationSeconds": 599}})),
        ("too long", own.clone(), json!({"spec": {"audiences": ["a"], "expirationSeconds": 4_294_967_297_i64}})),
        ("the longest", own.clone(), json!({"spec": {"audiences": ["a"], "expirationSeconds": 4_294_967_296_i64}})),
        ("no account", format!("{ACCOUNTS}/nobody/token"), json!({"spec": {"audiences": ["a"]}})),
        ("another name", own.clone(), json!({"metadata": {"name": "x"}, "spec": {"audiences": ["a"]}})),
        ("another namespace", own.clone(), json!({"metadata": {"namespace": "x"}, "spec": {"audiences": ["a"]}})),
        ("an unknown field", own.clone(), json!({"spec": {"audiences": ["a"], "x": 1}})),
        (
            "a secret",
            own.clone(),
            json!({"spec": {"audiences": ["a"], "boundObjectRef": reference("v1", "Secret", "s")}}),
        ),
        (
            "no such secret",
            own.clone(),
            json!({"spec": {"audiences": ["a"], "boundObjectRef": reference("v1", "Secret", "t")}}),
        ),
        ("a pod", own.clone(), json!({"spec": {"audiences": ["a"], "boundObjectRef": reference("v1", "Pod", "p")}})),
        (
            "what nothing is bound to",
            own.clone(),
            json!({"spec": {"audiences": ["a"], "boundObjectRef": reference("v1", "ConfigMap", "c")}}),
        ),
        ("a review of nothing", REVIEWS.to_owned(), json!({"spec": {"token": "x"}})),
        ("a review without a token", REVIEWS.to_owned(), json!({"spec": {}})),
    ] {
        let [ours, theirs] = both.ask("POST", &path, "application/json", body.to_string()).await.map(plain);
        if ours != theirs {
            differences.push(format!("{what}:\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    let tokens = both.ask("POST", &own, "application/json", json!({"spec": {"audiences": ["a"]}}).to_string()).await;
    let [ours, theirs] = tokens.map(|reply| reply.body["status"]["token"].clone());
    for audiences in [json!(["a"]), json!(["a", "b"]), json!(["b"])] {
        let review = |token: &Value| json!({"spec": {"token": token, "audiences": audiences}}).to_string();
        let [ours, _] = both.ask("POST", REVIEWS, "application/json", review(&ours)).await.map(plain);
        let [_, theirs] = both.ask("POST", REVIEWS, "application/json", review(&theirs)).await.map(plain);
        if ours != theirs {
            differences.push(format!("a review for {audiences}:\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
