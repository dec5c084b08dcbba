//! Who is in which group: users, principals and other groups as direct members; what stands above a group is kept whole.
//!
//! A change of one membership changes one entry, whoever else is in the group. Only an edge between two groups makes the
//! groups beneath it anew.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    iter,
    sync::Arc,
};

use rpds::HashTrieMapSync;

use super::rows::SubjectId;

/// How many groups deep a membership reaches; what is nested deeper gives nothing.
pub const MAX_DEPTH: usize = 16;

/// The memberships of one generation.
#[derive(Clone, Debug, Default)]
pub struct Membership {
    version: u64,
    /// The groups that name a subject as a member.
    direct: HashTrieMapSync<SubjectId, Arc<[SubjectId]>>,
    /// Every group above a group; only where there is one.
    above: HashTrieMapSync<SubjectId, Arc<[SubjectId]>>,
}

impl Membership {
    /// Counts changes: two generations with the same version have the same memberships.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Every group that any of `subjects` is in, itself or by way of other groups; one may come more than once.
    pub fn groups_of<'a>(
        &'a self,
        subjects: impl Iterator<Item = SubjectId> + 'a,
    ) -> impl Iterator<Item = SubjectId> + 'a {
        let direct = subjects.filter_map(|subject| self.direct.get(&subject)).flat_map(|groups| groups.iter().copied());
        direct.flat_map(|group| iter::once(group).chain(self.above(group)))
    }

    /// `own`, and every group that any of these is in.
    pub fn with_groups<'a>(
        &'a self,
        own: impl Iterator<Item = SubjectId> + Clone + 'a,
    ) -> impl Iterator<Item = SubjectId> + 'a {
        own.clone().chain(self.groups_of(own))
    }

    /// Every group above `group`.
    pub fn above(&self, group: SubjectId) -> impl Iterator<Item = SubjectId> + '_ {
        self.above.get(&group).into_iter().flat_map(|groups| groups.iter().copied())
    }

    /// How many groups deep `group` is nested: 0 where it is a member of none.
    pub fn depth(&self, group: SubjectId) -> usize {
        self.levels(group).count()
    }

    /// The groups above `group`, a level at a time.
    fn levels(&self, group: SubjectId) -> impl Iterator<Item = Vec<SubjectId>> + '_ {
        let mut seen = HashSet::from([group]);
        let mut level = vec![group];
        iter::from_fn(move || {
            let parents = level.iter().filter_map(|group| self.direct.get(group)).flat_map(|groups| groups.iter());
            level = parents.copied().filter(|group| seen.insert(*group)).collect();
            (!level.is_empty()).then(|| level.clone())
        })
        .take(MAX_DEPTH)
    }
}

/// The publisher's own memory of memberships.
#[derive(Debug, Default)]
pub(super) struct Graph {
    current: Membership,
    /// The groups that there are, with the members that their own objects name, in order.
    groups: HashMap<SubjectId, Box<[SubjectId]>>,
    /// The edges that objects beside the groups name, and which edge each of them is.
    edges: HashMap<SubjectId, HashMap<SubjectId, Edge>>,
    objects: HashMap<Arc<str>, (SubjectId, Member)>,
    /// The members of a group that are groups themselves.
    nested: HashMap<SubjectId, BTreeSet<SubjectId>>,
    changed: bool,
    shrunk: bool,
}

/// A member as the graph is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    /// Who.
    pub(super) subject: SubjectId,
    /// Whether it is a group.
    pub(super) group: bool,
}

/// A membership that objects beside the group name.
#[derive(Clone, Copy, Debug)]
struct Edge {
    /// How many of them.
    count: u32,
    group: bool,
}

impl Graph {
    /// The memberships as they are now.
    pub(super) const fn current(&self) -> &Membership {
        &self.current
    }

    /// Whether anything changed since the last call, and whether anything was taken from anybody.
    pub(super) fn settle(&mut self) -> (bool, bool) {
        if self.changed {
            self.current.version += 1;
        }
        (std::mem::take(&mut self.changed), std::mem::take(&mut self.shrunk))
    }

    /// Takes the members that the object of `group` names; `None` where the object is gone, and with it all memberships.
    pub(super) fn group(&mut self, group: SubjectId, members: Option<Vec<Member>>) {
        let before = self.members(group);
        let mut groups: BTreeSet<SubjectId> = self.nested.get(&group).cloned().unwrap_or_default();
        match members {
            Some(mut members) => {
                members.sort_unstable();
                members.dedup();
                groups.extend(members.iter().filter(|member| member.group).map(|member| member.subject));
                self.groups.insert(group, members.into_iter().map(|member| member.subject).collect());
            }
            None => drop(self.groups.remove(&group)),
        }
        // Objects beside the group may have named members before it was there.
        groups.extend(self.edges.get(&group).into_iter().flatten().filter(|(_, edge)| edge.group).map(|(id, _)| *id));
        let now = self.members(group);
        let gone = before.iter().filter(|member| now.binary_search(member).is_err()).map(|member| (*member, false));
        let come = now.iter().filter(|member| before.binary_search(member).is_err()).map(|member| (*member, true));
        let mut renew = Vec::new();
        for (subject, is_in) in gone.chain(come) {
            let member = Member { subject, group: groups.contains(&subject) };
            self.set(group, member, is_in, &mut renew);
        }
        self.renew(renew);
    }

