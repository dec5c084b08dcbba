//! What an entry says of a user or a group. Pure.

use std::{borrow::Cow, collections::HashMap, fmt::Write as _};

use jiff::Timestamp;
use ldap3::SearchEntry;

use super::settings::{Flavor, Settings};
use crate::identity::provider::{Principal, PrincipalKind};

/// Active Directory: when an account ends, in units of 100 ns since 1601; 0 and the largest number are never.
const ACCOUNT_EXPIRES: &str = "accountExpires";
/// Seconds from 1601 to 1970.
const SINCE_1601: i64 = 11_644_473_600;

/// An entry of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// As the server writes it.
    pub(super) dn: String,
    /// By name in lower case.
    attributes: HashMap<String, Vec<Vec<u8>>>,
}

impl From<SearchEntry> for Entry {
    fn from(entry: SearchEntry) -> Self {
        let texts = entry
            .attrs
            .into_iter()
            .map(|(name, values)| (name.to_ascii_lowercase(), values.into_iter().map(String::into_bytes).collect()));
        let mut attributes: HashMap<String, Vec<Vec<u8>>> = texts.collect();
        attributes.extend(entry.bin_attrs.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values)));
        Self { dn: entry.dn, attributes }
    }
}

impl Entry {
    /// Bytes in memory, about.
    pub(super) fn size(&self) -> usize {
        let values = |values: &Vec<Vec<u8>>| values.iter().map(|value| value.len() + 32).sum::<usize>();
        self.dn.len() + self.attributes.iter().map(|(name, all)| name.len() + values(all)).sum::<usize>() + 128
    }

    /// The values of an attribute.
    pub(super) fn all(&self, attribute: &str) -> impl Iterator<Item = &[u8]> {
        self.attributes.get(&attribute.to_ascii_lowercase()).into_iter().flatten().map(Vec::as_slice)
    }

    /// The values of an attribute that are text.
    pub(super) fn texts(&self, attribute: &str) -> impl Iterator<Item = &str> {
        self.all(attribute).filter_map(|value| std::str::from_utf8(value).ok()).filter(|text| !text.is_empty())
    }

    fn text(&self, attribute: &str) -> Option<&str> {
        self.texts(attribute).next()
    }

    /// Whether one of an attribute's values is `text`, without regard to case.
    pub(super) fn is(&self, attribute: &str, text: &str) -> bool {
        let text = text.to_lowercase();
        self.texts(attribute).any(|value| value.to_lowercase() == text)
    }

    /// What never belongs to another entry.
    pub(super) fn unique_id(&self, flavor: Flavor) -> Option<String> {
        let value = self.all(flavor.unique_id()).next()?;
        match flavor {
            Flavor::ActiveDirectory => guid(value),
            Flavor::OpenLdap | Flavor::FreeIpa => String::from_utf8(value.to_vec()).ok(),
        }
    }

    /// The entry as a user of `provider`.
    pub(super) fn user(&self, provider: &str, settings: &Settings) -> Principal {
        let login = self.text(&settings.users.login).unwrap_or_default();
        let name = self.text(&settings.users.name).unwrap_or(if login.is_empty() { &self.dn } else { login });
        Principal {
            id: format!("{provider}_user://{}", self.dn).into(),
            kind: PrincipalKind::User,
            display_name: name.to_owned(),
            login_name: login.to_owned(),
        }
    }

    /// The entry as a group of `provider`.
    pub(super) fn group(&self, provider: &str, settings: &Settings) -> Principal {
        Principal {
            id: format!("{provider}_group://{}", self.dn).into(),
            kind: PrincipalKind::Group,
            display_name: self.text(&settings.groups.name).unwrap_or(&self.dn).to_owned(),
            login_name: String::new(),
        }
    }

    /// The e-mail address.
    pub(super) fn email(&self) -> Option<String> {
        self.text("mail").map(str::to_owned)
    }

    /// Why whoever it is must not sign in at `now`; `None` where it may.
    ///
    /// # Errors
    /// An attribute that says something which cannot be read; nobody is let in by it.
    pub(super) fn disabled(&self, settings: &Settings, now: Timestamp) -> Result<Option<String>, String> {
        let users = &settings.users;
        if let Some((attribute, value)) = users.enabled.as_ref().and_then(|name| Some((name, self.all(name).next()?))) {
            let value = String::from_utf8_lossy(value);
            let disabled = is_disabled(attribute, &value, users.disabled_mask)
                .ok_or_else(|| format!("`{attribute}` of `{}` is `{}`", self.dn, super::operation::plain(&value)))?;
            if disabled {
                return Ok(Some(format!("`{attribute}` is {}", super::operation::plain(&value))));
            }
        }
        if settings.flavor == Flavor::ActiveDirectory
            && let Some(ticks) = self.text(ACCOUNT_EXPIRES).and_then(|text| text.parse::<i64>().ok())
            && ticks > 0
            && ticks < i64::MAX
            && ticks / 10_000_000 - SINCE_1601 <= now.as_second()
        {
            return Ok(Some("the account has expired".to_owned()));
        }
        Ok(None)
    }

