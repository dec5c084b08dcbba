//! Addresses: IP, MAC, e-mail, URI.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Go's reading before 1.17: leading zeros are allowed and mean nothing.
pub(super) fn is_ip(text: &str) -> bool {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().is_ok();
    }
    let mut octets = 0;
    for octet in text.split('.') {
        let digits = octet.trim_start_matches('0');
        let digits = if digits.is_empty() && !octet.is_empty() { "0" } else { digits };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.parse::<u8>().is_err() {
            return false;
        }
        octets += 1;
    }
    octets == Ipv4Addr::BITS / 8
}

pub(super) fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let most = if address.contains(':') { Ipv6Addr::BITS } else { Ipv4Addr::BITS };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    is_ip(address) && digits && length.parse::<u32>().is_ok_and(|length| length <= most)
}

/// `net.ParseMAC`: pairs by colons or dashes, or fours by dots.
pub(super) fn is_mac(text: &str) -> bool {
    let (separator, digits) = match (text.get(2..3), text.get(4..5)) {
        (Some(separator @ (":" | "-")), _) => (separator, 2),
        (_, Some(separator @ ".")) => (separator, 4),
        _ => return false,
    };
    let mut bytes = 0;
    for group in text.split(separator) {
        if group.len() != digits || !group.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        bytes += digits / 2;
    }
    matches!(bytes, 6 | 8 | 20)
}

/// `mail.ParseAddress`, without comments and encoded words: `a@b`, `Name <a@b>`.
pub(super) fn is_email(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t']);
    match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((name, address)) => is_display_name(name.trim_matches([' ', '\t'])) && is_address(address),
        None => is_address(text),
    }
}

fn is_display_name(name: &str) -> bool {
    is_quoted(name) || name.split_ascii_whitespace().all(|word| is_quoted(word) || is_dot_atom(word, true))
}

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let literal = domain.strip_prefix('[').and_then(|domain| domain.strip_suffix(']'));
    (is_quoted(local) || is_dot_atom(local, false)) && (is_dot_atom(domain, false) || literal.is_some_and(is_ip))
}

fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return false };
    let mut escaped = false;
    for character in inner.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            character if character.is_control() => return false,
            _ => {}
        }
    }
    !escaped
}

fn is_dot_atom(text: &str, dots_anywhere: bool) -> bool {
    let atext = |character: char| {
        character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character) || !character.is_ascii()
    };
    text.split('.').all(|atom| (dots_anywhere || !atom.is_empty()) && atom.chars().all(atext))
}

/// `url.ParseRequestURI`: an absolute URI or an absolute path.
pub(super) fn is_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return false;
    }
    if text == "*" {
        return true;
    }
    let Some((scheme, rest)) = split_scheme(text) else { return false };
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    if !rest.starts_with('/') {
        return scheme;
    }
    let path = match rest.strip_prefix("//") {
        Some(after) if scheme => {
            let (authority, path) = after.split_at_checked(after.find('/').unwrap_or(after.len())).unwrap_or_default();
            if !is_authority(authority) {
                return false;
            }
            path
        }
        _ => rest,
    };
    escapes(path)
}

/// Whether there is a scheme, and what follows it; nothing for one that is empty.
fn split_scheme(text: &str) -> Option<(bool, &str)> {
    for (at, character) in text.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at > 0 => return Some((true, text.get(at + 1..)?)),
            ':' => return None,
            _ => return Some((false, text)),
        }
    }
    Some((false, text))
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').map_or((None, text), |(user, host)| (Some(user), host));
    let user_is_valid = user.is_none_or(|user| {
        escapes(user)
            && user
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(character))
    });
    let port = |text: &str| {
        text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (name, port_is_valid) = if host.starts_with('[') {
        let Some((name, rest)) = host.split_once(']') else { return false };
        (name, port(rest))
    } else {
        let at = host.rfind(':').unwrap_or(host.len());
        let (name, rest) = host.split_at_checked(at).unwrap_or_default();
        (name, port(rest))
    };
    let name_is_valid = escapes(name)
        && name.chars().all(|character| {
            !character.is_ascii() || character.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(character)
        });
    user_is_valid && port_is_valid && name_is_valid
}

/// Whether each percent sign has its two digits.
fn escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|after| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}
