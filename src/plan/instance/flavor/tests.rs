use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dcs::model::CpuType;
use crate::plan::instance::tests::fixtures::desired;

/// One flavor as DCS lists it: capacities in GB, attributes and zones per capacity.
fn flavor(code: &str, mode: &str, cpu: &str, replicas: i64, sizes: &[(&str, i64)], zones: &[&str]) -> Value {
    let versions = if code.starts_with("dcs.") { "3.0" } else { "4.0;5.0; 6.0" };
    let capacities: Vec<_> = sizes.iter().map(|(capacity, _)| capacity).collect();
    let attributes: Vec<_> = sizes
        .iter()
        .map(|(capacity, shards)| json!({"capacity": capacity, "name": "sharding_num", "value": shards.to_string()}))
        .collect();
    let zones_by_capacity: Vec<_> = sizes
        .iter()
        .map(|(capacity, _)| json!({"capacity": capacity, "unit": "GB", "available_zones": [], "az_codes": zones}))
        .collect();
    json!({
        "spec_code": code, "cache_mode": mode, "engine": "redis", "engine_version": versions, "cpu_type": cpu,
        "product_type": "generic", "capacity": capacities, "replica_count": replicas, "attrs": attributes,
        "flavors_available_zones": zones_by_capacity,
    })
}

/// The flavors of a small region.
fn region() -> Vec<Flavor> {
    const ALL: &[&str] = &["z-c", "z-a", "z-b"];
    let mut flavors = Vec::new();
    for (cpu, code) in [("aarch64", "au1"), ("x86_64", "xu1")] {
        for gib in ["1", "2", "4", "8"] {
            let one = |kind: &str, copies: &str| format!("redis.{kind}.{code}.large.{copies}{gib}");
            flavors.push(flavor(&one("single", ""), "single", cpu, 1, &[(gib, 1)], ALL));
            for replicas in [3, 2] {
                let code = one("ha", &format!("r{replicas}."));
                flavors.push(flavor(&code, "ha", cpu, replicas, &[(gib, 1)], ALL));
            }
        }
    }
    for (code, mode, cpu, replicas, sizes, zones) in [
        ("redis.ha.xu1.large.p2.4", "ha_rw_split", "x86_64", 2, &[("4", 1)], ALL),
        ("redis.cluster.xu1.large.r1.8", "cluster", "x86_64", 1, &[("8", 3)], ALL),
        ("redis.cluster.xu1.large.r2.8", "cluster", "x86_64", 2, &[("8", 3)], ALL),
        ("redis.cluster.xu1.large.r2.s1.8", "cluster", "x86_64", 2, &[("8", 8)], ALL),
        ("redis.cluster.xu1.large.r2.s2.8", "cluster", "x86_64", 2, &[("8", 4)], ALL),
        ("redis.proxy.au1.large.16", "PROXY", "aarch64", 2, &[("16", 3)], &["z-b"]),
        ("redis.proxy.xu1.large.16", "PROXY", "x86_64", 2, &[("16", 3)], &[]),
        ("redis.single.xu1.large.64", "single", "x86_64", 1, &[("64", 1)], &[]),
        ("redis.single.xu1.tiny.128", "single", "x86_64", 1, &[("0.125", 1)], ALL),
    ] {
        flavors.push(flavor(code, mode, cpu, replicas, sizes, zones));
    }
    flavors.push(flavor("dcs.single_node", "single", "x86_64", 1, &[("2", 1), ("8", 1), ("4", 1)], ALL));
    let mut enterprise = flavor("redis.ha.xu1.e.4", "ha", "x86_64", 2, &[("4", 1)], ALL);
    enterprise["product_type"] = json!("enterprise");
    flavors.push(enterprise);
    let mut foreign = flavor("memcached.ha.1", "ha", "x86_64", 2, &[("4", 1)], ALL);
    foreign["engine"] = json!("memcached");
    flavors.push(foreign);
    serde_json::from_value(Value::Array(flavors)).unwrap()
}

fn defaults_with(cpu: Option<&str>, zones: &[&str]) -> Defaults {
    let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    Defaults { cpu_type: cpu.map(str::to_owned), availability_zones: Some(zones), ..Defaults::default() }
}

fn selected(more: Value, defaults: &Defaults) -> (String, Vec<String>) {
    let selected_flavor = select(&desired(more), defaults, &region()).unwrap();
    (selected_flavor.spec_code, selected_flavor.zones)
}

fn unavailable(more: Value, defaults: &Defaults) -> Unavailable {
    select(&desired(more), defaults, &region()).unwrap_err()
}

