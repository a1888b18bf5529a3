//! What can be chosen about the simulated cloud: how long things take, what a tenant may have, which site it is.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// Everything that can be chosen about the cloud before it starts. A field that is missing in a file has its
/// default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// How long an instance is CREATING.
    pub provisioning: Duration,
    /// How long a resize, a restart, a new port or a new password keeps an instance busy.
    pub operation: Duration,
    /// How long an instance is DELETING before it is gone.
    pub deletion: Duration,
    /// Where ids, addresses and load figures come from: the same seed and the same calls give the same cloud.
    pub seed: u64,
    /// Whose ways the cloud has.
    pub site: Site,
    /// The project all instances belong to.
    pub project_id: String,
    /// The region.
    pub region: String,
    /// What the region is divided into.
    pub zones: Vec<Zone>,
    /// VPCs and subnets that exist. None at all means that every VPC exists, and a subnet belongs to the VPC it
    /// was first used with.
    pub networks: Vec<Network>,
    /// Instances the tenant may have.
    pub quota_instances: i64,
    /// Memory the tenant may have, in GB.
    pub quota_ram_gb: i64,
    /// Whether a name can be used only once (DCS.4060). Sites differ.
    pub unique_names: bool,
    /// Whether `include_failure` lists failed creations. By the reference it only counts them.
    pub list_failures: bool,
    /// How long a new instance is neither in the list nor found by its id.
    pub visible_after: Duration,
}

/// A zone of the region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// What requests name it by.
    pub code: String,
    /// Whether nothing is left there.
    #[serde(default)]
    pub sold_out: bool,
}

/// A subnet that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The VPC it belongs to.
    pub vpc_id: String,
    /// Its id.
    pub subnet_id: String,
    /// How many addresses instances can take in it.
    pub addresses: u32,
}

/// Whose ways the cloud has: limits, shapes and spellings differ from site to site.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// As the reference describes it.
    #[default]
    Main,
    /// As the vendor's newer SDK describes it: four-hour maintenance windows, longer tags, deferred resizes,
    /// answers that carry a code, a status that lags.
    Newer,
    /// As the sites that never moved on: the old error envelope with numeric codes, shorter passwords, null for
    /// empty lists.
    Older,
    /// Every quirk known from any site at once: the worst that a client must be able to read.
    Quirky,
}

/// What a site allows and how it behaves; how it *writes* is in `service::quirks`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SiteRules {
    /// Longest key of a tag.
    pub(crate) max_tag_key: usize,
    /// Longest value of a tag.
    pub(crate) max_tag_value: usize,
    /// Longest password.
    pub(crate) max_password: usize,
    /// Hours of a maintenance window, and the hour the default one begins.
    pub(crate) window: (u32, u32),
    /// Reads that still show the old status after an operation was accepted.
    pub(crate) stale_reads: u8,
    /// Whether an instance restarts after it was EXTENDING.
    pub(crate) resize_restarts: bool,
    /// Whether `execute_immediately: false` waits for the maintenance window; elsewhere it has no effect.
    pub(crate) deferred_resizes: bool,
    /// Whether answers have what newer versions of the API added: codes of a password reset, jobs of a task.
    pub(crate) newer_fields: bool,
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
            visible_after: Duration::ZERO,
        }
    }
}

// === impl Site ===

impl Site {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Main, Self::Newer, Self::Older, Self::Quirky];

    /// The name a flag gives it.
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
        };
        let newer = SiteRules {
            max_tag_key: 128,
            max_tag_value: 255,
            window: (4, 22),
            stale_reads: 1,
            resize_restarts: true,
            deferred_resizes: true,
            newer_fields: true,
            ..main
        };
        match self {
            Self::Main => main,
            Self::Newer => newer,
            Self::Older => SiteRules { max_password: 32, ..main },
            // The narrowest limits with the widest answers.
            Self::Quirky => SiteRules {
                stale_reads: 1,
                resize_restarts: true,
                newer_fields: true,
                max_password: 32,
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
        Self::ALL
            .into_iter()
            .find(|site| site.as_str() == name)
            .ok_or_else(|| format!("no site '{name}': there are {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_have_names() {
        for site in Site::ALL {
            assert_eq!(site.to_string().parse(), Ok(site));
            assert_eq!(serde_json::to_value(site).unwrap(), site.as_str());
        }
        assert_eq!(
            "paris".parse::<Site>(),
            Err("no site 'paris': there are main, newer, older, quirky".to_owned())
        );
    }

    #[test]
    fn what_a_file_leaves_out_has_its_default() {
        let options: Options = serde_json::from_str(r#"{"seed": 7, "site": "older"}"#).unwrap();
        assert_eq!(options, Options { seed: 7, site: Site::Older, ..Options::default() });
    }
}
