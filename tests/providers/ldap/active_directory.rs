//! Active Directory: Samba's domain controller.

use std::{collections::BTreeMap, sync::Arc};

use drover::{
    identity::{
        provider::{LoginError, PrincipalKind, Provider, Query, Refused, Standing},
        providers::ldap::Ldap,
    },
    modules::{AuthConfigSpec, AuthConfigType, auth_configs::ldap},
    secret::Secret,
};
use kit::samba::{self, Samba};

use super::scene::{known, login, names, refused, standing};

const PASSWORD: &str = "Correct-horse.1";
const ACCOUNT_PASSWORD: &str = "Of-the-service.account1";
/// A moment of 2001.
const LONG_AGO: &str = "126227808000000000";

/// Ann in `staff`, in `everybody`, in `circle`, in `staff`; Dora, disabled; Erik, expired in 2001.
async fn domain() -> Samba {
    let samba = Samba::start().await;
    samba.add_user("drover", ACCOUNT_PASSWORD, "");
    samba.add_user("ann", PASSWORD, "mail: ann@example.org\nuserPrincipalName: ann.example@corp.example.org\n");
    samba.add_user("bob", "Battery-staple.1", "");
    samba.add_user("dora", PASSWORD, "userAccountControl: 514\n");
    samba.add_user("erik", PASSWORD, &format!("accountExpires: {LONG_AGO}\n"));
    samba.add_group("circle", &[]);
    samba.add_group("staff", &["ann", "circle"]);
    samba.add_group("everybody", &["staff"]);
    samba.add_group("strangers", &["bob"]);
    let (circle, everybody) = (samba::dn("circle"), samba::dn("everybody"));
    samba.modify(&format!("dn: {circle}\nchangetype: modify\nadd: member\nmember: {everybody}\n"));
    samba
}

fn spec(samba: &Samba) -> AuthConfigSpec {
    AuthConfigSpec {
        type_: AuthConfigType::ActiveDirectory,
        servers: vec![samba.host()],
        tls: Some(true),
        certificate: Some(samba.ca()),
        service_account_username: Some("drover".to_owned()),
        service_account_password: Some("drover-system:corp".to_owned()),
        default_login_domain: Some("CORP".to_owned()),
        user_search_base: Some(samba::SUFFIX.to_owned()),
        nested_group_membership_enabled: Some(true),
        connection_timeout: Some(10_000),
        ..AuthConfigSpec::default()
    }
}

fn provider(spec: &AuthConfigSpec) -> Ldap {
    let secrets = BTreeMap::from([("serviceAccountPassword", Secret::new(ACCOUNT_PASSWORD.to_owned()))]);
    let settings = ldap::settings(spec, &secrets).unwrap_or_else(|flaws| panic!("{flaws:?}"));
    Ldap::new("corp", settings, Arc::new(|_, _, _| Ok(()))).unwrap()
}

