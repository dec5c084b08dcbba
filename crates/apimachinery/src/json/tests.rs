use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(text: &str) -> Value {
    decode(text.as_bytes(), ContentType::Json).unwrap().value
}

fn refusal(text: &str) -> String {
    decode(text.as_bytes(), ContentType::Json).unwrap_err().to_string()
}

fn yaml(text: &str) -> Value {
    decode(text.as_bytes(), ContentType::Yaml).unwrap().value
}

fn yaml_refusal(text: &str) -> String {
    decode(text.as_bytes(), ContentType::Yaml).unwrap_err().to_string()
}

#[test]
fn a_key_given_twice_is_told_by_its_path_and_the_last_one_holds() {
    let body = br#"{"spec":{"x":1,"x":2,"list":[{"y":1},{"y":1,"y":2,"y":3}]},"spec":{"z":1}}"#;
    let decoded = decode(body, ContentType::Json).unwrap();
    assert_eq!(decoded.value, json!({"spec": {"z": 1}}));
    assert_eq!(
        decoded.duplicates,
        ["duplicate field \"spec.x\"", "duplicate field \"spec.list[1].y\"", "duplicate field \"spec\"",]
    );
}

#[test]
fn at_most_a_hundred_duplicates_are_told() {
    let keys: Vec<String> = (0..150).map(|n| format!("\"k{n}\":1,\"k{n}\":2")).collect();
    let decoded = decode(format!("{{{}}}", keys.join(",")).as_bytes(), ContentType::Json).unwrap();
    assert_eq!(decoded.duplicates.len(), 100);
}

