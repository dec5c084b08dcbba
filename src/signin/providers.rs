//! The providers as they are configured now: made anew when their `AuthConfig` or its Secrets change, and only then.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret as SecretObject;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;

use super::{local::Local, settings::Settings};
use crate::{
    config::{address::Check, rules::Flaw},
    identity::{
        provider::{Provider, ProviderError},
        providers::{
            github::Github,
            jwt::{Configured, IdTokens},
            ldap::Ldap,
            oidc::Oidc,
        },
    },
    modules::{AccessMode, AuthConfig, AuthConfigSpec, AuthConfigType, NAMESPACE, Setting, auth_configs},
    secret::Secret,
    world::input::Subject,
};

/// Secrets of a provider, by the field that names them.
pub type Secrets = BTreeMap<&'static str, Secret<String>>;

/// One provider.
#[derive(Debug)]
pub struct Entry {
    /// The `AuthConfig`'s name.
    pub name: Arc<str>,
    /// For people.
    pub display_name: String,
    /// Which kind.
    pub type_: AuthConfigType,
    /// Who may sign in.
    pub access: AccessMode,
    /// Whom `allowedPrincipalIds` names.
    pub allowed: Vec<Subject>,
    /// The provider, or why there is none.
    pub provider: Result<Arc<dyn Provider>, ProviderError>,
    /// What it was made of.
    made_of: (AuthConfigSpec, Secrets),
}

type Map = BTreeMap<Arc<str>, Arc<Entry>>;

/// The enabled providers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Providers {
    current: Arc<ArcSwap<Map>>,
    settings: Arc<ArcSwap<Settings>>,
}

/// What the providers are made of: each kind, and the list of it that is not whole yet.
#[derive(Default)]
struct Seen {
    configs: Followed<AuthConfig>,
    secrets: Followed<SecretObject>,
    settings: Followed<Setting>,
}

struct Followed<K> {
    objects: BTreeMap<String, K>,
    next: BTreeMap<String, K>,
    listed: bool,
}

impl<K> Default for Followed<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), next: BTreeMap::new(), listed: false }
    }
}

enum Change {
    Config(Box<Event<AuthConfig>>),
    Secret(Event<SecretObject>),
    Setting(Event<Setting>),
}

impl Providers {
    /// Follows the plane that `client` speaks to until the returned value and all its clones are dropped. `local` is there from the
    /// start.
    pub fn follow(client: &Client, local: Local, id_tokens: Arc<IdTokens>, addresses: Check) -> Self {
        let local: Arc<dyn Provider> = Arc::new(local);
        let providers = Self { current: Arc::new(ArcSwap::from_pointee(only_local(&local))), settings: Arc::default() };
        let configs = watched(Api::<AuthConfig>::all(client.clone())).map(|event| Change::Config(Box::new(event)));
        let secrets = watched(Api::<SecretObject>::namespaced(client.clone(), NAMESPACE)).map(Change::Secret);
        let settings = watched(Api::<Setting>::all(client.clone())).map(Change::Setting);
        let mut changes = stream::select(configs, stream::select(secrets, settings));
        let (current, in_force) = (Arc::downgrade(&providers.current), Arc::downgrade(&providers.settings));
        tokio::spawn(async move {
            let mut seen = Seen::default();
            while let Some(change) = changes.next().await {
                let (Some(current), Some(in_force)) = (current.upgrade(), in_force.upgrade()) else { return };
                match change {
                    Change::Config(event) => seen.configs.take(*event),
                    Change::Secret(event) => seen.secrets.take(event),
                    Change::Setting(event) => seen.settings.take(event),
                }
                in_force.store(Arc::new(seen.settings()));
                // A provider without its Secrets would be one that fails.
                if seen.configs.listed && seen.secrets.listed {
                    current.store(Arc::new(seen.providers(&current.load(), &local, &addresses)));
                    for error in id_tokens.replace(seen.issuers()) {
                        tracing::error!(%error, "ID tokens are not taken");
                    }
                }
            }
        });
        providers
    }

    /// The provider of this name, if it is enabled.
    pub fn get(&self, name: &str) -> Option<Arc<Entry>> {
        self.current.load().get(name).cloned()
    }

    /// All that are enabled, by name.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        self.current.load().values().cloned().collect()
    }

    /// The settings of this moment.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }
}

/// The events of a kind; a failure is tried again, and the first is told.
fn watched<K>(api: Api<K>) -> impl Stream<Item = Event<K>> + Send + Unpin + 'static
where
    K: Resource<DynamicType = ()> + Clone + fmt::Debug + DeserializeOwned + Send + 'static,
{
    let told = AtomicBool::new(false);
    watcher(api, watcher::Config::default())
        .default_backoff()
        .inspect_err(move |error| {
            if !told.swap(true, Ordering::Relaxed) {
                tracing::warn!(kind = %K::kind(&()), %error, "cannot be followed for sign-in; it is tried again");
            }
        })
        .filter_map(|event| std::future::ready(event.ok()))
        .boxed()
}

impl<K: Resource<DynamicType = ()>> Followed<K> {
    fn take(&mut self, event: Event<K>) {
        match event {
            Event::Init => self.next.clear(),
            Event::InitApply(object) => self.next.extend([(object.name_any(), object)]),
            // Until a list is whole what was known holds.
            Event::InitDone => {
                self.objects = std::mem::take(&mut self.next);
                self.listed = true;
            }
            Event::Apply(object) => self.objects.extend([(object.name_any(), object)]),
            Event::Delete(object) => {
                self.objects.remove(&object.name_any());
            }
        }
    }
}

