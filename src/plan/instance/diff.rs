//! Differences between the spec and the instance. Only declared fields are compared.

use std::collections::BTreeMap;

use super::input::{Desired, FlavorSpec, observed::InstanceSnapshot};
use crate::{
    api::{
        instance::{Applied, PendingChange, Resolved},
        words::Impact,
    },
    dcs::model::{InstanceFacts, UpdateInstance},
    formats::RESERVED_PREFIX,
};

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

    /// The differences that the operator cannot resolve: immutable, or not supported yet.
    pub fn unsupported(&self) -> Vec<&PendingChange> {
        self.changes.iter().filter(|change| change.impact != Impact::Online).collect()
    }

    fn add(&mut self, field: &str, from: Option<String>, to: Option<String>, impact: Impact) {
        if from != to {
            self.changes.push(PendingChange { field: field.to_owned(), from, to, impact });
        }
    }

    /// Compares a field, if it is declared.
    fn declared(&mut self, field: &str, to: Option<String>, from: Option<String>, impact: Impact) {
        if to.is_some() {
            self.add(field, from, to, impact);
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
            // An answer without the field does not prove a difference.
            if from.is_some() {
                self.declared(field, to.clone(), from.clone(), Impact::Immutable);
            }
        }
        // A cluster has several addresses; the spec declares one of them.
        let has = |ip: &str| facts.ip.as_deref().is_none_or(|all| all.split(',').any(|own| own.trim() == ip));
        if let Some(ip) = network.private_ip.as_ref().filter(|ip| !has(ip)) {
            self.add("network.privateIp", facts.ip.clone(), Some(ip.clone()), Impact::Immutable);
        }
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
            // An unobserved value does not prove a difference.
            if from.is_some() {
                self.declared(field, to, from, Impact::Disruptive);
            }
        }
        if let (Some(zones), false) = (&desired.availability_zones, detail.zones.is_empty()) {
            let text = |zones: &[String]| Some(sorted(zones).join(", "));
            self.add("availabilityZones", text(&detail.zones), text(zones), Impact::Disruptive);
        }
    }

    /// Fields that one update call sets.
    fn settings(&mut self, desired: &Desired, facts: &InstanceFacts) {
        if let Some(name) = desired.name.as_ref().filter(|name| facts.name.as_ref() != Some(name)) {
            self.add("name", facts.name.clone(), Some(name.clone()), Impact::Online);
            self.update.name = Some(name.clone());
        }
        let own = facts.description.as_deref().unwrap_or_default();
        if let Some(text) = desired.description.as_ref().filter(|text| *text != own) {
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
    all.into_iter().collect()
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
