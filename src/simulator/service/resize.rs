//! Resizing: capacity, replicas, shards and cache mode (API reference 4.1.7).

use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use serde_json::{Value, json};

use super::{
    api_error::{ApiError, Result},
    catalogue::{self, Flavor, Size},
    instance::{Instance, Layout, Node, ScheduledResize, Shape, Transition},
    load,
    operation::BusyState,
    request::Body,
    state::Service,
    topology, validate,
};
use crate::{
    dcs::model::CacheMode,
    simulator::{call::Reply, cloud_clock::later},
};

/// Maximum memory usage before shrinking, in percent of the new size.
const MAX_USED_PERCENT: i64 = 70;

/// Kind of a resize. A request makes exactly one kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResizeKind {
    /// Changes the cache mode.
    Type,
    /// Adds copies to each shard.
    MoreReplicas,
    /// Removes copies from each shard.
    FewerReplicas,
    /// Changes the capacity, the number of shards, or both.
    Size,
}

/// A parsed request.
struct ResizeRequest<'a> {
    change_type: Option<&'a str>,
    zones: Vec<&'a str>,
    nodes: Vec<&'a str>,
    reserved: Vec<&'a str>,
    immediately: bool,
}

// === impl Service ===

impl Service {
    /// API reference 4.1.7.
    pub(super) fn resize(&mut self, id: &str, body: &Value) -> Result<Reply> {
        let instance = self.find(id)?.clone();
        let body = Body::new(body)?;
        instance.ensure_idle()?;
        if instance.scheduled.is_some() {
            return Err(ApiError::new("DCS.4108"));
        }
        let request = ResizeRequest::new(body)?;
        request.check_replica_bounds(&instance)?;
        let flavor = validate::flavor(body)?;
        let size = validate::size(body, "new_capacity", flavor)?;
        let kind = resize_kind(&instance, flavor, size)?;
        request.check_change_type(kind, &instance, size)?;
        self.check_data_fits(&instance, size)?;
        self.check_quota(0, i64::from(size.capacity.mib()) - i64::from(instance.shape.capacity.mib()))?;
        let layout = self.plan_layout(&instance, &request, kind, Shape::new(flavor, size))?;
        let effect = format!("resizing {id} to {}", flavor.spec_code);
        if request.immediately || !self.rules().deferred_resizes {
            self.start_resize(id, layout);
        } else {
            let at = next_window(self.now, &instance.maintain_begin);
            self.store.update(id, |instance| instance.scheduled = Some(ScheduledResize { at, layout }));
        }
        Ok(Reply::no_content(effect))
    }

    pub(super) fn start_resize(&mut self, id: &str, layout: Layout) {
        let Some(instance) = self.store.get(id) else { return };
        let task = (self.task_name(&instance.shape, &layout.shape), details(instance, &layout));
        self.start_operation(id, BusyState::Extending, task, Transition::Resize(layout));
    }

