//! The authorization code flow with PKCE (RFC 6749, RFC 7636), which OpenID Connect and GitHub share.

use std::borrow::Cow;

use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EndpointNotSet, EndpointSet,
    ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, StandardTokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
        BasicTokenType,
    },
};
use serde::{Deserialize, Serialize};

use super::http::{HttpClient, HttpError};
use crate::{
    identity::provider::{Departure, LoginError, ProviderError, Refused},
    secret::Secret,
};

/// What a token endpoint gives.
pub type Tokens = StandardTokenResponse<Extra, BasicTokenType>;

/// What OpenID Connect adds to it.
#[derive(Clone, Deserialize, Serialize)]
pub struct Extra {
    /// The ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

impl std::fmt::Debug for Extra {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl ExtraTokenFields for Extra {}

type OauthClient = Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// A client of an authorization server.
#[derive(Debug)]
pub struct Oauth<'a> {
    provider: &'a str,
    http: &'a HttpClient,
    client: OauthClient,
}

/// Who a client is, and where the server is.
#[derive(Clone, Debug)]
pub struct Registration<'a> {
    /// The client's id.
    pub client_id: &'a str,
    /// Its secret, where it has one.
    pub client_secret: Option<&'a Secret<String>>,
    /// Whether the secret goes into the body, and not into a header.
    pub secret_in_body: bool,
    /// Where browsers are sent.
    pub authorization: &'a str,
    /// Where codes are exchanged.
    pub token: &'a str,
}

impl<'a> Oauth<'a> {
    /// The client of `provider`.
    ///
    /// # Errors
    /// An endpoint is no URL.
    pub fn new(
        provider: &'a str,
        registration: &Registration<'_>,
        http: &'a HttpClient,
    ) -> Result<Self, ProviderError> {
        let wrong = |url: &str| ProviderError::new(provider, format_args!("the endpoint `{url}` is no URL"));
        let authorization = registration.authorization;
        let authorization = AuthUrl::new(authorization.to_owned()).map_err(|_| wrong(authorization))?;
        let token = TokenUrl::new(registration.token.to_owned()).map_err(|_| wrong(registration.token))?;
        let place = if registration.secret_in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        let mut client = Client::new(ClientId::new(registration.client_id.to_owned())).set_auth_type(place);
        if let Some(secret) = registration.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose().clone()));
        }
        Ok(Self { provider, http, client: client.set_auth_uri(authorization).set_token_uri(token) })
    }

    /// Where a browser is sent.
    ///
    /// # Errors
    /// The departure has no verifier that the server would take.
    pub fn departure(
        &self,
        departure: &Departure,
        scopes: impl IntoIterator<Item = String>,
        more: &[(&'static str, String)],
    ) -> Result<String, ProviderError> {
        let verifier = departure.verifier.expose();
        let is_verifier = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(is_verifier) {
            return Err(self.error("the verifier is not as RFC 7636 has it"));
        }
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.clone()));
        let state = departure.state.clone();
        let mut request = self
            .client
            .authorize_url(|| CsrfToken::new(state))
            .set_redirect_uri(self.redirect(departure)?)
            .set_pkce_challenge(challenge)
            .add_scopes(scopes.into_iter().map(Scope::new));
        for (name, value) in more {
            request = request.add_extra_param(*name, value.clone());
        }
        Ok(request.url().0.to_string())
    }

    /// Exchanges a code.
    ///
    /// # Errors
    /// The server refuses the code, or does not answer as it should.
    pub async fn exchange(&self, code: &Secret<String>, departure: &Departure) -> Result<Tokens, LoginError> {
        let answer = self
            .client
            .exchange_code(AuthorizationCode::new(code.expose().clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(departure.verifier.expose().clone()))
            .set_redirect_uri(self.redirect(departure)?)
            .request_async(self.http)
            .await;
        answer.map_err(|error| match self.failure(error) {
            Failure::Grant(why) => Refused::Answer(format!("the code is refused: {why}")).into(),
            Failure::Server(error) => error.into(),
        })
    }

    /// Takes new tokens for a refresh token; `None` where that is good no more.
    ///
    /// # Errors
    /// The server does not answer as it should.
    pub async fn refresh(&self, grant: &Secret<String>) -> Result<Option<Tokens>, ProviderError> {
        let grant = RefreshToken::new(grant.expose().clone());
        match self.client.exchange_refresh_token(&grant).request_async(self.http).await {
            Ok(tokens) => Ok(Some(tokens)),
            Err(error) => match self.failure(error) {
                Failure::Grant(_) => Ok(None),
                Failure::Server(error) => Err(error),
            },
        }
    }

    fn redirect(&self, departure: &Departure) -> Result<Cow<'static, RedirectUrl>, ProviderError> {
        let url = RedirectUrl::new(departure.redirect_uri.clone());
        url.map(Cow::Owned).map_err(|_| self.error("the redirect URI is no URL"))
    }

    fn failure(&self, error: RequestTokenError<HttpError, BasicErrorResponse>) -> Failure {
        let refusal = match error {
            RequestTokenError::ServerResponse(refusal) => refusal,
            // GitHub refuses with 200.
            RequestTokenError::Parse(why, body) => match serde_json::from_slice(&body) {
                Ok(refusal) => refusal,
                Err(_) => return Failure::Server(self.error(format_args!("the token endpoint's answer: {why}"))),
            },
            RequestTokenError::Request(error) => return Failure::Server(self.error(error)),
            RequestTokenError::Other(why) => {
                return Failure::Server(self.error(format_args!("the token endpoint: {why}")));
            }
        };
        let why = plain(&refusal.to_string());
        match refusal.error() {
            BasicErrorResponseType::InvalidGrant => Failure::Grant(why),
            // GitHub's words for it.
            BasicErrorResponseType::Extension(error)
                if error == "bad_verification_code" || error == "bad_refresh_token" =>
            {
                Failure::Grant(why)
            }
            _ => Failure::Server(self.error(format_args!("the token endpoint refuses the client: {why}"))),
        }
    }

    fn error(&self, message: impl std::fmt::Display) -> ProviderError {
        ProviderError::new(self.provider, message)
    }
}

enum Failure {
    /// What was to be exchanged is not good.
    Grant(String),
    Server(ProviderError),
}

/// What a server says, in one bounded line.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
