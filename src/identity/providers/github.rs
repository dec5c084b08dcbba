//! GitHub, and GitHub Enterprise: sign-in by OAuth with PKCE; users, organisations and teams by their numbers, since names can be given
//! to others. The principals are Rancher's: `github_user://<id>`, `github_org://<id>`, `github_team://<id>`.
//!
//! Source: <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>, and the REST API.

mod api;

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use oauth2::TokenResponse as _;

use self::api::{Account, Api, Failure};
use super::{
    http::HttpClient,
    oauth::{Oauth, Registration, Tokens},
};
use crate::{
    config::address,
    identity::provider::{
        Departure, Known, LoginError, Method, Person, Principal, PrincipalKind, Proof, Provider, ProviderError, Query,
        Refused, Report, Standing,
    },
    secret::Secret,
};

/// What is asked for: membership of organisations and teams, where it is not public.
const SCOPE: &str = "read:org";
/// What begins a refresh token; a GitHub App whose tokens expire gives such.
const REFRESH: &str = "ghr_";

/// How GitHub is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `github.com`, or the host of an Enterprise server, with a port where it is another than 443.
    pub host: String,
    /// Who we are there.
    pub client_id: String,
    /// What proves it.
    pub client_secret: Option<Secret<String>>,
    /// The name of the Secret that should hold it.
    pub client_secret_name: String,
    /// PEM of the authorities that its certificate must come from; `None` for the system's.
    pub certificate: Option<String>,
    /// What one call may take.
    pub timeout: Duration,
}

/// A provider of GitHub.
#[derive(Debug)]
pub struct Github {
    name: Arc<str>,
    settings: Settings,
    http: HttpClient,
    authorization: String,
    token: String,
    api: String,
}

impl Github {
    /// The provider `name`.
    ///
    /// # Errors
    /// What is wrong with the certificate.
    pub fn new(name: &str, settings: Settings, addresses: address::Check) -> Result<Self, ProviderError> {
        let http = HttpClient::new(settings.certificate.as_deref(), settings.timeout, addresses)
            .map_err(|why| ProviderError::new(name, format_args!("`certificate`: {why}")))?;
        let host = &settings.host;
        Ok(Self {
            name: name.into(),
            authorization: format!("https://{host}/login/oauth/authorize"),
            token: format!("https://{host}/login/oauth/access_token"),
            api: api_of(host),
            http,
            settings,
        })
    }

