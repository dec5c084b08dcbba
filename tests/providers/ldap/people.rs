//! Who may sign in, as whom, with which groups; and what became of them.

use drover::identity::provider::{LoginError, PrincipalKind, Provider, Query, Refused, Standing};
use kit::slapd::Slapd;

use super::scene::{
    COMPANY, PASSWORD, company, failure, known, login, names, provider, provider_of, refused, spec, standing,
};

#[tokio::test]
async fn a_person_signs_in_with_the_groups_that_groups_are_in_and_a_circle_ends() {
    let slapd = company().await;
    let provider = provider(&spec(&slapd));
    let ann = login(&provider, "ann", PASSWORD).await.unwrap();
    assert_eq!(&*ann.principal.id, "corp_user://uid=ann,ou=people,dc=example,dc=org");
    assert_eq!((ann.principal.display_name.as_str(), ann.principal.login_name.as_str()), ("Ann Example", "ann"));
    assert_eq!(ann.email.as_deref(), Some("ann@example.org"));
    assert_eq!(ann.unique_id.as_ref().map(String::len), Some(36));
    assert_eq!(names(&ann.groups), ["circle", "everybody", "staff"]);
    assert!(ann.groups.iter().any(|group| &*group.id == "corp_group://cn=staff,ou=groups,dc=example,dc=org"));
    assert_eq!(provider.groups_of(known(&ann)).await.unwrap(), ann.groups);

    let mut direct = spec(&slapd);
    direct.nested_group_membership_enabled = None;
    let ann = login(&super::scene::provider(&direct), "ann", PASSWORD).await.unwrap();
    assert_eq!(names(&ann.groups), ["staff"]);
}

#[tokio::test]
async fn who_does_not_exist_and_who_is_not_it_hear_the_same_and_cost_the_same() {
    let slapd = company().await;
    let provider = provider(&spec(&slapd));
    assert!(login(&provider, "ann", PASSWORD).await.is_ok());
    let before = provider.queries();
    assert_eq!(login(&provider, "ann", "wrong").await, refused());
    let known = provider.queries() - before;
    assert_eq!(login(&provider, "nobody", PASSWORD).await, refused());
    assert_eq!(provider.queries() - before, 2 * known);
    // Another's password is nobody's.
    assert_eq!(login(&provider, "bob", PASSWORD).await, refused());
}

