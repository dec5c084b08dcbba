//! What a cluster says of `--as`: one SelfSubjectAccessReview a value, kept for ten seconds.

use std::{sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use moka::sync::Cache;
use serde_json::json;

use super::{Basis, Persona, credential_key};
use crate::gateway::{Refusal, Worker};

/// How long an answer is kept.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// Answers kept at most.
const KEPT: u64 = 100_000;
const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
/// An answer repeats the question and adds a sentence.
const MAX_ANSWER: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    credential: [u8; 32],
    cluster: Arc<str>,
    what: &'static str,
    name: Box<str>,
}

#[derive(Clone, Debug)]
struct Answer {
    allowed: bool,
    /// The rows of the caller that was asked for: another identity asks again.
    basis: Arc<Basis>,
}

/// The answers of all clusters.
#[derive(Debug)]
pub struct Reviews {
    answers: Cache<Key, Answer>,
}

impl Default for Reviews {
    fn default() -> Self {
        Self { answers: Cache::builder().max_capacity(KEPT).time_to_live(KEPT_FOR).build() }
    }
}

impl Reviews {
    /// The first of `values` that the cluster does not let `caller` impersonate.
    pub(super) async fn first_denied<'a>(
        &self,
        worker: &Worker,
        caller: &Persona,
        values: &[(&'static str, &'a str)],
    ) -> Result<Option<(&'static str, &'a str)>, Refusal> {
        let asked = values.iter().map(|&(what, name)| self.allowed(worker, caller, what, name));
        let allowed = try_join_all(asked).await?;
        Ok(values.iter().zip(allowed).find(|(_, allowed)| !allowed).map(|(&value, _)| value))
    }

    async fn allowed(
        &self,
        worker: &Worker,
        caller: &Persona,
        what: &'static str,
        name: &str,
    ) -> Result<bool, Refusal> {
        let basis = &caller.basis;
        let key = Key {
            credential: credential_key(&basis.credential),
            cluster: Arc::clone(&basis.cluster.id),
            what,
            name: name.into(),
        };
        if let Some(answer) = self.answers.get(&key)
            && answer.basis.is(&basis.user, &basis.credential, &basis.cluster, basis.version)
        {
            return Ok(answer.allowed);
        }
        let allowed = ask(worker, caller, what, name).await?;
        self.answers.insert(key, Answer { allowed, basis: Arc::new(basis.clone()) });
        Ok(allowed)
    }
}

async fn ask(worker: &Worker, caller: &Persona, what: &'static str, name: &str) -> Result<bool, Refusal> {
    let id = &caller.basis.cluster.id;
    let cluster = worker.gateway.clusters.get(id).ok_or(Refusal::NotConnected)?;
    let resource = if what == "group" { "groups" } else { "users" };
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "impersonate", "group": "", "resource": resource, "name": name}},
    });
    let mut headers = http::HeaderMap::new();
    let told = match &caller.headers {
        // INVARIANT: a rendered identity is far smaller than a header map can be.
        Some(identity) => identity.apply(&mut headers).is_ok(),
        None => cluster.is_in_process(),
    };
    if !told {
        return Ok(false);
    }
    let (code, answer) = cluster
        .json(
            worker.index,
            http::Method::POST,
            PATH,
            headers,
            Some(caller.caller()),
            Some(&review),
            MAX_ANSWER,
            TIMEOUT,
        )
        .await
        .map_err(|error| Refusal::Review(Arc::clone(id), error))?;
    if code == http::StatusCode::UNAUTHORIZED {
        cluster.credential_refused();
        return Err(Refusal::CredentialRefused(Arc::clone(id)));
    }
    // Whatever is no plain yes is a no.
    Ok(code.is_success() && answer.pointer("/status/allowed") == Some(&serde_json::Value::Bool(true)))
}
