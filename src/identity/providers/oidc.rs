//! OpenID Connect: sign-in by the authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0), refresh tokens to ask
//! what has become of a person, and sign-out in both directions.
//!
//! A person's id is the claim `sub`, which alone an issuer never gives to somebody else: a name or an e-mail address proves nothing.

mod claims;
mod logout;

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use http::{
    HeaderValue, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION},
};
use jiff::Timestamp;
use oauth2::TokenResponse as _;
use serde_json::Value;

pub use self::claims::Names;
use self::logout::Replays;
use super::{
    http::HttpClient,
    issuer::{Claims, Endpoints, Expected, Issuer, Metadata, Published, Unverified, strings},
    oauth::{Oauth, Registration, Tokens},
};
use crate::{
    config::address,
    identity::provider::{
        Departure, Known, LoggedOut, LoginError, Method, Person, Principal, PrincipalKind, Proof, Provider,
        ProviderError, Query, Refused, Report, Standing,
    },
    secret::Secret,
};

/// Seconds after its end in which an ID token is still good at a sign-in, since clocks differ.
const LEEWAY: u32 = 60;

/// How an issuer is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its URL, exactly as in its tokens.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What proves it; a client without a Secret is a public one.
    pub client_secret: Option<Secret<String>>,
    /// The name of the Secret that should hold it.
    pub client_secret_name: Option<String>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// Instead of the endpoints that the issuer publishes.
    pub endpoints: Endpoints,
    /// Which claims are what.
    pub names: Names,
    /// PEM of the authorities that its certificate must come from; `None` for the system's.
    pub certificate: Option<String>,
    /// What one call may take.
    pub timeout: Duration,
}

/// A provider of OpenID Connect.
#[derive(Debug)]
pub struct Oidc {
    name: Arc<str>,
    settings: Settings,
    http: HttpClient,
    issuer: Issuer,
    audience: [String; 1],
    replays: Replays,
}

impl Oidc {
    /// The provider `name`.
    ///
    /// # Errors
    /// What is wrong with the certificate.
    pub fn new(name: &str, settings: Settings, addresses: address::Check) -> Result<Self, ProviderError> {
        let http = HttpClient::new(settings.certificate.as_deref(), settings.timeout, addresses)
            .map_err(|why| ProviderError::new(name, format_args!("`certificate`: {why}")))?;
        Ok(Self {
            name: name.into(),
            issuer: Issuer::new(name, &settings.issuer, settings.endpoints.clone(), http.clone()),
            audience: [settings.client_id.clone()],
            http,
            settings,
            replays: Replays::new(),
        })
    }

    async fn departure(&self, departure: &Departure) -> Result<String, ProviderError> {
        let published = self.issuer.published().await?;
        let mut scopes = vec!["openid".to_owned()];
        scopes.extend(self.settings.scopes.iter().filter(|scope| *scope != "openid").cloned());
        let mut more = vec![("nonce", departure.nonce.clone())];
        // Without it no refresh token is given (OpenID Connect Core 1.0, 11).
        if scopes.iter().any(|scope| scope == "offline_access") {
            more.push(("prompt", "consent".to_owned()));
        }
        self.oauth(&published.metadata)?.departure(departure, scopes, &more)
    }

    async fn arrival(&self, proof: Proof) -> Result<Person, LoginError> {
        let Proof::Callback { code, issuer, departure } = proof else { return Err(Refused::NotSupported.into()) };
        let published = self.issuer.published().await?;
        let metadata = &published.metadata;
        // A browser that was sent to one issuer and comes from another brings what that one made up (RFC 9207).
        match issuer {
            Some(issuer) if issuer != self.settings.issuer => {
                let issuer = issuer.escape_debug();
                return Err(Refused::Answer(format!("`iss` of the answer is `{issuer}`")).into());
            }
            None if metadata.authorization_response_iss_parameter_supported => {
                return Err(Refused::Answer("`iss` of the answer is missing".to_owned()).into());
            }
            _ => {}
        }
        let tokens = self.oauth(metadata)?.exchange(&code, &departure).await?;
        let token = tokens.extra_fields().id_token.as_deref();
        let token = token.ok_or_else(|| self.error("the token endpoint gave no `id_token`: is `openid` allowed?"))?;
        let claims = self.believed(token, Some(&departure.nonce)).await?;
        Ok(self.person(&published, claims, &tokens).await?)
    }

