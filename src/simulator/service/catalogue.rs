//! The flavor catalogue of the basic edition, with the names and dimensions of the product pages.
//!
//! - 4.0 to 7.0: `redis.<mode>.<cpu>.<size>…`, one capacity per flavor. `xu1` is x86, `au1` Arm. `r2` is the number
//!   of copies of each shard, including the master; `p2` is the same for read/write splitting; `s4` is a shard size
//!   of 4 GB with a chosen number of shards.
//! - 3.0: `dcs.single_node`, `dcs.master_standby`, `dcs.cluster`, x86 only, several capacities per flavor.
//!
//! Names with `s` are known from examples and counts only; their shard counts are derived from the capacity.

use std::sync::LazyLock;

use crate::dcs::model::{CacheMode, Capacity, CpuType, PricingType};

/// A flavor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Flavor {
    pub(super) spec_code: String,
    /// Supported Redis versions.
    pub(super) versions: &'static [&'static str],
    pub(super) mode: CacheMode,
    pub(super) cpu: CpuType,
    /// Copies of each shard, including the master.
    pub(super) replicas: u32,
    /// Available capacities.
    pub(super) sizes: Vec<Size>,
}

/// A capacity of a flavor with its dimensions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    /// Nominal capacity.
    pub(super) capacity: Capacity,
    /// Capacity for data in MiB.
    pub(super) usable: u32,
    pub(super) shards: u32,
    pub(super) proxies: u32,
    /// Default connection limit.
    pub(super) connections: u32,
    /// Bandwidth in Mbit/s.
    pub(super) bandwidth: u32,
}

const ALL_VERSIONS: &[&str] = &["4.0", "5.0", "6.0", "7.0"];
/// Modes other than single, ha and cluster do not exist in 7.0.
const UP_TO_VERSION_6: &[&str] = &["4.0", "5.0", "6.0"];
const CPUS: [(CpuType, &str); 2] = [(CpuType::X86_64, "xu1"), (CpuType::Aarch64, "au1")];
/// Unsharded sizes: MiB, Mbit/s.
const UNSHARDED_SIZES: [(u32, u32); 12] = [
    (128, 40),
    (256, 80),
    (512, 80),
    (1024, 80),
    (2048, 128),
    (4096, 192),
    (8192, 192),
    (16384, 256),
    (24576, 256),
    (32768, 256),
    (49152, 256),
    (65536, 384),
];
/// Sharded capacities in GB.
const SHARDED_SIZES_GB: [u32; 15] = [4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];
/// Selectable shard sizes in GB.
const SHARD_SIZES_GB: [u32; 6] = [1, 2, 4, 8, 16, 32];
/// Read/write splitting: GB, Mbit/s per copy.
const RW_SPLIT_SIZES: [(u32, u32); 7] =
    [(1, 384), (2, 384), (4, 384), (8, 768), (16, 768), (32, 768), (64, 768)];
/// Redis 3.0, single and ha: GB, usable MiB of single, usable MiB of ha, Mbit/s.
const VERSION_3_UNSHARDED: [(u32, u32, u32, u32); 6] = [
    (2, 1536, 1536, 42),
    (4, 3276, 3276, 64),
    (8, 6963, 6553, 64),
    (16, 13926, 13107, 85),
    (32, 27852, 26214, 85),
    (64, 59596, 52428, 128),
];
/// Redis 3.0, proxy: GB, shards, proxies, connections.
const VERSION_3_PROXY: [(u32, u32, u32, u32); 5] = [
    (64, 8, 3, 90_000),
    (128, 16, 6, 180_000),
    (256, 32, 8, 240_000),
    (512, 64, 16, 480_000),
    (1024, 128, 32, 480_000),
];

