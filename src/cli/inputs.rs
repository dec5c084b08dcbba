//! The files, as commands read them that do not serve.

use super::{ConfigFile, Failure};
use crate::{
    config::{self, ServerConfig, manifests},
    world::input::Inputs,
};

/// The server's file and what its manifests say.
pub(super) fn load(file: &ConfigFile) -> Result<(ServerConfig, Inputs), Failure> {
    let config = config::load(&file.config).map_err(Failure::new)?;
    let inputs = manifests::load(config.manifests()).map_err(Failure::new)?;
    Ok((config, inputs))
}
