//! Sign-in: from a proof at a provider to a session, and what a session may do with itself.
//!
//! Nothing here is on the way of a request to a cluster. A session is a Token of the management plane; the gateway knows it a
//! moment after it was written, and refuses it a moment after it was deleted.

pub mod attempts;
pub mod bearer;
pub mod hasher;
pub mod health;
pub mod keys;
pub mod local;
pub mod people;
pub mod providers;
pub mod sessions;
pub mod settings;
pub mod upkeep;

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use jiff::Timestamp;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use self::{
    attempts::{Attempts, Wait},
    bearer::Bearer,
    hasher::Hasher,
    health::Health,
    keys::Keys,
    local::Local,
    people::{NotAdmitted, People},
    providers::{Entry, Providers},
    sessions::{Issued, SessionError, Sessions, Wanted},
};
use crate::{
    config::address::Check,
    identity::provider::{LoggedOut, LoginError, Person, Proof, Refused},
    management::passwords::{self, PasswordError},
    modules::User,
    secret::Secret,
    world::{Watch, input::TokenKind, rows::UserRow},
};

/// What sign-in acts as in the management plane.
pub const IDENTITY: &str = "drover:signin";
/// Bytes of a user name.
const LONGEST_NAME: usize = 256;

/// Why somebody is not signed in. What the person is told is less: [`Denied::told`].
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// There is no such provider, or it is off.
    #[error("there is no provider `{0}`")]
    NoProvider(String),
    /// Too many attempts.
    #[error(transparent)]
    Wait(#[from] Wait),
    /// It proves nothing, or the provider fails.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// It is somebody who may not.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The password is to be changed first.
    #[error("the password of User `{0}` must be changed")]
    MustChange(Arc<str>),
    /// The new password is none.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There is no session.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Denied {
    /// What the person hears: whether to try again, to wait, or to ask the administrator. Never which of name and password was
    /// wrong, or whether there is such a user.
    pub fn told(&self) -> String {
        match self {
            Self::Wait(wait) => format!("Too many attempts. Try again in {} seconds.", wait.0.as_secs().max(1)),
            Self::MustChange(_) => "Your password must be changed before you can go on.".to_owned(),
            Self::Password(PasswordError::Plane { .. }) => {
                "It does not work at this moment. Try again later.".to_owned()
            }
            Self::Password(error) => format!("That password cannot be taken: {error}."),
            Self::Login(LoginError::Refused(Refused::Answer(_))) => {
                "Sign-in failed. Begin again from the first page.".to_owned()
            }
            Self::Login(LoginError::Refused(_)) | Self::NotAdmitted(NotAdmitted::Disabled(_)) => {
                "Sign-in failed. Check the user name and the password.".to_owned()
            }
            Self::NotAdmitted(NotAdmitted::Session(_)) | Self::Session(_) | Self::Login(LoginError::Provider(_)) => {
                "Sign-in does not work at this moment. Try again later, or in another way.".to_owned()
            }
            Self::NotAdmitted(_) => "You may not sign in here. Ask your administrator.".to_owned(),
            Self::NoProvider(_) => "This way to sign in is not offered.".to_owned(),
        }
    }

    /// The status code that goes with it.
    pub const fn code(&self) -> StatusCode {
        match self {
            Self::Wait(_) | Self::Password(PasswordError::Busy) => StatusCode::TOO_MANY_REQUESTS,
            Self::Login(LoginError::Refused(_)) | Self::NotAdmitted(NotAdmitted::Disabled(_)) => {
                StatusCode::UNAUTHORIZED
            }
            Self::NotAdmitted(NotAdmitted::Session(_))
            | Self::Session(_)
            | Self::Login(LoginError::Provider(_))
            | Self::Password(PasswordError::Plane { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotAdmitted(_) | Self::MustChange(_) => StatusCode::FORBIDDEN,
            Self::Password(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoProvider(_) => StatusCode::NOT_FOUND,
        }
    }
}

/// Somebody who has just proved who it is.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The User.
    pub user: Arc<UserRow>,
    /// The provider.
    pub provider: Arc<str>,
    /// The principal; empty where the proof was a session.
    pub principal: Arc<str>,
    /// The session at the provider.
    pub provider_session: Option<String>,
}

/// Sign-in of one replica.
pub struct SignIn {
    /// Speaks as [`IDENTITY`].
    pub client: Client,
    /// The current world.
    pub world: Watch,
    /// The enabled providers.
    pub providers: Providers,
    /// Tokens.
    pub sessions: Sessions,
    /// Users.
    pub people: People,
    /// Passwords.
    pub local: Local,
    /// What only this fleet can read.
    pub keys: Keys,
    /// How often somebody tries.
    pub attempts: Attempts,
    /// Which providers answer.
    pub health: Health,
    /// ID tokens as bearer credentials.
    pub bearer: Bearer,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("providers", &self.providers).finish_non_exhaustive()
    }
}

impl SignIn {
    /// Starts on the plane that `client` speaks to; `addresses` says where providers may be.
    ///
    /// # Errors
    /// Keys that cannot be had; a system that gives no thread.
    pub async fn start(
        client: Client,
        world: Watch,
        addresses: Check,
        control: &tokio::runtime::Handle,
    ) -> Result<Arc<Self>, keys::KeysError> {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get() / 2).clamp(1, 8);
        let hasher = Hasher::start(threads).map_err(keys::KeysError::Thread)?;
        let keys = Keys::of(&client).await?;
        let local = Local::new(client.clone(), world.clone(), hasher);
        let tokens = bearer::tokens(&addresses);
        let providers = Providers::follow(&client, local.clone(), Arc::clone(&tokens), addresses);
        let sessions = Sessions::new(client.clone(), world.clone());
        let people = People::new(client.clone(), world.clone(), sessions.clone());
        let health = Health::new(providers.clone())?;
        let attempts = Attempts::default();
        let bearer = Bearer::new(
            tokens,
            providers.clone(),
            people.clone(),
            sessions.clone(),
            local.hasher().clone(),
            control.clone(),
        );
        Ok(Arc::new(Self { client, world, providers, sessions, people, local, keys, attempts, health, bearer }))
    }

    /// Signs somebody in with user name and password. `known` says that this browser did so before; `new` is the password that is to
    /// take the place of one that must be changed.
    ///
    /// # Errors
    /// Whatever keeps it out.
    pub async fn by_password(
        &self,
        provider: &str,
        user: &str,
        password: Secret<String>,
        new: Option<&Secret<String>>,
        source: IpAddr,
        known: bool,
    ) -> Result<SignedIn, Denied> {
        let entry = self.providers.get(provider).ok_or_else(|| Denied::NoProvider(shown(provider)))?;
        let old = new.is_some().then(|| password.clone());
        let person = self.try_password(&entry, user, password, source, known).await?;
        let signed = self.admitted(&entry, &person).await?;
        if *entry.name == *local::NAME {
            self.change_where_needed(&signed.user, old.as_ref(), new).await?;
        }
        Ok(signed)
    }

    /// Who it is, by user name and password; attempts are counted by name, whether there is such a user or not.
    ///
    /// # Errors
    /// Too many attempts, another password, a provider that fails.
    pub async fn try_password(
        &self,
        entry: &Entry,
        user: &str,
        password: Secret<String>,
        source: IpAddr,
        known: bool,
    ) -> Result<Person, Denied> {
        let name = attempt(&entry.name, user);
        self.attempts.admit(&name, source, known, Instant::now())?;
        let is_name = !user.is_empty() && user.len() <= LONGEST_NAME && !user.chars().any(char::is_control);
        let is_password = (1..=passwords::LONGEST).contains(&password.expose().len());
        let proved = if is_name && is_password {
            self.prove(entry, Proof::Password { user: user.to_owned(), password }).await
        } else {
            Err(Refused::Credentials.into())
        };
        match &proved {
            Ok(_) => self.attempts.succeeded(&name, source, known),
            Err(LoginError::Refused(_)) => self.attempts.failed(&name, source, known, Instant::now()),
            Err(LoginError::Provider(_)) => {}
        }
        Ok(proved?)
    }

    /// Who it is that proves itself so at a provider.
    ///
    /// # Errors
    /// It proves nothing, or the provider fails: then its health says so.
    pub async fn prove(&self, entry: &Entry, proof: Proof) -> Result<Person, LoginError> {
        let person = match &entry.provider {
            Ok(provider) => provider.login(proof).await.and_then(|person| Ok(person.checked(&entry.name)?)),
            Err(error) => Err(error.clone().into()),
        };
        match &person {
            Ok(_) | Err(LoginError::Refused(_)) => self.health.note(&entry.name, None),
            Err(LoginError::Provider(error)) => self.health.note(&entry.name, Some(error)),
        }
        person
    }

    /// Lets a proven person in.
    ///
    /// # Errors
    /// Somebody who may not.
    pub async fn admitted(&self, entry: &Entry, person: &Person) -> Result<SignedIn, Denied> {
        let user = self.people.admit(entry, person, Timestamp::now()).await?;
        Ok(SignedIn {
            user,
            provider: Arc::clone(&entry.name),
            principal: Arc::clone(&person.principal.id),
            provider_session: person.session.clone(),
        })
    }

    /// Changes the password where it must be and a new one is given.
    async fn change_where_needed(
        &self,
        user: &UserRow,
        old: Option<&Secret<String>>,
        new: Option<&Secret<String>>,
    ) -> Result<(), Denied> {
        let object = Api::<User>::all(self.client.clone()).get_opt(&user.name).await.map_err(SessionError::from)?;
        if object.is_none_or(|user| user.spec.must_change_password != Some(true)) {
            return Ok(());
        }
        let (Some(old), Some(new)) = (old, new) else { return Err(Denied::MustChange(Arc::clone(&user.name))) };
        self.set_password(user, old, new).await
    }

    /// Sets a new password that its owner chose; `old` is the one before, which was proved.
    ///
    /// # Errors
    /// A password that is none; a plane that refuses.
    pub async fn set_password(&self, user: &UserRow, old: &Secret<String>, new: &Secret<String>) -> Result<(), Denied> {
        let shortest = self.providers.settings().password_length();
        passwords::acceptable(new.expose(), &[&user.username, &user.name], shortest)?;
        if old == new {
            return Err(PasswordError::Same.into());
        }
        self.local.set(user, new).await?;
        let change = json!({"mustChangePassword": false});
        let users = Api::<User>::all(self.client.clone());
        let patched = users.patch(&user.name, &PatchParams::default(), &Patch::Merge(&change)).await;
        Ok(patched.map(drop).map_err(SessionError::from)?)
    }

    /// Ends what a provider says is over: one session, or all that somebody has by it.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn logged_out(&self, provider: &str, out: &LoggedOut) -> Result<usize, SessionError> {
        if let Some(session) = &out.session {
            return self.sessions.end_provider_session(provider, session).await;
        }
        let world = self.world.load();
        let user = out.principal.as_ref().and_then(|principal| world.user_by_principal(principal));
        let Some(user) = user else { return Ok(0) };
        self.sessions.end_all(&user.name, |token| token.provider.as_deref() == Some(provider)).await
    }

    /// A session of a browser.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn session(&self, signed: &SignedIn, description: &str) -> Result<Issued, Denied> {
        let settings = self.providers.settings();
        self.issue(signed, None, TokenKind::Session, settings.session(), settings.idle(), description).await
    }

    /// A token of some kind for somebody who signed in; with a `name` the only one that is ever called so.
    ///
    /// # Errors
    /// A plane that refuses.
    pub async fn issue(
        &self,
        signed: &SignedIn,
        name: Option<&str>,
        kind: TokenKind,
        ttl: Duration,
        idle: Option<Duration>,
        description: &str,
    ) -> Result<Issued, Denied> {
        let wanted = Wanted {
            name,
            user: &signed.user.name,
            kind,
            ttl: Some(ttl),
            idle,
            description,
            provider: &signed.provider,
            principal: &signed.principal,
            provider_session: signed.provider_session.as_deref(),
            ..Wanted::default()
        };
        Ok(self.sessions.issue(&wanted, &self.providers.settings(), Timestamp::now()).await?)
    }
}

/// What a stranger typed, as it may stand in a log: the beginning of it, in one line.
pub fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// What attempts at a name are counted under. What is too long to be a name is remembered in short: whoever tries such must not fill
/// the memory with them.
pub fn attempt(provider: &str, user: &str) -> String {
    let user: String = user.chars().take(LONGEST_NAME).flat_map(char::to_lowercase).collect();
    format!("{provider}\0{user}")
}

#[cfg(test)]
mod tests {
    use super::{attempt, shown};

    #[test]
    fn attempts_at_a_name_are_counted_together_however_it_is_written() {
        assert_eq!(attempt("corp", "ANN"), attempt("corp", "ann"));
        assert_ne!(attempt("corp", "ann"), attempt("local", "ann"));
        assert!(attempt("corp", &"x".repeat(60_000)).len() < 300);
    }

    #[test]
    fn what_a_stranger_types_is_shown_in_one_short_line() {
        assert_eq!(shown("corp\r\nmade up\u{1b}[31m"), "corpmade up[31m");
        assert_eq!(shown(&"ä".repeat(60_000)).chars().count(), 80);
    }
}