static ALL: LazyLock<Vec<Flavor>> = LazyLock::new(|| {
    let mut flavors = Vec::new();
    for (cpu, code) in CPUS {
        flavors.extend(unsharded_flavors(CacheMode::Single, &cpu, code, 1));
        (2..=5).for_each(|replicas| flavors.extend(unsharded_flavors(CacheMode::Ha, &cpu, code, replicas)));
        flavors.extend(sharded_flavors(CacheMode::Proxy, &cpu, code, 2));
        (1..=5)
            .for_each(|replicas| flavors.extend(sharded_flavors(CacheMode::Cluster, &cpu, code, replicas)));
    }
    (2..=6).for_each(|replicas| flavors.extend(rw_split_flavors(replicas)));
    flavors.extend(version_3_flavors());
    flavors
});

/// All flavors.
pub(super) fn all() -> &'static [Flavor] {
    &ALL
}

/// The flavor of this name.
pub(super) fn find(spec_code: &str) -> Option<&'static Flavor> {
    all().iter().find(|flavor| flavor.spec_code == spec_code)
}

/// Maximum number of copies of a shard, including the master.
pub(super) fn max_replicas(mode: &CacheMode) -> u32 {
    let of_mode = all().iter().filter(|flavor| flavor.mode == *mode);
    of_mode.map(|flavor| flavor.replicas).max().unwrap_or(1)
}

const fn gib(gib: u32) -> Capacity {
    Capacity::from_mib(gib * 1024)
}

/// Flavors of `single` and `ha`.
fn unsharded_flavors(mode: CacheMode, cpu: &CpuType, code: &str, replicas: u32) -> Vec<Flavor> {
    let copies = if mode == CacheMode::Single { String::new() } else { format!("r{replicas}.") };
    let flavor = |(mib, bandwidth): (u32, u32)| {
        let size =
            if mib < 1024 { format!("tiny.{copies}{mib}") } else { format!("large.{copies}{}", mib / 1024) };
        Flavor {
            spec_code: format!("redis.{mode}.{code}.{size}"),
            versions: ALL_VERSIONS,
            mode: mode.clone(),
            cpu: cpu.clone(),
            replicas,
            sizes: vec![Size {
                capacity: Capacity::from_mib(mib),
                usable: mib,
                shards: 1,
                proxies: 0,
                connections: 10_000,
                bandwidth,
            }],
        }
    };
    UNSHARDED_SIZES.map(flavor).into()
}

/// Flavors of `proxy` and `cluster`: the default number of shards and, on x86, selectable shard sizes.
fn sharded_flavors(mode: CacheMode, cpu: &CpuType, code: &str, replicas: u32) -> Vec<Flavor> {
    let copies = if mode == CacheMode::Proxy { String::new() } else { format!("r{replicas}.") };
    let versions = if mode == CacheMode::Proxy { UP_TO_VERSION_6 } else { ALL_VERSIONS };
    let flavor = |name: String, capacity: u32, shards: u32| Flavor {
        spec_code: format!("redis.{mode}.{code}.large.{copies}{name}"),
        versions,
        mode: mode.clone(),
        cpu: cpu.clone(),
        replicas,
        sizes: vec![sharded_size(&mode, capacity, shards)],
    };
    let mut flavors = Vec::new();
    for capacity in SHARDED_SIZES_GB {
        flavors.push(flavor(capacity.to_string(), capacity, default_shards(capacity)));
        for size in SHARD_SIZES_GB.into_iter().filter(|_| *cpu == CpuType::X86_64) {
            let shards = capacity / size;
            if capacity.is_multiple_of(size) && (3..=128).contains(&shards) {
                flavors.push(flavor(format!("s{size}.{capacity}"), capacity, shards));
            }
        }
    }
    flavors
}

/// Three shards up to 32 GB, then one per 8 GB.
fn default_shards(capacity: u32) -> u32 {
    if capacity <= 32 { 3 } else { capacity / 8 }
}

fn sharded_size(mode: &CacheMode, capacity: u32, shards: u32) -> Size {
    let bandwidth = shards * if capacity == shards { 384 } else { 768 };
    let (proxies, connections, bandwidth) = match mode {
        CacheMode::Proxy if capacity == 4 => (shards, 20_000, bandwidth.min(10_000)),
        CacheMode::Proxy => (shards, (shards * 10_000).min(200_000), bandwidth.min(10_000)),
        _ => (0, shards * 10_000, bandwidth),
    };
    Size { capacity: gib(capacity), usable: capacity * 1024, shards, proxies, connections, bandwidth }
}

