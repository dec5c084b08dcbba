//! The little DER that makes a certificate with a subject of any size (X.509, RFC 5280 section 4.1).

use base64::{Engine as _, prelude::BASE64_STANDARD};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const UTF8: u8 = 0x0c;
const BITS: u8 = 0x03;
/// `2.5.4.3`, a common name, and `2.5.4.10`, an organisation.
const COMMON_NAME: [u8; 3] = [0x55, 4, 3];
const ORGANISATION: [u8; 3] = [0x55, 4, 10];

/// A subject of one common name, and of all organisations in one relative name.
pub(super) fn subject<S: AsRef<str>>(common_name: &str, organisations: &[S]) -> Vec<u8> {
    let attribute = |kind: &[u8], value: &str| {
        element(SEQUENCE, &[element(OBJECT, kind), element(UTF8, value.as_bytes())].concat())
    };
    let name = element(SET, &attribute(&COMMON_NAME, common_name));
    let groups: Vec<u8> = organisations.iter().flat_map(|group| attribute(&ORGANISATION, group.as_ref())).collect();
    element(SEQUENCE, &[name, element(SET, &groups)].concat())
}

/// A certificate with another subject, signed anew.
pub(super) fn with_subject(certificate: &[u8], subject: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let parts = children(certificate);
    let mut fields: Vec<&[u8]> = children(parts[0]);
    // Version, serial number, algorithm, issuer, validity, subject.
    fields[5] = subject;
    let body = element(SEQUENCE, &fields.concat());
    let signature = [vec![0], sign(&body)].concat();
    element(SEQUENCE, &[&*body, parts[1], &*element(BITS, &signature)].concat())
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut all = vec![tag];
    if let (true, Ok(short)) = (length < 128, u8::try_from(length)) {
        all.push(short);
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        all.push(0x80 | u8::try_from(bytes.len()).unwrap());
        all.extend(bytes);
    }
    all.extend_from_slice(content);
    all
}

/// The elements inside one element, each whole.
fn children(element: &[u8]) -> Vec<&[u8]> {
    let (start, end) = content(element);
    let mut rest = &element[start..end];
    let mut children = Vec::new();
    while !rest.is_empty() {
        let (_, end) = content(rest);
        children.push(&rest[..end]);
        rest = &rest[end..];
    }
    children
}

/// Where an element's content starts and ends.
fn content(element: &[u8]) -> (usize, usize) {
    let first = usize::from(element[1]);
    if first < 0x80 {
        return (2, 2 + first);
    }
    let digits = first & 0x7f;
    let length = element[2..2 + digits].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    (2 + digits, 2 + digits + length)
}