    fn task_name(&self, old: &Shape, new: &Shape) -> &'static str {
        match (old.replicas.cmp(&new.replicas), old.mode == new.mode) {
            (std::cmp::Ordering::Less, true) => "AddReplica",
            (std::cmp::Ordering::Greater, true) => "DelReplica",
            _ if self.rules().newer_fields => "ChangeInstanceSpec",
            _ => "EXTEND",
        }
    }

    /// Rejects a size that is too small for the stored data: `DCS.4012`.
    fn check_data_fits(&self, instance: &Instance, size: &Size) -> Result<()> {
        let used = load::used_memory(instance);
        let smaller = size.usable < instance.shape.max_memory;
        if smaller && used * 100 >= i64::from(size.usable) * MAX_USED_PERCENT {
            return Err(ApiError::with_detail(
                "DCS.4012",
                format!("{used} MB in use must be below {MAX_USED_PERCENT}% of the new size."),
            ));
        }
        Ok(())
    }

    /// Computes the new layout: `DCS.4933`, `DCS.4930`, `DCS.4936`, `DCS.4911`.
    fn plan_layout(
        &mut self,
        instance: &Instance,
        request: &ResizeRequest<'_>,
        kind: ResizeKind,
        shape: Shape,
    ) -> Result<Layout> {
        let zones = match kind {
            ResizeKind::MoreReplicas => {
                let zones = self.known_zones(&request.zones)?;
                zones.iter().map(|zone| self.available_zone(zone, "DCS.4933")).collect::<Result<_>>()?
            }
            ResizeKind::FewerReplicas if shape.mode == CacheMode::Cluster => {
                self.known_zones(&request.zones)?;
                instance.zones.clone()
            }
            ResizeKind::FewerReplicas | ResizeKind::Type | ResizeKind::Size => instance.zones.clone(),
        };
        request.check_reserved_ips(instance)?;
        let kept: Vec<Node> = match kind {
            ResizeKind::FewerReplicas if shape.mode != CacheMode::Cluster => {
                request.nodes_after_removal(instance, &shape)?
            }
            _ => instance.nodes.clone(),
        };
        let nodes = topology::place_nodes(&mut self.ids, &shape, &kept, &zones);
        topology::assign_addresses(
            &mut self.networks,
            &instance.subnet_id,
            shape,
            nodes,
            instance.proxy_address,
        )
    }

    /// Resolves zone codes or ids, sold out or not: `DCS.4933`.
    fn known_zones(&self, zones: &[&str]) -> Result<Vec<String>> {
        let error = || ApiError::new("DCS.4933");
        let code = |name: &&str| {
            let zone = self.zones().find(|zone| zone.code == *name || zone.id == *name);
            zone.map(|zone| zone.code).ok_or_else(error)
        };
        if zones.is_empty() { Err(error()) } else { zones.iter().map(code).collect() }
    }
}

/// Determines the kind of resize: `DCS.4927`, `DCS.4200`, `DCS.4012`, `DCS.4103`.
pub(super) fn resize_kind(instance: &Instance, flavor: &Flavor, size: &Size) -> Result<ResizeKind> {
    let now = &instance.shape;
    let version = instance.engine_version.as_str();
    if !flavor.versions.contains(&version) || flavor.cpu != now.cpu {
        return Err(ApiError::new("DCS.4927"));
    }
    if flavor.mode != now.mode {
        let possible = mode_change_exists(version, &now.mode, &flavor.mode);
        return possible.then_some(ResizeKind::Type).ok_or_else(|| ApiError::new("DCS.4200"));
    }
    let same_size = (size.capacity, size.shards) == (now.capacity, now.shards);
    match flavor.replicas.cmp(&now.replicas) {
        // Replicas and capacity cannot change in one request.
        std::cmp::Ordering::Less | std::cmp::Ordering::Greater if !same_size => {
            Err(ApiError::new("DCS.4012"))
        }
        std::cmp::Ordering::Less => Ok(ResizeKind::FewerReplicas),
        std::cmp::Ordering::Greater => Ok(ResizeKind::MoreReplicas),
        std::cmp::Ordering::Equal if same_size => Err(ApiError::new("DCS.4103")),
        std::cmp::Ordering::Equal if cannot_shrink(instance) && size.capacity < now.capacity => {
            Err(ApiError::new("DCS.4103"))
        }
        std::cmp::Ordering::Equal => Ok(ResizeKind::Size),
    }
}

