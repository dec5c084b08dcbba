//! Where in an expression something is wrong, as cel-go shows it.

use std::fmt::Write as _;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Byte offset.
    pub(super) at: u32,
    pub(super) message: String,
}

/// All problems of an expression, each with the line it is in and a mark under the place.
pub(super) fn shown(source: &str, problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let before = source.get(..problem.at as usize).unwrap_or(source);
        let number = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let line = source.split('\n').nth(number).unwrap_or_default().replace('\t', " ");
        if !text.is_empty() {
            text.push('\n');
        }
        // Writing to a string does not fail.
        let _ = write!(text, "ERROR: <input>:{}:{}: {}", number + 1, column + 1, problem.message);
        let _ = write!(text, "\n | {line}\n | {}^", ".".repeat(column));
    }
    text
}
