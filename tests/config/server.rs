//! The server's file.

use std::path::Path;

use drover::config::{self, ServerConfig};

use crate::examples;

fn problems(text: &str) -> Vec<String> {
    let problems = config::parse(text, Path::new("drover.yaml"), Path::new("/etc/drover")).expect_err(text);
    problems.iter().map(ToString::to_string).collect()
}

fn parse(text: &str) -> ServerConfig {
    config::parse(text, Path::new("drover.yaml"), Path::new("/etc/drover"))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn an_empty_file_is_all_defaults_with_absolute_paths() {
    for text in ["", "# nothing\n", "limits:\n", "---\n", "{}"] {
        let config = parse(text);
        assert_eq!(config.data_dir(), Path::new("/etc/drover/data"));
        assert_eq!(config.manifests(), Path::new("/etc/drover/manifests"));
        assert_eq!(config.admin_socket(), Path::new("/etc/drover/data/admin.sock"));
        assert_eq!(config.limits, ServerConfig::default().limits);
    }
}

#[test]
fn the_commented_example_says_the_defaults_and_names_every_key() {
    let path = examples().join("drover.yaml");
    let config = config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let defaults = config::parse("", &path, examples()).unwrap();
    assert_eq!(config, defaults);

    let text = std::fs::read_to_string(&path).unwrap();
    let schema = serde_json::to_value(schemars::schema_for!(ServerConfig)).unwrap();
    let mut keys = Vec::new();
    keys_of(&schema, &mut keys);
    assert!(keys.len() > 50, "{}", keys.len());
    for key in keys {
        assert!(text.contains(&format!("{key}:")), "the example does not name `{key}`");
    }
}

fn keys_of(schema: &serde_json::Value, keys: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(fields) => {
            if let Some(properties) = fields.get("properties").and_then(|properties| properties.as_object()) {
                keys.extend(properties.keys().cloned());
            }
            fields.values().for_each(|value| keys_of(value, keys));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| keys_of(value, keys)),
        _ => {}
    }
}

#[test]
fn the_schema_of_the_file_is_as_it_was() {
    insta::assert_json_snapshot!("schema", schemars::schema_for!(ServerConfig));
}

#[test]
fn an_unknown_field_is_told_with_its_line_and_what_could_stand_there() {
    let found = problems("listen:\n  adress: 0.0.0.0:1\n");
    assert_eq!(
        found,
        ["drover.yaml:2:3: listen.adress: unknown field, expected one of `address`, `tls`, `baseDomain`, `publicUrl`"]
    );
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let found = problems(
        "workers: 0\nlimits:\n  maxInFlight: many\n  typo: 1\n  maxHeaderBytes: 64 KiB\ntimeouts:\n  headersIn: 10\ndrain: [1]\nother: x\n",
    );
    let lines: Vec<&str> = found.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "drover.yaml:1:10",
            "drover.yaml:3:16",
            "drover.yaml:4:3",
            "drover.yaml:5:19",
            "drover.yaml:7:14",
            "drover.yaml:8:8",
            "drover.yaml:9:1"
        ],
        "{found:#?}"
    );
}

#[test]
fn a_wrong_value_is_told_with_what_was_expected_and_found() {
    for (text, expected) in [
        ("workers: 0", "workers: expected a whole number above 0, found `0`"),
        ("limits: {maxInFlight: -1}", "limits.maxInFlight: expected a whole number from 0 to 4294967295, found `-1`"),
        ("limits: {maxInFlight: '5'}", "limits.maxInFlight: expected a whole number from 0 to 4294967295, found `5`"),
        ("limits: {maxHeaderBytes: 1KiB}", "limits.maxHeaderBytes: expected at least `8KiB`, found `1KiB`"),
        ("limits: {perUser: {burst: 5}}", "limits.perUser.burst: goes with `perSecond`, which is 0 or missing"),
        (
            "timeouts: {headersIn: 30}",
            "timeouts.headersIn: expected a length of time such as `500ms`, `10s`, `5m` or `1h30m`, found `30`",
        ),
        ("timeouts: {headersIn: 0s}", "timeouts.headersIn: expected at least `100ms`, found `0s`"),
        (
            "listen: {address: '8443'}",
            "listen.address: expected an address with port such as `0.0.0.0:8443` or `[::]:8443`, found `8443`",
        ),
        ("listen: {tls: {keyFile: /dev/null}}", "listen.tls.keyFile: goes with `certificateFile`, which is missing"),
        (
            "listen: {tls: {clientCaFile: no.crt}}",
            "listen.tls.clientCaFile: `/etc/drover/no.crt` cannot be read: No such file or directory (os error 2)",
        ),
        (
            "listen: {publicUrl: drover.example.org}",
            "listen.publicUrl: expected a URL such as `https://drover.example.org`, without query, found `drover.example.org`",
        ),
        (
            "listen: {baseDomain: '*.example.org'}",
            "listen.baseDomain: expected a domain such as `example.org`, found `*.example.org`",
        ),
        ("ops: {address: 127.0.0.1:8443}", "ops.address: is the same port as `listen.address`, `0.0.0.0:8443`"),
        ("runtime: fast", "runtime: expected one of `perCore`, `multiThread`, found `fast`"),
        (
            "trustedProxies: [10.0.0.0/33]",
            "trustedProxies[0]: expected a network such as `10.0.0.0/8`, or an address, found `10.0.0.0/33`",
        ),
        ("audit: {log: {}}", "audit.log: `path` is missing"),
        ("audit: {webhook: {}}", "audit.webhook: expected one of `kubeconfig` and `url`"),
        ("audit: {queue: {whenFull: wait}}", "audit.queue.whenFull: expected one of `drop`, `block`, found `wait`"),
        ("telemetry: {log: {level: 'a=b=c'}}", "telemetry.log.level: expected `error`"),
        ("upstream: {allowedAddresses: [127.0.0.300]}", "upstream.allowedAddresses[0]: expected a network such as"),
        ("a: 1\na: 2", "drover.yaml:2:1: the key `a` is given twice"),
        ("a: &x 1", "anchors are not read here"),
        ("a: !!str 1", "tags are not read here"),
        ("{", "drover.yaml:"),
        ("a: 1\n---\nb: 2", "a second document; the server's file has one"),
        ("- 1", "expected a mapping, found a list"),
    ] {
        let found = problems(text);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{text}: {found:#?}");
    }
}

#[test]
fn a_missing_file_is_told() {
    let problems = config::load(Path::new("/nonexistent/drover.yaml")).unwrap_err();
    assert!(problems.to_string().starts_with("/nonexistent/drover.yaml: cannot be read: "), "{problems}");
}
