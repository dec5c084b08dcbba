//! get in all its forms, watch, wait and events.

use std::fmt::Write;

use kit::kubectl::Kubectl;

use super::both::{Both, plain};

async fn filled(namespace: &str) -> Both {
    let mut both = Both::new(namespace).await;
    let mut text = String::new();
    for at in 0..12 {
        let tier = ["front", "back"][at % 2];
        let _ = write!(
            text,
            "---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m-{at:02}, labels: {{tier: {tier}, at: '{at}'}}}}, \
             data: {{a: '{at}'}}}}\n"
        );
    }
    both.same_with("create -f -", &text).await;
    both
}

#[tokio::test]
async fn objects_are_shown_in_every_form() {
    let mut both = filled("reading").await;
    both.same("create secret generic s --from-literal=a=b").await;
    both.same("create serviceaccount robot").await;
    both.same_with(
        "create -f -",
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l}, spec: {holderIdentity: me}}",
    )
    .await;
    both.all(
        r#"get cm
        get cm m-01
        get cm m-01 m-02 nothing
        get cm/m-01 secret/s
        get cm,secret,sa,lease
        get cm --no-headers
        get cm --show-labels
        get cm -L tier,nothing
        get cm -o wide
        get cm m-01 -o yaml
        get cm m-01 -o json
        get cm -o name
        get cm m-01 -o jsonpath='{.data.a}'
        get cm -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}'
        get cm -o custom-columns=NAME:.metadata.name,A:.data.a,NO:.nothing
        get cm -o go-template='{{range .items}}{{.metadata.name}} {{end}}'
        get cm --sort-by=.data.a
        get cm -l tier=front
        get cm -l 'tier in (front),at notin (0,2)'
        get cm -l '!tier'
        get cm -l tier!=front -o name
        get cm -l 'tier in (front'
        get cm --field-selector metadata.name=m-03
        get cm --field-selector metadata.name!=m-03 -o name
        get cm --field-selector metadata.namespace=reading -o name
        get cm --field-selector data.a=1
        get secret --field-selector type=Opaque
        get cm --chunk-size=5
        get cm --chunk-size=5 -o name
        get cm --selector at=1 --show-kind
        get cm -A -l tier=front,at=0
        get ns reading
        get ns reading -o yaml
        get ns --field-selector status.phase=Active,metadata.name=reading
        get secret
        get sa
        get lease
        get lease l -o yaml
        get role
        get nothing
        get cm -n nothing
        get cm --ignore-not-found nothing
        get cm -o nothing
        get clusterrole view --show-labels
        get clusterrole cluster-admin -o yaml
        get clusterrolebinding cluster-admin -o wide
        get clusterrolebinding cluster-admin -o yaml
        get events
        describe lease l
        describe cm m-01
        get cm m-01 --server-print=false
        get secret s --output-watch-events
        get crd"#,
    )
    .await;
    both.end();
}

#[tokio::test]
async fn a_watch_shows_what_happens() {
    let mut both = filled("watching").await;
    let told = async |kubectl: &Kubectl, form: &str| {
        let args = ["-n", "watching", "get", "cm", "-w", "--output-watch-events", "-l", "seen", "-o", form];
        let mut watch = kubectl.start(&args);
        let run = async |args: &[&str]| {
            kubectl.run(&[&["-n", "watching"], args].concat()).await.ok();
        };
        run(&["create", "cm", "first"]).await;
        run(&["label", "cm", "first", "seen=yes"]).await;
        let mut lines = vec![watch.line_with("first").await];
        run(&["annotate", "cm", "first", "a=b"]).await;
        lines.push(watch.line_with("first").await);
        run(&["label", "cm", "first", "seen-"]).await;
        lines.push(watch.line_with("first").await);
        run(&["label", "cm", "first", "seen=yes"]).await;
        lines.push(watch.line_with("first").await);
        run(&["delete", "cm", "first"]).await;
        lines.push(watch.line_with("first").await);
        watch.kill().await;
        plain(&lines.join("\n"))
    };
    for form in ["name", "wide"] {
        let (ours, real) = tokio::join!(told(&both.ours, form), told(&both.real, form));
        both.compare(&format!("get -w -o {form}"), &ours, &real);
    }
    both.end();
}

