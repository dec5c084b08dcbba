//! Lists: selectors, pages, versions.

use serde_json::json;

use crate::request::Plan;

pub fn add(plan: &mut Plan) {
    plan.area("lists");
    let kinds = [
        ("configmaps", "/api/v1/namespaces/three/configmaps", "v1", "ConfigMap"),
        ("widgets", "/apis/example.com/v1/namespaces/three/widgets", "example.com/v1", "Widget"),
    ];
    for (slug, path, api_version, kind) in kinds {
        for (name, app, color) in
            [("a", "x", "red"), ("b", "y", "green"), ("c", "x", "blue"), ("d", "", "red"), ("e", "z", "red")]
        {
            let mut body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": {"app": app, "n": name}}});
            if kind == "Widget" {
                body["spec"] = json!({ "color": color, "size": 5 });
            }
            if app.is_empty() {
                body["metadata"]["labels"].as_object_mut().unwrap().remove("app");
            }
            plan.post(&format!("{slug} {name}"), path, &body).save(&format!("{slug}-{name}"));
        }
        selectors(plan, slug, path);
        pages(plan, slug, path);
        versions(plan, slug, path);
        plan.get(
            &format!("{slug} in all namespaces"),
            &format!("{}?labelSelector=n", path.replace("/namespaces/three", "")),
        );
        plan.get(
            &format!("{slug} in one of all namespaces"),
            &format!(
                "{}?labelSelector=n&fieldSelector=metadata.namespace%3Dthree",
                path.replace("/namespaces/three", "")
            ),
        );
    }
}

fn selectors(plan: &mut Plan, slug: &str, path: &str) {
    for selector in [
        "app=x",
        "app==x",
        "app!=x",
        "app in (x,y)",
        "app notin (x,y)",
        "app",
        "!app",
        "app,n=a",
        "n>a",
        "n>1",
        "n<5",
        "app in ()",
        "app in x",
        "app=x y",
        "a b=x",
        "=x",
        "app=",
        ",",
        "app=x,",
        "app in (x,",
        "example.com/a=b",
        "app=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "n in (a, b), app",
    ] {
        let encoded = encode(selector);
        plan.get(&format!("{slug} with labels {selector}"), &format!("{path}?labelSelector={encoded}"));
    }
    for selector in [
        "metadata.name=a",
        "metadata.name!=a",
        "metadata.name==a",
        "metadata.namespace=three",
        "metadata.namespace=one",
        "spec.color=red",
        "spec.color!=red",
        "spec.color=red,metadata.name!=d",
        "spec.size=5",
        "spec.enabled=true",
        "spec.other=x",
        "metadata.labels=x",
        "type=Opaque",
        "metadata.name",
        "metadata.name=a=b",
        "metadata.name in (a)",
        "=a",
        ",",
        "metadata.name=a\\,b",
        "metadata.name=",
    ] {
        let encoded = encode(selector);
        plan.get(&format!("{slug} with fields {selector}"), &format!("{path}?fieldSelector={encoded}"));
    }
}

fn pages(plan: &mut Plan, slug: &str, path: &str) {
    plan.get(&format!("{slug}: first page"), &format!("{path}?limit=2")).save("page");
    plan.get(&format!("{slug}: second page"), &format!("{path}?limit=2&continue=${{page.continue}}")).save("page2");
    plan.get(&format!("{slug}: last page"), &format!("{path}?limit=2&continue=${{page2.continue}}"));
    plan.get(&format!("{slug}: the rest"), &format!("{path}?continue=${{page.continue}}"));
    plan.get(&format!("{slug}: page with labels"), &format!("{path}?limit=1&labelSelector=app%3Dx")).save("page3");
    plan.get(
        &format!("{slug}: page with other labels"),
        &format!("{path}?limit=1&labelSelector=app%3Dy&continue=${{page3.continue}}"),
    );
    plan.get(
        &format!("{slug}: page and a version"),
        &format!("{path}?limit=2&resourceVersion=${{{slug}-a.rv}}&continue=${{page.continue}}"),
    );
    plan.get(
        &format!("{slug}: page and a match"),
        &format!("{path}?limit=2&resourceVersionMatch=Exact&continue=${{page.continue}}"),
    );
    for (what, query) in [
        ("as a table", "limit=2"),
        ("limit 0", "limit=0"),
        ("limit -1", "limit=-1"),
        ("limit x", "limit=x"),
        ("limit 5", "limit=5"),
        ("limit 99", "limit=99"),
        ("a bad token", "continue=x"),
        ("an odd token", "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MCwic3RhcnQiOiJhIn0"),
        ("a token of another version", "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjIiLCJydiI6MSwic3RhcnQiOiJhIn0"),
        ("a token that leads elsewhere", "continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiIuLi9hIn0"),
    ] {
        let ask = plan.get(&format!("{slug}: page, {what}"), &format!("{path}?{query}"));
        if what == "as a table" {
            ask.accept("application/json;as=Table;v=v1;g=meta.k8s.io");
        }
    }
    for (what, accept) in [
        ("table", "application/json;as=Table;v=v1;g=meta.k8s.io"),
        ("partial", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"),
        ("yaml", "application/yaml"),
    ] {
        plan.get(&format!("{slug}: page as {what}"), &format!("{path}?limit=3")).accept(accept);
    }
    for include in ["None", "Metadata", "Object", "Odd", ""] {
        plan.get(&format!("{slug}: table with {include}"), &format!("{path}?includeObject={include}"))
            .accept("application/json;as=Table;v=v1;g=meta.k8s.io");
    }
}

fn versions(plan: &mut Plan, slug: &str, path: &str) {
    let saved = format!("${{{slug}-c.rv}}");
    for query in [
        "resourceVersion=0",
        "resourceVersion=0&limit=2",
        "resourceVersion=0&resourceVersionMatch=Exact",
        "resourceVersion=0&resourceVersionMatch=NotOlderThan",
        "resourceVersion=SAVED",
        "resourceVersion=SAVED&limit=2",
        "resourceVersion=SAVED&resourceVersionMatch=Exact",
        "resourceVersion=SAVED&resourceVersionMatch=Exact&limit=1",
        "resourceVersion=SAVED&resourceVersionMatch=NotOlderThan",
        "resourceVersion=SAVED&resourceVersionMatch=Odd",
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=NotOlderThan",
        "resourceVersion=x",
        "resourceVersion=-5",
        "resourceVersion=1.5",
        "resourceVersion=99999999999999999999999",
        "sendInitialEvents=true",
        "timeoutSeconds=5",
        "timeoutSeconds=x",
        "watch=false",
        "watch=0",
        "allowWatchBookmarks=true",
    ] {
        plan.get(&format!("{slug} with {query}"), &format!("{path}?{}", query.replace("SAVED", &saved)));
    }
}

/// As a value of a query.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
