//! Where people are known: directories and identity providers, all behind one trait.
//!
//! A provider says who somebody is and in which groups; it decides nothing. Everything that comes from it is checked by
//! [`Person::checked`] before it is believed: no name of a provider's ever becomes a header or a role group.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

use crate::{secret::Secret, world::input::is_group_of};

/// Groups of one person that are taken; a directory that names more has a filter missing.
pub const MAX_GROUPS: usize = 5_000;
/// Bytes of all groups of one person: an object of the plane must hold them.
pub const MAX_GROUP_BYTES: usize = 512 * 1024;
/// Bytes of one principal.
pub const MAX_PRINCIPAL: usize = 1024;

/// A place where people are known.
pub trait Provider: fmt::Debug + Send + Sync {
    /// The name of its `AuthConfig`, which begins its principals: `<name>_user://<id>`, `<name>_group://<id>` (GitHub also has
    /// `<name>_org://<id>` and `<name>_team://<id>`).
    fn name(&self) -> &str;

    /// What a sign-in begins with.
    fn method(&self) -> Method;

    /// Where a browser is sent to sign in, for [`Method::Browser`].
    fn begin(&self, departure: &Departure) -> BoxFuture<'_, Result<String, ProviderError>>;

    /// Who it is that proves itself so.
    fn login(&self, proof: Proof) -> BoxFuture<'_, Result<Person, LoginError>>;

    /// Users and groups whose names begin with a term.
    fn search(&self, query: Query) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>>;

    /// The groups that a person is in, nested ones included.
    fn groups_of(&self, known: Known) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>>;

    /// What has become of a person since.
    fn refresh(&self, known: Known) -> BoxFuture<'_, Result<Standing, ProviderError>>;

    /// Whether it works as it is configured, and what it finds. `sample` is a person's login name.
    fn test(&self, sample: Option<String>) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// Where a browser is sent to end the session there too (RP-initiated logout), where there is such a place.
    fn farewell(&self, _known: &Known, _back: &str) -> Option<String> {
        None
    }

    /// Whom a logout token of the provider's is about (OpenID Connect Back-Channel Logout 1.0).
    fn back_channel(&self, _token: Secret<String>) -> BoxFuture<'_, Result<LoggedOut, LoginError>> {
        Box::pin(std::future::ready(Err(LoginError::Refused(Refused::NotSupported))))
    }
}

/// What a sign-in begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A form for user name and password.
    Password,
    /// A journey of the browser to the provider and back.
    Browser,
}

/// How a browser is sent to a provider; all of it is checked when it comes back.
#[derive(Clone, Debug)]
pub struct Departure {
    /// Where it comes back to: exactly as it is registered at the provider.
    pub redirect_uri: String,
    /// Random, and bound to the browser (RFC 6749, 10.12).
    pub state: String,
    /// Random, comes back in the ID token (OpenID Connect Core 1.0, 3.1.2.1).
    pub nonce: String,
    /// The verifier whose SHA-256 is sent (RFC 7636).
    pub verifier: Secret<String>,
}

/// What proves a person.
#[derive(Clone, Debug)]
pub enum Proof {
    /// User name and password.
    Password {
        /// As it was typed.
        user: String,
        /// As it was typed; never empty.
        password: Secret<String>,
    },
    /// What a browser brought back.
    Callback {
        /// The authorization code.
        code: Secret<String>,
        /// `iss` of the answer, where it has one (RFC 9207).
        issuer: Option<String>,
        /// How it was sent out.
        departure: Departure,
    },
}

/// A user or a group of a provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// `<provider>_user://<id>` or `<provider>_group://<id>`.
    pub id: Arc<str>,
    /// Which of the two.
    pub kind: PrincipalKind,
    /// For people to read.
    pub display_name: String,
    /// What is typed to sign in; empty for a group.
    pub login_name: String,
}

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind {
    /// A person or a robot.
    User,
    /// A group.
    Group,
}

/// A person as a provider knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub principal: Principal,
    /// The groups that it is in, nested ones included.
    pub groups: Vec<Principal>,
    /// What never belongs to anybody else, also not after a removal: `objectGUID`, `entryUUID`. `None` where the principal itself
    /// is such.
    pub unique_id: Option<String>,
    /// For people to read; proves nothing.
    pub email: Option<String>,
    /// What the provider gave to ask again with: a refresh token.
    pub grant: Option<Secret<String>>,
    /// The session at the provider (`sid`), by which it tells of its end.
    pub session: Option<String>,
}

/// A person who signed in before.
#[derive(Clone, Debug)]
pub struct Known {
    /// The principal.
    pub principal: Arc<str>,
    /// What was typed to sign in.
    pub login_name: String,
    /// See [`Person::unique_id`].
    pub unique_id: Option<String>,
    /// See [`Person::grant`].
    pub grant: Option<Secret<String>>,
}

/// What a provider says of a person who signed in before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there, in these groups.
    Present(Box<Person>),
    /// It is not there any more, or is another one of the same name.
    Gone,
    /// It is there and must not sign in.
    Disabled,
    /// It cannot be asked about without the person.
    Unknown,
}

/// Whom a provider ended a session of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedOut {
    /// The person, where it is said.
    pub principal: Option<Arc<str>>,
    /// The session, where it is said; without one all of the person's.
    pub session: Option<String>,
}

/// What is searched.
#[derive(Clone, Debug)]
pub struct Query {
    /// What names begin with; never empty.
    pub term: String,
    /// Only these; both where `None`.
    pub kind: Option<PrincipalKind>,
    /// At most so many.
    pub limit: usize,
}

