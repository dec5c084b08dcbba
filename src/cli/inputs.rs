//! The files, as commands read them that do not serve.

use super::{ConfigFile, Failure};
use crate::{
    config::{self, ServerConfig, manifests},
    world::input::{Inputs, Subject, TokenInput, UserInput},
};

/// The server's file and what its manifests say.
pub(super) fn load(file: &ConfigFile) -> Result<(ServerConfig, Inputs), Failure> {
    let config = config::load(&file.config).map_err(Failure::new)?;
    let inputs = manifests::load(config.manifests()).map_err(Failure::new)?;
    Ok((config, inputs))
}

/// The tokens of `user`.
pub(super) fn tokens_of<'a>(inputs: &'a Inputs, user: &UserInput) -> Vec<&'a TokenInput> {
    inputs.tokens.iter().filter(|token| token.user == user.name).collect()
}

/// Whether a binding of `subject` binds `user` by what the manifests say: its name, its principals, the groups of its `tokens`.
pub(super) fn binds(subject: &Subject, user: &UserInput, tokens: &[&TokenInput]) -> bool {
    match subject {
        Subject::User(name) => *name == user.name,
        Subject::UserPrincipal(principal) => user.principal_ids.contains(principal),
        Subject::GroupPrincipal(group) => tokens.iter().any(|token| token.group_principals.contains(group)),
        Subject::Group(_) => false,
    }
}
