//! Content negotiation: which form a client gets, and which it sent, as `k8s.io/apiserver/pkg/endpoints/handlers/negotiation`
//! reads `Accept` and `Content-Type`.
//!
//! Objects are served as JSON and YAML. A client that prefers protobuf or CBOR and also takes JSON gets JSON.

mod accept;
mod media;

use http::{HeaderMap, header};

use crate::status::Status;
use crate::target::Query;
use accept::Wanted;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What the object is turned into.
    pub form: Form,
    /// How it is written.
    pub media: Media,
    /// Whether JSON is indented for people.
    pub pretty: bool,
}

/// What an object or a list is turned into for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Nothing; it is served as it is.
    Plain,
    /// `Table`.
    Table(MetaVersion),
    /// `PartialObjectMetadata`: of one object, and of each object in a watch.
    PartialMetadata(MetaVersion),
    /// `PartialObjectMetadataList`: of a list.
    PartialMetadataList(MetaVersion),
}

/// A version of `meta.k8s.io` that has tables and partial metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "versions")]
pub enum MetaVersion {
    V1,
    V1Beta1,
}

impl MetaVersion {
    /// `meta.k8s.io/v1` or `meta.k8s.io/v1beta1`.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "media types")]
pub enum Media {
    Json,
    Yaml,
}

impl Media {
    /// The `Content-Type` of the answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// What Kubernetes says that it takes and gives.
const SUPPORTED: &[&str] = &["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const STREAMS: &[&str] = &["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
const SERVED: [Media; 2] = [Media::Json, Media::Yaml];

/// What an endpoint can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Objects and lists, also as tables and partial metadata.
    Objects,
    /// Watch events, of the same forms; as lines of JSON only.
    Watch,
    /// A document that has one form: discovery, versions, reviews' statuses.
    Document,
}

/// No form that the client accepts is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only the following media types are accepted: {}", .supported.join(", "))]
pub struct NotAcceptable {
    supported: &'static [&'static str],
}

/// A body's form is not understood here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body of the request was in an unknown format - accepted media types include: {}", .supported.join(", "))]
pub struct UnsupportedMediaType {
    supported: &'static [&'static str],
}

impl From<NotAcceptable> for Status {
    fn from(refused: NotAcceptable) -> Self {
        Self::not_acceptable(refused.to_string())
    }
}

impl From<UnsupportedMediaType> for Status {
    fn from(refused: UnsupportedMediaType) -> Self {
        Self::unsupported_media_type(refused.to_string())
    }
}

/// The form that a client wants, from its `Accept` header, its `pretty` parameter and its `User-Agent`.
pub fn accept(headers: &HeaderMap, query: Query<'_>, endpoint: Endpoint) -> Result<Answer, NotAcceptable> {
    let header = text(headers, header::ACCEPT);
    if header.is_empty() {
        return Ok(Answer { form: Form::Plain, media: Media::Json, pretty: pretty(headers, query) });
    }
    for clause in accept::parse(header) {
        for media in SERVED.into_iter().filter(|media| clause.takes(media.content_type())) {
            let wanted = clause.wanted();
            let Some(form) = form(wanted, media, endpoint) else { continue };
            // What is preferred counts; a watch in YAML is refused, whatever else the client would take.
            if endpoint == Endpoint::Watch && media == Media::Yaml {
                return Err(NotAcceptable { supported: STREAMS });
            }
            return Ok(Answer { form, media, pretty: wanted.pretty || pretty(headers, query) });
        }
    }
    Err(NotAcceptable { supported: SUPPORTED })
}

/// What is said where no form that the client takes is to be had.
pub fn not_acceptable() -> NotAcceptable {
    NotAcceptable { supported: SUPPORTED }
}

/// Refuses a request that accepts none of the types that a route of a built-in kind is declared to give, before anything is looked at:
/// `detectRoute` of `emicklei/go-restful`, which compares types alone.
///
/// # Errors
/// None of the types is accepted.
pub fn check_accept(headers: &HeaderMap, list: bool) -> Result<(), Box<Status>> {
    let header = text(headers, header::ACCEPT);
    let accepts = |accepted: &str| {
        let media = accepted.split(';').next().unwrap_or_default().trim();
        media == "*/*" || SUPPORTED.contains(&media)
    };
    if header.is_empty() || header.split(',').any(accepts) {
        return Ok(());
    }
    let streams = if list { STREAMS } else { &[] };
    let all = [SUPPORTED, streams].concat().join(", ");
    let message = format!("406: Not Acceptable\n\nAvailable representations: {all}");
    Err(Status::not_acceptable(message).with_details().into())
}

/// The same for the body of a patch.
///
/// # Errors
/// No patch has this type.
pub fn check_patch(headers: &HeaderMap) -> Result<(), Box<Status>> {
    const PATCHES: [PatchType; 4] = [PatchType::Json, PatchType::Merge, PatchType::StrategicMerge, PatchType::Apply];
    let is_patch = |given: &str| {
        let media = given.split(';').next().unwrap_or_default().trim();
        media == "*/*" || PATCHES.iter().any(|patch| patch.content_type() == media)
    };
    if text(headers, header::CONTENT_TYPE).split(',').any(is_patch) {
        return Ok(());
    }
    Err(Status::unsupported_media_type("415: Unsupported Media Type").with_details().into())
}

