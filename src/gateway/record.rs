//! What the audit log hears of an exchange.

use std::time::SystemTime;

use apimachinery::{request_info::RequestInfo, target};
use http::Version;

use super::{body::Seen, exchange::Exchange, impersonate::Persona};
use crate::telemetry::audit::{
    Body, Decision, EventRef, Level, ObjectRef, RequestRef, ResponseRef, Stage, UserRef, annotation,
};

/// The policy's word on an exchange.
pub(super) fn decide(exchange: &Exchange, info: Option<&RequestInfo<'_>>) -> Decision {
    exchange.worker.gateway.audit.decide(&request(exchange, info))
}

/// Writes the event of `stage`, if the policy wants it.
pub(super) fn write(exchange: &Exchange, stage: Stage) {
    let Some(decision) = exchange.decision else { return };
    if !decision.wants(stage) {
        return;
    }
    // Read again rather than kept: what was read borrows from the request, which has long gone to the cluster.
    let target = target::read(Version::HTTP_2, &exchange.read_as, &exchange.uri, exchange.routing).ok();
    let info = target.as_ref().and_then(|target| RequestInfo::of(&exchange.read_as, target).ok());
    let extra = exchange.caller.as_deref().map(extra).unwrap_or_default();
    let extra: Vec<(&str, &[&str])> = extra.iter().map(|(key, values)| (*key, values.as_slice())).collect();
    let mut request = request(exchange, info.as_ref());
    request.user.extra = &extra;
    let (cause, message) = exchange.refusal.as_ref().map_or(("", ""), |(cause, message)| (*cause, message.as_str()));
    let complete = stage == Stage::ResponseComplete;
    let kept = exchange.request_body.as_deref().filter(|_| complete && decision.level >= Level::Request);
    let kept = kept.and_then(Seen::kept);
    let response_body = match &exchange.response_body {
        Some(bytes) if complete && bytes.len() as u64 == exchange.bytes_out => Body::Whole(bytes),
        Some(_) if complete => Body::TooLong,
        _ => Body::None,
    };
    let allowed = exchange.caller.is_some();
    let own = [
        (annotation::DECISION, if allowed { "allow" } else { "forbid" }),
        (annotation::TOKEN, exchange.caller.as_deref().and_then(Persona::token).unwrap_or_default()),
        (annotation::CAUSE, cause),
    ];
    // Whoever writes policies names these keys, and must not speak for the gateway.
    let theirs = exchange.annotations.iter().filter(|(key, _)| !annotation::is_own(key));
    let mut said: Vec<(&str, &str)> = theirs.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    if !said.is_empty() {
        said.splice(..0, own);
    }
    let uri = exchange.uri.path_and_query().map_or_else(|| exchange.uri.path(), |target| target.as_str());
    exchange.worker.gateway.audit.record(
        decision,
        &EventRef {
            request: &request,
            id: &exchange.audit_id,
            stage,
            uri,
            impersonated: exchange.acting.as_deref().map(user),
            source_ips: &[exchange.source],
            user_agent: exchange.user_agent.as_ref().map_or(&[], |agent| agent.as_bytes()),
            response: Some(ResponseRef { code: exchange.code, reason: "", message }),
            request_body: match &kept {
                Some((bytes, _)) if bytes.is_empty() => Body::None,
                Some((bytes, true)) => Body::Whole(bytes),
                Some((_, false)) => Body::TooLong,
                None => Body::None,
            },
            response_body,
            received: exchange.received.into(),
            reached: SystemTime::now(),
            annotations: if said.is_empty() { own.as_slice() } else { &said },
        },
    );
}

fn request<'a>(exchange: &'a Exchange, info: Option<&'a RequestInfo<'_>>) -> RequestRef<'a> {
    let named = exchange.name.as_deref().map(|name| UserRef { name, ..UserRef::ANONYMOUS });
    RequestRef {
        cluster: exchange.cluster.as_deref().unwrap_or_default(),
        user: exchange.caller.as_deref().map(user).or(named).unwrap_or(UserRef::ANONYMOUS),
        verb: info.map_or_else(|| exchange.method.as_str(), |info| info.verb.as_str()),
        path: info.map_or_else(|| exchange.uri.path(), |info| info.path),
        object: info.filter(|info| info.is_resource).map(|info| ObjectRef {
            group: info.group,
            version: info.version,
            resource: info.resource,
            subresource: info.subresource,
            namespace: info.namespace,
            name: &info.name,
        }),
    }
}

/// What is known of a service account besides its name: the id of the token, by which its issuing is found in the log.
fn extra(persona: &Persona) -> Vec<(&str, Vec<&str>)> {
    let extra = persona.account().map(|account| &account.extra);
    extra.into_iter().flatten().map(|(key, values)| (&**key, values.iter().map(|v| &**v).collect())).collect()
}

fn user(persona: &Persona) -> UserRef<'_> {
    UserRef {
        name: &persona.user.name,
        uid: persona.user.uid.as_deref().unwrap_or_default(),
        groups: &persona.granted.groups,
        extra: &[],
    }
}
