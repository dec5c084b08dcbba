//! Selectors: what is read, what matches, and each complaint in Kubernetes' words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use apimachinery::selector::{FieldSelector, LabelSelector};
use proptest::prelude::*;
use serde_json::json;

fn labels(text: &str) -> LabelSelector {
    LabelSelector::parse(text).expect(text)
}

fn selects(selector: &str, pairs: &[(&str, &'static str)]) -> bool {
    let pairs: BTreeMap<&str, &str> = pairs.iter().copied().collect();
    labels(selector).matches(|key| pairs.get(key).copied())
}

#[test]
fn every_operator_matches_as_kubernetes_says() {
    let web = [("app", "web"), ("tier", "9")];
    for (selector, expected) in [
        ("", true),
        ("app=web", true),
        ("app==web", true),
        ("app=db", false),
        ("app!=web", false),
        ("gone!=web", true),
        ("app in (db,web)", true),
        ("app notin (db)", true),
        ("app notin (db,web)", false),
        ("gone notin (db)", true),
        ("app", true),
        ("gone", false),
        ("!gone", true),
        ("! app", false),
        ("tier>8", true),
        ("tier>9", false),
        ("tier<10", true),
        ("app<10", false),
        ("gone<10", false),
        ("app=web,tier in (9)", true),
        ("app=web,gone", false),
        ("gone=", false),
        ("gone!=", true),
    ] {
        assert_eq!(selects(selector, &web), expected, "{selector}");
    }
    assert!(selects("x=", &[("x", "")]));
    assert!(selects("x in ()", &[("x", "")]));
}

#[test]
fn the_canonical_text_is_sorted_by_key_and_value() {
    for (text, canonical) in [
        ("x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"),
        ("b=1,a", "a,b=1"),
        (" x == a , y!= b", "x==a,y!=b"),
        ("x in (in, notin)", "x in (in,notin)"),
        ("x>1,z<5", "x>1,z<5"),
        ("!x,notin,in", "in,notin,!x"),
        ("x in (,)", "x in ()"),
        ("x in (a,,)", "x in (,a)"),
        ("x=,y", "x=,y"),
        ("x,\0y", "x"),
    ] {
        let found = LabelSelector::parse(text).map(|selector| selector.to_string());
        // A NUL ends the text where a token could start, so that the comma before it stands alone.
        if text.contains('\0') {
            assert!(found.is_err());
        } else {
            assert_eq!(found.as_deref(), Ok(canonical), "{text}");
        }
    }
}

#[test]
fn a_bad_label_selector_is_told_in_kubernetes_words() {
    for (text, error) in [
        ("x=a||y=b", r#"unable to parse requirement: values[0][x]: Invalid value: "a||y": "#),
        ("x==a==b", "found '==', expected: ',' or 'end of string'"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        (
            "x<a",
            r#"unable to parse requirement: values[0]: Invalid value: "a": for 'Gt', 'Lt' operators, the value must be an integer"#,
        ),
        (
            "-x",
            r#"unable to parse requirement: <nil>: Invalid value: "-x": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#,
        ),
        ("x y", "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt"),
        ("x,", "found '', expected: identifier after ','"),
        (",x", "found ',', expected: !, identifier, or 'end of string'"),
        ("x in a", "unable to parse requirement: found 'a' expected: '('"),
        ("x in", "unable to parse requirement: found '' expected: '('"),
        ("x in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("x in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
        ("x in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("x in (,=", "unable to parse requirement: found '=', expected: ',', or identifier"),
        ("x=(", "unable to parse requirement: found '(', expected: identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("x = a b", "found 'b', expected: ',' or 'end of string'"),
    ] {
        let found = LabelSelector::parse(text).expect_err(text).to_string();
        if error.ends_with(": ") {
            assert!(found.starts_with(error), "{text}: {found}");
        } else {
            assert_eq!(found, error, "{text}");
        }
    }
}

#[test]
fn a_selector_object_reads_as_its_text() {
    let object = json!({
        "matchLabels": {"b": "1"},
        "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["y", "x"]},
            {"key": "c", "operator": "DoesNotExist"},
        ],
    });
    assert_eq!(LabelSelector::from_object(&object).unwrap().to_string(), "a in (x,y),b=1,!c");
    let refused = |object| LabelSelector::from_object(&object).unwrap_err().to_string();
    assert_eq!(
        refused(json!({"matchExpressions": [{"key": "a", "operator": "in"}]})),
        r#""in" is not a valid label selector operator"#
    );
    assert_eq!(
        refused(json!({"matchExpressions": [{"key": "a", "operator": "In"}]})),
        "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty"
    );
}

#[test]
fn a_required_label_is_found() {
    assert_eq!(labels("a in (x),b in (y,z),c!=d").required("a"), Some("x"));
    assert_eq!(labels("a in (x),b in (y,z),c!=d").required("b"), None);
    assert_eq!(labels("a in (x),b in (y,z),c!=d").required("c"), None);
}

#[test]
fn field_selectors_match_and_write_themselves() {
    let name = |selector: &str, name: &'static str| {
        FieldSelector::parse(selector).unwrap().matches(|field| (field == "metadata.name").then_some(name))
    };
    assert!(name("metadata.name=a", "a"));
    assert!(name("metadata.name==a,,metadata.namespace=", "a"));
    assert!(!name("metadata.name!=a", "a"));
    assert!(name(r"metadata.name=a\,b\=c\\d", r"a,b=c\d"));
    for (text, canonical) in
        [("b=1,a!=2,", "a!=2,b=1"), (r"a==x\,y", r"a=x\,y"), ("a=", "a="), ("=x", "=x"), ("a!b=c", "a!b=c")]
    {
        assert_eq!(FieldSelector::parse(text).unwrap().to_string(), canonical, "{text}");
    }
}

#[test]
fn a_bad_field_selector_is_told_in_kubernetes_words() {
    for (text, error) in [
        ("a,b=c", "invalid selector: 'a,b=c'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=b\c", r"invalid field selector: invalid escape sequence: \c"),
        (r"a=b\", r"invalid field selector: invalid escape sequence: \"),
    ] {
        assert_eq!(FieldSelector::parse(text).expect_err(text).to_string(), error);
    }
}

proptest! {
    #[test]
    fn what_a_label_selector_writes_reads_as_itself(text in r"[a-c]( in \([a-c](,[a-c]){0,3}\)|=[a-c]|!=[a-c]|>[0-9]|)(,!?[d-f]){0,2}") {
        let selector = labels(&text);
        prop_assert_eq!(labels(&selector.to_string()), selector);
    }

    #[test]
    fn what_a_field_selector_writes_reads_as_itself(field in "[a-z.]{1,8}", value in ".{0,12}", equals: bool) {
        let escaped = value.replace('\\', r"\\").replace(',', r"\,").replace('=', r"\=");
        let text = format!("{field}{}{escaped}", if equals { "=" } else { "!=" });
        // `a=` followed by a value that starts with `=` is `a==…`, but that `=` is escaped.
        let selector = FieldSelector::parse(&text).unwrap();
        prop_assert_eq!(&selector.requirements()[0].value, &value);
        prop_assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
    }

    #[test]
    fn no_text_makes_the_parsers_fail_badly(text in "[a-c!=<>(), inot\\\\\0é]{0,24}") {
        let _ = LabelSelector::parse(&text);
        let _ = FieldSelector::parse(&text);
    }
}
