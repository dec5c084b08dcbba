//! The management plane: the Kubernetes API that holds Drover's own objects.
//!
//! Everything here reaches it through a [`kube::Client`] that [`Plane::client`] makes for one identity, so that the same code runs on
//! every plane. [`install`] brings kinds and rights there, [`Directory`] feeds the world from it, [`Folder`] writes what the
//! admin's manifests say, and a [`Fleet`]'s leader runs the modules' controllers.

mod access;
mod admission;
pub mod bootstrap;
mod contact;
mod controllers;
mod directory;
pub mod embedded;
mod folder;
mod follow;
mod install;
mod local;
pub mod passwords;
mod plane;
mod webhook;

pub use self::{
    access::{DIRECTORY, OPERATOR},
    admission::{NoReview, review},
    contact::Contact,
    controllers::{Fleet, elector},
    directory::{Connections, Directory, Local},
    folder::{Applied, Folder, FolderError},
    install::{InstallError, Rancher, install},
    plane::{Plane, PlaneError},
    webhook::register,
};

/// The namespace of what providers gave to be asked again with: refresh tokens of people, one Secret a User.
pub const GRANTS: &str = "drover-grants";
/// The field manager of what Drover installs.
const MANAGER: &str = "drover";

/// Whether the plane says that something is not there.
fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