/// Whether the service can change this cache mode.
fn mode_change_exists(version: &str, from: &CacheMode, to: &CacheMode) -> bool {
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

/// Minimum number of copies of a shard.
fn min_replicas(mode: &CacheMode) -> u32 {
    match mode {
        CacheMode::Ha | CacheMode::HaRwSplit | CacheMode::Proxy => 2,
        CacheMode::Single | CacheMode::Cluster | CacheMode::Other(_) => 1,
    }
}

// === impl ResizeRequest ===

impl<'a> ResizeRequest<'a> {
    fn new(body: Body<'a>) -> Result<Self> {
        Ok(Self {
            change_type: body.nonempty("change_type")?,
            zones: body.texts("available_zones")?,
            nodes: body.texts("node_list")?,
            reserved: body.texts("reserved_ip")?,
            immediately: body.boolean("execute_immediately")?.unwrap_or(true),
        })
    }

    /// Rejects going beyond the replica limits, regardless of the flavor: `DCS.4875`, `DCS.4937`.
    fn check_replica_bounds(&self, instance: &Instance) -> Result<()> {
        let Shape { mode, replicas, .. } = &instance.shape;
        match self.change_type {
            Some("createReplication") if *replicas >= catalogue::max_replicas(mode) => {
                Err(ApiError::new("DCS.4875"))
            }
            Some("deleteReplication") if *replicas <= min_replicas(mode) => Err(ApiError::new("DCS.4937")),
            None | Some("createReplication" | "deleteReplication" | "addSharding" | "instanceType") => Ok(()),
            Some(_) => Err(ApiError::invalid_field("change_type")),
        }
    }

    /// Rejects a `change_type` that does not match the flavor: `DCS.4800`.
    fn check_change_type(&self, kind: ResizeKind, instance: &Instance, size: &Size) -> Result<()> {
        let fits = match (kind, self.change_type) {
            (ResizeKind::Type, Some("instanceType"))
            | (ResizeKind::MoreReplicas, Some("createReplication"))
            | (ResizeKind::FewerReplicas, Some("deleteReplication"))
            | (ResizeKind::Size, None) => true,
            (ResizeKind::Size, Some("addSharding")) => size.shards > instance.shape.shards,
            _ => false,
        };
        if fits { Ok(()) } else { Err(ApiError::invalid_field("change_type")) }
    }

    /// Rejects reserved addresses that no node has: `DCS.4800`.
    fn check_reserved_ips(&self, instance: &Instance) -> Result<()> {
        let known =
            |ip: &&str| instance.nodes.iter().any(|node| node.ip.is_some_and(|own| own.to_string() == **ip));
        if self.reserved.iter().all(known) { Ok(()) } else { Err(ApiError::invalid_field("reserved_ip")) }
    }

    /// Nodes that remain after removing exactly one replica: `DCS.4930`, `DCS.4936`.
    fn nodes_after_removal(&self, instance: &Instance, shape: &Shape) -> Result<Vec<Node>> {
        let [id] = self.nodes.as_slice() else { return Err(ApiError::new("DCS.4930")) };
        if shape.replicas + 1 != instance.shape.replicas {
            return Err(ApiError::new("DCS.4930"));
        }
        let removed = instance.nodes.iter().find(|node| node.id == *id);
        match removed {
            None => Err(ApiError::new("DCS.4930")),
            Some(node) if node.master => Err(ApiError::new("DCS.4936")),
            Some(_) => Ok(instance.nodes.iter().filter(|node| node.id != *id).cloned().collect()),
        }
    }
}

/// Next start of the maintenance window.
fn next_window(now: DateTime<Utc>, begin: &str) -> DateTime<Utc> {
    let begin = NaiveTime::parse_from_str(begin, "%H:%M:%S").unwrap_or_default();
    let today = now.date_naive().and_time(begin).and_utc();
    if today > now { today } else { later(today, Duration::from_secs(24 * 3600)) }
}

/// Details of the background task.
fn details(instance: &Instance, layout: &Layout) -> Value {
    let (old, new) = (&instance.shape, &layout.shape);
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
        "replica_ip": replicas(instance, layout, |node| node.ip.map(|ip| ip.to_string())),
        "replica_az": replicas(instance, layout, |node| Some(node.zone.clone())),
        "group_name": replicas(instance, layout, |node| Some(format!("group{}", node.shard + 1))),
    })
}

/// Joins a property of the added or removed replicas; `None` for other kinds of resize.
fn replicas(instance: &Instance, layout: &Layout, what: fn(&Node) -> Option<String>) -> Option<String> {
    let (old, new) = (&instance.nodes, &layout.nodes);
    let apart = |nodes: &[Node], others: &[Node]| -> Vec<String> {
        nodes.iter().filter(|node| others.iter().all(|other| other.id != node.id)).filter_map(what).collect()
    };
    let same_mode = instance.shape.mode == layout.shape.mode;
    let moved = [apart(new, old), apart(old, new)].concat().join(",");
    Some(moved)
        .filter(|text| same_mode && instance.shape.replicas != layout.shape.replicas && !text.is_empty())
}

#[cfg(test)]
mod tests;
