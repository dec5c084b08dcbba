//! `drover streams`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use super::{ConfigFile, Failure, operator, print};
use crate::config;

/// Shows and ends the open streams of the running server: watches, followed logs, upgraded connections.
///
/// Speaks to the server over its admin socket, which only its own user can open.
#[derive(Debug, Subcommand)]
pub(super) enum Streams {
    /// Lists them, oldest first.
    Ls(List),
    /// Ends one, by the id that `ls` shows.
    Kill(Kill),
}

/// Lists the open streams.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    file: ConfigFile,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Ends a stream.
#[derive(Debug, Args)]
pub(super) struct Kill {
    #[command(flatten)]
    file: ConfigFile,
    /// Its id.
    id: String,
}

impl Streams {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Ls(List { file, json }) => {
                let streams = call(&file, Method::GET, "/streams")?;
                if json { print(&format!("{streams}\n")) } else { print(&table(&streams)) }
            }
            Self::Kill(Kill { file, id }) => {
                call(&file, Method::DELETE, &format!("/streams/{id}"))?;
                print(&format!("stream {id} ended\n"))
            }
        }
    }
}

fn table(streams: &Value) -> String {
    let text = |stream: &Value, key: &str| stream.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let head = ["ID", "KIND", "USER", "AS", "CLUSTER", "SINCE", "PATH"].map(str::to_owned);
    let rows = streams
        .as_array()
        .into_iter()
        .flatten()
        .map(|stream| ["id", "kind", "user", "target", "cluster", "since", "path"].map(|key| text(stream, key)));
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut table = String::new();
    for row in &rows {
        let line: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        table.push_str(line.join("  ").trim_end());
        table.push('\n');
    }
    table
}

fn call(file: &ConfigFile, method: Method, path: &str) -> Result<Value, Failure> {
    let config = config::load(&file.config).map_err(Failure::new)?;
    operator::runtime()?.block_on(operator::call(&config.admin_socket(), method, path, None))
}
