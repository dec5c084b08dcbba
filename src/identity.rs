//! Who calls: from what a client presents to a user of the world. No IO, no lock, no write.

pub mod account;
pub mod certificate;
pub mod provider;
pub mod providers;
pub mod salted;
pub mod signed;

use std::sync::Arc;

use jiff::Timestamp;

pub use account::{Accounts, ServiceAccount};
pub use certificate::PeerCertificate;
pub use signed::Verifier;

use self::providers::jwt::IdToken;
use crate::world::{
    TokenHash, World,
    input::{Subject, TokenKind},
    rows::{SubjectId, TokenRow, UserRow},
};

/// What a client presents; kept with an open stream, so that it can be judged again.
#[derive(Clone, Debug)]
pub enum Presented {
    /// A token's hash: the text itself is not kept.
    Token(TokenHash),
    /// A client certificate that the TLS layer verified.
    Certificate(Arc<PeerCertificate>),
    /// A token of a service account, which the management plane verified.
    Account(Arc<ServiceAccount>),
    /// An ID token, which the keys of its issuer verified.
    IdToken(Arc<IdToken>),
}

/// An authenticated caller.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The user.
    pub user: Arc<UserRow>,
    /// What proved it.
    pub credential: Credential,
}

/// The row or certificate that proved an identity.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A token.
    Token(Arc<TokenRow>),
    /// A client certificate, with its groups as bindings name them.
    Certificate(Arc<PeerCertificate>, Arc<[SubjectId]>),
    /// A token of a service account.
    Account(Arc<ServiceAccount>),
    /// An ID token, with its groups as bindings name them.
    IdToken(Arc<IdToken>, Arc<[SubjectId]>),
}

/// Why a credential proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// No token has this hash, or no user this principal.
    #[error("the credential is not known")]
    Unknown,
    /// A token that may be one, and has to be verified first.
    #[error("the credential is not known")]
    NotVerified,
    /// Its time is over, or has not come.
    #[error("the credential has expired")]
    Expired,
    /// The token was disabled.
    #[error("the credential is disabled")]
    Disabled,
    /// The provider that it came from is gone or was disabled.
    #[error("the provider of the credential is disabled")]
    ProviderDisabled,
    /// Its user is gone or was disabled.
    #[error("the user is disabled")]
    UserDisabled,
    /// The identity that its user signed in with is not the user's any more.
    #[error("the identity of the credential is not its user's any more")]
    IdentityGone,
}

impl Identity {
    /// Judges what a client presents against `world` at `now`.
    pub fn of(presented: &Presented, world: &World, now: Timestamp) -> Result<Self, Unauthenticated> {
        match presented {
            Presented::Token(hash) => Self::of_token(hash, world, now),
            Presented::Certificate(certificate) => Self::of_certificate(certificate, world, now),
            Presented::Account(account) if account.expires_at <= now => Err(Unauthenticated::Expired),
            Presented::Account(account) if !(account.holds)() => Err(Unauthenticated::Unknown),
            Presented::Account(account) => Ok(Self::of_account(account)),
            Presented::IdToken(token) => Self::of_id_token(token, world, now),
        }
    }

    /// The caller's subjects: the user, its principals, the groups of its providers and of its credential, and every group
    /// that one of these is in. One may come more than once.
    pub fn subjects<'a>(&'a self, world: &'a World) -> impl Iterator<Item = SubjectId> + 'a {
        let groups: &[SubjectId] = match &self.credential {
            Credential::Token(token) => &token.groups,
            Credential::Certificate(_, groups) | Credential::IdToken(_, groups) => groups,
            Credential::Account(_) => &[],
        };
        world.membership().with_groups(self.user.own().chain(groups.iter().copied()))
    }

