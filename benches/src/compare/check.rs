//! A peer that does less than the others would win: each is asked what reaches the upstream.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::client::Client;
use crate::names;
use crate::peers::{Kind, Peer, Place};

/// Fails unless the upstream sees the account's credential and the decided identity, and nothing of
/// the client's.
pub fn identity(peer: &Peer, place: &Place) -> Result<()> {
    if peer.kind == Kind::Direct {
        return Ok(());
    }
    let mut client = Client::connect(peer.port, &place.pki.client(&["http/1.1"])?)?;
    let authorization = format!("Bearer {}", names::token(0));
    let mut headers = vec![("Authorization", authorization.as_str()), ("X-Remote-User", "stranger")];
    // Drover refuses this one rather than dropping it.
    if peer.kind != Kind::Drover {
        headers.push(("Impersonate-User", "stranger"));
    }
    let (status, body) = client.ask("GET", &names::target(names::HEAD), &headers)?;
    let seen = String::from_utf8_lossy(&body).to_lowercase();
    if status != 200 {
        bail!("answered {status}: {seen}");
    }
    for (name, value) in names::IDENTITY {
        if *name != "Impersonate-Uid" && !seen.contains(&format!("{}: {value}\r\n", name.to_lowercase())) {
            bail!("the upstream does not see {name}: {seen}");
        }
    }
    if !seen.contains(&format!("authorization: bearer {}\r\n", names::CREDENTIAL)) {
        bail!("the upstream does not see the account's credential: {seen}");
    }
    if seen.contains("stranger") || seen.contains(&names::token(0).to_lowercase()) {
        bail!("something of the client's reaches the upstream: {seen}");
    }
    if peer.kind == Kind::Drover {
        let (status, _) =
            client.ask("GET", &names::target(names::SMALL), &[("Authorization", "Bearer drover_none")])?;
        if status != 401 {
            bail!("a token that is none was answered {status}");
        }
    }
    Ok(())
}

/// Waits until Drover serves the cluster to every user: it does so once the cluster told which names may be sent.
pub fn serves(peer: &Peer, place: &Place) -> Result<()> {
    let config = place.pki.client(&["http/1.1"])?;
    let end = Instant::now() + Duration::from_secs(20);
    for number in 0..names::USERS {
        let authorization = format!("Bearer {}", names::token(number));
        loop {
            let answer = Client::connect(peer.port, &config).and_then(|mut client| {
                client.ask("GET", &names::target("/version"), &[("Authorization", &authorization)])
            });
            match answer {
                Ok((200, _)) => break,
                Ok((status, body)) if Instant::now() > end => bail!("{status}: {}", String::from_utf8_lossy(&body)),
                Err(error) if Instant::now() > end => return Err(error),
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
    Ok(())
}
