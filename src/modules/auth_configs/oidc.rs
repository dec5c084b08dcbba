//! OpenID Connect in an [`AuthConfig`](super::AuthConfig): the types `genericOIDCConfig` and `keyCloakOIDCConfig`.

use std::collections::BTreeMap;

use super::{AuthConfigSpec, connection_timeout, required};
use crate::{
    config::rules::Flaw,
    identity::providers::{
        http::{is_https_url, roots},
        issuer::Endpoints,
        oidc::{Names, Settings},
    },
    secret::Secret,
};

/// The settings of the provider, with its Secrets by field.
///
/// # Errors
/// What is wrong with it.
pub fn settings(
    spec: &AuthConfigSpec,
    secrets: &BTreeMap<&'static str, Secret<String>>,
) -> Result<Settings, Vec<Flaw>> {
    let mut flaws = Vec::new();
    let issuer = required("issuer", spec.issuer.as_deref(), &mut flaws);
    let client_id = required("clientId", spec.client_id.as_deref(), &mut flaws);
    let endpoints = Endpoints {
        authorization: spec.auth_endpoint.clone(),
        token: spec.token_endpoint.clone(),
        jwks: spec.jwks_url.clone(),
        user_info: spec.user_info_endpoint.clone(),
        end_session: spec.end_session_endpoint.clone(),
    };
    let urls = endpoints.fields().chain(Some(("issuer", issuer)).filter(|(_, url)| !url.is_empty()));
    for (field, url) in urls.filter(|(_, url)| !is_https_url(url)) {
        flaws.push(Flaw::new(field, format!("expected an https URL without user, query and fragment, found `{url}`")));
    }
    if let Some(Err(why)) = spec.certificate.as_deref().map(roots) {
        flaws.push(Flaw::new("certificate", format!("expected PEM certificates: {why}")));
    }
    let claim = |field: &str, value: &Option<String>, default: &str, flaws: &mut Vec<Flaw>| {
        let value = value.clone().unwrap_or_else(|| default.to_owned());
        if value.is_empty() || value.chars().any(char::is_control) {
            flaws.push(Flaw::new(field, "expected the name of a claim"));
        }
        value
    };
    let names = Names {
        groups: claim("groupsClaim", &spec.groups_claim, "groups", &mut flaws),
        name: claim("nameClaim", &spec.name_claim, "name", &mut flaws),
        email: claim("emailClaim", &spec.email_claim, "email", &mut flaws),
    };
    let scope = spec.scope.as_deref().unwrap_or("profile email");
    let is_scope = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    let scopes: Vec<String> = scope.split_ascii_whitespace().map(ToOwned::to_owned).collect();
    if !scopes.iter().all(|scope| is_scope(scope)) {
        flaws.push(Flaw::new("scope", format!("expected scopes divided by spaces, found `{scope}`")));
    }
    if !flaws.is_empty() {
        return Err(flaws);
    }
    Ok(Settings {
        issuer: issuer.to_owned(),
        client_id: client_id.to_owned(),
        client_secret: secrets.get("clientSecret").cloned(),
        client_secret_name: spec.client_secret.clone(),
        scopes,
        endpoints,
        names,
        certificate: spec.certificate.clone(),
        timeout: connection_timeout(spec),
    })
}
