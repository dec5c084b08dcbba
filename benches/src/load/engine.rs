//! The loop: sockets, times, counts.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustls::ClientConfig;

use super::tls::Tls;
use super::{Args, Done, Protocol, Received, Report, http1, http2};
use crate::names;
use crate::pki::Pki;
use crate::process;

enum Http {
    One(http1::Client),
    Two(http2::Client),
}

struct Connection {
    tls: Tls,
    http: Http,
    /// Plain bytes that are to be sent.
    out: Vec<u8>,
    /// Whether epoll tells when the socket takes more.
    writable: bool,
}

enum Requests {
    One(Arc<[Vec<u8>]>),
    Two(Arc<http2::Blocks>),
}

/// All connections and what they found.
pub struct Engine {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    requests: Requests,
    connections: Vec<Connection>,
    epoll: rustix::fd::OwnedFd,
    /// A slot that is free, by its connection.
    idle: VecDeque<usize>,
    /// Requests whose time has come while no slot was free.
    backlog: VecDeque<u64>,
    user: usize,
    users: usize,
    rate: Option<f64>,
    random: u64,
    start: Instant,
    /// The measured time, in nanoseconds since `start`.
    window: (u64, u64),
    pid: Option<u32>,
    good: Histogram<u64>,
    refused: Histogram<u64>,
    report: Report,
}

