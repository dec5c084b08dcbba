//! `drover auth`.

use std::{collections::BTreeMap, fmt::Write as _};

use clap::{Args, Subcommand};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::{
    ConfigFile, Failure,
    operator::{self, Operator},
    output::Output,
    table::{facts, one_line, table, yes},
};
use crate::{
    config::{self, address::AddressPolicy},
    identity::provider::{Principal, Report},
    modules::{AuthConfig, NAMESPACE, listed},
    signin::providers::{build, secrets_of},
};

/// Looks at the providers by which people sign in, on the server's machine.
#[derive(Debug, Subcommand)]
pub(super) enum Auth {
    Ls(List),
    Test(Test),
}

/// Lists the providers.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    output: Output,
}

/// Asks a provider, from this machine, and says what it finds; nobody is signed in.
///
/// The provider need not be enabled yet.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drover auth test corp
  drover auth test corp --user ann")]
pub(super) struct Test {
    #[command(flatten)]
    file: ConfigFile,
    /// The AuthConfig's `metadata.name`.
    name: String,
    /// A person's login name: shows who that is, and its groups.
    #[arg(long, value_name = "PERSON")]
    user: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Auth {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Ls(command) => command.run(),
            Self::Test(command) => command.run(),
        }
    }
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let config = config::load(&self.file.config).map_err(Failure::new)?;
        let providers = operator::runtime()?.block_on(async {
            let operator = Operator::reach(&config).await?;
            let providers = listed(&Api::<AuthConfig>::all(operator.client.clone())).await.map_err(Failure::new);
            operator.close().await;
            providers
        })?;
        let shown: Vec<Value> = providers
            .iter()
            .map(|provider| {
                let spec = &provider.spec;
                let flaws = provider.input().err().unwrap_or_default();
                let flaws: Vec<String> = flaws.iter().map(|flaw| format!("{}: {}", flaw.field, flaw.message)).collect();
                json!({
                    "name": provider.name_any(),
                    "type": spec.type_,
                    "enabled": spec.enabled,
                    "displayName": spec.display_name,
                    "accessMode": spec.access_mode.unwrap_or_default(),
                    "problems": flaws,
                })
            })
            .collect();
        self.output.show(&shown, || {
            let at =
                |provider: &Value, key: &str| provider.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let rows = shown.iter().map(|provider| {
                let enabled = provider.get("enabled").and_then(Value::as_bool).unwrap_or_default();
                let problems = provider.get("problems").and_then(Value::as_array).into_iter().flatten();
                let problems: Vec<&str> = problems.filter_map(Value::as_str).collect();
                [
                    at(provider, "name"),
                    at(provider, "type"),
                    yes(enabled),
                    at(provider, "accessMode"),
                    problems.join("; "),
                ]
            });
            table(["NAME", "TYPE", "ENABLED", "ACCESS", "PROBLEMS"], rows)
        })
    }
}

impl Test {
    fn run(self) -> Result<(), Failure> {
        let config = config::load(&self.file.config).map_err(Failure::new)?;
        let own = [config.listen.address, config.ops.address];
        let addresses = AddressPolicy::new(&config.upstream.allowed_addresses, &own).into_check();
        let report = operator::runtime()?.block_on(async {
            let operator = Operator::reach(&config).await?;
            let read = self.read(&operator).await;
            operator.close().await;
            let (provider, secrets) = read?;
            let secrets = secrets_of(&provider, |name| secrets.get(name));
            let provider = build(&provider, &secrets, &addresses).map_err(Failure::new)?;
            provider.test(self.user.clone()).await.map_err(Failure::new)
        })?;
        if let (Some(user), None) = (&self.user, &report.sample) {
            self.show(&report)?;
            return Err(Failure(format!("--user: provider `{}` shows nobody with the login name `{user}`", self.name)));
        }
        self.show(&report)
    }

    /// The provider, and the Secrets that it names, as far as they are there.
    async fn read(&self, operator: &Operator) -> Result<(AuthConfig, BTreeMap<String, Secret>), Failure> {
        let client = &operator.client;
        let provider = Api::<AuthConfig>::all(client.clone()).get_opt(&self.name).await.map_err(Failure::new)?;
        let Some(provider) = provider else {
            let hint = "of a file among the manifests `drover config check` says what is wrong";
            return Err(Failure(format!("no AuthConfig `{}` in the management plane; {hint}", self.name)));
        };
        let api = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
        let mut secrets = BTreeMap::new();
        for (_, name) in provider.secrets() {
            if let Some(secret) = api.get_opt(name).await.map_err(Failure::new)? {
                secrets.insert(name.to_owned(), secret);
            }
        }
        Ok((provider, secrets))
    }

    fn show(&self, report: &Report) -> Result<(), Failure> {
        let Report { server, users, groups, sample, warnings } = report;
        let principal =
            |one: &Principal| json!({"id": &*one.id, "name": one.display_name, "loginName": one.login_name});
        let value = json!({
            "provider": self.name,
            "server": server,
            "users": users,
            "groups": groups,
            "sample": sample.as_ref().map(|person| json!({
                "principal": principal(&person.principal),
                "groups": person.groups.iter().map(principal).collect::<Vec<_>>(),
            })),
            "warnings": warnings,
        });
        self.output.show(&value, || {
            let count = |count: &Option<usize>| count.map(|count| count.to_string()).unwrap_or_default();
            let mut text = facts([("server", server.clone()), ("users", count(users)), ("groups", count(groups))]);
            for warning in warnings {
                let _ = writeln!(text, "warning: {}", one_line(warning.as_str()));
            }
            if let Some(person) = sample {
                let one = &person.principal;
                let _ = writeln!(
                    text,
                    "\n{} ({}) is {}, in {} groups:",
                    one_line(one.display_name.as_str()),
                    one_line(one.login_name.as_str()),
                    one_line(&*one.id),
                    person.groups.len()
                );
                text.push_str(&table(
                    ["GROUP", "ID"],
                    person.groups.iter().map(|group| [group.display_name.clone(), group.id.to_string()]),
                ));
            }
            text
        })
    }
}
