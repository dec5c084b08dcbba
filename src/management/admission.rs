//! Admission as kube-apiserver asks for it: an `AdmissionReview` of `admission.k8s.io/v1`, answered by the kinds' validators.

use apimachinery::field::FieldError;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    modules::{Caller, GROUP, Kind, Refused, Review},
    world::World,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    api_version: String,
    kind: String,
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    resource: Resource,
    #[serde(default)]
    name: String,
    #[serde(default)]
    user_info: UserInfo,
    object: Option<Value>,
    old_object: Option<Value>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    group: String,
    resource: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UserInfo {
    username: String,
    groups: Vec<String>,
}

/// A body that is no review: there is nobody to answer.
#[derive(Debug, thiserror::Error)]
pub enum NoReview {
    /// No JSON of this form.
    #[error("the body is no AdmissionReview: {0}")]
    Form(#[from] serde_json::Error),
    /// Another version, or no request in it.
    #[error("expected an AdmissionReview of `admission.k8s.io/v1` with a request")]
    Version,
}

/// Answers a review. What the validators do not know is refused, not let through.
///
/// # Errors
/// A body that is no review.
pub fn review(kinds: &[Kind], world: &World, body: &[u8]) -> Result<Value, NoReview> {
    let envelope: Envelope = serde_json::from_slice(body)?;
    let request = envelope
        .request
        .filter(|_| envelope.api_version == "admission.k8s.io/v1" && envelope.kind == "AdmissionReview")
        .ok_or(NoReview::Version)?;
    let kind = kinds.iter().find(|kind| request.resource.group == GROUP && kind.plural() == request.resource.resource);
    let answer = match (kind, &request.object) {
        (None, _) => refuse(StatusCode::FORBIDDEN, "Forbidden", "this kind is not validated here", &[]),
        // A deletion takes nothing into force.
        (Some(_), None | Some(Value::Null)) => json!({"allowed": true}),
        (Some(kind), Some(object)) => {
            let caller = Caller { user: request.user_info.username, groups: request.user_info.groups };
            let old = request.old_object.as_ref().filter(|old| !old.is_null());
            match kind.validate(&Review { old, new: object, caller: &caller, world }) {
                Ok(errors) if errors.is_empty() => json!({"allowed": true}),
                Ok(errors) => invalid(&request.resource.resource, &request.name, &errors),
                Err(error @ Refused::Unreadable { .. }) => {
                    refuse(StatusCode::BAD_REQUEST, "BadRequest", &error.to_string(), &[])
                }
                Err(Refused::Forbidden(why)) => refuse(StatusCode::FORBIDDEN, "Forbidden", &why, &[]),
            }
        }
    };
    let mut response = answer;
    if let Some(fields) = response.as_object_mut() {
        fields.insert("uid".to_owned(), request.uid.into());
    }
    Ok(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
}

fn invalid(resource: &str, name: &str, errors: &[FieldError]) -> Value {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let all = match texts.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let message = format!("{resource}.{GROUP} {name:?} is invalid: {all}");
    let causes: Vec<Value> = errors.iter().map(|error| json!(error.cause())).collect();
    refuse(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", &message, &causes)
}

fn refuse(code: StatusCode, reason: &str, message: &str, causes: &[Value]) -> Value {
    let mut status = json!({"status": "Failure", "code": code.as_u16(), "reason": reason, "message": message});
    if let Some(fields) = status.as_object_mut().filter(|_| !causes.is_empty()) {
        fields.insert("details".to_owned(), json!({"causes": causes}));
    }
    json!({"allowed": false, "status": status})
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::review;
    use crate::{modules, world::World};

    fn ask(resource: &str, user: &str, object: &Value, old: &Value) -> Value {
        let kinds: Vec<_> = modules::all().iter().flat_map(|module| module.kinds()).collect();
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1-2", "resource": {"group": "management.cattle.io", "version": "v3", "resource": resource},
            "name": "x", "operation": "CREATE", "userInfo": {"username": user, "groups": []},
            "object": object, "oldObject": old,
        }});
        let answer = review(&kinds, &World::default(), &serde_json::to_vec(&body).unwrap()).unwrap();
        assert_eq!(answer["response"]["uid"], "1-2");
        answer["response"].clone()
    }

