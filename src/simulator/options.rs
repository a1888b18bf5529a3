//! Configuration of the simulated service: durations, quotas and the site profile.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// Configuration of a [`Service`](super::Service). Fields missing from a file have their default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Time that an instance is CREATING.
    pub provisioning: Duration,
    /// Time that a resize, restart, port change or password reset takes.
    pub operation: Duration,
    /// Time that an instance is DELETING.
    pub deletion: Duration,
    /// Seed for ids, addresses and load figures: the same seed and calls give the same results.
    pub seed: u64,
    /// Behaviour profile to emulate.
    pub site: Site,
    /// Project of all instances.
    pub project_id: String,
    /// Region code.
    pub region: String,
    /// Availability zones of the region.
    pub zones: Vec<Zone>,
    /// Existing VPCs and subnets. If empty, every VPC exists, and a subnet belongs to the VPC it is first used with.
    pub networks: Vec<Network>,
    /// Instance quota.
    pub quota_instances: i64,
    /// Memory quota in GB.
    pub quota_ram_gb: i64,
    /// Whether names must be unique (DCS.4060). Sites differ.
    pub unique_names: bool,
    /// Whether `include_failure` lists failed creations. The API reference only counts them.
    pub list_failures: bool,
    /// Whether lists leave the tags out. Some sites show them only in the details of an instance.
    pub list_without_tags: bool,
    /// Time during which a new instance is missing from lists and reads.
    pub visible_after: Duration,
    /// Whether Redis 3.0 is on sale, whatever the profile. Sites that the service has opened since do not sell it.
    pub redis_3: bool,
    /// Beginnings of the spec codes that flavor lists show. If empty, they show every flavor.
    pub listed_flavors: Vec<String>,
    /// Backups and restores.
    pub backups: BackupOptions,
}

/// Configuration of backups and restores. What the service does not document is an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupOptions {
    /// Whether the site offers backups and restores (DCS.4095 otherwise).
    pub offered: bool,
    /// Time that a backup or restore waits before it starts.
    pub queue: Duration,
    /// Time that a backup runs.
    pub backup: Duration,
    /// Time that a restore runs.
    pub restore: Duration,
    /// Backups of an instance, automatic and manual together; one more removes the earliest. 0 for no limit.
    pub limit: usize,
    /// Whether a failed backup counts towards the limit.
    pub limit_counts_failed: bool,
    /// Whether a waiting or running backup can be deleted, which ends it. Otherwise the deletion is refused.
    pub delete_running: bool,
    /// Whether deleted and expired backups stay listed, with that status.
    pub list_removed: bool,
    /// Time that restores stay listed.
    pub restores_listed: Duration,
    /// Whether the offset of the lists counts pages instead of records.
    pub offset_counts_pages: bool,
}

/// An availability zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Zone code.
    pub code: String,
    /// Whether the zone is sold out.
    #[serde(default)]
    pub sold_out: bool,
}

/// An existing subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// VPC id.
    pub vpc_id: String,
    /// Subnet id.
    pub subnet_id: String,
    /// Number of assignable addresses.
    pub addresses: u32,
}

/// Behaviour profile of a site: limits, formats and spellings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// As the API reference describes it, without Redis 3.0.
    #[default]
    Main,
    /// As the vendor's newer SDK describes it: four-hour maintenance windows, longer tags, deferred resizes,
    /// responses with a code, a lagging status.
    Newer,
    /// As sites with the first API version: Redis 3.0, the old error format with numeric codes, shorter passwords, null
    /// for empty lists, a placeholder for a missing security group.
    Older,
    /// All known deviations of any site combined.
    Quirky,
}