    async fn standing(&self, known: Known) -> Result<Standing, ProviderError> {
        // Without the person nobody but it can be asked.
        let Some(grant) = known.grant else { return Ok(Standing::Unknown) };
        let published = self.issuer.published().await?;
        let Some(tokens) = self.oauth(&published.metadata)?.refresh(&grant).await? else {
            // Removed, disabled, or merely signed out or idle for long: the server does not say (RFC 6749, 5.2).
            return Ok(Standing::Unknown);
        };
        let told = match &tokens.extra_fields().id_token {
            Some(token) => self.believed(token, None).await.map_err(|error| self.error(error))?,
            // A new ID token is not always given (OpenID Connect Core 1.0, 12.2).
            None => match self.user_info(&published, &tokens).await? {
                Some(claims) => claims,
                None => return Ok(Standing::Unknown),
            },
        };
        let mut person = self.person(&published, told, &tokens).await?;
        if person.principal.id != known.principal {
            let found = &person.principal.id;
            return Err(self.error(format_args!("claim `sub`: the refresh token of another person, `{found}`")));
        }
        person.grant = person.grant.or(Some(grant));
        Ok(Standing::Present(Box::new(person)))
    }

    /// The claims of an ID token that is really one for us: OpenID Connect Core 1.0, 3.1.3.7 and 12.2.
    async fn believed(&self, token: &str, nonce: Option<&str>) -> Result<Claims, LoginError> {
        let token = Unverified::read(token)?;
        self.issuer.verify(&token).await?;
        token.check(&self.expected(), Timestamp::now())?;
        if token.is_logout() {
            return Err(Refused::Answer("it is a logout token, and no ID token".to_owned()).into());
        }
        let text = |name: &str| token.claims.get(name).and_then(Value::as_str);
        if let Some(nonce) = nonce
            && text("nonce") != Some(nonce)
        {
            return Err(Refused::Answer("claim `nonce`: it is not that of this sign-in".to_owned()).into());
        }
        // A token for several parties says which of them it was given to.
        let parties = strings(token.claims.get("aud")).unwrap_or_default().len();
        match token.claims.get("azp") {
            Some(party) if party.as_str() != Some(&self.settings.client_id) => {
                Err(Refused::Answer(format!("claim `azp`: the token was given to {}", shown(party))).into())
            }
            None if parties > 1 => {
                Err(Refused::Answer("claim `azp`: it is missing from a token for several audiences".to_owned()).into())
            }
            _ => Ok(token.claims),
        }
    }

