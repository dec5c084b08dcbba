//! `drover groups`.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;
use clap::{Args, Subcommand};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde_json::json;

use super::{
    Failure,
    output::Output,
    print,
    remote::told,
    session::{Person, ServerOption},
    table::{facts, table},
};
use crate::modules::{Group, GroupMember, GroupMemberSpec, GroupSpec, listed};

/// Groups of Drover's own, as far as your roles in the management plane allow.
///
/// A member is `ann` (a User), `group:team` (another Group), or a principal of a provider such as
/// `corp_group://cn=staff,ou=groups,dc=example,dc=org`.
#[derive(Debug, Subcommand)]
pub(super) enum Groups {
    Ls(List),
    Show(Show),
    Create(Create),
    Rm(Remove),
    /// Adds members.
    #[command(
        after_help = "Example:\n  drover groups add team ann group:ops corp_group://cn=staff,ou=groups,dc=example,dc=org"
    )]
    Add(Membership),
    /// Takes members out.
    Remove(Membership),
}

/// Lists groups.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    server: ServerOption,
    #[command(flatten)]
    output: Output,
}

/// Shows a group and its members.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    server: ServerOption,
    /// The Group's `metadata.name`.
    name: String,
    #[command(flatten)]
    output: Output,
}

/// Makes a group.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  drover groups create team --display-name 'The team' --member ann")]
pub(super) struct Create {
    #[command(flatten)]
    server: ServerOption,
    /// The Group's `metadata.name`.
    name: String,
    /// For people to read.
    #[arg(long)]
    display_name: Option<String>,
    /// For people to read.
    #[arg(long)]
    description: Option<String>,
    /// A member that it has from the start.
    #[arg(long = "member", value_name = "MEMBER")]
    members: Vec<String>,
}

/// Deletes groups, with their memberships and bindings.
#[derive(Debug, Args)]
pub(super) struct Remove {
    #[command(flatten)]
    server: ServerOption,
    /// Their `metadata.name`.
    #[arg(required = true)]
    names: Vec<String>,
}

/// Members of a group.
#[derive(Debug, Args)]
pub(super) struct Membership {
    #[command(flatten)]
    server: ServerOption,
    /// The Group's `metadata.name`.
    group: String,
    /// The members.
    #[arg(required = true)]
    members: Vec<String>,
}

/// The principal of a member as it is typed.
fn principal(member: &str) -> String {
    match member.strip_prefix("group:") {
        _ if member.contains("://") => member.to_owned(),
        Some(group) => format!("local_group://{group}"),
        None => format!("local://{member}"),
    }
}

/// The name of the object that says that `principal` is in `group`: the same each time, so that nobody is in it twice.
fn membership(group: &str, principal: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{group}\n{principal}").as_bytes());
    let hash = hash.as_ref().iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let group: String = group.chars().take(40).collect();
    format!("{}-{hash}", group.trim_end_matches(['-', '.']))
}

impl Groups {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Ls(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Create(command) => command.run(),
            Self::Rm(Remove { server, names }) => server.run(async |Person { remote }| {
                let groups = Api::<Group>::all(remote.plane()?);
                for name in names {
                    groups.delete(&name, &DeleteParams::default()).await.map_err(told)?;
                    print(&format!("group {name} deleted\n"))?;
                }
                Ok(())
            }),
            Self::Add(command) => command.add(),
            Self::Remove(command) => command.remove(),
        }
    }
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let (groups, members) = self.server.run(async |Person { remote }| {
            let plane = remote.plane()?;
            let groups = listed(&Api::<Group>::all(plane.clone())).await.map_err(told)?;
            let members = listed(&Api::<GroupMember>::all(plane)).await.map_err(told)?;
            Ok((groups, members))
        })?;
        self.output.show(&groups, || {
            let mut of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for GroupMember { spec, .. } in &members {
                of.entry(&spec.group_name).or_default().insert(&spec.principal_id);
            }
            let rows = groups.iter().map(|group| {
                let name = group.name_any();
                let mut all = of.get(&*name).cloned().unwrap_or_default();
                all.extend(group.spec.members.iter().map(String::as_str));
                [name, group.spec.display_name.clone().unwrap_or_default(), all.len().to_string()]
            });
            table(["NAME", "DISPLAY NAME", "MEMBERS"], rows)
        })
    }
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let (group, members) = self.server.run(async |Person { remote }| {
            let plane = remote.plane()?;
            let group = Api::<Group>::all(plane.clone()).get(&self.name).await.map_err(told)?;
            let members = listed(&Api::<GroupMember>::all(plane)).await.map_err(told)?;
            Ok((group, members))
        })?;
        let mut all: BTreeSet<&str> = group.spec.members.iter().map(String::as_str).collect();
        let of_group = members.iter().filter(|member| member.spec.group_name == self.name);
        all.extend(of_group.map(|member| &*member.spec.principal_id));
        let value = json!({"group": group, "members": all});
        self.output.show(&value, || {
            let mut shown = facts([
                ("group", group.name_any()),
                ("display name", group.spec.display_name.clone().unwrap_or_default()),
                ("description", group.spec.description.clone().unwrap_or_default()),
            ]);
            if !all.is_empty() {
                shown.push('\n');
                shown.push_str(&table(["MEMBER"], all.iter().map(|member| [(*member).to_owned()])));
            }
            shown
        })
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let Self { server, name, display_name, description, members } = self;
        server.run(async |Person { remote }| {
            let group = Group {
                metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
                spec: GroupSpec {
                    display_name,
                    description,
                    members: members.iter().map(|member| principal(member)).collect(),
                },
            };
            let groups = Api::<Group>::all(remote.plane()?);
            groups.create(&PostParams::default(), &group).await.map_err(told)?;
            print(&format!("group {name} created\n"))
        })
    }
}

