//! Tokens of service accounts: signed, checked, and what others need to check them.
//!
//! See `k8s.io/kubernetes/pkg/serviceaccount`. The key is made at the first start and kept in the store, under no resource, and sealed
//! where secrets are.

mod claims;
mod key;

use apimachinery::meta::Meta;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    caller::Caller,
    server::Core,
    store::{Entry, Key},
};

pub(crate) use claims::{Bound, Claims, Validity};
use key::SigningKey;

/// Who issues tokens, where nothing else is said: what Kubernetes' installers say.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";
/// How far clocks may be apart: `jwt.DefaultLeeway` of go-jose.
const LEEWAY: i64 = 60;

/// Signs and checks tokens.
#[derive(Debug)]
pub(crate) struct ServiceAccountTokens {
    issuer: String,
    key: OnceCell<SigningKey>,
}

/// A service account, as one of its tokens proves it.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    caller: Caller,
    claims: Claims,
}

impl ServiceAccount {
    /// As whom it calls.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// From when on the token is not taken any more.
    pub fn expires_at(&self) -> jiff::Timestamp {
        let end = self.claims.expires().saturating_add(LEEWAY + 1);
        jiff::Timestamp::from_second(end).unwrap_or(jiff::Timestamp::MAX)
    }
}

/// Why a token is not taken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

impl ServiceAccountTokens {
    pub(crate) fn new(issuer: Option<String>) -> Self {
        Self { issuer: issuer.unwrap_or_else(|| ISSUER.to_owned()), key: OnceCell::new() }
    }

    /// The audiences of a token that asks for none: the API server's own.
    pub(crate) fn audiences(&self) -> Vec<String> {
        vec![self.issuer.clone()]
    }

    /// The key, made when there is none yet.
    ///
    /// # Errors
    /// It cannot be read, or not be stored; asked again it may be had.
    pub(crate) async fn key(&self, core: &Core) -> Result<&SigningKey, String> {
        self.key.get_or_try_init(|| key::load(&core.store)).await
    }

    /// A signed token.
    pub(crate) async fn sign(&self, core: &Core, claims: &Claims) -> Result<String, String> {
        self.key(core).await?.sign(&claims.issued_by(&self.issuer))
    }

    /// Whose a token is, and for which of the audiences that are wanted (none: the server's own) it is; nothing for one that others
    /// issued.
    ///
    /// # Errors
    /// It is one of ours that is not valid.
    pub(crate) fn owner(
        &self,
        core: &Core,
        token: &str,
        audiences: &[String],
    ) -> Result<Option<(ServiceAccount, Vec<String>)>, Refused> {
        if claims::issuer_of(token).as_deref() != Some(&self.issuer) {
            return Ok(None);
        }
        let refused = |why: &str| Refused(why.to_owned());
        let key = self.key.get().ok_or_else(|| refused("invalid signature, no keys found"))?;
        let claims = key.open(token).map_err(Refused)?;
        let own = self.audiences();
        let wanted = if audiences.is_empty() { &own } else { audiences };
        let shared: Vec<String> = claims.audiences().filter(|audience| wanted.contains(audience)).cloned().collect();
        if shared.is_empty() {
            let all: Vec<&String> = claims.audiences().collect();
            return Err(Refused(format!(
                "token audiences {} is invalid for the target audiences {}",
                go_list(&all),
                go_list(&wanted.iter().collect::<Vec<_>>())
            )));
        }
        check(core, &claims)?;
        let (namespace, name) = (claims.namespace(), claims.account().0);
        let mut caller = Caller::service_account(namespace, name);
        claims.account().1.clone_into(&mut caller.uid);
        caller.groups.push("system:authenticated".to_owned());
        if let Some(id) = claims.id() {
            let key = "authentication.kubernetes.io/credential-id".to_owned();
            caller.extra.insert(key, vec![format!("JTI={id}")]);
        }
        Ok(Some((ServiceAccount { caller, claims }, shared)))
    }

    /// Whether the token that proved an account would still do.
    pub(crate) fn holds(core: &Core, account: &ServiceAccount) -> bool {
        check(core, &account.claims).is_ok()
    }

    /// `/openid/v1/jwks`: the public key.
    pub(crate) async fn key_set(&self, core: &Core) -> Result<Bytes, String> {
        Ok(json!({"keys": [self.key(core).await?.public()]}).to_string().into())
    }

    /// `/.well-known/openid-configuration`.
    pub(crate) fn configuration(&self) -> Bytes {
        let configuration = json!({
            "issuer": self.issuer,
            "jwks_uri": format!("{}/openid/v1/jwks", self.issuer.trim_end_matches('/')),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        configuration.to_string().into()
    }
}

/// Whether what a signed token says holds now: its time, its account, and what else it is bound to.
fn check(core: &Core, claims: &Claims) -> Result<(), Refused> {
    let refused = |why: &str| Err(Refused(why.to_owned()));
    let now = jiff::Timestamp::now().as_second();
    match claims.validity(now, LEEWAY) {
        Validity::Valid => check_bound(core, claims, now),
        Validity::Expired => refused("service account token has expired"),
        Validity::Early => refused("service account token is not valid yet"),
        Validity::Future => refused("service account token is issued in the future"),
    }
}

/// What a token is bound to must still be there: the account, and a secret if it names one.
fn check_bound(core: &Core, claims: &Claims, now: i64) -> Result<(), Refused> {
    let namespace = claims.namespace();
    let (name, uid) = claims.account();
    let Some(account) = read(core, "/serviceaccounts", namespace, name) else {
        return Err(Refused(format!("serviceaccounts {name:?} not found")));
    };
    let own = Meta::of(&account).uid();
    if own != uid {
        return Err(Refused(format!("service account UID ({own}) does not match claim ({uid})")));
    }
    if is_gone(&account, now) {
        return Err(Refused(format!("service account {namespace}/{name} has been deleted")));
    }
    let Some((name, uid)) = claims.secret() else { return Ok(()) };
    let invalidated = || Refused("service account token has been invalidated".to_owned());
    let secret = read(core, "/secrets", namespace, name).ok_or_else(invalidated)?;
    let own = Meta::of(&secret).uid();
    if own != uid {
        return Err(Refused(format!("secret UID ({own}) does not match service account secret ref claim ({uid})")));
    }
    if is_gone(&secret, now) { Err(invalidated()) } else { Ok(()) }
}

fn read(core: &Core, prefix: &str, namespace: &str, name: &str) -> Option<Value> {
    let snapshot = core.store.snapshot();
    let entry: &Entry = snapshot.get(&Key::new(prefix, namespace, name))?;
    serde_json::from_slice(&entry.as_bytes()).ok()
}

/// Whether an object was deleted, though it waits for its finalizers.
fn is_gone(object: &Value, now: i64) -> bool {
    let time = object.pointer("/metadata/deletionTimestamp").and_then(Value::as_str);
    time.and_then(|time| time.parse::<jiff::Timestamp>().ok()).is_some_and(|time| time.as_second() < now - LEEWAY)
}

/// Texts as Go's `%q` shows a list of them.
fn go_list(texts: &[&String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| apimachinery::json::go_quote(text)).collect();
    format!("[{}]", quoted.join(" "))
}