impl Engine {
    /// Opens all connections.
    pub fn connect(args: &Args) -> Result<Self> {
        let config = Pki::in_dir(&args.pki).client(&[match args.protocol {
            Protocol::H1 => "http/1.1",
            Protocol::H2 => "h2",
        }])?;
        let tokens: Vec<String> = match &args.token {
            Some(token) => vec![token.clone()],
            None => (args.first_user..args.first_user + args.users).map(names::token).collect(),
        };
        let requests = match args.protocol {
            Protocol::H1 => Requests::One(http1::requests(&args.target, &tokens)),
            Protocol::H2 => Requests::Two(http2::blocks(&args.target, &tokens)),
        };
        let streams = if args.protocol == Protocol::H1 { 1 } else { args.streams };
        let mut engine = Self {
            address: process::loopback(args.port),
            config,
            requests,
            connections: Vec::new(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            idle: VecDeque::new(),
            backlog: VecDeque::new(),
            user: 0,
            users: tokens.len(),
            rate: args.rate,
            random: 0x9e37_79b9_7f4a_7c15,
            start: Instant::now(),
            window: (nanos(args.warmup), nanos(args.warmup + args.seconds)),
            pid: args.pid,
            good: Histogram::new_with_bounds(1, 60_000_000_000, 3)?,
            refused: Histogram::new_with_bounds(1, 60_000_000_000, 3)?,
            report: Report::default(),
        };
        for id in 0..args.connections {
            let connection = engine.open().with_context(|| format!("connecting to {}", engine.address))?;
            engine.poll(id, &connection)?;
            engine.connections.push(connection);
        }
        for _ in 0..streams {
            engine.idle.extend(0..args.connections);
        }
        Ok(engine)
    }

    fn open(&self) -> Result<Connection> {
        let tls = Tls::connect(self.address, &self.config)?;
        let mut out = Vec::new();
        let http = match &self.requests {
            Requests::One(requests) => Http::One(http1::Client::new(Arc::clone(requests))),
            Requests::Two(blocks) => Http::Two(http2::Client::new(Arc::clone(blocks), &mut out)),
        };
        Ok(Connection { tls, http, out, writable: false })
    }

    fn poll(&self, id: usize, connection: &Connection) -> Result<()> {
        epoll::add(&self.epoll, connection.tls.socket(), epoll::EventData::new_u64(id as u64), epoll::EventFlags::IN)?;
        Ok(())
    }

    /// Runs warm-up and measured time.
    pub fn run(mut self) -> Result<Report> {
        self.start = Instant::now();
        let mut next = 0;
        if self.rate.is_none() {
            let slots = self.idle.len();
            self.backlog.extend(std::iter::repeat_n(0, slots));
        }
        let mut events = Vec::with_capacity(256);
        let mut cpu: Option<Duration> = None;
        loop {
            let now = self.now();
            if cpu.is_none() && now >= self.window.0 {
                cpu = Some(self.pid.map(process::cpu).unwrap_or_default());
                self.window.0 = now;
            }
            if now >= self.window.1 {
                break;
            }
            if let Some(rate) = self.rate {
                while next <= now {
                    self.backlog.push_back(next);
                    next += self.gap(rate);
                }
            }
            self.dispatch()?;
            let wake = self.window.1.min(if cpu.is_none() { self.window.0 } else { u64::MAX });
            let wake = if self.rate.is_some() { wake.min(next) } else { wake };
            let wait = Duration::from_nanos(wake.saturating_sub(self.now()));
            let wait = Timespec { tv_sec: i64::try_from(wait.as_secs())?, tv_nsec: wait.subsec_nanos().into() };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let id = usize::try_from(event.data.u64())?;
                self.event(id, event.flags)?;
            }
        }
        let end = self.now();
        let after = self.pid.map(process::cpu).unwrap_or_default();
        self.report.cpu = after.saturating_sub(cpu.unwrap_or_default()).as_secs_f64();
        self.report.seconds = Duration::from_nanos(end - self.window.0).as_secs_f64();
        self.report.latency = super::Latency::of(&self.good);
        self.report.refusal = super::Latency::of(&self.refused);
        Ok(self.report)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The time to the next arrival: exponential, from a fixed seed (xorshift64*).
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a random number"
    )]
    fn gap(&mut self, rate: f64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let uniform = ((self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        (-uniform.ln() / rate * 1e9) as u64
    }

    fn dispatch(&mut self) -> Result<()> {
        let mut touched = Vec::new();
        while let (Some(intended), Some(id)) = (self.backlog.front().copied(), self.idle.front().copied()) {
            self.backlog.pop_front();
            self.idle.pop_front();
            let connection = &mut self.connections[id];
            match &mut connection.http {
                Http::One(client) => client.start(self.user, intended, &mut connection.out),
                Http::Two(client) => client.start(self.user, intended, &mut connection.out),
            }
            self.user = (self.user + 1) % self.users;
            if !touched.contains(&id) {
                touched.push(id);
            }
        }
        for id in touched {
            self.send(id)?;
        }
        Ok(())
    }

    fn send(&mut self, id: usize) -> Result<()> {
        let connection = &mut self.connections[id];
        let sent =
            if connection.out.is_empty() { connection.tls.flush() } else { connection.tls.send(&connection.out) };
        connection.out.clear();
        if sent.is_err() {
            return self.reopen(id);
        }
        if connection.tls.blocked() != connection.writable {
            connection.writable = !connection.writable;
            let flags = if connection.writable {
                epoll::EventFlags::IN | epoll::EventFlags::OUT
            } else {
                epoll::EventFlags::IN
            };
            epoll::modify(&self.epoll, connection.tls.socket(), epoll::EventData::new_u64(id as u64), flags)?;
        }
        Ok(())
    }

    fn event(&mut self, id: usize, flags: epoll::EventFlags) -> Result<()> {
        if flags.contains(epoll::EventFlags::OUT) {
            self.send(id)?;
        }
        if !flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            return Ok(());
        }
        let mut received = Received::default();
        let Connection { tls, http, out, .. } = &mut self.connections[id];
        let open = tls.receive(|bytes| match http {
            Http::One(client) => client.receive(bytes, &mut received),
            Http::Two(client) => client.receive(bytes, &mut received, out),
        });
        if self.now() >= self.window.0 {
            self.report.bytes += received.body;
        }
        for done in received.done {
            self.done(id, done);
        }
        let closing = matches!(&self.connections[id].http, Http::Two(client) if client.closing);
        if !matches!(open, Ok(true)) || closing {
            return self.reopen(id);
        }
        if !self.connections[id].out.is_empty() {
            self.send(id)?;
        }
        Ok(())
    }

    fn done(&mut self, id: usize, done: Done) {
        let now = self.now();
        self.idle.push_back(id);
        if self.rate.is_none() {
            self.backlog.push_back(now);
        }
        if now < self.window.0 || (self.rate.is_some() && done.intended < self.window.0) {
            return;
        }
        let took = now.saturating_sub(done.intended).max(1);
        match done.status {
            200 => {
                self.report.good += 1;
                self.good.saturating_record(took);
            }
            429 | 503 => {
                self.report.refused += 1;
                self.refused.saturating_record(took);
            }
            _ => self.report.failed += 1,
        }
    }

    fn reopen(&mut self, id: usize) -> Result<()> {
        let left = match &mut self.connections[id].http {
            Http::One(client) => client.broken(),
            Http::Two(client) => client.broken(),
        };
        for done in left {
            self.done(id, done);
        }
        self.report.reconnects += 1;
        if self.report.reconnects > 100_000 {
            bail!("the server keeps hanging up");
        }
        let connection = self.open().context("connecting again")?;
        self.poll(id, &connection)?;
        self.connections[id] = connection;
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds from the command line")]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
