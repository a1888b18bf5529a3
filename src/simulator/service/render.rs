//! JSON representations of an instance: summary and details (API reference 4.1.2, 4.1.4).

use std::net::Ipv4Addr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{
    instance::{Backup, Instance, Shape},
    load,
    state::Service,
};
use crate::dcs::model::{CacheMode, Capacity, time};

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

/// JSON object under construction.
type Fields = Map<String, Value>;

// === impl Service ===

impl Service {
    /// Representation in a list.
    pub(super) fn summary(&self, instance: &Instance) -> Value {
        let mut fields = self.common(instance);
        fields.extend(object(json!({
            "no_password_access": instance.password.is_none(),
            // Zones with resources left, not the zones of the instance.
            "az_codes": self.available_zone_codes(),
            "updated_at": time::format(instance.updated_at),
        })));
        Value::Object(fields)
    }

    /// Representation in a read by id.
    pub(super) fn detail(&self, instance: &Instance) -> Value {
        let mut fields = self.common(instance);
        fields.extend(self.place_details(instance));
        fields.extend(self.shape_details(instance));
        if self.rules().newer_fields {
            fields.extend(object(
                json!({"free": false, "is_free": false, "libos": false, "active_active": null,
                "crr_role": null, "proxy_links": null, "publicip_info": null}),
            ));
        }
        Value::Object(fields)
    }

    fn common(&self, instance: &Instance) -> Fields {
        let (user_id, user_name) = self.user();
        let (capacity, capacity_minor) = capacity(instance.shape.capacity);
        let (domain, readonly) = self.domains(instance);
        // The addresses are reserved earlier but shown only after the start.
        let addresses = instance.launched_at.map(|_| instance.addresses()).unwrap_or_default();
        let addresses: Vec<_> = addresses.iter().map(Ipv4Addr::to_string).collect();
        let mut fields = object(json!({
            "instance_id": instance.id,
            "name": instance.name,
            "description": instance.description,
            "status": instance.visible_status().0,
            "sub_status": instance.sub_status,
            "engine": "Redis",
            "engine_version": instance.engine_version,
            "spec_code": instance.shape.spec_code,
            "cpu_type": instance.shape.cpu,
            "capacity": capacity,
            "capacity_minor": capacity_minor,
            "max_memory": instance.shape.max_memory,
            "used_memory": load::used_memory(instance),
            "ip": (!addresses.is_empty()).then(|| addresses.join(",")),
            "port": instance.port,
            "domain_name": domain,
            "readonly_domain_name": readonly,
            "features": features(instance),
            "tags": instance.tags,
            "maintain_begin": instance.maintain_begin,
            "maintain_end": instance.maintain_end,
            "created_at": time::format(instance.created_at),
        }));
        fields.extend(object(json!({
            "vpc_id": instance.vpc_id,
            "vpc_name": format!("vpc-{}", instance.vpc_id.get(..8).unwrap_or(&instance.vpc_id)),
            "subnet_id": instance.subnet_id,
            "security_group_id": instance.security_group_id,
            "enterprise_project_id": instance.enterprise_project_id,
            "charging_mode": instance.charging_mode,
            "order_id": null,
            "access_user": null,
            "user_id": user_id,
            "user_name": user_name,
            "service_upgrade": false,
            "service_task_id": null,
            "enable_ssl": false,
            "enable_publicip": false,
            "publicip_id": null,
            "publicip_address": null,
        })));
        fields
    }

    fn place_details(&self, instance: &Instance) -> Fields {
        let ids: Vec<_> = instance.zones.iter().map(|code| self.zone_id(code)).collect();
        let backends: Vec<_> = instance.nodes.iter().filter_map(|node| node.ip).collect();
        let backends =
            backends.iter().map(|ip| format!("{ip}:{}", instance.port)).collect::<Vec<_>>().join(",");
        let has_backends = instance.shape.mode == CacheMode::Cluster && instance.launched_at.is_some();
        object(json!({
            "task": instance.visible_status().1,
            "no_password_access": instance.password.is_none().to_string(),
            "az_codes": instance.zones,
            "available_zones": ids,
            "subnet_name": format!("subnet-{}", instance.subnet_id.get(..8).unwrap_or(&instance.subnet_id)),
            "subnet_cidr": self.networks.cidr(&instance.subnet_id),
            "security_group_name": instance.security_group_id.as_ref().map(|_| "default"),
            "backend_addrs": has_backends.then_some(backends),
            "enterprise_project_name": if instance.enterprise_project_id == "0" { "default" } else { "project" },
            "domain_name_info": {
                "support_public_resolve": true,
                "is_latest_rules": true,
                "zone_name": self.domain_zone(),
                "history_domain_names": null,
            },
            "transparent_client_ip_enable": !instance.is_version_3(),
            "update_at": time::format(instance.updated_at),
            "launched_at": instance.launched_at.map(time::format),
        }))
    }

    fn shape_details(&self, instance: &Instance) -> Fields {
        let shape = &instance.shape;
        let policy = instance.backup.as_ref().map(|backup| self.backup_policy(backup));
        object(json!({
            "cache_mode": shape.mode,
            "replica_count": shape.replicas,
            "sharding_count": shape.shards,
            "db_number": shape.databases,
            "instance_backup_policy": policy,
            "product_type": "generic",
            "storage_type": "DRAM",
            "support_slow_log_flag": "true",
            "bandwidth_info": bandwidth(shape, self.now),
            "cloud_service_type_code": "hws.service.type.dcs",
            "cloud_resource_type_code": resource_type(instance.is_version_3()),
            "inquery_spec_code": shape.spec_code,
        }))
    }