#[test]
fn requirements_select_a_flavor() {
    for (more, cpu, code) in [
        (json!({}), None, "redis.ha.xu1.large.r2.4"),
        (json!({}), Some("AArch64 "), "redis.ha.au1.large.r2.4"),
        (json!({"cpuType": "x86_64"}), Some("aarch64"), "redis.ha.xu1.large.r2.4"),
        (json!({"replicas": 3}), None, "redis.ha.xu1.large.r3.4"),
        (json!({"cacheMode": "ha_rw_split"}), None, "redis.ha.xu1.large.p2.4"),
        (json!({"cacheMode": "single", "cpuType": "aarch64"}), None, "redis.single.au1.large.4"),
        (json!({"cacheMode": "single", "capacity": "128Mi"}), None, "redis.single.xu1.tiny.128"),
        (json!({"cacheMode": "cluster", "capacity": "8Gi"}), None, "redis.cluster.xu1.large.r2.8"),
        (
            json!({"cacheMode": "cluster", "capacity": "8Gi", "shards": 3}),
            None,
            "redis.cluster.xu1.large.r2.8",
        ),
        (
            json!({"cacheMode": "cluster", "capacity": "8Gi", "shards": 8}),
            None,
            "redis.cluster.xu1.large.r2.s1.8",
        ),
        (
            json!({"cacheMode": "cluster", "capacity": "8Gi", "replicas": 1}),
            None,
            "redis.cluster.xu1.large.r1.8",
        ),
        // x86_64 is sold out in every zone, and the spec does not require it.
        (json!({"cacheMode": "proxy", "capacity": "16Gi"}), None, "redis.proxy.au1.large.16"),
        (json!({"capacity": null, "specCode": "redis.ha.xu1.large.r3.8"}), None, "redis.ha.xu1.large.r3.8"),
        // A code selects other editions too.
        (json!({"specCode": "redis.ha.xu1.e.4"}), Some("aarch64"), "redis.ha.xu1.e.4"),
    ] {
        assert_eq!(selected(more.clone(), &defaults_with(cpu, &[])).0, code, "{more}");
    }
}

#[test]
fn a_selection_describes_the_flavor() {
    let cluster = desired(json!({"cacheMode": "cluster", "capacity": "8Gi"}));
    let expected = SelectedFlavor {
        spec_code: "redis.cluster.xu1.large.r2.8".to_owned(),
        cache_mode: CacheMode::Cluster,
        cpu_type: Some(CpuType::X86_64),
        capacity: Capacity::from_mib(8192),
        replicas: Some(2),
        shards: Some(3),
        zones: vec!["z-a".to_owned(), "z-b".to_owned()],
    };
    assert_eq!(select(&cluster, &Defaults::default(), &region()), Ok(expected));
}

#[test]
fn zones_follow_the_spec_then_the_defaults() {
    let single = || json!({"cacheMode": "single"});
    for (more, defaults, zones) in [
        (json!({}), &[] as &[&str], &["z-a", "z-b"] as &[&str]),
        (single(), &[], &["z-a"]),
        (json!({"availabilityZones": ["Z-C"]}), &["z-a"], &["z-c"]),
        (json!({"availabilityZones": ["z-c", "z-b", "z-a"]}), &[], &["z-c", "z-b", "z-a"]),
        (json!({}), &["z-x", "z-c", "Z-C", "z-b", "z-a"], &["z-c", "z-b"]),
        (single(), &[" z-x", "", "z-c", "z-b"], &["z-c"]),
        (json!({"cacheMode": "proxy", "capacity": "16Gi"}), &[], &["z-b"]),
    ] {
        assert_eq!(selected(more.clone(), &defaults_with(None, defaults)).1, zones, "{more} {defaults:?}");
    }
}

