//! ID tokens as bearer credentials: the fields of a `JWTAuthenticator` of Kubernetes' `AuthenticationConfiguration`
//! (apiserver.config.k8s.io/v1), less the issuer, which the provider has.

use std::{collections::HashSet, sync::Arc};

use apimachinery::cel::claims::{About, Expression};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::rules::{self, Flaw},
    identity::providers::jwt::{ClaimRule, Mapping, Program, Rules, UserRule},
};

/// How ID tokens of the issuer are taken as bearer credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Jwt {
    /// A token must be for one of these.
    pub audiences: Vec<String>,
    /// What a token must say beside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claim_validation_rules: Vec<ClaimValidationRule>,
    /// From claims to who it is.
    #[serde(default)]
    pub claim_mappings: ClaimMappings,
    /// What must hold of who it is then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_validation_rules: Vec<UserValidationRule>,
    /// Whether somebody who is no User yet becomes one at the first token. Default: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_users: Option<bool>,
}

/// What a token must say: a claim with a value, or an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimValidationRule {
    /// A claim of type string.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claim: String,
    /// The value that it must have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub required_value: String,
    /// CEL over `claims` that must be true.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expression: String,
    /// What is told when it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// From claims to who it is. Without `username` it is `sub`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMappings {
    /// The id in the principal, `<provider>_user://<prefix><value>`.
    #[serde(default)]
    pub username: PrefixedClaim,
    /// The ids in the principals of groups.
    #[serde(default)]
    pub groups: PrefixedClaim,
    /// Not shown to clusters; user validation rules may look at it.
    #[serde(default)]
    pub uid: ClaimMapping,
    /// Not shown to clusters; user validation rules may look at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra: Vec<ExtraMapping>,
}

/// A claim with something before its value, or an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrefixedClaim {
    /// The claim.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claim: String,
    /// What is put before its value. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// CEL over `claims`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expression: String,
}

/// A claim, or an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMapping {
    /// The claim.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub claim: String,
    /// CEL over `claims`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expression: String,
}

/// A key and an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtraMapping {
    /// A path with a domain, such as `example.org/team`.
    pub key: String,
    /// CEL over `claims`.
    pub value_expression: String,
}

/// What must hold of who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserValidationRule {
    /// CEL over `user` that must be true.
    pub expression: String,
    /// What is told when it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Jwt {
    /// The rules, with their expressions compiled: `k8s.io/apiserver/pkg/apis/apiserver/validation`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn rules(&self) -> Result<Rules, Vec<Flaw>> {
        let mut reader = Reader::default();
        reader.audiences(&self.audiences);
        let claim_rules = reader.claim_rules(&self.claim_validation_rules);
        let mappings = &self.claim_mappings;
        let username = reader.mapping("username", &mappings.username);
        let uses_email = matches!(&username, Some(Mapping::Expression(program)) if reads(program, "email"));
        let groups = reader.mapping("groups", &mappings.groups);
        let ClaimMapping { claim, expression } = mappings.uid.clone();
        let uid = reader.mapping("uid", &PrefixedClaim { claim, prefix: None, expression });
        let extra = reader.extra(&mappings.extra);
        let looks = |program: &Program| reads(program, "email_verified");
        let is_verified = matches!(&username, Some(Mapping::Expression(program)) if looks(program))
            || extra.iter().any(|(_, program)| looks(program))
            || claim_rules.iter().any(|rule| matches!(rule, ClaimRule::Holds(program, _) if looks(program)));
        if uses_email && !is_verified {
            let message = "`claims.email_verified` must be used in claimMappings.username.expression, \
                           claimMappings.extra[*].valueExpression or claimValidationRules[*].expression \
                           when `claims.email` is used here";
            reader.flaw("claimMappings.username.expression", message);
        }
        let user_rules = reader.user_rules(&self.user_validation_rules);
        if !reader.flaws.is_empty() {
            return Err(reader.flaws);
        }
        Ok(Rules {
            audiences: self.audiences.clone(),
            claim_rules,
            username: username.unwrap_or_else(|| Mapping::Claim("sub".to_owned(), String::new())),
            groups,
            uid,
            extra,
            user_rules,
        })
    }
}

fn reads(program: &Program, claim: &str) -> bool {
    program.expression.reads(claim)
}

/// Reads fields, and keeps what is wrong with them.
#[derive(Default)]
struct Reader {
    flaws: Vec<Flaw>,
}

impl Reader {
    fn flaw(&mut self, field: &str, message: impl Into<String>) {
        self.flaws.push(Flaw::new(format!("jwt.{field}"), message));
    }

