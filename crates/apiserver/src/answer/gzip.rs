//! Large answers, made smaller for who takes that.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Response, header};

use crate::body::{Body, Parts};

/// From how many bytes on it is worth it: `defaultGzipThresholdBytes` of
/// `k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/writers.go`.
const WORTH_IT: usize = 128 * 1024;

/// Compresses a large answer of a request with these headers. Watches are never compressed: each event is to arrive at once.
pub(crate) fn compressed(response: Response<Body>, request: &HeaderMap) -> Response<Body> {
    let wanted = request
        .get(header::ACCEPT_ENCODING)
        .and_then(|codings| codings.to_str().ok())
        .is_some_and(|codings| codings.split(',').any(|coding| coding.trim() == "gzip"));
    if !wanted || response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let (made_of, place) = body.into_parts();
    let body = match made_of {
        Parts::Whole(bytes) if bytes.len() <= WORTH_IT => {
            return Response::from_parts(head, Body::from_parts(Parts::Whole(bytes), place));
        }
        Parts::Whole(bytes) => {
            let mut whole = encoder();
            // INVARIANT: writing to a `Vec` does not fail.
            let _ = whole.write_all(&bytes);
            Parts::Whole(whole.finish().unwrap_or_default().into())
        }
        Parts::Stream(chunks) => {
            let compressed = stream::unfold((chunks, Some(encoder())), |(mut chunks, encoder)| async move {
                let mut encoder = encoder?;
                loop {
                    let Some(chunk) = chunks.next().await else {
                        let rest = encoder.finish().unwrap_or_default();
                        return Some((Bytes::from(rest), (chunks, None)));
                    };
                    let _ = encoder.write_all(&chunk);
                    let ready = std::mem::take(encoder.get_mut());
                    if !ready.is_empty() {
                        return Some((Bytes::from(ready), (chunks, Some(encoder))));
                    }
                }
            });
            Parts::Stream(Box::pin(compressed))
        }
    };
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Response::from_parts(head, Body::from_parts(body, place))
}

fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::fast())
}
