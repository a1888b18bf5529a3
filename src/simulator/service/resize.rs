//! Changing size, replicas, shards and type (API reference 4.1.7).

use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use serde_json::{Value, json};

use super::{
    Service,
    catalogue::{self, Flavor, Size},
    instance::{Change, Instance, Node, Reshape, Scheduled, Shape},
    later, load,
    refusal::{Refusal, Result},
    reply,
    request::{self, Body},
    topology,
    update::Busy,
};
use crate::{
    dcs::model::{CacheMode, Capacity},
    simulator::Reply,
};

/// Of the memory afterwards, in percent, what may be in use before.
const FULL: i64 = 70;

/// What leads from an instance to a flavor. One request does one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Another cache mode.
    Type,
    /// More copies of each shard.
    MoreReplicas,
    /// Fewer copies of each shard.
    FewerReplicas,
    /// Another capacity, other shards, or both.
    Size,
}

/// A request, as far as it can be read without knowing more.
struct Wish<'a> {
    change_type: Option<&'a str>,
    zones: Vec<&'a str>,
    nodes: Vec<&'a str>,
    reserved: Vec<&'a str>,
    immediately: bool,
}

// === impl Service ===

impl Service {
    /// 4.1.7
    pub(super) fn resize(&mut self, id: &str, body: &Value) -> Result<Reply> {
        let instance = self.find(id)?.clone();
        let body = Body::new(body)?;
        instance.idle()?;
        if instance.scheduled.is_some() {
            return Err(Refusal::new("DCS.4108"));
        }
        let wish = Wish::new(body)?;
        wish.bounds(&instance)?;
        let flavor =
            body.word("spec_code")?.and_then(catalogue::find).ok_or_else(|| Refusal::new("DCS.4927"))?;
        let capacity = body.value("new_capacity").and_then(request::decimal).and_then(Capacity::from_gib);
        let size =
            capacity.and_then(|capacity| flavor.size(capacity)).ok_or_else(|| Refusal::new("DCS.4012"))?;
        let step = step(&instance, flavor, size)?;
        wish.fits(step, &instance, size)?;
        self.data_fits(&instance, size)?;
        self.quota(0, i64::from(size.capacity.mib()) - i64::from(instance.shape.capacity.mib()))?;
        let reshape = self.reshape(&instance, &wish, step, Shape::new(flavor, size))?;
        let effect = format!("resizing {id} to {}", flavor.spec_code);
        if wish.immediately || !self.rules().deferral {
            self.extend(id, reshape);
        } else {
            let at = next_window(self.now, &instance.maintain_begin);
            self.store.update(id, |instance| instance.scheduled = Some(Scheduled { at, reshape }));
        }
        Ok(reply::done(effect))
    }

    /// Starts a resize.
    pub(super) fn extend(&mut self, id: &str, reshape: Reshape) {
        let Some(instance) = self.store.get(id) else { return };
        let task = (self.task_name(&instance.shape, &reshape.shape), details(instance, &reshape));
        self.begin(id, Busy::Extending, task, Change::Reshape(reshape));
    }

    fn task_name(&self, old: &Shape, new: &Shape) -> &'static str {
        match (old.replicas.cmp(&new.replicas), old.mode == new.mode) {
            (std::cmp::Ordering::Less, true) => "AddReplica",
            (std::cmp::Ordering::Greater, true) => "DelReplica",
            _ if self.rules().newer_fields => "ChangeInstanceSpec",
            _ => "EXTEND",
        }
    }

    /// `DCS.4012`: what is stored has to fit, with room to spare.
    fn data_fits(&self, instance: &Instance, size: &Size) -> Result<()> {
        let used = load::used_memory(instance, self.now);
        let smaller = size.usable < instance.shape.max_memory;
        if smaller && used * 100 >= i64::from(size.usable) * FULL {
            return Err(Refusal::because(
                "DCS.4012",
                format!("{used} MB in use must be below {FULL}% of the new size."),
            ));
        }
        Ok(())
    }

    /// What the instance will be: `DCS.4933`, `DCS.4930`, `DCS.4936`, `DCS.4911`.
    fn reshape(&mut self, instance: &Instance, wish: &Wish<'_>, step: Step, shape: Shape) -> Result<Reshape> {
        let zones = match step {
            Step::MoreReplicas => {
                let zones = self.known_zones(&wish.zones)?;
                zones.iter().map(|zone| self.usable_zone(zone, "DCS.4933")).collect::<Result<_>>()?
            }
            Step::FewerReplicas if shape.mode == CacheMode::Cluster => {
                self.known_zones(&wish.zones)?;
                instance.zones.clone()
            }
            Step::FewerReplicas | Step::Type | Step::Size => instance.zones.clone(),
        };
        wish.reserved_are_known(instance)?;
        let kept: Vec<Node> = match step {
            Step::FewerReplicas if shape.mode != CacheMode::Cluster => {
                wish.without_removed(instance, &shape)?
            }
            _ => instance.nodes.clone(),
        };
        let nodes = topology::lay_out(&mut self.ids, &shape, &kept, &zones);
        topology::connect(&mut self.networks, &instance.subnet_id, shape, nodes, instance.front)
    }

    /// `DCS.4933`: zones by code or by id, whether anything is left there or not.
    fn known_zones(&self, zones: &[&str]) -> Result<Vec<String>> {
        let refusal = || Refusal::new("DCS.4933");
        let code = |name: &&str| {
            let zone = self.zones().find(|zone| zone.code == *name || zone.id == *name);
            zone.map(|zone| zone.code).ok_or_else(refusal)
        };
        if zones.is_empty() { Err(refusal()) } else { zones.iter().map(code).collect() }
    }
}