/// The form that a clause asks for; None if the endpoint does not have it.
fn form(wanted: Wanted<'_>, media: Media, endpoint: Endpoint) -> Option<Form> {
    let streams = match wanted.stream {
        "" => true,
        "watch" => media == Media::Json,
        _ => false,
    };
    let version = match wanted.server_version {
        "" => true,
        version => endpoint != Endpoint::Document && version == "v1",
    };
    if !streams || !version {
        return None;
    }
    if !wanted.convert {
        return Some(Form::Plain);
    }
    let version = match (wanted.group, wanted.version) {
        _ if endpoint == Endpoint::Document => return None,
        ("meta.k8s.io", "v1") => MetaVersion::V1,
        ("meta.k8s.io", "v1beta1") => MetaVersion::V1Beta1,
        _ => return None,
    };
    match wanted.kind {
        "Table" => Some(Form::Table(version)),
        "PartialObjectMetadata" => Some(Form::PartialMetadata(version)),
        "PartialObjectMetadataList" => Some(Form::PartialMetadataList(version)),
        _ => None,
    }
}

/// How the aggregated discovery document (`APIGroupDiscoveryList` of `apidiscovery.k8s.io/v2`) is to be written, where the
/// client asks for it before any other form. `v2beta1` is served by no Kubernetes from 1.35 on.
pub fn aggregated_discovery(headers: &HeaderMap) -> Option<Media> {
    for clause in accept::parse(text(headers, header::ACCEPT)) {
        let wanted = clause.wanted();
        let asks =
            (wanted.group, wanted.version, wanted.kind) == ("apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList");
        if !asks || !wanted.server_version.is_empty() || !matches!(wanted.stream, "" | "watch") {
            continue;
        }
        if let Some(media) = SERVED.into_iter().find(|media| clause.takes(media.content_type())) {
            return Some(media);
        }
    }
    None
}

/// The first of `served` that the client takes, by the order of its preferences; the first for one without `Accept`.
/// Parameters of a served type (`…@v1.0+protobuf` has none) do not count.
pub fn best<'a>(headers: &HeaderMap, served: &[&'a str]) -> Option<&'a str> {
    let header = text(headers, header::ACCEPT);
    if header.is_empty() {
        return served.first().copied();
    }
    accept::parse(header).iter().find_map(|clause| served.iter().copied().find(|media| clause.takes(media)))
}

/// Whether JSON is to be indented: by `pretty`, else for the well-known tools of people.
fn pretty(headers: &HeaderMap, query: Query<'_>) -> bool {
    if let Some((_, value)) = query.pairs().find(|(key, _)| key == "pretty").filter(|(_, value)| !value.is_empty()) {
        return matches!(&*value, "1" | "t" | "T" | "TRUE" | "true" | "True");
    }
    let agent = text(headers, header::USER_AGENT);
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|tool| agent.starts_with(tool))
}

/// The form of an object's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "media types")]
pub enum ContentType {
    Json,
    Yaml,
    /// `application/vnd.kubernetes.protobuf`; only for built-in kinds and options.
    Protobuf,
}

/// The form of an object's body (create, update, options of a delete), from `Content-Type`; none is JSON.
pub fn content_type(headers: &HeaderMap) -> Result<ContentType, UnsupportedMediaType> {
    let header = text(headers, header::CONTENT_TYPE);
    if header.is_empty() {
        return Ok(ContentType::Json);
    }
    match media::parse(header).as_deref() {
        Some("application/json") => Ok(ContentType::Json),
        Some("application/yaml") => Ok(ContentType::Yaml),
        Some("application/vnd.kubernetes.protobuf") => Ok(ContentType::Protobuf),
        _ => Err(UnsupportedMediaType { supported: SUPPORTED }),
    }
}

/// The form of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Strategic merge, for built-in kinds.
    StrategicMerge,
    /// Server-side apply; the body is YAML, of which JSON is a part.
    Apply,
}

impl PatchType {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::StrategicMerge => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// The form of a patch, from `Content-Type`. `strategic`: whether the kind has strategic merge, as the built-in ones do.
pub fn patch_type(headers: &HeaderMap, strategic: bool) -> Result<PatchType, UnsupportedMediaType> {
    const BUILT_IN: &[&str] = &[
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ];
    const CUSTOM: &[&str] =
        &["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
    let header = text(headers, header::CONTENT_TYPE);
    // The text before the parameters counts as it is, other than for objects.
    let media = header.split_once(';').map_or(header, |(media, _)| media);
    [PatchType::Json, PatchType::Merge, PatchType::StrategicMerge, PatchType::Apply]
        .into_iter()
        .filter(|patch| strategic || *patch != PatchType::StrategicMerge)
        .find(|patch| patch.content_type() == media)
        .ok_or(UnsupportedMediaType { supported: if strategic { BUILT_IN } else { CUSTOM } })
}

/// The first value of a header; one that is no text counts as none.
fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