#[tokio::test]
async fn people_sign_in_to_active_directory_with_every_form_of_their_name() {
    let samba = domain().await;
    for tls in [true, false] {
        let provider = provider(&AuthConfigSpec { tls: Some(tls), starttls: Some(!tls), ..spec(&samba) });
        for user in [
            "ann",
            "ANN",
            r"CORP\ann",
            r"corp\ann",
            r"corp.example.org\ann",
            "ann@corp.example.org",
            "ann.example@corp.example.org",
        ] {
            let ann = login(&provider, user, PASSWORD).await.unwrap_or_else(|error| panic!("{user}: {error}"));
            assert_eq!(&*ann.principal.id, "corp_user://CN=ann,CN=Users,DC=corp,DC=example,DC=org");
            assert_eq!((ann.principal.login_name.as_str(), ann.email.as_deref()), ("ann", Some("ann@example.org")));
            assert_eq!(ann.unique_id.as_ref().map(String::len), Some(36));
        }
        for user in
            [r"OTHER\ann", "ann@other.example.org", r"\ann", "@", r"\", "*", "ann*", "CN=ann,CN=Users", "nobody"]
        {
            assert_eq!(login(&provider, user, PASSWORD).await, refused(), "{user}");
        }
        for password in ["wrong", "", "\0", "Battery-staple.1"] {
            assert_eq!(login(&provider, "ann", password).await, refused(), "{}", password.escape_debug());
        }
    }
}

#[tokio::test]
async fn groups_in_active_directory_take_one_query_and_one_for_what_the_primary_group_is_in() {
    let samba = domain().await;
    let provider = provider(&spec(&samba));
    let ann = login(&provider, "ann", PASSWORD).await.unwrap();
    // The primary group does not name its members.
    assert_eq!(names(&ann.groups), ["Domain Users", "Users", "circle", "everybody", "staff"]);
    let staff = ann.groups.iter().find(|group| group.display_name == "staff").unwrap();
    assert_eq!(&*staff.id, "corp_group://CN=staff,CN=Users,DC=corp,DC=example,DC=org");
    // With the one for the person.
    assert_eq!(provider.queries(), 3);

    let direct = AuthConfigSpec { nested_group_membership_enabled: None, ..spec(&samba) };
    let ann = login(&self::provider(&direct), "ann", PASSWORD).await.unwrap();
    assert_eq!(names(&ann.groups), ["Domain Users", "staff"]);
}

#[tokio::test]
async fn what_active_directory_disables_is_disabled() {
    let samba = domain().await;
    let provider = provider(&spec(&samba));
    for user in ["dora", "erik"] {
        let refusal = login(&provider, user, PASSWORD).await;
        assert!(matches!(refusal, Err(LoginError::Refused(Refused::Disabled(_)))), "{user}: {refusal:?}");
        assert_eq!(login(&provider, user, "wrong").await, refused(), "{user}");
    }
    let ann = login(&provider, "ann", PASSWORD).await.unwrap();
    let change = |change: &str| samba.modify(&format!("dn: {}\nchangetype: {change}", samba::dn("ann")));
    change("modify\nreplace: userAccountControl\nuserAccountControl: 514\n");
    assert_eq!(standing(&provider, &ann).await, Standing::Disabled);
    change("modify\nreplace: userAccountControl\nuserAccountControl: 512\n");
    assert!(matches!(standing(&provider, &ann).await, Standing::Present(_)));
    change(&format!("modify\nreplace: accountExpires\naccountExpires: {LONG_AGO}\n"));
    assert_eq!(standing(&provider, &ann).await, Standing::Disabled);
    // T8: another of the same name.
    change("delete\n");
    assert_eq!(standing(&provider, &ann).await, Standing::Gone);
    samba.add_user("ann", PASSWORD, "");
    assert_eq!(standing(&provider, &ann).await, Standing::Gone);
    assert_ne!(login(&provider, "ann", PASSWORD).await.unwrap().unique_id, ann.unique_id);
}

#[tokio::test]
async fn active_directory_is_searched_tested_and_used_again_after_it_was_down() {
    let samba = domain().await;
    let provider = provider(&spec(&samba));
    let report = provider.test(Some(r"CORP\ann".to_owned())).await.unwrap();
    assert_eq!(report.server, format!("ldaps://{}:636", samba.host()));
    assert!(report.users.is_some_and(|users| users >= 5), "{report:?}");
    assert!(report.groups.is_some_and(|groups| groups > 30), "{report:?}");
    assert_eq!(report.warnings, Vec::<String>::new());
    let ann = report.sample.unwrap();

    let query = |term: &str, kind| Query { term: term.to_owned(), kind: Some(kind), limit: 10 };
    assert_eq!(names(&provider.search(query("an", PrincipalKind::User)).await.unwrap()), ["ann"]);
    assert_eq!(names(&provider.search(query("st", PrincipalKind::Group)).await.unwrap()), ["staff", "strangers"]);

    samba.stop();
    assert!(provider.refresh(known(&ann)).await.is_err());
    samba.start_again().await;
    assert!(matches!(standing(&provider, &ann).await, Standing::Present(_)));
}

/// T6: the server wants it too.
#[tokio::test]
async fn active_directory_takes_no_password_in_plain_text() {
    let samba = domain().await;
    let plain = AuthConfigSpec { tls: None, allow_plaintext: Some(true), ..spec(&samba) };
    let error = login(&provider(&plain), "ann", PASSWORD).await.unwrap_err().to_string();
    assert!(error.contains("the server wants TLS: stronger authentication required (8)"), "{error}");
}
