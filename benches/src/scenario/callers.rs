//! What the scenarios of sign-in share: a world of many callers, and the time of calls too short for a clock.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use anyhow::Result;
use drover::gateway::authenticate::{Authenticated, authenticate};
use drover::gateway::{Peer, Refusal};
use drover::identity::Verifier;
use drover::world::input::{LimitsInput, TokenInput, TokenKind, UserInput};
use drover::world::{TokenHash, World};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use jiff::Timestamp;

use crate::names;

/// Calls between two looks at the clock.
const BATCH: usize = 64;

/// A User with one principal more than its own.
pub fn user(number: usize) -> UserInput {
    let name = names::user(number);
    UserInput {
        uid: Some(format!("0b7f3c56-9f0e-4f0d-8a53-{number:012}").into()),
        username: format!("bench{number}").into(),
        display_name: format!("Bench {number}").into(),
        enabled: true,
        principal_ids: vec![format!("local://{name}").into(), format!("ci_user://bench{number}").into()],
        limits: LimitsInput::default(),
        name: name.into(),
    }
}

/// The Token `number`, of one of `users`.
pub fn token(number: usize, users: usize) -> TokenInput {
    TokenInput {
        name: format!("token-bench-{number}").into(),
        hash: TokenHash::of(&names::token(number)),
        user: names::user(number % users).into(),
        cluster: None,
        group_principals: Vec::new(),
        enabled: true,
        expires_at: None,
        provider: None,
        salted: None,
        kind: TokenKind::Api,
        idle: None,
        last_used: None,
        principal: None,
    }
}

/// A request's headers, as far as they say who calls.
pub fn bearer(token: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("kubectl/v1.37.2 (linux/amd64)"));
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse()?);
    Ok(headers)
}

/// What all these requests have in common.
pub struct Door {
    peer: Peer,
    uri: Uri,
}

impl Door {
    /// A connection over which requests come.
    pub fn new() -> Self {
        let peer = Peer {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            forwarded_for: HeaderValue::from_static("127.0.0.1"),
            trusted: false,
            certificate: None,
            open: AtomicU32::new(0),
        };
        Self { peer, uri: Uri::from_static("/k8s/clusters/c-bench/api/v1/namespaces/default/pods") }
    }

    /// Who calls with `headers`, as the gateway asks it.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        world: &World,
        verifier: Option<&dyn Verifier>,
        now: Timestamp,
    ) -> Result<Authenticated, Refusal> {
        authenticate(&Method::GET, headers, &self.uri, &self.peer, false, world, None, verifier, now)
    }
}

/// Nanoseconds of one call.
pub struct Nanoseconds {
    /// The median of the batches.
    pub p50: f64,
    /// Of one batch in a hundred.
    pub p99: f64,
}

/// Calls `call` with each number below `count`, in an order that no cache guesses, `rounds` times after one that is not measured.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds")]
pub fn time(count: usize, rounds: usize, mut call: impl FnMut(usize, Timestamp)) -> Nanoseconds {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for index in (1..count).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(index, usize::try_from(state >> 33).unwrap_or(0) % (index + 1));
    }
    let mut times = Vec::new();
    for round in 0..=rounds {
        for batch in order.chunks(BATCH) {
            let now = Timestamp::now();
            let start = Instant::now();
            for &number in batch {
                call(number, now);
            }
            if round > 0 {
                times.push(start.elapsed().as_nanos() as f64 / batch.len() as f64);
            }
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times.get(((times.len() as f64 - 1.0) * part).max(0.0) as usize).copied().unwrap_or(0.0);
    Nanoseconds { p50: at(0.5), p99: at(0.99) }
}

/// A verifier that knows `tokens` and verifies nothing.
#[derive(Debug)]
pub struct Known(pub Arc<drover::identity::providers::jwt::IdTokens>);

impl Verifier for Known {
    fn cached(&self, hash: &TokenHash, now: Timestamp) -> Option<Arc<drover::identity::providers::jwt::IdToken>> {
        self.0.cached(hash, now)
    }

    fn verify(
        &self,
        _: &str,
        _: Timestamp,
    ) -> futures_util::future::BoxFuture<'static, Result<(), drover::identity::provider::LoginError>> {
        Box::pin(std::future::ready(Err(drover::identity::provider::Refused::NotSupported.into())))
    }
}
