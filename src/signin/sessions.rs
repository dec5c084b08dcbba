//! Tokens and sessions: made here with their hashes, listed, ended. A session is a token like any other, and lives in the plane.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde_json::{Value, json};

use super::{keys::random, settings::Settings};
use crate::{
    modules::{HASHED, KIND_LABEL, SESSION_LABEL, Token, TokenSpec, USER_LABEL},
    secret::Secret,
    world::{TokenHash, Watch, World, input::TokenKind, rows::TokenRow},
};

/// The session at the provider that a token belongs to: a hash, since it may be anything.
const PROVIDER_SESSION_LABEL: &str = "drover.io/provider-session";
/// When the session of a refresh token ends: the token itself ends soon after it was exchanged.
const SESSION_END: &str = "drover.io/session-ends";
/// How long it may take until this replica knows what it has just written.
const KNOWN: Duration = Duration::from_secs(10);
/// How often the world is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(2);
/// A refresh token that was exchanged lives on so long: the answer may have been lost.
const GRACE: Duration = Duration::from_mins(1);

/// How many times as many tokens as a user may have there may be with those that its sessions have made.
const OF_SESSIONS: usize = 5;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The user has as many as it may.
    #[error("user `{user}` has {most} tokens already, as many as `auth-tokens-per-user` allows: delete one first")]
    TooMany {
        /// Whose.
        user: String,
        /// The limit.
        most: usize,
    },
    /// It may not live so long.
    #[error("ttl: a token may live {} minutes at most (`auth-token-max-ttl-minutes`)", .0.as_secs() / 60)]
    TooLong(Duration),
    /// The plane refuses.
    #[error("the management plane does not take it: {0}")]
    Plane(#[from] Box<kube::Error>),
    /// It was written, and does not come back.
    #[error("the management plane has not shown the new object in time")]
    NotSeen,
    /// The system gives no randomness.
    #[error("the system has no randomness")]
    Random,
    /// There was one for this once already.
    #[error("there is a token `{0}` already")]
    Twice(String),
}

impl From<kube::Error> for SessionError {
    fn from(error: kube::Error) -> Self {
        Self::Plane(Box::new(error))
    }
}

/// What a token is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// What it is called, where there must not be two: random where `None`.
    pub name: Option<&'a str>,
    /// Whose.
    pub user: &'a str,
    /// What for.
    pub kind: TokenKind,
    /// How long it lives; for ever where `None` and the settings allow it.
    pub ttl: Option<Duration>,
    /// How long it may be unused.
    pub idle: Option<Duration>,
    /// The only cluster that it works in.
    pub cluster: Option<&'a str>,
    /// For people to read.
    pub description: &'a str,
    /// The provider that the user signed in with.
    pub provider: &'a str,
    /// The principal that it signed in as.
    pub principal: &'a str,
    /// The session that it belongs to, where it does not begin one.
    pub session: Option<&'a str>,
    /// The session at the provider.
    pub provider_session: Option<&'a str>,
}

/// A new token.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The object's name.
    pub name: String,
    /// The token itself: nobody can read it again.
    pub text: Secret<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Tokens of the plane.
#[derive(Clone)]
pub struct Sessions {
    client: Client,
    world: Watch,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// A hash as a Token object has it.
pub fn hash_text(TokenHash(hash): TokenHash) -> String {
    use fmt::Write as _;
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a kind is called in the label.
pub const fn kind_name(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Api => "api",
        TokenKind::Session => "session",
        TokenKind::Kubeconfig => "kubeconfig",
        TokenKind::Refresh => "refresh",
    }
}

impl Sessions {
    /// Of the plane that `client` speaks to as [`super::IDENTITY`].
    pub const fn new(client: Client, world: Watch) -> Self {
        Self { client, world }
    }

    fn api(&self) -> Api<Token> {
        Api::all(self.client.clone())
    }

