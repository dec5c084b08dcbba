//! Results as people or as programs read them.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Failure, print};

/// How a result is shown.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// For programs: `json` or `yaml`. Default: for people.
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

impl Output {
    /// Prints `value`, for people as `text` has it.
    pub(super) fn show(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.output {
            None => print(&text()),
            Some(Format::Json) => {
                let text = serde_json::to_string_pretty(value).map_err(Failure::new)?;
                print(&format!("{text}\n"))
            }
            Some(Format::Yaml) => print(&serde_saphyr::to_string(value).map_err(Failure::new)?),
        }
    }
}
