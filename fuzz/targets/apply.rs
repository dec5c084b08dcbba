//! Input: a stored object, a line feed, an applied one. No panic; who applies twice changes nothing the second time.
#![no_main]

use apimachinery::apply::{Context, FieldSet, Managed, OneVersion, applied, updated};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).ok().filter(Value::is_object);
    let (Some(live), Some(config)) = (read(&input[..end]), read(&input[end + 1..])) else { return };
    let reset = FieldSet::of(&[&["status"]]);
    let context = Context {
        manager: "kubectl",
        api_version: "v1",
        kind: "K",
        subresource: "",
        now: Timestamp::UNIX_EPOCH,
        schema: None,
        reset: &reset,
        empty: None,
        versions: &OneVersion,
    };
    for owner in Managed::of(&updated(Some(&live), config.clone(), &context)).unwrap_or_default() {
        assert_eq!(FieldSet::from_fields_v1(&owner.fields.to_fields_v1()).unwrap(), owner.fields);
    }
    let Ok(once) = applied(Some(&live), &config, true, &context) else { return };
    if let Ok(twice) = applied(Some(&once), &config, true, &context) {
        assert_eq!(Managed::of(&once).unwrap().len(), Managed::of(&twice).unwrap().len());
    }
});
