//! Between the LDAP library and a server: every answer is read before it is passed on, see [`ber`].

use std::sync::{Arc, OnceLock};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
};

use super::ber::{self, Malformed, Operation};

/// Why a connection ended, for whoever waits for an answer on it.
pub(super) type Ending = Arc<OnceLock<String>>;

const CHUNK: usize = 16 * 1024;

/// Passes on requests of `library` and answers of `server` until one of them ends.
pub(super) async fn run(server: impl AsyncRead + AsyncWrite, library: UnixStream, ending: Ending) {
    let why = match relay(server, library).await {
        Ok(()) => "the server closed the connection".to_owned(),
        Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Malformed>()) {
            Some(malformed) => malformed.to_string(),
            None => format!("the connection broke: {error}"),
        },
    };
    let _ = ending.set(why);
}

async fn relay(server: impl AsyncRead + AsyncWrite, library: UnixStream) -> std::io::Result<()> {
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_library, mut to_library) = library.into_split();
    let (mut requests, mut answers) = (Vec::new(), Vec::new());
    // What is asked for. One operation at a time runs on a connection.
    let mut asked: Option<(u32, bool)> = None;
    loop {
        tokio::select! {
            read = fill(&mut from_library, &mut requests) => {
                if !read? {
                    return Ok(());
                }
                while let Some(whole) = ber::frame(&requests)? {
                    let rest = requests.split_off(whole);
                    let request = std::mem::replace(&mut requests, rest);
                    asked = Some(ber::request(&request)?);
                    to_server.write_all(&request).await?;
                }
                to_server.flush().await?;
            }
            read = fill(&mut from_server, &mut answers) => {
                if !read? {
                    return Ok(());
                }
                let mut passed = 0;
                while let Some(rest) = answers.get(passed..) && let Some(whole) = ber::frame(rest)? {
                    let answer = ber::answer(rest.get(..whole).unwrap_or_default())?;
                    if answer.operation == Operation::Notice {
                        return Ok(());
                    }
                    let Some((id, search)) = asked else { return Err(Malformed::NotAsked.into()) };
                    let fits = match answer.operation {
                        Operation::Item | Operation::SearchDone => search,
                        Operation::Done | Operation::Notice => !search,
                    };
                    if answer.id != id || !fits {
                        return Err(Malformed::NotAsked.into());
                    }
                    if answer.operation != Operation::Item {
                        asked = None;
                    }
                    passed += whole;
                }
                to_library.write_all(answers.get(..passed).unwrap_or_default()).await?;
                answers.drain(..passed);
            }
        }
    }
}

/// Reads what there is; false at the end.
async fn fill(from: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> std::io::Result<bool> {
    into.reserve(CHUNK);
    Ok(from.read_buf(into).await? > 0)
}

impl From<Malformed> for std::io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, malformed)
    }
}
