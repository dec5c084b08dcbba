//! Where the events of a watch end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use apimachinery::frames::{FrameEnd, Framing};
use proptest::prelude::*;

#[test]
fn the_framing_follows_from_the_content_type() {
    for (content_type, framing) in [
        ("application/json", Some(Framing::Lines)),
        ("application/json;stream=watch", Some(Framing::Lines)),
        ("Application/JSON; charset=utf-8", Some(Framing::Lines)),
        ("application/json;as=Table;v=v1;g=meta.k8s.io", Some(Framing::Lines)),
        ("application/vnd.kubernetes.protobuf;stream=watch", Some(Framing::LengthDelimited)),
        ("application/cbor-seq", None),
        ("text/plain", None),
        ("", None),
    ] {
        assert_eq!(Framing::of(content_type), framing, "{content_type}");
    }
}

#[test]
fn a_json_watch_stands_between_events_after_a_line_feed() {
    let mut frames = FrameEnd::new(Framing::Lines);
    assert!(frames.is_between());
    frames.passed(b"{\"type\":\"ADD");
    assert!(!frames.is_between());
    frames.passed(b"");
    assert_eq!(frames.end_within(b"ED\"}"), None);
    assert_eq!(frames.end_within(b"ED\"}\n{\"type\""), Some(5));
    frames.passed(b"ED\"}\n");
    assert!(frames.is_between());
    assert_eq!(frames.end_within(b"{}\n"), Some(0));
}

#[test]
fn a_protobuf_watch_stands_between_events_after_each_length_of_bytes() {
    let mut frames = FrameEnd::new(Framing::LengthDelimited);
    assert!(frames.is_between());
    frames.passed(&[0, 0]);
    assert!(!frames.is_between());
    assert_eq!(frames.end_within(&[0, 2, b'\n']), None);
    assert_eq!(frames.end_within(&[0, 2, b'\n', b'x', 0]), Some(4));
    frames.passed(&[0, 2, b'\n', b'x']);
    assert!(frames.is_between());
    frames.passed(&[0, 0, 0, 0]);
    assert!(frames.is_between());
    frames.passed(&[0xff, 0xff, 0xff, 0xff]);
    frames.passed(&[0; 1000]);
    assert!(!frames.is_between());
}

fn body(framing: Framing, events: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    for event in events {
        match framing {
            Framing::Lines => {
                bytes.extend(event.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
                bytes.push(b'\n');
            }
            Framing::LengthDelimited => {
                bytes.extend(u32::try_from(event.len()).unwrap().to_be_bytes());
                bytes.extend(event);
            }
        }
        ends.push(bytes.len());
    }
    (bytes, ends)
}

proptest! {
    /// However the body is cut into chunks, ends are found where they are and nowhere else.
    #[test]
    fn ends_are_found_wherever_the_chunks_are_cut(
        lines in any::<bool>(),
        events in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..8),
        cuts in prop::collection::vec(0_usize..200, 0..10),
    ) {
        let framing = if lines { Framing::Lines } else { Framing::LengthDelimited };
        let (bytes, ends) = body(framing, &events);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let mut frames = FrameEnd::new(framing);
        for pair in cuts.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            prop_assert_eq!(frames.is_between(), ends.contains(&from));
            let next = ends.iter().find(|end| **end >= from && **end <= to).map(|end| end - from);
            prop_assert_eq!(frames.end_within(&bytes[from..to]), next);
            frames.passed(&bytes[from..to]);
        }
        prop_assert!(frames.is_between());
    }
}
