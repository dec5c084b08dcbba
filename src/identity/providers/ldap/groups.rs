//! The groups of a person: Active Directory follows them itself, elsewhere they are walked level by level.

use std::collections::HashSet;

use super::{
    Ldap,
    dn::Dn,
    entry::Entry,
    filter,
    operation::{Fault, Search},
    session::Session,
    settings::Flavor,
};
use crate::identity::provider::{MAX_GROUPS, Principal};

/// Groups asked about in one query; the filter then has some 50 KiB.
const AT_ONCE: usize = 500;
/// Levels of groups in groups.
const DEEPEST: usize = 16;
/// One more than is taken, so that it is seen that there were more.
const MOST: usize = MAX_GROUPS + 1;

impl Ldap {
    /// The groups that `person` is in.
    pub(super) async fn groups(&self, session: &mut Session<'_>, person: &Entry) -> Result<Vec<Principal>, Fault> {
        match self.settings.flavor {
            Flavor::ActiveDirectory => self.followed(session, person).await,
            Flavor::OpenLdap | Flavor::FreeIpa => self.walked(session, person).await,
        }
    }

    /// Active Directory: one query, and one more for what the primary group is in.
    async fn followed(&self, session: &mut Session<'_>, person: &Entry) -> Result<Vec<Principal>, Fault> {
        let groups = &self.settings.groups;
        let member = |dn: &str| {
            if groups.nested { filter::in_chain(&groups.member, dn) } else { filter::equals(&groups.member, dn) }
        };
        let primary = person.primary_group();
        let by_sid = primary.as_deref().map(|sid| filter::equals_bytes("objectSid", sid));
        let of_person = filter::any([member(&person.dn)].into_iter().chain(by_sid));
        let mut found = self.matching(session, of_person, MOST).await?;
        let is_primary =
            |group: &&Entry| group.all("objectSid").next().is_some_and(|sid| Some(sid) == primary.as_deref());
        if groups.nested
            && let Some(primary) = found.iter().find(is_primary).map(|group| group.dn.clone())
        {
            found.extend(self.matching(session, member(&primary), MOST).await?);
        }
        found.sort_unstable_by(|one, other| one.dn.cmp(&other.dn));
        found.dedup_by(|one, other| one.dn == other.dn);
        Ok(found.iter().map(|group| group.group(&self.name, &self.settings)).collect())
    }

    /// Level by level: the groups that have the person as a member or that the person names, then those that have one of these, and
    /// so on. One that was seen is not asked about again, so a circle ends.
    async fn walked(&self, session: &mut Session<'_>, person: &Entry) -> Result<Vec<Principal>, Fault> {
        let groups = &self.settings.groups;
        let by_dn = groups.member_value.eq_ignore_ascii_case(&groups.dn);
        let value = if by_dn { Some(person.dn.as_str()) } else { person.texts(&groups.member_value).next() };
        let named = self.settings.users.member_of.as_deref().map(|attribute| person.texts(attribute));
        let mut asked: Vec<String> = value.map(|value| filter::equals(&groups.member, value)).into_iter().collect();
        asked.extend(named.into_iter().flatten().take(MOST).map(|dn| filter::equals(&groups.dn, dn)));

        let mut seen = HashSet::new();
        let mut taken = Vec::new();
        for level in 0.. {
            let mut next = Vec::new();
            for some in asked.chunks(AT_ONCE) {
                let left = MOST.saturating_sub(taken.len());
                if left == 0 {
                    return Ok(taken);
                }
                for group in self.matching(session, filter::any(some.iter().cloned()), left).await? {
                    if seen.insert(Dn::parse(&group.dn).map_or_else(|| group.dn.clone(), |dn| dn.to_string())) {
                        next.push(filter::equals(&groups.member, &group.dn));
                        taken.push(group.group(&self.name, &self.settings));
                    }
                }
            }
            if next.is_empty() || !groups.nested {
                break;
            }
            if level == DEEPEST {
                let (provider, person) = (&*self.name, &person.dn);
                tracing::warn!(provider, person, deepest = DEEPEST, "groups are nested deeper than is followed");
                break;
            }
            asked = next;
        }
        Ok(taken)
    }

    /// The groups that match a filter, at most so many.
    async fn matching(&self, session: &mut Session<'_>, wanted: String, most: usize) -> Result<Vec<Entry>, Fault> {
        let groups = &self.settings.groups;
        let wanted = self.group_filter(wanted);
        let mut attributes: Vec<&str> = vec![&groups.name];
        if self.settings.flavor == Flavor::ActiveDirectory {
            attributes.push("objectSid");
        }
        Ok(session.search(&Search::under(&groups.base, wanted, attributes, most)).await?.entries)
    }
}