#[test]
fn the_message_lists_alternatives_to_a_missing_flavor() {
    let no_flavor = |rest: &str| format!("no flavor has engineVersion 6.0, {rest}");
    for (more, cpu, message) in [
        (
            json!({"cpuType": "x86_64", "replicas": 2, "capacity": "3Gi"}),
            None,
            no_flavor(
                "cacheMode ha, cpuType x86_64, replicas 2, capacity 3Gi; the nearest are capacity 2Gi, capacity 4Gi",
            ),
        ),
        (
            json!({"capacity": "16Gi"}),
            None,
            no_flavor("cacheMode ha, capacity 16Gi; the nearest are capacity 8Gi, cacheMode proxy"),
        ),
        (
            json!({"cacheMode": "ha_rw_split"}),
            Some("aarch64"),
            no_flavor(
                "cacheMode ha_rw_split, cpuType aarch64 (from the credentials Secret), capacity 4Gi; the nearest \
                 are cpuType x86_64, cacheMode ha, cacheMode single",
            ),
        ),
        (
            json!({"cacheMode": "cluster", "capacity": "8Gi", "shards": 5}),
            None,
            no_flavor(
                "cacheMode cluster, shards 5, capacity 8Gi; the nearest are shards 4, shards 3, shards 8",
            ),
        ),
        (
            json!({"cacheMode": "cluster", "cpuType": "aarch64"}),
            None,
            no_flavor(
                "cacheMode cluster, cpuType aarch64, capacity 4Gi; the nearest are cpuType x86_64 and capacity 8Gi, \
                 cacheMode ha, cacheMode ha_rw_split and cpuType x86_64",
            ),
        ),
        (
            json!({"engineVersion": "9.9"}),
            None,
            "no flavor has engineVersion 9.9; there are 3.0, 4.0, 5.0, 6.0".to_owned(),
        ),
        (
            json!({"specCode": "redis.ha.xu1.large.r9.4"}),
            None,
            "there is no flavor redis.ha.xu1.large.r9.4; similar codes with engineVersion 6.0: \
             redis.ha.xu1.large.r2.4, redis.ha.xu1.large.r3.4, redis.ha.xu1.large.p2.4"
                .to_owned(),
        ),
        (
            json!({"specCode": "dcs.single_node"}),
            None,
            "specCode dcs.single_node does not exist with engineVersion 6.0, only with 3.0".to_owned(),
        ),
        (
            json!({"specCode": "redis.ha.xu1.large.r2.4", "capacity": "8Gi"}),
            None,
            "specCode redis.ha.xu1.large.r2.4 does not have capacity 8Gi; nearest: 4Gi".to_owned(),
        ),
        (
            json!({"specCode": "redis.single.xu1.large.4", "availabilityZones": ["z-a", "z-b"]}),
            None,
            "redis.single.xu1.large.4 with capacity 4Gi is one node: write one zone in availabilityZones"
                .to_owned(),
        ),
        (
            json!({}),
            Some("canary"),
            "credentialsRef: cpuType in the credentials Secret: write x86_64 or aarch64, or remove it"
                .to_owned(),
        ),
    ] {
        assert_eq!(unavailable(more, &defaults_with(cpu, &[])), Unavailable::NoSuch { message });
    }
}

#[test]
fn a_code_with_several_capacities_needs_a_capacity() {
    let group = json!({"securityGroupId": "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab"});
    let spec = |capacity: Option<&str>| json!({"engineVersion": "3.0", "capacity": capacity, "network": group, "specCode": "dcs.single_node"});
    let without_capacity = unavailable(spec(None), &Defaults::default());
    let message = "specCode dcs.single_node has several capacities: write capacity, one of 2Gi, 4Gi, 8Gi";
    assert_eq!(without_capacity.to_string(), message);
    let message = "specCode dcs.single_node does not have capacity 16Gi; nearest: 8Gi";
    assert_eq!(unavailable(spec(Some("16Gi")), &Defaults::default()).to_string(), message);
    assert_eq!(selected(spec(Some("8Gi")), &Defaults::default()).0, "dcs.single_node");
}

#[test]
fn a_sold_out_flavor_is_unavailable() {
    for (more, defaults, message) in [
        (
            json!({"availabilityZones": ["z-x", "z-a"]}),
            &[] as &[&str],
            "redis.ha.xu1.large.r2.4 with capacity 4Gi is not available in z-x: write availabilityZones from these: \
             z-a, z-b, z-c",
        ),
        (
            json!({}),
            &["z-x"],
            "redis.ha.xu1.large.r2.4 with capacity 4Gi is not available in the zones that the credentials Secret names: \
             set availabilityZones in the spec to zones from these: z-a, z-b, z-c",
        ),
        (
            json!({"cacheMode": "single", "capacity": "64Gi"}),
            &[],
            "redis.single.xu1.large.64 with capacity 64Gi is sold out in every zone at present: wait, or choose \
             another capacity, cacheMode or cpuType",
        ),
    ] {
        let expected = Unavailable::SoldOut { message: message.to_owned() };
        assert_eq!(unavailable(more, &defaults_with(None, defaults)), expected);
    }
}

