//! The names that upstream, peers and load agree on.

/// The cluster's id at the gateway.
pub const CLUSTER: &str = "c-bench";
/// How many users ask, each with a token of its own.
pub const USERS: usize = 64;
/// The role group that each of them has.
pub const GROUP: &str = "drover:c-bench:cluster:view";
/// The credential of the gateway at the cluster; every peer sets it.
pub const CREDENTIAL: &str = "drover-bench-account-0123456789abcdef0123456789abcdef";

/// A pod of 2 kB.
pub const SMALL: &str = "/api/v1/namespaces/default/pods/web-00000";
/// A list of pods, 1 MB.
pub const LIST_1MB: &str = "/api/v1/namespaces/list-1mb/pods";
/// A list of pods, 20 MB.
pub const LIST_20MB: &str = "/api/v1/namespaces/list-20mb/pods";
/// Before a number of milliseconds: a pod of 2 kB after that time.
pub const SLOW: &str = "/api/v1/namespaces/slow/pods/";
/// Answers with the head of the request as the upstream got it.
pub const HEAD: &str = "/api/v1/namespaces/bench/pods/head";
/// Answers with the upstream's counters.
pub const COUNTERS: &str = "/bench/counters";

/// The name of user `number`.
pub fn user(number: usize) -> String {
    format!("u-bench-{number}")
}

/// A role template that only the last user has.
pub fn extra_template(number: usize) -> String {
    format!("extra-{number:05}")
}

/// The role group of an extra template.
pub fn extra_group(number: usize) -> String {
    format!("drover:{CLUSTER}:cluster:{}", extra_template(number))
}

/// The token of user `number`: the same in every run, since it opens nothing but a bench.
pub fn token(number: usize) -> String {
    use base64::Engine as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("drover bench {number}").as_bytes());
    format!("drover_{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest.as_ref()))
}

/// What a manifest stores of `token`.
pub fn hash(token: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// The target that a client asks for: a cluster's path behind the gateway's.
pub fn target(path: &str) -> String {
    format!("/k8s/clusters/{CLUSTER}{path}")
}

/// The identity that each peer sets, beside the `Authorization` of the account.
pub const IDENTITY: &[(&str, &str)] = &[
    ("Impersonate-User", "u-bench-0"),
    ("Impersonate-Uid", "0b7f3c56-9f0e-4f0d-8a53-000000000000"),
    ("Impersonate-Group", GROUP),
];

/// What a client could send and no peer may forward. Peers that can, remove by prefix.
pub const REMOVED: &[&str] = &[
    "Impersonate-User",
    "Impersonate-Uid",
    "Impersonate-Group",
    "Impersonate-Extra-Scopes",
    "X-Remote-User",
    "X-Remote-Group",
    "X-Remote-Uid",
];
