//! The directory: from watches of the management plane to the rows of the world.

mod clusters;
mod table;

use std::{future::Future, sync::Arc};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, Resource, api::ApiResource};
use tokio::{sync::watch, task::JoinSet};

pub use self::clusters::{Connections, Local};
use self::{
    clusters::{ClusterSink, Joined, SecretSink},
    table::Table,
};
use super::{Contact, follow::follow};
use crate::{
    modules::{
        AuthConfig, Binding, Cluster, ClusterProxyConfig, Group, GroupMember, Kind, NAMESPACE, Token, User,
        UserAttribute,
    },
    world::{Feed, input::Change},
};

/// Feeds the world until it is dropped.
#[derive(Debug)]
pub struct Directory {
    contact: Contact,
    connections: Connections,
    listed: watch::Receiver<usize>,
    sources: usize,
    _tasks: JoinSet<()>,
}

impl Directory {
    /// Starts to follow those of `kinds` that the world has rows of, and the Secrets of clusters. `client` may read them, and
    /// nothing more; `local` says how the plane itself is reached as a cluster.
    pub fn start(client: &Client, kinds: &[Kind], feed: &Feed, local: Option<Local>) -> Self {
        let has = |plural: &str| kinds.iter().any(|kind| kind.plural() == plural);
        let clusters = has("clusters");
        // Clusters have a second source: the Secrets with their kubeconfigs.
        let tables = [
            "authconfigs",
            "users",
            "userattributes",
            "groups",
            "groupmembers",
            "tokens",
            "clusterroletemplatebindings",
            "clusterproxyconfigs",
        ];
        let sources = tables.into_iter().chain(["clusters", "clusters"]).filter(|plural| has(plural)).count();
        let contact = Contact::new(sources);
        let joined = Joined::new(feed.clone(), local);
        let (count, listed) = watch::channel(0);
        let count = Arc::new(count);
        let mut tasks = JoinSet::new();
        let mut index = 0;
        let mut next = || {
            let line = contact.line(index);
            index += 1;
            (line, Arc::clone(&count))
        };
        macro_rules! table {
            ($kind:ty, $one:expr, $all:expr) => {
                let plural = <$kind as Resource>::plural(&());
                if has(&plural) {
                    let (line, count) = next();
                    let mut table = Table::new(feed, count, <$kind>::input, $one, $all);
                    let api = api::<$kind>(client);
                    tasks.spawn(async move { follow(api, &plural, &line, &mut table).await });
                }
            };
        }
        table!(AuthConfig, Change::Provider, Change::Providers);
        table!(User, Change::User, Change::Users);
        table!(UserAttribute, Change::Attribute, Change::Attributes);
        table!(Group, Change::Group, Change::Groups);
        table!(GroupMember, Change::Member, Change::Members);
        table!(Token, Change::Token, Change::Tokens);
        table!(Binding, Change::Binding, Change::Bindings);
        table!(ClusterProxyConfig, Change::Proxy, Change::Proxies);
        if clusters {
            let (line, count) = next();
            let sink = ClusterSink::new(joined.clone(), count);
            let api = api::<Cluster>(client);
            tasks.spawn(async move { follow(api, "clusters", &line, &mut { sink }).await });
            let (line, count) = next();
            let sink = SecretSink::new(joined.clone(), count);
            let api = Api::namespaced_with(client.clone(), NAMESPACE, &ApiResource::erase::<Secret>(&()));
            tasks.spawn(async move { follow(api, "secrets", &line, &mut { sink }).await });
        }
        Self { contact, connections: joined.connections(), listed, sources, _tasks: tasks }
    }

    /// When the plane was last heard of.
    pub const fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Takes the connections of clusters whose kubeconfigs are files of the admin's.
    pub const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Done once everything has been listed and fed; it does not hold the directory.
    pub fn synced(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut listed, sources) = (self.listed.clone(), self.sources);
        async move {
            // The senders live as long as the tasks; a directory that was dropped never gets there.
            if listed.wait_for(|listed| *listed == sources).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

fn api<K: Resource<DynamicType = ()>>(client: &Client) -> Api<kube::api::DynamicObject> {
    Api::all_with(client.clone(), &ApiResource::erase::<K>(&()))
}

/// Counts a source that has been listed for the first time.
fn count_once(counted: &mut bool, count: &watch::Sender<usize>) {
    if !std::mem::replace(counted, true) {
        count.send_modify(|count| *count += 1);
    }
}
