//! Kinds that are made at run time: their life, their tables, their subresources, their checks.

use super::both::Both;

const CRD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: GADGETS.clients.example.com}
spec:
  group: clients.example.com
  scope: Namespaced
  names: {plural: GADGETS, singular: GADGET, kind: KIND, shortNames: [SHORT], categories: [CATEGORY]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}}
    selectableFields: [{jsonPath: .spec.colour}]
    additionalPrinterColumns:
    - {name: Colour, type: string, jsonPath: .spec.colour, description: Its colour.}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Hidden, type: string, jsonPath: .spec.size, priority: 1}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type==\"Ready\")].status'}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        description: A thing to try things with.
        type: object
        required: [spec]
        properties:
          spec:
            description: What is wanted.
            type: object
            required: [colour]
            properties:
              colour: {type: string, enum: [red, green], description: The colour.}
              size: {type: string, default: small, maxLength: 10}
              replicas: {type: integer, minimum: 0, maximum: 100}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              either: {x-kubernetes-int-or-string: true}
              ports:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [port]
                items: {type: object, required: [port], properties: {port: {type: integer}, name: {type: string, pattern: '^[a-z]+$'}}}
              tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
          status:
            type: object
            properties:
              replicas: {type: integer}
              selector: {type: string}
              conditions:
                type: array
                items: {type: object, properties: {type: {type: string}, status: {type: string}}}
  - name: v1alpha1
    served: true
    storage: false
    deprecated: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// The definition under a name of the test's own.
fn definition(plural: &str) -> String {
    let singular = plural.trim_end_matches('s');
    CRD.replace("GADGETS", plural)
        .replace("GADGET", singular)
        .replace("KIND", &(singular[..1].to_uppercase() + &singular[1..]))
        .replace("SHORT", &singular[..4])
        .replace("CATEGORY", &format!("{plural}-and-more"))
}

async fn installed(namespace: &str, plural: &str) -> Both {
    let mut both = Both::new(namespace).await;
    both.same_with("create -f -", &definition(plural)).await;
    both.same(&format!("wait --for=condition=Established crd/{plural}.clients.example.com --timeout=20s")).await;
    // kubectl learns of kinds by discovery, which a real server brings up to date a moment later.
    for kubectl in [&both.ours, &both.real] {
        kit::wait::until("the kind to be discovered", || async {
            let found = kubectl.run(&["get", plural, "-n", namespace]).await;
            (found.code == Some(0)).then_some(())
        })
        .await;
    }
    both
}

#[tokio::test]
async fn a_custom_kind_is_described_and_explained() {
    let mut both = installed("custom-explain", "doodads").await;
    for kubectl in [&both.ours, &both.real] {
        kit::wait::until("the kind to be in the documents", || async {
            (kubectl.run(&["explain", "doodads"]).await.code == Some(0)).then_some(())
        })
        .await;
    }
    both.all(
        "get crd doodads.clients.example.com
         get crd doodads.clients.example.com -o yaml
         api-resources --api-group=clients.example.com --categories=doodads-and-more
         get doodads-and-more
         explain doodads
         explain doodad --recursive
         explain dood.spec
         explain doodad.spec.ports
         explain doodad.spec.free
         explain doodad.metadata.labels
         explain doodad --api-version=clients.example.com/v1alpha1
         explain doodad.spec.nothing
         explain doodad --output=plaintext-openapiv2
         get doodads -o json",
    )
    .await;
    both.all_raw("get --raw /apis/clients.example.com/v1/namespaces/custom-explain/doodads").await;
    both.end();
}