    fn audiences(&mut self, audiences: &[String]) {
        if audiences.is_empty() {
            self.flaw("audiences", super::MISSING);
        }
        let mut seen = HashSet::new();
        for (index, audience) in audiences.iter().enumerate() {
            let field = format!("audiences[{index}]");
            if audience.is_empty() {
                self.flaw(&field, super::MISSING);
            } else if !seen.insert(audience) {
                self.flaw(&field, format!("`{audience}` stands there twice"));
            }
        }
    }

    fn claim_rules(&mut self, all: &[ClaimValidationRule]) -> Vec<ClaimRule> {
        let (mut rules, mut seen) = (Vec::new(), HashSet::new());
        for (index, rule) in all.iter().enumerate() {
            let ClaimValidationRule { claim, required_value, expression, message } = rule;
            let field = format!("claimValidationRules[{index}]");
            match (claim.is_empty(), expression.is_empty()) {
                (false, false) => self.flaw(&field, "`claim` and `expression` cannot both be set"),
                (true, true) => self.flaw(&field, "`claim` or `expression` is required"),
                (false, true) => {
                    if !message.is_empty() {
                        self.flaw(&format!("{field}.message"), "may not be specified when `claim` is set");
                    }
                    if !seen.insert((true, claim)) {
                        self.flaw(&format!("{field}.claim"), format!("`{claim}` has a rule already"));
                    }
                    rules.push(ClaimRule::Value(claim.clone(), required_value.clone()));
                }
                (true, false) => {
                    if !required_value.is_empty() {
                        self.flaw(&format!("{field}.requiredValue"), "may not be specified when `expression` is set");
                    }
                    if !seen.insert((false, expression)) {
                        self.flaw(&format!("{field}.expression"), "stands there twice");
                    }
                    let program = self.program(&format!("{field}.expression"), expression, About::Claims, true);
                    rules.extend(program.map(|program| ClaimRule::Holds(program, message.clone())));
                }
            }
        }
        rules
    }

    fn mapping(&mut self, name: &str, mapping: &PrefixedClaim) -> Option<Mapping> {
        let PrefixedClaim { claim, prefix, expression } = mapping;
        let field = format!("claimMappings.{name}");
        if !claim.is_empty() && !expression.is_empty() {
            self.flaw(&field, "`claim` and `expression` cannot both be set");
            return None;
        }
        if prefix.is_some() && claim.is_empty() {
            self.flaw(&format!("{field}.prefix"), "may not be specified without `claim`");
        }
        if !expression.is_empty() {
            let program = self.program(&format!("{field}.expression"), expression, About::Claims, false);
            return program.map(Mapping::Expression);
        }
        (!claim.is_empty()).then(|| Mapping::Claim(claim.clone(), prefix.clone().unwrap_or_default()))
    }

    fn extra(&mut self, all: &[ExtraMapping]) -> Vec<(String, Program)> {
        let (mut extra, mut seen) = (Vec::new(), HashSet::new());
        for (index, ExtraMapping { key, value_expression }) in all.iter().enumerate() {
            let field = format!("claimMappings.extra[{index}]");
            let domain = key.split_once('/').filter(|(_, path)| !path.is_empty()).map(|(domain, _)| domain);
            match domain.filter(|domain| rules::is_subdomain(domain)) {
                None => {
                    let expected = "expected a path with a domain in lower case, such as `example.org/team`";
                    self.flaw(&format!("{field}.key"), format!("{expected}, found `{key}`"));
                }
                Some(domain) if ["k8s.io", "kubernetes.io"].iter().any(|own| is_below(domain, own)) => {
                    let message = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use";
                    self.flaw(&format!("{field}.key"), message);
                }
                Some(_) if *key != key.to_lowercase() => self.flaw(&format!("{field}.key"), "must be lower case"),
                Some(_) if !seen.insert(key) => {
                    self.flaw(&format!("{field}.key"), format!("`{key}` stands there twice"));
                }
                Some(_) => {}
            }
            let field = format!("{field}.valueExpression");
            let program = self.program(&field, value_expression, About::Claims, false);
            extra.extend(program.map(|program| (key.clone(), program)));
        }
        extra
    }

    fn user_rules(&mut self, all: &[UserValidationRule]) -> Vec<UserRule> {
        let (mut rules, mut seen) = (Vec::new(), HashSet::new());
        for (index, UserValidationRule { expression, message }) in all.iter().enumerate() {
            let field = format!("userValidationRules[{index}].expression");
            if !expression.is_empty() && !seen.insert(expression) {
                self.flaw(&field, "stands there twice");
            }
            let program = self.program(&field, expression, About::User, true);
            rules.extend(program.map(|program| UserRule(program, message.clone())));
        }
        rules
    }

