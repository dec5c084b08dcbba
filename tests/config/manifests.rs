//! The folder of manifests.

use std::{fs, path::Path};

use drover::{
    config::manifests,
    world::input::{Auth, DataOrFile, Inputs, Subject},
};

use crate::{changed, examples};

const HASH: &str = "sha256:3f9c6bd3fb8cc4b3f5a0f4cd2bc0f3bbd6f1d9a0a8b7d9e0c4d4d06a8e4a1b52";

fn example() -> String {
    fs::read_to_string(examples().join("manifests/example.yaml")).unwrap()
}

fn load(files: &[(&str, &str)]) -> Result<Inputs, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    manifests::load(folder.path()).map_err(|problems| {
        let start = format!("{}/", folder.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&start, "")).collect()
    })
}

/// The problems of the example with one change.
fn broken(from: &str, to: &str) -> Vec<String> {
    load(&[("a.yaml", &changed(&example(), from, to))]).expect_err(to)
}

#[track_caller]
fn tells(problems: &[String], expected: &str) {
    assert!(problems.iter().any(|problem| problem.contains(expected)), "no `{expected}` in {problems:#?}");
}

#[test]
fn the_commented_example_is_whole() {
    let inputs = manifests::load(&examples().join("manifests")).unwrap_or_else(|problems| panic!("{problems}"));
    let [user] = inputs.users.as_slice() else { panic!("{:?}", inputs.users) };
    assert_eq!((&*user.name, &*user.username, user.enabled), ("u-alice", "alice", true));
    assert_eq!(user.principal_ids.iter().map(|id| &**id).collect::<Vec<_>>(), ["local://u-alice", "x509_user://alice"]);
    assert_eq!(user.limits.in_flight, Some(100));
    let [cluster] = inputs.clusters.as_slice() else { panic!("{:?}", inputs.clusters) };
    let connection = cluster.reach.connection().unwrap();
    assert_eq!((&*connection.host, connection.port), ("kube.example.org", 6443));
    assert!(matches!(&connection.auth, Auth::Token(DataOrFile::Data(_))));
    let [binding] = inputs.bindings.as_slice() else { panic!("{:?}", inputs.bindings) };
    assert_eq!(binding.subject, Subject::User("u-alice".into()));
    assert_eq!(&*binding.name, "c-dev/alice-views");
    assert_eq!(inputs.tokens.first().unwrap().expires_at, Some("2030-01-31T12:00:00Z".parse().unwrap()));
}

/// T1: the text of a token is never stored, and never repeated in an error.
#[test]
fn a_token_in_plain_text_is_refused_and_not_repeated() {
    for text in ["drover_plain-text-of-a-token", "token-abc:secretsecret", "sha256:abcd", "12345", "sha512:00"] {
        let problems = broken(HASH, text);
        tells(&problems, "token: expected ");
        assert!(!problems.iter().any(|problem| problem.contains(text)), "{problems:?}");
    }
}

#[test]
fn an_unknown_field_and_a_wrong_type_are_told_by_line() {
    tells(&broken("displayName: Alice", "displayname: Alice"), "a.yaml:10:1: displayname: unknown field");
    tells(&broken("enabled: true", "enabled: yes"), "a.yaml:11:10: enabled: expected `true` or `false`, found `yes`");
    tells(
        &broken("username: alice", "username: 7"),
        "username: expected a text (in quotes where it looks like something else), found `7`",
    );
    tells(&broken("  name: u-alice", "  nam: u-alice"), "metadata.nam: unknown field");
    tells(&broken("kind: User", "kind: Person"), "kind: expected User, Group, GroupMember, Token, AuthConfig, Cluster");
    tells(&broken("kind: User\n", ""), "kind: is missing");
}

#[test]
fn a_provider_has_the_fields_of_its_type_which_the_plane_reads() {
    let provider = "apiVersion: management.cattle.io/v3\nkind: AuthConfig\nmetadata: {name: corp}\ntype: openLdapConfig\nenabled: true\n\
                    servers: [ldap1.example.org]\ntls: true\n";
    let inputs = load(&[("a.yaml", &example()), ("b.yaml", provider)]).unwrap();
    let provider_read = inputs.providers.first().unwrap();
    assert_eq!((&*provider_read.name, provider_read.enabled), ("corp", true));
    let told = |from, to| load(&[("a.yaml", &example()), ("b.yaml", &changed(provider, from, to))]).unwrap_err();
    tells(&told("enabled: true", "enabled: maybe"), "b.yaml:5:10: enabled: expected `true` or `false`, found `maybe`");
    tells(&told("type: openLdapConfig\n", ""), "`type` is missing");
    tells(&told("name: corp", "name: Corp_1"), "metadata.name: ");
}

