//! An issuer of ID tokens: what it publishes of itself and its keys, fetched and kept (OpenID Connect Discovery 1.0), and whether a
//! token is really its.
//!
//! One verification serves the sign-in with a browser, logout tokens and ID tokens as bearer credentials. It is by `jsonwebtoken`
//! on aws-lc-rs, the cryptography of all else here.

mod keys;
mod metadata;
mod token;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use http::{HeaderValue, Request, header::ACCEPT};
use tokio::{sync::Mutex, time::Instant};

pub(crate) use self::token::{LOGOUT_EVENT, shown};
pub use self::{
    keys::{KeySet, Signature},
    metadata::{Endpoints, Metadata},
    token::{Claims, Expected, MAX_TOKEN, Unverified, numeric_date, strings},
};
use super::http::HttpClient;
use crate::identity::provider::{LoginError, ProviderError, Refused};

/// What was published is asked for anew after this time.
const FRESH: Duration = Duration::from_hours(1);
/// So often it may be asked for because of a token that is signed with an unknown key: anybody can make such a token.
const PACE: Duration = Duration::from_secs(10);
/// So many times may follow each other at once.
const BURST: u32 = 3;

/// What an issuer published at one moment.
#[derive(Debug)]
pub struct Published {
    /// Endpoints and abilities.
    pub metadata: Metadata,
    /// Its keys.
    pub keys: KeySet,
    at: Instant,
}

/// How an issuer was asked.
#[derive(Debug, Default)]
struct Asked {
    /// When the next time would be due if they came at an even pace.
    due: Option<Instant>,
    /// Why the last time gave nothing.
    failure: Option<ProviderError>,
}

/// An issuer.
#[derive(Debug)]
pub struct Issuer {
    provider: Arc<str>,
    url: String,
    endpoints: Endpoints,
    http: HttpClient,
    published: ArcSwapOption<Published>,
    asked: Mutex<Asked>,
    withdrawn: AtomicU64,
}

impl Issuer {
    /// The issuer `url` of `provider`; `endpoints` are used instead of those that it publishes.
    pub fn new(provider: &str, url: &str, endpoints: Endpoints, http: HttpClient) -> Self {
        Self {
            provider: provider.into(),
            url: url.to_owned(),
            endpoints,
            http,
            published: ArcSwapOption::empty(),
            asked: Mutex::default(),
            withdrawn: AtomicU64::new(0),
        }
    }

    /// Its URL, as in its tokens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often it took keys back; what was verified before may be by one of them.
    pub fn withdrawals(&self) -> u64 {
        self.withdrawn.load(Ordering::Acquire)
    }

    /// What it published, as far as that is known by now.
    pub fn known(&self) -> Option<Arc<Published>> {
        self.published.load_full()
    }

    /// What it publishes. While it does not answer, what it published before is still good.
    ///
    /// # Errors
    /// It never answered as it should.
    pub async fn published(&self) -> Result<Arc<Published>, ProviderError> {
        let known = self.known();
        match known {
            Some(known) if known.at.elapsed() < FRESH => Ok(known),
            known => self.renew(known).await,
        }
    }

    /// Asks whatever is known, unless that was asked for after `seen`, or too often.
    ///
    /// # Errors
    /// It never answered as it should.
    pub async fn renew(&self, seen: Option<Arc<Published>>) -> Result<Arc<Published>, ProviderError> {
        let mut asked = self.asked.lock().await;
        let known = self.known();
        let same = match (&known, &seen) {
            (Some(known), Some(seen)) => Arc::ptr_eq(known, seen),
            (known, seen) => known.is_none() && seen.is_none(),
        };
        let now = Instant::now();
        let next = asked.due.map_or(now, |due| due.max(now));
        if !same || next.duration_since(now) >= PACE * BURST {
            let failure = || asked.failure.clone().unwrap_or_else(|| self.error("it was asked too often"));
            return known.ok_or_else(failure);
        }
        asked.due = Some(next + PACE);
        match (self.fetch().await, known) {
            (Ok(published), known) => {
                let published = Arc::new(published);
                self.published.store(Some(Arc::clone(&published)));
                if known.is_some_and(|known| !known.keys.are_all_in(&published.keys)) {
                    self.withdrawn.fetch_add(1, Ordering::AcqRel);
                }
                Ok(published)
            }
            (Err(error), Some(known)) => {
                tracing::warn!(%error, "what an issuer publishes is not renewed");
                Ok(known)
            }
            (Err(error), None) => {
                asked.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// What it publishes at this moment; nothing is kept.
    ///
    /// # Errors
    /// It does not answer as it should.
    pub async fn fetch(&self) -> Result<Published, ProviderError> {
        let metadata = if let Some(metadata) = self.endpoints.alone(&self.url) {
            metadata
        } else {
            let url = format!("{}/.well-known/openid-configuration", self.url.trim_end_matches('/'));
            let metadata = Metadata::read(&self.get(&url).await?, &self.url);
            metadata.map_err(|why| self.error(format_args!("`{url}`: {why}")))?.with(&self.endpoints)
        };
        let url = &metadata.jwks_uri;
        let keys = KeySet::read(&self.get(url).await?).map_err(|why| self.error(format_args!("`{url}`: {why}")))?;
        Ok(Published { metadata, keys, at: Instant::now() })
    }

    /// Whether a token was signed by it. A key that is not known is asked for.
    ///
    /// # Errors
    /// It was not; or the keys are not known.
    pub async fn verify(&self, token: &Unverified<'_>) -> Result<(), LoginError> {
        let published = match self.known() {
            Some(known) => known,
            None => self.renew(None).await?,
        };
        let mut signature = published.keys.verify(token);
        if signature == Signature::UnknownKey {
            signature = self.renew(Some(published)).await?.keys.verify(token);
        }
        match signature {
            Signature::Good => Ok(()),
            Signature::Bad => Err(Refused::Answer("the signature of the token is wrong".to_owned()).into()),
            Signature::UnknownKey => {
                Err(Refused::Answer("the token is signed with a key that the issuer does not publish".to_owned())
                    .into())
            }
        }
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, ProviderError> {
        let request = Request::get(url).header(ACCEPT, HeaderValue::from_static("application/json"));
        let request = request.body(Vec::new()).map_err(|error| self.error(format_args!("`{url}`: {error}")))?;
        let answer = self.http.send(request).await.map_err(|error| self.error(error))?;
        let status = answer.status();
        if status != http::StatusCode::OK {
            return Err(self.error(format_args!("`{url}` answered {status}, expected 200")));
        }
        Ok(answer.into_body())
    }

    fn error(&self, message: impl std::fmt::Display) -> ProviderError {
        ProviderError::new(&*self.provider, message)
    }
}
