//! What a token says: `pkg/serviceaccount/claims.go`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// The claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    aud: Audiences,
    exp: i64,
    iat: i64,
    #[serde(default)]
    iss: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
    nbf: i64,
    sub: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kubernetes {
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<Bound>,
    serviceaccount: Bound,
}

/// One, or several: RFC 7519, section 4.1.3.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

/// Whether a token is valid at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Valid,
    Expired,
    /// Not yet.
    Early,
    /// It was issued later than now.
    Future,
}

impl Claims {
    /// For an account, from `now` on for some seconds.
    pub(crate) fn new(
        namespace: &str,
        account: Bound,
        secret: Option<Bound>,
        audiences: Vec<String>,
        now: i64,
        seconds: i64,
    ) -> Self {
        Self {
            aud: Audiences::Several(audiences),
            exp: now.saturating_add(seconds),
            iat: now,
            iss: String::new(),
            jti: Some(uuid::Uuid::new_v4().to_string()),
            sub: format!("system:serviceaccount:{namespace}:{}", account.name),
            kubernetes: Kubernetes { namespace: namespace.to_owned(), secret, serviceaccount: account },
            nbf: now,
        }
    }

    pub(super) fn issued_by(&self, issuer: &str) -> Self {
        Self { iss: issuer.to_owned(), ..self.clone() }
    }

    pub(super) fn audiences(&self) -> impl Iterator<Item = &String> {
        match &self.aud {
            Audiences::One(one) => std::slice::from_ref(one).iter(),
            Audiences::Several(several) => several.iter(),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.kubernetes.namespace
    }

    /// Name and UID.
    pub(super) fn account(&self) -> (&str, &str) {
        (&self.kubernetes.serviceaccount.name, &self.kubernetes.serviceaccount.uid)
    }

    /// Name and UID.
    pub(super) fn secret(&self) -> Option<(&str, &str)> {
        self.kubernetes.secret.as_ref().map(|secret| (&*secret.name, &*secret.uid))
    }

    /// Seconds since 1970.
    pub(super) const fn expires(&self) -> i64 {
        self.exp
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.jti.as_deref()
    }

    pub(super) const fn validity(&self, now: i64, leeway: i64) -> Validity {
        if now - leeway > self.exp {
            Validity::Expired
        } else if now + leeway < self.nbf {
            Validity::Early
        } else if now + leeway < self.iat {
            Validity::Future
        } else {
            Validity::Valid
        }
    }
}

/// Who says that they issued a token, before anything of it is believed.
pub(super) fn issuer_of(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    payload.get("iss")?.as_str().map(str::to_owned)
}
