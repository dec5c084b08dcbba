//! What passes from a client's headers to a cluster.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use apimachinery::headers::{
    Forwarded, Identity, ImpersonationError, RenderError, is_identity_header, read_impersonation,
    remove_identity_headers, render_identity, sanitise_trailers, strip_hop_by_hop,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

fn names(map: &HeaderMap) -> Vec<String> {
    let mut names: Vec<_> = map.keys().map(|n| n.as_str().to_owned()).collect();
    names.sort();
    names
}

/// All that the gateway does to a request's headers, in its order.
fn forward(map: &mut HeaderMap, identity: &Identity<'_>) {
    strip_hop_by_hop(map);
    remove_identity_headers(map, Forwarded::Drop);
    render_identity(identity).unwrap().apply(map).unwrap();
}

const JO: Identity<'_> =
    Identity { user: "jo", uid: Some("u-1"), groups: &["a", "b"], extras: &[("drover.io/token", &["t-1"])] };

fn refused(lines: &[(&str, &str)]) -> ImpersonationError {
    let map = headers(lines);
    match read_impersonation(&map) {
        Err(refused) => refused,
        Ok(read) => panic!("{lines:?} was read as {read:?}"),
    }
}

/// H1
#[test]
fn a_connection_header_cannot_drop_the_identity() {
    for lines in [
        &[("connection", "Impersonate-User")][..],
        &[("connection", "close, IMPERSONATE-USER ,impersonate-group")],
        &[
            ("connection", "keep-alive"),
            ("connection", "impersonate-user,impersonate-uid,impersonate-extra-drover.io%2ftoken"),
        ],
        &[
            ("connection", "upgrade"),
            ("te", "impersonate-user"),
            ("trailer", "impersonate-user"),
            ("keep-alive", "impersonate-user"),
        ],
    ] {
        let mut map = headers(lines);
        forward(&mut map, &JO);
        let expected =
            ["impersonate-extra-drover.io%2ftoken", "impersonate-group", "impersonate-uid", "impersonate-user"];
        assert_eq!(names(&map), expected);
        assert_eq!(map["impersonate-user"], "jo");
        assert_eq!(map.get_all("impersonate-group").iter().collect::<Vec<_>>(), ["a", "b"]);
    }
}

