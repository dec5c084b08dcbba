//! Expressions over the claims of a token, and over the user that they make.
//!
//! Source: `k8s.io/apiserver/pkg/authentication/cel`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;

use super::PER_CALL_LIMIT;
use super::ast::{Expr, Kind};
use super::check::Checker;
use super::eval::{Evaluator, Patterns};
use super::parse::parse;
use super::source::shown;
use super::types::{Decl, Shape, Type};
use super::value::{Error, Value};

/// What an expression is about: the one variable that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// `claims`: whatever a token says.
    Claims,
    /// `user`: `username`, `uid`, `groups` and `extra`.
    User,
}

/// An expression, ready to be evaluated.
#[derive(Debug)]
pub struct Expression {
    about: About,
    tree: Expr,
    patterns: Patterns,
}

/// What an expression gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list of nothing but texts.
    Texts(Vec<String>),
    /// Null.
    Null,
    /// Anything else.
    Other,
}

impl Expression {
    /// Compiles an expression; with `condition` one that must be true or false.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(source: &str, about: About, condition: bool) -> Result<Self, String> {
        let failed = |problems: Vec<_>| format!("compilation failed: {}", shown(source, &problems));
        let tree = parse(source).map_err(failed)?;
        let decl = match about {
            About::Claims => &CLAIMS,
            About::User => &USER,
        };
        let known = Checker::new(decl, vec![(about.variable(), decl.ty())]).check(&tree).map_err(failed)?;
        if condition && !matches!(known.ty, Type::Bool) {
            return Err("must evaluate to bool".to_owned());
        }
        let mut patterns = Patterns::new();
        tree.patterns(&mut patterns);
        Ok(Self { about, tree, patterns })
    }

    /// What it gives for the claims or the user; it may cost as much as any expression may.
    ///
    /// # Errors
    /// Why it gives nothing.
    pub fn evaluate(&self, about: &Json) -> Result<Given, String> {
        let scope = vec![(self.about.variable(), Value::open(about))];
        let told = |error| match error {
            Error::Limit => "it costs more than one may".to_owned(),
            Error::Message(why) => why,
        };
        let value = Evaluator::new(scope, &self.patterns, PER_CALL_LIMIT).run(&self.tree).0.map_err(told)?;
        if let Some(text) = value.as_text() {
            return Ok(Given::Text(text.to_owned()));
        }
        if let Some(items) = value.items() {
            let items = items.map_err(told)?;
            let texts = items.iter().map(|item| item.as_text().map(ToOwned::to_owned)).collect::<Option<_>>();
            return Ok(texts.map_or(Given::Other, Given::Texts));
        }
        Ok(match value {
            Value::Bool(value) => Given::Bool(value),
            Value::Null => Given::Null,
            _ => Given::Other,
        })
    }

    /// Whether it reads a field of its variable by name, such as `claims.email`.
    pub fn reads(&self, field: &str) -> bool {
        reads(&self.tree, self.about.variable(), field)
    }
}

impl About {
    const fn variable(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::User => "user",
        }
    }
}

/// `claims.email`, `has(claims.email)`, `claims.?email` and `claims["email"]`: Kubernetes knows the first two, and the others are
/// as good.
fn reads(expression: &Expr, variable: &str, field: &str) -> bool {
    let is_variable = |operand: &Expr| matches!(&operand.kind, Kind::Ident(name) if name == variable);
    let here = match &expression.kind {
        Kind::Select { operand, field: own, .. } | Kind::Has { operand, field: own } => {
            own == field && is_variable(operand)
        }
        Kind::Index { operand, index, .. } => {
            matches!(&index.kind, Kind::Text(own) if own == field) && is_variable(operand)
        }
        _ => false,
    };
    let mut found = here;
    expression.parts(|part| found = found || reads(part, variable, field));
    found
}

static CLAIMS: LazyLock<Arc<Decl>> = LazyLock::new(|| Decl::simple(Shape::Map(Decl::simple(Shape::Dyn))));

static USER: LazyLock<Arc<Decl>> = LazyLock::new(|| {
    let text = || Decl::simple(Shape::Text);
    let texts = || Decl::simple(Shape::List(text()));
    let extra = Decl::simple(Shape::Map(texts()));
    let fields = [("username", text()), ("uid", text()), ("groups", texts()), ("extra", extra)];
    let fields: BTreeMap<_, _> = fields.into_iter().map(|(name, decl)| (name.to_owned(), decl)).collect();
    Decl::object_of("kubernetes.UserInfo", fields)
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{About, Expression, Given};

    fn claims(source: &str) -> Result<Given, String> {
        let claims =
            json!({"sub": "ann", "email": "ann@example.org", "roles": ["dev", "ops"], "level": 3, "deep": {"a": true}});
        Expression::new(source, About::Claims, false)?.evaluate(&claims)
    }

    #[test]
    fn an_expression_reads_claims_as_a_token_says_them() {
        assert_eq!(claims("claims.sub + '@corp'"), Ok(Given::Text("ann@corp".to_owned())));
        assert_eq!(claims("claims.roles"), Ok(Given::Texts(vec!["dev".to_owned(), "ops".to_owned()])));
        assert_eq!(
            claims("claims.roles.map(r, 'x:' + r)"),
            Ok(Given::Texts(vec!["x:dev".to_owned(), "x:ops".to_owned()]))
        );
        assert_eq!(claims("claims.?absent.orValue('none')"), Ok(Given::Text("none".to_owned())));
        assert_eq!(claims("claims.deep.a && claims['level'] == 3"), Ok(Given::Bool(true)));
        assert_eq!(claims("claims.level"), Ok(Given::Other));
        assert_eq!(claims("null"), Ok(Given::Null));
        assert_eq!(claims("claims.absent"), Err("no such key: absent".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_told_when_it_is_compiled() {
        let of = |source, about, condition| Expression::new(source, about, condition).map(|_| ()).unwrap_err();
        assert!(of("claims.", About::Claims, false).starts_with("compilation failed: ERROR: <input>:1:8"));
        assert!(of("user.username", About::Claims, false).contains("undeclared reference to 'user'"));
        assert!(of("user.name", About::User, false).contains("undefined field 'name'"));
        assert!(of("user.username == 1", About::User, true).contains("no matching overload"));
        assert_eq!(of("'yes'", About::Claims, true), "must evaluate to bool");
        // What a claim is shows only at the token.
        assert_eq!(of("claims.sub", About::Claims, true), "must evaluate to bool");
    }

    #[test]
    fn an_expression_that_costs_too_much_is_stopped() {
        let source = "claims.l.map(a, claims.l.map(b, claims.l.map(c, claims.l.map(d, a + b))))";
        let long: Vec<String> = (0..200).map(|n| n.to_string()).collect();
        let given = Expression::new(source, About::Claims, false).unwrap().evaluate(&json!({"l": long}));
        assert_eq!(given, Err("it costs more than one may".to_owned()));
    }

    #[test]
    fn the_claims_that_an_expression_reads_are_known() {
        for source in ["claims.email", "has(claims.email)", "claims[?'email']", "[1].all(n, claims.email != '')"] {
            assert!(Expression::new(source, About::Claims, false).unwrap().reads("email"), "{source}");
        }
        assert!(!Expression::new("claims.email_verified", About::Claims, false).unwrap().reads("email"));
    }
}
