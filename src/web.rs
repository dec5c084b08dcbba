//! Pages and calls of Drover's own: sign-in, sessions, tokens. None of them is on the way of a request to a cluster.
//!
//! | path | is |
//! |---|---|
//! | `/login`, `/account`, `/logout`, `/device` | pages, which work without scripts |
//! | `/oauth2/…`, `/.well-known/oauth-authorization-server` | sign-in of commands: RFC 6749, 7009, 7636, 8252, 8414, 8628 |
//! | `/v3-public/…`, `/v3/…` | Rancher's wire forms: sign-in by password, tokens, principals |
//! | `/v1/self` | who calls, and what it reaches |

mod answer;
mod api;
mod asked;
mod caller;
pub mod cookies;
mod device;
mod journey;
mod oauth;
mod pages;
pub mod targets;

use std::{fmt, sync::Arc, time::Duration};

use apimachinery::status::Status;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use hyper::body::{Body as _, Incoming};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use self::{
    answer::Answer,
    asked::Asked,
    device::{CODE_LIFE, Devices},
};
use crate::{
    gateway::{Body, Pages, Peer},
    signin::SignIn,
};

/// Codes and journeys that are remembered to have been used.
const REMEMBERED: u64 = 100_000;
/// Requests whose bodies are read at once: of strangers, each up to 64 KiB, and as slow as they like.
const BODIES: usize = 1024;

/// The pages of one replica.
#[derive(Clone)]
pub struct Web {
    /// Sign-in.
    signin: Arc<SignIn>,
    /// Where browsers reach Drover: `https://host[:port]`.
    public: Arc<str>,
    /// The runtime that all of it runs on: never a worker's.
    control: tokio::runtime::Handle,
    /// Devices that wait to be let in.
    devices: Devices,
    /// Codes and journeys that were used.
    used: Cache<Arc<str>, ()>,
    /// Room for bodies.
    bodies: Arc<Semaphore>,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Web {
    /// Pages of `signin`, which browsers reach at `public`.
    pub fn new(signin: Arc<SignIn>, public: &str, control: tokio::runtime::Handle) -> Self {
        let used = Cache::builder().max_capacity(REMEMBERED).time_to_live(2 * CODE_LIFE).build();
        let bodies = Arc::new(Semaphore::new(BODIES));
        Self { signin, public: public.trim_end_matches('/').into(), control, devices: Devices::default(), used, bodies }
    }

    /// Whether something is used for the first time; it cannot be used again in its life.
    fn first_use(&self, name: &str) -> bool {
        self.used.entry(name.into()).or_insert(()).is_fresh()
    }

    async fn route(self, peer: Arc<Peer>, request: Request<Incoming>) -> Response<Body> {
        let room = if request.body().is_end_stream() { None } else { Some(self.bodies.try_acquire()) };
        if matches!(room, Some(Err(_))) {
            let status =
                Status::too_many_requests("too many requests are being read: try again", Duration::from_secs(1));
            return answer::status(&status).into();
        }
        let asked = match Asked::read(&peer, request).await {
            Ok(asked) => asked,
            Err(answer) => return answer.into(),
        };
        drop(room);
        let get = asked.method == Method::GET || asked.method == Method::HEAD;
        let post = asked.method == Method::POST;
        let path = asked.path.clone();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let answer: Answer = match parts.as_slice() {
            [""] if get => answer::to("/account"),
            ["assets", "drover.css"] if get => answer::style(),
            ["login"] if get => self.login_page(&asked),
            ["login"] if post => self.login(&asked).await,
            ["login", provider] if get => self.depart(&asked, provider).await,
            ["login", provider, "callback"] if get => self.arrive(&asked, provider).await,
            ["login", provider, "backchannel"] if post => self.back_channel(&asked, provider).await,
            ["account"] if get => self.account(&asked, "", "").await,
            ["account", "end"] if post => self.end(&asked).await,
            ["account", "link"] if post => self.link(&asked).await,
            ["account", "password"] if post => self.change_password(&asked).await,
            ["logout"] if get => pages::signed_out(),
            ["logout"] if post => self.logout(&asked, false).await,
            ["logout", "everywhere"] if post => self.logout(&asked, true).await,
            ["device"] if get => self.device_page(&asked),
            ["device"] if post => self.device_answer(&asked),
            [".well-known", "oauth-authorization-server"] if get => self.metadata(),
            ["oauth2", "authorize"] if get => self.authorize(&asked),
            ["oauth2", "authorize"] if post => self.authorized(&asked),
            ["oauth2", "token"] if post => self.token(&asked).await,
            ["oauth2", "device_authorization"] if post => self.device_authorization(&asked),
            ["oauth2", "revoke"] if post => self.revoke(&asked).await,
            ["v1", "self"] if get => self.myself(&asked),
            ["v3-public", "authProviders" | "authproviders"] if get => self.auth_providers(),
            ["v3-public", _, provider] if post => self.public_login(&asked, provider).await,
            ["v3", "tokens" | "token"] if get => self.tokens(&asked).await,
            ["v3", "tokens" | "token"] if post => self.tokens_post(&asked).await,
            ["v3", "tokens" | "token", name] if asked.method == Method::DELETE => self.token_delete(&asked, name).await,
            ["v3", "principals"] if post => self.search(&asked).await,
            ["v3", "users"] if post => self.users_post(&asked).await,
            ["v3", "users", name] if post => self.user_post(&asked, name).await,
            _ => answer::no_such_path(),
        };
        answer.into()
    }
}

impl Pages for Web {
    fn answer(&self, peer: &Arc<Peer>, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let task = self.control.spawn(self.clone().route(Arc::clone(peer), request));
        Box::pin(async move {
            match task.await {
                Ok(response) => response,
                // Only where it panicked, or the server ends.
                Err(_) => answer::broken().into(),
            }
        })
    }
}
