//! Servers that do not answer as they should.

use std::{net::SocketAddr, time::Instant};

use drover::modules::AuthConfigSpec;
use kit::slapd::Slapd;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::scene::{COMPANY, PASSWORD, company, failure, login, provider, spec};

/// A server in plain text that sends these bytes for each thing that is said to it, and then nothing.
async fn fake(slapd: &Slapd, answers: Vec<Vec<u8>>) -> AuthConfigSpec {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answers = answers.clone();
            tokio::spawn(async move {
                let mut said = [0; 4096];
                for answer in answers {
                    if stream.read(&mut said).await.unwrap_or(0) == 0 || stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
                while stream.read(&mut said).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    AuthConfigSpec {
        servers: vec!["127.0.0.1".to_owned()],
        port: Some(address.port().into()),
        tls: None,
        allow_plaintext: Some(true),
        connection_timeout: Some(500),
        ..spec(slapd)
    }
}

/// `LDAPResult` as an answer: `30 len 02 01 id op len 0a 01 code 04 00 04 00`.
fn done(id: u8, operation: u8, code: u8) -> Vec<u8> {
    vec![0x30, 12, 2, 1, id, operation, 7, 0x0a, 1, code, 4, 0, 4, 0]
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let slapd = company().await;
    for tls in [false, true] {
        let silent = AuthConfigSpec { tls: Some(tls), ..fake(&slapd, Vec::new()).await };
        let start = Instant::now();
        let text = failure(&provider(&silent)).await;
        assert!(text.contains("does not answer"), "{text}");
        // A wait for an event, with room for a slow machine.
        assert!(start.elapsed().as_secs() < 10);
    }
    // It binds, and then says no more.
    let text = failure(&provider(&fake(&slapd, vec![done(1, 0x61, 0)]).await)).await;
    assert!(text.contains("does not answer a search under `ou=people,dc=example,dc=org` in time"), "{text}");
}

#[tokio::test]
async fn an_answer_that_is_no_ldap_or_not_asked_for_is_an_error_and_nothing_worse() {
    let slapd = company().await;
    let bound = done(1, 0x61, 0);
    let cases: Vec<(Vec<Vec<u8>>, &str)> = vec![
        (vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], "its answer is not LDAP"),
        (vec![vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]], "more than 8 MiB"),
        // An answer without its parts; of another request; of another operation; a name that is not UTF-8.
        (vec![vec![0x30, 5, 2, 1, 1, 0x61, 0]], "its answer is malformed"),
        (vec![done(9, 0x61, 0)], "it answers what was not asked"),
        (vec![done(1, 0x65, 0)], "it answers what was not asked"),
        (vec![bound.clone(), done(2, 0x61, 0)], "it answers what was not asked"),
        (vec![bound.clone(), vec![0x30, 10, 2, 1, 2, 0x64, 5, 4, 1, 0xff, 0x30, 0]], "its answer is malformed"),
        // The notice that it closes.
        (vec![done(0, 0x78, 52)], "the server closed the connection"),
        // Busy; a referral.
        (vec![done(1, 0x61, 51)], "busy (51)"),
        (vec![done(1, 0x61, 10)], "refers to another one, which is not followed"),
    ];
    for (answers, expected) in cases {
        let text = failure(&provider(&fake(&slapd, answers.clone()).await)).await;
        assert!(text.contains(expected), "{answers:02x?}: {text}");
    }
}

/// What is said before TLS is not taken as if it had been said under it.
#[tokio::test]
async fn start_tls_that_is_refused_or_followed_by_more_ends_the_connection() {
    let slapd = company().await;
    let ready = done(1, 0x78, 0);
    for (answer, expected) in [
        (done(1, 0x78, 2), "StartTLS is refused"),
        ([ready.clone(), done(2, 0x61, 0)].concat(), "StartTLS: more than one answer"),
        (done(2, 0x78, 0), "StartTLS: it answers something else"),
        (b"220 smtp\r\n".to_vec(), "StartTLS: its answer is not LDAP"),
    ] {
        let config = AuthConfigSpec { starttls: Some(true), ..fake(&slapd, vec![answer]).await };
        let text = failure(&provider(&config)).await;
        assert!(text.contains(expected), "{text}");
    }
}

/// T6.
#[tokio::test]
async fn a_referral_to_another_host_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("ldap://{}/dc=elsewhere", elsewhere.local_addr().unwrap());
    let referrals = format!(
        "dn: ou=branch,ou=people,dc=example,dc=org\nobjectClass: referral\nobjectClass: extensibleObject\nou: branch\n\
         ref: {to}\n\ndn: ou=gone,dc=example,dc=org\nobjectClass: referral\nobjectClass: extensibleObject\nou: gone\n\
         ref: {to}\n"
    );
    let slapd = Slapd::builder().ldif(COMPANY).ldif(&referrals).start().await;
    // A reference among what is found is left out.
    assert!(login(&provider(&spec(&slapd)), "ann", PASSWORD).await.is_ok());
    // A base that is elsewhere is an error that says so.
    let mut away = spec(&slapd);
    away.user_search_base = Some("ou=gone,dc=example,dc=org".to_owned());
    let text = failure(&provider(&away)).await;
    assert!(text.contains("the server refers to another one (`ldap://127.0.0.1:"), "{text}");
    tokio::select! {
        biased;
        _ = elsewhere.accept() => panic!("it was followed"),
        () = std::future::ready(()) => {}
    }
}
