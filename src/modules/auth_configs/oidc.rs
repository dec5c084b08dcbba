//! OpenID Connect in an [`AuthConfig`](super::AuthConfig): the types `genericOIDCConfig` and `keyCloakOIDCConfig`.

use std::collections::BTreeMap;

use super::{AuthConfigSpec, connection_timeout, required};
use crate::{
    config::rules::Flaw,
    identity::providers::{
        http::{is_https_url, roots},
        issuer::Endpoints,
        jwt::Configured,
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
    // With `jwt` a provider may be there for nothing else.
    let client_id = match (&spec.client_id, &spec.jwt) {
        (None, Some(_)) => "",
        (client_id, _) => required("clientId", client_id.as_deref(), &mut flaws),
    };
    flaws.extend(spec.jwt.as_ref().and_then(|jwt| jwt.rules().err()).unwrap_or_default());
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

/// How ID tokens of the provider `name` are taken as bearer credentials; `None` where they are not.
///
/// # Errors
/// What is wrong with it.
pub fn id_tokens(name: &str, spec: &AuthConfigSpec) -> Result<Option<Configured>, Vec<Flaw>> {
    let Some(jwt) = &spec.jwt else { return Ok(None) };
    let Settings { issuer, endpoints, certificate, timeout, .. } = settings(spec, &BTreeMap::new())?;
    let admission = format!("{:?} {:?} {:?}", spec.access_mode, spec.allowed_principal_ids, jwt.create_users);
    let rules = jwt.rules()?;
    Ok(Some(Configured { provider: name.into(), issuer, endpoints, certificate, timeout, rules, admission }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{AuthConfigSpec, id_tokens, settings};

    fn spec(fields: &Value) -> AuthConfigSpec {
        let mut spec = json!({"type": "genericOIDCConfig", "issuer": "https://idp", "clientId": "drover"});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(spec).unwrap()
    }

    fn fields(fields: &Value) -> Vec<String> {
        let flaws = settings(&spec(fields), &[].into()).err().unwrap_or_default();
        flaws.into_iter().map(|flaw| flaw.field).collect()
    }

    #[test]
    fn an_issuer_and_a_client_are_enough() {
        let settings = settings(&spec(&json!({})), &[].into()).unwrap();
        assert_eq!((settings.scopes.join(" "), &*settings.names.groups), ("profile email".to_owned(), "groups"));
        assert_eq!(settings.timeout.as_millis(), 5_000);
    }

    #[test]
    fn a_flaw_names_its_field() {
        for (field, value) in [
            ("issuer", json!("http://idp")),
            ("issuer", json!("https://idp?tenant=1")),
            ("issuer", json!("")),
            ("clientId", json!("")),
            ("tokenEndpoint", json!("http://idp/token")),
            ("certificate", json!("no PEM")),
            ("scope", json!("a \"b")),
            ("groupsClaim", json!("")),
        ] {
            assert_eq!(fields(&json!({ field: value })), [field]);
        }
        assert_eq!(fields(&json!({"jwt": {"audiences": []}})), ["jwt.audiences"]);
    }

    #[test]
    fn a_provider_of_bearer_tokens_alone_needs_no_client() {
        let ci = json!({"clientId": null, "jwt": {"audiences": ["drover"]}});
        assert_eq!(fields(&ci), Vec::<String>::new());
        assert_eq!(&*id_tokens("ci", &spec(&ci)).unwrap().unwrap().provider, "ci");
        assert_eq!(fields(&json!({"clientId": null})), ["clientId"]);
        assert_eq!(id_tokens("corp", &spec(&json!({}))).unwrap(), None);
    }
}