#[test]
fn names_that_kubernetes_or_drover_keep_for_themselves_are_refused() {
    tells(&broken("name: u-alice", "name: 'system:admin'"), "metadata.name: `system:admin` is reserved");
    tells(&broken("name: u-alice", "name: 'drover:x'"), "metadata.name: `drover:x` is reserved");
    tells(&broken("name: u-alice", "name: U_Alice"), "metadata.name: expected lower case letters");
    tells(&broken("  name: u-alice", "  generateName: u-"), "metadata.generateName: not taken");
    tells(&broken("userName: u-alice", "userName: 'system:masters'"), "userName: `system:masters` is reserved");
    tells(&broken("userName: u-alice", "groupName: 'system:masters'"), "groupName: `system:masters` is reserved");
}

/// R17.
#[test]
fn a_template_cannot_be_drovers_own_role() {
    tells(
        &broken("roleTemplateName: view", "roleTemplateName: 'drover:gateway'"),
        "roleTemplateName: `drover:gateway` is reserved",
    );
    tells(&broken("roleTemplateName: view", "roleTemplateName: a/b"), "roleTemplateName: expected letters");
    let inputs =
        load(&[("a.yaml", &changed(&example(), "roleTemplateName: view", "roleTemplateName: 'team:view'"))]).unwrap();
    assert_eq!(&*inputs.bindings.first().unwrap().template, "team:view");
}

#[test]
fn references_to_nothing_are_told() {
    tells(&broken("userId: u-alice", "userId: u-bob"), "userId: there is no User `u-bob`");
    tells(
        &broken("# clusterName: c-dev        works in this cluster only", "clusterName: c-x"),
        "clusterName: there is no Cluster `c-x`",
    );
    tells(&broken("clusterName: c-dev\nrole", "clusterName: c-x\nrole"), "clusterName: there is no Cluster `c-x`");
    tells(
        &broken("        name: c-dev\n        #", "        name: c-no\n        #"),
        "secretRef: there is no Secret `drover-system/c-no`",
    );
    tells(
        &broken("# key: kubeconfig", "key: other"),
        "secretRef.key: the Secret `drover-system/c-dev` has no key `other`",
    );
    tells(
        &broken("# context: other  ", "context: other #"),
        "stringData.kubeconfig: its line 11: contexts: there is no context `other`",
    );
}

#[test]
fn local_is_the_management_plane_and_no_manifest_takes_its_place() {
    let local = changed(&example(), "metadata:\n  name: c-dev\nspec", "metadata:\n  name: local\nspec");
    let expected = "metadata.name: `local` is the management plane itself";
    tells(&load(&[("a.yaml", &local)]).unwrap_err(), expected);
    // A binding there is one as any other.
    let bound = "apiVersion: management.cattle.io/v3\nkind: ClusterRoleTemplateBinding\n\
                 metadata: {name: b, namespace: local}\nclusterName: local\nroleTemplateName: view\nuserName: u-alice\n";
    assert!(load(&[("a.yaml", &example()), ("b.yaml", bound)]).is_ok());
}

#[test]
fn a_binding_names_exactly_one_subject_in_its_own_cluster() {
    let expected = "expected exactly one of `userName`, `userPrincipalName`, `groupName` and `groupPrincipalName`";
    tells(&broken("userName: u-alice", ""), expected);
    tells(&broken("userName: u-alice", "userName: u-alice\ngroupName: devs"), expected);
    tells(
        &broken("namespace: c-dev", "namespace: c-other"),
        "metadata.namespace: expected the cluster's id `c-dev`, found `c-other`",
    );
    // Someone who is not there (yet, or any more) gets nothing; the removal of a User must not wait for its bindings.
    assert!(load(&[("a.yaml", &changed(&example(), "userName: u-alice", "userName: u-gone"))]).is_ok());
}

#[test]
fn an_object_given_twice_is_told_with_the_place_of_the_first() {
    let problems = load(&[("a.yaml", &example()), ("b.yaml", &example())]).unwrap_err();
    tells(&problems, "b.yaml:8:3: metadata.name: there is a User `u-alice` already, at a.yaml:5");
    tells(&problems, "there is a Cluster `c-dev` already");
    tells(&problems, "there is a ClusterRoleTemplateBinding `c-dev/alice-views` already");
    let bob = "apiVersion: management.cattle.io/v3\nkind: User\nmetadata: {name: u-bob}\nprincipalIds: ['x509_user://alice']\nusername: alice\n";
    let problems = load(&[("a.yaml", &example()), ("b.yaml", bob)]).unwrap_err();
    tells(&problems, "principalIds[0]: the principal `x509_user://alice` is that of User `u-alice` already");
    tells(&problems, "username: the login name `alice` is that of User `u-alice` already");
    let token = format!(
        "apiVersion: management.cattle.io/v3\nkind: Token\nmetadata: {{name: t-2}}\nuserId: u-alice\ntoken: {HASH}\n"
    );
    tells(
        &load(&[("a.yaml", &example()), ("b.yaml", &token)]).unwrap_err(),
        "token: is the hash of Token `token-alice-laptop` already",
    );
}