    const fn expected(&self) -> Expected<'_> {
        Expected { issuer: self.settings.issuer.as_str(), audiences: &self.audience, leeway: LEEWAY }
    }

    /// The person, with what the ID token lacks from user-info.
    async fn person(
        &self,
        published: &Published,
        mut claims: Claims,
        tokens: &Tokens,
    ) -> Result<Person, ProviderError> {
        if self.settings.names.lack(&claims)
            && let Some(more) = self.user_info(published, tokens).await?
        {
            // The answer for another access token would be another person's (OpenID Connect Core 1.0, 5.3.2).
            if more.get("sub") != claims.get("sub") {
                return Err(self.error("claim `sub`: user-info tells of another person than the ID token"));
            }
            // What was signed counts first.
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        let grant = tokens.refresh_token().map(|token| Secret::new(token.secret().clone()));
        self.settings.names.person(&self.name, &claims, grant)?.checked(&self.name)
    }

    /// What user-info says of the person whose access token it is; `None` where there is no such endpoint or the access is over.
    async fn user_info(&self, published: &Published, tokens: &Tokens) -> Result<Option<Claims>, ProviderError> {
        let Some(url) = published.metadata.userinfo_endpoint.as_deref() else { return Ok(None) };
        let bearer = HeaderValue::from_str(&format!("Bearer {}", tokens.access_token().secret()));
        let mut bearer = bearer.map_err(|_| self.error("the access token cannot be sent"))?;
        bearer.set_sensitive(true);
        let request = Request::get(url).header(AUTHORIZATION, bearer).header(ACCEPT, "application/json");
        let request = request.body(Vec::new()).map_err(|error| self.error(error))?;
        let answer = self.http.send(request).await.map_err(|error| self.error(error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Ok(None),
            status => return Err(self.error(format_args!("`{url}` answered {status}, expected 200"))),
        }
        let claims: Claims = serde_json::from_slice(answer.body())
            .map_err(|error| self.error(format_args!("`{url}`: {error}; signed answers are not read")))?;
        Ok(Some(claims))
    }

    fn oauth(&self, metadata: &Metadata) -> Result<Oauth<'_>, ProviderError> {
        let Settings { client_id, client_secret, client_secret_name, .. } = &self.settings;
        if client_id.is_empty() {
            return Err(
                self.error("`clientId` is not set: it takes ID tokens as bearer credentials, and nobody signs in")
            );
        }
        if let (Some(name), None) = (client_secret_name, client_secret) {
            return Err(self.error(format_args!("the Secret `{name}` with the key `clientsecret` is missing")));
        }
        for (name, url) in
            [("authorization_endpoint", &metadata.authorization_endpoint), ("token_endpoint", &metadata.token_endpoint)]
        {
            if url.is_empty() {
                return Err(self.error(format_args!("the issuer publishes no `{name}`")));
            }
        }
        let ways = &metadata.token_endpoint_auth_methods_supported;
        let takes = |way: &str| ways.iter().any(|own| own == way);
        let registration = Registration {
            client_id,
            client_secret: client_secret.as_ref(),
            // Without a word it is the header (OpenID Connect Discovery 1.0, 3).
            secret_in_body: takes("client_secret_post") && !takes("client_secret_basic"),
            authorization: &metadata.authorization_endpoint,
            token: &metadata.token_endpoint,
        };
        Oauth::new(&self.name, &registration, &self.http)
    }

    async fn report(&self, sample: Option<String>) -> Result<Report, ProviderError> {
        let Published { metadata, keys, .. } = self.issuer.fetch().await?;
        self.oauth(&metadata)?;
        let mut warnings = Vec::new();
        if !metadata.code_challenge_methods_supported.iter().any(|method| method == "S256") {
            warnings.push("the issuer does not say that it knows PKCE with `S256`".to_owned());
        }
        for scope in &self.settings.scopes {
            if !metadata.scopes_supported.is_empty() && !metadata.scopes_supported.contains(scope) {
                warnings.push(format!("the issuer does not say that it knows the scope `{scope}`"));
            }
        }
        let groups = &self.settings.names.groups;
        let first = groups.split('.').next().unwrap_or_default();
        let told = &metadata.claims_supported;
        if !told.is_empty() && !told.iter().any(|claim| claim == groups || claim == first) {
            warnings.push(format!("the issuer does not say that it tells the claim `{groups}`"));
        }
        if metadata.end_session_endpoint.is_none() {
            warnings
                .push("there is no `end_session_endpoint`: signing out leaves the session at the issuer".to_owned());
        }
        if sample.is_some() {
            warnings.push("a person cannot be looked up with OpenID Connect: sign in to see its groups".to_owned());
        }
        let server = format!("{} ({} keys)", self.settings.issuer, keys.len());
        Ok(Report { server, warnings, ..Report::default() })
    }

    fn error(&self, message: impl std::fmt::Display) -> ProviderError {
        ProviderError::new(&*self.name, message)
    }
}

