//! Watches: what they begin with, how they end.

use serde_json::json;

use crate::request::Plan;

pub fn add(plan: &mut Plan) {
    plan.area("watches");
    let kinds = [
        ("configmaps", "/api/v1/namespaces/three/configmaps", "v1", "ConfigMap"),
        ("widgets", "/apis/example.com/v1/namespaces/three/widgets", "example.com/v1", "Widget"),
    ];
    for (slug, path, api_version, kind) in kinds {
        // A little history.
        let body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "w", "labels": {"app": "w", "watched": "yes"}}});
        plan.post(&format!("{slug}: create"), path, &body).save(&format!("w-{slug}"));
        plan.merge(&format!("{slug}: change"), &format!("{path}/w"), &json!({"metadata": {"labels": {"app": "v"}}}));
        plan.merge(
            &format!("{slug}: change back"),
            &format!("{path}/w"),
            &json!({"metadata": {"labels": {"app": "w"}, "annotations": {"a": "b"}}}),
        );
        plan.delete(&format!("{slug}: delete"), &format!("{path}/w"));
    }
    plan.together(|plan| {
        for (slug, path, ..) in kinds {
            let from = format!("${{w-{slug}.rv}}");
            for query in [
                "resourceVersion=SAVED",
                "resourceVersion=SAVED&allowWatchBookmarks=true",
                "resourceVersion=SAVED&labelSelector=app%3Dw",
                "resourceVersion=SAVED&labelSelector=app%3Dv",
                "resourceVersion=SAVED&labelSelector=watched",
                "resourceVersion=SAVED&fieldSelector=metadata.name%3Dw",
                "resourceVersion=SAVED&fieldSelector=metadata.name%3Da",
                "resourceVersion=SAVED&limit=1",
                "resourceVersion=SAVED&sendInitialEvents=false&resourceVersionMatch=NotOlderThan",
                "labelSelector=n%3Da",
                "labelSelector=app%3Dx&resourceVersion=0",
                "labelSelector=n&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
                "labelSelector=n%3Da&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=0",
                "labelSelector=n%3Da&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
                "sendInitialEvents=true",
                "sendInitialEvents=true&resourceVersionMatch=Exact",
                "sendInitialEvents=maybe&resourceVersionMatch=NotOlderThan",
                "resourceVersionMatch=NotOlderThan",
                "resourceVersion=x",
                "resourceVersion=-1",
                "resourceVersion=1",
                "resourceVersion=999999999",
                "continue=x",
                "labelSelector=a b",
                "labelSelector=a%20b",
                "fieldSelector=spec.none%3Dx",
            ] {
                if query.contains(' ') {
                    continue;
                }
                let target = format!("{path}?watch=true&timeoutSeconds=1&{}", query.replace("SAVED", &from));
                plan.get(&format!("{slug} with {query}"), &target);
            }
            // For a version that is yet to come a read waits a while, too.
            for (what, target) in [
                ("get", format!("{path}/a?resourceVersion=999999999")),
                ("list", format!("{path}?resourceVersion=999999999")),
                ("list exactly", format!("{path}?resourceVersion=999999999&resourceVersionMatch=Exact")),
            ] {
                plan.get(&format!("{slug}: {what} of a version to come"), &target);
            }
            for (what, accept) in [
                ("table", "application/json;as=Table;v=v1;g=meta.k8s.io"),
                ("partial", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"),
                ("partial list", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"),
                ("yaml", "application/yaml"),
                ("stream", "application/json;stream=watch"),
                ("text", "text/html"),
            ] {
                let target = format!("{path}?watch=1&timeoutSeconds=1&resourceVersion={from}");
                plan.get(&format!("{slug} as {what}"), &target).accept(accept);
            }
            for (what, target) in [
                ("one by path", format!("{path}/a?watch=true&timeoutSeconds=1")),
                ("one by an old path", format!("{}/a?timeoutSeconds=1", path.replace("/v1/", "/v1/watch/"))),
                ("all by an old path", format!("{}?timeoutSeconds=1&labelSelector=n%3Da", path.replace("/v1/", "/v1/watch/"))),
                ("by a flag alone", format!("{path}?watch&timeoutSeconds=1&labelSelector=n%3Da")),
                ("by an odd flag", format!("{path}?watch=maybe&timeoutSeconds=1&labelSelector=n%3Da")),
                ("for a text", format!("{path}?watch=true&timeoutSeconds=x")),
                ("posted", format!("{path}?watch=true&timeoutSeconds=1")),
            ] {
                let ask = plan.get(&format!("{slug}: {what}"), &target);
                if what == "posted" {
                    ask.method = "POST";
                }
            }
        }
    });
}
