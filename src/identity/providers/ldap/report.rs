//! Whether a directory works as it is configured.

use super::{Ldap, operation::Search, session::Session, settings::Security};
use crate::identity::provider::{ProviderError, Report};

/// Entries that are counted; more than that are so many.
const MOST: usize = 100_000;

impl Ldap {
    pub(super) async fn report(&self, sample: Option<&str>) -> Result<Report, ProviderError> {
        // Counting takes longer than a sign-in.
        let mut session = self.session_of(self.settings.timeout * 6).await?;
        let mut report = Report { server: self.fallible(session.server().await)?, ..Report::default() };
        let (users, groups) = (&self.settings.users, &self.settings.groups);
        if self.settings.security == Security::Plaintext {
            report.warnings.push("passwords go over the network in plain text: set `tls` or `starttls`".to_owned());
        }
        self.must_be_there(&mut session, &users.base).await?;
        let of_users = self.user_filter(String::new());
        report.users = self.count(&mut session, &users.base, of_users, "user", &mut report.warnings).await?;
        match self.must_be_there(&mut session, &groups.base).await {
            Ok(()) => {
                let of_groups = self.group_filter(String::new());
                report.groups =
                    self.count(&mut session, &groups.base, of_groups, "group", &mut report.warnings).await?;
            }
            Err(error) => report.warnings.push(error.message),
        }
        let Some(sample) = sample.map(str::trim).filter(|sample| !sample.is_empty()) else { return Ok(report) };
        match self.find(&mut session, sample).await? {
            Some(entry) => {
                let person = self.person(&mut session, &entry).await?;
                if person.unique_id.is_none() {
                    let attribute = self.settings.flavor.unique_id();
                    report.warnings.push(format!(
                        "`{attribute}` of `{}` cannot be read: another person of the same DN would be taken for it",
                        entry.dn
                    ));
                }
                report.sample = Some(person);
            }
            None => report.warnings.push(format!("nobody has the login name `{}`", sample.escape_debug())),
        }
        Ok(report)
    }

    async fn count(
        &self,
        session: &mut Session<'_>,
        base: &str,
        filter: String,
        what: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<usize>, ProviderError> {
        let search = Search { count: true, ..Search::under(base, filter, vec!["1.1"], MOST) };
        let found = self.fallible(session.search(&search).await)?;
        if found.count == 0 {
            warnings.push(format!("no {what} under `{base}` matches `{}`", search.filter));
        }
        if found.more && found.count < MOST {
            let shown = found.count;
            warnings.push(format!(
                "the server shows no more than {shown} {what}s under `{base}`: raise its size limit for the service account"
            ));
        } else if found.more {
            warnings.push(format!("more than {MOST} {what}s under `{base}`: set a filter, or a base nearer to them"));
        }
        Ok(Some(found.count))
    }
}
