//! The benches of Drover: `make bench` prints its figures beside those of other proxies.

mod client;
mod compare;
mod load;
mod names;
mod peers;
mod pingora;
mod pipeline;
mod pki;
mod process;
mod relay;
mod scenario;
mod stats;
mod upstream;

use anyhow::Result;
use clap::Parser;

#[derive(Debug, clap::Parser)]
#[command(name = "drover-bench", version, about)]
enum Command {
    /// The static TLS server behind every peer.
    Upstream(upstream::Args),
    /// The pingora-proxy peer.
    Pingora(pingora::Args),
    /// The plain TLS-to-TLS relay.
    Relay(relay::Args),
    /// The load.
    Load(load::Args),
    /// All peers side by side.
    Compare(compare::Args),
    /// Throughput against a real kube-apiserver, and what each request costs it.
    Apiserver(scenario::Args),
    /// New upstream connections of warm pools.
    Connections(scenario::Args),
    /// `--as` with 20 groups.
    As(scenario::Args),
    /// Idle watches: memory, and the time to open some.
    Watches(scenario::Args),
    /// Bytes through an upgrade.
    Exec(scenario::Args),
    /// One user far over its limit.
    Limits(scenario::Args),
    /// Five times what can be served.
    Overload(scenario::Args),
    /// How long streams outlive their binding.
    Revoke(scenario::Args),
    /// How long many streams outlive their user.
    RevokeMany(scenario::Args),
    /// A caller known by token.
    Tokens(scenario::Args),
    /// Calls for callgrind, for `tokens`.
    #[command(hide = true)]
    Callers(scenario::tokens::Callers),
    /// ID tokens as bearer credentials.
    IdToken(scenario::Args),
    /// A large directory in the world.
    Members(scenario::Args),
    /// Many local sign-ins at once.
    Logins(scenario::Args),
    /// A sign-in in a large directory.
    Ldap(scenario::Args),
    /// The embedded server beside etcd and kube-apiserver.
    Plane(scenario::plane::Args),
    /// Instructions of the request path less TLS and the kernel.
    Pipeline(pipeline::Args),
    /// Everything.
    All,
}

fn main() -> Result<()> {
    // Two providers are in this program (pingora brings ring); all parts use this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    run(Command::parse())
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Upstream(args) => upstream::run(&args),
        Command::Pingora(args) => pingora::run(&args),
        Command::Relay(args) => relay::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Apiserver(args) => scenario::apiserver::run(&args),
        Command::Connections(args) => scenario::connections::run(&args),
        Command::As(args) => scenario::impersonation::run(&args),
        Command::Watches(args) => scenario::watches::run(&args),
        Command::Exec(args) => scenario::exec::run(&args),
        Command::Limits(args) => scenario::limits::run(&args),
        Command::Overload(args) => scenario::overload::run(&args),
        Command::Revoke(args) => scenario::revoke::run(&args),
        Command::RevokeMany(args) => scenario::revoke_many::run(&args),
        Command::Tokens(args) => scenario::tokens::run(&args),
        Command::Callers(args) => scenario::tokens::callers(&args),
        Command::IdToken(args) => scenario::id_token::run(&args),
        Command::Members(args) => scenario::members::run(&args),
        Command::Logins(args) => scenario::logins::run(&args),
        Command::Ldap(args) => scenario::ldap::run(&args),
        Command::Plane(args) => scenario::plane::run(&args),
        Command::Pipeline(args) => pipeline::run(&args),
        Command::All => all(),
    }
}

/// Every command with its defaults; one that fails does not keep the others from running.
#[expect(clippy::print_stderr, reason = "what failed")]
fn all() -> Result<()> {
    let mut failed = Vec::new();
    for name in [
        "compare",
        "apiserver",
        "connections",
        "as",
        "watches",
        "exec",
        "limits",
        "overload",
        "revoke",
        "revoke-many",
        "tokens",
        "id-token",
        "members",
        "logins",
        "ldap",
        "plane",
        "pipeline",
    ] {
        if let Err(error) = run(Command::parse_from(["drover-bench", name])) {
            eprintln!("{name}: {error:#}");
            failed.push(name);
        }
    }
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}
