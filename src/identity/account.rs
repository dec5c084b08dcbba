//! Service accounts of the management plane: somebody in the plane itself, and nobody anywhere else.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;

use crate::world::{TokenHash, input::LimitsInput, rows::UserRow};

/// Knows the tokens that the management plane signed.
pub trait Accounts: fmt::Debug + Send + Sync {
    /// The only cluster in which they prove anything: the plane.
    fn cluster(&self) -> &str;

    /// Whose a token is, if the plane takes it at this moment.
    fn of_token(&self, token: &str) -> Option<Arc<ServiceAccount>>;
}

/// A service account, as one of its tokens proves it.
pub struct ServiceAccount {
    /// The only cluster in which it is anybody.
    pub cluster: Arc<str>,
    /// The account as a user whom no binding can name.
    pub user: Arc<UserRow>,
    /// The groups that Kubernetes gives it.
    pub groups: Vec<Arc<str>>,
    /// What else is known of it, such as which token it came with.
    pub extra: BTreeMap<String, Vec<String>>,
    /// The token's hash.
    pub hash: TokenHash,
    /// From when on the token is not taken any more.
    pub expires_at: Timestamp,
    /// Whether the plane would still take the token.
    pub holds: Box<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("user", &self.user.name)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

impl ServiceAccount {
    /// A user whom no binding names: what an account may do is in the rules of its cluster alone.
    pub fn row(name: &str, uid: &str) -> UserRow {
        UserRow {
            name: name.into(),
            uid: (!uid.is_empty()).then(|| uid.into()),
            username: name.into(),
            enabled: true,
            subjects: Box::default(),
            groups: Box::default(),
            limits: LimitsInput::default(),
            usage: Arc::default(),
        }
    }
}

/// Whether a text has the form of a signed token (RFC 7515, compact): three parts. No token of Drover's has.
pub fn is_signed(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// For tests: accounts that somebody names.
#[cfg(test)]
pub mod testing {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use jiff::Timestamp;

    use super::ServiceAccount;
    use crate::world::TokenHash;

    /// `system:serviceaccount:default:robot`, as long as `lives`.
    pub fn robot(lives: &Arc<AtomicBool>, expires_at: Timestamp) -> Arc<ServiceAccount> {
        let lives = Arc::clone(lives);
        let user = ServiceAccount::row("system:serviceaccount:default:robot", "");
        Arc::new(ServiceAccount {
            cluster: crate::world::names::LOCAL.into(),
            user: Arc::new(user),
            groups: vec!["system:serviceaccounts".into()],
            extra: std::collections::BTreeMap::new(),
            hash: TokenHash::of("a.b.c"),
            expires_at,
            holds: Box::new(move || lives.load(Ordering::Relaxed)),
        })
    }
}
