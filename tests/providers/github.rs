//! GitHub by a server that follows its public documents, with the setting of an Enterprise host.

use std::{sync::Arc, time::Duration};

use drover::{
    identity::{
        provider::{Known, LoginError, Person, PrincipalKind, Provider as _, Query, Refused, Standing},
        providers::github::{Github, Settings},
    },
    secret::Secret,
};
use kit::{
    fake::Reply,
    github::{self, Account, CLIENT, SECRET},
};

use crate::browser::{Browser, anywhere, departure};

fn ann() -> Account {
    Account {
        id: 1,
        login: "ann".to_owned(),
        organisations: vec![(9_343_010, "example".to_owned())],
        teams: vec![(77, "Platform".to_owned(), 9_343_010, "example".to_owned())],
        ..Account::default()
    }
}

fn settings(server: &github::Github) -> Settings {
    Settings {
        host: server.host(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(Secret::new(SECRET.to_owned())),
        client_secret_name: "drover-system:github".to_owned(),
        certificate: Some(server.server().ca().pem()),
        timeout: Duration::from_secs(10),
    }
}

fn provider(server: &github::Github) -> Github {
    Github::new("github", settings(server), anywhere()).unwrap()
}

async fn signed_in(server: &github::Github, user: &str) -> Result<Person, LoginError> {
    let provider = provider(server);
    let departure = departure(user);
    let mut browser = Browser::new(&server.server().url(), &server.server().ca().pem());
    let arrival = browser.sign_in(&provider.begin(&departure).await.unwrap(), user).await;
    provider.login(arrival.proof(&departure)).await
}

fn known(person: &Person) -> Known {
    Known {
        principal: Arc::clone(&person.principal.id),
        login_name: person.principal.login_name.clone(),
        unique_id: None,
        grant: person.grant.clone(),
    }
}

fn groups(person: &Person) -> Vec<&str> {
    person.groups.iter().map(|group| &*group.id).collect()
}

#[tokio::test]
async fn a_person_is_its_number_and_so_are_its_organisations_and_teams() {
    let server = github::Github::start(vec![ann()]);
    let ann = signed_in(&server, "ann").await.unwrap();
    assert_eq!((&*ann.principal.id, &*ann.principal.login_name), ("github_user://1", "ann"));
    assert_eq!(groups(&ann), ["github_org://9343010", "github_team://77"]);
    assert_eq!(ann.groups[1].display_name, "example/Platform");
    assert_eq!(provider(&server).groups_of(known(&ann)).await.unwrap().len(), 2);
}

/// T8: somebody else takes a login that became free.
#[tokio::test]
async fn a_new_owner_of_a_login_is_another_person() {
    let server = github::Github::start(vec![ann()]);
    let first = signed_in(&server, "ann").await.unwrap();
    server.change("ann", Some(Account { id: 2, ..ann() }));
    assert_eq!(&*signed_in(&server, "ann").await.unwrap().principal.id, "github_user://2");
    let error = provider(&server).refresh(known(&first)).await.unwrap_err();
    assert_eq!(error.to_string(), "provider `github`: the token of another person, `github_user://2`");
}

/// T7: PKCE, stolen code, code used twice.
#[tokio::test]
async fn a_code_counts_once_and_for_its_own_departure() {
    let server = github::Github::start(vec![ann()]);
    let provider = provider(&server);
    let (ours, thief) = (departure("ours"), departure("thief"));
    let mut browser = Browser::new(&server.server().url(), &server.server().ca().pem());
    let url = provider.begin(&ours).await.unwrap();
    assert!(url.contains("code_challenge_method=S256"), "{url}");
    let stolen = browser.sign_in(&url, "ann").await;
    let refused = provider.login(stolen.unchecked(&thief)).await.unwrap_err().to_string();
    assert!(refused.contains("the code is refused: bad_verification_code"), "{refused}");
    let arrival = browser.sign_in(&url, "ann").await;
    provider.login(arrival.proof(&ours)).await.unwrap();
    assert!(matches!(provider.login(arrival.proof(&ours)).await, Err(LoginError::Refused(_))));
}

#[tokio::test]
async fn pages_are_read_to_their_end_and_no_link_is_followed() {
    let organisations = (0..250).map(|n| (1_000 + n, format!("org{n}"))).collect();
    let server = github::Github::start(vec![Account { organisations, ..ann() }]);
    assert_eq!(signed_in(&server, "ann").await.unwrap().groups.len(), 251);
    let pages = server.server().requests().into_iter().filter(|request| request.path() == "/api/v3/user/orgs");
    assert_eq!(pages.count(), 3);
}

/// H9: somebody who is in more organisations than anybody is.
#[tokio::test]
async fn pages_without_end_are_not_read_without_end() {
    let organisations = (0..9_000).map(|n| (1_000 + n, format!("org{n}"))).collect();
    let server = github::Github::start(vec![Account { organisations, ..ann() }]);
    assert_eq!(signed_in(&server, "ann").await.unwrap().groups.len(), 5_000);
    let pages = server.server().requests().into_iter().filter(|request| request.path() == "/api/v3/user/orgs");
    assert_eq!(pages.count(), 50);
}

#[tokio::test]
async fn a_refresh_tells_what_has_become_of_a_person() {
    let server = github::Github::start(vec![ann()]);
    let provider = provider(&server);
    let person = signed_in(&server, "ann").await.unwrap();
    server.change("ann", Some(Account { teams: Vec::new(), ..ann() }));
    let Ok(Standing::Present(again)) = provider.refresh(known(&person)).await else { panic!("she is there") };
    assert_eq!(groups(&again), ["github_org://9343010"]);

    server.change("ann", Some(Account { suspended: true, ..ann() }));
    assert_eq!(provider.refresh(known(&person)).await, Ok(Standing::Disabled));
    assert!(matches!(signed_in(&server, "ann").await, Err(LoginError::Refused(Refused::Disabled(_)))));

    // She took the grant back: what is public tells whether she is still there.
    server.revoke_tokens();
    assert_eq!(provider.refresh(known(&person)).await, Ok(Standing::Disabled));
    server.change("ann", Some(ann()));
    assert_eq!(provider.refresh(known(&person)).await, Ok(Standing::Unknown));
    assert_eq!(provider.refresh(Known { grant: None, ..known(&person) }).await, Ok(Standing::Unknown));
    server.change("ann", None);
    assert_eq!(provider.refresh(known(&person)).await, Ok(Standing::Gone));
}

#[tokio::test]
async fn a_search_finds_people_and_organisations_whose_logins_begin_so() {
    let joanne = Account { id: 3, login: "joanne".to_owned(), ..Account::default() };
    let server = github::Github::start(vec![ann(), joanne]);
    let provider = provider(&server);
    let found = async |term: &str, kind| {
        let query = Query { term: term.to_owned(), kind, limit: 10 };
        let found = provider.search(query).await.unwrap();
        found.into_iter().map(|principal| principal.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found("ann", None).await, ["github_user://1"]);
    assert_eq!(found("exa", Some(PrincipalKind::Group)).await, ["github_org://9343010"]);
    assert_eq!(found("exa", Some(PrincipalKind::User)).await, Vec::<String>::new());
    let before = server.server().requests().len();
    assert_eq!(found("ann in:email", None).await, Vec::<String>::new());
    assert_eq!(server.server().requests().len(), before);
}

#[tokio::test]
async fn what_goes_wrong_is_told_and_no_secret_with_it() {
    let server = github::Github::start(vec![ann()]);
    let person = signed_in(&server, "ann").await.unwrap();
    server.limit(true);
    let error = provider(&server).refresh(known(&person)).await.unwrap_err().to_string();
    assert_eq!(error, "provider `github`: the rate limit is reached until 2030-03-17T17:46:40Z");
    server.limit(false);

    let wrong = Settings { client_secret: Some(Secret::new("hush".to_owned())), ..settings(&server) };
    let wrong = Github::new("github", wrong, anywhere()).unwrap();
    let departure = departure("ann");
    let mut browser = Browser::new(&server.server().url(), &server.server().ca().pem());
    let arrival = browser.sign_in(&wrong.begin(&departure).await.unwrap(), "ann").await;
    let error = wrong.login(arrival.proof(&departure)).await.unwrap_err();
    assert!(matches!(error, LoginError::Provider(_)), "{error}");
    assert!(
        error.to_string().contains("incorrect_client_credentials") && !error.to_string().contains("hush"),
        "{error}"
    );
    let error = wrong.test(None).await.unwrap_err().to_string();
    assert!(error.ends_with("the API refuses the token: it was revoked, or the client's secret is wrong"), "{error}");

    let missing = Settings { client_secret: None, ..settings(&server) };
    let error = Github::new("github", missing, anywhere()).unwrap().begin(&departure).await.unwrap_err();
    let told = "provider `github`: the Secret `drover-system:github` with the key `clientsecret` is missing";
    assert_eq!(error.to_string(), told);
}

#[tokio::test]
async fn a_server_that_hangs_or_leads_elsewhere_is_an_error() {
    let server = github::Github::start(vec![ann()]);
    let person = signed_in(&server, "ann").await.unwrap();
    let settings = Settings { timeout: Duration::from_millis(500), ..settings(&server) };
    let provider = Github::new("github", settings, anywhere()).unwrap();
    for (reply, told) in [
        (Reply::hang(), "did not answer within 500 ms"),
        (Reply::redirect("https://evil.example.org/"), "`/user` answered 302 Found: "),
        (Reply::generated(1 << 30), "is longer than 1048576 bytes"),
        (Reply::text("hello"), "`/user`: expected value at line 1 column 1"),
    ] {
        server.server().route("GET", "/api/v3/user", reply);
        let error = provider.refresh(known(&person)).await.unwrap_err().to_string();
        assert!(error.ends_with(told), "{error}");
    }
}

#[tokio::test]
async fn a_test_says_what_it_found() {
    let server = github::Github::start(vec![ann()]);
    let provider = provider(&server);
    let report = provider.test(Some("ann".to_owned())).await.unwrap();
    assert_eq!(report.server, format!("{}/api/v3", server.server().url()));
    assert_eq!(&*report.sample.unwrap().principal.id, "github_user://1");
    let report = provider.test(Some("nobody".to_owned())).await.unwrap();
    assert_eq!(report.warnings, ["there is no user `nobody`"]);
}
