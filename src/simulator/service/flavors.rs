//! Flavor listing (API reference 4.9.1).

use serde_json::{Value, json};

use super::{
    api_error::Result,
    catalogue::{self, Flavor, Size},
    instance::Instance,
    render,
    request::Query,
    resize,
    state::Service,
    tenant::Zone,
};
use crate::{dcs::model::Capacity, simulator::call::Reply};

// === impl Service ===

impl Service {
    /// API reference 4.9.1. `instance_id` restricts the list to possible resize targets.
    pub(super) fn list_flavors(&self, query: Query<'_>) -> Result<Reply> {
        let instance = query.nonempty("instance_id").map(|id| self.find(id)).transpose()?;
        let capacity = query.capacity()?;
        let zones: Vec<_> = self.zones().filter(|zone| !zone.sold_out).collect();
        let on_sale = |flavor: &&Flavor| self.sells_redis_3() || !flavor.is_version_3();
        let listed = &self.options.listed_flavors;
        let is_listed = |flavor: &&Flavor| {
            listed.is_empty() || listed.iter().any(|start| flavor.spec_code.starts_with(start))
        };
        let flavors = catalogue::all().iter().filter(on_sale).filter(is_listed);
        let flavors = flavors.filter(|flavor| matches(flavor, query));
        let shown = flavors.filter_map(|flavor| {
            let sizes = flavor.sizes.iter().filter(|size| {
                capacity.is_none_or(|capacity| size.capacity == capacity)
                    && instance.is_none_or(|instance| is_reachable(instance, flavor, size))
            });
            let sizes: Vec<_> = sizes.collect();
            (!sizes.is_empty()).then(|| show(flavor, &sizes, &zones))
        });
        Ok(Reply::ok(Value::Object([("flavors".to_owned(), shown.collect())].into_iter().collect())))
    }
}

fn matches(flavor: &Flavor, query: Query<'_>) -> bool {
    let is =
        |name: &str, own: &str| query.nonempty(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(own));
    is("engine", "redis")
        && is("spec_code", &flavor.spec_code)
        && is("cache_mode", flavor.mode.as_str())
        && is("cpu_type", flavor.cpu.as_str())
        && query.nonempty("engine_version").is_none_or(|version| flavor.versions.contains(&version))
}

fn is_reachable(instance: &Instance, flavor: &Flavor, size: &Size) -> bool {
    resize::resize_kind(instance, flavor, size).is_ok()
}

fn show(flavor: &Flavor, sizes: &[&Size], zones: &[Zone]) -> Value {
    let available = |size: &&&Size| {
        json!({
            "capacity": text(size.capacity),
            "unit": "GB",
            "available_zones": zones.iter().map(|zone| &zone.id).collect::<Vec<_>>(),
            "az_codes": zones.iter().map(|zone| &zone.code).collect::<Vec<_>>(),
        })
    };
    json!({
        "spec_code": flavor.spec_code,
        "cloud_service_type_code": "hws.service.type.dcs",
        "cloud_resource_type_code": render::resource_type(flavor.is_version_3()),
        "cache_mode": flavor.mode,
        "engine": "redis",
        "engine_version": flavor.versions.join(";"),
        "product_type": "generic",
        "cpu_type": flavor.cpu,
        "storage_type": "DRAM",
        "capacity": sizes.iter().map(|size| text(size.capacity)).collect::<Vec<_>>(),
        "billing_mode": ["Hourly"],
        "tenant_ip_count": sizes.first().map(|size| flavor.addresses(size)),
        "pricing_type": flavor.pricing(),
        "is_dec": false,
        "attrs": sizes.iter().flat_map(|size| attributes(flavor, size)).collect::<Vec<_>>(),
        // A flavor that is sold out in all zones is listed without zones.
        "flavors_available_zones": sizes.iter().map(|size| available(&size)).collect::<Vec<_>>(),
        "replica_count": flavor.replicas,
        "inquery_spec_code": flavor.spec_code,
        "billing_factor": 1.0,
    })
}

fn attributes(flavor: &Flavor, size: &Size) -> Vec<Value> {
    let usable = (f64::from(size.usable) / 102.4).round() / 10.0;
    let usable = if size.usable < 1024 { size.capacity.gib() } else { usable };
    let rows = [
        ("max_memory", usable.to_string()),
        ("max_connections", size.connections.to_string()),
        ("max_clients", size.connections.to_string()),
        ("max_bandwidth", size.bandwidth.to_string()),
        ("max_in_bandwidth", size.bandwidth.to_string()),
        ("sharding_num", size.shards.to_string()),
        ("proxy_num", size.proxies.to_string()),
        ("db_number", flavor.databases().to_string()),
    ];
    rows.map(|(name, value)| json!({"capacity": text(size.capacity), "name": name, "value": value})).into()
}

