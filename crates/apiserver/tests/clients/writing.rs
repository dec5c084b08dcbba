//! create, apply, patch, label, edit, replace: the ways to write.

use super::both::Both;

const MAP: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {app: web}}
data: {one: '1', two: '2'}
";

#[tokio::test]
async fn objects_are_created_by_file_and_by_command() {
    let mut both = Both::new("creating").await;
    both.same_with("create -f - -o yaml", MAP).await;
    both.same_with("create -f -", MAP).await;
    both.all(
        "create configmap b --from-literal=a=b --from-literal=c=d
         create secret generic s --from-literal=password=x
         create secret docker-registry d --docker-server=r.example.com --docker-username=u --docker-password=p
         create serviceaccount robot
         create role reader --verb=get,list --resource=configmaps
         create role reader --verb=get --resource=configmaps
         create rolebinding reading --role=reader --user=ann --group=devs --serviceaccount=creating:robot
         create clusterrole creating-nodes --verb=get --resource=namespaces --resource-name=default
         create clusterrole creating-urls --verb=get --non-resource-url=/metrics
         create clusterrole creating-sum --aggregation-rule=x=y
         create clusterrolebinding creating-all --clusterrole=creating-nodes --user=ann
         create namespace creating
         create configmap c --from-literal=a=b --dry-run=server -o yaml
         create configmap c --from-literal=a=b --dry-run=client -o yaml
         get configmap c
         create role r --verb=get --resource=nothings
         create configmap Wrong_Name --from-literal=a=b
         create rolebinding wrong --role=reader --user=ann -n nothing
         get cm,secret,sa,role,rolebinding -l app
         get role reader -o yaml
         get rolebinding reading -o yaml
         get secret s -o yaml
         describe role reader
         describe rolebinding reading
         describe clusterrolebinding creating-all
         describe cm b
         describe secret s
         describe sa robot",
    )
    .await;
    let many = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {generateName: made-}, data: {a: b}}
- {apiVersion: v1, kind: Secret, metadata: {name: listed}, stringData: {a: b}}
";
    let (ours, real) = both.run("create -f -", many).await;
    assert_eq!(ours.ok().lines().count(), real.ok().lines().count());
    for wrong in [
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: w}, dota: {a: b}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: w, labels: {'a b': c}}}",
        "{apiVersion: v1, kind: Nothing, metadata: {name: w}}",
        "{apiVersion: v2, kind: ConfigMap, metadata: {name: w}}",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: w, namespace: other}}",
        "{apiVersion: v1, kind: ConfigMap}",
        "{kind: ConfigMap, metadata: {name: w}}",
        "{apiVersion: v1, kind: Secret, metadata: {name: w}, type: kubernetes.io/tls}",
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: w}, rules: [{verbs: []}]}",
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: w}, spec: {leaseDurationSeconds: -1}}",
        "{apiVersion: v1, kind: [",
    ] {
        both.same_with("create -f -", wrong).await;
        both.same_with("apply -f -", wrong).await;
        both.same_with("apply --server-side -f -", wrong).await;
    }
    both.end();
}

#[tokio::test]
async fn manifests_are_applied_and_compared() {
    let mut both = Both::new("applying").await;
    let changed = MAP.replace("'2'", "'two'").replace("app: web", "app: api");
    let fewer = MAP.replace(", two: '2'", "");
    both.same_with("diff -f -", MAP).await;
    both.same_with("apply -f -", MAP).await;
    both.same_with("apply -f -", MAP).await;
    both.same_with("diff -f -", MAP).await;
    both.same_with("diff -f -", &changed).await;
    both.same_with("diff --server-side -f -", &changed).await;
    both.same_with("apply -f - --dry-run=server -o yaml", &changed).await;
    both.same_with("apply -f - -o yaml", &changed).await;
    both.same_with("apply -f -", &fewer).await;
    both.same("get cm a -o yaml --show-managed-fields").await;
    both.same("apply view-last-applied cm a").await;
    both.same_with("apply --server-side -f -", MAP).await;
    both.same_with("apply --server-side --force-conflicts -f -", MAP).await;
    both.same("get cm a -o yaml --show-managed-fields").await;
    both.same_with("apply --server-side --field-manager=other -f -", &changed).await;
    both.same_with(
        "apply --server-side --field-manager=other --force-conflicts -f - -o yaml --show-managed-fields",
        &changed,
    )
    .await;
    both.same_with("apply --server-side --field-manager=third -f -", &fewer).await;
    both.same_with("apply --server-side --dry-run=server -f -", &changed).await;
    both.same_with("diff --server-side --field-manager=third -f -", &fewer).await;
    let role = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r}
