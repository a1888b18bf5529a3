//! Differences between the spec and the instance. Only declared fields are compared.

use std::collections::BTreeMap;

use super::input::{Desired, FlavorSpec, observed::InstanceSnapshot};
use crate::{
    api::{
        instance::{Applied, PendingChange, Resolved},
        words::{Impact, OperationType},
    },
    dcs::model::{InstanceFacts, UpdateInstance, text},
    formats::RESERVED_PREFIX,
};

/// What status holds of differences: their number, and the characters of a value.
const MAX_CHANGES: usize = 64;
const MAX_VALUE: usize = 1024;

/// All differences, and the requests that resolve those that the operator can resolve.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Differences {
    /// All differences, for status and messages.
    pub changes: Vec<PendingChange>,
    /// The update of name, description and maintenance window.
    pub update: UpdateInstance,
    /// Tags to add or overwrite.
    pub set_tags: BTreeMap<String, String>,
    /// Tags to remove, with the values they have.
    pub remove_tags: BTreeMap<String, String>,
    /// Declared values of fields that are not changed online, where the instance has them.
    pub matching: BTreeMap<String, String>,
}

// === impl Differences ===

impl Differences {
    /// Compares the desired state with the observed one. Without a snapshot, `resolved` supplies what only a detail
    /// shows.
    pub fn between(
        desired: &Desired,
        facts: &InstanceFacts,
        snapshot: Option<&InstanceSnapshot>,
        resolved: Option<&Resolved>,
        applied: Option<&Applied>,
    ) -> Self {
        let mut differences = Self::default();
        differences.immutable(desired, facts);
        differences.shape(desired, facts, &DetailFields::of(snapshot, resolved));
        differences.settings(desired, facts);
        differences.tags(desired, facts, applied);
        differences
    }

    /// Whether the instance matches the spec.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The differences that the operator cannot resolve, since they are immutable or not supported yet: those that an
    /// edit of the spec made, and those that were made in the cloud. `applied` tells them apart: the values that the
    /// instance had; without that memory, none counts as an edit.
    pub fn unsupported(
        &self,
        applied: Option<&BTreeMap<String, String>>,
    ) -> (Vec<&PendingChange>, Vec<&PendingChange>) {
        let is_edit = |change: &&PendingChange| {
            applied.is_some_and(|fields| fields.get(&change.field) != change.to.as_ref())
        };
        self.changes.iter().filter(|change| change.impact != Impact::Online).partition(is_edit)
    }

    /// The same differences, to be resolved without those fields.
    pub fn without(mut self, held: impl Fn(&OperationType, &str) -> bool) -> Self {
        let update = |field: &str| held(&OperationType::Update, field);
        if update("name") {
            self.update.name = None;
        }
        if update("description") {
            self.update.description = None;
        }
        if update("maintenanceWindow") {
            (self.update.maintain_begin, self.update.maintain_end) = (None, None);
        }
        let tag = |key: &String, _: &mut String| !held(&OperationType::UpdateTags, &format!("tags.{key}"));
        self.set_tags.retain(tag);
        self.remove_tags.retain(tag);
        self
    }

    fn add(&mut self, field: &str, from: Option<String>, to: Option<String>, impact: Impact) {
        if from != to && self.changes.len() < MAX_CHANGES {
            let fitting = |text: Option<String>| text.map(|text| text::bounded(&text, MAX_VALUE));
            let (from, to) = (fitting(from), fitting(to));
            self.changes.push(PendingChange { field: field.to_owned(), from, to, impact });
        }
    }

    /// Compares a field that is not changed online, if it is declared and observed: an answer without the field does not
    /// prove a difference.
    fn declared(&mut self, field: &str, to: Option<String>, from: Option<String>, impact: Impact) {
        match to {
            Some(to) if from.as_ref() == Some(&to) => {
                self.matching.insert(field.to_owned(), to);
            }
            to @ Some(_) if from.is_some() => self.add(field, from, to, impact),
            Some(_) | None => {}
        }
    }