/// Limits and behaviour of a site; `service::quirks` holds its formats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SiteRules {
    /// Maximum length of a tag key.
    pub(crate) max_tag_key: usize,
    /// Maximum length of a tag value.
    pub(crate) max_tag_value: usize,
    /// Maximum length of a password.
    pub(crate) max_password: usize,
    /// Length of a maintenance window in hours, and start hour of the default one.
    pub(crate) window: (u32, u32),
    /// Number of reads that still show the old status after an operation.
    pub(crate) stale_reads: u8,
    /// Whether an instance restarts after EXTENDING.
    pub(crate) resize_restarts: bool,
    /// Whether `execute_immediately: false` waits for the maintenance window; otherwise it has no effect.
    pub(crate) deferred_resizes: bool,
    /// Whether responses include the fields of newer API versions: codes of a password reset, jobs of a task.
    pub(crate) newer_fields: bool,
    /// Whether Redis 3.0 is still on sale.
    pub(crate) redis_3: bool,
    /// Whether a reset to the present password is refused. The reference does not say.
    pub(crate) refuses_present_password: bool,
    /// Whether a remark may have 128 bytes, as the console says, instead of 128 characters, as the error code says.
    pub(crate) remarks_in_bytes: bool,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        let zone = |suffix: &str, sold_out| Zone { code: format!("sim-region-1{suffix}"), sold_out };
        Self {
            provisioning: Duration::from_secs(100),
            operation: Duration::from_secs(60),
            deletion: Duration::from_secs(60),
            seed: 0,
            site: Site::Main,
            project_id: "5b1f0d5e8c6a4f3e9d2c7b8a90e1f234".to_owned(),
            region: "sim-region-1".to_owned(),
            zones: vec![zone("a", false), zone("b", false), zone("c", false), zone("d", true)],
            networks: Vec::new(),
            quota_instances: 100,
            quota_ram_gb: 3200,
            unique_names: false,
            list_failures: false,
            list_without_tags: false,
            visible_after: Duration::ZERO,
            redis_3: false,
            listed_flavors: Vec::new(),
            backups: BackupOptions::default(),
        }
    }
}

// === impl BackupOptions ===

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            offered: true,
            queue: Duration::from_secs(10),
            backup: Duration::from_secs(60),
            restore: Duration::from_secs(60),
            limit: 24,
            limit_counts_failed: false,
            delete_running: false,
            list_removed: true,
            restores_listed: Duration::from_secs(90 * 86_400),
            offset_counts_pages: false,
        }
    }
}

// === impl Site ===

impl Site {
    /// All sites.
    pub const ALL: [Self; 4] = [Self::Main, Self::Newer, Self::Older, Self::Quirky];

    /// Name of the site, as in the flag.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Newer => "newer",
            Self::Older => "older",
            Self::Quirky => "quirky",
        }
    }

    pub(crate) const fn rules(self) -> SiteRules {
        let main = SiteRules {
            max_tag_key: 36,
            max_tag_value: 43,
            max_password: 64,
            window: (1, 18),
            stale_reads: 0,
            resize_restarts: false,
            deferred_resizes: false,
            newer_fields: false,
            redis_3: false,
            refuses_present_password: true,
            remarks_in_bytes: false,
        };
        let newer = SiteRules {
            max_tag_key: 128,
            max_tag_value: 255,
            window: (4, 22),
            stale_reads: 1,
            resize_restarts: true,
            deferred_resizes: true,
            newer_fields: true,
            refuses_present_password: false,
            ..main
        };
        match self {
            Self::Main => main,
            Self::Newer => newer,
            Self::Older => SiteRules { max_password: 32, redis_3: true, ..main },
            // The narrowest limits combined with the most deviating formats.
            Self::Quirky => SiteRules {
                stale_reads: 1,
                resize_restarts: true,
                newer_fields: true,
                redis_3: true,
                max_password: 32,
                remarks_in_bytes: true,
                ..main
            },
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Site {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|site| site.as_str() == name).ok_or_else(|| {
            format!("unknown site '{name}': expected one of {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_names_round_trip() {
        for site in Site::ALL {
            assert_eq!(site.to_string().parse(), Ok(site));
            assert_eq!(serde_json::to_value(site).unwrap(), site.as_str());
        }
        assert_eq!(
            "paris".parse::<Site>(),
            Err("unknown site 'paris': expected one of main, newer, older, quirky".to_owned())
        );
    }

    #[test]
    fn missing_fields_have_defaults() {
        let options: Options = serde_json::from_str(r#"{"seed": 7, "site": "older"}"#).unwrap();
        assert_eq!(options, Options { seed: 7, site: Site::Older, ..Options::default() });
    }
}
