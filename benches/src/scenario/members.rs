//! A large directory: memory, start, and how soon a change of one membership decides requests. First in the world alone, then in
//! the whole program with the embedded plane.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use drover::world::input::{Change, GroupInput, MemberInput, Subject};
use drover::world::{Publisher, Watch};
use hdrhistogram::Histogram;
use serde_json::json;

use super::admin::{Admin, KINDS, embedded, object};
use super::callers::user;
use super::{Args, Stand};
use crate::client::Client;
use crate::names;
use crate::peers::drover::Options;
use crate::process::resident;

const USERS: usize = 100_000;
const GROUPS: usize = 20_000;
/// Groups that are members of others: of these, and so on two levels up.
const TOPS: [(std::ops::Range<usize>, usize); 2] = [(1000..5000, 1000), (200..1000, 200)];
/// Changes that are timed.
const CHANGES: usize = 200;
/// A change that is not in force by then never will be.
const LONGEST: Duration = Duration::from_secs(10);
/// Nobody is in this group but whom a change makes a member.
const PROBED: usize = GROUPS;
/// The user of the changes, whose token is the one of this number.
const PROBE: usize = 1_000_000;

fn group(number: usize) -> Arc<str> {
    format!("g-bench-{number}").into()
}

/// The principal that a member is named by.
fn local(user: usize) -> String {
    format!("local://{}", names::user(user))
}

/// All memberships, as group and principal: between groups first, then of users, each in ten or so.
fn members(count: usize) -> impl Iterator<Item = (usize, String)> {
    let between = TOPS.into_iter().flat_map(|(groups, tops)| groups.map(move |number| (number, number % tops)));
    let between = between.map(|(member, of)| (of, format!("local_group://{}", group(member))));
    let of_users = (0..).map(|number: usize| {
        let (user, turn) = (number % USERS, number / USERS);
        ((user * 7919 + turn * 1733) % GROUPS, local(user))
    });
    between.chain(of_users).take(count)
}

/// Prints all of it.
#[expect(clippy::print_stdout, reason = "the figure is this command's output")]
pub fn run(args: &Args) -> Result<()> {
    let count = args.count.unwrap_or(1_000_000);
    println!(
        "### {USERS} users, {GROUPS} groups, {count} memberships (goals: ≤ 500 MB; a change in force within 50 ms)\n"
    );
    println!(
        "| | memory, MB | start, s | memory after {CHANGES} changes, MB | a change in force after, ms: p50 | p99 |\n|---|---|---|---|---|---|"
    );
    alone(count)?;
    served(count)?;
    println!();
    Ok(())
}

#[expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "the figure is this command's output")]
fn print(what: &str, memory: (u64, u64), start: Duration, times: &Histogram<u64>) {
    println!(
        "| {what} | **{:.0}** | {:.2} | {:.0} | {:.2} | **{:.2}** |",
        memory.0 as f64 / 1e6,
        start.as_secs_f64(),
        memory.1 as f64 / 1e6,
        times.value_at_quantile(0.5) as f64 / 1000.0,
        times.value_at_quantile(0.99) as f64 / 1000.0
    );
}

/// The world, with each membership an object of its own.
fn alone(count: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let own = std::process::id();
    let before = resident(own);
    let (feed, watch) = Publisher::start()?;
    let start = Instant::now();
    feed.change(Change::Users((0..USERS).map(user).collect()));
    let groups = (0..=GROUPS).map(|number| GroupInput { name: group(number), members: Vec::new() });
    feed.change(Change::Groups(groups.collect()));
    let members = members(count).enumerate().map(|(number, (of, member))| MemberInput {
        name: format!("gm-bench-{number}").into(),
        group: group(of),
        member: Subject::of_principal(&member),
    });
    feed.change(Change::Members(members.collect()));
    runtime.block_on(feed.settle())?;
    let started = start.elapsed();
    let after = resident(own);
    ensure!(watch.load().users().count() == USERS, "not every user is there");

    let mut times = Histogram::<u64>::new(3)?;
    for change in 0..CHANGES {
        let (who, comes) = (change / 2 * 37 % USERS, change % 2 == 0);
        ensure!(is_member(&watch, who)? != comes, "there is no change to see");
        let name: Arc<str> = "gm-bench-new".into();
        let member = Subject::of_principal(&local(who));
        let input = comes.then(|| MemberInput { name: Arc::clone(&name), group: group(PROBED), member });
        let start = Instant::now();
        feed.change(Change::Member(name, input));
        while is_member(&watch, who)? != comes {
            ensure!(start.elapsed() < LONGEST, "a change is not in force after {LONGEST:?}");
            std::thread::sleep(Duration::from_micros(50));
        }
        times.record(u64::try_from(start.elapsed().as_micros())?)?;
    }
    let memory = (after.saturating_sub(before), resident(own).saturating_sub(before));
    print("the world alone, each membership a GroupMember", memory, started, &times);
    Ok(())
}

