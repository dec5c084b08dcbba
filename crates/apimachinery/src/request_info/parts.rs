//! The segments of a path, walked without allocating.

/// What is left of a path, as segments; slashes at its two ends do not count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    rest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// All segments of `path`.
    pub(super) fn of(path: &'a str) -> Self {
        let trimmed = path.trim_matches('/');
        Self { rest: (!trimmed.is_empty()).then_some(trimmed) }
    }

    /// Whether there are at least `count` segments.
    pub(super) fn has(self, count: usize) -> bool {
        count == 0 || self.rest.is_some_and(|rest| rest.split('/').nth(count - 1).is_some())
    }

    /// The first segment; empty when there is none.
    pub(super) fn first(self) -> &'a str {
        self.rest.map_or("", |rest| rest.split_once('/').map_or(rest, |(first, _)| first))
    }

    /// The segments after the first `count`.
    pub(super) fn after(self, count: usize) -> Self {
        let mut rest = self.rest;
        for _ in 0..count {
            rest = rest.and_then(|text| text.split_once('/')).map(|(_, after)| after);
        }
        Self { rest }
    }

    /// The segments with the slashes between them.
    pub(super) fn text(self) -> &'a str {
        self.rest.unwrap_or_default()
    }
}