/// H1
#[test]
fn what_is_meant_for_one_connection_stays_there() {
    let mut map = headers(&[
        ("connection", "X-One, x-two"),
        ("connection", "keep-alive,, bad name,\u{1F600}"),
        ("x-one", "1"),
        ("x-two", "2"),
        ("x-three", "3"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("proxy-authenticate", "x"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("http2-settings", "x"),
        ("transfer_encoding", "chunked"),
        ("accept", "*/*"),
    ]);
    strip_hop_by_hop(&mut map);
    assert_eq!(names(&map), ["accept", "x-three"]);
}

/// H2, H4, H19
#[test]
fn nothing_that_some_server_could_take_for_an_identity_passes() {
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "impersonate-user",
        "impersonate-uid",
        "impersonate-group",
        "impersonate-extra-scopes",
        "impersonate-extra-a%2fb",
        "impersonate-foo",
        "impersonate_user",
        "impersonate.user",
        "impersonate_extra-x",
        "impersonate-",
        "impersonate",
        "x-remote-user",
        "x_remote_group",
        "x-remote-extra-a",
        "x-remote-uid",
        "x-forwarded-client-cert",
        "x-forwarded_user",
        "audit-id",
        "audit_id",
    ] {
        let mut map = headers(&[(name, "system:masters"), ("accept", "*/*")]);
        assert!(is_identity_header(map.keys().find(|n| *n != "accept").unwrap()), "{name}");
        remove_identity_headers(&mut map, Forwarded::Keep);
        assert_eq!(names(&map), ["accept"], "{name}");
    }
}

#[test]
fn other_headers_pass() {
    let lines = [
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("user-agent", "kubectl"),
        ("kubectl-command", "kubectl get"),
        ("x-stream-protocol-version", "v4.channel.k8s.io"),
        ("sec-websocket-protocol", "v5.channel.k8s.io"),
        ("traceparent", "x"),
        ("if-none-match", "x"),
        ("impersonation", "x"),
        ("x-remote", "x"),
        ("cookies", "x"),
    ];
    let mut map = headers(&lines);
    let before = map.clone();
    strip_hop_by_hop(&mut map);
    remove_identity_headers(&mut map, Forwarded::Drop);
    assert_eq!(map, before);
}

/// H6
#[test]
fn a_token_among_the_subprotocols_never_passes() {
    let token = "base64url.bearer.authorization.k8s.io.YWJj";
    let name = "sec-websocket-protocol";
    for lines in [
        vec![(name, token.to_owned())],
        vec![(name, format!("v5.channel.k8s.io,{token}"))],
        vec![(name, "v5.channel.k8s.io".to_owned()), (name, format!(" {}", token.to_uppercase()))],
    ] {
        let lines: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut map = headers(&lines);
        remove_identity_headers(&mut map, Forwarded::Keep);
        assert!(map.is_empty(), "{lines:?}");
    }
}

/// H10
#[test]
fn forwarded_headers_pass_only_from_a_trusted_peer() {
    let lines = [("forwarded", "for=1"), ("x-forwarded-for", "1"), ("x-forwarded-host", "h"), ("x-real-ip", "1")];
    let mut map = headers(&lines);
    remove_identity_headers(&mut map, Forwarded::Keep);
    assert_eq!(map.len(), 4);
    remove_identity_headers(&mut map, Forwarded::Drop);
    assert!(map.is_empty());
}

#[test]
fn a_request_to_be_somebody_else_is_read() {
    assert_eq!(read_impersonation(&headers(&[("accept", "*/*")])), Ok(None));
    let map = headers(&[
        ("Impersonate-User", "jürgen"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "dev ops"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-Acme.com%2FProject", "p"),
        ("Impersonate-Extra-acme.com%2fproject", "q"),
        ("Impersonate-Extra-scopes", "s"),
    ]);
    let request = read_impersonation(&map).unwrap().unwrap();
    assert_eq!((request.user, request.uid, &*request.groups), ("jürgen", Some("7"), &["dev ops", "b"][..]));
    let mut extras = request.extras;
    extras.sort();
    assert_eq!(extras, [("acme.com/project".to_owned(), vec!["p", "q"]), ("scopes".to_owned(), vec!["s"])]);
}

/// H3
#[test]
fn a_group_uid_or_extra_needs_a_user() {
    for name in ["impersonate-group", "impersonate-uid", "impersonate-extra-a"] {
        let refused = refused(&[(name, "x")]);
        assert_eq!((&refused, refused.code()), (&ImpersonationError::WithoutUser, StatusCode::BAD_REQUEST));
    }
}

/// H2, H19
#[test]
fn an_impersonation_that_servers_could_read_differently_is_refused() {
    let user = ("impersonate-user", "jo");
    for (lines, code) in [
        (vec![user, user], 400),
        (vec![user, ("impersonate-uid", "1"), ("impersonate-uid", "2")], 400),
        (vec![("impersonate-user", "")], 400),
        (vec![user, ("impersonate-group", "")], 400),
        (vec![user, ("impersonate-group", " a")], 400),
        (vec![user, ("impersonate-group", "a\tb")], 400),
        (vec![user, ("impersonate-group", "a\u{200b}")], 400),
        (vec![user, ("impersonate-extra-", "x")], 400),
        (vec![user, ("impersonate-extra-a%2", "x")], 400),
        (vec![user, ("impersonate-extra-a%", "x")], 400),
        (vec![user, ("impersonate-extra-a%zz", "x")], 400),
        (vec![user, ("impersonate-extra-a%ff", "x")], 400),
        (vec![user, ("impersonate-extra-a%0a", "x")], 400),
        (vec![user, ("impersonate-foo", "x")], 403),
        (vec![user, ("impersonate_group", "x")], 403),
        (vec![user, ("impersonate.uid", "x")], 403),
        (vec![("impersonate_user", "x")], 403),
        (vec![("impersonate", "x")], 403),
        (vec![user, ("impersonate_extra-a", "x")], 403),
        (vec![user, ("impersonate-extra_a", "x")], 403),
    ] {
        assert_eq!(refused(&lines).code().as_u16(), code, "{lines:?}");
    }
    let mut map = HeaderMap::new();
    map.insert("impersonate-user", HeaderValue::from_bytes(b"\xff").unwrap());
    assert!(matches!(read_impersonation(&map), Err(ImpersonationError::Value(_))));
}

#[test]
fn the_key_of_an_extra_keeps_its_case_and_its_underscores() {
    let identity = Identity { user: "u", extras: &[("Acme.com/a_b%", &["v"])], ..Identity::default() };
    let rendered = render_identity(&identity).unwrap();
    let name = rendered.iter().nth(1).unwrap().0.as_str();
    assert_eq!(name, "impersonate-extra-%41cme.com%2fa%5fb%25");
}

/// H9
#[test]
fn an_identity_that_fits_no_header_is_not_written() {
    let long = "x".repeat(64 * 1024);
    for value in
        ["", " a", "a ", "a\r\nImpersonate-User: root", "a\nb", "a\0", "a\tb", "\u{7f}", "a\u{202e}b", "\u{85}"]
    {
        for identity in [
            Identity { user: value, ..Identity::default() },
            Identity { user: "u", groups: &[value], ..Identity::default() },
            Identity { user: "u", uid: Some(value), ..Identity::default() },
            Identity { user: "u", extras: &[("k", &[value])], ..Identity::default() },
            Identity { user: "u", extras: &[(value, &["v"])], ..Identity::default() },
        ] {
            assert!(matches!(render_identity(&identity), Err(RenderError::Value { .. })), "{identity:?}");
        }
    }
    let too_long = Identity { user: "u", groups: &[&long], ..Identity::default() };
    assert_eq!(render_identity(&too_long), Err(RenderError::TooLong("group", 65536)));
    let groups: Vec<String> = (0..5000).map(|n| format!("group-{n}")).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let many = Identity { user: "u", groups: &groups, ..Identity::default() };
    assert_eq!(render_identity(&many), Err(RenderError::TooLarge));
}

/// H1, H2
#[test]
fn a_trailer_carries_no_identity_and_no_framing() {
    let mut trailers = headers(&[
        ("impersonate-user", "root"),
        ("x_remote_user", "root"),
        ("authorization", "x"),
        ("connection", "x-checksum"),
        ("transfer-encoding", "chunked"),
        ("content-length", "1"),
        ("host", "x"),
        ("x-forwarded-for", "x"),
        ("x-checksum", "1"),
        ("grpc-status", "0"),
    ]);
    sanitise_trailers(&mut trailers);
    assert_eq!(names(&trailers), ["grpc-status"]);
}

/// Names near to those that matter, in odd spellings.
fn hostile_name() -> impl Strategy<Value = String> {
    let base = prop::sample::select(vec![
        "impersonate-user",
        "impersonate-group",
        "impersonate-uid",
        "impersonate-extra-a",
        "impersonate-foo",
        "x-remote-user",
        "x-remote-extra-a",
        "authorization",
        "cookie",
        "connection",
        "te",
        "trailer",
        "keep-alive",
        "upgrade",
        "transfer-encoding",
        "x-forwarded-for",
        "audit-id",
        "accept",
        "x-other",
    ]);
    (base, prop::sample::select(vec!["-", "_", ".", "~"]), any::<bool>()).prop_map(|(name, dash, upper)| {
        let name = name.replace('-', dash);
        if upper { name.to_uppercase() } else { name }
    })
}

proptest! {
    /// H1, H2, H4, H19: what goes out carries the decided identity and nothing else that looks like one.
    #[test]
    fn whatever_comes_in_the_decided_identity_goes_out(
        lines in prop::collection::vec((hostile_name(), prop_oneof![hostile_name(), "[ -~]{0,20}"]), 0..12),
        user in "[a-z:@.]{1,20}",
        uid in prop::option::of("[a-z0-9]{1,8}"),
        groups in prop::collection::vec("[a-zA-Z:. -]{1,20}", 0..5),
        key in "[a-zA-Z./_%é-]{1,12}",
    ) {
        let groups: Vec<&str> = groups.iter().map(|g| g.trim()).filter(|g| !g.is_empty()).collect();
        let extras: [(&str, &[&str]); 1] = [(&key, &["v", "w"])];
        let identity = Identity { user: &user, uid: uid.as_deref(), groups: &groups, extras: &extras };
        let lines: Vec<(&str, &str)> = lines.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut map = headers(&lines);
        forward(&mut map, &identity);

        let request = read_impersonation(&map).unwrap().unwrap();
        prop_assert_eq!(request.user, &user);
        prop_assert_eq!(request.uid, uid.as_deref());
        prop_assert_eq!(&request.groups, &groups);
        prop_assert_eq!(request.extras, vec![(key.clone(), vec!["v", "w"])]);
        for name in map.keys() {
            let reading: String = name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            let ours = ["impersonate-user", "impersonate-uid", "impersonate-group"].contains(&name.as_str())
                || name.as_str().starts_with("impersonate-extra-");
            prop_assert!(ours || ["accept", "x-other"].contains(&reading.as_str()), "{}", name);
        }
    }

    #[test]
    fn what_was_written_is_read_again(user in "\\PC{1,20}", group in "\\PC{1,20}", key in "\\PC{1,20}") {
        let extras: [(&str, &[&str]); 1] = [(&key, &["v"])];
        let identity = Identity { user: &user, groups: &[&group], extras: &extras, uid: None };
        let Ok(rendered) = render_identity(&identity) else { return Ok(()) };
        let mut map = HeaderMap::new();
        rendered.apply(&mut map).unwrap();
        let request = read_impersonation(&map).unwrap().unwrap();
        prop_assert_eq!((request.user, request.groups), (&*user, vec![&*group]));
        prop_assert_eq!(&request.extras[0].0, &key);
    }
}
