//! Input: bytes of a directory's, which are a message or refused; as text a DN, and a login name that becomes a filter.
#![no_main]

use drover::identity::providers::ldap::{ber, dn::Dn, filter};
use ldap3::{
    ResultEntry, SearchEntry,
    asn1::{Tag, parse_tag},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = ber::request(input);
    if let Ok(Some(whole)) = ber::frame(input) {
        assert!(whole <= input.len());
        if ber::answer(&input[..whole]).is_ok() {
            // What is let through, the LDAP library reads.
            let (rest, message) = parse_tag(&input[..whole]).expect("it was read");
            assert!(rest.is_empty());
            let operation = message.expect_constructed().expect("a sequence").swap_remove(1);
            if operation.id == 4 {
                let _ = SearchEntry::construct(ResultEntry::new(operation));
            }
        }
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(read) = Dn::parse(text) {
        assert_eq!(Dn::parse(&read.to_string()).as_ref(), Some(&read));
        assert!(read.is_under(&Dn::default()));
        let _ = read.domain();
    }
    // Whatever a name is, it is one value of one equality.
    let Ok(Tag::Sequence(equality)) = ldap3::parse_filter(filter::equals("uid", text)) else { panic!("{text:?}") };
    assert_eq!(equality.id, 3);
    let parts: Vec<&[u8]> = equality
        .inner
        .iter()
        .filter_map(|tag| match tag {
            Tag::OctetString(part) => Some(part.inner.as_slice()),
            _ => None,
        })
        .collect();
    assert_eq!(parts, [b"uid".as_slice(), input]);
    if let Ok(whole) = filter::of_administrator(text) {
        assert!(ldap3::parse_filter(filter::all([whole])).is_ok());
    }
});
