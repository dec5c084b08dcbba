//! Tells a Kubernetes plane where to ask about each write.

use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::Client;

use super::install::{InstallError, apply, labels};
use crate::modules::{GROUP, Kind};

/// Registers the webhook at `url` for `kinds`: every version, every subresource, whoever writes. Where it does not answer
/// nothing is written. `ca` is the PEM of the authority of its certificate; without it that must be one of the plane's own.
///
/// Called once the webhook listens: from here on the plane asks it, also about what Drover itself writes.
///
/// # Errors
/// A plane that refuses or does not answer.
pub async fn register(client: &Client, kinds: &[Kind], url: &str, ca: Option<Vec<u8>>) -> Result<(), InstallError> {
    let names = kinds.iter().map(Kind::plural).flat_map(|plural| [plural.clone(), format!("{plural}/*")]).collect();
    let webhook = ValidatingWebhook {
        name: "validate.drover.io".to_owned(),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: WebhookClientConfig {
            url: Some(url.to_owned()),
            ca_bundle: ca.map(ByteString),
            ..WebhookClientConfig::default()
        },
        rules: Some(vec![RuleWithOperations {
            api_groups: Some(vec![GROUP.to_owned()]),
            api_versions: Some(vec!["*".to_owned()]),
            resources: Some(names),
            operations: Some(vec!["CREATE".to_owned(), "UPDATE".to_owned()]),
            scope: Some("*".to_owned()),
        }]),
        failure_policy: Some("Fail".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(10),
        ..ValidatingWebhook::default()
    };
    let metadata = ObjectMeta { name: Some("drover".to_owned()), labels: Some(labels()), ..ObjectMeta::default() };
    let configuration = ValidatingWebhookConfiguration { metadata, webhooks: Some(vec![webhook]) };
    apply(&kube::Api::all(client.clone()), &configuration).await
}
