//! Laws of server-side apply over random histories, beside a plain model of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use apimachinery::apply::{ApplyError, Context, Element, FieldSet, Managed, OneVersion, Operation, applied, updated};
use apimachinery::schema::Schema;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn schema() -> Schema {
    serde_json::from_value(json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "string"}}}},
    }}}}))
    .unwrap()
}

/// A leaf of the object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leaf {
    Key(String),
    Item(String),
    Value(String),
}

type Leaves = BTreeMap<Leaf, String>;

/// The spec with these leaves; an item's value comes with its item.
fn spec(leaves: &Leaves) -> Value {
    let mut map = Map::new();
    let mut items: BTreeMap<&str, Value> = BTreeMap::new();
    for (leaf, value) in leaves {
        match leaf {
            Leaf::Key(key) => {
                map.insert(key.clone(), value.clone().into());
            }
            Leaf::Item(name) => {
                items.insert(name, json!({"name": name}));
            }
            Leaf::Value(name) => {
                items.entry(name).or_insert_with(|| json!({"name": name}))["value"] = value.clone().into();
            }
        }
    }
    let mut spec = Map::new();
    if !map.is_empty() {
        spec.insert("map".to_owned(), map.into());
    }
    if !items.is_empty() {
        spec.insert("items".to_owned(), items.into_values().collect());
    }
    spec.into()
}

fn leaves_of(spec: &Value) -> Leaves {
    let mut leaves = Leaves::new();
    for (key, value) in spec["map"].as_object().into_iter().flatten() {
        leaves.insert(Leaf::Key(key.clone()), value.as_str().unwrap().to_owned());
    }
    for item in spec["items"].as_array().into_iter().flatten() {
        let name = item["name"].as_str().unwrap().to_owned();
        if let Some(value) = item["value"].as_str() {
            leaves.insert(Leaf::Value(name.clone()), value.to_owned());
        }
        leaves.insert(Leaf::Item(name), String::new());
    }
    leaves
}

fn owned(fields: &FieldSet) -> BTreeSet<Leaf> {
    let mut owned = BTreeSet::new();
    for path in fields.paths() {
        let text = |element: &Element| match element {
            Element::Field(name) => name.to_string(),
            Element::Key(key) => key[0].1.as_str().unwrap().to_owned(),
            other => panic!("{other}"),
        };
        match path.0.iter().map(text).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["spec", "map", key] => owned.insert(Leaf::Key((*key).to_owned())),
            ["spec", "items", name] => owned.insert(Leaf::Item((*name).to_owned())),
            ["spec", "items", name, "value"] => owned.insert(Leaf::Value((*name).to_owned())),
            _ => false,
        };
    }
    owned
}

/// A write.
#[derive(Clone, Debug)]
enum Write {
    Apply { manager: &'static str, config: Leaves, force: bool },
    Update { manager: &'static str, spec: Leaves },
}

/// What apply is, without schemas, sets of paths and versions.
#[derive(Clone, Debug, Default)]
struct Model {
    live: Leaves,
    owners: BTreeMap<(&'static str, bool), BTreeSet<Leaf>>,
}

impl Model {
    /// Whether there is no conflict.
    fn write(&mut self, write: &Write) -> bool {
        match write {
            Write::Update { manager, spec } => {
                let gone: BTreeSet<Leaf> = self.live.keys().filter(|leaf| !spec.contains_key(leaf)).cloned().collect();
                let changed: BTreeSet<Leaf> = spec
                    .iter()
                    .filter(|(leaf, value)| self.live.get(leaf) != Some(value))
                    .map(|(leaf, _)| leaf.clone())
                    .collect();
                for owned in self.owners.values_mut() {
                    owned.retain(|leaf| !gone.contains(leaf) && !changed.contains(leaf));
                }
                self.owners.entry((manager, false)).or_default().extend(changed);
                self.live = spec.clone();
                true
            }
            Write::Apply { manager, config, force } => {
                let applier = (*manager, true);
                let changed: BTreeSet<Leaf> = config
                    .iter()
                    .filter(|(leaf, value)| self.live.get(leaf) != Some(value))
                    .map(|(leaf, _)| leaf.clone())
                    .collect();
                let others = |owners: &BTreeMap<_, BTreeSet<Leaf>>, leaf: &Leaf| {
                    owners.iter().any(|(owner, owned)| *owner != applier && owned.contains(leaf))
                };
                if !force && changed.iter().any(|leaf| others(&self.owners, leaf)) {
                    return false;
                }
                let last = self.owners.insert(applier, config.keys().cloned().collect()).unwrap_or_default();
                let mut gone: BTreeSet<Leaf> =
                    last.into_iter().filter(|leaf| !config.contains_key(leaf) && !others(&self.owners, leaf)).collect();
                // An item goes with all that is in it.
                for leaf in gone.clone() {
                    if let Leaf::Item(name) = leaf {
                        gone.insert(Leaf::Value(name));
                    }
                }
                for (owner, owned) in &mut self.owners {
                    if *owner != applier {
                        owned.retain(|leaf| !gone.contains(leaf) && !changed.contains(leaf));
                    }
                }
                self.live.extend(config.clone());
                self.live.retain(|leaf, _| !gone.contains(leaf));
                true
            }
        }
    }
}

fn context<'a>(schema: &'a Schema, manager: &'a str, second: usize) -> Context<'a> {
    Context {
        manager,
        api_version: "example.com/v1",
        kind: "Thing",
        subresource: "",
        now: Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
        schema: Some(schema),
        reset: const { &FieldSet::new() },
        empty: None,
        versions: &OneVersion,
    }
}

fn thing(leaves: &Leaves) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec(leaves)})
}

