//! A real Active Directory: a Samba domain controller that serves LDAP and nothing else, at an address of its own, with TLS.
//!
//! Making a domain takes half a minute: it is done once, into the cache of test servers, and copied for each test. Samba knows no
//! other ports than 389 and 636, so tests with it run as root.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::Write as _,
    net::TcpStream,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;

use crate::{
    cluster::Address,
    process::{Process, Spec},
    tls::Ca,
    wait,
};

/// What everything is under.
pub const SUFFIX: &str = "DC=corp,DC=example,DC=org";
/// Whoever may everything.
pub const ADMIN: &str = r"CORP\Administrator";
/// Its password.
pub const ADMIN_PASSWORD: &str = "Passw0rd.of-the-Admin";

const REALM: &str = "CORP.EXAMPLE.ORG";
const DOMAIN: &str = "CORP";
/// Part of the folder's name in the cache: another number for another domain.
const EDITION: u32 = 1;
const LIMIT: Duration = Duration::from_mins(1);

/// A running domain controller.
pub struct Samba {
    address: Address,
    ca: Ca,
    process: Mutex<Option<Process>>,
    dir: TempDir,
}

impl Samba {
    /// A domain as it is when it is new.
    pub async fn start() -> Self {
        let domain = provisioned();
        let address = Address::claim();
        let ca = Ca::new("kit samba");
        let dir = tempfile::Builder::new().prefix("drover-samba-").tempdir().expect("a folder");
        run(Command::new("cp").arg("-a").arg(domain.join(".")).arg(dir.path()));
        let pair = ca.server(&[&address.ip().to_string()]);
        secret_file(&dir.path().join("ca.pem"), &ca.pem());
        secret_file(&dir.path().join("cert.pem"), &pair.certificate);
        secret_file(&dir.path().join("key.pem"), &pair.key);
        secret_file(&dir.path().join("smb.conf"), &config(dir.path(), &address.ip().to_string()));
        let samba = Self { address, ca, process: Mutex::default(), dir };
        samba.start_again().await;
        samba
    }

    /// Its address, which is the name in its certificate.
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// PEM of the authority of its certificate.
    pub fn ca(&self) -> String {
        self.ca.pem()
    }

    /// Ends it, as a crash would.
    pub fn stop(&self) {
        self.process.lock().unwrap().take();
    }

    /// Starts it, at the same address with the same data.
    pub async fn start_again(&self) {
        let process = Process::start(&Spec {
            name: "samba".to_owned(),
            program: "/usr/sbin/samba".into(),
            args: ["-s", "smb.conf", "--interactive", "--model=single", "--debug-stdout"].map(str::to_owned).to_vec(),
            env: Vec::new(),
            dir: self.dir.path().to_owned(),
            log: self.dir.path().join("samba.log"),
        });
        wait::within(LIMIT, "samba", || async {
            process.assert_running();
            TcpStream::connect((self.address.ip(), 636)).ok()
        })
        .await;
        *self.process.lock().unwrap() = Some(process);
    }

    /// Changes entries, as ldapmodify(1) reads them; without `changetype` they are added.
    pub fn modify(&self, ldif: &str) {
        let file = self.dir.path().join("change.ldif");
        secret_file(&file, ldif);
        let mut command = Command::new("ldapmodify");
        command.env("LDAPTLS_CACERT", self.dir.path().join("ca.pem")).env("LDAPTLS_REQCERT", "demand");
        let url = format!("ldaps://{}", self.host());
        run(command.args(["-a", "-x", "-H", &url, "-D", ADMIN, "-w", ADMIN_PASSWORD, "-f"]).arg(&file));
    }

    /// Adds a user under `CN=Users` with `more` lines of LDIF; without a `userAccountControl` among them it is enabled.
    pub fn add_user(&self, name: &str, password: &str, more: &str) {
        let mut ldif = format!("dn: {}\nobjectClass: user\nsAMAccountName: {name}\n", dn(name));
        // A quoted text in UTF-16 ([MS-ADTS] 3.1.1.3.1.5.1).
        let quoted: Vec<u8> = format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let _ = writeln!(ldif, "unicodePwd:: {}", STANDARD.encode(quoted));
        if !more.contains("userAccountControl") {
            ldif.push_str("userAccountControl: 512\n");
        }
        self.modify(&(ldif + more + "\n"));
    }

    /// Adds a group under `CN=Users` with these members.
    pub fn add_group(&self, name: &str, members: &[&str]) {
        let mut ldif = format!("dn: {}\nobjectClass: group\nsAMAccountName: {name}\n", dn(name));
        for member in members {
            let _ = writeln!(ldif, "member: {}", dn(member));
        }
        self.modify(&ldif);
    }
}

/// The DN of a user or a group under `CN=Users`.
pub fn dn(name: &str) -> String {
    format!("CN={name},CN=Users,{SUFFIX}")
}

/// The folder of a new domain: made if nobody did yet.
fn provisioned() -> PathBuf {
    let cache = std::env::var_os("DROVER_TEST_CACHE")
        .map_or_else(|| Path::new(&std::env::var_os("HOME").expect("HOME")).join(".cache/drover-test"), PathBuf::from);
    fs::create_dir_all(&cache).expect("a cache");
    let domain = cache.join(format!("samba-{EDITION}"));
    let lock = File::create(cache.join(format!("samba-{EDITION}.lock"))).expect("a lock");
    lock.lock().expect("the lock");
    if !domain.exists() {
        let new = cache.join(format!("samba-{EDITION}.tmp"));
        let _ = fs::remove_dir_all(&new);
        fs::create_dir_all(&new).expect("a folder");
        provision(&new);
        fs::rename(&new, &domain).expect("the folder takes its name");
    }
    domain
}

fn provision(dir: &Path) {
    let file = dir.join("smb.conf");
    secret_file(&file, &config(dir, "127.0.0.1"));
    let mut command = Command::new("samba-tool");
    command.args(["domain", "provision", "--configfile"]).arg(&file);
    command.args(["--realm", REALM, "--domain", DOMAIN, "--host-name=dc1", "--host-ip=127.0.0.1", "--server-role=dc"]);
    run(command.args(["--dns-backend=NONE", "--adminpass", ADMIN_PASSWORD]));
}

fn config(dir: &Path, address: &str) -> String {
    let dir = dir.display();
    format!(
        "[global]
netbios name = DC1
realm = {REALM}
workgroup = {DOMAIN}
server role = active directory domain controller
server services = ldap
dcerpc endpoint servers = -winreg
interfaces = {address}/8
bind interfaces only = yes
private dir = {dir}/private
state directory = {dir}/state
cache directory = {dir}/cache
lock directory = {dir}/lock
binddns dir = {dir}/bind-dns
pid directory = {dir}/run
ncalrpc dir = {dir}/run/ncalrpc
logging = file
log file = {dir}/log
tls enabled = yes
tls cafile = {dir}/ca.pem
tls certfile = {dir}/cert.pem
tls keyfile = {dir}/key.pem

[sysvol]
path = {dir}/state/sysvol

[netlogon]
path = {dir}/state/sysvol/scripts
"
    )
}

fn secret_file(path: &Path, text: &str) {
    let _ = fs::remove_file(path);
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} ended with {}:\n{text}", command.get_program().display(), output.status);
}
