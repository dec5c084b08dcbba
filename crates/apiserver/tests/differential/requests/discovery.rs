//! Discovery documents, and paths that are none.

use crate::request::{Look, Plan};

pub fn add(plan: &mut Plan) {
    plan.area("discovery");
    for path in [
        "/api",
        "/apis",
        "/api/v1",
        "/apis/events.k8s.io",
        "/apis/events.k8s.io/v1",
        "/apis/authentication.k8s.io/v1",
        "/apis/authorization.k8s.io",
        "/apis/authorization.k8s.io/v1",
        "/apis/rbac.authorization.k8s.io",
        "/apis/rbac.authorization.k8s.io/v1",
        "/apis/admissionregistration.k8s.io/v1",
        "/apis/apiextensions.k8s.io",
        "/apis/apiextensions.k8s.io/v1",
        "/apis/coordination.k8s.io/v1",
        "/apis/example.com",
        "/apis/example.com/v1",
        "/apis/example.com/v1beta1",
        "/apis/example.com/v1alpha1",
    ] {
        plan.get(path, path).look(Look::Served);
        plan.get(&format!("{path} as YAML"), path).accept("application/yaml").look(Look::Served);
    }
    for path in [
        "/apis/none.example.com",
        "/apis/none.example.com/v1",
        "/apis/none.example.com/v1/things",
        "/apis/example.com/v9",
        "/apis/example.com/v9/widgets",
        "/apis/example.com/v1/none",
        "/apis/example.com/v1alpha1/gadgets",
        "/api/v2",
        "/api/v1/none",
        "/api/v1/namespaces/one/none",
        "/api/v1/namespaces/one/none/x",
        "/none",
        "/apis/rbac.authorization.k8s.io/v9",
        "/apis/rbac.authorization.k8s.io/v9/roles",
        "/apis/rbac.authorization.k8s.io/v9/namespaces/one/roles/a",
        "/openapi/v3/none",
        "/openapi/none",
        "/readyz/none/below",
        "/api/v1/",
        "/api/",
        "/apis/",
        "/apis/example.com/",
        "/apis/example.com/v1/",
        "/api/v1/namespaces/one/configmaps/",
        "/api/v1/namespaces/one/",
        "//api",
        "/api/v1/namespaces/one/configmaps/a/b/c",
    ] {
        plan.get(path, path).look(Look::Served);
    }
    for (slug, accept) in [
        ("aggregated", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
        (
            "aggregated as kubectl asks",
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
        ),
        ("aggregated in beta", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"),
        ("aggregated in YAML", "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
        ("text", "text/html"),
        ("a table", "application/json;as=Table;v=v1;g=meta.k8s.io"),
    ] {
        for path in ["/api", "/apis"] {
            plan.get(&format!("{path} {slug}"), path).accept(accept).look(Look::Served);
        }
        plan.get(&format!("/apis/example.com/v1 {slug}"), "/apis/example.com/v1").accept(accept).look(Look::Served);
        plan.get(&format!("/apis/rbac.authorization.k8s.io {slug}"), "/apis/rbac.authorization.k8s.io")
            .accept(accept)
            .look(Look::Served);
    }
    for (method, path) in [
        ("POST", "/api"),
        ("DELETE", "/apis"),
        ("PUT", "/apis/example.com/v1"),
        ("POST", "/version"),
        ("POST", "/healthz"),
        ("HEAD", "/api"),
        ("POST", "/none"),
        ("DELETE", "/none/below"),
        ("PUT", "/api/v2"),
        ("POST", "/api/v1"),
        ("POST", "/apis/none.example.com"),
        ("POST", "/apis/none.example.com/v1"),
        ("POST", "/apis/none.example.com/v1/things"),
        ("DELETE", "/apis/example.com/v9"),
        ("POST", "/apis/rbac.authorization.k8s.io"),
        ("POST", "/apis/rbac.authorization.k8s.io/v1"),
        ("POST", "/apis/rbac.authorization.k8s.io/v9/roles"),
        ("DELETE", "/api/v9/namespaces/one/configmaps/a"),
        ("POST", "/apis/rbac.authorization.k8s.io/v9"),
        ("POST", "/openapi/v3/none"),
        ("POST", "/.well-known/none"),
        ("DELETE", "/openid/v1/jwks"),
        ("POST", "/readyz/none"),
        ("POST", "/readyz/ping"),
    ] {
        plan.ask(&format!("{method} {path}"), method, path).look(Look::Served);
    }
    for path in ["/version?timeout=x", "/apis?timeout=1h", "/none?timeout=x"] {
        plan.get(path, path).look(Look::Served);
    }
    for path in ["/healthz", "/livez", "/readyz", "/readyz/ping", "/livez/ping", "/readyz/none", "/readyz/"] {
        plan.get(path, path);
    }
}
