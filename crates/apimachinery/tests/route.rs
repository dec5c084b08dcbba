//! Which cluster a request is for.

use apimachinery::route::{by_host, is_cluster_id, split};

#[test]
fn a_path_names_its_cluster() {
    assert_eq!(split("/k8s/clusters/c-m-abc12/api/v1"), Some(("c-m-abc12", "/api/v1")));
    assert_eq!(split("/k8s/clusters/local"), Some(("local", "/")));
    assert_eq!(split("/k8s/clusters/local/"), Some(("local", "/")));
    for path in ["/", "/k8s/clusters", "/k8s/clusters/", "/k8s/cluster/a/b", "/k8s/clusters/A/b", "k8s/clusters/a"] {
        assert_eq!(split(path), None, "{path}");
    }
}

#[test]
fn a_host_names_its_cluster() {
    for host in ["c-m-abc12.k8s.example.com", "C-M-abc12.K8S.example.COM:8443", "c-m-abc12.k8s.example.com.:443"] {
        assert_eq!(by_host(host, "k8s.example.com").as_deref(), Some("c-m-abc12"), "{host}");
    }
    for host in [
        "k8s.example.com",
        "a.b.k8s.example.com",
        ".k8s.example.com",
        "a.k8s.example.com.evil.org",
        "ak8s.example.com",
        "a_b.k8s.example.com",
        "a.k8s.example.com:port",
        "a.k8s.example.com..",
        "[::1]:443",
        "",
    ] {
        assert_eq!(by_host(host, "k8s.example.com"), None, "{host}");
    }
    assert_eq!(by_host("a.", ""), None);
}

#[test]
fn a_cluster_id_is_a_dns_label() {
    for id in ["local", "c-m-abc12", "c-xxxxx", "a", "1", &"a".repeat(63)] {
        assert!(is_cluster_id(id), "{id}");
    }
    for id in ["", "-", "a-", "-a", "A", "a.b", "a_b", "a b", "ä", &"a".repeat(64)] {
        assert!(!is_cluster_id(id), "{id}");
    }
}
