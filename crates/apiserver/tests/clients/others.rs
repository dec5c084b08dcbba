//! Definitions of other projects: cert-manager's, Argo CD's and the Gateway API's.

use kit::servers::Binaries;

use super::both::Both;

async fn installed(namespace: &str, project: &str, kinds: &[&str]) -> Both {
    let mut both = Both::new(namespace).await;
    let file = Binaries::locate().program(&format!("crds-{project}.yaml")).display().to_string();
    both.same(&format!("create -f {file}")).await;
    for kind in kinds {
        both.same(&format!("wait --for=condition=Established crd/{kind} --timeout=20s")).await;
        for kubectl in [&both.ours, &both.real] {
            kit::wait::until("the kind to be explained", || async {
                (kubectl.run(&["explain", kind]).await.code == Some(0)).then_some(())
            })
            .await;
        }
    }
    both
}

async fn objects(both: &mut Both, good: &[&str], bad: &[&str]) {
    for text in good {
        both.same_with("create -f - -o yaml", text).await;
        both.same_with("apply -f -", text).await;
        both.same_with("apply --server-side --force-conflicts -f - -o yaml --show-managed-fields", text).await;
    }
    for text in bad {
        both.same_with("create -f -", text).await;
        both.same_with("apply --server-side -f -", text).await;
    }
}

#[tokio::test]
async fn cert_managers_kinds_are_served() {
    let kinds = ["certificates.cert-manager.io", "issuers.cert-manager.io"];
    let mut both = installed("cert-manager", "cert-manager", &kinds).await;
    objects(
        &mut both,
        &[
            "{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: a}, spec: {secretName: a-tls, dnsNames: [a.example.com], \
             issuerRef: {name: ca, kind: Issuer}, privateKey: {rotationPolicy: Always}, duration: 2160h}}",
            "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: ca}, spec: {ca: {secretName: ca-key}}}",
            "{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: acme}, spec: {acme: {server: 'https://acme.example.com', \
             privateKeySecretRef: {name: k}, solvers: [{http01: {ingress: {ingressClassName: nginx}}}]}}}",
        ],
        &[
            "{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: b}, spec: {dnsNames: [a.example.com]}}",
            "{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: b}, spec: {secretName: a, issuerRef: {name: ca}, usages: [flying]}}",
            "{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: b}, spec: {vault: {path: x}}}",
            "{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: b}, spec: {secretName: a, issuerRef: {name: ca}, nothing: x}}",
        ],
    )
    .await;
    both.all(
        "get certificates
         get cert -o wide
         get issuers,clusterissuers
         explain certificate.spec
         explain issuer.spec.acme.solvers
         explain certificate --recursive
         get certificaterequests,orders,challenges
         get cert-manager -o name
         describe cert a
         delete clusterissuer acme",
    )
    .await;
    both.end();
}

#[tokio::test]
async fn the_gateway_apis_kinds_are_served() {
    let kinds = ["gateways.gateway.networking.k8s.io", "httproutes.gateway.networking.k8s.io"];
    let mut both = installed("gateway-api", "gateway-api", &kinds).await;
    objects(
        &mut both,
        &[
            "{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: drover}, spec: {controllerName: example.com/drover}}",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: a}, spec: {gatewayClassName: drover, \
             listeners: [{name: http, port: 80, protocol: HTTP}]}}",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: a}, spec: {parentRefs: [{name: a}], hostnames: [a.example.com], \
             rules: [{matches: [{path: {type: PathPrefix, value: /x}}], backendRefs: [{name: web, port: 80}]}]}}",
        ],
        &[
            "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: b}, spec: {gatewayClassName: drover, listeners: []}}",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: b}, spec: {gatewayClassName: drover, \
             listeners: [{name: a, port: 80, protocol: HTTP, tls: {}}]}}",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: b}, spec: {gatewayClassName: drover, \
             listeners: [{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}]}}",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: b}, spec: {rules: [{matches: [{path: {type: Exact, value: x}}]}]}}",
            "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: b}, spec: {hostnames: ['*.*']}}",
        ],
    )
    .await;
    both.all(
        r#"get gatewayclasses
        get gateways
        get gtw -o wide
        get httproutes
        explain httproute.spec.rules.matches
        explain gateway.spec.listeners --recursive
        patch gatewayclass drover --type=merge -p '{"spec":{"controllerName":"example.com/other"}}'
        delete gatewayclass drover"#,
    )
    .await;
    both.end();
}

#[tokio::test]
async fn argo_cds_kinds_are_served() {
    let kinds = ["applications.argoproj.io", "applicationsets.argoproj.io", "appprojects.argoproj.io"];
    let mut both = installed("argo-cd", "argo-cd", &kinds).await;
    objects(
        &mut both,
        &[
            "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: a}, spec: {project: default, destination: {namespace: x, \
             server: 'https://kubernetes.default.svc'}, source: {repoURL: 'https://example.com/r.git', path: p, helm: {values: 'a: b', \
             parameters: [{name: a, value: b}]}}}}",
            "{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: p}, spec: {sourceRepos: ['*'], destinations: [{namespace: '*', server: '*'}]}}",
            "{apiVersion: argoproj.io/v1alpha1, kind: ApplicationSet, metadata: {name: s}, spec: {generators: [{list: {elements: [{a: 1}]}}], \
             template: {metadata: {name: 'x-{{a}}'}, spec: {project: default, destination: {}}}}}",
        ],
        &[
            "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: b}, spec: {project: default}}",
            "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: b}, spec: {project: 1, destination: {}}}",
            "{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: b}, spec: {roles: [{policies: []}]}}",
        ],
    )
    .await;
    both.all(
        "get applications
         get app -o wide
         get appprojects,applicationsets
         explain application.spec.source.helm
         explain appproject.spec --recursive
         delete application a",
    )
    .await;
    both.end();
}