rules:
- {apiGroups: [''], resources: [configmaps], verbs: [get]}
";
    both.same_with("apply -f - -o yaml", role).await;
    both.same_with("apply -f - -o yaml", &role.replace("[get]", "[get, list]")).await;
    both.same_with(
        "apply --prune -l app=web --prune-allowlist=core/v1/ConfigMap -f -",
        &MAP.replace("name: a", "name: p"),
    )
    .await;
    both.same_with(
        "apply --prune -l app=web --prune-allowlist=core/v1/ConfigMap -f -",
        &MAP.replace("name: a", "name: q"),
    )
    .await;
    both.same("get cm -o name -l app").await;
    both.end();
}

#[tokio::test]
async fn objects_are_patched_labelled_edited_and_replaced() {
    let mut both = Both::new("patching").await.env("EDITOR", "sed -i s/'1'/'one'/");
    both.same_with("create -f -", MAP).await;
    both.same_with(
        "create -f -",
        "{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}, imagePullSecrets: [{name: a}, {name: b}]}",
    )
    .await;
    both.all(
        r#"patch cm a -p '{"data":{"three":"3"}}' -o yaml
        patch cm a --type=merge -p '{"data":{"two":null}}' -o yaml
        patch cm a --type=json -p '[{"op":"add","path":"/data/four","value":"4"}]' -o yaml
        patch cm a --type=json -p '[{"op":"test","path":"/data/four","value":"5"}]'
        patch cm a --type=json -p '[{"op":"remove","path":"/data/nothing"}]'
        patch cm a --type=json -p '{"op":"remove"}'
        patch cm a -p '{"data":{"three":"3"}}'
        patch cm a -p '{"nothing":{"three":"3"}}'
        patch cm nothing -p '{}'
        patch sa robot -p '{"imagePullSecrets":[{"name":"c"}]}' -o yaml
        patch sa robot -p '{"imagePullSecrets":[{"name":"a","$patch":"delete"}]}' -o yaml
        patch sa robot -p '{"secrets":[{"name":"s"}],"$setElementOrder/secrets":[{"name":"s"}]}' -o yaml
        label cm a tier=front
        label cm a tier=back
        label cm a tier=back --overwrite
        label cm a tier-
        label cm a 'wrong key=x'
        label cm -l app=web all=yes
        annotate cm a note='some words'
        annotate cm a note-
        annotate cm a other=x --field-manager=me -o yaml --show-managed-fields
        edit cm a
        get cm a -o yaml --show-managed-fields
        set subject rolebinding nothing --user=ann"#,
    )
    .await;
    both.same_with("replace -f - -o yaml", MAP).await;
    both.same_with("replace -f -", &MAP.replace("name: a,", "name: a, resourceVersion: '1',")).await;
    both.same_with("replace -f -", &MAP.replace("name: a,", "name: a, uid: other,")).await;
    both.same_with("replace -f -", &MAP.replace("name: a", "name: nothing")).await;
    both.same_with("replace --force -f -", MAP).await;
    both.same_with(
        "create -f -",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: fixed}, immutable: true, data: {a: b}}",
    )
    .await;
    both.same("patch cm fixed -p '{\"data\":{\"a\":\"c\"}}'").await;
    both.end();
}

#[tokio::test]
async fn unknown_fields_are_told_as_strictly_as_asked() {
    let mut both = Both::new("strict").await;
    let unknown = "{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME, nothing: x}, dota: {a: b}, data: {a: b}}";
    let twice = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata:\n  a: b\n  a: c\n";
    for validate in ["strict", "warn", "ignore", "true", "false"] {
        for (kind, text) in [("unknown", unknown), ("twice", twice)] {
            let name = format!("{kind}-{validate}");
            both.same_with(&format!("create --validate={validate} -f -"), &text.replace("NAME", &name)).await;
            both.same_with(&format!("apply --validate={validate} -f -"), &text.replace("NAME", &name)).await;
        }
    }
    both.all("get cm -o name").await;
    both.end();
}
