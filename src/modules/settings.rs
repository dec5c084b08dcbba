//! What an admin sets while Drover runs.

use apimachinery::field::FieldError;
use futures_util::future::BoxFuture;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::{CustomResource, KubeSchema, ResourceExt as _};
use serde::{Deserialize, Serialize};

use super::{Change, Context, Kind, Managed, Module, kind};
use crate::{config::rules::Flaw, signin::settings::flaw};

/// The module of settings.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// One setting: `value`, or `default` where that is empty.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[kube(
    group = "management.cattle.io",
    version = "v3",
    kind = "Setting",
    no_spec,
    derive = "PartialEq",
    doc = "One setting: `value`, or `default` where that is empty.",
    printcolumn = r#"{"name": "Value", "type": "string", "jsonPath": ".value"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct SettingSpec {
    /// What is set.
    #[serde(default)]
    pub value: String,
    /// What holds where nothing is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether `value` was set by somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customized: Option<bool>,
    /// Where the value comes from: empty, or `env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Managed for Setting {
    fn validate(change: &Change<'_, Self>) -> Vec<FieldError> {
        let Change { old, new, .. } = *change;
        let default = new
            .spec
            .default
            .as_ref()
            .and_then(|default| kind::immutable("default", old.and_then(|old| old.spec.default.as_ref()), default));
        let name = new.name_any();
        let values = [("value", Some(&new.spec.value)), ("default", new.spec.default.as_ref())];
        let wrong = values.into_iter().filter_map(|(field, value)| Some(Flaw::new(field, flaw(&name, value?)?)));
        kind::errors(kind::name(&new.metadata).into_iter().chain(default).chain(wrong))
    }
}

impl Module for Settings {
    fn name(&self) -> &'static str {
        "settings"
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![Kind::of::<Setting>()]
    }

    fn rules(&self) -> Vec<PolicyRule> {
        Vec::new()
    }

    fn controllers(&self, _: &Context) -> Vec<BoxFuture<'static, ()>> {
        Vec::new()
    }
}
