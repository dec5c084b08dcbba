use std::sync::Arc;

use super::{Builder, Touched};
use crate::{
    secret::Secret,
    world::input::{
        Auth, Change, DataOrFile, Inputs, Names, Published, Reach,
        testing::{binding, cluster, token, user},
    },
};

fn inputs() -> Inputs {
    Inputs {
        users: vec![user("u-a"), user("u-b")],
        tokens: vec![token("t-a", "u-a")],
        clusters: vec![cluster("c-1", "one"), cluster("c-2", "two")],
        bindings: vec![binding("c-1", "view", "u-a"), binding("c-1", "edit", "u-a"), binding("c-2", "view", "u-b")],
        ..Inputs::default()
    }
}

#[test]
fn the_same_inputs_again_publish_nothing() {
    let mut builder = Builder::default();
    builder.replace(inputs());
    assert!(builder.next().is_some());
    builder.replace(inputs());
    assert!(builder.next().is_none());
}

#[test]
fn a_removed_binding_touches_its_cluster_alone_and_keeps_other_rows() {
    let mut builder = Builder::default();
    builder.replace(inputs());
    let (before, _) = builder.next().unwrap();
    let mut changed = inputs();
    changed.bindings.remove(0);
    builder.replace(changed);
    let (after, touched) = builder.next().unwrap();
    assert_eq!(touched, Touched { clusters: [Arc::from("c-1")].into(), ..Touched::default() });
    assert!(Arc::ptr_eq(before.user("u-a").unwrap(), after.user("u-a").unwrap()));
    assert!(Arc::ptr_eq(before.cluster("c-2").unwrap(), after.cluster("c-2").unwrap()));
    let row = after.cluster("c-1").unwrap();
    let roles = row.roles_of(after.user("u-a").unwrap().subjects.iter().copied());
    assert_eq!(roles.iter().map(|&role| &*row.roles[role as usize].template).collect::<Vec<_>>(), ["edit"]);
}

#[test]
fn single_changes_make_the_same_world_as_all_at_once() {
    let (mut whole, mut single) = (Builder::default(), Builder::default());
    whole.replace(inputs());
    let Inputs { users, tokens, clusters, bindings, .. } = inputs();
    // In an order in which nothing that is named is there yet.
    for binding in bindings {
        single.change(Change::Binding(Arc::clone(&binding.name), Some(binding)));
    }
    for cluster in clusters {
        single.change(Change::Cluster(Arc::clone(&cluster.id), Some(cluster)));
    }
    for token in tokens {
        single.change(Change::Token(Arc::clone(&token.name), Some(token)));
    }
    for user in users {
        single.change(Change::User(Arc::clone(&user.name), Some(user)));
    }
    let ((whole, touched), (single, touched_too)) = (whole.next().unwrap(), single.next().unwrap());
    assert_eq!(touched, touched_too);
    for world in [&whole, &single] {
        let user = world.user("u-a").unwrap();
        let row = world.cluster("c-1").unwrap();
        assert_eq!(row.roles_of(user.subjects.iter().copied()).len(), 2);
        assert!(!world.cluster("c-2").unwrap().binds(user.subjects.iter().copied()));
    }
}

#[test]
fn a_single_change_that_changes_nothing_publishes_nothing() {
    let mut builder = Builder::default();
    builder.replace(inputs());
    builder.next().unwrap();
    let Inputs { mut users, mut tokens, mut clusters, mut bindings, .. } = inputs();
    builder.change(Change::User("u-b".into(), users.pop()));
    builder.change(Change::Token("t-a".into(), tokens.pop()));
    builder.change(Change::Cluster("c-2".into(), clusters.pop()));
    builder.change(Change::Binding("c-2/view-u-b".into(), bindings.pop()));
    builder.change(Change::Binding("c-2/none".into(), None));
    builder.change(Change::Token("none".into(), None));
    assert!(builder.next().is_none());
}

