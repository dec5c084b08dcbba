//! A webhook, and how it is asked.

use std::{fmt, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    checks,
    connection::{AddressPolicy, Connection},
};
use crate::object;

/// How long a webhook may take: the time-out of Kubernetes' client for them.
const TIME: Duration = Duration::from_secs(30);

/// `spec.conversion` of a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Form {
    strategy: String,
    webhook: Option<Settings>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    client_config: ClientConfig,
    conversion_review_versions: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClientConfig {
    url: Option<String>,
    service: Option<Service>,
    ca_bundle: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Service {
    name: String,
    namespace: String,
    path: Option<String>,
    port: Option<u16>,
}

/// Where it is.
enum Place {
    Url(Box<Connection>),
    /// In the network of a cluster, which is none of ours.
    Service {
        url: String,
        name: String,
    },
    /// It cannot be asked, and why.
    None(String),
}

/// A webhook that converts objects of custom resources between versions.
pub struct Webhook {
    settings: Settings,
    place: Place,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Webhook {
    /// The webhook of a definition, if it has one; `policy` says what may be dialled for it.
    pub(crate) fn of(form: &Form, policy: Option<&AddressPolicy>) -> Option<Self> {
        let settings = form.webhook.clone().filter(|_| form.strategy == "Webhook")?;
        let config = &settings.client_config;
        let place = match (&config.url, &config.service) {
            (Some(url), _) => match Connection::new(url, &config.ca_bundle, policy.cloned()) {
                Ok(connection) => Place::Url(Box::new(connection)),
                Err(why) => Place::None(why),
            },
            (None, Some(service)) => {
                let (port, path) = (service.port.unwrap_or(443), service.path.as_deref().unwrap_or("/"));
                let url = format!("https://{}.{}.svc:{port}{path}", service.name, service.namespace);
                Place::Service { url, name: service.name.clone() }
            }
            (None, None) => Place::None("webhook configuration must have either service or URL".to_owned()),
        };
        Some(Self { settings, place })
    }

    /// Whether a definition asks for the same one.
    pub(crate) fn is(&self, form: &Form) -> bool {
        form.strategy == "Webhook" && form.webhook.as_ref() == Some(&self.settings)
    }

    /// Objects of one kind in the version `to`; those that are of it already are not sent.
    ///
    /// # Errors
    /// What a caller is told.
    pub(crate) async fn convert(&self, mut objects: Vec<Value>, to: &str) -> Result<Vec<Value>, String> {
        let sent: Vec<&Value> = objects.iter().filter(|object| object::text(object, "apiVersion") != to).collect();
        let Some(first) = sent.first() else { return Ok(objects) };
        let (from, kind) = (object::text(first, "apiVersion"), object::text(first, "kind"));
        let failed = |why: String| format!("conversion webhook for {from}, Kind={kind} {why}");
        let answered = self.ask(&sent, to).await.map_err(|why| failed(format!("failed: {why}")))?;
        if answered.len() != sent.len() {
            return Err(failed(format!("returned {} objects, expected {}", answered.len(), sent.len())));
        }
        let restored: Result<Vec<Value>, String> =
            sent.iter().zip(answered).map(|(original, object)| checks::restored(original, object, to)).collect();
        let mut restored = restored.map_err(failed)?.into_iter();
        for object in &mut objects {
            if object::text(object, "apiVersion") != to
                && let Some(converted) = restored.next()
            {
                *object = converted;
            }
        }
        Ok(objects)
    }

    async fn ask(&self, objects: &[&Value], to: &str) -> Result<Vec<Value>, String> {
        let known = self
            .settings
            .conversion_review_versions
            .iter()
            .find(|version| matches!(version.as_str(), "v1" | "v1beta1"));
        let Some(review) = known else { return Err("no supported conversion review versions".to_owned()) };
        let uid = uuid::Uuid::new_v4().to_string();
        let request = json!({
            "kind": "ConversionReview", "apiVersion": format!("apiextensions.k8s.io/{review}"),
            "request": {"uid": uid, "desiredAPIVersion": to, "objects": objects},
        });
        let connection = match &self.place {
            Place::Url(connection) => connection,
            Place::Service { url, name } => {
                return Err(format!(
                    "Post {:?}: service {name:?} not found",
                    format!("{url}?timeout={}s", TIME.as_secs())
                ));
            }
            Place::None(why) => return Err(why.clone()),
        };
        let body = connection.post(request.to_string().into(), TIME).await?;
        let answer: Value = serde_json::from_slice(&body).map_err(|wrong| wrong.to_string())?;
        checks::converted(review, &uid, &answer)
    }
}
