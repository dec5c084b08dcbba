//! From claims to a user, and what must hold of both: the rules of a `JWTAuthenticator`. Pure.

use std::{collections::BTreeMap, sync::Arc};

use apimachinery::cel::claims::{Expression, Given};
use serde_json::{Value, json};

use crate::identity::{
    provider::Refused,
    providers::issuer::{Claims, shown, strings},
};

/// An expression with its source, by which two are told apart.
#[derive(Clone, Debug)]
pub struct Program {
    /// As it was written.
    pub source: String,
    /// Ready to be evaluated.
    pub expression: Arc<Expression>,
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// How tokens are read.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// A token must be for one of these.
    pub audiences: Vec<String>,
    /// What a token must say beside.
    pub claim_rules: Vec<ClaimRule>,
    /// The id of the user.
    pub username: Mapping,
    /// The ids of its groups.
    pub groups: Option<Mapping>,
    /// Seen by [`Self::user_rules`] alone.
    pub uid: Option<Mapping>,
    /// Seen by [`Self::user_rules`] alone.
    pub extra: Vec<(String, Program)>,
    /// What must hold of the user.
    pub user_rules: Vec<UserRule>,
}

/// What a token must say.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimRule {
    /// A claim has this value.
    Value(String, String),
    /// An expression over `claims` is true; else the message is told.
    Holds(Program, String),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Mapping {
    /// A claim, with a prefix.
    Claim(String, String),
    /// An expression over `claims`.
    Expression(Program),
}

/// An expression over `user` that must be true; else the message is told.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRule(pub Program, pub String);

/// What rules make of claims: ids, not principals yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// The user.
    pub username: String,
    /// Its groups.
    pub groups: Vec<String>,
}

impl Rules {
    /// Reads claims whose signature was checked.
    ///
    /// # Errors
    /// The claim or the rule by which they are refused.
    pub fn apply(&self, claims: &Claims) -> Result<Mapped, Refused> {
        // Expressions see a tree; it is made only for them.
        let all = if self.has_expressions() { Value::Object(claims.clone()) } else { Value::Null };
        let username = self.username(claims, &all)?;
        let groups = self.groups(claims, &all)?;
        let uid = match &self.uid {
            None => String::new(),
            Some(Mapping::Claim(name, _)) => text(claims, name)?.to_owned(),
            Some(Mapping::Expression(program)) => match evaluate("uid", program, &all)? {
                Given::Text(uid) => uid,
                _ => return Err(refused(format_args!("the expression of `uid` gives no text"))),
            },
        };
        let extra = self.extra(claims, &all)?;
        for rule in &self.claim_rules {
            match rule {
                ClaimRule::Value(name, value) if text(claims, name)? != value => {
                    let found = shown(claims.get(name));
                    return Err(refused(format_args!("claim `{name}`: expected `{value}`, found {found}")));
                }
                ClaimRule::Value(..) => {}
                ClaimRule::Holds(program, message) => holds(program, message, &all)?,
            }
        }
        if !self.user_rules.is_empty() {
            let user = json!({"username": username, "uid": uid, "groups": groups, "extra": extra});
            for UserRule(program, message) in &self.user_rules {
                holds(program, message, &user)?;
            }
        }
        Ok(Mapped { username, groups })
    }

    fn username(&self, claims: &Claims, all: &Value) -> Result<String, Refused> {
        match &self.username {
            Mapping::Expression(program) => match evaluate("username", program, all)? {
                Given::Text(name) if !name.is_empty() => Ok(name),
                Given::Text(_) => Err(refused("the expression of `username` gives an empty text")),
                _ => Err(refused("the expression of `username` gives no text")),
            },
            Mapping::Claim(name, prefix) => {
                let value = text(claims, name)?;
                if value.is_empty() {
                    return Err(refused(format_args!("claim `{name}`: it is empty")));
                }
                // OpenID Connect Core 1.0, 5.1: an address that nobody verified may be anybody's.
                let verified = claims.get("email_verified");
                if name == "email" && verified.is_some_and(|verified| *verified != Value::Bool(true)) {
                    return Err(refused("claim `email_verified`: the address is not verified"));
                }
                Ok(format!("{prefix}{value}"))
            }
        }
    }

    fn groups(&self, claims: &Claims, all: &Value) -> Result<Vec<String>, Refused> {
        match &self.groups {
            None => Ok(Vec::new()),
            Some(Mapping::Expression(program)) => texts("groups", evaluate("groups", program, all)?),
            Some(Mapping::Claim(name, prefix)) => match claims.get(name) {
                None | Some(Value::Null) => Ok(Vec::new()),
                Some(value) => {
                    let found = strings(Some(value)).ok_or_else(|| {
                        refused(format_args!("claim `{name}`: expected a text or texts, found {}", shown(Some(value))))
                    })?;
                    Ok(found.into_iter().map(|group| format!("{prefix}{group}")).collect())
                }
            },
        }
    }

    fn extra(&self, claims: &Claims, all: &Value) -> Result<BTreeMap<String, Vec<String>>, Refused> {
        let mut extra = BTreeMap::new();
        if let Some(id) = claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            extra.insert("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("JTI={id}")]);
        }
        for (key, program) in &self.extra {
            let values = texts(key, evaluate(key, program, all)?)?;
            if !values.is_empty() {
                extra.insert(key.clone(), values);
            }
        }
        Ok(extra)
    }

    fn has_expressions(&self) -> bool {
        let is = |mapping: Option<&Mapping>| matches!(mapping, Some(Mapping::Expression(_)));
        is(Some(&self.username))
            || is(self.groups.as_ref())
            || is(self.uid.as_ref())
            || !self.extra.is_empty()
            || self.claim_rules.iter().any(|rule| matches!(rule, ClaimRule::Holds(..)))
    }
}

/// The text of a claim.
fn text<'a>(claims: &'a Claims, name: &str) -> Result<&'a str, Refused> {
    let value = claims.get(name).ok_or_else(|| refused(format_args!("claim `{name}`: it is missing")))?;
    value.as_str().ok_or_else(|| refused(format_args!("claim `{name}`: expected a text, found {}", shown(Some(value)))))
}

/// A text, or a list of texts, without the empty ones.
fn texts(what: &str, given: Given) -> Result<Vec<String>, Refused> {
    let texts = match given {
        Given::Text(text) => vec![text],
        Given::Texts(texts) => texts,
        Given::Null => Vec::new(),
        Given::Bool(_) | Given::Other => {
            return Err(refused(format_args!("the expression of `{what}` gives neither a text nor texts")));
        }
    };
    Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
}

fn evaluate(what: &str, program: &Program, about: &Value) -> Result<Given, Refused> {
    program.expression.evaluate(about).map_err(|why| refused(format_args!("the expression of `{what}`: {why}")))
}

fn holds(program: &Program, message: &str, about: &Value) -> Result<(), Refused> {
    let source = &program.source;
    match program.expression.evaluate(about) {
        Ok(Given::Bool(true)) => Ok(()),
        Ok(_) => Err(refused(format_args!("the rule `{source}` does not hold: {message}"))),
        Err(why) => Err(refused(format_args!("the rule `{source}`: {why}"))),
    }
}

fn refused(why: impl std::fmt::Display) -> Refused {
    Refused::Answer(why.to_string())
}