    /// Fields that an instance keeps for its lifetime.
    fn immutable(&mut self, desired: &Desired, facts: &InstanceFacts) {
        let network = &desired.network;
        let fields = [
            ("engineVersion", &desired.engine_version, &facts.engine_version),
            ("network.vpcId", &network.vpc_id, &facts.vpc_id),
            ("network.subnetId", &network.subnet_id, &facts.subnet_id),
            ("enterpriseProjectId", &desired.enterprise_project_id, &facts.enterprise_project_id),
        ];
        for (field, to, from) in fields {
            self.declared(field, to.clone(), from.clone(), Impact::Immutable);
        }
        // A cluster has several addresses; the spec declares one of them.
        let has =
            |ip: &String| facts.ip.as_deref().is_some_and(|all| all.split(',').any(|own| own.trim() == ip));
        let ip = network.private_ip.clone();
        let from = if ip.as_ref().is_some_and(has) { ip.clone() } else { facts.ip.clone() };
        self.declared("network.privateIp", ip, from, Impact::Immutable);
    }

    /// Fields that need a resize, or whose change breaks connections.
    fn shape(&mut self, desired: &Desired, facts: &InstanceFacts, detail: &DetailFields) {
        let (mut disruptive, number) = (Vec::new(), |n: i64| n.to_string());
        let quantity = |capacity: crate::dcs::model::Capacity| capacity.to_string();
        disruptive.push(("capacity", desired.capacity.map(quantity), facts.capacity.map(quantity)));
        match &desired.flavor {
            FlavorSpec::SpecCode(code) => {
                disruptive.push(("specCode", Some(code.clone()), facts.spec_code.clone()))
            }
            FlavorSpec::Select { cache_mode, cpu_type, replicas, shards } => {
                let mode = cache_mode.as_ref().map(|mode| mode.as_str().to_owned());
                disruptive.push(("cacheMode", mode, detail.cache_mode.clone()));
                let cpu = cpu_type.as_ref().map(|cpu| cpu.as_str().to_owned());
                let own = facts.cpu_type.as_ref().map(|cpu| cpu.as_str().to_owned());
                disruptive.push(("cpuType", cpu, own));
                disruptive.push(("replicas", replicas.map(number), detail.replicas.map(number)));
                disruptive.push(("shards", shards.map(number), detail.shards.map(number)));
            }
        }
        disruptive.push(("port", desired.port.map(|port| port.to_string()), facts.port.map(number)));
        let group = desired.network.security_group_id.clone();
        disruptive.push(("network.securityGroupId", group, facts.security_group_id.clone()));
        for (field, to, from) in disruptive {
            self.declared(field, to, from, Impact::Disruptive);
        }
        let text = |zones: &[String]| sorted(zones).join(", ");
        let own = (!detail.zones.is_empty()).then(|| text(&detail.zones));
        let to = desired.availability_zones.as_deref().map(text);
        self.declared("availabilityZones", to, own, Impact::Disruptive);
    }

    /// Fields that one update call sets.
    fn settings(&mut self, desired: &Desired, facts: &InstanceFacts) {
        if let Some(name) = desired.name.as_ref().filter(|name| facts.name.as_ref() != Some(name)) {
            self.add("name", facts.name.clone(), Some(name.clone()), Impact::Online);
            self.update.name = Some(name.clone());
        }
        let own = facts.description.as_deref().unwrap_or_default();
        if let Some(text) = desired.description.as_ref().filter(|text| !facts.is_described_as(text)) {
            self.add("description", shortened(own), shortened(text), Impact::Online);
            self.update.description = Some(text.clone());
        }
        let window = desired.window.as_ref();
        let matches = |begin, end| window.is_none_or(|window| window.matches(begin, end));
        if let (Some(window), false) =
            (window, matches(facts.maintain_begin.as_deref(), facts.maintain_end.as_deref()))
        {
            let own = facts.maintain_begin.as_ref().zip(facts.maintain_end.as_ref());
            let from = own.map(|(begin, end)| format!("{begin}-{end}"));
            self.add("maintenanceWindow", from, Some(window.to_string()), Impact::Online);
            let (begin, end) = window.request();
            (self.update.maintain_begin, self.update.maintain_end) = (Some(begin), Some(end));
        }
    }

