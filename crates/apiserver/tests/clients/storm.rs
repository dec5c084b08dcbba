//! Clients at work while the server is killed every ten seconds.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kit::wait;
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{
        WatchStreamExt, reflector,
        watcher::{self, watcher},
    },
};
use tokio::time::{Instant, sleep, sleep_until};

use super::{go, ours::Ours};

const EVERY: Duration = Duration::from_secs(10);
const WRITERS: usize = 4;
const EACH: usize = 50;
/// Between two writes of a writer.
const PAUSE: Duration = Duration::from_millis(5);

/// How long it lasts: `DROVER_SOAK_SECONDS`, or a minute.
fn lasts() -> Duration {
    let set = std::env::var("DROVER_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(set.unwrap_or(60))
}

/// Kills the server and starts it again, every ten seconds until `end`.
async fn kill_and_start(ours: &mut Ours, end: Instant) -> usize {
    let mut killed = 0;
    loop {
        sleep(EVERY).await;
        if Instant::now() + Duration::from_secs(1) > end {
            return killed;
        }
        ours.kill();
        ours.start_again().await;
        killed += 1;
    }
}

pub async fn rages() {
    kit::tls::install_provider();
    let mut ours = Ours::start().await;
    let kubeconfig = ours.kubeconfig("root");
    let dir = ours.dir().to_owned();
    let end = Instant::now() + lasts();
    let seconds = lasts().as_secs().to_string();
    let args = ["storm", "--seconds", &seconds];
    let (killed, said, ()) =
        tokio::join!(kill_and_start(&mut ours, end), go::run(&dir, &kubeconfig, &args), kube_rs(&kubeconfig, end));
    println!("killed {killed} times");
    assert!(killed > 1);
    assert!(said.contains("ok no acknowledged write is lost"));
}

/// A reflector, and writers that know what must be there.
async fn kube_rs(kubeconfig: &str, end: Instant) {
    let client = client(kubeconfig).await;
    let namespace = Namespace {
        metadata: ObjectMeta { name: Some("rust".into()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, "rust");
    let mut reflectors = Vec::new();
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let (store, writer) = reflector::store();
        let events = watcher(maps.clone(), config).default_backoff().reflect(writer);
        reflectors.push(store);
        tokio::spawn(events.for_each(|_| async {}));
    }
    let known = join_all((0..WRITERS).map(|writer| write(maps.clone(), writer, end))).await;
    let known: BTreeMap<String, String> = known.into_iter().flatten().collect();
    let listed = maps.list(&ListParams::default()).await.unwrap();
    let found: BTreeMap<String, String> = listed.iter().map(|map| (map.name_any(), value(map))).collect();
    assert_eq!(known, found, "what was acknowledged, and what there is");
    let versions: BTreeMap<_, _> = listed.iter().map(|map| (map.name_any(), map.resource_version())).collect();
    for store in reflectors {
        wait::until("the reflector to have what the list has", || async {
            let state: BTreeMap<_, _> =
                store.state().iter().map(|map| (map.name_any(), map.resource_version())).collect();
            (state == versions).then_some(())
        })
        .await;
    }
}

async fn client(kubeconfig: &str) -> Client {
    let read = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn value(map: &ConfigMap) -> String {
    map.data.as_ref().and_then(|data| data.get("value")).cloned().unwrap_or_default()
}

/// Creates, replaces and deletes config maps of its own in turn; what it did not hear of it reads again. Gives what there must be.
async fn write(maps: Api<ConfigMap>, writer: usize, end: Instant) -> HashMap<String, String> {
    let mut known = HashMap::new();
    for turn in 0.. {
        if Instant::now() > end {
            break;
        }
        // Other tests run beside this one.
        sleep(PAUSE).await;
        let name = format!("m-{writer}-{}", turn * 7 % EACH);
        let before: Option<String> = known.get(&name).cloned();
        let after = (before.is_none() || turn % 3 != 0).then(|| format!("v-{turn}"));
        if set(&maps, &name, before.as_deref(), after.as_deref()).await.is_ok() {
            keep(&mut known, name, after);
            continue;
        }
        let found = loop {
            match maps.get_opt(&name).await {
                Ok(found) => break found.as_ref().map(value),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        assert!(found == before || found == after, "{name} was {before:?}, then perhaps {after:?}, and is {found:?}");
        keep(&mut known, name, found);
    }
    sleep_until(end).await;
    known
}

fn keep(known: &mut HashMap<String, String>, name: String, value: Option<String>) {
    match value {
        Some(value) => drop(known.insert(name, value)),
        None => drop(known.remove(&name)),
    }
}

async fn set(maps: &Api<ConfigMap>, name: &str, before: Option<&str>, after: Option<&str>) -> kube::Result<()> {
    let map = |value: &str| ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        data: Some([("value".to_owned(), value.to_owned())].into()),
        ..ConfigMap::default()
    };
    match (before, after) {
        (None, Some(value)) => maps.create(&PostParams::default(), &map(value)).await.map(drop),
        (Some(_), Some(value)) => maps.replace(name, &PostParams::default(), &map(value)).await.map(drop),
        (_, None) => maps.delete(name, &DeleteParams::default()).await.map(drop),
    }
}
