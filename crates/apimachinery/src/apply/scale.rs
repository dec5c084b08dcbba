//! The owners of an object as its `scale` subresource shows them, and back: `apimachinery/pkg/util/managedfields/scalehandler.go`.

use serde_json::Value;

use super::element::Element;
use super::managed::{ManagedError, Operation, Owner, Owners};
use super::set::FieldSet;

const SCALE: &str = "autoscaling/v1";

/// Where a version of the object has the number of its replicas.
#[derive(Clone, Copy, Debug)]
pub struct ReplicasPath<'a> {
    /// The version: `apps/v1`.
    pub api_version: &'a str,
    /// The fields on the way: `["spec", "replicas"]`. Empty for a version without `scale`.
    pub path: &'a [&'a str],
}

impl ReplicasPath<'_> {
    fn elements(&self) -> Vec<Element> {
        self.path.iter().map(|name| Element::field(name)).collect()
    }
}

fn find<'p>(paths: &'p [ReplicasPath<'_>], api_version: &str) -> Option<&'p ReplicasPath<'p>> {
    paths.iter().find(|path| path.api_version == api_version)
}

/// Puts the owners of the object's number of replicas into its `Scale`.
///
/// # Errors
/// An object whose own `managedFields` are not well-formed.
pub fn scale_managed_fields(parent: &Value, scale: &mut Value, paths: &[ReplicasPath<'_>]) -> Result<(), ManagedError> {
    let owners = Owners::of(parent)?;
    let mut shown = Owners::default();
    for owner in &owners.0 {
        let Some(path) = find(paths, &owner.entry.api_version) else { continue };
        if owner.entry.fields.has(&path.elements()) {
            let fields = FieldSet::of(&[&["spec", "replicas"]]);
            shown.0.push(Owner::new(&owner.identity(), SCALE, owner.entry.time, fields));
        }
    }
    shown.write(scale);
    Ok(())
}

/// Takes the owners of a `Scale` over to the object, which is in `api_version` and has the owners from before the write.
///
/// # Errors
/// An object or scale whose `managedFields` are not well-formed.
pub fn with_scale_managed_fields(
    parent: &mut Value,
    scale: &Value,
    api_version: &str,
    paths: &[ReplicasPath<'_>],
) -> Result<(), ManagedError> {
    let before = Owners::of(parent)?;
    let mut scaled = Owners::of(scale)?;
    let mut after = Owners::default();
    for mut owner in before.0.iter().cloned() {
        let Some(path) = find(paths, &owner.entry.api_version).map(ReplicasPath::elements) else { continue };
        if owner.entry.fields.has(&path) && scaled.remove(&owner.identity()).is_none() {
            // The number of replicas has another owner now.
            let mut taken = FieldSet::new();
            taken.insert(&path);
            let rest = owner.entry.fields.difference(&taken);
            owner.set_fields(rest);
            if owner.entry.fields.is_empty() {
                continue;
            }
        }
        after.0.push(owner);
    }
    let Some(path) = find(paths, api_version).map(ReplicasPath::elements) else {
        after.write(parent);
        return Ok(());
    };
    for owner in scaled.0 {
        if !owner.entry.fields.has(&[Element::field("spec"), Element::field("replicas")]) {
            continue;
        }
        let mut identity = owner.identity();
        let time = before.find(&identity).and_then(|before| before.entry.time);
        if identity.operation == Operation::Update {
            api_version.clone_into(&mut identity.api_version);
        }
        let mut fields = FieldSet::new();
        fields.insert(&path);
        if let Some(same) = after.find(&identity) {
            fields = fields.union(&same.entry.fields);
        }
        after.put(Owner::new(&identity, api_version, time, fields));
    }
    after.write(parent);
    Ok(())
}
