//! What an administrator sets about sign-in while Drover runs: Settings in Rancher's names.

use std::{collections::HashMap, time::Duration};

/// A setting that sign-in reads.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// What holds where nothing is set.
    pub default: u64,
    /// The smallest value.
    pub least: u64,
    /// The largest value.
    pub most: u64,
    /// What it is.
    pub about: &'static str,
}

const fn known(name: &'static str, default: u64, least: u64, most: u64, about: &'static str) -> Known {
    Known { name, default, least, most, about }
}

const SESSION: &str = "auth-user-session-ttl-minutes";
const IDLE: &str = "auth-user-session-idle-ttl-minutes";
const ACCESS: &str = "auth-access-token-ttl-minutes";
const LONGEST: &str = "auth-token-max-ttl-minutes";
const KUBECONFIG: &str = "kubeconfig-default-token-ttl-minutes";
const PER_USER: &str = "auth-tokens-per-user";
const MAX_AGE: &str = "auth-user-info-max-age-seconds";
const PASSWORD: &str = "password-min-length";
const YEAR: u64 = 366 * 24 * 60;

/// All of them.
pub const ALL: [Known; 8] = [
    known(SESSION, 960, 1, YEAR, "minutes that a session lives"),
    known(IDLE, 960, 0, YEAR, "minutes that a session may be unused; 0: as long as it lives"),
    known(ACCESS, 60, 1, YEAR, "minutes that a token of `drover login` lives before it is refreshed"),
    known(LONGEST, 129_600, 0, 100 * YEAR, "minutes that an API token may live at most; 0: for ever"),
    known(KUBECONFIG, 43_200, 1, 100 * YEAR, "minutes that the token of a kubeconfig lives"),
    known(PER_USER, 100, 1, 10_000, "tokens that one user may have"),
    known(MAX_AGE, 3_600, 10, 30 * 24 * 3_600, "seconds after which a provider is asked again for a user's groups"),
    known(PASSWORD, 12, 2, 256, "characters that a password has at least"),
];

/// The settings as they are now.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: HashMap<&'static str, u64>,
}

impl Settings {
    /// Of the values that are set; what is no number in its bounds is as if it were not set.
    pub fn of<'a>(set: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut values = HashMap::new();
        for (name, value) in set {
            let Some(known) = ALL.iter().find(|known| known.name == name) else { continue };
            if let Some(value) = read(known, value) {
                values.insert(known.name, value);
            }
        }
        Self { values }
    }

    fn get(&self, name: &str) -> u64 {
        let default = || ALL.iter().find(|known| known.name == name).map_or(0, |known| known.default);
        self.values.get(name).copied().unwrap_or_else(default)
    }

    fn minutes(&self, name: &str) -> Duration {
        Duration::from_secs(60 * self.get(name))
    }

    fn count(&self, name: &str) -> usize {
        usize::try_from(self.get(name)).unwrap_or(usize::MAX)
    }

    /// How long a session lives.
    pub fn session(&self) -> Duration {
        self.minutes(SESSION)
    }

    /// How long a session may be unused, where that is bounded.
    pub fn idle(&self) -> Option<Duration> {
        Some(self.minutes(IDLE)).filter(|idle| !idle.is_zero())
    }

    /// How long a token of a session lives.
    pub fn access(&self) -> Duration {
        self.minutes(ACCESS).min(self.session())
    }

    /// The longest life of an API token, where that is bounded.
    pub fn longest(&self) -> Option<Duration> {
        Some(self.minutes(LONGEST)).filter(|longest| !longest.is_zero())
    }

    /// How long the token of a kubeconfig lives.
    pub fn kubeconfig(&self) -> Duration {
        self.minutes(KUBECONFIG)
    }

    /// Tokens that one user may have.
    pub fn tokens_per_user(&self) -> usize {
        self.count(PER_USER)
    }

    /// How old the groups of a provider may become.
    pub fn max_age(&self) -> Duration {
        Duration::from_secs(self.get(MAX_AGE))
    }

    /// Characters of a password.
    pub fn password_length(&self) -> usize {
        self.count(PASSWORD)
    }
}

fn read(known: &Known, value: &str) -> Option<u64> {
    value.trim().parse().ok().filter(|value| (known.least..=known.most).contains(value))
}

/// What is wrong with the value of a setting that sign-in reads; the empty one is the default.
pub fn flaw(name: &str, value: &str) -> Option<String> {
    let known = ALL.iter().find(|known| known.name == name)?;
    (!value.is_empty() && read(known, value).is_none())
        .then(|| format!("expected a number from {} to {} ({}), found `{value}`", known.least, known.most, known.about))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_holds_where_it_is_a_number_in_its_bounds() {
        let settings = Settings::of([
            ("auth-user-session-ttl-minutes", "30"),
            ("auth-user-session-idle-ttl-minutes", "0"),
            ("auth-tokens-per-user", "many"),
            ("password-min-length", "1"),
            ("server-url", "https://drover.example.org"),
        ]);
        assert_eq!(settings.session(), Duration::from_mins(30));
        assert_eq!(settings.access(), Duration::from_mins(30), "no longer than the session");
        assert_eq!(settings.idle(), None);
        assert_eq!((settings.tokens_per_user(), settings.password_length()), (100, 12));
        let expected = "expected a number from 1 to 10000 (tokens that one user may have), found `many`";
        assert_eq!(flaw("auth-tokens-per-user", "many").unwrap(), expected);
        assert_eq!(flaw("auth-tokens-per-user", ""), None);
        assert_eq!(flaw("server-url", "anything"), None);
    }
}