    fn oauth(&self) -> Result<Oauth<'_>, ProviderError> {
        let registration = Registration {
            client_id: &self.settings.client_id,
            client_secret: Some(self.secret()?),
            secret_in_body: true,
            authorization: &self.authorization,
            token: &self.token,
        };
        Oauth::new(&self.name, &registration, &self.http)
    }

    fn secret(&self) -> Result<&Secret<String>, ProviderError> {
        let name = &self.settings.client_secret_name;
        let missing = || self.error(format_args!("the Secret `{name}` with the key `clientsecret` is missing"));
        self.settings.client_secret.as_ref().ok_or_else(missing)
    }

    /// The API as a person sees it.
    fn as_person(&self, token: &str) -> Api<'_> {
        Api::new(&self.name, &self.http, &self.api, format!("Bearer {token}"))
    }

    /// The API as the application sees it: what is public.
    fn as_application(&self) -> Result<Api<'_>, ProviderError> {
        let credentials = api::basic(&self.settings.client_id, self.secret()?.expose());
        Ok(Api::new(&self.name, &self.http, &self.api, credentials))
    }

    async fn arrival(&self, proof: Proof) -> Result<Person, LoginError> {
        let Proof::Callback { code, departure, .. } = proof else { return Err(Refused::NotSupported.into()) };
        let tokens = self.oauth()?.exchange(&code, &departure).await?;
        match self.person(&tokens).await {
            Ok(person) => Ok(person),
            Err(Failure::Suspended) => Err(Refused::Disabled("the account is suspended".to_owned()).into()),
            Err(failure) => Err(self.failure(failure).into()),
        }
    }

    async fn person(&self, tokens: &Tokens) -> Result<Person, Failure> {
        let token = tokens.access_token().secret();
        // One that can be used again: the refresh token where there is one, since the other ends then.
        let grant = tokens.refresh_token().map_or(token, |refresh| refresh.secret());
        self.person_of(token, Secret::new(grant.clone())).await
    }

    async fn person_of(&self, token: &str, grant: Secret<String>) -> Result<Person, Failure> {
        let api = self.as_person(token);
        let account = api.user().await?;
        if account.suspended_at.is_some() {
            return Err(Failure::Suspended);
        }
        let person = Person {
            groups: self.groups(&api).await?,
            unique_id: None,
            email: account.email.clone(),
            grant: Some(grant),
            session: None,
            principal: self.user(account),
        };
        person.checked(&self.name).map_err(Failure::Other)
    }

    async fn groups(&self, api: &Api<'_>) -> Result<Vec<Principal>, Failure> {
        let mut groups: Vec<Principal> =
            api.organisations().await?.into_iter().map(|account| self.organisation(account)).collect();
        groups.extend(api.teams().await?.into_iter().map(|team| Principal {
            id: format!("{}_team://{}", self.name, team.id).into(),
            kind: PrincipalKind::Group,
            display_name: format!("{}/{}", team.organization.login, team.name),
            login_name: String::new(),
        }));
        Ok(groups)
    }

    fn user(&self, account: Account) -> Principal {
        Principal {
            id: format!("{}_user://{}", self.name, account.id).into(),
            kind: PrincipalKind::User,
            display_name: account.name.filter(|name| !name.is_empty()).unwrap_or_else(|| account.login.clone()),
            login_name: account.login,
        }
    }

    fn organisation(&self, account: Account) -> Principal {
        Principal {
            id: format!("{}_org://{}", self.name, account.id).into(),
            kind: PrincipalKind::Group,
            display_name: account.login,
            login_name: String::new(),
        }
    }

    async fn standing(&self, known: Known) -> Result<Standing, ProviderError> {
        let person = match &known.grant {
            None => Err(Failure::Revoked),
            Some(grant) if grant.expose().starts_with(REFRESH) => match self.oauth()?.refresh(grant).await? {
                Some(tokens) => self.person(&tokens).await,
                None => Err(Failure::Revoked),
            },
            Some(grant) => self.person_of(grant.expose(), grant.clone()).await,
        };
        match person {
            Ok(person) if person.principal.id == known.principal => Ok(Standing::Present(Box::new(person))),
            Ok(person) => {
                let found = &person.principal.id;
                Err(self.error(format_args!("the token of another person, `{found}`")))
            }
            Err(Failure::Suspended) => Ok(Standing::Disabled),
            // The person took the grant back, or is no more: the application may look at what is public.
            Err(Failure::Revoked) => self.public_standing(&known.principal).await,
            Err(failure) => Err(self.failure(failure)),
        }
    }

    async fn public_standing(&self, principal: &str) -> Result<Standing, ProviderError> {
        let id = principal.strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix("_user://"));
        let id: u64 = id
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| self.error(format_args!("`{}` is no id of a person", principal.escape_debug())))?;
        match self.as_application()?.user_by_id(id).await {
            Ok(Some(account)) if account.suspended_at.is_some() => Ok(Standing::Disabled),
            Ok(Some(_)) => Ok(Standing::Unknown),
            Ok(None) => Ok(Standing::Gone),
            Err(failure) => Err(self.failure(failure)),
        }
    }

    async fn found(&self, query: Query) -> Result<Vec<Principal>, ProviderError> {
        // All that a login can have; anything else would be more of GitHub's language for searches.
        let term = query.term.trim();
        if term.is_empty() || !term.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Ok(Vec::new());
        }
        let kind = match query.kind {
            Some(PrincipalKind::User) => " type:user",
            Some(PrincipalKind::Group) => " type:org",
            None => "",
        };
        let accounts = self.as_application()?.search(&format!("{term} in:login{kind}"), query.limit).await;
        let accounts = accounts.map_err(|failure| self.failure(failure))?.into_iter();
        let begins = |login: &str| login.get(..term.len()).is_some_and(|start| start.eq_ignore_ascii_case(term));
        let principal =
            |account: Account| if account.is_organisation() { self.organisation(account) } else { self.user(account) };
        Ok(accounts.filter(|account| begins(&account.login)).take(query.limit).map(principal).collect())
    }

    async fn groups_by_grant(&self, known: Known) -> Result<Vec<Principal>, ProviderError> {
        match known.grant.as_ref().map(Secret::expose).filter(|grant| !grant.starts_with(REFRESH)) {
            Some(token) => self.groups(&self.as_person(token)).await.map_err(|failure| self.failure(failure)),
            None => Err(self.error("groups are told only at a sign-in, or when a refresh token is used")),
        }
    }

    async fn report(&self, sample: Option<String>) -> Result<Report, ProviderError> {
        let api = self.as_application()?;
        let mut report = Report { server: self.api.clone(), ..Report::default() };
        match &sample {
            None => api.ping().await.map_err(|failure| self.failure(failure))?,
            Some(login) => match api.user_by_login(login).await.map_err(|failure| self.failure(failure))? {
                Some(account) => {
                    let principal = self.user(account);
                    let email = None;
                    let person =
                        Person { principal, groups: Vec::new(), unique_id: None, email, grant: None, session: None };
                    report.sample = Some(person.checked(&self.name)?);
                    report.warnings.push("organisations and teams are told only when the person signs in".to_owned());
                }
                None => report.warnings.push(format!("there is no user `{}`", login.escape_debug())),
            },
        }
        Ok(report)
    }

    fn failure(&self, failure: Failure) -> ProviderError {
        match failure {
            Failure::Revoked => {
                self.error("the API refuses the token: it was revoked, or the client's secret is wrong")
            }
            Failure::Suspended => self.error("the account is suspended"),
            Failure::Other(error) => error,
        }
    }

    fn error(&self, message: impl std::fmt::Display) -> ProviderError {
        ProviderError::new(&*self.name, message)
    }
}

