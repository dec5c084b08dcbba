//! A kube-rs reflector in this process.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config, ResourceExt as _,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{
        WatchStreamExt as _, reflector,
        watcher::{self, Event},
    },
};

use crate::writer::{Seen, Written};

pub struct Informer {
    seen: Arc<Mutex<Seen>>,
    store: reflector::Store<ConfigMap>,
}

impl Informer {
    pub async fn start(kubeconfig: &str) -> Self {
        kit::tls::install_provider();
        let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let api: Api<ConfigMap> = Api::namespaced(Client::try_from(config).unwrap(), "informed");
        let (store, writer) = reflector::store();
        let events = kube::runtime::watcher(api, watcher::Config::default()).default_backoff();
        let mut events = reflector(writer, events).boxed();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let into = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => note(&mut into.lock().unwrap(), event),
                    // As above: it tries again from where it was.
                    Err(error) => println!("kube-rs: {error}"),
                }
            }
        });
        store.wait_until_ready().await.unwrap();
        Self { seen, store }
    }

    pub async fn finish(self, written: &Written) -> Seen {
        let mut seen = Seen::default();
        for _ in 0..100 {
            seen = self.seen.lock().unwrap().clone();
            seen.store = self.store.state().iter().map(|object| object.name_any()).collect();
            if seen.is_complete(written) && seen.store == written.left() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        seen
    }
}

fn note(seen: &mut Seen, event: Event<ConfigMap>) {
    match event {
        // A list after the first would hide what it replaces: the versions that it repeats make the comparison fail.
        Event::Apply(object) | Event::InitApply(object) => {
            let version = object.resource_version().unwrap();
            seen.objects.entry(object.name_any()).or_default().versions.push(version);
        }
        Event::Delete(object) => seen.objects.entry(object.name_any()).or_default().deleted = true,
        Event::Init | Event::InitDone => {}
    }
}
