//! A sign-in in a large directory, beside a plain client that asks slapd for the same.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use drover::identity::provider::{Proof, Provider};
use drover::identity::providers::ldap::Ldap;
use drover::modules::auth_configs::ldap as settings;
use drover::modules::{AuthConfigSpec, AuthConfigType};
use drover::secret::Secret;
use kit::slapd::{self, Slapd};
use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{LdapConnAsync, Scope, SearchEntry};

use super::Args;
use crate::stats::spread;

const PEOPLE: &str = "ou=people,dc=example,dc=org";
const GROUPS: &str = "ou=groups,dc=example,dc=org";
const ACCOUNT: &str = "cn=drover,ou=services,dc=example,dc=org";
const PASSWORD: &str = "correct horse";
/// Groups on each level: a thousand in all.
const LEVELS: [usize; 6] = [10, 40, 150, 300, 300, 200];
/// Groups asked about in one search, as Drover does it.
const AT_ONCE: usize = 500;

/// Prints queries and times.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let count = args.count.unwrap_or(50_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (queries, ours, theirs, groups) = runtime.block_on(measure(count, args.rounds * 4))?;
    let (over, ours, theirs) =
        (spread(ours.iter().zip(&theirs).map(|(ours, theirs)| ours - theirs)), spread(ours), spread(theirs));
    println!(
        "### A sign-in with {groups} nested groups in a directory of {count} (goals: ≤ 10 queries, ≤ 300 ms over slapd)\n"
    );
    println!(
        "| queries | sign-in, ms: median (range) | the same by a plain client, ms | over it, ms |\n|---|---|---|---|"
    );
    println!(
        "| **{queries}** | {:.1} ({:.1}–{:.1}) | {:.1} ({:.1}–{:.1}) | **{:.1}** ({:.1}–{:.1}) |\n",
        ours.median, ours.low, ours.high, theirs.median, theirs.low, theirs.high, over.median, over.low, over.high
    );
    Ok(())
}

async fn measure(count: usize, rounds: usize) -> Result<(u64, Vec<f64>, Vec<f64>, usize)> {
    let slapd = Slapd::builder().ldif(&directory(count)).start().await;
    let secrets = BTreeMap::from([("serviceAccountPassword", Secret::new(PASSWORD.to_owned()))]);
    let read = settings::settings(&spec(&slapd), &secrets).map_err(|flaws| anyhow::anyhow!("{flaws:?}"))?;
    let provider = Ldap::new("corp", read, Arc::new(|_, _, _| Ok(())))?;
    let url = format!("ldap://{}:{}", slapd.host(), slapd::LDAP);
    let mut account = bound(&url, ACCOUNT).await?;
    let (mut queries, mut ours, mut theirs, mut groups) = (0, Vec::new(), Vec::new(), 0);
    // The first of each reads the directory into memory.
    for round in 0..=rounds {
        let (start, before) = (Instant::now(), provider.queries());
        let proof = Proof::Password { user: "ann".to_owned(), password: Secret::new(PASSWORD.to_owned()) };
        let person = provider.login(proof).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let took = start.elapsed().as_secs_f64() * 1000.0;
        queries = queries.max(provider.queries() - before);
        let start = Instant::now();
        groups = plain(&mut account, &url).await?;
        ensure!(person.groups.len() == groups, "{} groups, and {groups} by the plain client", person.groups.len());
        if round > 0 {
            ours.push(took);
            theirs.push(start.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok((queries, ours, theirs, groups))
}

/// How an administrator connects it.
fn spec(slapd: &Slapd) -> AuthConfigSpec {
    AuthConfigSpec {
        type_: AuthConfigType::OpenLdap,
        servers: vec![slapd.host()],
        port: Some(slapd::LDAPS.into()),
        tls: Some(true),
        certificate: Some(slapd.ca()),
        service_account_distinguished_name: Some(ACCOUNT.to_owned()),
        service_account_password: Some("drover-system:corp".to_owned()),
        user_search_base: Some(PEOPLE.to_owned()),
        group_search_base: Some(GROUPS.to_owned()),
        nested_group_membership_enabled: Some(true),
        connection_timeout: Some(30_000),
        ..AuthConfigSpec::default()
    }
}

/// People, among them Ann, and her groups: each level's are spread over those of the level before.
fn directory(count: usize) -> String {
    let mut ldif = String::new();
    for unit in ["services", "people", "groups"] {
        let _ = write!(ldif, "dn: ou={unit},dc=example,dc=org\nobjectClass: organizationalUnit\nou: {unit}\n\n");
    }
    let _ = write!(
        ldif,
        "dn: {ACCOUNT}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: drover\nuserPassword: {PASSWORD}\n\n"
    );
    let ann = format!("uid=ann,{PEOPLE}");
    let _ =
        write!(ldif, "dn: {ann}\nobjectClass: inetOrgPerson\nuid: ann\ncn: Ann\nsn: A\nuserPassword: {PASSWORD}\n\n");
    for number in 0..count {
        let _ = write!(
            ldif,
            "dn: uid=p{number},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: p{number}\ncn: P{number}\nsn: P\n\n"
        );
    }
    let mut before = vec![ann];
    for (level, size) in LEVELS.into_iter().enumerate() {
        let names: Vec<String> = (0..size).map(|number| format!("cn=l{level}-{number},{GROUPS}")).collect();
        for (number, (name, member)) in names.iter().zip(before.iter().cycle()).enumerate() {
            let _ = write!(
                ldif,
                "dn: {name}\nobjectClass: groupOfNames\ncn: l{level}-{number}\nmember: {member}\nmember: uid=p{number},{PEOPLE}\n\n"
            );
        }
        before = names;
    }
    ldif
}

async fn bound(url: &str, dn: &str) -> Result<ldap3::Ldap> {
    let (connection, mut ldap) = LdapConnAsync::new(url).await?;
    ldap3::drive!(connection);
    ldap.simple_bind(dn, PASSWORD).await?.success()?;
    Ok(ldap)
}

/// What a sign-in asks slapd, and nothing else: Ann's entry, her password on a connection of its own, each level of groups.
async fn plain(account: &mut ldap3::Ldap, url: &str) -> Result<usize> {
    let found = search(account, PEOPLE, "(&(objectClass=inetOrgPerson)(uid=ann))", "cn").await?;
    let ann = found.into_iter().next().context("there is no Ann")?;
    let mut own = bound(url, &ann).await?;
    own.unbind().await?;
    let (mut asked, mut seen) = (vec![ann], HashSet::new());
    while !asked.is_empty() {
        let mut next = Vec::new();
        for some in asked.chunks(AT_ONCE) {
            let members: String = some.iter().map(|dn| format!("(member={dn})")).collect();
            for dn in search(account, GROUPS, &format!("(&(objectClass=groupOfNames)(|{members}))"), "cn").await? {
                if seen.insert(dn.clone()) {
                    next.push(dn);
                }
            }
        }
        asked = next;
    }
    Ok(seen.len())
}

async fn search(ldap: &mut ldap3::Ldap, base: &str, filter: &str, attribute: &str) -> Result<Vec<String>> {
    let adapters: Vec<Box<dyn Adapter<_, _>>> = vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(1000))];
    let mut found = ldap.streaming_search_with(adapters, base, Scope::Subtree, filter, vec![attribute]).await?;
    let mut names = Vec::new();
    while let Some(entry) = found.next().await? {
        names.push(SearchEntry::construct(entry).dn);
    }
    found.finish().await.success()?;
    Ok(names)
}