/// T6.
#[tokio::test]
async fn a_login_name_is_never_a_filter_and_an_empty_password_never_a_bind() {
    let slapd = company().await;
    let provider = provider(&spec(&slapd));
    let long = "a".repeat(64 * 1024);
    for user in [
        "*",
        "a*",
        "*)(uid=*",
        "ann)(|(uid=*",
        "ann)(objectClass=*",
        r"ann\00",
        r"\61nn",
        "ann\0",
        r"\",
        "(",
        ")",
        "",
        " ",
        "ann,ou=people",
        "uid=ann,ou=people,dc=example,dc=org",
        "*)(&(uid=ann",
        "ann\r\nuserPassword: x",
        &long,
    ] {
        assert_eq!(login(&provider, user, PASSWORD).await, refused(), "{}", user.escape_debug());
    }
    for password in ["", "\0", "correct horse\0", " ", &long] {
        assert_eq!(login(&provider, "ann", password).await, refused(), "{}", password.escape_debug());
    }
    // The account that searches has an empty password nowhere either.
    for password in ["", "wrong"] {
        let text = failure(&provider_of(&spec(&slapd), password, std::sync::Arc::new(|_, _, _| Ok(())))).await;
        let expected = if password.is_empty() {
            "provider `corp`: the Secret that `serviceAccountPassword` names is missing, or has no password".to_owned()
        } else {
            format!(
                "provider `corp`: `ldaps://{}:3636`: the service account `cn=drover,ou=services,dc=example,dc=org` is not \
                 let in: invalid credentials (49)",
                slapd.host()
            )
        };
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn a_disabled_account_is_told_of_only_to_who_knows_its_password() {
    let slapd = company().await;
    let provider = provider(&spec(&slapd));
    assert_eq!(login(&provider, "dora", "wrong").await, refused());
    let refused = login(&provider, "dora", PASSWORD).await;
    assert_eq!(refused, Err(LoginError::Refused(Refused::Disabled("`employeeNumber` is 514".to_owned()))));
}

#[tokio::test]
async fn only_whoever_matches_the_filter_is_a_user() {
    let slapd = company().await;
    let mut staff = spec(&slapd);
    staff.user_search_filter = Some("(employeeType=staff)".to_owned());
    let provider = provider(&staff);
    assert!(login(&provider, "ann", PASSWORD).await.is_ok());
    assert_eq!(login(&provider, "bob", "battery staple").await, refused());
}

#[tokio::test]
async fn a_login_name_that_two_have_is_an_error_of_the_directory() {
    let second = "\
dn: ou=more,ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: more

dn: uid=ann,ou=more,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ann
cn: Another
sn: Ann
userPassword: correct horse
";
    let slapd = Slapd::builder().ldif(COMPANY).ldif(second).start().await;
    let text = failure(&provider(&spec(&slapd))).await;
    let base = "ou=people,dc=example,dc=org";
    assert_eq!(text, format!("provider `corp`: more than one entry under `{base}` has the login name `ann`"));
}

/// T8: a DN that belongs to another person now.
#[tokio::test]
async fn whoever_goes_is_gone_even_if_another_comes_by_the_same_name() {
    let slapd = company().await;
    let provider = provider(&spec(&slapd));
    let ann = login(&provider, "ann", PASSWORD).await.unwrap();
    let Standing::Present(person) = standing(&provider, &ann).await else { panic!("she is there") };
    assert_eq!(*person, ann);

    slapd.modify("dn: uid=ann,ou=people,dc=example,dc=org\nchangetype: delete\n");
    assert_eq!(standing(&provider, &ann).await, Standing::Gone);
    slapd.modify(
        "dn: uid=ann,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann Other\nsn: Other\n\
         userPassword: another\n",
    );
    assert_eq!(standing(&provider, &ann).await, Standing::Gone);
    let other = login(&provider, "ann", "another").await.unwrap();
    assert_eq!(other.principal.id, ann.principal.id);
    assert_ne!(other.unique_id, ann.unique_id);
}

#[tokio::test]
async fn what_becomes_of_a_person_is_seen() {
    let slapd = company().await;
    let provider = provider(&spec(&slapd));
    let ann = login(&provider, "ann", PASSWORD).await.unwrap();
    slapd.modify(
        "dn: cn=everybody,ou=groups,dc=example,dc=org\nchangetype: modify\nreplace: member\n\
         member: uid=bob,ou=people,dc=example,dc=org\n",
    );
    let Standing::Present(person) = standing(&provider, &ann).await else { panic!("she is there") };
    assert_eq!(names(&person.groups), ["staff"]);
    let change = |value: &str| {
        format!("dn: uid=ann,ou=people,dc=example,dc=org\nchangetype: modify\nreplace: employeeNumber\n{value}")
    };
    slapd.modify(&change("employeeNumber: 2\n"));
    assert_eq!(standing(&provider, &ann).await, Standing::Disabled);
    slapd.modify(&change(""));
    assert!(matches!(standing(&provider, &ann).await, Standing::Present(_)));
}

/// A service account that sees nothing any more, or a base that was renamed, must not end everybody's sessions.
#[tokio::test]
async fn a_base_that_is_not_shown_is_no_reason_to_take_anybody_for_gone() {
    let slapd = company().await;
    let ann = known(&login(&provider(&spec(&slapd)), "ann", PASSWORD).await.unwrap());
    let hidden = "access to dn.subtree=\"ou=people,dc=example,dc=org\" by anonymous auth by * none";
    let blind = Slapd::builder().ldif(COMPANY).config(hidden).start().await;
    let mut moved = spec(&slapd);
    moved.user_search_base = Some("ou=humans,dc=example,dc=org".to_owned());
    for (spec, base) in [(spec(&blind), "people"), (moved, "humans")] {
        let error = provider(&spec).refresh(ann.clone()).await.unwrap_err().to_string();
        let at = format!("`ldaps://{}:3636`", spec.servers[0]);
        assert_eq!(error, format!("provider `corp`: {at}: `ou={base},dc=example,dc=org` is not there"));
    }
}

#[tokio::test]
async fn a_search_gives_users_and_groups_whose_names_begin_so() {
    let slapd = company().await;
    let provider = provider(&spec(&slapd));
    let search = |term: &str, kind, limit| provider.search(Query { term: term.to_owned(), kind, limit });
    let found = search("exam", None, 10).await.unwrap();
    assert_eq!(names(&found), ["Ann Example", "Bob Example", "Dora Example"]);
    assert_eq!(names(&search("st", None, 10).await.unwrap()), ["staff", "strangers"]);
    assert_eq!(search("exam", None, 2).await.unwrap().len(), 2);
    assert!(search("exam", Some(PrincipalKind::Group), 10).await.unwrap().is_empty());
    assert!(search("*", None, 10).await.unwrap().is_empty());
    let found = search("an", Some(PrincipalKind::User), 10).await.unwrap();
    assert_eq!(found[0].login_name, "ann");
}

#[tokio::test]
async fn posix_groups_name_their_members_by_login_name() {
    let posix =
        "dn: cn=ops,ou=groups,dc=example,dc=org\nobjectClass: posixGroup\ncn: ops\ngidNumber: 7\nmemberUid: ann\n";
    let slapd = Slapd::builder().ldif(COMPANY).ldif(posix).start().await;
    let mut of_posix = spec(&slapd);
    of_posix.group_object_class = Some("posixGroup".to_owned());
    of_posix.group_member_mapping_attribute = Some("memberUid".to_owned());
    of_posix.group_member_user_attribute = Some("uid".to_owned());
    let ann = login(&provider(&of_posix), "ann", PASSWORD).await.unwrap();
    assert_eq!(names(&ann.groups), ["ops"]);
}

#[tokio::test]
async fn a_test_says_what_was_found_and_what_to_look_at() {
    let slapd = company().await;
    let report = provider(&spec(&slapd)).test(Some("ann".to_owned())).await.unwrap();
    assert_eq!(report.server, format!("ldaps://{}:3636", slapd.host()));
    assert_eq!((report.users, report.groups), (Some(3), Some(4)));
    assert_eq!(names(&report.sample.unwrap().groups), ["circle", "everybody", "staff"]);
    assert_eq!(report.warnings, Vec::<String>::new());

    let mut odd = spec(&slapd);
    odd.user_object_class = Some("posixAccount".to_owned());
    odd.group_search_base = Some("ou=nowhere,dc=example,dc=org".to_owned());
    let report = provider(&odd).test(Some("ann".to_owned())).await.unwrap();
    assert_eq!((report.users, report.groups, report.sample), (Some(0), None, None));
    let words = report.warnings.join("\n");
    for part in [
        "no user under `ou=people,dc=example,dc=org` matches `(&(objectClass=posixAccount))`",
        "`ou=nowhere,dc=example,dc=org` is not there",
        "nobody has the login name `ann`",
    ] {
        assert!(words.contains(part), "{words}");
    }
}