    /// Declared tags, and tags that were declared earlier.
    fn tags(&mut self, desired: &Desired, facts: &InstanceFacts, applied: Option<&Applied>) {
        let declared = desired.tags.clone().unwrap_or_default();
        for (key, value) in &declared {
            let own = facts.tag(key);
            if own != Some(value) {
                self.add(&format!("tags.{key}"), own.map(str::to_owned), Some(value.clone()), Impact::Online);
                self.set_tags.insert(key.clone(), value.clone());
            }
        }
        let earlier = applied.map(|applied| applied.tag_keys.as_slice()).unwrap_or_default();
        for key in
            earlier.iter().filter(|key| !declared.contains_key(*key) && !key.starts_with(RESERVED_PREFIX))
        {
            if let Some(value) = facts.tag(key) {
                self.add(&format!("tags.{key}"), Some(value.to_owned()), None, Impact::Online);
                self.remove_tags.insert(key.clone(), value.to_owned());
            }
        }
    }
}

/// The fields that only a detail shows: from this reconcile's read, or from the last one.
struct DetailFields {
    cache_mode: Option<String>,
    replicas: Option<i64>,
    shards: Option<i64>,
    zones: Vec<String>,
}

// === impl DetailFields ===

impl DetailFields {
    fn of(snapshot: Option<&InstanceSnapshot>, resolved: Option<&Resolved>) -> Self {
        let last = resolved.cloned().unwrap_or_default();
        let seen = snapshot.cloned().unwrap_or_default();
        Self {
            cache_mode: seen.cache_mode.or(last.cache_mode),
            replicas: seen.replicas.or(last.replicas.map(i64::from)),
            shards: seen.shards.or(last.shards.map(i64::from)),
            zones: if seen.zones.is_empty() { last.availability_zones } else { seen.zones },
        }
    }
}

/// The tag keys for `status.applied`: declared ones that the instance has, and earlier ones that it still has.
pub(in crate::plan::instance) fn applied_tags(
    desired: Option<&Desired>,
    facts: &InstanceFacts,
    applied: Option<&Applied>,
) -> Vec<String> {
    let declared = desired.and_then(|desired| desired.tags.as_ref()).into_iter().flatten();
    let present = declared.filter(|(key, value)| facts.tag(key) == Some(value.as_str())).map(|(key, _)| key);
    let earlier = applied.map(|applied| applied.tag_keys.as_slice()).unwrap_or_default();
    let remaining = earlier.iter().filter(|key| facts.tag(key).is_some());
    let all: std::collections::BTreeSet<_> = present.chain(remaining).cloned().collect();
    all.into_iter().take(MAX_CHANGES).collect()
}

/// The fields for `status.applied`: the declared values that the instance has, and for the others what it had.
pub(in crate::plan::instance) fn applied_fields(
    differences: &Differences,
    applied: Option<&BTreeMap<String, String>>,
) -> BTreeMap<String, String> {
    let (edits, drift) = differences.unsupported(applied);
    let before = |change: &PendingChange| applied?.get(&change.field).cloned();
    let edits = edits.into_iter().filter_map(|change| Some((change.field.clone(), before(change)?)));
    let drift = drift.into_iter().filter_map(|change| Some((change.field.clone(), change.to.clone()?)));
    differences.matching.clone().into_iter().chain(edits).chain(drift).collect()
}

fn sorted(zones: &[String]) -> Vec<String> {
    let mut zones = zones.to_vec();
    zones.sort();
    zones
}

/// The start of a text, for status, whose values have at most 1,024 characters.
fn shortened(text: &str) -> Option<String> {
    let short: String = text.chars().take(200).collect();
    Some(if short.len() < text.len() { format!("{short}…") } else { short })
}