fn text(capacity: Capacity) -> String {
    capacity.gib().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dcs::model::{Flavors, PricingType},
        simulator::{Options, Site, service::fixtures::Cloud},
    };

    fn list(cloud: &mut Cloud, query: &[(&str, &str)]) -> Vec<crate::dcs::model::Flavor> {
        let body = cloud.get("ListFlavors", &[], query).body;
        serde_json::from_value::<Flavors>(body).unwrap().flavors
    }

    #[test]
    fn filters_are_applied() {
        let mut cloud = Cloud::default();
        let all = list(&mut cloud, &[]).len();
        assert_eq!(all, catalogue::all().len());
        for (query, expected) in [
            (vec![("spec_code", "redis.ha.xu1.large.r2.4")], 1),
            (vec![("spec_code", "redis.ha")], 0),
            (vec![("engine", "Redis"), ("engine_version", "3.0")], 3),
            (vec![("engine", "Memcached")], 0),
            (vec![("engine_version", "7.0"), ("cache_mode", "proxy")], 0),
            (vec![("engine_version", "6.0"), ("cache_mode", "ha_rw_split"), ("capacity", "4")], 5),
            (vec![("cache_mode", "single"), ("cpu_type", "aarch64"), ("capacity", "0.125")], 1),
            (vec![("cache_mode", "ha"), ("capacity", "3")], 0),
        ] {
            assert_eq!(list(&mut cloud, &query).len(), expected, "{query:?}");
        }
        assert_eq!(cloud.get("ListFlavors", &[], &[("capacity", "x")]).body["error_code"], "DCS.4800");
        assert_eq!(cloud.get("ListFlavors", &[], &[("instance_id", "x")]).body["error_code"], "DCS.4061");
        let listed_flavors = vec!["redis.ha.".to_owned(), "redis.single.xu1.tiny".to_owned()];
        let mut some = Cloud::new(Options { listed_flavors, ..Options::default() });
        let codes: Vec<_> = list(&mut some, &[]).into_iter().map(|flavor| flavor.spec_code).collect();
        assert!(codes.iter().any(|code| code.starts_with("redis.single.xu1.tiny")), "{codes:?}");
        assert!(codes.iter().all(|code| code.starts_with("redis.ha.") || code.contains("single.xu1.tiny")));
    }

    #[test]
    fn redis_3_is_on_sale_at_some_sites_only_and_never_first() {
        for (site, redis_3, sold) in [
            (Site::Main, false, 0),
            (Site::Newer, false, 0),
            (Site::Older, false, 3),
            (Site::Quirky, false, 3),
            (Site::Main, true, 3),
        ] {
            let mut cloud = Cloud::new(Options { site, redis_3, ..Options::default() });
            assert_eq!(list(&mut cloud, &[("engine_version", "3.0")]).len(), sold, "{site}");
            for query in [
                vec![],
                vec![("cache_mode", "ha")],
                vec![("cache_mode", "single"), ("capacity", "2")],
                vec![("cache_mode", "proxy"), ("capacity", "512")],
                vec![("cpu_type", "x86_64"), ("capacity", "64")],
            ] {
                let found = list(&mut cloud, &query);
                let first = found.first().and_then(|flavor| flavor.engine_version.clone());
                assert!(first.is_some_and(|versions| versions != "3.0"), "{site} {query:?}");
                let old = found.iter().filter(|flavor| flavor.engine_version.as_deref() == Some("3.0"));
                assert!(sold > 0 || old.count() == 0, "{site} {query:?}");
            }
            let created = cloud.try_create("dcs.master_standby", 8.0, json!({}));
            assert_eq!(created.status == 200, sold > 0, "{site}: {created:?}");
        }
    }

    #[test]
    fn attributes_and_zones_by_capacity() {
        let mut cloud = Cloud::default();
        let flavor = list(&mut cloud, &[("spec_code", "dcs.single_node")]).remove(0);
        assert_eq!(flavor.pricing_type, Some(PricingType::Tier));
        let eight = Capacity::from_mib(8192);
        assert_eq!(flavor.attribute(eight, "max_memory"), Some("6.8"));
        assert_eq!(flavor.attribute(eight, "max_bandwidth"), Some("64"));
        assert_eq!(flavor.zones(eight).count(), 3);
        let flavor = list(&mut cloud, &[("spec_code", "redis.single.xu1.tiny.128")]).remove(0);
        assert_eq!(flavor.attribute(Capacity::from_mib(128), "max_memory"), Some("0.125"));
        assert_eq!(flavor.engine_versions().collect::<Vec<_>>(), ["4.0", "5.0", "6.0", "7.0"]);
    }

    #[test]
    fn flavors_of_an_instance_are_its_resize_targets() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        let names: Vec<_> =
            list(&mut cloud, &[("instance_id", &id)]).into_iter().map(|flavor| flavor.spec_code).collect();
        let has = |name: &str| names.iter().any(|own| own == name);
        assert!(
            has("redis.ha.xu1.large.r2.8")
                && has("redis.ha.xu1.large.r3.4")
                && has("redis.proxy.xu1.large.8")
        );
        for never in [
            "redis.ha.xu1.large.r2.4",
            "redis.ha.xu1.large.r3.8",
            "redis.ha.au1.large.r2.8",
            "redis.cluster.xu1.large.r2.4",
            "dcs.master_standby",
        ] {
            assert!(!has(never), "{never}");
        }
    }
}
