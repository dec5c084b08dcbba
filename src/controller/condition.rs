//! Conditions: how far things are, told in an object's status.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The reason of a condition whose work failed.
const ERROR: &str = "Error";

/// One condition as it is written in an object's `status.conditions`. The form is Rancher's: times are texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusCondition {
    /// What it tells about, such as `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// When it was last written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_update_time: String,
    /// When its status was last another one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_transition_time: String,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A status that holds conditions and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Conditions {
    /// What is known of the object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<StatusCondition>,
}

/// An object that has conditions.
pub trait Conditioned {
    /// Its conditions.
    fn conditions(&self) -> &[StatusCondition];

    /// The same, to be changed.
    fn conditions_mut(&mut self) -> &mut Vec<StatusCondition>;
}

/// The conditions that Drover's controllers write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// What the object needs in the management plane has been made.
    Provisioned,
    /// The object can be used.
    Ready,
}

impl Condition {
    /// Its `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioned => "Provisioned",
            Self::Ready => "Ready",
        }
    }

    /// Whether it is known to hold.
    pub fn is_true(self, object: &impl Conditioned) -> bool {
        self.status(object) == "True"
    }

    /// Whether it is known not to hold.
    pub fn is_false(self, object: &impl Conditioned) -> bool {
        self.status(object) == "False"
    }

    /// `True`, `False` or `Unknown`; `Unknown` where nothing was written yet.
    pub fn status(self, object: &impl Conditioned) -> &str {
        self.get(object).map_or("Unknown", |condition| condition.status.as_str())
    }

    /// Why, in one word.
    pub fn reason(self, object: &impl Conditioned) -> &str {
        self.get(object).map_or("", |condition| condition.reason.as_str())
    }

    /// Why, for people.
    pub fn message(self, object: &impl Conditioned) -> &str {
        self.get(object).map_or("", |condition| condition.message.as_str())
    }

    /// When its status was last another one.
    pub fn last_transition_time(self, object: &impl Conditioned) -> Option<Timestamp> {
        self.get(object)?.last_transition_time.parse().ok()
    }

    /// Holds. Like its siblings it says whether the object changed, so that nothing is written where nothing is new.
    pub fn set_true(self, object: &mut impl Conditioned, now: Timestamp) -> bool {
        self.set(object, "True", "", "", now)
    }

    /// Does not hold, and why.
    pub fn set_false(self, object: &mut impl Conditioned, reason: &str, message: &str, now: Timestamp) -> bool {
        self.set(object, "False", reason, message, now)
    }

    /// Is not known, and why.
    pub fn set_unknown(self, object: &mut impl Conditioned, reason: &str, message: &str, now: Timestamp) -> bool {
        self.set(object, "Unknown", reason, message, now)
    }

    /// Does `work` unless this holds already. Then it holds; or, where the work failed, does not, with the failure as its
    /// message. The caller writes the object's status if `true` or an error comes back.
    ///
    /// # Errors
    /// That of the work.
    pub async fn once<K, E>(self, object: &mut K, work: impl AsyncFnOnce(&mut K) -> Result<(), E>) -> Result<bool, E>
    where
        K: Conditioned,
        E: fmt::Display,
    {
        if self.is_true(object) {
            return Ok(false);
        }
        match work(object).await {
            Ok(()) => Ok(self.set_true(object, Timestamp::now())),
            Err(error) => {
                self.set_false(object, ERROR, &error.to_string(), Timestamp::now());
                Err(error)
            }
        }
    }

    fn get(self, object: &impl Conditioned) -> Option<&StatusCondition> {
        object.conditions().iter().find(|condition| condition.kind == self.as_str())
    }

    fn set(self, object: &mut impl Conditioned, status: &str, reason: &str, message: &str, now: Timestamp) -> bool {
        let conditions = object.conditions_mut();
        let time = format!("{now:.0}");
        let new = StatusCondition {
            kind: self.as_str().to_owned(),
            status: status.to_owned(),
            last_update_time: time.clone(),
            last_transition_time: time,
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let Some(old) = conditions.iter_mut().find(|condition| condition.kind == self.as_str()) else {
            conditions.push(new);
            return true;
        };
        if old.status == new.status && old.reason == new.reason && old.message == new.message {
            return false;
        }
        let since = if old.status == new.status && !old.last_transition_time.is_empty() {
            std::mem::take(&mut old.last_transition_time)
        } else {
            new.last_transition_time
        };
        *old = StatusCondition { last_transition_time: since, ..new };
        true
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Condition, Conditioned, StatusCondition};

    #[derive(Default)]
    struct Object(Vec<StatusCondition>);

    impl Conditioned for Object {
        fn conditions(&self) -> &[StatusCondition] {
            &self.0
        }

        fn conditions_mut(&mut self) -> &mut Vec<StatusCondition> {
            &mut self.0
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_stays_while_the_status_does() {
        let mut object = Object::default();
        assert_eq!(Condition::Ready.status(&object), "Unknown");
        assert!(Condition::Ready.set_false(&mut object, "Unreachable", "no route", at(10)));
        assert!(!Condition::Ready.set_false(&mut object, "Unreachable", "no route", at(20)));
        assert!(Condition::Ready.set_false(&mut object, "Unreachable", "timed out", at(30)));
        assert_eq!(Condition::Ready.last_transition_time(&object), Some(at(10)));
        assert_eq!(object.0[0].last_update_time, "1970-01-01T00:00:30Z");
        assert!(Condition::Ready.set_true(&mut object, at(40)));
        assert_eq!(Condition::Ready.last_transition_time(&object), Some(at(40)));
        assert_eq!((Condition::Ready.reason(&object), Condition::Ready.message(&object)), ("", ""));
    }

    #[tokio::test]
    async fn work_is_done_until_it_succeeds_once() {
        let mut object = Object::default();
        let failed = Condition::Provisioned.once(&mut object, async |_: &mut Object| Err("no room")).await;
        assert_eq!(failed, Err("no room"));
        assert!(Condition::Provisioned.is_false(&object));
        assert_eq!(Condition::Provisioned.reason(&object), "Error");
        assert_eq!(Condition::Provisioned.message(&object), "no room");
        let done = Condition::Provisioned.once(&mut object, async |_: &mut Object| Ok::<_, &str>(())).await;
        assert_eq!(done, Ok(true));
        let again = Condition::Provisioned.once(&mut object, async |_: &mut Object| Err("not called")).await;
        assert_eq!(again, Ok(false));
        assert!(Condition::Provisioned.is_true(&object));
    }
}