    /// Active Directory: the SID of the primary group, which does not name its members.
    pub(super) fn primary_group(&self) -> Option<Vec<u8>> {
        let number: u32 = self.text("primaryGroupID")?.parse().ok()?;
        let sid = self.all("objectSid").next()?;
        // The domain's, with the group's number in the place of the user's ([MS-DTYP] 2.4.2.2).
        let domain = sid.get(..sid.len().checked_sub(4)?).filter(|domain| domain.len() >= 8)?;
        Some([domain, &number.to_le_bytes()].concat())
    }
}

/// Attributes of users that are read, in any case.
pub(super) fn user_attributes(settings: &Settings) -> Vec<&str> {
    let users = &settings.users;
    let mut names: Vec<&str> = vec![&users.login, &users.name, "mail", settings.flavor.unique_id()];
    names.extend(users.enabled.as_deref());
    names.push(&settings.groups.member_value);
    match settings.flavor {
        Flavor::ActiveDirectory => {
            names.extend(["userPrincipalName", "msDS-PrincipalName", "primaryGroupID", "objectSid", ACCOUNT_EXPIRES]);
        }
        Flavor::OpenLdap | Flavor::FreeIpa => names.extend(users.member_of.as_deref()),
    }
    names.sort_unstable_by_key(|name| name.to_ascii_lowercase());
    names.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    names
}

/// Whether a value of `attribute` says that an account is disabled; `None` where it says neither.
fn is_disabled(attribute: &str, value: &str, mask: i64) -> Option<bool> {
    if mask != 0
        && let Ok(bits) = value.trim().parse::<i64>()
    {
        return Some(bits & mask == mask);
    }
    // `nsAccountLock`, `loginDisabled`: true of those who must not.
    let name = attribute.to_ascii_lowercase();
    let means_disabled = name.contains("lock") || name.contains("disabled");
    match value.trim().to_ascii_lowercase().as_str() {
        "true" => Some(means_disabled),
        "false" => Some(!means_disabled),
        _ => None,
    }
}

/// A GUID as people write it: its first three numbers are stored with the lowest byte first ([MS-DTYP] 2.3.4).
fn guid(value: &[u8]) -> Option<String> {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let value: &[u8; 16] = value.try_into().ok()?;
    let mut text = String::new();
    for (index, byte) in ORDER.iter().filter_map(|place| value.get(*place)).enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

/// `DOMAIN\user` or `user@domain` in its parts: domain and user.
pub(super) fn domain_and_user(typed: &str) -> (Option<&str>, &str) {
    if let Some((domain, user)) = typed.split_once('\\') {
        (Some(domain), user)
    } else if let Some((user, domain)) = typed.rsplit_once('@') {
        (Some(domain), user)
    } else {
        (None, typed)
    }
}

/// The name that Active Directory takes for a bind: with a domain where it has none.
pub(super) fn with_domain<'a>(name: &'a str, domain: Option<&str>) -> Cow<'a, str> {
    match domain {
        Some(domain) if !name.contains(['\\', '@', '=']) => Cow::Owned(format!("{domain}\\{name}")),
        _ => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_disabled_by_a_bit_or_by_a_word() {
        for (attribute, value, mask, disabled) in [
            ("userAccountControl", "514", 2, Some(true)),
            ("userAccountControl", "512", 2, Some(false)),
            ("userAccountControl", "x", 2, None),
            ("nsAccountLock", "TRUE", 0, Some(true)),
            ("nsAccountLock", "false", 2, Some(false)),
            ("accountActive", "TRUE", 0, Some(false)),
            ("accountActive", "FALSE", 0, Some(true)),
            ("accountActive", "", 0, None),
        ] {
            assert_eq!(is_disabled(attribute, value, mask), disabled, "{attribute}={value}");
        }
    }

    #[test]
    fn a_guid_is_written_as_people_know_it() {
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(guid(&bytes).as_deref(), Some("03020100-0504-0706-0809-0a0b0c0d0e0f"));
        assert_eq!(guid(&bytes[..15]), None);
        assert_eq!(guid(b""), None);
    }

    #[test]
    fn a_typed_name_may_have_a_domain() {
        assert_eq!(domain_and_user(r"CORP\ann"), (Some("CORP"), "ann"));
        assert_eq!(domain_and_user("ann@corp.example"), (Some("corp.example"), "ann"));
        assert_eq!(domain_and_user("ann"), (None, "ann"));
        assert_eq!(with_domain("svc", Some("CORP")), r"CORP\svc");
        for name in [r"X\svc", "svc@corp", "CN=svc,DC=corp"] {
            assert_eq!(with_domain(name, Some("CORP")), name);
        }
    }
}
