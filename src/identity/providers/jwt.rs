//! ID tokens of configured issuers as bearer credentials: validated here, by the rules of Kubernetes' structured authentication, so
//! that workload tokens of CI systems and kubeconfigs that have such a token work.
//!
//! A token is verified once; whom it is about may sign in or not; then it is known by its hash until it ends, its provider changes, or
//! its issuer takes a key back.
//!
//! Source: `k8s.io/apiserver/plugin/pkg/authenticator/token/oidc`. Beyond it a claim that stands twice and a logout token are refused,
//! `iat` may not be in the future, and distributed claims are not resolved: their place is of the token's choosing.

mod rules;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use jiff::Timestamp;
use moka::sync::Cache;

pub use self::rules::{ClaimRule, Mapped, Mapping, Program, Rules, UserRule};
use super::{
    http::HttpClient,
    issuer::{Endpoints, Expected, Issuer, Unverified},
};
use crate::{
    config::address,
    identity::provider::{LoginError, Person, Principal, PrincipalKind, ProviderError, Refused},
    world::TokenHash,
};

/// Bytes of all that is known by hash.
const KEPT: u64 = 64 << 20;
/// What nobody shows for so long is forgotten.
const IDLE: Duration = Duration::from_hours(1);

/// The issuer of a provider, and how its tokens are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Configured {
    /// The name of the provider.
    pub provider: Arc<str>,
    /// The issuer's URL.
    pub issuer: String,
    /// Instead of the endpoints that it publishes.
    pub endpoints: Endpoints,
    /// PEM of the authorities that its certificate must come from; `None` for the system's.
    pub certificate: Option<String>,
    /// What one call may take.
    pub timeout: Duration,
    /// How its tokens are read.
    pub rules: Rules,
    /// What else decides whom its tokens let in, in whatever form: where it changes, they are looked at anew.
    pub admission: String,
}

/// Whom an ID token is about.
#[derive(Debug)]
pub struct IdToken {
    /// The provider that it came from.
    pub provider: Arc<str>,
    /// `<provider>_user://<id>`.
    pub principal: Arc<str>,
    /// `<provider>_group://<id>`, one for each.
    pub groups: Vec<Arc<str>>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// SHA-256 of its text.
    pub hash: TokenHash,
    source: Arc<Authenticator>,
    withdrawals: u64,
}

impl IdToken {
    /// Whether it still proves what it proved: neither has it ended, nor was its provider changed, nor a key of its issuer's
    /// withdrawn, which may be the one that it is signed with.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.expires_at
            && self.source.is_in_force.load(Ordering::Acquire)
            && self.source.issuer.withdrawals() == self.withdrawals
    }

    fn weight(&self) -> u32 {
        let texts = self.groups.iter().map(|group| group.len() + 32).sum::<usize>() + self.principal.len();
        u32::try_from(texts + size_of::<Self>() + 64).unwrap_or(u32::MAX)
    }
}

/// The issuers whose ID tokens are taken, and the tokens that were verified.
#[derive(Debug)]
pub struct IdTokens {
    addresses: AddressCheck,
    issuers: ArcSwap<HashMap<String, Arc<Authenticator>>>,
    known: Cache<TokenHash, Arc<IdToken>>,
}

struct AddressCheck(address::Check);

impl std::fmt::Debug for AddressCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddressCheck")
    }
}

#[derive(Debug)]
struct Authenticator {
    configured: Configured,
    issuer: Issuer,
    is_in_force: AtomicBool,
}

impl IdTokens {
    /// Of no issuer yet; `addresses` says which may be dialled for their keys.
    pub fn new(addresses: address::Check) -> Self {
        let known = Cache::builder().max_capacity(KEPT).time_to_idle(IDLE);
        Self {
            addresses: AddressCheck(addresses),
            issuers: ArcSwap::default(),
            known: known.weigher(|_, token: &Arc<IdToken>| token.weight()).build(),
        }
    }

    /// Takes the tokens of these issuers from now on, and of no others. One that is as before keeps its keys, and its tokens stay
    /// known. Gives the providers that could not be taken, with why.
    pub fn replace(&self, mut configured: Vec<Configured>) -> Vec<ProviderError> {
        configured.sort_by(|one, other| one.provider.cmp(&other.provider));
        let old = self.issuers.load();
        let mut new: HashMap<String, Arc<Authenticator>> = HashMap::new();
        let mut refused = Vec::new();
        for one in configured {
            if let Some(first) = new.get(&one.issuer) {
                // Whose rules count must not depend on chance.
                let why = format!("`issuer`: provider `{}` takes its ID tokens already", first.configured.provider);
                refused.push(ProviderError::new(&*one.provider, why));
                continue;
            }
            let kept = old.get(&one.issuer).filter(|old| old.configured == one).cloned();
            match kept.map_or_else(|| Authenticator::new(one, &self.addresses), Ok) {
                Ok(authenticator) => drop(new.insert(authenticator.configured.issuer.clone(), authenticator)),
                Err(error) => refused.push(error),
            }
        }
        let gone = old.iter().filter(|(url, old)| new.get(*url).is_none_or(|new| !Arc::ptr_eq(new, old)));
        for (_, authenticator) in gone {
            authenticator.is_in_force.store(false, Ordering::Release);
        }
        self.issuers.store(Arc::new(new));
        refused
    }

