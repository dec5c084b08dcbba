//! What a caller is told besides the answer: `Warning` headers.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Collects warnings over a request's life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings {
    texts: Arc<Mutex<Vec<String>>>,
}

const WARNING: HeaderName = HeaderName::from_static("warning");
/// How much text all warnings of an answer hold together: `truncateAtTotalRunes` of `k8s.io/apiserver/pkg/endpoints/filters/warning.go`.
const MOST_CHARS: usize = 4096;

impl Warnings {
    /// Adds a warning; one that is there already is not said twice.
    pub(crate) fn add(&self, text: impl Into<String>) {
        let text = text.into();
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }

    /// Writes them as headers.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = MOST_CHARS;
        for text in texts.iter() {
            let shown: String = text.chars().take(left).collect();
            left = left.saturating_sub(shown.chars().count());
            if shown.is_empty() {
                break;
            }
            let quoted = shown.replace('\\', "\\\\").replace('"', "\\\"").replace(['\r', '\n'], " ");
            if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
                headers.append(WARNING, value);
            }
        }
    }
}