    /// Takes the one membership that the object `name` is; `None` where it is gone.
    pub(super) fn object(&mut self, name: &Arc<str>, edge: Option<(SubjectId, Member)>) {
        let old = self.objects.get(name).copied();
        if old == edge {
            return;
        }
        let mut renew = Vec::new();
        if let Some((group, member)) = old {
            self.objects.remove(name);
            let edges = self.edges.entry(group).or_default();
            match edges.get_mut(&member.subject) {
                Some(edge) if edge.count > 1 => edge.count -= 1,
                _ => drop(edges.remove(&member.subject)),
            }
            if edges.is_empty() {
                self.edges.remove(&group);
            }
            if self.groups.contains_key(&group) && !self.has(group, member.subject) {
                self.set(group, member, false, &mut renew);
            }
        }
        if let Some((group, member)) = edge {
            let had = self.has(group, member.subject);
            self.objects.insert(Arc::clone(name), (group, member));
            let fresh = Edge { count: 0, group: member.group };
            self.edges.entry(group).or_default().entry(member.subject).or_insert(fresh).count += 1;
            if !had && self.groups.contains_key(&group) {
                self.set(group, member, true, &mut renew);
            }
        }
        self.renew(renew);
    }

    /// The names of all objects beside the groups.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Arc<str>> {
        self.objects.keys()
    }

    /// The groups whose objects are known.
    pub(super) fn known(&self) -> impl Iterator<Item = SubjectId> + '_ {
        self.groups.keys().copied()
    }

    /// Who is in `group`, in order: nobody, where it has no object.
    fn members(&self, group: SubjectId) -> Vec<SubjectId> {
        let Some(own) = self.groups.get(&group) else { return Vec::new() };
        let mut members = own.to_vec();
        if let Some(edges) = self.edges.get(&group) {
            members.extend(edges.keys());
            members.sort_unstable();
            members.dedup();
        }
        members
    }

    /// Whether `group` has an object, and `member` is in it.
    fn has(&self, group: SubjectId, member: SubjectId) -> bool {
        let Some(own) = self.groups.get(&group) else { return false };
        own.binary_search(&member).is_ok() || self.edges.get(&group).is_some_and(|edges| edges.contains_key(&member))
    }

    /// Makes `member` be in `group`, or not; where it is a group what is above it is to be made anew.
    fn set(&mut self, group: SubjectId, member: Member, is_in: bool, renew: &mut Vec<SubjectId>) {
        self.changed = true;
        self.shrunk |= !is_in;
        let old = self.current.direct.get(&member.subject).map(|groups| groups.to_vec()).unwrap_or_default();
        let mut new: Vec<SubjectId> = old.into_iter().filter(|known| *known != group).collect();
        if is_in {
            new.push(group);
            new.sort_unstable();
        }
        if new.is_empty() {
            self.current.direct.remove_mut(&member.subject);
        } else {
            self.current.direct.insert_mut(member.subject, new.into());
        }
        if !member.group {
            return;
        }
        let nested = self.nested.entry(group).or_default();
        if is_in {
            nested.insert(member.subject);
        } else {
            nested.remove(&member.subject);
        }
        if nested.is_empty() {
            self.nested.remove(&group);
        }
        renew.push(member.subject);
    }

    /// Makes what is above these groups, and above every group beneath one of them, anew.
    fn renew(&mut self, groups: Vec<SubjectId>) {
        for group in self.beneath(groups) {
            let above: BTreeSet<SubjectId> = self.current.levels(group).flatten().collect();
            if above.is_empty() {
                self.current.above.remove_mut(&group);
            } else {
                self.current.above.insert_mut(group, above.into_iter().collect());
            }
        }
    }

    /// `groups` and every group beneath one of them.
    fn beneath(&self, mut groups: Vec<SubjectId>) -> HashSet<SubjectId> {
        let mut all = HashSet::new();
        while let Some(group) = groups.pop() {
            if all.insert(group) {
                groups.extend(self.nested.get(&group).into_iter().flatten());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{Graph, MAX_DEPTH, Member};
    use crate::world::rows::SubjectId;

    fn of(graph: &Graph, subject: u32) -> BTreeSet<u32> {
        graph.current().groups_of(std::iter::once(SubjectId(subject))).map(|group| group.0).collect()
    }

    fn members(subjects: &[u32]) -> Vec<Member> {
        // Groups are the ids below 100 here.
        subjects.iter().map(|&id| Member { subject: SubjectId(id), group: id < 100 }).collect()
    }

    #[test]
    fn a_member_is_in_the_groups_above_its_own_too() {
        let mut graph = Graph::default();
        graph.group(SubjectId(1), Some(members(&[100])));
        graph.group(SubjectId(2), Some(members(&[1])));
        graph.group(SubjectId(3), Some(members(&[2, 101])));
        assert_eq!(of(&graph, 100), [1, 2, 3].into());
        assert_eq!(of(&graph, 101), [3].into());
        assert_eq!(graph.settle(), (true, false));
        graph.group(SubjectId(2), None);
        assert_eq!(graph.settle(), (true, true));
        assert_eq!(of(&graph, 100), [1].into());
    }

    #[test]
    fn a_membership_told_twice_stays_until_both_are_gone() {
        let mut graph = Graph::default();
        let edge = (SubjectId(1), Member { subject: SubjectId(100), group: false });
        graph.object(&"a".into(), Some(edge));
        assert!(of(&graph, 100).is_empty(), "the group has no object");
        graph.group(SubjectId(1), Some(members(&[])));
        graph.object(&"b".into(), Some(edge));
        assert_eq!(of(&graph, 100), [1].into());
        graph.object(&"a".into(), None);
        assert_eq!(of(&graph, 100), [1].into());
        graph.object(&"b".into(), None);
        assert!(of(&graph, 100).is_empty());
    }

    #[test]
    fn a_cycle_ends_and_a_long_chain_is_bounded() {
        let mut graph = Graph::default();
        graph.group(SubjectId(1), Some(members(&[2, 100])));
        graph.group(SubjectId(2), Some(members(&[1])));
        assert_eq!(of(&graph, 100), [1, 2].into());
        let mut chain = Graph::default();
        chain.group(SubjectId(0), Some(members(&[100])));
        for id in 1..40 {
            chain.group(SubjectId(id), Some(members(&[id - 1])));
        }
        assert_eq!(of(&chain, 100).len(), MAX_DEPTH + 1);
        assert_eq!(chain.current().depth(SubjectId(0)), MAX_DEPTH);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Group(u32, Option<Vec<u32>>),
        Object(u8, Option<(u32, u32)>),
    }

    fn member() -> impl Strategy<Value = u32> {
        prop_oneof![0_u32..6, 100_u32..104]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u32..6, proptest::option::weighted(0.8, proptest::collection::vec(member(), 0..5)))
                .prop_map(|(group, members)| Step::Group(group, members)),
            (0_u8..4, proptest::option::weighted(0.7, (0_u32..6, member())))
                .prop_map(|(name, edge)| Step::Object(name, edge)),
        ]
    }

    proptest! {
        /// Step by step it is what the whole gives at once.
        #[test]
        fn any_history_ends_where_its_last_state_does(steps in proptest::collection::vec(step(), 0..40)) {
            let mut graph = Graph::default();
            let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            let mut objects: BTreeMap<u8, (u32, u32)> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Group(id, told) => {
                        graph.group(SubjectId(id), told.as_deref().map(members));
                        match told {
                            Some(told) => drop(groups.insert(id, told)),
                            None => drop(groups.remove(&id)),
                        }
                    }
                    Step::Object(name, edge) => {
                        let member = |id| Member { subject: SubjectId(id), group: id < 100 };
                        let told = edge.map(|(group, id)| (SubjectId(group), member(id)));
                        graph.object(&name.to_string().into(), told);
                        match edge {
                            Some(edge) => drop(objects.insert(name, edge)),
                            None => drop(objects.remove(&name)),
                        }
                    }
                }
            }
            let parents = |id: u32| -> BTreeSet<u32> {
                let own = groups.iter().filter(|(_, members)| members.contains(&id)).map(|(group, _)| *group);
                let told = objects.values().filter(|(group, member)| *member == id && groups.contains_key(group));
                own.chain(told.map(|(group, _)| *group)).collect()
            };
            for id in (0..6).chain(100..104) {
                let mut all = BTreeSet::new();
                let mut next: Vec<u32> = parents(id).into_iter().collect();
                while let Some(group) = next.pop() {
                    if all.insert(group) {
                        next.extend(parents(group));
                    }
                }
                let mut ours = of(&graph, id);
                // Of a group in a cycle it is told or not that it is above itself: it makes no difference to anybody.
                if id < 100 { ours.remove(&id); all.remove(&id); }
                prop_assert_eq!(ours, all, "of {}", id);
            }
        }
    }
}
