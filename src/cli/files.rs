//! Files of the person: whole or not there, and nobody else's to read.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

/// Puts `bytes` in the place of a file, with mode 0600; whoever reads it meanwhile reads all of the old or all of the new one. Where
/// the path is a link, what it leads to is replaced.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    // One that a run before left behind may have another mode.
    let _ = fs::remove_file(&new);
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
    let replaced = written.and_then(|mut file| file.write_all(bytes)).and_then(|()| fs::rename(&new, &path));
    if replaced.is_err() {
        let _ = fs::remove_file(&new);
    }
    replaced
}

/// Makes a folder that only its owner can open, with those above it that are not there.
pub(super) fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}