#[tokio::test]
async fn wait_waits_for_conditions_fields_and_deletion() {
    let mut both = filled("waiting").await;
    both.all(
        "wait --for=create cm/m-01 --timeout=10s
         wait --for=jsonpath='{.data.a}'=1 cm/m-01 --timeout=10s
         wait --for=jsonpath='{.data.a}' cm/m-01 --timeout=10s
         wait --for=jsonpath='{.status.phase}'=Active ns/waiting --timeout=10s
         wait --for=jsonpath='{.data.a}'=2 cm/m-01 --timeout=1s
         wait --for=condition=Ready cm/m-01 --timeout=1s
         wait --for=delete cm/nothing --timeout=10s
         wait --for=condition=Ready cm/nothing --timeout=1s",
    )
    .await;
    let told = async |kubectl: &Kubectl| {
        let wait = |until: &str, name: &str| {
            kubectl.start(&["-n", "waiting", "-v=6", "wait", &format!("--for={until}"), name, "--timeout=30s"])
        };
        let (mut gone, mut seven) = (wait("delete", "cm/m-01"), wait("jsonpath={.data.a}=seven", "cm/m-03"));
        let run = async |args: &[&str]| {
            kubectl.run(&[&["-n", "waiting"], args].concat()).await.ok();
        };
        // What is gone when it first looks it says nothing of.
        gone.error_line_with("fieldSelector=metadata.name%3Dm-01").await;
        seven.error_line_with("fieldSelector=metadata.name%3Dm-03").await;
        run(&["delete", "cm", "m-01"]).await;
        run(&["patch", "cm", "m-03", "-p", r#"{"data":{"a":"seven"}}"#]).await;
        let limit = std::time::Duration::from_secs(30);
        gone.wait(limit).await.ok() + &seven.wait(limit).await.ok()
    };
    let (ours, real) = tokio::join!(told(&both.ours), told(&both.real));
    both.compare("wait", &ours, &real);
    both.end();
}

#[tokio::test]
async fn events_are_shown_in_order_and_by_their_object() {
    let mut both = filled("events").await;
    let event = |name: &str, reason: &str, kind: &str, object: &str, count: u32| {
        format!(
            "---\n{{apiVersion: v1, kind: Event, metadata: {{name: {name}}}, type: {kind}, reason: {reason}, message: it happened, \
             count: {count}, firstTimestamp: '2026-01-01T00:00:0{count}Z', lastTimestamp: '2026-01-01T00:00:0{count}Z', \
             source: {{component: tester}}, \
             involvedObject: {{apiVersion: v1, kind: ConfigMap, name: {object}, namespace: events}}}}\n"
        )
    };
    let text = event("one", "Made", "Normal", "m-01", 1)
        + &event("two", "Broke", "Warning", "m-01", 2)
        + &event("three", "Made", "Normal", "m-02", 3);
    both.same_with("create -f -", &text).await;
    both.same_with(
        "create -f -",
        "{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: new}, type: Normal, reason: New, action: Doing, note: news, \
         reportingController: drover.io/tester, reportingInstance: me, eventTime: '2026-01-01T00:00:09.000000Z', \
         regarding: {apiVersion: v1, kind: ConfigMap, name: m-03, namespace: events}}",
    )
    .await;
    both.all(
        "events
         events --for cm/m-01
         events --types=Warning
         events -o name
         get events --sort-by=.lastTimestamp
         get events --field-selector involvedObject.name=m-01
         get events --field-selector type=Warning,reason=Broke -o name
         get events.events.k8s.io
         get events.events.k8s.io --field-selector regarding.name=m-01 -o name
         describe cm m-01",
    )
    .await;
    both.end();
}
