//! Kubeconfigs, from the admin's files and from anywhere else.

use std::path::{Path, PathBuf};

use drover::{
    config::kubeconfig::{Origin, connection},
    world::input::{Auth, Connection, DataOrFile},
};

const TEXT: &str = "\
apiVersion: v1
kind: Config
clusters:
  - name: a
    cluster: {server: 'https://[2001:db8::1]:6443/prefix/'}
users:
  - name: a
    user: {token: abc}
contexts:
  - name: a
    context: {cluster: a, user: a}
current-context: a
";

fn read(cluster: &str, user: &str, origin: Origin<'_>) -> Result<Connection, Vec<String>> {
    let text = TEXT.replace("{token: abc}", user).replace("{server: 'https://[2001:db8::1]:6443/prefix/'}", cluster);
    connection(&text, None, origin).map_err(|faults| {
        faults.into_iter().map(|fault| format!("{}:{}: {}", fault.line, fault.field, fault.message)).collect()
    })
}

const SERVER: &str = "{server: https://kube.example.org}";
fn admin() -> Origin<'static> {
    Origin::AdminFile(Path::new("/etc/drover/kube"))
}

#[test]
fn a_server_is_taken_apart() {
    let found = connection(TEXT, None, Origin::Inline).unwrap();
    assert_eq!((found.https, &*found.host, found.port, &*found.path_prefix), (true, "2001:db8::1", 6443, "/prefix"));
    let found =
        read("{server: 'https://Kube.example.org', tls-server-name: kube}", "{token: abc}", Origin::Inline).unwrap();
    assert_eq!((&*found.host, found.port, &*found.path_prefix), ("kube.example.org", 443, ""));
    assert_eq!(found.tls_server_name.as_deref(), Some("kube"));
    for server in [
        "kube:6443",
        "ftp://kube",
        "https://u:p@kube",
        "https://kube?x=1",
        "https://kube:99999",
        "https://",
        "https://kube:0",
    ] {
        assert!(read(&format!("{{server: '{server}'}}"), "{token: abc}", admin()).is_err(), "{server}");
    }
}

/// R14.
#[test]
fn a_kubeconfig_from_elsewhere_holds_inline_data_only_and_the_field_is_named() {
    let exec = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh}}";
    for (user, field) in [
        (exec, "exec"),
        ("{tokenFile: /etc/shadow}", "tokenFile"),
        ("{client-certificate: /etc/a, client-key-data: x}", "client-certificate"),
        ("{client-key: /etc/a}", "client-key"),
        ("{token: abc, auth-provider: {name: gcp}}", "auth-provider"),
        ("{token: abc, as: admin}", "as"),
        ("{token: abc, as-groups: ['system:masters']}", "as-groups"),
        ("{token: abc, as-uid: x}", "as-uid"),
        ("{token: abc, as-user-extra: {a: [b]}}", "as-user-extra"),
        ("{username: a, password: b}", "username"),
    ] {
        let problems = read(SERVER, user, Origin::Inline).expect_err(user);
        assert!(
            problems.iter().any(|problem| problem.starts_with(&format!("8:users[0].user.{field}: "))),
            "{field}: {problems:?}"
        );
    }
    for (cluster, field) in [
        ("{server: 'https://kube', proxy-url: 'http://10.0.0.1:3128'}", "proxy-url"),
        ("{server: 'https://kube', certificate-authority: /etc/a}", "certificate-authority"),
        ("{server: 'https://kube', insecure-skip-tls-verify: true}", "insecure-skip-tls-verify"),
        ("{server: 'http://kube'}", "server"),
    ] {
        let problems = read(cluster, "{token: abc}", Origin::Inline).expect_err(cluster);
        assert!(
            problems.iter().any(|problem| problem.starts_with(&format!("5:clusters[0].cluster.{field}: "))),
            "{field}: {problems:?}"
        );
    }
}

#[test]
fn a_file_of_the_admin_may_name_files_from_its_own_folder() {
    let found = read(
        "{server: 'https://kube', certificate-authority: ca.crt, proxy-url: 'socks5://10.0.0.1:1080'}",
        "{tokenFile: t}",
        admin(),
    )
    .unwrap();
    assert_eq!(found.ca, Some(DataOrFile::File(PathBuf::from("/etc/drover/kube/ca.crt"))));
    assert_eq!(found.auth, Auth::Token(DataOrFile::File(PathBuf::from("/etc/drover/kube/t"))));
    assert_eq!(found.proxy_url.as_deref(), Some("socks5://10.0.0.1:1080"));
    let exec = |command: &str| {
        let user = format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: {command}, args: [a], env: [{{name: A, value: b}}], interactiveMode: Never}}}}"
        );
        match read(SERVER, &user, admin()).unwrap().auth {
            Auth::Exec(plugin) => (plugin.api_version, plugin.command),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(exec("./login"), ("v1beta1".to_owned(), "/etc/drover/kube/./login".to_owned()));
    assert_eq!(exec("login").1, "login");
}

#[test]
fn a_credential_is_whole_and_the_only_one() {
    for (user, expected) in [
        ("{}", "holds no credential"),
        ("{client-certificate: a}", "the client certificate lacks its key"),
        ("{client-key: a}", "the client key lacks its certificate"),
        ("{token: abc, client-certificate: a, client-key: b}", "holds more than one credential"),
        ("{token: 'a b'}", "expected visible ASCII"),
        ("{client-certificate-data: '?', client-key: b}", "client-certificate-data: expected base64"),
        ("{client-certificate-data: aGVsbG8=, client-key: b}", "client-certificate-data: expected PEM certificates"),
        ("{exec: {apiVersion: v9, command: x}}", "exec.apiVersion: expected `client.authentication.k8s.io/v1`"),
        ("{tokn: abc}", "tokn: unknown field"),
    ] {
        let problems = read(SERVER, user, admin()).expect_err(user);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{user}: {problems:?}");
    }
}

/// T1.
#[test]
fn a_secret_of_the_wrong_type_is_not_shown() {
    for user in ["{token: 1234567}", "{token: [hunter2]}", "{client-key-data: 1234567}"] {
        let problems = read(SERVER, user, Origin::Inline).expect_err(user);
        assert!(
            problems.iter().all(|problem| !problem.contains("1234567") && !problem.contains("hunter2")),
            "{problems:?}"
        );
    }
}
