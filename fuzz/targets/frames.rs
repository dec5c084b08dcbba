//! Input: a byte for the framing, a byte for the size of chunks, a body. Cut or whole, the same ends are found.
#![no_main]

use apimachinery::frames::{FrameEnd, Framing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [framing, size, body @ ..] = input else { return };
    let framing = if framing % 2 == 0 { Framing::Lines } else { Framing::LengthDelimited };
    let mut whole = FrameEnd::new(framing);
    let mut cut = FrameEnd::new(framing);
    for chunk in body.chunks(usize::from(*size).max(1)) {
        let end = cut.end_within(chunk);
        assert_eq!(end == Some(0), cut.is_between());
        if let Some(end) = end {
            let mut ended = cut.clone();
            ended.passed(&chunk[..end]);
            assert!(ended.is_between());
        }
        cut.passed(chunk);
    }
    whole.passed(body);
    assert_eq!(whole.is_between(), cut.is_between());
});