#[test]
fn a_token_ends_at_the_earlier_of_its_two_ends() {
    let ttl = |ttl: &str| changed(&example(), "description: her laptop", ttl);
    tells(
        &load(&[("a.yaml", &ttl("ttl: 1000"))]).unwrap_err(),
        "ttl: counts from `metadata.creationTimestamp`, which is missing",
    );
    tells(&load(&[("a.yaml", &ttl("ttl: -1"))]).unwrap_err(), "ttl: expected milliseconds");
    tells(
        &broken("2030-01-31T12:00:00Z", "soon"),
        "expiresAt: expected a moment such as `2030-01-31T12:00:00Z`, found `soon`",
    );
    let text =
        changed(&ttl("ttl: 60000"), "name: token-alice-laptop", "name: t\n  creationTimestamp: 2026-01-01T00:00:00Z");
    let inputs = load(&[("a.yaml", &text)]).unwrap();
    assert_eq!(inputs.tokens.first().unwrap().expires_at, Some("2026-01-01T00:01:00Z".parse().unwrap()));
}

#[test]
fn principals_of_groups_are_names_or_ranchers_objects() {
    let groups = "groupPrincipals: ['okta_group://a', {metadata: {name: 'okta_group://b'}, displayName: B, me: false}]";
    let inputs = load(&[("a.yaml", &changed(&example(), "description: her laptop", groups))]).unwrap();
    let groups: Vec<&str> = inputs.tokens.first().unwrap().group_principals.iter().map(|group| &**group).collect();
    assert_eq!(groups, ["okta_group://a", "okta_group://b"]);
    tells(
        &broken("description: her laptop", "groupPrincipals: ['system:masters']"),
        "groupPrincipals[0]: expected `<provider>_group://<id>`",
    );
}

#[test]
fn only_manifests_are_read_and_every_form_of_them() {
    let user = |name: &str| {
        format!("{{\"apiVersion\":\"management.cattle.io/v3\",\"kind\":\"User\",\"metadata\":{{\"name\":\"{name}\"}}}}")
    };
    let files = [
        ("b.json", user("u-b")),
        ("a.yml", user("u-a")),
        ("c.yaml", "# nothing\n---\n".to_owned()),
        (".hidden.yaml", "{".to_owned()),
        ("notes.txt", "{".to_owned()),
        ("a.yaml~", "{".to_owned()),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let inputs = load(&files).unwrap();
    assert_eq!(inputs.users.iter().map(|user| &*user.name).collect::<Vec<_>>(), ["u-a", "u-b"]);
}

#[cfg(unix)]
#[test]
fn a_mounted_config_map_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("..2026_01_01");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a.yaml"), example()).unwrap();
    std::os::unix::fs::symlink("..2026_01_01", folder.path().join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/a.yaml", folder.path().join("a.yaml")).unwrap();
    assert_eq!(manifests::load(folder.path()).unwrap().users.len(), 1);
}

#[test]
fn a_missing_folder_is_a_problem_and_not_an_empty_world() {
    assert!(manifests::load(Path::new("/nonexistent/manifests")).is_err());
}

#[test]
fn groups_in_a_circle_and_members_that_are_no_principals_are_told() {
    let api = "apiVersion: management.cattle.io/v3";
    let text = format!(
        "{{{api}, kind: Group, metadata: {{name: a}}, members: ['local_group://b', 'local://u-x']}}\n---\n\
         {{{api}, kind: Group, metadata: {{name: b}}}}\n---\n\
         {{{api}, kind: GroupMember, metadata: {{name: m}}, groupName: b, principalId: 'local_group://a'}}\n---\n\
         {{{api}, kind: Group, metadata: {{name: c}}, members: [jo]}}\n"
    );
    let problems = load(&[("groups.yaml", &text)]).unwrap_err();
    tells(&problems, "members: the group `a` is a member of itself");
    tells(&problems, "members: the group `b` is a member of itself");
    tells(&problems, "members[0]: expected `local://<User>`");
    assert_eq!(problems.len(), 3, "{problems:#?}");
}

#[test]
fn a_group_of_the_example_has_its_members() {
    let inputs = manifests::load(&examples().join("manifests")).unwrap();
    let [group] = inputs.groups.as_slice() else { panic!("{:?}", inputs.groups) };
    assert_eq!(
        (&*group.name, group.members.as_slice()),
        ("platform", &[Subject::UserPrincipal("local://u-alice".into())][..])
    );
}