/// Flavors of `ha_rw_split`: x86 only, one proxy per copy.
fn rw_split_flavors(replicas: u32) -> Vec<Flavor> {
    let flavor = |(capacity, bandwidth): (u32, u32)| Flavor {
        spec_code: format!("redis.ha.xu1.large.p{replicas}.{capacity}"),
        versions: UP_TO_VERSION_6,
        mode: CacheMode::HaRwSplit,
        cpu: CpuType::X86_64,
        replicas,
        sizes: vec![Size {
            capacity: gib(capacity),
            usable: capacity * 1024,
            shards: 1,
            proxies: replicas,
            connections: replicas * 10_000,
            bandwidth: replicas * bandwidth,
        }],
    };
    RW_SPLIT_SIZES.map(flavor).into()
}

/// Flavors of Redis 3.0.
fn version_3_flavors() -> Vec<Flavor> {
    let flavor = |name: &str, mode, replicas, sizes| Flavor {
        spec_code: format!("dcs.{name}"),
        versions: &["3.0"],
        mode,
        cpu: CpuType::X86_64,
        replicas,
        sizes,
    };
    let plain = |capacity, usable, bandwidth| Size {
        capacity: gib(capacity),
        usable,
        shards: 1,
        proxies: 0,
        connections: 5_000,
        bandwidth,
    };
    let proxy = |(capacity, shards, proxies, connections): (u32, u32, u32, u32)| Size {
        capacity: gib(capacity),
        usable: capacity * 1024,
        shards,
        proxies,
        connections,
        bandwidth: 600,
    };
    let single =
        VERSION_3_UNSHARDED.map(|(capacity, single, _, bandwidth)| plain(capacity, single, bandwidth));
    let ha = VERSION_3_UNSHARDED.map(|(capacity, _, ha, bandwidth)| plain(capacity, ha, bandwidth));
    vec![
        flavor("single_node", CacheMode::Single, 1, single.into()),
        flavor("master_standby", CacheMode::Ha, 2, ha.into()),
        flavor("cluster", CacheMode::Proxy, 2, VERSION_3_PROXY.map(proxy).into()),
    ]
}

// === impl Flavor ===

impl Flavor {
    /// Whether instances have Redis 3.0.
    pub(super) fn is_version_3(&self) -> bool {
        self.versions == ["3.0"]
    }

    /// The size with this capacity.
    pub(super) fn size(&self, capacity: Capacity) -> Option<&Size> {
        self.sizes.iter().find(|size| size.capacity == capacity)
    }

    /// Tiered if the flavor has several capacities.
    pub(super) fn pricing(&self) -> PricingType {
        if self.sizes.len() > 1 { PricingType::Tier } else { PricingType::Normal }
    }

    /// Subnet addresses of an instance; proxies share one address.
    pub(super) fn addresses(&self, size: &Size) -> u32 {
        match self.mode {
            CacheMode::Proxy | CacheMode::HaRwSplit => 1,
            _ => self.replicas * size.shards,
        }
    }

