//! The first administrator, `admin`: made where there is no user yet, so that somebody can make the others.

use std::path::Path;

use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
    core::ObjectMeta,
};

use super::{MANAGER, install::labels, passwords};
use crate::{
    modules::{Binding, BindingSpec, User, UserSpec},
    secret::Secret,
    world::names::LOCAL,
};

/// The User's name and login name.
pub const ADMIN: &str = "admin";
/// What it has in `local`.
const TEMPLATE: &str = "cluster-admin";
/// Tells the User that the bootstrap made: Rancher's.
const LABEL: &str = "authz.management.cattle.io/bootstrapping";

/// Why there is no administrator.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The plane does not take it.
    #[error("the administrator cannot be made: {0}")]
    Plane(#[from] Box<kube::Error>),
    /// It gets no password.
    #[error(transparent)]
    Password(#[from] passwords::PasswordError),
    /// The file with the password cannot be read.
    #[error("management.embedded.bootstrap.passwordFile: `{0}` cannot be read: {1}")]
    File(String, std::io::Error),
}

/// Where the password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was made here, and nobody knows it yet.
    Random,
    /// The admin gave it.
    Given,
}

/// The administrator that was made.
#[derive(Debug)]
pub struct Made {
    /// The password.
    pub password: Secret<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Makes the administrator where there is no user, and goes on where an earlier start was interrupted. `client` is the
/// operator's. The password is the first line of `file`, else `variable`, else random.
///
/// # Errors
/// A plane that refuses, a password that is none.
pub async fn once(
    client: &Client,
    file: Option<&Path>,
    variable: Option<&str>,
) -> Result<Option<Made>, BootstrapError> {
    let users = Api::<User>::all(client.clone());
    let plane = |error| BootstrapError::Plane(Box::new(error));
    let there = users.list(&ListParams::default().limit(2)).await.map_err(plane)?.items;
    let user = match there.as_slice() {
        [] => None,
        // The password is written last: without one the start before this one did not come to its end.
        [only] if only.labels().contains_key(LABEL) && only.name_any() == ADMIN => {
            if passwords::of(client, ADMIN).await.map_err(plane)?.is_some() {
                return Ok(None);
            }
            Some(only.clone())
        }
        _ => return Ok(None),
    };
    let given = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| BootstrapError::File(path.display().to_string(), error))?;
            Some(passwords::chosen(text.lines().next().unwrap_or_default())?)
        }
        None => variable.map(passwords::chosen).transpose()?,
    };
    let (password, origin) = match given {
        Some(password) => (password, Origin::Given),
        None => (passwords::random()?, Origin::Random),
    };
    let user = match user {
        Some(user) => user,
        None => administrator(client, ADMIN, origin == Origin::Random).await?,
    };
    passwords::set(client, &user, &password).await?;
    Ok(Some(Made { password, origin }))
}

/// Makes `name` an administrator: an enabled User that is bound to `cluster-admin` in `local`. Whether it is there already does not
/// matter.
///
/// # Errors
/// A plane that refuses.
pub async fn administrator(client: &Client, name: &str, must_change: bool) -> Result<User, BootstrapError> {
    let plane = |error| BootstrapError::Plane(Box::new(error));
    let params = PatchParams::apply(MANAGER).force();
    let mut labels = labels();
    let namespace = Some(LOCAL.to_owned());
    let binding = Binding {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace,
            labels: Some(labels.clone()),
            ..ObjectMeta::default()
        },
        spec: BindingSpec {
            cluster_name: LOCAL.to_owned(),
            role_template_name: TEMPLATE.to_owned(),
            user_name: Some(name.to_owned()),
            ..BindingSpec::default()
        },
        status: None,
    };
    let bindings = Api::<Binding>::namespaced(client.clone(), LOCAL);
    bindings.patch(name, &params, &Patch::Apply(&binding)).await.map_err(plane)?;
    let bootstrapped = name == ADMIN;
    if bootstrapped {
        labels.insert(LABEL.to_owned(), "admin-user".to_owned());
    }
    let user = User {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() },
        spec: UserSpec {
            username: bootstrapped.then(|| name.to_owned()),
            display_name: bootstrapped.then(|| "Default Admin".to_owned()),
            enabled: Some(true),
            must_change_password: Some(must_change),
            ..UserSpec::default()
        },
        status: None,
    };
    Api::<User>::all(client.clone()).patch(name, &params, &Patch::Apply(&user)).await.map_err(plane)
}
