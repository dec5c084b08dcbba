//! All requests, by what they try.

mod access;
mod apply;
mod bodies;
mod definitions;
mod deletes;
mod discovery;
mod invalid;
mod kinds;
mod lists;
mod metadata;
mod options;
mod patches;
mod rules;
mod schema;
mod stored;
mod subresources;
mod upstream;
mod watches;

use crate::request::Plan;

/// Everything that is compared, in order.
pub fn all() -> Plan {
    let mut plan = Plan::default();
    definitions::setup(&mut plan);
    kinds::add(&mut plan);
    bodies::add(&mut plan);
    metadata::add(&mut plan);
    schema::add(&mut plan);
    rules::add(&mut plan);
    invalid::add(&mut plan);
    options::add(&mut plan);
    patches::add(&mut plan);
    apply::add(&mut plan);
    lists::add(&mut plan);
    watches::add(&mut plan);
    deletes::add(&mut plan);
    subresources::add(&mut plan);
    definitions::add(&mut plan);
    stored::add(&mut plan);
    access::add(&mut plan);
    discovery::add(&mut plan);
    upstream::add(&mut plan);
    plan
}
