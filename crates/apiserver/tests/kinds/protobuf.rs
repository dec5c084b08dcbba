//! Bodies in protobuf, as kube-apiserver 1.37 wrote them, beside the JSON that it wrote of the same objects.

use apiserver::builtin::Types;
use apiserver::protobuf::decode;
use serde_json::{Value, json};

/// A field of a message: its number, and its bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &meta), field(2, raw)].concat()
}

#[test]
fn options_of_a_delete_are_read() {
    // gracePeriodSeconds 0, which is said; preconditions.uid; propagationPolicy; dryRun.
    let raw = [vec![8, 0], field(2, &field(1, b"u")), field(4, b"Orphan"), field(5, b"All")].concat();
    assert_eq!(
        decode(&body("v1", "DeleteOptions", &raw), &Types::new()).unwrap(),
        json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": "u"},
            "propagationPolicy": "Orphan", "dryRun": ["All"],
        })
    );
}

#[test]
fn a_secret_has_its_bytes_in_base64_and_no_empty_fields() {
    let metadata = [field(1, b"s"), field(2, b""), field(8, b"")].concat();
    let entry = [field(1, b"k"), field(2, b"\x00\xff")].concat();
    let raw = [field(1, &metadata), field(2, &entry), field(3, b""), vec![5 << 3, 0]].concat();
    assert_eq!(
        decode(&body("v1", "Secret", &raw), &Types::new()).unwrap(),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "AP8="}, "immutable": false})
    );
}

#[test]
fn a_lease_has_its_times_as_json_has_them() {
    // 2026-01-02T03:04:05.678901Z
    let seconds = [0x08, 0xa5, 0xeb, 0xdc, 0xca, 0x06];
    let nanos = [0x10, 0x88, 0xea, 0xdc, 0xc3, 0x02];
    let raw = field(2, &field(3, &[&seconds[..], &nanos[..]].concat()));
    let lease = decode(&body("coordination.k8s.io/v1", "Lease", &raw), &Types::new()).unwrap();
    assert_eq!(lease.pointer("/spec/acquireTime").and_then(Value::as_str), Some("2026-01-02T03:04:05.678901Z"));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let types = Types::new();
    let refused = |body: &[u8]| decode(body, &types).unwrap_err().to_string();
    assert_eq!(
        refused(b"{}"),
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    );
    assert_eq!(refused(b"k8s\0\x0a\xff"), "the protobuf message is not well formed");
    assert_eq!(
        refused(&body("example.com/v1", "Widget", b"")),
        r#"no kind "Widget" is registered for version "example.com/v1" in protobuf"#
    );
    assert_eq!(refused(&body("v1", "Secret", &field(3, b"\xff"))), "the protobuf message has a text that is not UTF-8");
}
