//! A real OpenLDAP server: slapd, at an address of its own, with TLS.
//!
//! ```no_run
//! # async fn example() {
//! let people = "dn: uid=ann,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann\nsn: A\nuserPassword: secret\n";
//! let slapd = kit::slapd::Slapd::builder().ldif(people).start().await;
//! slapd.stop();
//! slapd.start_again().await;
//! # }
//! ```

use std::{
    fmt::Write as _,
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    cluster::Address,
    process::{Process, Spec},
    tls::{Ca, Pair},
    wait,
};

/// The port of LDAP and StartTLS, at the server's own address.
pub const LDAP: u16 = 3389;
/// The port of LDAPS.
pub const LDAPS: u16 = 3636;
/// What everything is under; it is there from the start.
pub const SUFFIX: &str = "dc=example,dc=org";
/// Whoever may everything.
pub const ADMIN: &str = "cn=admin,dc=example,dc=org";
/// Its password.
pub const ADMIN_PASSWORD: &str = "admin-password";

const LIMIT: Duration = Duration::from_secs(30);

/// What a server has.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    ldif: String,
    config: String,
    names: Vec<String>,
}

/// A running slapd.
pub struct Slapd {
    address: Address,
    ca: Ca,
    process: Mutex<Option<Process>>,
    dir: TempDir,
}

impl Builder {
    /// Entries that are there at the start, each after those above it.
    #[must_use]
    pub fn ldif(mut self, ldif: &str) -> Self {
        self.ldif.push_str(ldif);
        self.ldif.push('\n');
        self
    }

    /// Lines of slapd.conf(5), for the database: `sizelimit 100`.
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        let _ = writeln!(self.config, "{lines}");
        self
    }

    /// A name in its certificate, instead of its address.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// Loads the entries and starts the server.
    pub async fn start(self) -> Slapd {
        let address = Address::claim();
        let ca = Ca::new("kit slapd");
        let own = address.ip().to_string();
        let names: Vec<&str> =
            if self.names.is_empty() { vec![&own] } else { self.names.iter().map(String::as_str).collect() };
        let dir = tempfile::Builder::new().prefix("drover-slapd-").tempdir().expect("a folder");
        write_config(dir.path(), &ca, &ca.server(&names), &self.config);
        load(dir.path(), &self.ldif);
        let slapd = Slapd { address, ca, process: Mutex::default(), dir };
        slapd.start_again().await;
        slapd
    }
}

impl Slapd {
    /// A server with [`SUFFIX`] and nothing in it.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Its address, which is the name in its certificate unless another was given.
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

    /// Sends it a signal by name: `STOP` makes it hang.
    pub fn signal(&self, name: &str) {
        self.process.lock().unwrap().as_ref().expect("it runs").signal(name);
    }

    /// Starts it, at the same address with the same data.
    pub async fn start_again(&self) {
        let urls = format!("ldap://{0}:{LDAP} ldaps://{0}:{LDAPS}", self.host());
        let process = Process::start(&Spec {
            name: "slapd".to_owned(),
            program: program("slapd"),
            // With a level of debug output it stays in the foreground; 0 writes nothing.
            args: ["-h", &urls, "-f", "slapd.conf", "-d", "0"].map(str::to_owned).to_vec(),
            env: Vec::new(),
            dir: self.dir.path().to_owned(),
            log: self.dir.path().join("slapd.log"),
        });
        wait::within(LIMIT, "slapd", || async {
            process.assert_running();
            TcpStream::connect((self.address.ip(), LDAPS)).ok()
        })
        .await;
        *self.process.lock().unwrap() = Some(process);
    }

    /// Changes entries, as ldapmodify(1) reads them; without `changetype` they are added.
    pub fn modify(&self, ldif: &str) {
        let file = self.dir.path().join("change.ldif");
        std::fs::write(&file, ldif).expect("a file");
        let url = format!("ldap://{}:{LDAP}", self.host());
        let mut command = Command::new("ldapmodify");
        command.args(["-a", "-x", "-H", &url, "-D", ADMIN, "-w", ADMIN_PASSWORD, "-f"]).arg(&file);
        run(command);
    }
}

fn write_config(dir: &Path, ca: &Ca, pair: &Pair, more: &str) {
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    write("ca.pem", &ca.pem());
    write("cert.pem", &pair.certificate);
    write("key.pem", &pair.key);
    std::fs::create_dir(dir.join("db")).expect("a folder");
    let config = format!(
        "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile slapd.pid
argsfile slapd.args
TLSCACertificateFile ca.pem
TLSCertificateFile cert.pem
TLSCertificateKeyFile key.pem
database mdb
suffix \"{SUFFIX}\"
rootdn \"{ADMIN}\"
rootpw {ADMIN_PASSWORD}
directory db
maxsize 1073741824
dbnosync
index objectClass,member,memberUid,entryUUID eq
index uid,cn,sn,givenName eq,sub
{more}access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
"
    );
    write("slapd.conf", &config);
}

fn load(dir: &Path, ldif: &str) {
    let suffix = format!("dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\n");
    std::fs::write(dir.join("start.ldif"), suffix + ldif).expect("a file");
    let mut command = Command::new(program("slapadd"));
    command.current_dir(dir).args(["-q", "-f", "slapd.conf", "-l", "start.ldif"]);
    run(command);
}

/// Debian's folder of servers is not in everybody's path.
fn program(name: &str) -> std::path::PathBuf {
    let path = Path::new("/usr/sbin").join(name);
    assert!(path.exists(), "there is no {}: `make servers` installs it", path.display());
    path
}

fn run(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{text}", output.status);
}