/// Whether an instance can become this in one step: `DCS.4927`, `DCS.4200`, `DCS.4012`, `DCS.4103`.
pub(super) fn step(instance: &Instance, flavor: &Flavor, size: &Size) -> Result<Step> {
    let now = &instance.shape;
    let version = instance.engine_version.as_str();
    if !flavor.versions.contains(&version) || flavor.cpu != now.cpu {
        return Err(Refusal::new("DCS.4927"));
    }
    if flavor.mode != now.mode {
        let possible = can_become(version, &now.mode, &flavor.mode);
        return possible.then_some(Step::Type).ok_or_else(|| Refusal::new("DCS.4200"));
    }
    let same_size = (size.capacity, size.shards) == (now.capacity, now.shards);
    match flavor.replicas.cmp(&now.replicas) {
        // Replicas and capacity change in separate requests.
        std::cmp::Ordering::Less | std::cmp::Ordering::Greater if !same_size => Err(Refusal::new("DCS.4012")),
        std::cmp::Ordering::Less => Ok(Step::FewerReplicas),
        std::cmp::Ordering::Greater => Ok(Step::MoreReplicas),
        std::cmp::Ordering::Equal if same_size => Err(Refusal::new("DCS.4103")),
        std::cmp::Ordering::Equal if cannot_shrink(instance) && size.capacity < now.capacity => {
            Err(Refusal::new("DCS.4103"))
        }
        std::cmp::Ordering::Equal => Ok(Step::Size),
    }
}

/// The changes of type that exist.
fn can_become(version: &str, from: &CacheMode, to: &CacheMode) -> bool {
    match version {
        "3.0" => matches!((from, to), (CacheMode::Single, CacheMode::Ha) | (CacheMode::Ha, CacheMode::Proxy)),
        "4.0" | "5.0" | "6.0" => matches!(
            (from, to),
            (CacheMode::Ha | CacheMode::HaRwSplit, CacheMode::Proxy)
                | (CacheMode::Proxy, CacheMode::Ha | CacheMode::HaRwSplit)
        ),
        _ => false,
    }
}

fn cannot_shrink(instance: &Instance) -> bool {
    instance.is_version_3() && instance.shape.mode == CacheMode::Proxy
}

/// The fewest copies that a shard can have.
fn fewest_replicas(mode: &CacheMode) -> u32 {
    match mode {
        CacheMode::Ha | CacheMode::HaRwSplit | CacheMode::Proxy => 2,
        CacheMode::Single | CacheMode::Cluster | CacheMode::Other(_) => 1,
    }
}

// === impl Wish ===

impl<'a> Wish<'a> {
    fn new(body: Body<'a>) -> Result<Self> {
        Ok(Self {
            change_type: body.word("change_type")?,
            zones: body.texts("available_zones")?,
            nodes: body.texts("node_list")?,
            reserved: body.texts("reserved_ip")?,
            immediately: body.boolean("execute_immediately")?.unwrap_or(true),
        })
    }

    /// `DCS.4875` and `DCS.4937`: no more and no fewer copies than there can be, whatever flavor is named.
    fn bounds(&self, instance: &Instance) -> Result<()> {
        let Shape { mode, replicas, .. } = &instance.shape;
        match self.change_type {
            Some("createReplication") if *replicas >= catalogue::most_replicas(mode) => {
                Err(Refusal::new("DCS.4875"))
            }
            Some("deleteReplication") if *replicas <= fewest_replicas(mode) => Err(Refusal::new("DCS.4937")),
            None | Some("createReplication" | "deleteReplication" | "addSharding" | "instanceType") => Ok(()),
            Some(_) => Err(Refusal::invalid("change_type")),
        }
    }

