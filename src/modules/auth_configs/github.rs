//! GitHub in an [`AuthConfig`](super::AuthConfig): the type `githubConfig`.

use std::collections::BTreeMap;

use http::uri::Authority;

use super::{AuthConfigSpec, connection_timeout, required};
use crate::{
    config::rules::Flaw,
    identity::providers::{github::Settings, http::roots},
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
    let client_id = required("clientId", spec.client_id.as_deref(), &mut flaws).to_owned();
    // GitHub knows no clients without one.
    let client_secret_name = required("clientSecret", spec.client_secret.as_deref(), &mut flaws).to_owned();
    let host = spec.hostname.as_deref().filter(|host| !host.is_empty()).unwrap_or("github.com");
    if !host.parse::<Authority>().is_ok_and(|authority| !host.contains('@') && !authority.host().is_empty()) {
        flaws.push(Flaw::new("hostname", format!("expected a host, such as `github.com`, found `{host}`")));
    }
    if spec.tls == Some(false) {
        flaws.push(Flaw::new("tls", "codes and tokens go over TLS alone"));
    }
    if let Some(Err(why)) = spec.certificate.as_deref().map(roots) {
        flaws.push(Flaw::new("certificate", format!("expected PEM certificates: {why}")));
    }
    if !flaws.is_empty() {
        return Err(flaws);
    }
    Ok(Settings {
        host: host.to_owned(),
        client_id,
        client_secret: secrets.get("clientSecret").cloned(),
        client_secret_name,
        certificate: spec.certificate.clone(),
        timeout: connection_timeout(spec),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::settings;

    fn fields(fields: &Value) -> Vec<String> {
        let mut spec = json!({"type": "githubConfig", "clientId": "x", "clientSecret": "drover-system:github"});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let flaws = settings(&serde_json::from_value(spec).unwrap(), &[].into()).err().unwrap_or_default();
        flaws.into_iter().map(|flaw| flaw.field).collect()
    }

    #[test]
    fn a_flaw_names_its_field() {
        assert_eq!(fields(&json!({"hostname": "github.example.org:8443", "tls": true})), Vec::<String>::new());
        assert_eq!(fields(&json!({"tls": false})), ["tls"]);
        assert_eq!(fields(&json!({"clientId": "", "clientSecret": null})), ["clientId", "clientSecret"]);
        for host in ["https://github.com", "a@b", "github.com/x", "a b"] {
            assert_eq!(fields(&json!({ "hostname": host })), ["hostname"]);
        }
    }
}
