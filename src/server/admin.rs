//! What the admin of this machine can do to the running server: a Unix socket that only its user can open.
//!
//! `GET /streams`, `DELETE /streams/<id>`.

use std::{convert::Infallible, fs, io, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use apimachinery::status::Status;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;

use super::workers::Handle;
use crate::gateway::{Body, reply};

/// Opens the socket; one that a dead server left is replaced.
///
/// # Errors
/// When the folder cannot be written, or a live server holds the socket.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server holds it"));
    }
    let new = path.with_extension("new");
    let _ = fs::remove_file(&new);
    let listener = std::os::unix::net::UnixListener::bind(&new)?;
    // The permissions are set before the name is known.
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Serves the socket until the process ends.
pub async fn serve(listener: UnixListener, workers: Arc<[Handle]>) {
    while let Ok((stream, _)) = listener.accept().await {
        let workers = Arc::clone(&workers);
        let service = service_fn(move |request| {
            let response = answer(&request, &workers);
            async move { Ok::<_, Infallible>(response) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn answer(request: &Request<Incoming>, workers: &[Handle]) -> Response<Body> {
    let path = request.uri().path();
    match (request.method(), path.strip_prefix("/streams")) {
        (&Method::GET, Some("" | "/")) => {
            let mut streams: Vec<_> = workers.iter().flat_map(|handle| handle.worker.streams.list()).collect();
            streams.sort_by(|one, other| one.since.cmp(&other.since).then_with(|| one.id.cmp(&other.id)));
            json(&streams)
        }
        (&Method::DELETE, Some(id)) if id.starts_with('/') => {
            let id = id.trim_start_matches('/');
            if workers.iter().any(|handle| handle.worker.streams.kill(id)) {
                json(&serde_json::json!({"killed": id}))
            } else {
                reply::status(&Status::not_found("", "streams", id))
            }
        }
        (_, Some(_)) => reply::status(&Status::method_not_allowed()),
        _ => reply::status(&Status::no_such_path()),
    }
}

fn json(value: &impl serde::Serialize) -> Response<Body> {
    // INVARIANT: strings and numbers only, which serde_json always writes.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::full(Bytes::from(bytes)));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