    /// The token of this hash, where it was verified and still holds. No IO, no wait.
    pub fn cached(&self, hash: &TokenHash, now: Timestamp) -> Option<Arc<IdToken>> {
        self.known.get(hash).filter(|token| token.holds(now))
    }

    /// Verifies a token with one check of its signature. It is known by its hash only when it is [kept](Self::keep).
    ///
    /// # Errors
    /// It proves nobody, or the keys of its issuer cannot be had.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<IdToken>, LoginError> {
        let unverified = Unverified::read(token)?;
        // Nothing but the choice of who judges depends on what is not proved.
        let issuer = unverified.issuer().unwrap_or_default();
        let source = self.issuers.load().get(issuer).cloned();
        let source = source.ok_or_else(|| {
            let issuer: String = issuer.chars().take(200).flat_map(char::escape_debug).collect();
            Refused::Answer(format!("claim `iss`: no provider takes ID tokens of `{issuer}`"))
        })?;
        source.judge(&unverified, TokenHash::of(token), now).await.map(Arc::new)
    }

    /// Knows a token by its hash from now on. Whom it is about may sign in: nobody asks that again.
    pub fn keep(&self, token: &Arc<IdToken>) {
        self.known.insert(token.hash, Arc::clone(token));
    }

    /// Asks all issuers for what they publish; to be called now and then, so that withdrawn keys are forgotten.
    pub async fn refresh(&self) {
        let issuers = self.issuers.load_full();
        join_all(issuers.values().map(|authenticator| async {
            let issuer = &authenticator.issuer;
            if let Err(error) = issuer.renew(issuer.known()).await {
                tracing::warn!(%error, "the keys of an issuer of ID tokens cannot be had");
            }
        }))
        .await;
    }
}

impl Authenticator {
    fn new(configured: Configured, addresses: &AddressCheck) -> Result<Arc<Self>, ProviderError> {
        let Configured { provider, issuer, endpoints, certificate, timeout, .. } = &configured;
        let http = HttpClient::new(certificate.as_deref(), *timeout, Arc::clone(&addresses.0))
            .map_err(|why| ProviderError::new(&**provider, format_args!("`certificate`: {why}")))?;
        let issuer = Issuer::new(provider, issuer, endpoints.clone(), http);
        Ok(Arc::new(Self { configured, issuer, is_in_force: AtomicBool::new(true) }))
    }

    async fn judge(
        self: Arc<Self>,
        token: &Unverified<'_>,
        hash: TokenHash,
        now: Timestamp,
    ) -> Result<IdToken, LoginError> {
        let Configured { provider, issuer, rules, .. } = &self.configured;
        // First what costs little; only a token that could be good makes its issuer be asked for a key.
        let expires_at = token.check(&Expected { issuer, audiences: &rules.audiences, leeway: 0 }, now)?;
        if token.is_logout() {
            return Err(Refused::Answer("it is a logout token, and no ID token".to_owned()).into());
        }
        // A key that is withdrawn meanwhile takes this token along.
        let withdrawals = self.issuer.withdrawals();
        self.issuer.verify(token).await?;
        let person = person(provider, &rules.apply(&token.claims)?)?;
        Ok(IdToken {
            provider: Arc::clone(provider),
            principal: person.principal.id,
            groups: person.groups.into_iter().map(|group| group.id).collect(),
            expires_at,
            hash,
            withdrawals,
            source: Arc::clone(&self),
        })
    }
}

/// Whom a provider's rules made of claims, as far as it can only be its own.
///
/// # Errors
/// It can be none of the provider's.
pub fn person(provider: &str, mapped: &Mapped) -> Result<Person, ProviderError> {
    let principal = |kind, word, id: &str| Principal {
        id: format!("{provider}_{word}://{id}").into(),
        kind,
        display_name: String::new(),
        login_name: String::new(),
    };
    let person = Person {
        principal: principal(PrincipalKind::User, "user", &mapped.username),
        groups: mapped.groups.iter().map(|group| principal(PrincipalKind::Group, "group", group)).collect(),
        unique_id: None,
        email: None,
        grant: None,
        session: None,
    };
    person.checked(provider)
}