    /// Makes a token. When this returns this replica takes it.
    ///
    /// # Errors
    /// Too many, too long a life, a plane that refuses.
    pub async fn issue(
        &self,
        wanted: &Wanted<'_>,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Issued, SessionError> {
        let ttl = match (wanted.kind, wanted.ttl, settings.longest()) {
            (TokenKind::Api, Some(ttl), Some(longest)) if ttl > longest => return Err(SessionError::TooLong(longest)),
            (TokenKind::Api, None, longest) => longest,
            (_, ttl, _) => ttl,
        };
        self.make_room(wanted, settings.tokens_per_user(), now).await?;
        let secret = random::<32>().ok_or(SessionError::Random)?;
        let text = format!("drover_{}", BASE64_URL_SAFE_NO_PAD.encode(secret));
        let name = match wanted.name {
            Some(name) => name.to_owned(),
            None => format!("token-{}", suffix().ok_or(SessionError::Random)?),
        };
        let end = ttl.and_then(|ttl| now.checked_add(SignedDuration::try_from(ttl).ok()?).ok());
        let end = end.and_then(|end| end.round(jiff::Unit::Second).ok());
        let hash = TokenHash::of(&text);
        let mut labels = BTreeMap::from([
            (USER_LABEL.to_owned(), wanted.user.to_owned()),
            (KIND_LABEL.to_owned(), kind_name(wanted.kind).to_owned()),
        ]);
        if let Some(session) = wanted.session {
            labels.insert(SESSION_LABEL.to_owned(), session.to_owned());
        }
        if let Some(session) = wanted.provider_session {
            labels.insert(PROVIDER_SESSION_LABEL.to_owned(), provider_session(wanted.provider, session));
        }
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let token = Token {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(labels),
                annotations: end
                    .filter(|_| wanted.kind == TokenKind::Refresh)
                    .map(|end| BTreeMap::from([(SESSION_END.to_owned(), end.to_string())])),
                ..ObjectMeta::default()
            },
            spec: TokenSpec {
                token: hash_text(hash),
                user_id: wanted.user.to_owned(),
                cluster_name: wanted.cluster.map(str::to_owned),
                expires_at: end.map(|end| end.to_string()),
                idle_ttl: wanted.idle.and_then(|idle| i64::try_from(idle.as_millis()).ok()),
                enabled: Some(true),
                description: some(wanted.description),
                auth_provider: some(wanted.provider),
                user_principal: some(wanted.principal).map_or(Value::Null, Value::String),
                provider_info: wanted.provider_session.map_or(Value::Null, |session| json!({"sid": session})),
                is_derived: Some(wanted.session.is_some()),
                ..TokenSpec::default()
            },
        };
        match self.api().create(&PostParams::default(), &token).await {
            Err(kube::Error::Api(status)) if status.code == 409 && wanted.name.is_some() => {
                return Err(SessionError::Twice(name));
            }
            made => drop(made?),
        }
        self.seen(|world| world.token(&hash).is_some()).await?;
        Ok(Issued { name, text: Secret::new(text), expires_at: end })
    }

    /// A person with too many sessions loses the one that was not used for the longest time: nobody is to be shut out by their own
    /// forgotten browsers. Programs are told.
    async fn make_room(&self, wanted: &Wanted<'_>, most: usize, now: Timestamp) -> Result<(), SessionError> {
        // Those of a session come and go with it; but whoever refreshes in a loop must not fill the plane.
        let most = if wanted.session.is_some() { most.saturating_mul(OF_SESSIONS) } else { most };
        let world = self.world.load();
        let live = |token: &&Arc<TokenRow>| token.ends_at().is_none_or(|end| end > now);
        let mut own: Vec<&Arc<TokenRow>> = world.tokens_of(wanted.user).filter(live).collect();
        if own.len() < most {
            return Ok(());
        }
        let full = || SessionError::TooMany { user: wanted.user.to_owned(), most };
        let is_session = |kind| matches!(kind, TokenKind::Session | TokenKind::Refresh);
        if wanted.session.is_some() || !is_session(wanted.kind) {
            return Err(full());
        }
        own.retain(|token| is_session(token.kind));
        own.sort_by_key(|token| token.used.get());
        let oldest = own.first().ok_or_else(full)?;
        match self.get(&oldest.name).await? {
            Some(object) => self.end(&session_of(&object)).await,
            None => Ok(()),
        }
    }

