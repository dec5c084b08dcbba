//! Who asks for a page: by the session cookie, or by a token.

use std::sync::Arc;

use apimachinery::{credential, status::Status};
use http::{HeaderValue, Method, header};
use jiff::Timestamp;

use super::{
    Web,
    answer::{self, Answer},
    asked::Asked,
    cookies,
};
use crate::{
    gateway::authenticate::is_basic,
    identity::{Credential, Identity, Presented},
    signin::{keys::random_text, local},
    world::{
        TokenHash, World,
        input::TokenKind,
        rows::{ClusterRow, TokenRow, UserRow},
    },
};

/// What forms are proved for.
const FORM: &str = "form";

/// Somebody who is signed in.
#[derive(Debug)]
pub(super) struct Caller {
    pub user: Arc<UserRow>,
    pub token: Arc<TokenRow>,
    pub identity: Identity,
    pub world: Arc<World>,
    /// What forms on this person's pages carry; empty where it came with a token of its own.
    pub csrf: String,
}

impl Caller {
    /// The provider that it signed in with.
    pub(super) fn provider(&self) -> &str {
        self.token.provider.as_deref().unwrap_or(local::NAME)
    }

    /// The clusters that it may use, by id.
    pub(super) fn clusters(&self) -> Vec<&Arc<ClusterRow>> {
        let scope = self.token.cluster.as_ref();
        let in_scope = |cluster: &&Arc<ClusterRow>| scope.is_none_or(|scope| *scope == cluster.id);
        let mine = |cluster: &&Arc<ClusterRow>| cluster.binds(self.identity.subjects(&self.world));
        let mut clusters: Vec<_> = self.world.clusters().filter(in_scope).filter(mine).collect();
        clusters.sort_by(|one, other| one.id.cmp(&other.id));
        clusters
    }
}

impl Web {
    /// Who asks, by the session cookie of a browser.
    pub(super) fn in_browser(&self, asked: &Asked) -> Option<Caller> {
        let cookie = cookies::read(&asked.headers, cookies::SESSION)?;
        // T4, T11: any other token in its place is not a person at a browser, and could let itself in as one: for longer than it
        // lives, and wherever it does not work.
        self.caller(cookie, self.signin.keys.prove(FORM, cookie))
            .filter(|caller| caller.token.kind == TokenKind::Session)
    }

    /// Who sends a form, by the session cookie: from a page of Drover's own, with the proof that this page had.
    pub(super) fn in_form(&self, asked: &Asked) -> Result<Caller, Answer> {
        let caller = self.in_browser(asked).ok_or_else(|| answer::to("/login"))?;
        let cookie = cookies::read(&asked.headers, cookies::SESSION).unwrap_or_default();
        if !asked.is_own_page() || !self.signin.keys.is_proof(FORM, cookie, asked.form("csrf")) {
            return Err(foreign());
        }
        Ok(caller)
    }

    /// What the forms of a browser without a session carry, and the cookie that it is proved by.
    pub(super) fn before_session(&self, asked: &Asked) -> Option<(String, Option<HeaderValue>)> {
        if let Some(cookie) = cookies::read(&asked.headers, cookies::FORM) {
            return Some((self.signin.keys.prove(FORM, cookie), None));
        }
        let fresh = random_text()?;
        let cookie = cookies::set(cookies::FORM, &fresh, None)?;
        Some((self.signin.keys.prove(FORM, &fresh), Some(cookie)))
    }

    /// Whether a form before sign-in comes from a page of Drover's own: nobody is signed in as somebody else by a foreign page.
    pub(super) fn is_own_form(&self, asked: &Asked) -> bool {
        let cookie = cookies::read(&asked.headers, cookies::FORM);
        let proved = cookie.is_some_and(|cookie| self.signin.keys.is_proof(FORM, cookie, asked.form("csrf")));
        proved && asked.is_own_page()
    }

    /// Who calls the API: by a token, or, from a page of Drover's own, by the session cookie.
    pub(super) fn in_call(&self, asked: &Asked) -> Result<Caller, Answer> {
        let unauthorized = || answer::status(&Status::unauthorized());
        if asked.headers.contains_key(header::AUTHORIZATION) {
            // A password that a browser remembers comes with every page's requests.
            if asked.headers.contains_key(header::ORIGIN) && is_basic(&asked.headers) && !asked.is_own_page() {
                return Err(foreign());
            }
            let token = credential::read_authorization(&asked.headers).ok().flatten().ok_or_else(unauthorized)?;
            return self.caller(token.expose(), String::new()).ok_or_else(unauthorized);
        }
        let caller = self.in_browser(asked).ok_or_else(unauthorized)?;
        if asked.method != Method::GET && !asked.is_own_page() {
            return Err(foreign());
        }
        Ok(caller)
    }

    fn caller(&self, token: &str, csrf: String) -> Option<Caller> {
        let world = self.signin.world.load();
        let now = Timestamp::now();
        let identity = Identity::of(&Presented::Token(TokenHash::of(token)), &world, now).ok()?;
        let Credential::Token(row) = &identity.credential else { return None };
        row.used.raise(now);
        let (user, token) = (Arc::clone(&identity.user), Arc::clone(row));
        Some(Caller { user, token, identity, world, csrf })
    }
}

/// H14: a page of another origin asks.
pub(super) fn foreign() -> Answer {
    answer::status(&Status::forbidden("", "", "", "the form does not come from a page of this host: open it again"))
}