/// Whether the world of this moment has the user in the group of the changes, as a request would see it.
fn is_member(watch: &Watch, user: usize) -> Result<bool> {
    let world = watch.load();
    let row = world.user(&names::user(user)).context("a user is not there")?;
    let group = world.subject(&Subject::Group(group(PROBED))).context("a group is not there")?;
    Ok(world.membership().groups_of(row.own()).any(|found| found == group))
}

/// `drover serve` with an embedded plane, each group naming its members.
fn served(count: usize) -> Result<()> {
    // Not one core: the directory is made while the program has both.
    let options = Options { core: None, config: embedded(), ..Options::default() };
    let mut stand = Stand::start(0, &options)?;
    let admin = Admin::of(&stand)?;
    probe(&stand, &admin)?;
    let users: Vec<usize> = (names::USERS..USERS).collect();
    let path = format!("{KINDS}/users");
    admin.create_all(&stand, &path, &users, |user| {
        object(
            "User",
            &names::user(*user),
            json!({"username": format!("bench{user}"), "displayName": format!("Bench {user}")}),
        )
    })?;
    let mut groups: BTreeMap<usize, Vec<String>> = (0..GROUPS).map(|group| (group, Vec::new())).collect();
    members(count).for_each(|(of, member)| groups.entry(of).or_default().push(member));
    let groups: Vec<_> = groups.into_iter().collect();
    let path = format!("{KINDS}/groups");
    admin.create_all(&stand, &path, &groups, |(of, members)| {
        object("Group", &group(*of), json!({"members": members}))
    })?;

    let started = stand.restart(&options)?;
    let pid = stand.drover.pid().context("no process")?;
    let mut hands = (Admin::connect(&stand)?, Admin::connect(&stand)?);
    let after = settled(pid);
    let mut times = Histogram::<u64>::new(3)?;
    for change in 0..CHANGES {
        let comes = change % 2 == 0;
        ensure!(is_let_in(&mut hands.1)? != comes, "there is no change to see");
        if comes {
            let member = json!({"groupName": &*group(PROBED), "principalId": local(PROBE)});
            admin.create(
                &mut hands.0,
                &format!("{KINDS}/groupmembers"),
                &object("GroupMember", "gm-bench-new", member),
            )?;
        } else {
            admin.delete(&mut hands.0, &format!("{KINDS}/groupmembers/gm-bench-new"))?;
        }
        let start = Instant::now();
        while is_let_in(&mut hands.1)? != comes {
            ensure!(start.elapsed() < LONGEST, "a change is not in force after {LONGEST:?}");
        }
        times.record(u64::try_from(start.elapsed().as_micros())?)?;
    }
    print("`drover serve`, embedded plane, members in the Groups", (after, resident(pid)), started, &times);
    Ok(())
}

/// Makes the user, the group and the binding of the changes.
fn probe(stand: &Stand, admin: &Admin) -> Result<()> {
    let mut client = Admin::connect(stand)?;
    let user = names::user(PROBE);
    admin.create(&mut client, &format!("{KINDS}/users"), &object("User", &user, json!({"username": "probe"})))?;
    let token = json!({"userId": user, "token": names::hash(&names::token(PROBE))});
    admin.create(&mut client, &format!("{KINDS}/tokens"), &object("Token", "token-probe", token))?;
    admin.create(&mut client, &format!("{KINDS}/groups"), &object("Group", &group(PROBED), json!({})))?;
    let binding = json!({"clusterName": names::CLUSTER, "roleTemplateName": "view", "groupName": &*group(PROBED)});
    let path = format!("{KINDS}/namespaces/{}/clusterroletemplatebindings", names::CLUSTER);
    admin.create(&mut client, &path, &object("ClusterRoleTemplateBinding", "crtb-probe", binding))
}

/// Whether the user of the changes is let into the cluster.
fn is_let_in(client: &mut Client) -> Result<bool> {
    let authorization = format!("Bearer {}", names::token(PROBE));
    let (status, body) = client.ask("GET", &names::target(names::SMALL), &[("Authorization", &authorization)])?;
    ensure!(matches!(status, 200 | 403 | 404), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(status == 200)
}

/// Memory once it changes no more: the controllers have seen all by then.
fn settled(pid: u32) -> u64 {
    let mut last = resident(pid);
    for _ in 0..30 {
        std::thread::sleep(Duration::from_secs(2));
        let now = resident(pid);
        if now.abs_diff(last) < 1_000_000 {
            return now;
        }
        last = now;
    }
    last
}
