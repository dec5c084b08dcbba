//! Media types of bodies, as strict as Go's `mime.ParseMediaType`, which kube-apiserver reads them with.

/// The media type in lower case, without its parameters; None for what is not well formed.
pub(super) fn parse(header: &str) -> Option<String> {
    let (media, mut rest) = header.split_once(';').unwrap_or((header, ""));
    let media = media.trim().to_ascii_lowercase();
    let well_formed = match media.split_once('/') {
        Some((kind, subtype)) => is_token(kind) && is_token(subtype),
        None => is_token(&media),
    };
    if !well_formed {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    while !rest.trim().is_empty() {
        let (name, after) = parameter(rest)?;
        if names.contains(&name) {
            return None;
        }
        names.push(name);
        rest = match after.trim_start() {
            "" => "",
            after => after.strip_prefix(';')?,
        };
    }
    Some(media)
}

/// A parameter's name in lower case, and what follows its value.
fn parameter(text: &str) -> Option<(String, &str)> {
    let (name, value) = text.trim_start().split_once('=')?;
    let name = name.trim_end().to_ascii_lowercase();
    let value = value.trim_start();
    let after = if let Some(quoted) = value.strip_prefix('"') {
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        quoted.get(end + 1..)?
    } else {
        let end = value.find(|c| !is_token_char(c)).unwrap_or(value.len());
        value.get(end..).filter(|_| end > 0)?
    };
    is_token(&name).then_some((name, after))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// A character of a token: RFC 9110 section 5.6.2.
const fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '.' | '^' | '_' | '`' | '|' | '~')
}