#[test]
fn a_binding_that_goes_or_moves_gives_nothing_where_it_was() {
    let mut builder = Builder::default();
    builder.replace(inputs());
    builder.next().unwrap();
    builder.change(Change::Binding("c-2/view-u-b".into(), None));
    let mut moved = binding("c-2", "view", "u-a");
    moved.name = "c-1/view-u-a".into();
    builder.change(Change::Binding("c-1/view-u-a".into(), Some(moved)));
    let (world, touched) = builder.next().unwrap();
    assert_eq!(touched.clusters, [Arc::from("c-1"), Arc::from("c-2")].into());
    let row = world.cluster("c-2").unwrap();
    assert!(!row.binds(world.user("u-b").unwrap().subjects.iter().copied()));
    assert!(row.binds(world.user("u-a").unwrap().subjects.iter().copied()));
}

#[test]
fn a_token_with_another_hash_works_by_that_one_alone() {
    let mut builder = Builder::default();
    builder.replace(inputs());
    builder.next().unwrap();
    let old = token("t-a", "u-a");
    let mut new = token("other", "u-a");
    new.name = "t-a".into();
    let hash = new.hash;
    builder.change(Change::Token("t-a".into(), Some(new)));
    let (world, touched) = builder.next().unwrap();
    assert!(world.token(&old.hash).is_none());
    assert!(world.token(&hash).is_some());
    assert_eq!(touched.tokens, [old.hash, hash].into());
}

#[test]
fn a_second_token_with_the_same_hash_takes_nothing_over() {
    let mut builder = Builder::default();
    builder.replace(inputs());
    builder.next().unwrap();
    let mut thief = token("t-a", "u-b");
    thief.name = "t-b".into();
    builder.change(Change::Token("t-b".into(), Some(thief.clone())));
    assert!(builder.next().is_none());
    builder.change(Change::Token("t-b".into(), None));
    assert!(builder.next().is_none());
    builder.change(Change::Token("t-a".into(), None));
    let (world, _) = builder.next().unwrap();
    assert!(world.token(&thief.hash).is_none());
}

#[test]
fn what_an_old_address_published_is_forgotten_with_it() {
    let mut builder = Builder::default();
    builder.replace(inputs());
    builder.publish(&"c-1".into(), Published { groups: Names::Any, users: Names::Any, ..Published::default() });
    let (world, _) = builder.next().unwrap();
    assert!(world.cluster("c-1").unwrap().roles.iter().all(|role| role.published));
    let mut moved = inputs();
    moved.clusters[0] = cluster("c-1", "elsewhere");
    builder.replace(moved);
    let (world, _) = builder.next().unwrap();
    assert!(world.cluster("c-1").unwrap().published.is_none());
    assert!(world.cluster("c-1").unwrap().roles.iter().all(|role| !role.published));
}

#[test]
fn what_a_cluster_published_outlives_a_change_of_the_credential() {
    let mut builder = Builder::default();
    builder.replace(inputs());
    builder.publish(&"c-1".into(), Published { groups: Names::Any, users: Names::Any, ..Published::default() });
    builder.next().unwrap();
    let mut rotated = inputs();
    let mut connection = (**rotated.clusters[0].reach.connection().unwrap()).clone();
    connection.auth = Auth::Token(DataOrFile::Data(Secret::new(Arc::from(&b"another"[..]))));
    rotated.clusters[0].reach = Reach::Direct(Arc::new(connection));
    builder.replace(rotated);
    let (world, touched) = builder.next().unwrap();
    assert!(touched.clusters.contains("c-1"));
    assert!(world.cluster("c-1").unwrap().roles.iter().all(|role| role.published));
}

#[test]
fn a_principal_that_moves_to_another_user_is_found_there() {
    let mut builder = Builder::default();
    let mut first = inputs();
    first.users[1].principal_ids.push("x509_user://robot".into());
    builder.replace(first);
    builder.next().unwrap();
    let mut second = inputs();
    second.users[0].principal_ids.push("x509_user://robot".into());
    builder.replace(second);
    let (world, _) = builder.next().unwrap();
    assert_eq!(&*world.user_by_principal("x509_user://robot").unwrap().name, "u-a");
}

#[test]
fn usage_outlives_a_change_of_its_row() {
    let mut builder = Builder::default();
    builder.replace(inputs());
    let (world, _) = builder.next().unwrap();
    assert!(world.user("u-a").unwrap().usage.enter(1));
    let mut changed = inputs();
    changed.users[0].enabled = false;
    builder.replace(changed);
    let (world, _) = builder.next().unwrap();
    assert_eq!(world.user("u-a").unwrap().usage.in_flight(), 1);
}
