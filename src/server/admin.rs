//! What the admin of this machine can do to the running server: a Unix socket that only its user can open.
//!
//! `GET /streams`, `DELETE /streams/<id>`; `POST /backup` with `{"file": "/path"}`; and, below `/api` and `/apis`, the management plane
//! as [`OPERATOR`] sees it: whoever can open the socket could as well read the server's own files.

use std::{
    convert::Infallible,
    fs,
    future::Future,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use apimachinery::status::Status;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;

use super::workers::Handle;
use crate::{
    gateway::{Body, reply},
    management::{OPERATOR, Plane, PlaneError},
};

/// Bytes of a question of this socket's own.
const QUESTION: usize = 64 * 1024;
/// Bytes of an object, or of a list of many.
const ANSWER: usize = 256 << 20;

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

/// What the socket gives access to.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The workers, with their streams.
    pub workers: Arc<[Handle]>,
    /// The management plane, where it is more than a folder.
    pub plane: Option<Plane>,
}

impl Admin {
    /// Serves the socket until the process ends.
    ///
    /// # Errors
    /// A plane that no client can be made of.
    pub fn serve(self, listener: UnixListener) -> Result<impl Future<Output = ()> + Send + use<>, PlaneError> {
        let client = self.plane.as_ref().map(|plane| plane.client(Some(OPERATOR))).transpose()?;
        let shared = Arc::new((self, client));
        Ok(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.0.answer(request, shared.1.as_ref()).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        })
    }

    async fn answer(&self, request: Request<Incoming>, client: Option<&kube::Client>) -> Response<Body> {
        let path = request.uri().path();
        match (request.method(), path.strip_prefix("/streams")) {
            (&Method::GET, Some("" | "/")) => {
                let mut streams: Vec<_> = self.workers.iter().flat_map(|handle| handle.worker.streams.list()).collect();
                streams.sort_by(|one, other| one.since.cmp(&other.since).then_with(|| one.id.cmp(&other.id)));
                json(&streams)
            }
            (&Method::DELETE, Some(id)) if id.starts_with('/') => {
                let id = id.trim_start_matches('/');
                if self.workers.iter().any(|handle| handle.worker.streams.kill(id)) {
                    json(&serde_json::json!({"killed": id}))
                } else {
                    reply::status(&Status::not_found("", "streams", id))
                }
            }
            (_, Some(_)) => reply::status(&Status::method_not_allowed()),
            (&Method::POST, None) if path == "/backup" => self.backup(request).await,
            _ if path.starts_with("/api/") || path.starts_with("/apis/") => match client {
                Some(client) => forward(client, request).await,
                None => reply::status(&Status::no_such_path()),
            },
            _ => reply::status(&Status::no_such_path()),
        }
    }

    async fn backup(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(Plane::Embedded(embedded)) = &self.plane else {
            return reply::status(&Status::bad_request("only the embedded management plane is backed up here"));
        };
        let body = Limited::new(request.into_body(), QUESTION).collect().await.map(Collected::to_bytes);
        let asked = body.ok().and_then(|body| serde_json::from_slice::<Backup>(&body).ok());
        let Some(Backup { file }) = asked.filter(|asked| asked.file.is_absolute()) else {
            return reply::status(&Status::bad_request("expected `file`, an absolute path"));
        };
        match embedded.backup(&file).await {
            Ok(revision) => json(&serde_json::json!({"revision": revision})),
            Err(error) => reply::status(&Status::bad_request(whole(&error))),
        }
    }
}

/// What `POST /backup` takes.
#[derive(serde::Deserialize)]
struct Backup {
    file: PathBuf,
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Asks the management plane.
async fn forward(client: &kube::Client, request: Request<Incoming>) -> Response<Body> {
    let failed = |error: &dyn std::error::Error| reply::status(&Status::bad_gateway(whole(error)));
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(header::HOST);
    let body = match Limited::new(body, ANSWER).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return failed(&*error),
    };
    let mut asked = Request::new(kube::client::Body::from(body));
    *asked.method_mut() = parts.method;
    *asked.uri_mut() = parts.uri;
    *asked.headers_mut() = parts.headers;
    let answer = match client.send(asked).await {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    let (mut parts, body) = answer.into_parts();
    let body = match Limited::new(body, ANSWER).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return failed(&*error),
    };
    // Counted anew.
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::full(body))
}

fn json(value: &impl serde::Serialize) -> Response<Body> {
    // INVARIANT: strings and numbers only, which serde_json always writes.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::full(Bytes::from(bytes)));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
