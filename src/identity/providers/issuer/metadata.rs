//! What an issuer says of itself: OpenID Connect Discovery 1.0, RFC 8414, and their extensions as far as they are used.

use serde::Deserialize;

use crate::identity::providers::http::is_https_url;

/// Endpoints from the configuration, each instead of the one that the issuer names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Where browsers are sent.
    pub authorization: Option<String>,
    /// Where codes are exchanged.
    pub token: Option<String>,
    /// Where the keys are.
    pub jwks: Option<String>,
    /// Where claims are told.
    pub user_info: Option<String>,
    /// Where browsers are sent to sign out.
    pub end_session: Option<String>,
}

/// What an issuer publishes, with what the configuration says instead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// The issuer.
    pub issuer: String,
    /// Where browsers are sent.
    #[serde(default)]
    pub authorization_endpoint: String,
    /// Where codes are exchanged.
    #[serde(default)]
    pub token_endpoint: String,
    /// Where the keys are.
    pub jwks_uri: String,
    /// Where claims are told.
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
    /// Where browsers are sent to sign out.
    #[serde(default)]
    pub end_session_endpoint: Option<String>,
    /// Whether its answers carry `iss` (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// How clients may prove themselves; empty where it does not say.
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Forms of PKCE; empty where it does not say.
    #[serde(default)]
    pub code_challenge_methods_supported: Vec<String>,
    /// What can be asked for.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    /// What is told.
    #[serde(default)]
    pub claims_supported: Vec<String>,
}

impl Endpoints {
    /// All endpoints with the fields that they come from.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = [
            ("authEndpoint", &self.authorization),
            ("tokenEndpoint", &self.token),
            ("jwksUrl", &self.jwks),
            ("userInfoEndpoint", &self.user_info),
            ("endSessionEndpoint", &self.end_session),
        ];
        fields.into_iter().filter_map(|(field, url)| Some((field, url.as_deref()?)))
    }

    /// The metadata where they are enough for a sign-in, and none have to be asked for.
    pub(super) fn alone(&self, issuer: &str) -> Option<Metadata> {
        let (Some(authorization), Some(token), Some(jwks)) = (&self.authorization, &self.token, &self.jwks) else {
            return None;
        };
        Some(Metadata {
            issuer: issuer.to_owned(),
            authorization_endpoint: authorization.clone(),
            token_endpoint: token.clone(),
            jwks_uri: jwks.clone(),
            userinfo_endpoint: self.user_info.clone(),
            end_session_endpoint: self.end_session.clone(),
            ..Metadata::default()
        })
    }
}

impl Metadata {
    /// Reads what the issuer `url` published.
    ///
    /// # Errors
    /// It is no such document, or that of another issuer.
    pub(super) fn read(body: &[u8], url: &str) -> Result<Self, String> {
        let metadata: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        // A document of another issuer would let that one speak for this (OpenID Connect Discovery 1.0, 4.3).
        if metadata.issuer != url {
            let found = metadata.issuer.escape_debug();
            return Err(format!("`issuer` is `{found}`, and not exactly `{url}` as configured"));
        }
        let endpoints = [
            ("authorization_endpoint", Some(&metadata.authorization_endpoint).filter(|url| !url.is_empty())),
            ("token_endpoint", Some(&metadata.token_endpoint).filter(|url| !url.is_empty())),
            ("jwks_uri", Some(&metadata.jwks_uri)),
            ("userinfo_endpoint", metadata.userinfo_endpoint.as_ref()),
            ("end_session_endpoint", metadata.end_session_endpoint.as_ref()),
        ];
        for (name, url) in endpoints {
            if let Some(url) = url.filter(|url| !is_endpoint(url)) {
                return Err(format!("`{name}` is `{}`, and no https URL", url.escape_debug()));
            }
        }
        Ok(metadata)
    }

    pub(super) fn with(mut self, instead: &Endpoints) -> Self {
        let Endpoints { authorization, token, jwks, user_info, end_session } = instead.clone();
        self.authorization_endpoint = authorization.unwrap_or(self.authorization_endpoint);
        self.token_endpoint = token.unwrap_or(self.token_endpoint);
        self.jwks_uri = jwks.unwrap_or(self.jwks_uri);
        self.userinfo_endpoint = user_info.or(self.userinfo_endpoint);
        self.end_session_endpoint = end_session.or(self.end_session_endpoint);
        self
    }
}

/// An endpoint may have a query (RFC 6749, 3.1), an issuer none.
fn is_endpoint(url: &str) -> bool {
    is_https_url(url.split_once('?').map_or(url, |(url, _)| url))
}

#[cfg(test)]
mod tests {
    use super::{Endpoints, Metadata};

    const URL: &str = "https://idp.example.org/realms/corp";

    fn read(issuer: &str, more: &str) -> Result<Metadata, String> {
        let text = format!(r#"{{"issuer": "{issuer}", "jwks_uri": "https://idp.example.org/jwks"{more}}}"#);
        Metadata::read(text.as_bytes(), URL)
    }

    #[test]
    fn the_issuer_must_be_the_very_one() {
        assert!(read(URL, "").is_ok());
        for other in ["https://idp.example.org/realms/corp/", "https://idp.example.org", "https://evil.example.org"] {
            assert!(read(other, "").unwrap_err().starts_with(&format!("`issuer` is `{other}`")));
        }
    }

    #[test]
    fn an_endpoint_without_tls_is_refused() {
        let error = read(URL, r#", "token_endpoint": "http://idp.example.org/token"}"#.trim_end_matches('}'));
        assert_eq!(error.unwrap_err(), "`token_endpoint` is `http://idp.example.org/token`, and no https URL");
        assert!(read(URL, r#", "authorization_endpoint": "https://idp.example.org/a?tenant=1""#).is_ok());
    }

    #[test]
    fn what_is_configured_stands_instead_of_what_is_published() {
        let keys = Endpoints { jwks: Some("https://keys".to_owned()), ..Endpoints::default() };
        assert_eq!(read(URL, "").unwrap().with(&keys).jwks_uri, "https://keys");
        assert_eq!(keys.alone(URL), None);
        let all =
            Endpoints { authorization: Some("https://a".to_owned()), token: Some("https://t".to_owned()), ..keys };
        assert_eq!(all.alone(URL).unwrap().authorization_endpoint, "https://a");
    }
}
