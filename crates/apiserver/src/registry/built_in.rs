//! The built-in kinds as resources.

use std::sync::Arc;

use super::{Origin, Resource, Subresources};
use crate::builtin::{Kind, Types, kinds};

/// All built-in kinds.
pub(crate) fn built_in(types: &Types) -> Vec<Arc<Resource>> {
    kinds(types).into_iter().map(|kind| Arc::new(resource(kind))).collect()
}

fn resource(kind: Kind) -> Resource {
    let definition = kind.definition;
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let has = |name: &str| definition.subresources.iter().any(|subresource| subresource.name == name);
    let own = (definition.group, definition.version, definition.kind);
    let (storage_group, storage_version, _) = definition.stored.map_or(own, |stored| stored.kind);
    Resource {
        group: definition.group.to_owned(),
        version: definition.version.to_owned(),
        kind: definition.kind.to_owned(),
        list_kind: definition.list_kind(),
        plural: definition.plural.to_owned(),
        singular: definition.singular.to_owned(),
        short_names: owned(definition.short_names),
        categories: owned(definition.categories),
        namespaced: definition.namespaced,
        served: true,
        schema: Some(kind.schema),
        validator: None,
        rules: None,
        conversion: None,
        columns: kind.columns,
        subresources: Subresources {
            status: has("status"),
            scale: None,
            finalize: has("finalize"),
            token: has("token"),
        },
        selectable: Vec::new(),
        prefix: definition.stored.map_or("", |stored| stored.prefix).to_owned(),
        storage_group: storage_group.to_owned(),
        storage_version: storage_version.to_owned(),
        group_priority: definition.group_priority,
        origin: Origin::BuiltIn(definition),
        deprecation: None,
        valid_since: 0,
    }
}
