//! Where the server listens, written down: with port 0 nobody else knows.

use std::{fs, io, net::SocketAddr, path::Path};

use serde::{Deserialize, Serialize};

/// The file below the data folder.
pub const FILE: &str = "addresses.json";

/// The bound addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Where clients connect.
    pub gateway: SocketAddr,
    /// Where metrics and health are.
    pub ops: SocketAddr,
}

impl Addresses {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let new = data.join("addresses.new");
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(new, data.join(FILE))
    }
}
