//! Health, and a store that cannot write.

use std::time::Duration;

use apiserver::{
    Options, Server,
    store::{self, MemoryLog, Store},
};
use serde_json::json;

use crate::support::{get, post};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn readiness_names_a_store_that_refuses_writes_until_it_takes_them_again() {
    let log = MemoryLog::default();
    let options =
        store::Options { tick: Duration::from_millis(5), retry: Duration::from_millis(1), ..store::Options::default() };
    let server = Server::start(Store::open(Box::new(log.clone()), options).unwrap(), Options::default()).await;
    assert_eq!(get(&server, "/readyz").await.text, "ok");
    let all = get(&server, "/readyz?verbose").await;
    assert_eq!((all.code, &*all.text), (200, "[+]ping ok\n[+]store ok\nreadyz check passed\n"));

    log.set_full(true);
    let refused = post(&server, CONFIG_MAPS, &json!({"metadata": {"name": "a"}})).await;
    assert_eq!(refused.code, 503, "{}", refused.text);
    let failed = get(&server, "/readyz").await;
    let told = "[+]ping ok\n[-]store failed: reason withheld\nreadyz check failed\n";
    assert_eq!((failed.code, &*failed.text), (500, told));
    assert_eq!(failed.headers["content-type"], "text/plain; charset=utf-8");
    let one = get(&server, "/readyz/store").await;
    let why = "internal server error: writes are refused: no space is left for `memory`\n";
    assert_eq!((one.code, &*one.text), (500, why));
    assert_eq!(get(&server, "/readyz/ping").await.text, "ok");
    // It lives, and answers reads.
    assert_eq!(get(&server, "/livez").await.code, 200);
    assert_eq!(get(&server, "/healthz").await.code, 200);
    assert_eq!(get(&server, CONFIG_MAPS).await.code, 200);

    log.set_full(false);
    for _ in 0..500 {
        if get(&server, "/readyz").await.code == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(get(&server, "/readyz/store").await.text, "ok");
    assert_eq!(post(&server, CONFIG_MAPS, &json!({"metadata": {"name": "a"}})).await.code, 201);
}

#[tokio::test]
async fn a_check_is_left_out_where_it_is_there_and_warned_of_where_it_is_not() {
    let server = crate::support::server().await;
    let some = get(&server, "/readyz?verbose&exclude=store&exclude=none").await;
    let told = "[+]ping ok\n[+]store excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"none\"\n\
                readyz check passed\n";
    assert_eq!((some.code, &*some.text), (200, told));
    assert_eq!(get(&server, "/readyz/none").await.code, 404);
    assert_eq!(get(&server, "/livez/store").await.code, 404);
}