    /// `DCS.4800`: the type of change has to be that which the flavor means.
    fn fits(&self, step: Step, instance: &Instance, size: &Size) -> Result<()> {
        let fits = match (step, self.change_type) {
            (Step::Type, Some("instanceType"))
            | (Step::MoreReplicas, Some("createReplication"))
            | (Step::FewerReplicas, Some("deleteReplication"))
            | (Step::Size, None) => true,
            (Step::Size, Some("addSharding")) => size.shards > instance.shape.shards,
            _ => false,
        };
        if fits { Ok(()) } else { Err(Refusal::invalid("change_type")) }
    }

    /// `DCS.4800`: nodes to keep are nodes that there are.
    fn reserved_are_known(&self, instance: &Instance) -> Result<()> {
        let known =
            |ip: &&str| instance.nodes.iter().any(|node| node.ip.is_some_and(|own| own.to_string() == **ip));
        if self.reserved.iter().all(known) { Ok(()) } else { Err(Refusal::invalid("reserved_ip")) }
    }

    /// `DCS.4930` and `DCS.4936`: the nodes that stay when one replica goes, and no more than one.
    fn without_removed(&self, instance: &Instance, shape: &Shape) -> Result<Vec<Node>> {
        let [id] = self.nodes.as_slice() else { return Err(Refusal::new("DCS.4930")) };
        if shape.replicas + 1 != instance.shape.replicas {
            return Err(Refusal::new("DCS.4930"));
        }
        let removed = instance.nodes.iter().find(|node| node.id == *id);
        match removed {
            None => Err(Refusal::new("DCS.4930")),
            Some(node) if node.master => Err(Refusal::new("DCS.4936")),
            Some(_) => Ok(instance.nodes.iter().filter(|node| node.id != *id).cloned().collect()),
        }
    }
}

/// When the maintenance window begins next.
fn next_window(now: DateTime<Utc>, begin: &str) -> DateTime<Utc> {
    let begin = NaiveTime::parse_from_str(begin, "%H:%M:%S").unwrap_or_default();
    let today = now.date_naive().and_time(begin).and_utc();
    if today > now { today } else { later(today, Duration::from_secs(24 * 3600)) }
}

/// What a background task says about a resize.
fn details(instance: &Instance, reshape: &Reshape) -> Value {
    let (old, new) = (&instance.shape, &reshape.shape);
    let gib = |shape: &Shape| shape.capacity.gib().to_string();
    json!({
        "old_capacity": gib(old),
        "new_capacity": gib(new),
        "old_cache_mode": old.mode,
        "new_cache_mode": new.mode,
        "old_cache_type": old.mode,
        "new_cache_type": new.mode,
        "old_resource_spec_code": old.spec_code,
        "new_resource_spec_code": new.spec_code,
        "old_replica_num": old.replicas,
        "new_replica_num": new.replicas,
        "is_only_adjust_charging": false,
        "replica_ip": replicas(instance, reshape, |node| node.ip.map(|ip| ip.to_string())),
        "replica_az": replicas(instance, reshape, |node| Some(node.zone.clone())),
        "group_name": replicas(instance, reshape, |node| Some(format!("group{}", node.shard + 1))),
    })
}

/// Something about the replicas that come or go, if it is replicas that do.
fn replicas(instance: &Instance, reshape: &Reshape, what: fn(&Node) -> Option<String>) -> Option<String> {
    let (old, new) = (&instance.nodes, &reshape.nodes);
    let apart = |nodes: &[Node], others: &[Node]| -> Vec<String> {
        nodes.iter().filter(|node| others.iter().all(|other| other.id != node.id)).filter_map(what).collect()
    };
    let same_mode = instance.shape.mode == reshape.shape.mode;
    let moved = [apart(new, old), apart(old, new)].concat().join(",");
    Some(moved)
        .filter(|text| same_mode && instance.shape.replicas != reshape.shape.replicas && !text.is_empty())
}

impl Service {
    /// Gives back what a resize that was abandoned had taken.
    pub(super) fn abandon_plans(&mut self, id: &str) {
        let Some(instance) = self.store.get(id) else { return };
        let subnet_id = instance.subnet_id.clone();
        let all = topology::held(instance);
        let own = self.store.update(id, |instance| {
            instance.scheduled = None;
            instance.pending.take_if(|pending| matches!(pending.change, Change::Reshape(_)));
            topology::held(instance)
        });
        let own = own.unwrap_or_default();
        self.networks.release(&subnet_id, all.difference(&own).copied());
    }
}

#[cfg(test)]
mod tests;
