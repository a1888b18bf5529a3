//! The state of the simulated service.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    api_error::{ApiError, Result},
    ids::{self, Ids},
    instance::Instance,
    network::Networks,
    store::Store,
    task::Task,
};
use crate::simulator::{
    cloud_clock::later,
    options::{Options, SiteRules},
};

/// The simulated service with its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub(super) options: Options,
    /// Latest known time.
    pub(super) now: DateTime<Utc>,
    pub(super) ids: Ids,
    pub(super) store: Store,
    pub(super) networks: Networks,
    /// Codes of sold-out zones.
    pub(super) sold_out: BTreeSet<String>,
    /// Number of upcoming creations that fail.
    pub(super) failing_creations: u32,
    /// Number of upcoming backups that fail.
    #[serde(default)]
    pub(super) failing_backups: u32,
    /// Number of upcoming restores that fail.
    #[serde(default)]
    pub(super) failing_restores: u32,
    /// Tasks of removed instances.
    pub(super) retired: Vec<Task>,
}

// === impl Service ===

impl Service {
    /// A service without instances.
    pub fn new(options: Options) -> Self {
        let sold_out = options.zones.iter().filter(|zone| zone.sold_out).map(|zone| zone.code.clone());
        Self {
            now: DateTime::UNIX_EPOCH,
            ids: Ids::new(options.seed),
            store: Store::default(),
            networks: Networks::new(&options.networks),
            sold_out: sold_out.collect(),
            failing_creations: 0,
            failing_backups: 0,
            failing_restores: 0,
            retired: Vec::new(),
            options,
        }
    }

    /// All instances, including those not visible yet, newest first.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.store.iter()
    }

    /// Latest known time.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Configuration.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Replaces the configuration, for example after loading a stored state. Existing instances, pending transitions,
    /// subnets and sold-out zones are kept.
    pub fn set_options(&mut self, options: Options) {
        self.options = options;
    }

    /// Visible instances, newest first.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Instance> {
        self.store.iter().filter(|instance| instance.visible_at <= self.now)
    }

    /// A visible instance: `DCS.4061`, `DCS.3022`.
    pub(super) fn find(&self, id: &str) -> Result<&Instance> {
        if !ids::is_uuid(id) {
            return Err(ApiError::new("DCS.4061"));
        }
        let instance = self.store.get(id).filter(|instance| instance.visible_at <= self.now);
        instance.ok_or_else(|| ApiError::new("DCS.3022"))
    }

    pub(super) fn rules(&self) -> SiteRules {
        self.options.site.rules()
    }

    /// Whether the site sells flavors of Redis 3.0.
    pub(super) fn sells_redis_3(&self) -> bool {
        self.options.redis_3 || self.rules().redis_3
    }

    pub(super) fn after(&self, duration: Duration) -> DateTime<Utc> {
        later(self.now, duration)
    }
}
