//! `drover users`.

use clap::{ArgGroup, Args, Subcommand};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::ObjectMeta,
};
use serde_json::{Value, json};

use super::{
    Failure,
    login::tell,
    output::Output,
    print, prompt,
    remote::told,
    session::{Person, ServerOption},
    table::{facts, several, table, yes},
};
use crate::{
    management::passwords,
    modules::{Setting, User, UserAttribute, UserSpec, listed},
    secret::Secret,
};

/// What a password has at least, where no Setting says otherwise.
const SHORTEST: usize = 12;

/// Users in the management plane, as far as your roles there allow.
#[derive(Debug, Subcommand)]
pub(super) enum Users {
    Ls(List),
    Show(Show),
    Create(Create),
    /// Lets a user in again.
    Enable(Named),
    /// Shuts a user out at once: its tokens are refused, and its streams end.
    Disable(Named),
    /// Deletes users, with their tokens, memberships and bindings.
    Rm(Several),
    SetPassword(SetPassword),
    /// Asks the providers again what has become of a user, and in which groups it is.
    Refresh(Named),
}

/// Lists users.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    server: ServerOption,
    #[command(flatten)]
    output: Output,
}

/// Shows a user, its identities, and its groups at providers.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    server: ServerOption,
    /// The User's `metadata.name`.
    name: String,
    #[command(flatten)]
    output: Output,
}

/// One user.
#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    server: ServerOption,
    /// The User's `metadata.name`.
    name: String,
}

/// Several users.
#[derive(Debug, Args)]
pub(super) struct Several {
    #[command(flatten)]
    server: ServerOption,
    /// Their `metadata.name`.
    #[arg(required = true)]
    names: Vec<String>,
}

/// Makes a user.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drover users create ann --display-name 'Ann Ames' --random-password
  drover users create u-bob --username bob --principal corp_user://uid=bob,ou=people,dc=example,dc=org")]
#[command(group = ArgGroup::new("way").args(["password", "password_stdin", "random_password"]))]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub(super) struct Create {
    #[command(flatten)]
    server: ServerOption,
    /// The User's `metadata.name`.
    name: String,
    /// The login name. Default: the name.
    #[arg(long)]
    username: Option<String>,
    /// For people to read.
    #[arg(long)]
    display_name: Option<String>,
    /// For people to read.
    #[arg(long)]
    description: Option<String>,
    /// An identity at a provider: `<provider>_user://<id>`.
    #[arg(long = "principal", value_name = "PRINCIPAL")]
    principals: Vec<String>,
    /// Asks twice for a password at the terminal.
    #[arg(long)]
    password: bool,
    /// Reads the password on standard input.
    #[arg(long)]
    password_stdin: bool,
    /// Makes a password and prints it once; it must be changed at the first sign-in.
    #[arg(long)]
    random_password: bool,
    /// The password must be changed at the first sign-in.
    #[arg(long, requires = "way")]
    must_change: bool,
}

/// Sets a user's password; it is asked twice for at the terminal. Sessions that are open stay so.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drover users set-password ann
  drover users set-password ann --random")]
pub(super) struct SetPassword {
    #[command(flatten)]
    server: ServerOption,
    /// The User's `metadata.name`.
    name: String,
    /// Reads the password on standard input.
    #[arg(long, conflicts_with = "random")]
    password_stdin: bool,
    /// Makes a password and prints it once; it must be changed at the next sign-in.
    #[arg(long)]
    random: bool,
    /// The password must be changed at the next sign-in.
    #[arg(long)]
    must_change: bool,
}

/// Where a password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Terminal,
    Stdin,
    Random,
}

impl Users {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Ls(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Create(command) => command.run(),
            Self::Enable(command) => command.switch(true),
            Self::Disable(command) => command.switch(false),
            Self::Rm(Several { server, names }) => server.run(async |Person { remote }| {
                let users = Api::<User>::all(remote.plane()?);
                for name in names {
                    users.delete(&name, &DeleteParams::default()).await.map_err(told)?;
                    print(&format!("user {name} deleted\n"))?;
                }
                Ok(())
            }),
            Self::SetPassword(command) => command.run(),
            Self::Refresh(Named { server, name }) => server.run(async |Person { remote }| {
                let escaped: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
                remote.post(&format!("/v3/users/{escaped}?action=refreshauthprovideraccess"), &json!({})).await?;
                print(&format!("user {name} refreshed\n"))
            }),
        }
    }
}

