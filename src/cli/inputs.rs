//! The files, as commands read them that do not serve.

use std::{collections::HashSet, sync::Arc};

use kube::Api;

use super::{
    ConfigFile, Failure,
    operator::{self, Operator},
};
use crate::{
    config::{self, Problems, ServerConfig, manifests, server::Chosen},
    modules::{AuthConfig, Binding, Cluster, Group, GroupMember, Token, User, UserAttribute, listed},
    world::{
        World,
        input::{Inputs, Reach},
        rows::{SubjectId, UserRow},
    },
};

/// The server's file and what its manifests say.
pub(super) fn load(file: &ConfigFile) -> Result<(ServerConfig, Inputs), Failure> {
    let config = config::load(&file.config).map_err(Failure::new)?;
    let inputs = of_folder(&config).map_err(Failure::new)?;
    Ok((config, inputs))
}

/// What the manifests say. Beside a management plane there need be none.
pub(super) fn of_folder(config: &ServerConfig) -> Result<Inputs, Problems> {
    if config.management.chosen() != Chosen::Files && !config.manifests().exists() {
        return Ok(Inputs::default());
    }
    manifests::load(config.manifests())
}

/// The server's file, and what is there now: the objects of the management plane, and over them the manifests, which may not be
/// there yet. A plane that has never run has none.
pub(super) fn current(file: &ConfigFile) -> Result<(ServerConfig, Inputs), Failure> {
    let (config, mut inputs) = load(file)?;
    let there = operator::is_served(&config.admin_socket())
        || operator::place(&config).is_ok_and(|place| place.file().exists());
    if config.management.chosen() == Chosen::Files || !there {
        return Ok((config, inputs));
    }
    let plane = operator::runtime()?.block_on(async {
        let operator = Operator::reach(&config).await?;
        let read = of_plane(&operator).await;
        operator.close().await;
        read
    })?;
    join(&mut inputs.users, plane.users, |user| &user.name);
    join(&mut inputs.tokens, plane.tokens, |token| &token.name);
    join(&mut inputs.clusters, plane.clusters, |cluster| &cluster.id);
    join(&mut inputs.bindings, plane.bindings, |binding| &binding.name);
    join(&mut inputs.groups, plane.groups, |group| &group.name);
    join(&mut inputs.members, plane.members, |member| &member.name);
    join(&mut inputs.attributes, plane.attributes, |attribute| &attribute.user);
    Ok((config, inputs))
}

/// Adds those of `more` that are not there by name.
fn join<T>(all: &mut Vec<T>, more: Vec<T>, name: impl Fn(&T) -> &Arc<str>) {
    let there: HashSet<Arc<str>> = all.iter().map(|item| Arc::clone(name(item))).collect();
    all.extend(more.into_iter().filter(|item| !there.contains(name(item))));
}

/// The same of the management plane.
async fn of_plane(operator: &Operator) -> Result<Inputs, Failure> {
    let client = &operator.client;
    let users = listed(&Api::<User>::all(client.clone())).await.map_err(Failure::new)?;
    let tokens = listed(&Api::<Token>::all(client.clone())).await.map_err(Failure::new)?;
    let clusters = listed(&Api::<Cluster>::all(client.clone())).await.map_err(Failure::new)?;
    let bindings = listed(&Api::<Binding>::all(client.clone())).await.map_err(Failure::new)?;
    let groups = listed(&Api::<Group>::all(client.clone())).await.map_err(Failure::new)?;
    let members = listed(&Api::<GroupMember>::all(client.clone())).await.map_err(Failure::new)?;
    let attributes = listed(&Api::<UserAttribute>::all(client.clone())).await.map_err(Failure::new)?;
    let providers = listed(&Api::<AuthConfig>::all(client.clone())).await.map_err(Failure::new)?;
    // One that cannot be read gives nothing, as in the server. How a cluster is reached is not asked here.
    let reached = clusters.iter().filter_map(|cluster| cluster.reached().ok());
    Ok(Inputs {
        users: users.iter().filter_map(|user| user.input().ok()).collect(),
        tokens: tokens.iter().filter_map(|token| token.input().ok()).collect(),
        clusters: reached.map(|cluster| cluster.reached_by(Reach::InProcess, false)).collect(),
        bindings: bindings.iter().filter_map(|binding| binding.input().ok()).collect(),
        groups: groups.iter().filter_map(|group| group.input().ok()).collect(),
        members: members.iter().filter_map(|member| member.input().ok()).collect(),
        proxies: Vec::new(),
        providers: providers.iter().filter_map(|provider| provider.input().ok()).collect(),
        attributes: attributes.iter().filter_map(|attribute| attribute.input().ok()).collect(),
    })
}

/// Whom bindings can name that `user` is by what the manifests say: itself, its principals, the groups of its providers and its
/// tokens, and every group that one of these is in.
pub(super) fn subjects(world: &World, inputs: &Inputs, user: &UserRow) -> Vec<SubjectId> {
    let tokens = inputs.tokens.iter().filter(|token| token.user == user.name);
    let tokens = tokens.filter_map(|token| world.token(&token.hash)).flat_map(|token| token.groups.iter().copied());
    world.membership().with_groups(user.own().chain(tokens)).collect()
}
