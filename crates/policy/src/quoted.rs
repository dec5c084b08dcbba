//! Text as Go's `%q` writes it.

pub(crate) use apimachinery::json::go_quote as quoted;

/// A list as `%q` writes it: `["a" "b"]`.
pub(crate) fn quoted_list<T: AsRef<str>>(list: &[T]) -> String {
    let items: Vec<String> = list.iter().map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(" "))
}