/// What a user is called to sign in.
fn login(user: &User) -> String {
    user.spec.username.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| user.name_any())
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let users = self
            .server
            .run(async |Person { remote }| listed(&Api::<User>::all(remote.plane()?)).await.map_err(told))?;
        self.output.show(&users, || {
            let rows = users.iter().map(|user| {
                [
                    user.name_any(),
                    login(user),
                    user.spec.display_name.clone().unwrap_or_default(),
                    yes(user.spec.enabled.unwrap_or(true)),
                    user.spec.principal_ids.join(" "),
                ]
            });
            table(["NAME", "LOGIN NAME", "DISPLAY NAME", "ENABLED", "PRINCIPALS"], rows)
        })
    }
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let (user, attribute) = self.server.run(async |Person { remote }| {
            let plane = remote.plane()?;
            let user = Api::<User>::all(plane.clone()).get(&self.name).await.map_err(told)?;
            // Who may read a user may not always read this.
            let attribute = match Api::<UserAttribute>::all(plane).get_opt(&self.name).await {
                Err(kube::Error::Api(status)) if status.code == 403 => None,
                attribute => attribute.map_err(told)?,
            };
            Ok((user, attribute))
        })?;
        let value = json!({"user": user, "attribute": attribute});
        self.output.show(&value, || {
            let spec = &user.spec;
            let own = [
                ("user", user.name_any()),
                ("login name", login(&user)),
                ("display name", spec.display_name.clone().unwrap_or_default()),
                ("description", spec.description.clone().unwrap_or_default()),
                ("enabled", yes(spec.enabled.unwrap_or(true))),
                ("must change its password", yes(spec.must_change_password.unwrap_or_default())),
                (
                    "providers asked",
                    attribute.as_ref().and_then(|one| one.spec.last_refresh.clone()).unwrap_or_default(),
                ),
            ];
            let principals = several("principals", spec.principal_ids.iter().map(String::as_str));
            let mut shown = facts(own.into_iter().chain(principals));
            let of_providers = attribute.iter().flat_map(|one| &one.spec.group_principals);
            let rows: Vec<_> = of_providers
                .flat_map(|(provider, groups)| groups.items.iter().map(move |group| (provider, group)))
                .map(|(provider, group)| [provider.clone(), principal(group)])
                .collect();
            if !rows.is_empty() {
                shown.push('\n');
                shown.push_str(&table(["PROVIDER", "GROUP"], rows));
            }
            shown
        })
    }
}

/// The id of a principal, which may stand as an object.
fn principal(item: &Value) -> String {
    let name = item.as_str().or_else(|| item.pointer("/metadata/name").and_then(Value::as_str));
    name.unwrap_or_default().to_owned()
}

impl Named {
    fn switch(self, enabled: bool) -> Result<(), Failure> {
        let Self { server, name } = self;
        server.run(async |Person { remote }| {
            let patch = Patch::Merge(json!({"enabled": enabled}));
            let users = Api::<User>::all(remote.plane()?);
            users.patch(&name, &PatchParams::default(), &patch).await.map_err(told)?;
            print(&format!("user {name} {}\n", if enabled { "enabled" } else { "disabled" }))
        })
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let Self { server, name, username, display_name, description, principals, .. } = self;
        let from = match (self.password, self.password_stdin, self.random_password) {
            (true, ..) => Some(Source::Terminal),
            (_, true, _) => Some(Source::Stdin),
            (.., true) => Some(Source::Random),
            _ => None,
        };
        server.run(async |Person { remote }| {
            let plane = remote.plane()?;
            let names = [name.as_str(), username.as_deref().unwrap_or_default()];
            let password = match from {
                Some(from) => Some(new_password(&plane, from, &names).await?),
                None => None,
            };
            let must_change = self.must_change || from == Some(Source::Random);
            let user = User {
                metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
                spec: UserSpec {
                    username,
                    display_name,
                    description,
                    principal_ids: principals,
                    must_change_password: must_change.then_some(true),
                    ..UserSpec::default()
                },
                status: None,
            };
            let users = Api::<User>::all(plane.clone());
            let user = users.create(&PostParams::default(), &user).await.map_err(told)?;
            if let Some(password) = &password {
                set(&plane, &user, password)
                    .await
                    .map_err(|error| Failure(format!("user {name} was made, without a password: {error}")))?;
            }
            report(&format!("user {name} created\n"), password.as_ref().filter(|_| from == Some(Source::Random)))
        })
    }
}

impl SetPassword {
    fn run(self) -> Result<(), Failure> {
        let Self { server, name, password_stdin, random, must_change } = self;
        let from = if random {
            Source::Random
        } else if password_stdin {
            Source::Stdin
        } else {
            Source::Terminal
        };
        server.run(async |Person { remote }| {
            let plane = remote.plane()?;
            let users = Api::<User>::all(plane.clone());
            let user = users.get(&name).await.map_err(told)?;
            let password = new_password(&plane, from, &[&name, &login(&user)]).await?;
            set(&plane, &user, &password).await?;
            if must_change || random {
                let patch = Patch::Merge(json!({"mustChangePassword": true}));
                users.patch(&name, &PatchParams::default(), &patch).await.map_err(told)?;
            }
            report(&format!("the password of user {name} is set\n"), random.then_some(&password))
        })
    }
}

/// Says what was done; a password that was made is the result, and alone on standard output.
fn report(done: &str, made: Option<&Secret<String>>) -> Result<(), Failure> {
    match made {
        Some(password) => {
            tell(&format!("{}; its password, shown this once, is:", done.trim_end()))?;
            print(&format!("{}\n", password.expose()))
        }
        None => print(done),
    }
}

/// A password that may be one of somebody called `names`.
async fn new_password(plane: &Client, from: Source, names: &[&str]) -> Result<Secret<String>, Failure> {
    let password = match from {
        Source::Random => return passwords::random().map_err(Failure::new),
        Source::Stdin => prompt::from_stdin()?.0,
        Source::Terminal => prompt::new_password(names.first().unwrap_or(&""))?,
    };
    let setting = match Api::<Setting>::all(plane.clone()).get_opt("password-min-length").await {
        Err(kube::Error::Api(status)) if status.code == 403 => None,
        setting => setting.map_err(told)?,
    };
    let shortest = setting.and_then(|setting| setting.spec.value.parse().ok()).unwrap_or(SHORTEST);
    passwords::acceptable(password.expose(), names, shortest).map_err(Failure::new)?;
    Ok(password)
}

async fn set(plane: &Client, user: &User, password: &Secret<String>) -> Result<(), Failure> {
    match passwords::set(plane, user, password).await {
        Err(passwords::PasswordError::Plane { error, .. }) => Err(told(*error)),
        set => set.map_err(Failure::new),
    }
}