    /// Ends a token and all that came from it. When this returns this replica refuses them.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn end(&self, name: &str) -> Result<(), SessionError> {
        let selector = format!("{SESSION_LABEL}={name}");
        let mut names = self.labelled(&selector).await?;
        // Last: where this is interrupted the session is still listed.
        names.push(name.to_owned());
        // Again, for what was made of it meanwhile: whoever makes more looks afterwards whether it still is.
        while !names.is_empty() {
            self.delete(&names).await?;
            names = self.labelled(&selector).await?;
        }
        Ok(())
    }

    /// Ends all tokens of a user that `which` says.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn end_all(&self, user: &str, which: impl Fn(&TokenRow) -> bool) -> Result<usize, SessionError> {
        let mut ended = 0;
        loop {
            let world = self.world.load();
            let names: Vec<String> =
                world.tokens_of(user).filter(|token| which(token)).map(|token| token.name.to_string()).collect();
            // Until there is none: some may have been made of others meanwhile.
            if names.is_empty() {
                return Ok(ended);
            }
            self.delete(&names).await?;
            ended += names.len();
        }
    }

    /// Ends the tokens of a provider's session, whoever's they are.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn end_provider_session(&self, provider: &str, session: &str) -> Result<usize, SessionError> {
        let label = provider_session(provider, session);
        let names = self.labelled(&format!("{PROVIDER_SESSION_LABEL}={label}")).await?;
        self.delete(&names).await?;
        Ok(names.len())
    }

    async fn labelled(&self, selector: &str) -> Result<Vec<String>, SessionError> {
        let tokens = self.api().list_metadata(&ListParams::default().labels(selector)).await?.items;
        Ok(tokens.iter().map(kube::ResourceExt::name_any).collect())
    }

    async fn delete(&self, names: &[String]) -> Result<(), SessionError> {
        let api = self.api();
        let mut hashes = Vec::new();
        for name in names {
            hashes.extend(self.get(name).await?.and_then(|token| token.input().ok()).map(|input| input.hash));
            match api.delete(name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                deleted => drop(deleted?),
            }
        }
        self.seen(|world| hashes.iter().all(|hash| world.token(hash).is_none())).await
    }

    /// The salted hash of a token of Rancher's that nobody has shown yet.
    pub fn salted(&self, name: &str) -> Option<Arc<str>> {
        self.world.load().token(&TokenHash::salted(name))?.salted.clone()
    }

    /// Writes the SHA-256 of a token of Rancher's in place of its salted hash. When this returns this replica takes the token.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn bring_over(&self, name: &str, whole: &str) -> Result<(), SessionError> {
        let hash = TokenHash::of(whole);
        let change = json!({"token": hash_text(hash), "metadata": {"annotations": {HASHED: null}}});
        self.api().patch(name, &PatchParams::default(), &Patch::Merge(&change)).await?;
        tracing::info!(token = name, "a token of Rancher's is known by its SHA-256 now");
        self.seen(|world| world.token(&hash).is_some()).await
    }

    /// The object of a token.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn get(&self, name: &str) -> Result<Option<Token>, SessionError> {
        Ok(self.api().get_opt(name).await?)
    }

    /// Lets a refresh token that was exchanged end soon, and never later than it would anyhow.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn end_soon(&self, token: &TokenRow, now: Timestamp) -> Result<(), SessionError> {
        let soon = SignedDuration::try_from(GRACE).ok().and_then(|grace| now.checked_add(grace).ok()).unwrap_or(now);
        let soon = soon.round(jiff::Unit::Second).unwrap_or(soon);
        if token.expires_at.is_some_and(|end| end <= soon) {
            return Ok(());
        }
        let change = json!({"expiresAt": soon.to_string()});
        Ok(self.api().patch(&token.name, &PatchParams::default(), &Patch::Merge(&change)).await.map(drop)?)
    }

    /// The objects of a user's tokens, newest first.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn of(&self, user: &str) -> Result<Vec<Token>, SessionError> {
        let mut tokens = Vec::new();
        let names: Vec<Arc<str>> = self.world.load().tokens_of(user).map(|token| Arc::clone(&token.name)).collect();
        for name in names {
            tokens.extend(self.get(&name).await?.filter(|token| token.spec.user_id == user));
        }
        tokens.sort_by_key(|token| std::cmp::Reverse(token.creation_timestamp()));
        Ok(tokens)
    }

    /// Waits until this replica's world is as `holds` says: what was written has come back.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn seen(&self, holds: impl Fn(&World) -> bool) -> Result<(), SessionError> {
        let wait = async {
            while !holds(&self.world.load()) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(KNOWN, wait).await.map_err(|_| SessionError::NotSeen)
    }
}

/// The session that a token belongs to: itself, where it began one.
pub fn session_of(token: &Token) -> String {
    token.labels().get(SESSION_LABEL).cloned().unwrap_or_else(|| token.name_any())
}

/// The name of the session that something which is good once begins: there is one object of a name in the whole fleet.
pub fn name_of(once: &str) -> String {
    let hash = hash_text(TokenHash::of(once));
    format!("token-{}", hash.trim_start_matches("sha256:").chars().take(24).collect::<String>())
}

/// Whether a token came from a session, and goes with it.
pub fn is_derived(token: &Token) -> bool {
    token.labels().contains_key(SESSION_LABEL)
}

/// When the session of a refresh token was to end at first.
pub fn session_end(token: &Token) -> Option<Timestamp> {
    token.annotations().get(SESSION_END)?.parse().ok()
}

/// The session at the provider that a token belongs to.
pub fn provider_session_of(token: &Token) -> Option<&str> {
    token.spec.provider_info.get("sid")?.as_str()
}

/// A provider's session as a label has it.
fn provider_session(provider: &str, session: &str) -> String {
    let hash = hash_text(TokenHash::of(&format!("{provider}\0{session}")));
    hash.trim_start_matches("sha256:").chars().take(48).collect()
}

/// Characters for the end of a name.
fn suffix() -> Option<String> {
    const ALPHABET: &[u8; 32] = b"bcdfghjklmnpqrstvwxz2456789aeiou";
    let letter = |byte: u8| ALPHABET.get(usize::from(byte % 32)).copied().map(char::from);
    random::<12>()?.into_iter().map(letter).collect()
}