#[test]
fn malformed_json_is_refused_in_the_words_of_go() {
    for (text, words) in [
        ("", "unexpected end of JSON input"),
        ("   ", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("{\"a\"", "unexpected end of JSON input"),
        ("\"a", "unexpected end of JSON input"),
        ("tru", "unexpected end of JSON input"),
        ("-", "unexpected end of JSON input"),
        ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
        ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
        ("{\"a\":}", "invalid character '}' looking for beginning of value"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("{}{}", "invalid character '{' after top-level value"),
        ("01", "invalid character '1' after top-level value"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1ex", "invalid character 'x' in exponent of numeric literal"),
        ("txue", "invalid character 'x' in literal true (expecting 'r')"),
        ("nulx", "invalid character 'x' in literal null (expecting 'l')"),
        ("\"\\x\"", "invalid character 'x' in string escape code"),
        ("\"\\u00g0\"", "invalid character 'g' in \\u hexadecimal character escape"),
        ("\"a\nb\"", "invalid character '\\n' in string literal"),
        ("\u{feff}{}", "invalid character 'ï' looking for beginning of value"),
        ("'a'", "invalid character '\\'' looking for beginning of value"),
        ("{\"a\"\"b\"}", "invalid character '\"' after object key"),
        ("\u{1}", "invalid character '\\x01' looking for beginning of value"),
    ] {
        assert_eq!(refusal(text), words, "{text:?}");
    }
}

#[test]
fn numbers_are_integers_where_they_fit_and_floats_beyond() {
    assert_eq!(read("9223372036854775807"), json!(i64::MAX));
    assert_eq!(read("9223372036854775808"), json!(9_223_372_036_854_775_808.0_f64));
    assert_eq!(read("-9223372036854775808"), json!(i64::MIN));
    assert_eq!(read("1.5"), json!(1.5));
    assert_eq!(read("1e2"), json!(100));
    assert_eq!(read("1.0"), json!(1));
    assert_eq!(read("1e300"), json!(1e300));
    assert_eq!(read("-0.0"), json!(0));
    // As the text that Go makes of the float is read again.
    assert_eq!(read("1152921504606846976.0"), json!(1_152_921_504_606_847_000_i64));
}

#[test]
fn a_number_that_no_float_holds_is_refused_after_the_rest_was_read() {
    assert_eq!(refusal("[1e999]"), "json: cannot unmarshal number 1e999 into Go value of type float64");
    assert_eq!(refusal("[1e999"), "unexpected end of JSON input");
    let body = br#"{"apiVersion":"example.com/v1","kind":"Widget","x":1e999}"#;
    let error = decode(body, ContentType::Json).unwrap_err();
    assert_eq!(
        error.message("Widget", body),
        "Widget in version \"v1\" cannot be handled as a Widget: json: cannot unmarshal number 1e999 into Go value of type float64"
    );
}

#[test]
fn invalid_utf_8_is_replaced_byte_by_byte() {
    let decoded = decode(b"{\"a\":\"x\xe2\x82y\xff\"}", ContentType::Json).unwrap();
    assert_eq!(decoded.value, json!({"a": "x\u{fffd}\u{fffd}y\u{fffd}"}));
}

#[test]
fn half_of_a_surrogate_pair_is_replaced() {
    assert_eq!(read(r#""\ud83d\ude00""#), json!("😀"));
    assert_eq!(read(r#""\ud83dx""#), json!("\u{fffd}x"));
    assert_eq!(read(r#""\ud83d\u0041""#), json!("\u{fffd}A"));
    assert_eq!(read(r#""\ude00""#), json!("\u{fffd}"));
}

#[test]
fn nesting_is_bounded_before_the_stack_is() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(decode(nested(MAX_DEPTH).as_bytes(), ContentType::Json).is_ok());
    assert_eq!(refusal(&nested(MAX_DEPTH + 1)), "invalid character '[' exceeded max depth");
    assert_eq!(refusal(&"[".repeat(1_000_000)), "invalid character '[' exceeded max depth");
    assert_eq!(refusal(&"{\"a\":".repeat(500_000)), "invalid character '{' exceeded max depth");
    assert!(decode(nested(MAX_DEPTH).as_bytes(), ContentType::Yaml).is_ok());
    assert!(decode(nested(MAX_DEPTH + 1).as_bytes(), ContentType::Yaml).is_err());
    assert!(decode("[".repeat(1_000_000).as_bytes(), ContentType::Yaml).is_err());
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let body = vec![b' '; MAX_BYTES + 1];
    assert_eq!(decode(&body, ContentType::Json).unwrap_err().to_string(), "limit is 3145728");
}

#[test]
fn the_message_says_what_was_expected_and_shows_the_start() {
    let error = decode_object(b"{\"a\"", ContentType::Json).unwrap_err();
    assert_eq!(
        error.message("Widget", b"{\"a\""),
        "the object provided is unrecognized (must be of type Widget): couldn't get version/kind; json parse error: \
         unexpected end of JSON input ({\"a\")"
    );
    let error = decode_object(b"", ContentType::Json).unwrap_err();
    assert!(error.message("Widget", b"").ends_with("(<empty>)"));
    let error = decode_object(b"[]", ContentType::Json).unwrap_err();
    assert!(error.message("Widget", b"[]").contains("cannot unmarshal array into Go value of type struct {"));
    assert!(error.message("Widget", b"[]").ends_with("(5b5d)"));
    let error = decode_object(br#"{"kind":1}"#, ContentType::Json).unwrap_err();
    assert_eq!(error.to_string(), "json: cannot unmarshal number into Go struct field .kind of type string");
}

#[test]
fn plain_yaml_scalars_follow_yaml_1_1() {
    let text = "a: yes\nb: off\nc: ~\nd: 0x1f\ne: 010\nf: 1_000\ng: 1.5e3\nh: 08\ni: '010'\nj: 2001-01-01\nk: 1e999\nl: .5\n\
                m: 18446744073709551615\nn1: -0b11\no: 1:30\np: +12\nq: \"yes\"\nr: !!str 5\ns: !!float 5\nt: 1.0\n";
    assert_eq!(
        yaml(text),
        json!({
            "a": true, "b": false, "c": null, "d": 31, "e": 8, "f": 1000, "g": 1500, "h": 8, "i": "010", "j": "2001-01-01",
            "k": "1e999", "l": 0.5, "m": 18_446_744_073_709_551_615.0_f64, "n1": -3, "o": "1:30", "p": 12, "q": "yes", "r": "5",
            "s": 5, "t": 1
        })
    );
}

#[test]
fn yaml_keys_become_texts() {
    assert_eq!(yaml("1: a\ntrue: b\n1.5: c\n"), json!({"1": "a", "true": "b", "1.5": "c"}));
    assert!(yaml_refusal("? [a]\n: b\n").contains("invalid map key"));
}

#[test]
fn a_yaml_key_given_twice_is_told_by_its_line() {
    let decoded = decode(b"a: 1\nb: 2\na: 3\n", ContentType::Yaml).unwrap();
    assert_eq!(decoded.value, json!({"a": 3, "b": 2}));
    assert_eq!(decoded.duplicates, ["yaml: unmarshal errors:\n  line 3: key \"a\" already set in map"]);
}

#[test]
fn only_the_first_yaml_document_is_read() {
    assert_eq!(yaml("a: 1\n---\nb: ["), json!({"a": 1}));
    assert_eq!(yaml(""), json!(null));
    assert_eq!(yaml("# nothing\n"), json!(null));
}

#[test]
fn yaml_aliases_and_merges_are_resolved() {
    let text = "base: &b {x: 1, z: 2}\ncopy: *b\nmerged:\n  <<: *b\n  z: 3\n";
    assert_eq!(yaml(text), json!({"base": {"x": 1, "z": 2}, "copy": {"x": 1, "z": 2}, "merged": {"x": 1, "z": 3}}));
    assert!(yaml_refusal("a: &a [*a]").contains("contains itself"));
    assert!(yaml_refusal("a: *nobody").starts_with("yaml: "));
}

#[test]
fn a_laughing_bomb_of_aliases_is_refused() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 9].join(",");
        let _ = writeln!(text, "a{level}: &a{level} [{items}]");
    }
    assert_eq!(yaml_refusal(&text), "yaml: document contains excessive aliasing");
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), vec!["*a"; 90].join(","));
    assert_eq!(yaml_refusal(&text), "yaml: document contains excessive aliasing");
}

#[test]
fn what_json_cannot_tell_is_refused() {
    assert_eq!(yaml_refusal("a: .inf"), "json: unsupported value: +Inf");
    assert_eq!(yaml_refusal("a: !!int abc"), "yaml: cannot decode !!str `abc` as a !!int");
}

#[test]
fn json_is_written_as_go_writes_it() {
    let value = json!({"a": "<&>\u{2028}ü€", "b": 1e21, "c": 1e20, "d": 1.5e-7, "e": 0.000_001, "f": [], "g": {}, "h": "\u{1}\n"});
    let text = String::from_utf8(encode(&value)).unwrap();
    assert_eq!(
        text,
        r#"{"a":"\u003c\u0026\u003e\u2028ü€","b":1e+21,"c":100000000000000000000,"d":1.5e-7,"e":0.000001,"f":[],"g":{},"h":"\u0001\n"}"#
    );
    assert_eq!(encode_pretty(&json!({"a": [1]})), b"{\n  \"a\": [\n    1\n  ]\n}");
}

#[test]
fn written_yaml_keeps_texts_texts() {
    let value = json!({"a": "yes", "b": "1", "c": "010", "d": "", "e": "null", "f": "a: b", "g": ["x", {"y": "- z"}], "h": "a\nb\n"});
    let text = encode_yaml(&value);
    assert_eq!(yaml(&text), value, "{text}");
    assert!(text.contains("g:\n- x\n"), "{text}");
}

#[test]
fn texts_are_quoted_as_go_quotes_them() {
    assert_eq!(go_quote("a\"\\\u{7}\0\n\u{7f}ü\u{a0}\u{200b}😀"), r#""a\"\\\a\x00\n\x7fü\u00a0\u200b😀""#);
}

#[test]
fn floats_are_shown_as_go_shows_them() {
    for (value, text) in [
        (0.5, "0.5"),
        (0.0, "0"),
        (1e5, "100000"),
        (1e6, "1e+06"),
        (123_456_789.0, "1.23456789e+08"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
    ] {
        assert_eq!(go_g(value), text);
    }
}

/// Any tree without floats that are whole numbers, which may be read as integers.
pub(crate) fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("whole", |value| value.fract() != 0.0 && value.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::String),
        "[-+.0-9exy:_~ ]{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(value in tree()) {
        let decoded = decode(&encode(&value), ContentType::Json).unwrap();
        prop_assert_eq!(&decoded.value, &value);
        prop_assert!(decoded.duplicates.is_empty());
        prop_assert_eq!(decode(&encode_pretty(&value), ContentType::Json).unwrap().value, value);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, ContentType::Json);
        let _ = decode(&bytes, ContentType::Yaml);
    }

    #[test]
    fn any_brackets_are_read_or_refused(text in "[\\[\\]{}:,\"a1\\\\ \n&*-]{0,300}") {
        let ours = decode(text.as_bytes(), ContentType::Json);
        prop_assert_eq!(ours.is_ok(), serde_json::from_str::<Value>(&text).is_ok());
        let _ = decode(text.as_bytes(), ContentType::Yaml);
    }

    #[test]
    fn yaml_that_was_written_is_read_back(text in "[ -~\n]{0,40}", key in "[a-z<~.0-9]{1,5}") {
        let value = json!({ key: [text] });
        prop_assert_eq!(yaml(&encode_yaml(&value)), value);
    }
}
