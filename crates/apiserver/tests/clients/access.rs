//! auth can-i, whoami, reconcile; what somebody without rights sees; impersonation is the gateway's.

use super::both::Both;

#[tokio::test]
async fn rights_are_asked_for_given_and_used() {
    let mut root = Both::new("access").await;
    root.all(
        "auth whoami
         auth can-i '*' '*'
         auth can-i get cm
         auth can-i get nothings
         auth can-i get /metrics
         create role reader --verb=get,list,watch --resource=configmaps
         create role one --verb=get --resource=secrets --resource-name=mine
         create rolebinding reading --role=reader --user=ann
         create rolebinding one --role=one --user=ann
         create secret generic mine --from-literal=a=b
         create secret generic other --from-literal=a=b
         create cm m --from-literal=a=b",
    )
    .await;
    let mut ann = Both::person("ann", "access").await;
    ann.all(
        "auth whoami
         auth can-i get cm
         auth can-i delete cm
         auth can-i get secret/mine
         auth can-i get secret/other
         auth can-i list ns
         auth can-i get cm --subresource=status
         auth can-i --list
         auth can-i --list -n default
         get cm
         get cm m -o yaml
         get secret
         get secret mine
         get secret other
         get ns
         create cm n
         delete cm m
         label cm m a=b
         get cm -A
         get --raw /metrics
         create role all --verb=* --resource=*
         api-resources --api-group=coordination.k8s.io
         apply --server-side -f map.yaml",
    )
    .await;
    ann.end();
    root.all(
        "create role giver --verb=create,get,list,patch,update --resource=roles,rolebindings
         create rolebinding giving --role=giver --user=ann",
    )
    .await;
    let mut ann = Both::person("ann", "access").await;
    ann.all(
        "create role more --verb=delete --resource=configmaps
         create role same --verb=get --resource=configmaps
         create rolebinding again --role=reader --user=ben",
    )
    .await;
    ann.end();
    root.end();
}

#[tokio::test]
async fn roles_are_reconciled() {
    let mut both = Both::new("reconciling").await;
    let roles = |verbs: &str, user: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: r, labels: {{a: b}}}}
rules: [{{apiGroups: [''], resources: [configmaps], verbs: [{verbs}]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: r}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]
"
        )
    };
    both.same_with("auth reconcile -f -", &roles("get", "ann")).await;
    both.same_with("auth reconcile -f -", &roles("list", "ben")).await;
    both.same_with("auth reconcile --remove-extra-permissions --remove-extra-subjects -f -", &roles("watch", "cyd"))
        .await;
    both.same_with("auth reconcile --dry-run=server -f -", &roles("delete", "dan")).await;
    both.all(
        "get role r -o yaml
         get rolebinding r -o yaml
         create clusterrole reconciling-part --verb=get --resource=leases
         label clusterrole reconciling-part reconciling=yes
         create clusterrole reconciling-whole --aggregation-rule=reconciling=yes
         wait --for=jsonpath='{.rules[0].resources[0]}'=leases clusterrole/reconciling-whole --timeout=20s",
    )
    .await;
    both.end();
}