#[test]
fn without_flavors_or_requirements_the_message_names_what_is_missing() {
    let defaults = Defaults::default();
    let message = |desired: &Desired| select(desired, &defaults, &[]).unwrap_err().to_string();
    let no_flavors = "no flavor has engineVersion 6.0: DCS lists no flavors";
    assert_eq!(message(&desired(json!({}))), no_flavors);
    let adopts = json!({"instanceId": "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab"});
    let without_version = desired(json!({"engineVersion": null, "adopt": adopts}));
    assert!(message(&without_version).starts_with("a new instance needs engineVersion"));
    let without_capacity = desired(json!({"capacity": null, "adopt": adopts}));
    assert!(message(&without_capacity).starts_with("a new instance needs capacity"));
}

#[test]
fn the_shape_of_an_instance_follows_from_its_flavor() {
    let shape = |code: &str, gib: u32| describe(code, Capacity::from_mib(gib * 1024), &region());
    let expected =
        |cache_mode, replicas, shards| Some(Shape { cache_mode, replicas: Some(replicas), shards });
    assert_eq!(shape("redis.cluster.xu1.large.r2.s1.8", 8), expected(CacheMode::Cluster, 2, Some(8)));
    assert_eq!(shape("Redis.HA.xu1.large.r3.4", 4), expected(CacheMode::Ha, 3, None));
    assert_eq!(shape("redis.ha.xu1.large.r2.5", 5), None);
}

fn any_input() -> impl Strategy<Value = (Desired, Defaults)> {
    let modes = proptest::option::of(proptest::sample::select(CacheMode::KNOWN));
    let cpus = || proptest::option::of(proptest::sample::select(CpuType::KNOWN));
    let zones =
        || proptest::option::of(proptest::sample::subsequence(vec!["z-a", "z-b", "z-c", "z-x"], 1..4));
    let capacities = proptest::sample::select(vec!["128Mi", "1Gi", "3Gi", "4Gi", "8Gi", "16Gi", "64Gi"]);
    let counts = (proptest::option::of(1_i64..5), proptest::option::of(1_i64..9));
    let codes: Vec<_> = region().into_iter().map(|flavor| flavor.spec_code).collect();
    let code = proptest::option::of(proptest::sample::select(codes));
    (modes, cpus(), (zones(), zones()), capacities, counts, cpus(), code).prop_map(
        |(mode, cpu, (zones, default_zones), capacity, (replicas, shards), default_cpu, code)| {
            let mut desired_state = desired(json!({"capacity": capacity, "availabilityZones": zones}));
            desired_state.flavor = match code {
                Some(code) => FlavorSpec::SpecCode(code),
                None => FlavorSpec::Select {
                    cache_mode: mode.map(CacheMode::from),
                    cpu_type: cpu.map(CpuType::from),
                    replicas,
                    shards,
                },
            };
            (desired_state, defaults_with(default_cpu, &default_zones.unwrap_or_default()))
        },
    )
}

proptest! {
    #[test]
    fn the_order_of_the_list_does_not_matter(
        (desired, defaults) in any_input(),
        shuffled in Just(region()).prop_shuffle(),
    ) {
        prop_assert_eq!(select(&desired, &defaults, &shuffled), select(&desired, &defaults, &region()));
    }

    #[test]
    fn the_selected_flavor_exists((desired, defaults) in any_input()) {
        let region = region();
        match select(&desired, &defaults, &region) {
            Ok(selected_flavor) => {
                let flavor = region.iter().find(|flavor| flavor.spec_code == selected_flavor.spec_code).unwrap();
                prop_assert!(flavor.capacity.contains(&selected_flavor.capacity));
                prop_assert!(flavor.engine_versions().any(|own| own == "6.0"));
                let available: Vec<_> = flavor.zones(selected_flavor.capacity).collect();
                prop_assert!(!selected_flavor.zones.is_empty());
                prop_assert!(selected_flavor.zones.iter().all(|zone| available.contains(&zone.as_str())));
                if let FlavorSpec::Select { cache_mode, cpu_type, replicas, shards } = desired.flavor {
                    prop_assert_eq!(selected_flavor.cache_mode, cache_mode.unwrap_or(CacheMode::Ha));
                    prop_assert!(cpu_type.is_none() || selected_flavor.cpu_type == cpu_type);
                    prop_assert!(replicas.is_none() || selected_flavor.replicas == replicas);
                    prop_assert!(shards.is_none() || selected_flavor.shards == shards);
                    prop_assert_eq!(Some(selected_flavor.capacity), desired.capacity);
                }
            }
            Err(unavailable) => prop_assert!(!unavailable.message().is_empty()),
        }
    }
}
