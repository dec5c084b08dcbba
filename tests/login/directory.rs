//! A directory: what `drover auth` says of it, and its people at the command line.

use kit::{
    cluster::RealCluster,
    slapd::{self, Slapd},
};
use serde_json::{Value, json};

use crate::scene::{DROVER, Scene, folder};

const PEOPLE: &str = "\
dn: cn=drover,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: drover
userPassword: of the service account

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=ann,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ann
cn: Ann Example
sn: Example
userPassword: correct horse

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: Bob Example
sn: Example
userPassword: battery staple

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: cn=staff,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: staff
member: uid=ann,ou=people,dc=example,dc=org

dn: cn=everybody,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: everybody
member: cn=staff,ou=groups,dc=example,dc=org
";

fn provider(slapd: &Slapd) -> Value {
    json!({
        "apiVersion": "management.cattle.io/v3", "kind": "AuthConfig", "metadata": {"name": "corp"},
        "type": "openLdapConfig", "enabled": true, "displayName": "Example Corp",
        "servers": [slapd.host()], "port": slapd::LDAPS, "tls": true, "certificate": slapd.ca(),
        "serviceAccountDistinguishedName": "cn=drover,dc=example,dc=org",
        "serviceAccountPassword": "drover-system:corp",
        "userSearchBase": "ou=people,dc=example,dc=org", "groupSearchBase": "ou=groups,dc=example,dc=org",
        "nestedGroupMembershipEnabled": true,
    })
}

fn secret(password: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "corp", "namespace": "drover-system"},
        "stringData": {"serviceaccountpassword": password}})
}

#[tokio::test]
async fn an_administrator_tries_a_directory_and_its_people_sign_in_with_their_groups() {
    let slapd = Slapd::builder().ldif(PEOPLE).start().await;
    let cluster = RealCluster::builder().name("a").kwok(true).start().await;
    cluster.create_pod("default", "web").await;
    let folder = folder();
    folder.add_real_cluster("c-a", &cluster).await;
    folder.write_objects("corp", &[provider(&slapd), secret("of the service account")]);
    let scene = Scene::on(folder).await;
    let drover = |args: &[&str]| scene.gateway.command(args);
    kit::wait::until_true("the manifests", || drover(&["auth", "ls"]).ok().contains("corp")).await;
    let listed = drover(&["auth", "ls"]).ok();
    assert!(listed.contains("corp  openLdapConfig  yes      unrestricted"), "{listed}");

    let told = drover(&["auth", "test", "corp", "--user", "ann"]).ok();
    let server = format!("server:  ldaps://{}:{}", slapd.host(), slapd::LDAPS);
    assert!(told.contains(&server) && told.contains("users:   2") && told.contains("groups:  2"), "{told}");
    assert!(
        told.contains("Ann Example (ann) is corp_user://uid=ann,ou=people,dc=example,dc=org, in 2 groups:"),
        "{told}"
    );
    assert!(told.contains("corp_group://cn=everybody,ou=groups,dc=example,dc=org"), "{told}");
    let json: Value = serde_json::from_str(&drover(&["auth", "test", "corp", "-o", "json"]).ok()).unwrap();
    assert_eq!((&json["users"], &json["sample"]), (&json!(2), &Value::Null));
    let nobody = drover(&["auth", "test", "corp", "--user", "carl"]).err();
    assert!(nobody.contains("carl"), "{nobody}");
    let none = drover(&["auth", "test", "corq"]).err();
    assert!(none.starts_with("error: no AuthConfig `corq` in the management plane; "), "{none}");

    // A directory's person, with what is bound to a group that hers is in.
    let bound = |cluster: &str| {
        json!({"apiVersion": "management.cattle.io/v3", "kind": "ClusterRoleTemplateBinding",
            "metadata": {"name": "everybody", "namespace": cluster}, "clusterName": cluster, "roleTemplateName": "view",
            "groupPrincipalName": "corp_group://cn=everybody,ou=groups,dc=example,dc=org"})
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c-a"}});
    scene.apply(&[namespace, bound("local"), bound("c-a")]).await;
    let ann = scene.person();
    let ca = ann.home().join("ca.pem");
    let args = ["login", &ann.server, "--certificate-authority", ca.to_str().unwrap(), "--provider", "corp"];
    let args = [&args[..], &["--user", "ann", "--password-stdin"]].concat();
    ann.run_with(&args, "correct horse").await.ok();
    scene.gateway.folder().publish(DROVER, "c-a", &cluster).await;
    scene.gateway.wait_for_cluster("c-a", &ann.access_token()).await;
    assert_eq!(ann.kubectl(&["get", "pods", "-o", "name"]).await.ok(), "pod/web\n");
    ann.kubectl(&["--context", "local", "get", "configmaps"]).await.ok();
    let secrets = ann.kubectl(&["get", "secrets"]).await.err();
    assert!(secrets.contains("cannot list resource \"secrets\""), "{secrets}");
    let myself = ann.json(&["whoami"]).await;
    assert_eq!(myself["provider"], "corp");
    assert!(myself["groups"].to_string().contains("corp_group://cn=everybody"), "{myself}");

    // What is wrong is told with server and account, and never with the password.
    scene.gateway.folder().write_objects("corp", &[provider(&slapd), secret("another password")]);
    kit::wait::until_true("the change", || drover(&["auth", "test", "corp"]).code != Some(0)).await;
    let refused = drover(&["auth", "test", "corp"]).err();
    assert!(refused.starts_with("error: provider `corp`: ") && refused.contains("the service account"), "{refused}");
    assert!(refused.contains("cn=drover,dc=example,dc=org") && !refused.contains("another password"), "{refused}");
    slapd.stop();
    let down = drover(&["auth", "test", "corp"]).err();
    assert!(
        down.contains(&format!("{}:{}", slapd.host(), slapd::LDAPS)) && down.contains("Connection refused"),
        "{down}"
    );
    // Who is signed in goes on.
    ann.kubectl(&["get", "pods"]).await.ok();
}