impl Seen {
    fn settings(&self) -> Settings {
        let value = |setting: &Setting| match setting.spec.value.as_str() {
            "" => setting.spec.default.clone().unwrap_or_default(),
            value => value.to_owned(),
        };
        let set: Vec<(&String, String)> =
            self.settings.objects.iter().map(|(name, setting)| (name, value(setting))).collect();
        Settings::of(set.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The providers whose ID tokens are taken as bearer credentials.
    fn issuers(&self) -> Vec<Configured> {
        let enabled = self.configs.objects.values().filter(|config| config.spec.enabled);
        let issuer = |config: &AuthConfig| auth_configs::oidc::id_tokens(&config.name_any(), &config.spec).ok()?;
        enabled.filter_map(issuer).collect()
    }

    /// The providers of what was seen; one whose object and Secrets are as they were stays the very same.
    fn providers(&self, old: &Map, local: &Arc<dyn Provider>, addresses: &Check) -> Map {
        let mut map = if self.configs.objects.contains_key("local") { Map::new() } else { only_local(local) };
        for config in self.configs.objects.values().filter(|config| config.spec.enabled) {
            let name: Arc<str> = config.name_any().into();
            let secrets = secrets_of(config, |secret| self.secrets.objects.get(secret));
            let made_of = (config.spec.clone(), secrets);
            let same = old.get(&name).filter(|entry| entry.made_of == made_of);
            let entry = same.map_or_else(|| Arc::new(Entry::new(&name, made_of, config, local, addresses)), Arc::clone);
            map.insert(name, entry);
        }
        map
    }
}

/// The Secrets that a provider names, as far as `find` finds them.
pub fn secrets_of<'a>(config: &AuthConfig, find: impl Fn(&str) -> Option<&'a SecretObject>) -> Secrets {
    let read = |(field, name): (&'static str, &str)| {
        let value = &find(name)?.data.as_ref()?.get(&field.to_ascii_lowercase())?.0;
        let text = std::str::from_utf8(value).ok()?;
        Some((field, Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())))
    };
    config.secrets().filter_map(read).collect()
}

fn only_local(local: &Arc<dyn Provider>) -> Map {
    let name: Arc<str> = super::local::NAME.into();
    let entry = Entry {
        name: Arc::clone(&name),
        display_name: "Local account".to_owned(),
        type_: AuthConfigType::Local,
        access: AccessMode::Unrestricted,
        allowed: Vec::new(),
        provider: Ok(Arc::clone(local)),
        made_of: (AuthConfigSpec::default(), Secrets::new()),
    };
    [(name, Arc::new(entry))].into()
}

impl Entry {
    /// Whether people can sign in with it: an issuer of ID tokens may be there for nothing else.
    pub fn signs_in(&self) -> bool {
        let spec = &self.made_of.0;
        self.provider.is_ok() && (spec.jwt.is_none() || spec.client_id.is_some())
    }

    /// Whether somebody who is no User yet becomes one at the first ID token.
    pub fn makes_users(&self) -> bool {
        self.made_of.0.jwt.as_ref().is_some_and(|jwt| jwt.create_users == Some(true))
    }

    fn new(
        name: &Arc<str>,
        made_of: (AuthConfigSpec, Secrets),
        config: &AuthConfig,
        local: &Arc<dyn Provider>,
        addresses: &Check,
    ) -> Self {
        let spec = &config.spec;
        let provider = match spec.type_ {
            AuthConfigType::Local => Ok(Arc::clone(local)),
            _ => build(config, &made_of.1, addresses),
        };
        match &provider {
            Ok(_) => tracing::info!(provider = %name, "the provider is in use"),
            Err(error) => tracing::error!(%error, "the provider cannot be used"),
        }
        Self {
            name: Arc::clone(name),
            display_name: spec.display_name.clone().unwrap_or_else(|| name.to_string()),
            type_: spec.type_,
            access: spec.access_mode.unwrap_or_default(),
            allowed: spec.allowed_principal_ids.iter().map(|one| Subject::of_principal(one)).collect(),
            provider,
            made_of,
        }
    }
}

/// The provider that an `AuthConfig` describes; `local` is none of these.
///
/// # Errors
/// What is wrong with it, for its administrator.
pub fn build(config: &AuthConfig, secrets: &Secrets, addresses: &Check) -> Result<Arc<dyn Provider>, ProviderError> {
    let name = config.name_any();
    let flawed = |flaws: Vec<Flaw>| {
        let flaws: Vec<String> = flaws.iter().map(|flaw| format!("{}: {}", flaw.field, flaw.message)).collect();
        ProviderError::new(config.name_any(), flaws.join("; "))
    };
    config.input().map_err(flawed)?;
    let addresses = Arc::clone(addresses);
    match config.spec.type_ {
        AuthConfigType::ActiveDirectory | AuthConfigType::OpenLdap | AuthConfigType::FreeIpa => {
            let settings = auth_configs::ldap::settings(&config.spec, secrets).map_err(flawed)?;
            Ok(Arc::new(Ldap::new(&name, settings, addresses)?))
        }
        AuthConfigType::Github => {
            let settings = auth_configs::github::settings(&config.spec, secrets).map_err(flawed)?;
            Ok(Arc::new(Github::new(&name, settings, addresses)?))
        }
        AuthConfigType::GenericOidc | AuthConfigType::KeycloakOidc => {
            let settings = auth_configs::oidc::settings(&config.spec, secrets).map_err(flawed)?;
            Ok(Arc::new(Oidc::new(&name, settings, addresses)?))
        }
        AuthConfigType::Local => Err(ProviderError::new(name, "is no provider of its own")),
    }
}