    fn user(principals: &[&str], display_name: &str) -> Value {
        json!({"apiVersion": "management.cattle.io/v3", "kind": "User", "metadata": {"name": "u-a"},
            "principalIds": principals, "displayName": display_name})
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field_in_the_words_of_kubernetes() {
        let answer = ask("users", "jo", &user(&["nonsense"], ""), &Value::Null);
        assert_eq!(answer["allowed"], false);
        assert_eq!(answer["status"]["code"], 422);
        assert_eq!(answer["status"]["reason"], "Invalid");
        assert_eq!(
            answer["status"]["message"],
            "users.management.cattle.io \"x\" is invalid: principalIds[0]: Forbidden: expected `<provider>_user://<id>`, \
             found `nonsense`"
        );
        assert_eq!(answer["status"]["details"]["causes"][0]["field"], "principalIds[0]");
    }

    #[test]
    fn what_was_wrong_before_can_stay_while_something_else_changes() {
        let old = user(&["nonsense"], "");
        assert_eq!(ask("users", "jo", &user(&["nonsense"], "A"), &old)["allowed"], true);
        assert_eq!(ask("users", "jo", &user(&["nonsense", "worse"], ""), &old)["allowed"], false);
    }

    #[test]
    fn a_token_in_plain_text_is_refused_and_not_repeated() {
        let token = json!({"metadata": {"name": "t"}, "token": "drover_secret", "userId": "u-a"});
        for caller in ["jo", "drover:operator"] {
            let answer = ask("tokens", caller, &token, &Value::Null);
            assert_eq!(answer["allowed"], false);
            assert!(!answer.to_string().contains("drover_secret"));
        }
        let hash = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let token = |hash: String, user: &str| json!({"metadata": {"name": "t"}, "token": hash, "userId": user});
        let (old, operator) = (token(hash("a"), "u-a"), "drover:operator");
        assert_eq!(ask("tokens", operator, &old, &Value::Null)["allowed"], true);
        assert_eq!(ask("tokens", operator, &token(hash("a"), "u-b"), &old)["allowed"], false);
        assert_eq!(ask("tokens", operator, &token(hash("b"), "u-a"), &old)["allowed"], false);
    }

    /// T11.
    #[test]
    fn who_may_write_tokens_can_describe_them_and_switch_them_off_and_no_more() {
        let token = |fields: &Value| {
            let mut token = json!({"metadata": {"name": "t", "labels": {"authn.management.cattle.io/kind": "refresh"}},
                "token": format!("sha256:{}", "a".repeat(64)), "userId": "u-a", "clusterName": "c-1",
                "expiresAt": "2030-01-01T00:00:00Z", "enabled": true});
            token.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            token
        };
        let old = token(&json!({}));
        let refused = ask("tokens", "jo", &old, &Value::Null);
        assert_eq!((&refused["allowed"], &refused["status"]["code"]), (&json!(false), &json!(403)));
        for allowed in [json!({"description": "mine"}), json!({"enabled": false})] {
            assert_eq!(ask("tokens", "jo", &token(&allowed), &old)["allowed"], true, "{allowed}");
        }
        let off = token(&json!({"enabled": false}));
        assert_eq!(ask("tokens", "jo", &old, &off)["status"]["code"], 403, "switched on");
        for more in [
            json!({"userId": "u-admin"}),
            json!({"token": format!("sha256:{}", "b".repeat(64))}),
            json!({"clusterName": null}),
            json!({"clusterName": "local"}),
            json!({"expiresAt": "2040-01-01T00:00:00Z"}),
            json!({"groupPrincipals": ["corp_group://admins"]}),
            json!({"idleTtl": 0}),
            json!({"authProvider": "local"}),
            json!({"metadata": {"name": "t"}}),
            json!({"metadata": {"name": "t", "labels": {"authn.management.cattle.io/kind": "session"}}}),
        ] {
            assert_eq!(ask("tokens", "jo", &token(&more), &old)["status"]["code"], 403, "{more}");
        }
    }

    /// T11.
    #[test]
    fn what_providers_say_of_a_user_is_written_by_sign_in_alone() {
        let attribute = |fields: &Value| {
            let mut attribute = json!({"metadata": {"name": "u-a"}, "userName": "u-a",
                "groupPrincipals": {"corp": {"items": ["corp_group://dev"]}}});
            attribute.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            attribute
        };
        let old = attribute(&json!({}));
        assert_eq!(ask("userattributes", "jo", &old, &Value::Null)["status"]["code"], 403);
        let more = attribute(&json!({"groupPrincipals": {"corp": {"items": ["corp_group://admins"]}}}));
        assert_eq!(ask("userattributes", "jo", &more, &old)["status"]["code"], 403);
        assert_eq!(ask("userattributes", "jo", &attribute(&json!({"needsRefresh": true})), &old)["allowed"], true);
        assert_eq!(ask("userattributes", "drover:signin", &more, &old)["allowed"], true);
    }

    #[test]
    fn only_the_config_folder_names_files_of_this_machine() {
        let cluster =
            json!({"metadata": {"name": "c-1"}, "spec": {"upstream": {"kubeconfig": {"file": "/etc/shadow"}}}});
        assert_eq!(ask("clusters", "jo", &cluster, &Value::Null)["allowed"], false);
        assert_eq!(ask("clusters", "drover:config", &cluster, &Value::Null)["allowed"], true);
    }

    #[test]
    fn a_binding_has_one_subject_and_its_clusters_namespace() {
        let binding = |namespace: &str, more: Value| {
            let mut object = json!({"metadata": {"name": "b", "namespace": namespace}, "clusterName": "c-1",
                "roleTemplateName": "view", "userName": "u-a"});
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            object
        };
        let resource = "clusterroletemplatebindings";
        assert_eq!(ask(resource, "jo", &binding("c-1", json!({})), &Value::Null)["allowed"], true);
        assert_eq!(ask(resource, "jo", &binding("c-2", json!({})), &Value::Null)["allowed"], false);
        assert_eq!(ask(resource, "jo", &binding("c-1", json!({"groupName": "g"})), &Value::Null)["allowed"], false);
    }

    #[test]
    fn a_kind_that_nobody_validates_and_an_unreadable_object_are_refused() {
        assert_eq!(ask("projects", "jo", &json!({}), &Value::Null)["allowed"], false);
        let answer = ask("users", "jo", &json!({"metadata": {"name": "u"}, "enabled": "yes"}), &Value::Null);
        assert_eq!(answer["status"]["code"], 400);
        // A deletion has no object.
        assert_eq!(ask("users", "jo", &Value::Null, &user(&[], ""))["allowed"], true);
    }

    #[test]
    fn a_body_that_is_no_review_gets_no_verdict() {
        for body in ["", "{}", r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":null}"#] {
            assert!(review(&[], &World::default(), body.as_bytes()).is_err(), "{body}");
        }
    }
}