    /// When the credential ends by itself.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match &self.credential {
            Credential::Token(token) => token.ends_at(),
            Credential::Certificate(certificate, _) => Some(certificate.not_after),
            Credential::Account(account) => Some(account.expires_at),
            Credential::IdToken(token, _) => Some(token.expires_at),
        }
    }

    /// The only cluster that the credential works in.
    pub fn scope(&self) -> Option<&Arc<str>> {
        match &self.credential {
            Credential::Token(token) => token.cluster.as_ref(),
            Credential::Certificate(..) | Credential::Account(_) | Credential::IdToken(..) => None,
        }
    }

    /// The service account, if the caller is one.
    pub const fn account(&self) -> Option<&Arc<ServiceAccount>> {
        match &self.credential {
            Credential::Account(account) => Some(account),
            Credential::Token(_) | Credential::Certificate(..) | Credential::IdToken(..) => None,
        }
    }

    /// A service account whose token was judged at this moment.
    pub fn of_account(account: &Arc<ServiceAccount>) -> Self {
        Self { user: Arc::clone(&account.user), credential: Credential::Account(Arc::clone(account)) }
    }

    fn of_token(hash: &TokenHash, world: &World, now: Timestamp) -> Result<Self, Unauthenticated> {
        let token = world.token(hash).ok_or(Unauthenticated::Unknown)?;
        // Of a salted one nobody has shown it yet, so nobody can know the hash that it stands under.
        if token.salted.is_some() || token.kind == TokenKind::Refresh {
            return Err(Unauthenticated::Unknown);
        }
        let user = Arc::clone(owner(token, world, now)?);
        Ok(Self { user, credential: Credential::Token(Arc::clone(token)) })
    }

    fn of_id_token(token: &Arc<IdToken>, world: &World, now: Timestamp) -> Result<Self, Unauthenticated> {
        if !token.holds(now) {
            return Err(Unauthenticated::Expired);
        }
        if !world.provider_is_enabled(&token.provider) {
            return Err(Unauthenticated::ProviderDisabled);
        }
        let user = world.user_by_principal(&token.principal).ok_or(Unauthenticated::Unknown)?;
        if !user.enabled {
            return Err(Unauthenticated::UserDisabled);
        }
        let groups = token.groups.iter().filter_map(|group| world.subject(&Subject::of_principal(group))).collect();
        Ok(Self { user: Arc::clone(user), credential: Credential::IdToken(Arc::clone(token), groups) })
    }

    fn of_certificate(
        certificate: &Arc<PeerCertificate>,
        world: &World,
        now: Timestamp,
    ) -> Result<Self, Unauthenticated> {
        // A connection outlives the moment at which TLS looked at the authorities and the dates.
        if certificate.is_withdrawn() {
            return Err(Unauthenticated::Unknown);
        }
        if certificate.not_after <= now || now < certificate.not_before {
            return Err(Unauthenticated::Expired);
        }
        let user = world.user_by_principal(&certificate.principal).ok_or(Unauthenticated::Unknown)?;
        if !user.enabled {
            return Err(Unauthenticated::UserDisabled);
        }
        let groups = certificate
            .group_principals
            .iter()
            .filter_map(|group| world.subject(&Subject::GroupPrincipal(Arc::clone(group))))
            .collect();
        Ok(Self { user: Arc::clone(user), credential: Credential::Certificate(Arc::clone(certificate), groups) })
    }
}

/// Whose a token is, if it still is what it was made as: of whatever kind, in whatever hands.
///
/// # Errors
/// It has ended, was disabled, or what it came from has gone: the user, its provider, the user's identity there.
pub fn owner<'a>(token: &TokenRow, world: &'a World, now: Timestamp) -> Result<&'a Arc<UserRow>, Unauthenticated> {
    if !token.enabled {
        return Err(Unauthenticated::Disabled);
    }
    if token.ends_at().is_some_and(|end| end <= now) {
        return Err(Unauthenticated::Expired);
    }
    if token.provider.as_ref().is_some_and(|provider| !world.provider_is_enabled(provider)) {
        return Err(Unauthenticated::ProviderDisabled);
    }
    let user = world.user(&token.user).filter(|user| user.enabled).ok_or(Unauthenticated::UserDisabled)?;
    if token.principal.is_some_and(|principal| !user.subjects.contains(&principal)) {
        return Err(Unauthenticated::IdentityGone);
    }
    Ok(user)
}
