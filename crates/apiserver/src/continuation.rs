//! Where a chunked list goes on: the tokens of `continue`.
//!
//! The form is that of `k8s.io/apiserver/pkg/storage/continue.go`. A token says no more than where to begin and at which version; it
//! can only name keys of the very list that it is given to, so a forged one shows nothing that the list itself would not.

use apimachinery::status::Status;
use base64::{DecodeError, Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::failure::Outcome;

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The version of the list; `None` to go on at the newest one.
    pub(crate) version: Option<u64>,
    /// The namespace of the last object that was answered with; empty for cluster-scoped ones.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

#[derive(Serialize, Deserialize)]
struct Token {
    #[serde(rename = "v", default)]
    api_version: String,
    #[serde(rename = "rv", default)]
    version: i64,
    #[serde(rename = "start", default)]
    start: String,
}

const FORM: &str = "meta.k8s.io/v1";

/// The key of an object, relative to the list: the namespace counts only where the list spans namespaces.
impl Place {
    /// The token. `spans`: whether the list spans namespaces.
    pub(crate) fn encode(&self, spans: bool) -> String {
        let start = if spans { format!("{}/{}\0", self.namespace, self.name) } else { format!("{}\0", self.name) };
        let version = self.version.and_then(|version| i64::try_from(version).ok()).unwrap_or(-1);
        let token = Token { api_version: FORM.to_owned(), version, start };
        // INVARIANT: texts and a number only, which serde_json always writes.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }

    /// Reads a token. `namespace` is that of the list, `spans` whether it spans namespaces.
    pub(crate) fn decode(token: &str, namespace: &str, spans: bool) -> Outcome<Self> {
        let bad = |why: &str| Status::bad_request(format!("invalid continue token: continue key is not valid{why}"));
        let bytes =
            URL_SAFE_NO_PAD.decode(token).map_err(|wrong| bad(&format!(": {}", illegal(&wrong, token.len()))))?;
        let token: Token = serde_json::from_slice(&bytes).map_err(|wrong| bad(&format!(": {wrong}")))?;
        if token.api_version != FORM {
            return Err(bad(&format!(": server does not recognize this encoded version {}", token.api_version)).into());
        }
        if token.version == 0 {
            return Err(bad(": incorrect encoded start resourceVersion (version meta.k8s.io/v1)").into());
        }
        if token.start.is_empty() {
            return Err(bad(": encoded start key empty (version meta.k8s.io/v1)").into());
        }
        let key = token.start.strip_prefix('/').unwrap_or(&token.start);
        let clean = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('/');
        let key = key.strip_suffix('\0').unwrap_or(key);
        let place = if spans {
            key.split_once('/').filter(|(namespace, name)| clean(namespace) && clean(name))
        } else {
            clean(key).then_some((namespace, key))
        };
        let Some((namespace, name)) = place else {
            return Err(bad(&format!(": {}", token.start)).into());
        };
        Ok(Self { version: u64::try_from(token.version).ok(), namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

/// A text that is no base64, in Go's words.
fn illegal(wrong: &DecodeError, length: usize) -> String {
    let at = match wrong {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => *at,
        // The first character of the group that is not whole.
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => length / 4 * 4,
    };
    format!("illegal base64 data at input byte {at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        Place::decode(&URL_SAFE_NO_PAD.encode(json), "ns", false).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_token_leads_back_to_its_place() {
        let place = Place { version: Some(7), namespace: "a".into(), name: "b.c".into() };
        assert_eq!(Place::decode(&place.encode(true), "", true).unwrap(), place);
        assert_eq!(Place::decode(&place.encode(false), "a", false).unwrap(), place);
        let latest = Place { version: None, ..place };
        assert_eq!(Place::decode(&latest.encode(true), "", true).unwrap(), latest);
    }

    #[test]
    fn a_forged_token_is_refused_in_kubernetes_words() {
        assert!(refused(r#"{"v":"x","rv":1,"start":"a"}"#).ends_with("does not recognize this encoded version x"));
        assert!(refused(r#"{"v":"meta.k8s.io/v1","rv":0,"start":"a"}"#).contains("incorrect encoded start"));
        assert!(refused(r#"{"v":"meta.k8s.io/v1","rv":1}"#).contains("encoded start key empty"));
        assert!(refused(r#"{"v":"meta.k8s.io/v1","rv":1,"start":"../x"}"#).contains("../x"));
        let garbage = Place::decode("%%", "", false).unwrap_err();
        assert!(garbage.message().starts_with("invalid continue token: continue key is not valid: "));
    }
}