/// What a test of a provider found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was reached, such as `ldaps://dc1.example.org:636`.
    pub server: String,
    /// How many users it shows, where it can be counted.
    pub users: Option<usize>,
    /// How many groups.
    pub groups: Option<usize>,
    /// The person asked for.
    pub sample: Option<Person>,
    /// What should be looked at.
    pub warnings: Vec<String>,
}

/// Why a provider does not do what it should: for administrators, with server, DN, attribute or claim; never with a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("provider `{provider}`: {message}")]
pub struct ProviderError {
    /// Its name.
    pub provider: String,
    /// What went wrong where.
    pub message: String,
}

impl ProviderError {
    /// `message` about `provider`.
    pub fn new(provider: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { provider: provider.into(), message: message.to_string() }
    }
}

/// Why a sign-in fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The person proves nothing; it hears no more than that.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The provider does not answer, or not as it should: nobody's fault at the login page.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// Why somebody is not let in: for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such user, or another password.
    #[error("the user name or the password is wrong")]
    Credentials,
    /// The account is disabled, locked or expired at the provider.
    #[error("the account is disabled at the provider: {0}")]
    Disabled(String),
    /// What the browser brought back proves nothing; the text names the claim.
    #[error("the answer of the provider is not believed: {0}")]
    Answer(String),
    /// The provider knows no such thing.
    #[error("the provider does not do that")]
    NotSupported,
}

impl Person {
    /// The person without anything that could be mistaken for something else: groups of other providers, with control
    /// characters, or too long are left out, as are those beyond [`MAX_GROUPS`].
    ///
    /// # Errors
    /// A principal that cannot be a user of `provider`'s.
    pub fn checked(mut self, provider: &str) -> Result<Self, ProviderError> {
        let user = if provider == "local" { "local://".to_owned() } else { format!("{provider}_user://") };
        let id = &self.principal.id;
        if id.strip_prefix(&user).is_none_or(str::is_empty) || !is_plain(id) {
            let id: String = id.chars().take(80).collect();
            return Err(ProviderError::new(provider, format!("`{}` cannot be the id of a person", id.escape_debug())));
        }
        self.groups
            .retain(|one| one.kind == PrincipalKind::Group && is_group_of(provider, &one.id) && is_plain(&one.id));
        self.groups.sort_unstable();
        self.groups.dedup_by(|one, other| one.id == other.id);
        let mut bytes = 0;
        let fits = |group: &&Principal| {
            bytes += group.id.len();
            bytes <= MAX_GROUP_BYTES
        };
        let taken = self.groups.iter().take(MAX_GROUPS).take_while(fits).count();
        if taken < self.groups.len() {
            tracing::warn!(
                provider,
                principal = %self.principal.id,
                groups = self.groups.len(),
                taken,
                "a person is in more groups than are taken: set a group filter"
            );
            self.groups.truncate(taken);
        }
        for text in [&mut self.principal.display_name, &mut self.principal.login_name] {
            *text = plain(text);
        }
        self.email = self.email.map(|email| plain(&email));
        Ok(self)
    }
}

/// Whether a principal is no more than one line of bounded length.
fn is_plain(id: &str) -> bool {
    id.len() <= MAX_PRINCIPAL && !id.chars().any(char::is_control)
}

/// A text for people, in one line.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: &str) -> Principal {
        Principal { id: id.into(), kind: PrincipalKind::Group, display_name: String::new(), login_name: String::new() }
    }

    fn person(id: &str, groups: Vec<Principal>) -> Person {
        let principal = Principal {
            id: id.into(),
            kind: PrincipalKind::User,
            display_name: "Ann\r\nExample".to_owned(),
            login_name: "ann".to_owned(),
        };
        Person { principal, groups, unique_id: None, email: None, grant: None, session: None }
    }

    /// H9: groups called `system:masters` or like a role group, with CR LF, of 64 KiB, 6,000 of them.
    #[test]
    fn what_a_provider_says_is_taken_as_far_as_it_can_only_be_its_own() {
        let long = format!("corp_group://{}", "x".repeat(64 * 1024));
        let mut groups = vec![
            group("system:masters"),
            group("drover:c-1:cluster:cluster-owner"),
            group("other_group://dev"),
            group("corp_group://"),
            group("corp_group://a\r\nImpersonate-User: admin"),
            group(&long),
            group("corp_group://system:masters"),
            group("corp_org://7"),
            group("corp_orgs://7"),
        ];
        let taken = person("corp_user://ann", groups.clone()).checked("corp").unwrap();
        let ids: Vec<&str> = taken.groups.iter().map(|group| &*group.id).collect();
        // As a principal it is a name like any other: it matches only a binding of this very principal.
        assert_eq!(ids, ["corp_group://system:masters", "corp_org://7"]);
        assert_eq!(taken.principal.display_name, "AnnExample");

        groups.extend((0..6_000).map(|n| group(&format!("corp_group://{n}"))));
        assert_eq!(person("corp_user://ann", groups).checked("corp").unwrap().groups.len(), MAX_GROUPS);
        let long = (0..2_000).map(|n| group(&format!("corp_group://{n}{}", "x".repeat(1_000)))).collect();
        assert!(person("corp_user://ann", long).checked("corp").unwrap().groups.len() < 600);
    }

    #[test]
    fn a_person_of_another_provider_or_of_none_is_refused() {
        for id in ["other_user://ann", "corp_user://", "corp_user://a\nb", "ann", "corp_group://ann", "local://admin"] {
            let error = person(id, Vec::new()).checked("corp").unwrap_err();
            assert!(error.to_string().starts_with("provider `corp`: `"), "{error}");
        }
    }
}