fn leaves(fewest: usize) -> impl Strategy<Value = Leaves> {
    let leaf = prop_oneof!["[ab]".prop_map(Leaf::Key), "[xy]".prop_map(Leaf::Item), "[xy]".prop_map(Leaf::Value)];
    prop::collection::btree_map(leaf, "[12]", fewest..5).prop_map(|leaves| leaves_of(&spec(&leaves)))
}

/// An applied spec has something in it: where an apply takes the last field out of a map, Kubernetes leaves null in the map's place,
/// and an empty map that is applied next is another value.
fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        (prop::sample::select(vec!["one", "two", "three"]), leaves(1), any::<bool>())
            .prop_map(|(manager, config, force)| Write::Apply { manager, config, force }),
        (prop::sample::select(vec!["one", "four"]), leaves(0))
            .prop_map(|(manager, spec)| Write::Update { manager, spec }),
    ]
}

/// Writes to the object; None for a conflict.
fn written(live: &Value, write: &Write, schema: &Schema, second: usize) -> Option<Value> {
    match write {
        Write::Apply { manager, config, force } => {
            match applied(Some(live), &thing(config), *force, &context(schema, manager, second)) {
                Ok(object) => Some(object),
                Err(ApplyError::Conflicts(_)) => None,
                Err(other) => panic!("{other}"),
            }
        }
        Write::Update { manager, spec: leaves } => {
            let mut object = live.clone();
            object["spec"] = spec(leaves);
            Some(updated(Some(live), object, &context(schema, manager, second)))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn histories_go_as_in_the_model(writes in prop::collection::vec(write(), 1..10)) {
        let schema = schema();
        let mut model = Model::default();
        let mut live = updated(None, thing(&Leaves::new()), &context(&schema, "creator", 0));
        live["metadata"]["uid"] = "u1".into();
        for (second, write) in writes.iter().enumerate() {
            let expected = model.write(write);
            let Some(object) = written(&live, write, &schema, second) else {
                prop_assert!(!expected, "a conflict that is none: {:?}", write);
                continue;
            };
            prop_assert!(expected, "a conflict that was missed: {:?}", write);
            prop_assert_eq!(leaves_of(&object["spec"]), model.live.clone());
            let mut found: BTreeMap<(String, bool), BTreeSet<Leaf>> = BTreeMap::new();
            for owner in Managed::of(&object).unwrap() {
                let owned = owned(&owner.fields);
                if !owned.is_empty() {
                    found.insert((owner.manager, owner.operation == Operation::Apply), owned);
                }
            }
            let mut expected: BTreeMap<(String, bool), BTreeSet<Leaf>> = BTreeMap::new();
            for ((manager, applied), owned) in &model.owners {
                if !owned.is_empty() {
                    expected.insert(((*manager).to_owned(), *applied), owned.clone());
                }
            }
            prop_assert_eq!(found, expected);
            live = object;
        }
    }

    #[test]
    fn an_apply_is_idempotent(writes in prop::collection::vec(write(), 1..6)) {
        let schema = schema();
        let mut live = updated(None, thing(&Leaves::new()), &context(&schema, "creator", 0));
        live["metadata"]["uid"] = "u1".into();
        for (second, write) in writes.iter().enumerate() {
            let Some(once) = written(&live, write, &schema, second) else { continue };
            let twice = written(&once, write, &schema, second + 100).unwrap();
            prop_assert_eq!(&once, &twice);
            live = once;
        }
    }
}
