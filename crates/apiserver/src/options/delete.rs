//! Options of delete and deletecollection.

use apimachinery::{meta::options::DeleteOptions, status::Status, target::Query};
use serde_json::Value;

use super::{dry_run, flag, number, refuse};
use crate::{
    builtin::{Types, typed},
    failure::Outcome,
};

/// From the body when there is one, else from the query.
pub(crate) fn delete_options(types: &Types, query: Query<'_>, body: Option<Value>) -> Outcome<DeleteOptions> {
    let options = match body {
        Some(mut body) => {
            typed::read(types, "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", &mut body)
                .map_err(Status::bad_request)?;
            let options: DeleteOptions =
                serde_json::from_value(body).map_err(|wrong| Status::bad_request(wrong.to_string()))?;
            let (kind, version) = (options.kind.as_deref().unwrap_or_default(), options.api_version.as_deref());
            if !matches!(kind, "" | "DeleteOptions") {
                return Err(Status::bad_request(format!(
                    "no kind {kind:?} is registered for version {:?} in scheme \"{}\"",
                    version.unwrap_or_default(),
                    crate::incoming::SCHEME
                ))
                .into());
            }
            options
        }
        None => DeleteOptions {
            grace_period_seconds: number(query, "gracePeriodSeconds")?,
            orphan_dependents: flag(query, "orphanDependents"),
            propagation_policy: query.first("propagationPolicy").map(std::borrow::Cow::into_owned),
            dry_run: Some(dry_run(query)).filter(|values| !values.is_empty()),
            ..DeleteOptions::default()
        },
    };
    refuse("DeleteOptions", &options.check())?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_counts_before_the_query() {
        let body = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "u"}});
        let options = delete_options(&Types::new(), Query::new("propagationPolicy=Orphan"), Some(body)).unwrap();
        assert_eq!(options.propagation_policy, None);
        let options = delete_options(&Types::new(), Query::new("propagationPolicy=Orphan"), None).unwrap();
        assert_eq!(options.propagation_policy.as_deref(), Some("Orphan"));
    }

    #[test]
    fn an_unknown_policy_is_refused() {
        let refused = delete_options(&Types::new(), Query::new("propagationPolicy=Never"), None).unwrap_err();
        assert!(refused.message().contains("propagationPolicy: Unsupported value: \"Never\""), "{}", refused.message());
    }
}
