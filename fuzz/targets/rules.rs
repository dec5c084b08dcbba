//! Input: a CEL expression. As a rule and in a policy it is refused or run within its budget; a pattern is refused or compiled.
#![no_main]

use std::sync::Arc;

use apimachinery::cel::policy::{Compiler, Evaluation, Gives, Inputs, Sees};
use apimachinery::cel::{Compiled, OBJECT_BUDGET, check};
use apimachinery::field::Path;
use apimachinery::json::{ContentType, decode};
use apimachinery::schema::{Schema, ValidationRule, pattern};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let _ = pattern::compile(input);
    let text = || Schema { kind: "string".to_owned(), ..Schema::default() };
    let rule = ValidationRule { rule: input.to_owned(), ..ValidationRule::default() };
    let schema = Schema {
        kind: "object".to_owned(),
        properties: [("s".to_owned(), text()), ("t".to_owned(), text())].into(),
        validations: vec![rule],
        ..Schema::default()
    };
    let _ = check(&schema, &Path::ROOT, false);
    let object = decode(br#"{"s":"a","t":"b"}"#, ContentType::Json).expect("it is JSON").value;
    if let Ok(compiled) = Compiled::new(Arc::new(schema)) {
        let _ = compiled.validate(&object, Some(&object), &Path::ROOT, OBJECT_BUDGET);
    }
    let mut compiler = Compiler::new();
    let sees = Sees { params: true, authorizer: false };
    let variables = [compiler.variable("v", input, sees)];
    if let Ok(program) = compiler.compile(input, sees, Gives::Anything) {
        let inputs = Inputs {
            object: &object,
            old_object: &object,
            request: &object,
            params: &object,
            namespace_object: &object,
            authorizer: None,
        };
        let _ = Evaluation::new(inputs, &variables, OBJECT_BUDGET).evaluate(&program);
    }
});
