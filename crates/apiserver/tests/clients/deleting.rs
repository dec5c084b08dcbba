//! delete, and what goes with it.

use super::both::Both;

#[tokio::test]
async fn objects_are_deleted_one_by_one_by_label_and_all() {
    let mut both = Both::new("deleting").await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        both.same(&format!("create cm {name} --from-literal=x=y")).await;
    }
    both.all(
        "label cm b c kind=some
         delete cm a --dry-run=server
         delete cm a --dry-run=client
         delete cm a
         delete cm a
         delete cm a --ignore-not-found
         delete cm -l kind=some
         get cm -o name
         delete cm d -o name
         delete cm,secret e
         delete cm --all
         get cm
         delete cm
         delete nothing a
         create cm g
         delete cm g --now
         create cm h
         delete cm h --force --grace-period=0
         create ns deleting-more
         create cm in -n deleting-more
         delete ns deleting-more
         get ns deleting-more
         create sa robot
         delete sa robot --wait=false
         delete role --all
         delete cm --field-selector metadata.name=i",
    )
    .await;
    both.same_with("delete -f -", "{apiVersion: v1, kind: ConfigMap, metadata: {name: nothing}}").await;
    both.end();
}

#[tokio::test]
async fn what_is_owned_goes_stays_or_is_waited_for() {
    let mut both = Both::new("cascade").await;
    for cascade in ["background", "foreground", "orphan"] {
        let name = format!("owner-{cascade}");
        let (ours, real) = both.run(&format!("create cm {name} -o jsonpath={{.metadata.uid}}"), "").await;
        for (kubectl, uid) in [(&both.ours, ours.ok()), (&both.real, real.ok())] {
            let owned = format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: of-{cascade}, ownerReferences: [{{apiVersion: v1, kind: \
                 ConfigMap, name: {name}, uid: {uid}, blockOwnerDeletion: true, controller: true}}]}}}}"
            );
            kubectl.run_with_input(&["-n", "cascade", "create", "-f", "-"], owned).await.ok();
        }
        both.same(&format!("delete cm {name} --cascade={cascade}")).await;
        if cascade == "orphan" {
            both.same("wait cm/of-orphan --for=jsonpath='{.data}' --timeout=1s").await;
            both.same("get cm of-orphan -o yaml").await;
        } else {
            both.same(&format!("wait --for=delete cm/of-{cascade} --timeout=20s")).await;
        }
    }
    both.same_with(
        "create -f -",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [drover.io/hold]}}",
    )
    .await;
    both.all(
        "delete cm held --wait=false
         get cm held -o jsonpath='{.metadata.finalizers}'
         patch cm held --type=merge -p '{\"metadata\":{\"finalizers\":null}}'
         get cm held",
    )
    .await;
    both.end();
}
