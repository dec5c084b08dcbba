//! Input: a file of the admin's, read as the server's file, as a kubeconfig and as a manifest. Whatever is wrong is
//! reported, nothing panics, and a kubeconfig from elsewhere never names a program, a proxy or a file (R14).
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use drover::config::{self, kubeconfig, manifests};
use drover::world::input::{Auth, DataOrFile};
use libfuzzer_sys::fuzz_target;

/// A folder of this process's own for the manifest: their reader takes folders.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("drover-fuzz-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the manifest");
    folder
});

fuzz_target!(|text: &str| {
    let _ = config::parse(text, Path::new("drover.yaml"), Path::new("/nowhere"));
    if let Ok(connection) = kubeconfig::connection(text, None, kubeconfig::Origin::Inline) {
        let file = |data: &DataOrFile| matches!(data, DataOrFile::File(_));
        assert!(connection.proxy_url.is_none() && !connection.ca.as_ref().is_some_and(file));
        match &connection.auth {
            Auth::ClientCertificate { certificate, key } => assert!(!file(certificate) && !file(key)),
            Auth::Token(token) => assert!(!file(token)),
            Auth::Exec(_) => panic!("a program from a kubeconfig that came from elsewhere"),
        }
    }
    // Another file's name in a manifest would be read: a fuzzer must not open what it happens to spell.
    if !text.contains("file") && !text.contains('\\') {
        std::fs::write(FOLDER.join("manifest.yaml"), text).expect("the manifest is written");
        let _ = manifests::load(&FOLDER);
    }
});
