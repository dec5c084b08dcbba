//! Input: a CEL rule. It is refused or run within its budget; a pattern is refused or compiled.
#![no_main]

use std::sync::Arc;

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
    let _ = check(&schema, &Path::ROOT);
    let object = decode(br#"{"s":"a","t":"b"}"#, ContentType::Json).expect("it is JSON").value;
    if let Ok(compiled) = Compiled::new(Arc::new(schema)) {
        let _ = compiled.validate(&object, Some(&object), &Path::ROOT, OBJECT_BUDGET);
    }
});
