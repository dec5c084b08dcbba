use serde_json::json;

use super::*;
use crate::cel::{OBJECT_BUDGET, Question, Ruling, Target};

const ALL: Sees = Sees { params: true, authorizer: true };

/// Jo may get all, and a service account whatever is in its namespace.
struct Rights;

impl Authority for Rights {
    fn decide(&self, question: &Question<'_>) -> Ruling {
        let allowed = match (question.account, question.what) {
            (None, Target::Path(path)) => path == "/healthz",
            (None, Target::Resource(_)) => question.verb == "get",
            (Some((namespace, _)), Target::Resource(resource)) => resource.namespace == namespace,
            (Some(_), Target::Path(_)) => false,
        };
        Ruling { allowed, reason: format!("{question:?}"), error: None }
    }
}

fn evaluated(variables: &[(&str, &str)], expression: &str) -> Result<Answer, String> {
    let mut compiler = Compiler::new();
    let variables: Vec<Variable> =
        variables.iter().map(|(name, source)| compiler.variable(name, source, ALL)).collect();
    let program = compiler.compile(expression, ALL, Gives::Anything)?;
    let object = json!({"metadata": {"name": "m", "labels": {"a": "b"}}, "data": {"n": 3, "f": 1.5, "l": [1, "x", null]}, "a-b": 1});
    let request = json!({"operation": "CREATE", "userInfo": {"username": "jo", "groups": ["g"]}, "namespace": "dev"});
    let null = Json::Null;
    let resource = Resource { plural: "configmaps", namespace: "dev", name: "m", ..Resource::default() };
    let inputs = Inputs {
        object: &object,
        old_object: &null,
        request: &request,
        params: &null,
        namespace_object: &null,
        authorizer: Some((&Rights, resource)),
    };
    let evaluation = Evaluation::new(inputs, &variables, OBJECT_BUDGET);
    evaluation.evaluate(&program).map_err(|failure| failure.to_string())
}

#[track_caller]
fn holds(expression: &str) {
    assert_eq!(evaluated(&[], expression), Ok(Answer::Bool(true)), "{expression}");
}

#[test]
fn objects_are_read_as_json_says_them() {
    holds(
        "object.metadata.name == 'm' && object.metadata.labels['a'] == 'b' && !has(object.spec) && object['a-b'] == 1",
    );
    holds("object.data.n + 1 == 4 && object.data.f == 1.5 && object.data.l[1] == 'x' && object.data.l[2] == null");
    holds("oldObject == null && params == null && namespaceObject == null");
    holds("request.operation == 'CREATE' && 'g' in request.userInfo.groups && request.namespace == 'dev'");
    holds("object.data.map(k, k).size() == 3 && type(object.data) == map && object.?spec.?x.orValue(1) == 1");
    assert_eq!(
        evaluated(&[], "object.spec.x == 1").unwrap_err(),
        "expression 'object.spec.x == 1' resulted in error: no such key: spec"
    );
}

#[test]
fn the_authorizer_is_asked() {
    holds("authorizer.group('').resource('pods').namespace('dev').check('get').allowed()");
    holds("!authorizer.group('').resource('pods').check('list').allowed()");
    holds("authorizer.path('/healthz').check('get').allowed() && !authorizer.path('/x').check('get').allowed()");
    holds(
        "authorizer.serviceAccount('dev', 'robot').group('').resource('pods').namespace('dev').check('list').allowed()",
    );
    holds("authorizer.requestResource.check('get').reason().contains('configmaps')");
    holds(
        "authorizer.requestResource.check('get').error() == '' && !authorizer.requestResource.check('get').errored()",
    );
    let wrong = evaluated(&[], "authorizer.serviceAccount('dev', 'A').path('/x').check('get').allowed()").unwrap_err();
    assert!(wrong.ends_with("Invalid service account name"), "{wrong}");
}

#[test]
fn variables_are_evaluated_when_they_are_read() {
    let variables = [("bad", "object.spec.x"), ("n", "object.data.n"), ("twice", "variables.n * 2")];
    assert_eq!(evaluated(&variables, "variables.twice == 6 && has(variables.bad)"), Ok(Answer::Bool(true)));
    assert_eq!(
        evaluated(&variables, "variables.bad == 1").unwrap_err(),
        "expression 'variables.bad == 1' resulted in error: composited variable \"bad\" fails to evaluate: no such key: spec"
    );
    assert!(evaluated(&variables, "variables.none == 1").unwrap_err().contains("undefined field 'none'"));
    assert!(evaluated(&[("a", "variables.b"), ("b", "1")], "variables.a").is_err());
    // One that holds all variables holds itself as well.
    assert_eq!(evaluated(&[("n", "1"), ("all", "variables")], "variables.all.n == 1"), Ok(Answer::Bool(true)));
}

#[test]
fn expressions_share_a_budget() {
    let compiler = Compiler::new();
    let program = compiler.compile("[1, 2, 3].all(x, x > 0)", ALL, Gives::Bool).unwrap();
    let null = Json::Null;
    let inputs = Inputs {
        object: &null,
        old_object: &null,
        request: &null,
        params: &null,
        namespace_object: &null,
        authorizer: None,
    };
    let evaluation = Evaluation::new(inputs, &[], 40);
    assert_eq!(evaluation.evaluate(&program), Ok(Answer::Bool(true)));
    assert!(evaluation.left() < 40);
    assert_eq!(
        std::iter::repeat_with(|| evaluation.evaluate(&program)).find_map(Result::err),
        Some(Failure::OutOfBudget)
    );
}

#[test]
fn a_chain_of_variables_has_an_end() {
    let mut compiler = Compiler::new();
    assert!(compiler.variable("v0", "1", ALL).1.is_ok());
    let mut chain = (1..1000).map(|n| compiler.variable(&format!("v{n}"), &format!("variables.v{} + 1", n - 1), ALL).1);
    assert!(chain.any(|variable| variable.is_err()));
}

#[test]
fn what_is_given_must_be_of_the_type_that_is_wanted() {
    let compiler = Compiler::without_variables();
    let none = Sees { params: false, authorizer: false };
    let wrong = |source: &str, gives: Gives| compiler.compile(source, none, gives).unwrap_err();
    assert_eq!(wrong("object.x", Gives::Bool), "must evaluate to bool but got dyn");
    assert_eq!(wrong("1", Gives::TextOrNull), "must evaluate to one of [string null_type] but got int");
    assert_eq!(wrong("null", Gives::Text), "must evaluate to string but got null_type");
    assert!(wrong("params.x == 1", Gives::Bool).contains("undeclared reference to 'params' (in container '')"));
    assert!(
        wrong("authorizer.path('/').check('get').allowed()", Gives::Bool)
            .contains("undeclared reference to 'authorizer'")
    );
    assert!(wrong("variables.x == 1", Gives::Bool).contains("undeclared reference to 'variables'"));
    assert!(wrong("request.nope == 1", Gives::Bool).contains("undefined field 'nope'"));
}
