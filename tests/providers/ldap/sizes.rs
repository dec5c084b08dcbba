//! Large directories: pages, levels of groups, and how many queries they take.

use std::fmt::Write as _;

use drover::identity::provider::{MAX_GROUPS, Provider};
use kit::slapd::Slapd;

use super::scene::{COMPANY, PASSWORD, failure, login, provider, spec};

fn person(ldif: &mut String, number: usize) {
    let _ = write!(
        ldif,
        "dn: uid=p{number},ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: p{number}\ncn: P{number}\nsn: P\n\n"
    );
}

fn group(ldif: &mut String, name: &str, members: &[String]) {
    let _ = write!(ldif, "dn: cn={name},ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: {name}\n");
    for member in members {
        let _ = writeln!(ldif, "member: {member}");
    }
    ldif.push('\n');
}

fn of_group(name: &str) -> String {
    format!("cn={name},ou=groups,dc=example,dc=org")
}

const ANN: &str = "uid=ann,ou=people,dc=example,dc=org";

/// The goal of a directory of 50,000: a person with 1,000 groups on six levels takes at most ten queries.
#[tokio::test]
async fn a_thousand_nested_groups_take_at_most_ten_queries() {
    let mut ldif = String::new();
    for number in 0..PEOPLE {
        person(&mut ldif, number);
    }
    // Each level's groups are spread over those of the level before.
    let levels = [10, 40, 150, 300, 300, 200];
    let mut before = vec![ANN.to_owned()];
    for (level, &size) in levels.iter().enumerate() {
        let names: Vec<String> = (0..size).map(|number| format!("l{level}-{number}")).collect();
        for (index, name) in names.iter().enumerate() {
            let other = format!("uid=p{index},ou=people,dc=example,dc=org");
            group(&mut ldif, name, &[before[index % before.len()].clone(), other]);
        }
        before = names.iter().map(|name| of_group(name)).collect();
    }
    let slapd = Slapd::builder().ldif(COMPANY).ldif(&ldif).start().await;
    let mut large = spec(&slapd);
    large.connection_timeout = Some(30_000);
    let provider = provider(&large);
    let ann = login(&provider, "ann", PASSWORD).await.unwrap();
    assert_eq!(ann.groups.len(), levels.iter().sum::<usize>() + 3);
    assert!(provider.queries() <= 10, "{} queries", provider.queries());
}

/// As many as load within the patience of an ordinary test; `make bench` has 100,000.
const PEOPLE: usize = 50_000;

/// H9.
#[tokio::test]
async fn groups_beyond_what_is_taken_are_left_out_and_the_person_is_let_in() {
    let mut ldif = String::new();
    for number in 0..MAX_GROUPS + 200 {
        group(&mut ldif, &format!("g{number}"), &[ANN.to_owned()]);
    }
    let slapd = Slapd::builder().ldif(COMPANY).ldif(&ldif).config("sizelimit unlimited").start().await;
    let mut large = spec(&slapd);
    large.connection_timeout = Some(30_000);
    let ann = login(&provider(&large), "ann", PASSWORD).await.unwrap();
    assert_eq!(ann.groups.len(), MAX_GROUPS);
}

/// H9: names of a directory are names in a directory.
#[tokio::test]
async fn a_group_of_any_name_is_a_group_of_the_directory_or_none() {
    let mut ldif = String::new();
    for name in ["system:masters", "drover:project:x:y", r"a\0D\0AImpersonate-User: admin"] {
        let _ = write!(ldif, "dn: cn={name},ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\n");
        let _ = write!(ldif, "member: {ANN}\n\n");
    }
    // A name of 64 KiB, of which only the first part is in the DN.
    let long = "x".repeat(60 * 1024);
    let _ = write!(ldif, "dn: cn=long,ou=groups,dc=example,dc=org\nobjectClass: groupOfNames\ncn: long\n");
    let _ = write!(ldif, "description: {long}\nmember: {ANN}\n\n");
    // Far down, under names of 200 characters each.
    let mut branch = "ou=groups,dc=example,dc=org".to_owned();
    for level in ["t", "u", "v", "w", "x", "y", "z"] {
        branch = format!("ou={},{branch}", level.repeat(200));
        let _ = write!(ldif, "dn: {branch}\nobjectClass: organizationalUnit\n\n");
    }
    let _ = write!(ldif, "dn: cn=deep,{branch}\nobjectClass: groupOfNames\nmember: {ANN}\n\n");
    let slapd = Slapd::builder().ldif(COMPANY).ldif(&ldif).start().await;
    let mut odd = spec(&slapd);
    odd.group_name_attribute = Some("description".to_owned());
    let ann = login(&provider(&odd), "ann", PASSWORD).await.unwrap();
    assert!(ann.groups.iter().all(|group| group.id.starts_with("corp_group://") && group.id.len() <= 1024));
    assert!(ann.groups.iter().all(|group| !group.id.contains(['\r', '\n'])));
    let ids: Vec<&str> = ann.groups.iter().map(|group| &*group.id).collect();
    assert!(ids.contains(&"corp_group://cn=system:masters,ou=groups,dc=example,dc=org"), "{ids:?}");
    // The one of two lines and the one that is too long are left out.
    assert_eq!(ids.len(), 3 + 3, "{ids:?}");
}

#[tokio::test]
async fn pages_get_past_the_size_limit_of_a_server() {
    let mut ldif = String::new();
    for number in 0..2_500 {
        person(&mut ldif, number);
        group(&mut ldif, &format!("g{number}"), &[ANN.to_owned()]);
    }
    let limit = "limits * size.soft=100 size.hard=100 size.pr=1000 size.prtotal=unlimited";
    let slapd = Slapd::builder().ldif(COMPANY).ldif(&ldif).config(limit).start().await;
    let mut large = spec(&slapd);
    large.connection_timeout = Some(30_000);
    let provider = provider(&large);
    let report = provider.test(Some("ann".to_owned())).await.unwrap();
    assert_eq!((report.users, report.groups), (Some(2_503), Some(2_504)));
    assert_eq!(report.sample.unwrap().groups.len(), 2_503);
}

/// OpenLDAP gives 500 entries of a search at most, in pages too, unless an administrator allows more.
#[tokio::test]
async fn a_server_that_gives_no_more_is_told_of_and_nobody_is_let_in_with_half_of_the_groups() {
    let mut ldif = String::new();
    for number in 0..600 {
        group(&mut ldif, &format!("g{number}"), &[ANN.to_owned()]);
    }
    let slapd = Slapd::builder().ldif(COMPANY).ldif(&ldif).start().await;
    let provider = provider(&spec(&slapd));
    let report = provider.test(None).await.unwrap();
    assert_eq!(report.groups, Some(500));
    let expected = "the server shows no more than 500 groups under `ou=groups,dc=example,dc=org`: raise its size limit \
                    for the service account";
    assert_eq!(report.warnings, [expected]);
    let text = failure(&provider).await;
    assert!(text.ends_with("size limit exceeded (4): raise the server's limit for the service account"), "{text}");
}
