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

#[cfg(test)]
mod tests {
    use ldap3::{
        Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, StdStream,
        controls::{Control, ControlType, PagedResults},
    };
    use proptest::prelude::*;

    use super::*;

    /// Answers to a bind and to a search, each with the id 1.
    const ANSWERS: [&[u8]; 5] = [
        b"\x30\x1c\x02\x01\x01\x61\x17\x0a\x01\x0a\x04\x00\x04\x02no\xa3\x09\x04\x07ldap://\x87\x01x",
        b"\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x02\x04\x00\x04\x00\x8a\x00\x8b\x00",
        b"\x30\x19\x02\x01\x01\x64\x14\x04\x04cn=a\x30\x0c\x30\x0a\x04\x02cn\x31\x04\x04\x02\xffa",
        b"\x30\x0e\x02\x01\x01\x73\x09\x04\x07ldap://",
        b"\x30\x34\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00\xa0\x26\x30\x24\x04\x161.2.840.113556.1.4.319\
          \x04\x0a\x30\x08\x02\x01\x05\x04\x03abc",
    ];

    /// Does what the provider does with the answers to a bind or a search.
    async fn ask(mut ldap: Ldap, search: bool) {
        if !search {
            let _ = ldap.simple_bind("cn=a", "b").await;
            return;
        }
        let Ok(mut stream) = ldap.streaming_search("", Scope::Subtree, "(a=b)", vec!["a"]).await else { return };
        while let Ok(Some(entry)) = stream.next().await {
            if !entry.is_ref() && !entry.is_intermediate() {
                SearchEntry::construct(entry);
            }
        }
        for control in stream.finish().await.ctrls {
            if let Control(Some(ControlType::PagedResults), raw) = control {
                raw.parse::<PagedResults>();
            }
        }
    }

    /// Sends a message to the library through the relay, and says whether it panicked.
    async fn survives(message: &[u8], search: bool) -> bool {
        let (mut server, ours) = UnixStream::pair().unwrap();
        let (relayed, theirs) = UnixStream::pair().unwrap();
        let relay = tokio::spawn(run(ours, relayed, Ending::default()));
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs.into_std().unwrap()));
        let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi://relay").await.unwrap();
        let driver = tokio::spawn(driver.drive());
        let asking = tokio::spawn(ask(ldap, search));
        let mut request = [0; 512];
        assert!(server.read(&mut request).await.unwrap() > 0);
        server.write_all(message).await.unwrap();
        drop(server);
        let ended = [asking.await.is_ok(), driver.await.is_ok(), relay.await.is_ok()];
        ended.into_iter().all(|ended| ended)
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap()
    }

    #[test]
    fn the_answers_that_are_changed_here_are_good_ones() {
        for answer in ANSWERS {
            assert_eq!(ber::frame(answer), Ok(Some(answer.len())), "{answer:02x?}");
            assert!(ber::answer(answer).is_ok(), "{answer:02x?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A panic would end the whole gateway.
        #[test]
        fn whatever_a_server_sends_does_not_make_the_library_panic(
            which in 0..ANSWERS.len(),
            search in any::<bool>(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            twice in any::<bool>(),
        ) {
            let mut message = ANSWERS[which].to_vec();
            for (place, byte) in changes {
                let place = place.index(message.len());
                message[place] = byte;
            }
            if twice {
                message = message.repeat(2);
            }
            prop_assert!(runtime().block_on(survives(&message, search)), "{message:02x?}");
        }
    }
}
