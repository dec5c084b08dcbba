//! Directories.

mod active_directory;
mod bad_servers;
mod people;
mod scene;
mod servers;
mod sizes;