    /// Number of databases. Redis Cluster has one.
    pub(super) fn databases(&self) -> u32 {
        if self.mode == CacheMode::Cluster { 1 } else { 256 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_capacities_are_unique() {
        let names: HashSet<_> = all().iter().map(|flavor| &flavor.spec_code).collect();
        assert_eq!(names.len(), all().len());
        for flavor in all() {
            let capacities: HashSet<_> = flavor.sizes.iter().map(|size| size.capacity).collect();
            assert_eq!(capacities.len(), flavor.sizes.len(), "{}", flavor.spec_code);
        }
    }

    #[test]
    fn flavor_counts_match_a_real_region() {
        // Counts from a real region, without its free and enterprise flavors.
        let count = |mode: CacheMode| {
            all()
                .iter()
                .filter(|f| f.mode == mode && f.cpu == CpuType::X86_64 && f.versions != ["3.0"])
                .count()
        };
        assert_eq!(count(CacheMode::Single), 12);
        assert_eq!(count(CacheMode::Ha), 48);
        assert_eq!(count(CacheMode::HaRwSplit), 35);
        assert_eq!(count(CacheMode::Proxy), 75);
    }

    #[test]
    fn dimensions_match_the_published_tables() {
        // (name, MiB, usable MiB, copies, shards, proxies, connections, Mbit/s, addresses)
        for row in [
            ("redis.single.xu1.tiny.128", 128, 128, 1, 1, 0, 10_000, 40, 1),
            ("redis.single.au1.large.4", 4096, 4096, 1, 1, 0, 10_000, 192, 1),
            ("redis.ha.xu1.tiny.r2.512", 512, 512, 2, 1, 0, 10_000, 80, 2),
            ("redis.ha.au1.large.r3.64", 65536, 65536, 3, 1, 0, 10_000, 384, 3),
            ("redis.ha.xu1.large.p2.1", 1024, 1024, 2, 1, 2, 20_000, 768, 1),
            ("redis.ha.xu1.large.p6.64", 65536, 65536, 6, 1, 6, 60_000, 4608, 1),
            ("redis.proxy.xu1.large.4", 4096, 4096, 2, 3, 3, 20_000, 2304, 1),
            ("redis.proxy.xu1.large.96", 98304, 98304, 2, 12, 12, 120_000, 9216, 1),
            ("redis.proxy.au1.large.1024", 1_048_576, 1_048_576, 2, 128, 128, 200_000, 10_000, 1),
            ("redis.cluster.xu1.large.r2.32", 32768, 32768, 2, 3, 0, 30_000, 2304, 6),
            ("redis.cluster.xu1.large.r3.24", 24576, 24576, 3, 3, 0, 30_000, 2304, 9),
            ("redis.cluster.xu1.large.r2.s1.8", 8192, 8192, 2, 8, 0, 80_000, 3072, 16),
            ("redis.cluster.au1.large.r2.1024", 1_048_576, 1_048_576, 2, 128, 0, 1_280_000, 98304, 256),
            ("dcs.single_node", 8192, 6963, 1, 1, 0, 5_000, 64, 1),
            ("dcs.master_standby", 2048, 1536, 2, 1, 0, 5_000, 42, 2),
            ("dcs.cluster", 65536, 65536, 2, 8, 3, 90_000, 600, 1),
        ] {
            let (name, mib, usable, replicas, shards, proxies, connections, bandwidth, addresses) = row;
            let flavor = find(name).expect(name);
            let size = flavor.size(Capacity::from_mib(mib)).expect(name);
            assert_eq!(
                (size.usable, flavor.replicas, size.shards, size.proxies, size.connections, size.bandwidth),
                (usable, replicas, shards, proxies, connections, bandwidth),
                "{name}"
            );
            assert_eq!(flavor.addresses(size), addresses, "{name}");
        }
    }

    #[test]
    fn unknown_names_are_not_found() {
        for name in [
            "",
            "redis.ha.xu1.large.r6.4",
            "redis.ha.xu1.large.4",
            "redis.ha.au1.large.p2.4",
            "redis.cluster.xu1.large.r2.s8.8",
            "redis.single.xu1.large.128",
            "redis.single.xu1.tiny.125",
        ] {
            assert_eq!(find(name), None, "{name}");
        }
        assert_eq!(find("redis.proxy.xu1.large.8").unwrap().versions, UP_TO_VERSION_6);
    }

    #[test]
    fn maximum_replicas_per_mode() {
        for (mode, most) in
            [(CacheMode::Single, 1), (CacheMode::Ha, 5), (CacheMode::HaRwSplit, 6), (CacheMode::Cluster, 5)]
        {
            assert_eq!(max_replicas(&mode), most);
        }
    }
}
