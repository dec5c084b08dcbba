//! Recorded bodies: JSON only, on one line.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::json;

/// Appends `body` if it is JSON; says whether it was.
pub fn write(body: &[u8], omit_managed_fields: bool, out: &mut Vec<u8>) -> bool {
    let Ok(raw) = serde_json::from_slice::<&RawValue>(body) else { return false };
    if omit_managed_fields && raw.get().contains("managedFields") {
        object(raw, out);
    } else {
        one_line(raw, out);
    }
    true
}

/// INVARIANT: `raw` is valid JSON, where a line break can only be white space between tokens.
fn one_line(raw: &RawValue, out: &mut Vec<u8>) {
    for line in raw.get().split(['\n', '\r']) {
        out.extend_from_slice(line.as_bytes());
    }
}

/// The keys and values of an object, in their order and each as it was written.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

fn fields(raw: &RawValue, out: &mut Vec<u8>, mut value: impl FnMut(&str, &RawValue, &mut Vec<u8>) -> bool) {
    let Ok(Fields(fields)) = serde_json::from_str(raw.get()) else { return one_line(raw, out) };
    out.push(b'{');
    let mut first = true;
    for (key, raw) in fields {
        let start = out.len();
        if !first {
            out.push(b',');
        }
        json::string(&key, out);
        out.push(b':');
        if value(&key, raw, out) {
            first = false;
        } else {
            out.truncate(start);
        }
    }
    out.push(b'}');
}

/// An object without its `metadata.managedFields`; a list without those of its items.
fn object(raw: &RawValue, out: &mut Vec<u8>) {
    fields(raw, out, |key, raw, out| {
        match key {
            "metadata" => fields(raw, out, |key, raw, out| {
                let keep = key != "managedFields";
                if keep {
                    one_line(raw, out);
                }
                keep
            }),
            "items" => items(raw, out),
            _ => one_line(raw, out),
        }
        true
    });
}

fn items(raw: &RawValue, out: &mut Vec<u8>) {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else { return one_line(raw, out) };
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        object(item, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::write;

    fn written(body: &str, omit: bool) -> Option<String> {
        let mut out = Vec::new();
        write(body.as_bytes(), omit, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_body_is_written_on_one_line_and_otherwise_as_it_was() {
        assert_eq!(
            written("{\n \"a\": 1.50,\r\n \"b\": \"x\\ny\"\n}\n", false).unwrap(),
            r#"{ "a": 1.50, "b": "x\ny"}"#
        );
    }

    #[test]
    fn what_is_not_json_is_not_written() {
        for body in ["", "k8s\u{0}", "a: 1", "{\"a\":1} {", "{\"a\":\"\n\"}", &"[".repeat(10_000)] {
            assert_eq!(written(body, false), None);
        }
        assert!(!write(b"\"\xff\"", false, &mut Vec::new()));
    }

    #[test]
    fn managed_fields_are_left_out_of_objects_and_items() {
        let body = r#"{"kind":"List","metadata":{"managedFields":[]},"items":[{"metadata":{"name":"a","managedFields":[{"x":1}]},"spec":{"managedFields":1}},7]}"#;
        assert_eq!(
            written(body, true).unwrap(),
            r#"{"kind":"List","metadata":{},"items":[{"metadata":{"name":"a"},"spec":{"managedFields":1}},7]}"#
        );
        assert_eq!(written(body, false).unwrap(), body);
    }
}
