//! Pieces of objects that many objects have in common, kept once.
//!
//! Objects of one kind that one client writes differ in `managedFields` by nothing but the time, and that is often a third of an object.
//! Which piece is looked for is a matter of memory only: an entry gives back what it was made of, whatever is shared of it.

use std::{collections::HashSet, ops::Range, sync::Arc};

use memchr::memmem;

/// Texts that are known at once.
const MOST: usize = 4_096;

/// Shorter than this, a text costs more when it is shared.
const WORTH_IT: usize = 128;

/// The known texts.
#[derive(Debug, Default)]
pub(super) struct Texts {
    known: HashSet<Arc<[u8]>>,
    /// Texts that found no room since it was last looked for some.
    missed: usize,
}

impl Texts {
    /// `text`, shared with all who have it; `None` if it is to stay where it is.
    pub(super) fn share(&mut self, text: &[u8]) -> Option<Arc<[u8]>> {
        if let Some(known) = self.known.get(text) {
            return Some(known.clone());
        }
        if self.known.len() >= MOST {
            self.missed += 1;
            if self.missed < MOST {
                return None;
            }
            self.missed = 0;
            // What only one object has is its own: it stays with that one, and makes room here.
            self.known.retain(|known| Arc::strong_count(known) > 2);
            if self.known.len() >= MOST {
                return None;
            }
        }
        let shared: Arc<[u8]> = text.into();
        self.known.insert(shared.clone());
        Some(shared)
    }
}

/// Where in an encoded object that is which it likely has in common with others: from the start of `managedFields` to the first time.
pub(super) fn common(value: &[u8]) -> Option<Range<usize>> {
    let start = memmem::find(value, b"\"managedFields\":[{")?;
    let length = memmem::find(value.get(start..)?, b",\"time\":\"")?;
    (length >= WORTH_IT && u32::try_from(start).is_ok()).then_some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_what_one_object_has_makes_room() {
        let mut texts = Texts::default();
        let (one, two) = (texts.share(b"often").unwrap(), texts.share(b"often").unwrap());
        assert!(Arc::ptr_eq(&one, &two));
        let owned: Vec<_> = (1..MOST).map(|number| texts.share(number.to_string().as_bytes()).unwrap()).collect();
        for _ in 1..MOST {
            assert!(texts.share(b"later").is_none());
        }
        assert!(texts.share(b"later").is_some());
        assert!(Arc::ptr_eq(&texts.share(b"often").unwrap(), &one));
        assert_eq!(owned.len(), MOST - 1);
    }

    #[test]
    fn owners_are_common_up_to_their_time() {
        let fields = "x".repeat(WORTH_IT);
        let value = format!(r#"{{"metadata":{{"managedFields":[{{"fieldsV1":"{fields}","time":"2026"}}]}}}}"#);
        let found = common(value.as_bytes()).unwrap();
        assert_eq!(&value[found.start..found.start + 18], r#""managedFields":[{"#.split_at(18).0);
        assert_eq!(&value[found.end..found.end + 9], r#","time":""#);
        assert_eq!(common(br#"{"managedFields":[{"time":"2026"}]}"#), None);
    }
}