    fn backup_policy(&self, backup: &Backup) -> Value {
        json!({
            "backup_policy_id": backup.id,
            "created_at": time::format(backup.created_at),
            "updated_at": time::format(backup.updated_at),
            "policy": backup.policy,
            "tenant_id": self.options.project_id,
        })
    }

    /// Private DNS names, and the read-only name if reads have another address.
    fn domains(&self, instance: &Instance) -> (Option<String>, Option<String>) {
        if instance.launched_at.is_none() {
            return (None, None);
        }
        let zone = self.domain_zone();
        let reads_apart = instance.shape.mode == CacheMode::Ha && !instance.is_version_3();
        let readonly = reads_apart.then(|| format!("redis-{}-readonly.{zone}", instance.id));
        (Some(format!("redis-{}.{zone}", instance.id)), readonly)
    }

    fn domain_zone(&self) -> String {
        format!("{}.dcs.example.com", self.options.region)
    }
}

/// Resource type code of the price list.
pub(super) fn resource_type(version_3: bool) -> &'static str {
    if version_3 { "hws.resource.type.dcs" } else { "hws.resource.type.dcs3" }
}

/// Whole GB as a number, and less than one GB as text such as `.125`.
fn capacity(capacity: Capacity) -> (u32, Option<String>) {
    let small = capacity.mib() < 1024;
    let minor = small.then(|| capacity.gib().to_string().trim_start_matches('0').to_owned());
    (capacity.mib() / 1024, minor)
}

fn features(instance: &Instance) -> Value {
    let version_3 = instance.is_version_3();
    let proxied = instance.shape.is_proxied();
    json!({
        "support_acl": !version_3,
        "support_transparent_client_ip": !version_3,
        "support_ssl": matches!(instance.engine_version.as_str(), "6.0" | "7.0") && !proxied,
        "support_audit_log": proxied && !version_3,
    })
}

fn bandwidth(shape: &Shape, now: DateTime<Utc>) -> Value {
    json!({
        "bandwidth": shape.bandwidth,
        "assured_bandwidth": shape.bandwidth,
        "max_bandwidth_for_node": shape.bandwidth / shape.shards.max(1),
        "begin_time": null,
        "end_time": null,
        "current_time": now.timestamp_millis(),
        "expand_count": 0,
        "expand_effect_time": 24 * HOUR,
        "expand_interval_time": 2 * HOUR,
        "max_expand_count": 3,
        "next_expand_time": null,
        "task_running": false,
    })
}

fn object(value: Value) -> Fields {
    if let Value::Object(fields) = value { fields } else { Fields::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dcs::model::{InstanceDetail, InstancePage},
        simulator::service::fixtures::Cloud,
    };

    #[test]
    fn small_capacities_are_split() {
        for (mib, whole, minor) in [
            (128, 0, Some(".125")),
            (256, 0, Some(".25")),
            (512, 0, Some(".5")),
            (1024, 1, None),
            (65536, 64, None),
        ] {
            assert_eq!(capacity(Capacity::from_mib(mib)), (whole, minor.map(str::to_owned)), "{mib}");
        }
    }

    #[test]
    fn the_client_reads_list_and_details() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.tiny.r2.128", 0.125);
        let detail: InstanceDetail = serde_json::from_value(cloud.show(&id)).unwrap();
        assert_eq!(detail.capacity(), Some(Capacity::from_mib(128)));
        assert_eq!(
            (detail.replica_count, detail.sharding_count, detail.db_number),
            (Some(2), Some(1), Some(256))
        );
        assert_eq!(detail.no_password_access, Some(false));
        assert_eq!(detail.security_group(), None);
        assert!(!detail.is_busy());
        assert_eq!(detail.ip.as_deref(), Some("10.0.0.2"));
        let page = cloud.get("ListInstances", &[], &[]).body;
        let page: InstancePage = serde_json::from_value(page).unwrap();
        assert_eq!(page.instances[0].capacity(), Some(Capacity::from_mib(128)));
        assert_eq!(page.instances[0].updated_at, detail.update_at);
    }

    #[test]
    fn addresses_are_hidden_until_the_instance_starts() {
        let mut cloud = Cloud::default();
        let id = cloud.create("redis.cluster.xu1.large.r2.24", 24.0, json!({}));
        let body = cloud.show(&id);
        for name in ["ip", "domain_name", "readonly_domain_name", "backend_addrs", "launched_at"] {
            assert_eq!(body[name], Value::Null, "{name}");
        }
    }

    #[test]
    fn a_cluster_shows_all_addresses_and_proxies_one() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.cluster.xu1.large.r2.24", 24.0);
        let body = cloud.show(&id);
        assert_eq!(body["ip"].as_str().unwrap().split(',').count(), 6);
        assert_eq!(body["backend_addrs"].as_str().unwrap().split(',').next(), Some("10.0.0.2:6379"));
        assert_eq!(body["readonly_domain_name"], Value::Null);
        let id = cloud.running("redis.ha.xu1.large.p2.4", 4.0);
        assert_eq!(cloud.show(&id)["ip"], "10.0.0.8");
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        assert!(cloud.show(&id)["readonly_domain_name"].as_str().unwrap().contains("-readonly."));
    }
}