impl Provider for Oidc {
    fn name(&self) -> &str {
        &self.name
    }

    fn method(&self) -> Method {
        Method::Browser
    }

    fn begin(&self, departure: &Departure) -> BoxFuture<'_, Result<String, ProviderError>> {
        let departure = departure.clone();
        async move { self.departure(&departure).await }.boxed()
    }

    fn login(&self, proof: Proof) -> BoxFuture<'_, Result<Person, LoginError>> {
        self.arrival(proof).boxed()
    }

    /// There is no search in OpenID Connect: what is typed may be an id, and is given back as one.
    fn search(&self, query: Query) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>> {
        std::future::ready(Ok(typed(&self.name, &query))).boxed()
    }

    /// Nobody but the person can ask, and its refresh token is spent by that: [`Provider::refresh`] gives the new one back.
    fn groups_of(&self, _: Known) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>> {
        let error = self.error("groups are told only at a sign-in, or when a refresh token is used");
        std::future::ready(Err(error)).boxed()
    }

    fn refresh(&self, known: Known) -> BoxFuture<'_, Result<Standing, ProviderError>> {
        self.standing(known).boxed()
    }

    fn test(&self, sample: Option<String>) -> BoxFuture<'_, Result<Report, ProviderError>> {
        self.report(sample).boxed()
    }

    fn farewell(&self, _: &Known, back: &str) -> Option<String> {
        let published = self.issuer.known();
        let own = self.settings.endpoints.end_session.as_deref();
        let url = own.or_else(|| published.as_ref()?.metadata.end_session_endpoint.as_deref())?;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &self.settings.client_id).append_pair("post_logout_redirect_uri", back);
        Some(format!("{url}{}{}", if url.contains('?') { '&' } else { '?' }, query.finish()))
    }

    fn back_channel(&self, token: Secret<String>) -> BoxFuture<'_, Result<LoggedOut, LoginError>> {
        async move {
            let token = Unverified::read(token.expose())?;
            self.issuer.verify(&token).await?;
            logout::read(&self.name, &token, &self.expected(), &self.replays, Timestamp::now()).map_err(Into::into)
        }
        .boxed()
    }
}

/// The principals that a typed id stands for.
fn typed(provider: &str, query: &Query) -> Vec<Principal> {
    let kinds = [(PrincipalKind::User, "user"), (PrincipalKind::Group, "group")];
    let mut found = Vec::new();
    for (kind, word) in kinds {
        let prefix = format!("{provider}_{word}://");
        let id = query.term.strip_prefix(&prefix).unwrap_or(&query.term);
        if query.kind.is_none_or(|only| only == kind) && !id.contains("://") && !id.chars().any(char::is_control) {
            let login_name = if kind == PrincipalKind::User { id.to_owned() } else { String::new() };
            found.push(Principal { id: format!("{prefix}{id}").into(), kind, display_name: id.to_owned(), login_name });
        }
    }
    found.truncate(query.limit);
    found
}

fn shown(value: &Value) -> String {
    super::issuer::shown(Some(value))
}

#[cfg(test)]
mod tests {
    use super::{PrincipalKind, Query, typed};

    fn of(term: &str, kind: Option<PrincipalKind>) -> Vec<String> {
        let query = Query { term: term.to_owned(), kind, limit: 10 };
        typed("corp", &query).into_iter().map(|found| found.id.to_string()).collect()
    }

    #[test]
    fn a_search_gives_what_was_typed_as_an_id() {
        assert_eq!(of("ann", None), ["corp_user://ann", "corp_group://ann"]);
        assert_eq!(of("ann", Some(PrincipalKind::Group)), ["corp_group://ann"]);
        assert_eq!(of("corp_user://ann", None), ["corp_user://ann"]);
        assert_eq!(of("other_user://ann", None), Vec::<String>::new());
        assert_eq!(of("a\nb", None), Vec::<String>::new());
    }
}
