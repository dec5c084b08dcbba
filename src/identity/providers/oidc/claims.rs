//! From claims to a person. Pure.

use serde_json::Value;

use crate::{
    identity::{
        provider::{Person, Principal, PrincipalKind, ProviderError},
        providers::issuer::Claims,
    },
    secret::Secret,
};

/// Which claims are what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Of the groups: the name of a claim, or a path of names divided by `.`.
    pub groups: String,
    /// Of the display name.
    pub name: String,
    /// Of the e-mail address.
    pub email: String,
}

impl Names {
    /// Whether claims say nothing of groups or of the name, which user-info may.
    pub(super) fn lack(&self, claims: &Claims) -> bool {
        at(claims, &self.groups).is_none() || at(claims, &self.name).is_none()
    }

    /// The person that claims are about.
    ///
    /// # Errors
    /// They say of nobody.
    pub fn person(
        &self,
        provider: &str,
        claims: &Claims,
        grant: Option<Secret<String>>,
    ) -> Result<Person, ProviderError> {
        let text = |path: &str| at(claims, path).and_then(Value::as_str).filter(|text| !text.is_empty());
        let subject = text("sub").ok_or_else(|| ProviderError::new(provider, "claim `sub`: it is missing"))?;
        let email = text(&self.email);
        let login_name = text("preferred_username").or(email).unwrap_or(subject);
        if names_elsewhere(claims, &self.groups) {
            tracing::warn!(
                provider,
                subject,
                claim = self.groups,
                "the token names a place to ask for the groups instead of the groups, and that is not asked: \
                 have it hold only the groups that are assigned to the application"
            );
        }
        Ok(Person {
            principal: Principal {
                id: format!("{provider}_user://{subject}").into(),
                kind: PrincipalKind::User,
                display_name: text(&self.name).unwrap_or(login_name).to_owned(),
                login_name: login_name.to_owned(),
            },
            groups: groups(provider, at(claims, &self.groups)),
            unique_id: None,
            email: email.map(ToOwned::to_owned),
            grant,
            session: text("sid").map(ToOwned::to_owned),
        })
    }
}

/// The groups in a claim: one text, or those texts that a list has.
fn groups(provider: &str, claim: Option<&Value>) -> Vec<Principal> {
    let items = match claim {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let names = items.iter().filter_map(Value::as_str).filter(|name| !name.is_empty());
    let group = |name: &str| Principal {
        id: format!("{provider}_group://{name}").into(),
        kind: PrincipalKind::Group,
        display_name: name.to_owned(),
        login_name: String::new(),
    };
    names.map(group).collect()
}

/// A claim by its name, which may have dots in it, or by a path.
fn at<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(claim) = claims.get(path) {
        return Some(claim).filter(|claim| !claim.is_null());
    }
    let mut names = path.split('.');
    let first = claims.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name)).filter(|claim| !claim.is_null())
}

/// A distributed claim (OpenID Connect Core 1.0, 5.6.2), as Entra ID makes of more than 200 groups. The place that it names is
/// not asked: it is an address of the token's choosing.
fn names_elsewhere(claims: &Claims, groups: &str) -> bool {
    claims.get("_claim_names").is_some_and(|names| names.get(groups).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Names;
    use crate::identity::provider::Person;

    fn person(claims: &Value, groups: &str) -> Person {
        let names = Names { groups: groups.to_owned(), name: "name".to_owned(), email: "email".to_owned() };
        names.person("corp", claims.as_object().unwrap(), None).unwrap()
    }

    fn groups(claims: &Value, path: &str) -> Vec<String> {
        person(claims, path).groups.into_iter().map(|group| group.id.to_string()).collect()
    }

    #[test]
    fn a_person_is_its_sub_whatever_else_it_is_called() {
        let ann = person(
            &json!({"sub": "8f1", "name": "Ann", "email": "ann@example.org", "preferred_username": "ann", "sid": "s1"}),
            "groups",
        );
        assert_eq!(&*ann.principal.id, "corp_user://8f1");
        assert_eq!((&*ann.principal.display_name, &*ann.principal.login_name), ("Ann", "ann"));
        assert_eq!((ann.email.as_deref(), ann.session.as_deref()), (Some("ann@example.org"), Some("s1")));
        assert_eq!(person(&json!({"sub": "8f1"}), "groups").principal.display_name, "8f1");
    }

    #[test]
    fn groups_are_a_list_a_text_or_deeper_in() {
        assert_eq!(
            groups(&json!({"sub": "a", "groups": ["x", 7, "", null, "y"]}), "groups"),
            ["corp_group://x", "corp_group://y"]
        );
        assert_eq!(groups(&json!({"sub": "a", "role": "x"}), "role"), ["corp_group://x"]);
        let nested = json!({"sub": "a", "realm_access": {"roles": ["x"]}, "https://a.b/groups": ["y"]});
        assert_eq!(groups(&nested, "realm_access.roles"), ["corp_group://x"]);
        assert_eq!(groups(&nested, "https://a.b/groups"), ["corp_group://y"]);
        assert_eq!(groups(&nested, "realm_access.none"), Vec::<String>::new());
    }

    #[test]
    fn without_a_sub_there_is_nobody() {
        let names = Names { groups: "groups".to_owned(), name: "name".to_owned(), email: "email".to_owned() };
        for claims in [json!({}), json!({"sub": ""}), json!({"sub": 7}), json!({"email": "ann@example.org"})] {
            let error = names.person("corp", claims.as_object().unwrap(), None).unwrap_err();
            assert_eq!(error.to_string(), "provider `corp`: claim `sub`: it is missing");
        }
    }
}