/// Where the API of a host is: of its own for github.com and for enterprises on ghe.com, below a path on their own servers.
fn api_of(host: &str) -> String {
    if host.eq_ignore_ascii_case("github.com") || host.to_ascii_lowercase().ends_with(".ghe.com") {
        format!("https://api.{host}")
    } else {
        format!("https://{host}/api/v3")
    }
}

impl Provider for Github {
    fn name(&self) -> &str {
        &self.name
    }

    fn method(&self) -> Method {
        Method::Browser
    }

    fn begin(&self, departure: &Departure) -> BoxFuture<'_, Result<String, ProviderError>> {
        let url = self.oauth().and_then(|oauth| oauth.departure(departure, [SCOPE.to_owned()], &[]));
        std::future::ready(url).boxed()
    }

    fn login(&self, proof: Proof) -> BoxFuture<'_, Result<Person, LoginError>> {
        self.arrival(proof).boxed()
    }

    fn search(&self, query: Query) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>> {
        self.found(query).boxed()
    }

    fn groups_of(&self, known: Known) -> BoxFuture<'_, Result<Vec<Principal>, ProviderError>> {
        self.groups_by_grant(known).boxed()
    }

    fn refresh(&self, known: Known) -> BoxFuture<'_, Result<Standing, ProviderError>> {
        self.standing(known).boxed()
    }

    fn test(&self, sample: Option<String>) -> BoxFuture<'_, Result<Report, ProviderError>> {
        self.report(sample).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::api_of;

    #[test]
    fn the_api_is_where_the_host_has_it() {
        assert_eq!(api_of("github.com"), "https://api.github.com");
        assert_eq!(api_of("corp.ghe.com"), "https://api.corp.ghe.com");
        assert_eq!(api_of("github.example.org:8443"), "https://github.example.org:8443/api/v3");
    }
}
