//! Which server, how it is reached, and what happens when it is not.

use std::sync::Arc;

use drover::{
    identity::provider::{Provider, Standing},
    modules::AuthConfigSpec,
};
use kit::slapd::{self, Slapd};

use super::scene::{
    ACCOUNT_PASSWORD, COMPANY, PASSWORD, company, failure, known, login, provider, provider_of, refused, spec, standing,
};

fn start_tls(slapd: &Slapd) -> AuthConfigSpec {
    AuthConfigSpec { tls: None, starttls: Some(true), port: Some(slapd::LDAP.into()), ..spec(slapd) }
}

#[tokio::test]
async fn ldaps_and_start_tls_reach_the_same_directory() {
    // Passwords are taken only under TLS.
    let slapd = Slapd::builder().ldif(COMPANY).config("security simple_bind=128").start().await;
    for spec in [spec(&slapd), start_tls(&slapd)] {
        let provider = provider(&spec);
        assert!(login(&provider, "ann", PASSWORD).await.is_ok());
        assert_eq!(login(&provider, "ann", "wrong").await, refused());
    }
    // T6: plain text is what the administrator says it is, and the server says no.
    let plain = AuthConfigSpec { starttls: None, allow_plaintext: Some(true), ..start_tls(&slapd) };
    let text = failure(&provider(&plain)).await;
    assert!(text.contains("the server wants TLS: confidentiality required (13)"), "{text}");
}

/// T6.
#[tokio::test]
async fn plain_text_works_where_it_is_wanted_and_the_test_warns_of_it() {
    let slapd = company().await;
    let plain = AuthConfigSpec { starttls: None, allow_plaintext: Some(true), ..start_tls(&slapd) };
    let provider = provider(&plain);
    assert!(login(&provider, "ann", PASSWORD).await.is_ok());
    let report = provider.test(None).await.unwrap();
    assert_eq!(report.server, format!("ldap://{}:3389", slapd.host()));
    assert_eq!(report.warnings, ["passwords go over the network in plain text: set `tls` or `starttls`"]);
}

#[tokio::test]
async fn a_server_of_another_authority_or_name_is_not_spoken_to() {
    let slapd = company().await;
    let misnamed = Slapd::builder().ldif(COMPANY).named("ldap.example.org").start().await;
    for tls in [spec, start_tls] {
        let stranger = AuthConfigSpec { certificate: Some(kit::tls::Ca::new("stranger").pem()), ..tls(&slapd) };
        let text = failure(&provider(&stranger)).await;
        assert!(text.contains("TLS: invalid peer certificate: UnknownIssuer"), "{text}");
        let text = failure(&provider(&tls(&misnamed))).await;
        assert!(text.contains("TLS: invalid peer certificate: certificate not valid for name"), "{text}");
    }
}

/// H22.
#[tokio::test]
async fn an_address_that_the_policy_refuses_is_not_connected_to() {
    let slapd = company().await;
    let provider =
        provider_of(&spec(&slapd), ACCOUNT_PASSWORD, Arc::new(|_, _, _| Err("it is a loopback address".into())));
    let text = failure(&provider).await;
    assert!(text.ends_with("may not be connected to: it is a loopback address"), "{text}");
}

#[tokio::test]
async fn the_next_server_is_asked_when_the_first_is_down() {
    let (first, second) = (company().await, company().await);
    let certificate = Some(first.ca() + &second.ca());
    let both = AuthConfigSpec { servers: vec![first.host(), second.host()], certificate, ..spec(&first) };
    let provider = provider(&both);
    first.stop();
    let ann = login(&provider, "ann", PASSWORD).await.unwrap();
    assert_eq!(provider.test(None).await.unwrap().server, format!("ldaps://{}:3636", second.host()));
    // What did not answer is asked again when nothing else answers.
    first.start_again().await;
    second.stop();
    assert!(login(&provider, "ann", PASSWORD).await.is_ok());
    first.stop();
    let text = failure(&provider).await;
    assert!(text.contains(&first.host()) && text.contains(&second.host()), "{text}");
    assert!(provider.refresh(known(&ann)).await.is_err());
}

#[tokio::test]
async fn a_directory_that_comes_back_is_used_again_without_anything_done() {
    let slapd = company().await;
    let provider = provider(&spec(&slapd));
    let ann = login(&provider, "ann", PASSWORD).await.unwrap();
    slapd.stop();
    // It is not known what became of anybody: nothing changes.
    assert!(provider.refresh(known(&ann)).await.is_err());
    assert!(failure(&provider).await.contains("Connection refused"));
    slapd.start_again().await;
    assert!(matches!(standing(&provider, &ann).await, Standing::Present(_)));
    assert!(login(&provider, "ann", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_connection_that_died_without_a_sign_is_replaced() {
    let slapd = company().await;
    let other = company().await;
    let certificate = Some(slapd.ca() + &other.ca());
    let both = AuthConfigSpec {
        servers: vec![slapd.host(), other.host()],
        certificate,
        connection_timeout: Some(8000),
        ..spec(&slapd)
    };
    let provider = provider(&both);
    assert!(login(&provider, "ann", PASSWORD).await.is_ok());
    // The kept connection goes to a server that answers nothing more; the other one is asked then.
    slapd.signal("STOP");
    assert!(login(&provider, "ann", PASSWORD).await.is_ok());
    slapd.signal("CONT");
}