#[tokio::test]
async fn custom_objects_are_written_and_shown() {
    let mut both = installed("custom-write", "gizmos").await;
    let gizmo = "
apiVersion: clients.example.com/v1
kind: Gizmo
metadata: {name: a, labels: {l: x}}
spec: {colour: red, replicas: 2, free: {any: [1, two]}, ports: [{port: 80, name: web}, {port: 81}], tags: [b, a]}
status: {replicas: 9}
";
    both.same_with("create -f - -o yaml", gizmo).await;
    both.same_with("apply -f -", gizmo).await;
    both.same_with("apply -f - -o yaml", &gizmo.replace("{port: 81}", "{port: 82}")).await;
    both.same_with("apply --server-side --field-manager=one -f -", &gizmo.replace("red", "green")).await;
    both.same_with(
        "apply --server-side --field-manager=one --force-conflicts -f - -o yaml",
        &gizmo.replace("red", "green"),
    )
    .await;
    let port = "{apiVersion: clients.example.com/v1, kind: Gizmo, metadata: {name: a}, spec: {ports: [{port: 99}]}}";
    both.same_with("apply --server-side --field-manager=two -f - -o yaml --show-managed-fields", port).await;
    both.same_with("diff --server-side --field-manager=two -f -", port).await;
    both.same_with("diff -f -", gizmo).await;
    both.all(
        r#"get gizmos
        get gizmo a -o wide
        get giz a -o yaml
        get gizmo --field-selector spec.colour=green
        get gizmo --field-selector spec.size=small
        patch gizmo a --type=merge -p '{"spec":{"size":"large"}}' -o yaml
        patch gizmo a --type=json -p '[{"op":"replace","path":"/spec/colour","value":"blue"}]'
        patch gizmo a -p '{"spec":{"size":"large"}}'
        patch gizmo a --type=merge -p '{"status":{"replicas":5}}' -o yaml
        patch gizmo a --subresource=status --type=merge -p '{"status":{"replicas":5,"conditions":[{"type":"Ready","status":"True"}]}}' -o yaml
        get gizmo a --subresource=status -o yaml
        get gizmo a --subresource=scale -o yaml
        get gizmo a
        wait --for=condition=Ready gizmo/a --timeout=10s
        scale gizmo a --replicas=7
        scale gizmo a --replicas=7 --current-replicas=3
        scale gizmo a --replicas=1000
        scale gizmo nothing --replicas=1
        get gizmo a -o jsonpath='{.spec.replicas}'
        patch gizmo a --subresource=scale --type=merge -p '{"spec":{"replicas":3}}' -o yaml
        label gizmo a l=y --overwrite
        annotate gizmo a x=y
        describe gizmo a
        auth can-i get gizmos
        auth can-i update gizmos --subresource=status
        create role gizmos --verb=get --resource=gizmos.clients.example.com
        create role scales --verb=update --resource=gizmos/scale
        delete gizmo a
        get gizmo"#,
    )
    .await;
    both.end();
}

#[tokio::test]
async fn wrong_custom_objects_are_refused_in_the_same_words() {
    let mut both = installed("custom-wrong", "wotsits").await;
    for (at, spec) in [
        "{}",
        "{colour: blue}",
        "{colour: 1}",
        "{colour: red, replicas: -1}",
        "{colour: red, replicas: 101}",
        "{colour: red, replicas: '1'}",
        "{colour: red, replicas: 1.5}",
        "{colour: red, size: much-too-long}",
        "{colour: red, unknown: x}",
        "{colour: red, ports: [{port: 1}, {port: 1}]}",
        "{colour: red, ports: [{name: a}]}",
        "{colour: red, ports: [{port: 1, name: A1}]}",
        "{colour: red, tags: [a, a]}",
        "{colour: red, tags: a}",
        "{colour: red, either: [1]}",
        "{colour: red, free: 1}",
        "[]",
    ]
    .iter()
    .enumerate()
    {
        let text =
            format!("{{apiVersion: clients.example.com/v1, kind: Wotsit, metadata: {{name: w-{at}}}, spec: {spec}}}");
        both.same_with("create -f -", &text).await;
        if at % 3 == 0 {
            both.same_with("create --validate=ignore -f - -o name", &text.replace("w-", "i-")).await;
        } else {
            both.same_with("apply --server-side -f -", &text).await;
        }
    }
    both.same_with("create -f -", "{apiVersion: clients.example.com/v1, kind: Wotsit, metadata: {name: none}}").await;
    both.same_with("create -f -", "{apiVersion: clients.example.com/v2, kind: Wotsit, metadata: {name: none}}").await;
    both.end();
}

#[tokio::test]
async fn a_definition_goes_with_its_objects_and_a_wrong_one_is_refused() {
    let mut both = installed("custom-gone", "trinkets").await;
    let object = "{apiVersion: clients.example.com/v1, kind: Trinket, metadata: {name: a}, spec: {colour: red}}";
    both.same_with("create -f -", object).await;
    let crd = definition("trinkets");
    for (from, to) in [
        ("scope: Namespaced", "scope: Cluster"),
        ("type: integer, minimum: 0", "type: number, minimum: 0"),
        ("x-kubernetes-list-type: set", "x-kubernetes-list-type: bag"),
        ("required: [port]", "required: []"),
        ("default: small", "default: 1"),
        ("plural: trinkets", "plural: others"),
        ("name: v1alpha1", "name: V1"),
        ("type: array, x-kubernetes-list-type: set,", ""),
        ("jsonPath: .spec.colour}]", "jsonPath: .spec.nothing}]"),
    ] {
        both.same_with("apply -f -", &crd.replacen(from, to, 1)).await;
        let other = crd.replace("trinkets", "others").replace("trinket", "other").replace("Trinket", "Other");
        let from = from.replace("trinkets", "others");
        both.same_with("create --dry-run=server -f - -o name", &other.replacen(&from, to, 1)).await;
    }
    both.all(
        "delete crd trinkets.clients.example.com
         get crd trinkets.clients.example.com",
    )
    .await;
    both.end();
}
