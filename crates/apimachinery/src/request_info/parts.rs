//! The segments of a path, found in one walk without allocating.

/// As many segments as any form of request has in front of its tail, and one more for the tail.
const MOST: usize = 10;

/// What is left of a path, as segments; slashes at its two ends do not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    text: &'a str,
    /// Where each segment begins.
    starts: [usize; MOST],
    /// How many segments were found, at most [`MOST`]; the last of so many holds all that follow.
    count: usize,
    /// How many of them are behind.
    passed: usize,
}

impl<'a> Parts<'a> {
    /// All segments of `path`.
    pub(super) fn of(path: &'a str) -> Self {
        let text = path.trim_matches('/');
        let mut starts = [0; MOST];
        let mut count = usize::from(!text.is_empty());
        for (at, byte) in text.bytes().enumerate() {
            if byte == b'/' {
                let Some(start) = starts.get_mut(count) else {
                    break;
                };
                *start = at + 1;
                count += 1;
            }
        }
        Self { text, starts, count, passed: 0 }
    }

    /// Whether there are at least `count` segments.
    pub(super) fn has(&self, count: usize) -> bool {
        self.count >= self.passed + count
    }

    /// The segment with this number, counted from 0; empty when there is none.
    pub(super) fn at(&self, index: usize) -> &'a str {
        let index = self.passed + index;
        if index >= self.count {
            return "";
        }
        let start = self.starts.get(index).copied().unwrap_or_default();
        let end = if index + 1 < self.count {
            self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1)
        } else {
            self.text.len()
        };
        self.text.get(start..end).unwrap_or_default()
    }

    /// Leaves the first `count` segments behind.
    pub(super) fn pass(&mut self, count: usize) {
        self.passed += count;
    }

    /// The segments from `index` on, with the slashes between them.
    pub(super) fn from(&self, index: usize) -> &'a str {
        let index = self.passed + index;
        if index >= self.count {
            return "";
        }
        self.starts.get(index).and_then(|start| self.text.get(*start..)).unwrap_or_default()
    }
}