impl Membership {
    fn add(self) -> Result<(), Failure> {
        let Self { server, group, members } = self;
        server.run(async |Person { remote }| {
            let plane = remote.plane()?;
            // A membership of a group that is not there would be taken, and mean nothing.
            Api::<Group>::all(plane.clone()).get(&group).await.map_err(told)?;
            let api = Api::<GroupMember>::all(plane);
            for principal in members.iter().map(|member| principal(member)) {
                let member = GroupMember {
                    metadata: ObjectMeta { name: Some(membership(&group, &principal)), ..ObjectMeta::default() },
                    spec: GroupMemberSpec { group_name: group.clone(), principal_id: principal.clone() },
                };
                match api.create(&PostParams::default(), &member).await {
                    Ok(_) => print(&format!("{principal} is in group {group}\n"))?,
                    Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {
                        print(&format!("{principal} is in group {group} already\n"))?;
                    }
                    Err(error) => return Err(told(error)),
                }
            }
            Ok(())
        })
    }

    fn remove(self) -> Result<(), Failure> {
        let Self { server, group: name, members } = self;
        server.run(async |Person { remote }| {
            let plane = remote.plane()?;
            let groups = Api::<Group>::all(plane.clone());
            let api = Api::<GroupMember>::all(plane);
            let mut group = groups.get(&name).await.map_err(told)?;
            let all = listed(&api).await.map_err(told)?;
            for principal in members.iter().map(|member| principal(member)) {
                let of_group =
                    |member: &&GroupMember| member.spec.group_name == name && member.spec.principal_id == principal;
                let named: Vec<String> = all.iter().filter(of_group).map(kube::ResourceExt::name_any).collect();
                let inside = group.spec.members.contains(&principal);
                if named.is_empty() && !inside {
                    return Err(Failure(format!("{principal} is not in group {name}")));
                }
                for member in named {
                    api.delete(&member, &DeleteParams::default()).await.map_err(told)?;
                }
                if inside {
                    let rest: Vec<&String> = group.spec.members.iter().filter(|one| **one != principal).collect();
                    // With the version that was read: what somebody else changed meanwhile is not undone.
                    let version = group.metadata.resource_version.clone();
                    let patch = json!({"metadata": {"resourceVersion": version}, "members": rest});
                    let patch = Patch::Merge(patch);
                    group = groups.patch(&name, &PatchParams::default(), &patch).await.map_err(told)?;
                }
                print(&format!("{principal} is not in group {name} any more\n"))?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{membership, principal};

    #[test]
    fn a_member_is_a_user_a_group_or_what_a_provider_calls_it() {
        assert_eq!(principal("ann"), "local://ann");
        assert_eq!(principal("group:team"), "local_group://team");
        assert_eq!(principal("corp_group://group:x"), "corp_group://group:x");
    }

    #[test]
    fn a_membership_has_one_name_and_no_other_has_it() {
        let name = membership("team", "local://ann");
        assert_eq!(name, membership("team", "local://ann"));
        assert_ne!(name, membership("team", "local://bob"));
        assert!(name.starts_with("team-") && membership(&"x".repeat(253), "a").len() <= 63);
    }
}
