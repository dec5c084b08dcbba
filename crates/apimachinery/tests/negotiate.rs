//! Content negotiation: what kubectl, client-go, controller-runtime and people send, and what they get.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use apimachinery::negotiate::{
    Answer, ContentType, Endpoint, Form, Media, MetaVersion, PatchType, accept, aggregated_discovery, content_type,
    patch_type,
};
use apimachinery::target::Query;
use http::{HeaderMap, HeaderName, HeaderValue, header};

const KUBECTL: &str =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

fn answer(text: &str, endpoint: Endpoint) -> Result<Answer, String> {
    accept(&headers(&[(header::ACCEPT, text)]), Query::default(), endpoint).map_err(|error| error.to_string())
}

fn plain(media: Media) -> Answer {
    Answer { form: Form::Plain, media, pretty: false }
}

fn json(form: Form) -> Answer {
    Answer { form, media: Media::Json, pretty: false }
}

#[test]
fn what_clients_send_is_answered_in_their_best_form() {
    for (text, expected) in [
        ("", plain(Media::Json)),
        ("*/*", plain(Media::Json)),
        ("*", plain(Media::Json)),
        ("application/*", plain(Media::Json)),
        ("application/yaml", plain(Media::Yaml)),
        ("application/json;q=0.5,application/yaml", plain(Media::Yaml)),
        ("application/yaml;q=0.5,application/json", plain(Media::Json)),
        ("application/vnd.kubernetes.protobuf,application/json", plain(Media::Json)),
        ("application/vnd.kubernetes.protobuf,*/*", plain(Media::Json)),
        ("application/cbor;q=1,application/json;q=0.9", plain(Media::Json)),
        ("text/html, */*;q=0.1", plain(Media::Json)),
        (KUBECTL, json(Form::Table(MetaVersion::V1))),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", json(Form::Table(MetaVersion::V1Beta1))),
        (
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
            json(Form::PartialMetadataList(MetaVersion::V1)),
        ),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", json(Form::PartialMetadata(MetaVersion::V1))),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", plain(Media::Json)),
        ("application/json;stream=watch", plain(Media::Json)),
        ("application/json;sv=v1", plain(Media::Json)),
        ("application/json;pretty=1", Answer { form: Form::Plain, media: Media::Json, pretty: true }),
    ] {
        assert_eq!(answer(text, Endpoint::Objects), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_served_is_refused_with_what_is() {
    // Kubernetes' own list, so that its clients read the same text; they accept JSON beside protobuf.
    let known = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    let refused = Err(format!("only the following media types are accepted: {known}"));
    for text in [
        "application/vnd.kubernetes.protobuf",
        "application/cbor",
        "text/html",
        "json",
        "application/json;as=Table;v=v1",
        "application/json;as=Pod;g=meta.k8s.io;v=v1",
        "application/yaml;stream=watch",
        "application/json;stream=other",
        "application/json;sv=v2",
    ] {
        assert_eq!(answer(text, Endpoint::Objects), refused, "{text}");
    }
    assert_eq!(answer("application/json;as=Table;v=v1;g=meta.k8s.io", Endpoint::Document), refused);
    assert_eq!(answer(KUBECTL, Endpoint::Document), Ok(plain(Media::Json)));
}

#[test]
fn a_watch_is_json_only() {
    assert_eq!(
        answer("application/vnd.kubernetes.protobuf;stream=watch,application/json;stream=watch", Endpoint::Watch),
        Ok(plain(Media::Json))
    );
    assert_eq!(answer(KUBECTL, Endpoint::Watch), Ok(json(Form::Table(MetaVersion::V1))));
    assert_eq!(
        answer("application/yaml", Endpoint::Watch),
        Err("only the following media types are accepted: application/json;stream=watch, \
             application/vnd.kubernetes.protobuf;stream=watch"
            .to_owned())
    );
}

#[test]
fn people_get_indented_json_unless_they_say_no() {
    let pretty = |agent: &str, query: &str| {
        accept(&headers(&[(header::USER_AGENT, agent)]), Query::new(query), Endpoint::Objects).unwrap().pretty
    };
    assert!(pretty("curl/8.0", ""));
    assert!(pretty("Mozilla/5.0 (X11)", ""));
    assert!(!pretty("kubectl/v1.37", ""));
    assert!(pretty("kubectl/v1.37", "pretty=true"));
    assert!(!pretty("curl/8.0", "pretty=false"));
    assert!(!pretty("curl/8.0", "pretty=yes"));
    assert!(pretty("curl/8.0", "pretty="));
}

#[test]
fn aggregated_discovery_is_v2_only() {
    let asked = |text| aggregated_discovery(&headers(&[(header::ACCEPT, text)]));
    assert_eq!(
        asked(
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
        ),
        Some(Media::Json)
    );
    assert_eq!(
        asked("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer"),
        Some(Media::Json)
    );
    assert_eq!(
        asked("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"),
        None
    );
    assert_eq!(asked("application/json"), None);
}

#[test]
fn bodies_are_told_apart() {
    let found = |text: &str| content_type(&headers(&[(header::CONTENT_TYPE, text)])).map_err(|error| error.to_string());
    assert_eq!(content_type(&HeaderMap::new()), Ok(ContentType::Json));
    for (text, expected) in [
        ("application/json", ContentType::Json),
        ("Application/JSON; charset=utf-8", ContentType::Json),
        ("application/json;", ContentType::Json),
        (r#"application/json; a="b;\"c""#, ContentType::Json),
        ("application/yaml", ContentType::Yaml),
        ("application/vnd.kubernetes.protobuf", ContentType::Protobuf),
    ] {
        assert_eq!(found(text), Ok(expected), "{text}");
    }
    for text in ["text/plain", "application/cbor", "application/json; a", "application/json; a=b; A=c", "a b/c", "json"]
    {
        assert_eq!(
            found(text),
            Err("the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn patches_are_told_apart() {
    let found = |text: &str, strategic| {
        patch_type(&headers(&[(header::CONTENT_TYPE, text)]), strategic).map_err(|error| error.to_string())
    };
    assert_eq!(found("application/json-patch+json", false), Ok(PatchType::Json));
    assert_eq!(found("application/merge-patch+json; charset=utf-8", false), Ok(PatchType::Merge));
    assert_eq!(found("application/apply-patch+yaml", false), Ok(PatchType::Apply));
    assert_eq!(found("application/strategic-merge-patch+json", true), Ok(PatchType::StrategicMerge));
    let words = "the body of the request was in an unknown format - accepted media types include: ";
    let custom = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    assert_eq!(found("application/strategic-merge-patch+json", false), Err(format!("{words}{custom}")));
    assert_eq!(
        found("application/apply-patch+cbor", true),
        Err(format!(
            "{words}application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"
        ))
    );
}
