//! An event as one line of `audit.k8s.io/v1` JSON, fields in Kubernetes' order.

use std::{io::Write as _, net::IpAddr};

use super::{
    Body, Decision, EventRef, Level, ObjectRef, UserRef, body, event::annotation, json, redact, time::Clockwork,
};

/// As kube-apiserver cuts it.
const MAX_USER_AGENT: usize = 1024;

/// Appends `event` and a line break.
pub fn line(event: &EventRef<'_>, decision: Decision, clockwork: &mut Clockwork, out: &mut Vec<u8>) {
    let request = event.request;
    // Once more, whatever decision was handed in.
    let level = match decision.level {
        level @ (Level::None | Level::Metadata) => level,
        level => level.min(redact::ceiling(request.object.as_ref())),
    };
    out.extend_from_slice(br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":""#);
    out.extend_from_slice(level.as_str().as_bytes());
    out.extend_from_slice(br#"","auditID":""#);
    out.extend_from_slice(event.id.as_str().as_bytes());
    out.extend_from_slice(br#"","stage":""#);
    out.extend_from_slice(event.stage.as_str().as_bytes());
    out.extend_from_slice(br#"","requestURI":"#);
    redact::uri(event.uri, out);
    field("verb", request.verb, out);
    out.extend_from_slice(br#","user":"#);
    user(&request.user, out);
    if let Some(impersonated) = &event.impersonated {
        out.extend_from_slice(br#","impersonatedUser":"#);
        user(impersonated, out);
    }
    addresses(event.source_ips, out);
    user_agent(event.user_agent, out);
    if let Some(object) = &request.object {
        object_ref(object, out);
    }
    if let Some(response) = &event.response {
        out.extend_from_slice(br#","responseStatus":{"metadata":{}"#);
        if response.code >= 400 {
            out.extend_from_slice(br#","status":"Failure""#);
        }
        optional("message", response.message, out);
        optional("reason", response.reason, out);
        // Writing to a Vec cannot fail.
        let _ = write!(out, r#","code":{}}}"#, response.code);
    }
    let mut left_out = false;
    if level >= Level::Request {
        left_out |= !recorded("requestObject", event.request_body, decision, out);
    }
    if level >= Level::RequestResponse {
        left_out |= !recorded("responseObject", event.response_body, decision, out);
    }
    out.extend_from_slice(br#","requestReceivedTimestamp":""#);
    clockwork.write(event.received, out);
    out.extend_from_slice(br#"","stageTimestamp":""#);
    clockwork.write(event.reached, out);
    out.push(b'"');
    annotations(event, left_out, out);
    out.extend_from_slice(b"}\n");
}

/// `,"key":"value"`; `key` is a constant that needs no escape.
fn field(key: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    json::string(value, out);
}

fn optional(key: &str, value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() {
        field(key, value, out);
    }
}

fn user(user: &UserRef<'_>, out: &mut Vec<u8>) {
    // The first key has no comma before it: `username` always opens the object, also for nobody.
    out.extend_from_slice(br#"{"username":"#);
    json::string(user.name, out);
    optional("uid", user.uid, out);
    let mut any = false;
    user.groups.each(&mut |group| {
        out.extend_from_slice(if any { b"," } else { br#","groups":["# });
        any = true;
        json::string(group, out);
        true
    });
    if any {
        out.push(b']');
    }
    for (index, (key, values)) in user.extra.iter().enumerate() {
        out.extend_from_slice(if index == 0 { br#","extra":{"# } else { b"," });
        json::string(key, out);
        out.extend_from_slice(b":[");
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::string(value, out);
        }
        out.push(b']');
    }
    if !user.extra.is_empty() {
        out.push(b'}');
    }
    out.push(b'}');
}

fn addresses(ips: &[IpAddr], out: &mut Vec<u8>) {
    for (index, ip) in ips.iter().enumerate() {
        out.extend_from_slice(if index == 0 { br#","sourceIPs":[""# } else { br#",""# });
        match ip {
            IpAddr::V4(ip) => {
                for (index, byte) in ip.octets().into_iter().enumerate() {
                    if index > 0 {
                        out.push(b'.');
                    }
                    small(u16::from(byte), out);
                }
            }
            IpAddr::V6(ip) => {
                let _ = write!(out, "{ip}");
            }
        }
        out.push(b'"');
    }
    if !ips.is_empty() {
        out.push(b']');
    }
}

fn small(number: u16, out: &mut Vec<u8>) {
    if number >= 100 {
        out.push(b'0' + (number / 100 % 10) as u8);
    }
    if number >= 10 {
        out.push(b'0' + (number / 10 % 10) as u8);
    }
    out.push(b'0' + (number % 10) as u8);
}

fn user_agent(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    out.extend_from_slice(br#","userAgent":"#);
    match bytes.get(..MAX_USER_AGENT) {
        Some(cut) if bytes.len() > MAX_USER_AGENT => {
            json::lossy(cut, out);
            out.pop();
            out.extend_from_slice(b"...TRUNCATED\"");
        }
        _ => json::lossy(bytes, out),
    }
}

fn object_ref(object: &ObjectRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#","objectRef":{"resource":"#);
    json::string(object.resource, out);
    optional("namespace", object.namespace, out);
    optional("name", object.name, out);
    optional("apiGroup", object.group, out);
    optional("apiVersion", object.version, out);
    optional("subresource", object.subresource, out);
    out.push(b'}');
}

/// Says whether nothing had to be left out.
fn recorded(key: &str, recorded: Body<'_>, decision: Decision, out: &mut Vec<u8>) -> bool {
    let bytes = match recorded {
        Body::None | Body::Whole([]) => return true,
        Body::TooLong => return false,
        Body::Whole(bytes) => bytes,
    };
    let start = out.len();
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    let written = body::write(bytes, decision.omits_managed_fields(), out);
    if !written {
        out.truncate(start);
    }
    written
}

fn annotations(event: &EventRef<'_>, left_out: bool, out: &mut Vec<u8>) {
    let ours =
        [(annotation::CLUSTER, event.request.cluster), (annotation::TRUNCATED, if left_out { "true" } else { "" })];
    let mut first = true;
    for (key, value) in event.annotations.iter().copied().chain(ours) {
        if value.is_empty() {
            continue;
        }
        out.extend_from_slice(if first { br#","annotations":{"# } else { b"," });
        first = false;
        json::string(key, out);
        out.push(b':');
        json::string(value, out);
    }
    if !first {
        out.push(b'}');
    }
}
