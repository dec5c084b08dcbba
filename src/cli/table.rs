//! Results as people read them: columns that stand under each other.

use serde_json::Value;

/// Rows under a head, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> =
        std::iter::once(head.map(str::to_owned)).chain(rows).map(|row| row.map(one_line)).collect();
    let mut widths = [0; N];
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

/// Facts, one a line, with what they are before them.
pub(super) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let facts: Vec<(&str, String)> = facts.into_iter().filter(|(_, fact)| !fact.is_empty()).collect();
    let width = facts.iter().map(|(name, _)| name.len() + 1).max().unwrap_or_default();
    facts.into_iter().fold(String::new(), |text, (name, fact)| {
        let name = if name.is_empty() { String::new() } else { format!("{name}:") };
        format!("{text}{name:width$}  {}\n", one_line(fact))
    })
}

/// Facts of one name, which stands before the first.
pub(super) fn several(
    name: &str,
    facts: impl IntoIterator<Item = impl Into<String>>,
) -> impl Iterator<Item = (&str, String)> {
    facts.into_iter().enumerate().map(move |(index, fact)| (if index == 0 { name } else { "" }, fact.into()))
}

/// A text of somebody's, which moves nothing at the terminal (CWE-150).
pub(super) fn one_line(text: impl Into<String>) -> String {
    let text = text.into();
    if text.chars().any(char::is_control) { text.replace(char::is_control, " ") } else { text }
}

/// A text at `key`; empty where there is none.
pub(super) fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Yes or no, for people.
pub(super) fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{facts, several, table};

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["a".to_owned(), "bbb".to_owned()], ["Ärä".to_owned(), String::new()]];
        assert_eq!(table(["ID", "B"], rows), "ID   B\na    bbb\nÄrä\n");
        let told = facts([("user", "ann".to_owned()), ("none", String::new()), ("groups", "2".to_owned())]);
        assert_eq!(told, "user:    ann\ngroups:  2\n");
        assert_eq!(facts(several("in", ["a", "b"])), "in:  a\n     b\n");
        // Nobody draws over what others are called.
        assert_eq!(table(["A"], [["x\u{1b}[2J\ny".to_owned()]]), "A\nx [2J y\n");
    }
}
