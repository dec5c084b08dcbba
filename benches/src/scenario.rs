//! The figures beside the table: each command measures one row of the goals.

pub mod apiserver;
pub mod connections;
pub mod exec;
pub mod id_token;
pub mod impersonation;
pub mod ldap;
pub mod limits;
pub mod logins;
pub mod members;
pub mod overload;
pub mod plane;
pub mod revoke;
pub mod revoke_many;
pub mod tokens;
pub mod watches;

mod admin;
mod callers;
mod streams;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Deserialize;

use crate::client::Client;
use crate::compare::run_load;
use crate::load::{Protocol, Report};
use crate::names;
use crate::peers::{Kind, Peer, Place, drover, start_upstream};
use crate::process::Process;

/// Options that every scenario has.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Measured seconds of one run.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// How often it is repeated.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// How many streams (watches) or bytes (exec) are used; the goal's number without.
    #[arg(long)]
    pub count: Option<usize>,
}

/// A Drover in front of the static upstream.
pub struct Stand {
    /// The gateway. Dropped first.
    pub drover: Peer,
    /// The upstream itself.
    pub direct: Peer,
    /// The upstream's process.
    _upstream: Process,
    /// Files.
    pub place: Place,
}

impl Stand {
    /// Starts both; `names` more groups may be impersonated than are used.
    pub fn start(names: usize, options: &drover::Options) -> Result<Self> {
        let place = Place::new()?;
        let (upstream, port) = start_upstream(&place, names)?;
        let drover = drover::start(&place, port, options)?;
        let direct = Peer::start(Kind::Direct, &place, port)?;
        Ok(Self { drover, direct, _upstream: upstream, place })
    }

    /// Ends Drover and starts it with the same data; how long that takes until it serves every user.
    pub fn restart(&mut self, options: &drover::Options) -> Result<Duration> {
        self.drover.stop();
        let start = Instant::now();
        self.drover = drover::start(&self.place, self.direct.port, options)?;
        Ok(start.elapsed())
    }

    /// The upstream's counters.
    pub fn counters(&self) -> Result<Counters> {
        let mut client = Client::connect(self.direct.port, &self.place.pki.client(&["http/1.1"])?)?;
        Ok(serde_json::from_slice(&client.ask("GET", names::COUNTERS, &[])?.1)?)
    }
}

/// What the upstream counted; the connection that asks is one of them.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Counters {
    /// TLS connections accepted.
    pub connections: u64,
    /// Requests.
    pub requests: u64,
    /// Access reviews.
    pub reviews: u64,
}

/// A run of the load.
#[derive(Clone, Debug)]
pub struct Shape<'a> {
    /// What is spoken.
    pub protocol: Protocol,
    /// How many connections.
    pub connections: usize,
    /// Requests at once on each.
    pub streams: usize,
    /// What is asked for.
    pub target: &'a str,
    /// Open loop.
    pub rate: Option<f64>,
    /// Users: the first, and how many.
    pub users: (usize, usize),
    /// Measured time.
    pub seconds: f64,
}

impl Shape<'_> {
    /// Runs it against `peer`.
    pub fn run(&self, place: &Place, peer: &Peer) -> Result<Report> {
        let mut args: Vec<String> = [
            ("--target", self.target.to_owned()),
            ("--protocol", if self.protocol == Protocol::H1 { "h1" } else { "h2" }.to_owned()),
            ("--connections", self.connections.to_string()),
            ("--streams", self.streams.to_string()),
            ("--first-user", self.users.0.to_string()),
            ("--users", self.users.1.to_string()),
            ("--seconds", self.seconds.to_string()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        if let Some(rate) = self.rate {
            args.extend(["--rate".to_owned(), rate.to_string()]);
        }
        run_load(place, peer, &args)
    }
}

/// Runs two loads at the same time.
pub fn together(place: &Place, peer: &Peer, one: &Shape<'_>, two: &Shape<'_>) -> Result<(Report, Report)> {
    thread::scope(|scope| {
        let first = scope.spawn(|| one.run(place, peer));
        let second = two.run(place, peer)?;
        let first = first.join().map_err(|_| anyhow::anyhow!("a load panicked"))??;
        Ok((first, second))
    })
}
