//! A TLS connection that decrypts in place: the load must cost less than what it measures.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus};

/// One connection, handshake done.
pub struct Tls {
    socket: TcpStream,
    tls: UnbufferedClientConnection,
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    outgoing: Vec<u8>,
    sent: usize,
}

impl Tls {
    /// Connects and shakes hands, then makes the socket non-blocking.
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let tls = UnbufferedClientConnection::new(Arc::clone(config), ServerName::try_from("localhost")?)?;
        let mut this =
            Self { socket, tls, incoming: vec![0; 64 * 1024], start: 0, end: 0, outgoing: Vec::new(), sent: 0 };
        this.handshake()?;
        this.socket.set_nonblocking(true)?;
        Ok(this)
    }

    /// The socket, to be polled.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn handshake(&mut self) -> Result<()> {
        loop {
            let UnbufferedStatus { discard, state, .. } =
                self.tls.process_tls_records(&mut self.incoming[self.start..self.end]);
            let mut read = false;
            let mut ready = false;
            match state? {
                ConnectionState::EncodeTlsData(mut encode) => {
                    let at = self.outgoing.len();
                    self.outgoing.resize(at + 4096, 0);
                    let wrote = match encode.encode(&mut self.outgoing[at..]) {
                        Ok(wrote) => wrote,
                        Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                            self.outgoing.resize(at + required_size, 0);
                            encode.encode(&mut self.outgoing[at..]).context("encoding the handshake")?
                        }
                        Err(error) => return Err(error).context("encoding the handshake"),
                    };
                    self.outgoing.truncate(at + wrote);
                }
                ConnectionState::TransmitTlsData(transmit) => {
                    self.socket.write_all(&self.outgoing)?;
                    self.outgoing.clear();
                    transmit.done();
                }
                ConnectionState::BlockedHandshake => read = true,
                ConnectionState::WriteTraffic(_) => ready = true,
                state => bail!("unexpected state in the handshake: {state:?}"),
            }
            self.start += discard;
            if ready {
                return Ok(());
            }
            if read {
                self.compact();
                let count = self.socket.read(&mut self.incoming[self.end..])?;
                if count == 0 {
                    bail!("the server hung up in the handshake");
                }
                self.end += count;
            }
        }
    }

    fn compact(&mut self) {
        self.incoming.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }

    /// Reads once from the socket and gives the plain text to `take`. `Ok(false)` is the end of the
    /// connection.
    pub fn receive(&mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.incoming.len() - self.end < 20 * 1024 {
            self.compact();
        }
        match self.socket.read(&mut self.incoming[self.end..]) {
            Ok(0) => return Ok(false),
            Ok(count) => self.end += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        loop {
            let UnbufferedStatus { mut discard, state, .. } =
                self.tls.process_tls_records(&mut self.incoming[self.start..self.end]);
            let mut open = true;
            let mut more = false;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        take(record.payload)?;
                    }
                    more = true;
                }
                ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake => {}
                ConnectionState::PeerClosed | ConnectionState::Closed => open = false,
                state => bail!("unexpected state: {state:?}"),
            }
            self.start += discard;
            if !open || !more {
                return Ok(open);
            }
        }
    }

    /// Encrypts `bytes` and sends what the socket takes.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let UnbufferedStatus { discard, state, .. } =
            self.tls.process_tls_records(&mut self.incoming[self.start..self.end]);
        match state? {
            ConnectionState::WriteTraffic(mut traffic) => {
                let at = self.outgoing.len();
                self.outgoing.resize(at + bytes.len() + 64, 0);
                let wrote = match traffic.encrypt(bytes, &mut self.outgoing[at..]) {
                    Ok(wrote) => wrote,
                    Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                        self.outgoing.resize(at + required_size, 0);
                        traffic.encrypt(bytes, &mut self.outgoing[at..]).context("encrypting")?
                    }
                    Err(error) => return Err(error).context("encrypting"),
                };
                self.outgoing.truncate(at + wrote);
            }
            state => bail!("cannot write now: {state:?}"),
        }
        self.start += discard;
        self.flush()
    }

    /// Sends what is left over.
    pub fn flush(&mut self) -> Result<()> {
        while self.sent < self.outgoing.len() {
            match self.socket.write(&self.outgoing[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(())
    }

    /// Whether bytes wait for the socket to take them.
    pub fn blocked(&self) -> bool {
        self.sent < self.outgoing.len()
    }
}