    fn program(&mut self, field: &str, source: &str, about: About, condition: bool) -> Option<Program> {
        if source.is_empty() {
            self.flaw(field, super::MISSING);
            return None;
        }
        match Expression::new(source, about, condition) {
            Ok(expression) => Some(Program { source: source.to_owned(), expression: Arc::new(expression) }),
            Err(why) => {
                self.flaw(field, why);
                None
            }
        }
    }
}

fn is_below(domain: &str, parent: &str) -> bool {
    domain.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Jwt;

    fn flaws(jwt: Value) -> Vec<(String, String)> {
        let jwt: Jwt = serde_json::from_value(jwt).unwrap();
        let flaws = jwt.rules().err().unwrap_or_default();
        flaws.into_iter().map(|flaw| (flaw.field, flaw.message)).collect()
    }

    fn fields(jwt: Value) -> Vec<String> {
        flaws(jwt).into_iter().map(|(field, _)| field).collect()
    }

    fn username(expression: &str, rules: &Value) -> Vec<String> {
        let mappings = json!({"username": {"expression": expression}});
        fields(json!({"audiences": ["x"], "claimMappings": mappings, "claimValidationRules": rules}))
    }

    #[test]
    fn audiences_are_enough() {
        assert_eq!(fields(json!({"audiences": ["drover"]})), Vec::<String>::new());
        assert_eq!(fields(json!({"audiences": []})), ["jwt.audiences"]);
        assert_eq!(fields(json!({"audiences": ["a", "", "a"]})), ["jwt.audiences[1]", "jwt.audiences[2]"]);
    }

    #[test]
    fn a_flaw_names_the_field_and_what_the_compiler_says() {
        let rules = json!([
            {}, {"claim": "a", "expression": "true"}, {"claim": "a", "message": "m"}, {"claim": "a"},
            {"expression": "claims.a", "requiredValue": "x"}, {"expression": "claims.a =="},
        ]);
        let found = fields(json!({"audiences": ["x"], "claimValidationRules": rules}));
        let expected =
            ["[0]", "[1]", "[2].message", "[3].claim", "[4].requiredValue", "[4].expression", "[5].expression"];
        let expected = expected.map(|place| format!("jwt.claimValidationRules{place}"));
        assert_eq!(found, expected);
        let found = flaws(json!({"audiences": ["x"], "userValidationRules": [{"expression": "user.name == 'a'"}]}));
        assert_eq!(found[0].0, "jwt.userValidationRules[0].expression");
        assert!(found[0].1.contains("undefined field 'name'"), "{}", found[0].1);
    }

    #[test]
    fn a_mapping_is_a_claim_or_an_expression() {
        let mappings = json!({
            "username": {"claim": "sub", "expression": "claims.sub"},
            "groups": {"expression": "claims.groups", "prefix": "x"},
            "uid": {"claim": "a", "expression": "b"},
        });
        let found = fields(json!({"audiences": ["x"], "claimMappings": mappings}));
        assert_eq!(found, ["username", "groups.prefix", "uid"].map(|name| format!("jwt.claimMappings.{name}")));
    }

    #[test]
    fn an_address_as_user_name_needs_a_look_at_whether_it_is_verified() {
        let flawed = ["jwt.claimMappings.username.expression"];
        assert_eq!(username("claims.email", &json!([])), flawed);
        assert_eq!(username("has(claims.email) ? claims.email : claims.sub", &json!([])), flawed);
        assert_eq!(username("claims.sub", &json!([])), Vec::<String>::new());
        assert_eq!(username("claims.email_verified ? claims.email : claims.sub", &json!([])), Vec::<String>::new());
        let rule = json!([{"expression": "claims.?email_verified.orValue(true) == true"}]);
        assert_eq!(username("claims.email", &rule), Vec::<String>::new());
    }

    #[test]
    fn extra_keys_are_paths_of_other_domains_than_kubernetes_own() {
        let key = |key: &str| {
            let extra = json!([{"key": key, "valueExpression": "claims.sub"}]);
            fields(json!({"audiences": ["x"], "claimMappings": {"extra": extra}})).is_empty()
        };
        assert!(key("example.org/team") && key("notk8s.io/team"));
        for wrong in ["team", "example.org/", "example.org/Team", "k8s.io/a", "a.kubernetes.io/b", "Example.org/a"] {
            assert!(!key(wrong), "{wrong}");
        }
    }
}
