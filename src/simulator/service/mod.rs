//! The simulated service: a pure state machine. It receives the time and a call and returns a reply. It never waits
//! and never reads a clock or a random source.
//!
//! - [`instance`], `store`, `network`, `topology`: state
//! - `create`, `update`, `resize`, `list`, `flavors`, `tenant`, [`tasks`], `load`: API operations
//! - `request`, `validate`, `password`, `api_error`: parsing, validation and error codes
//! - `lifecycle`: automatic transitions; `out_of_band`: changes without an API call
//! - `render`, `quirks`: response formats, common and per site

mod api_error;
mod catalogue;
mod create;
#[cfg(test)]
mod fixtures;
mod flavors;
mod ids;
pub mod instance;
mod lifecycle;
mod list;
mod load;
mod network;
mod out_of_band;
mod password;
mod quirks;
mod render;
mod reply;
mod request;
mod resize;
mod store;
pub mod tasks;
mod tenant;
#[cfg(test)]
mod tests;
mod topology;
mod update;
mod validate;

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use self::{
    api_error::{ApiError, Result},
    ids::Ids,
    network::Networks,
    request::Query,
    store::Store,
};
pub use self::{instance::Instance, tasks::Task};
use super::{
    call::{Call, Reply},
    options::{Options, SiteRules},
};
use crate::dcs::operation::{self, Operation};

/// The simulated service with its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    options: Options,
    /// Latest known time.
    now: DateTime<Utc>,
    ids: Ids,
    store: Store,
    networks: Networks,
    /// Codes of sold-out zones.
    sold_out: BTreeSet<String>,
    /// Number of upcoming creations that fail.
    failing_creations: u32,
    /// Tasks of removed instances.
    retired: Vec<Task>,
}

/// Handler of an operation.
type Handler = fn(&mut Service, &Call) -> Result<Reply>;

/// Operations with their handlers.
static HANDLERS: [(&Operation, Handler); 16] = [
    (&operation::CREATE_INSTANCE, |service, call| service.create(&call.body)),
    (&operation::LIST_INSTANCES, |service, call| service.list(Query(&call.query))),
    (&operation::SHOW_INSTANCE, |service, call| service.show(instance_id(call))),
    (&operation::DELETE_INSTANCE, |service, call| service.delete(instance_id(call))),
    (&operation::UPDATE_INSTANCE, |service, call| service.update(instance_id(call), &call.body)),
    (&operation::RESIZE_INSTANCE, |service, call| service.resize(instance_id(call), &call.body)),
    (&operation::RESET_PASSWORD, |service, call| service.reset_password(instance_id(call), &call.body)),
    (&operation::COUNT_INSTANCES, |service, call| Ok(service.count(Query(&call.query)))),
    (&operation::LIST_STATISTICS, |service, _| Ok(service.statistics())),
    (&operation::LIST_TASKS, |service, call| service.list_tasks(instance_id(call), Query(&call.query))),
    (&operation::SHOW_JOB, |service, call| service.show_job(argument(call, "job_id"))),
    (&operation::LIST_FLAVORS, |service, call| service.list_flavors(Query(&call.query))),
    (&operation::LIST_MAINTENANCE_WINDOWS, |service, _| Ok(service.list_windows())),
    (&operation::SHOW_QUOTA, |service, _| Ok(service.show_quota())),
    (&operation::LIST_AVAILABILITY_ZONES, |service, _| Ok(service.list_zones())),
    (&operation::CHANGE_TAGS, |service, call| service.change_tags(instance_id(call), &call.body)),
];

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
            retired: Vec::new(),
            options,
        }
    }

    /// Handles a call at the simulated time `now`, which never moves backwards. Errors have the format of the site.
    pub fn call(&mut self, now: DateTime<Utc>, call: &Call) -> Reply {
        self.advance(now);
        let handler = HANDLERS.iter().find(|(operation, _)| operation.name == call.operation.name);
        let result = match handler {
            Some((_, handler)) => handler(self, call),
            None => Err(ApiError::new("DCS.4001")),
        };
        quirks::apply(self.options.site, result.unwrap_or_else(|error| error.reply()))
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
    fn visible(&self) -> impl Iterator<Item = &Instance> {
        self.store.iter().filter(|instance| instance.visible_at <= self.now)
    }

    /// A visible instance: `DCS.4061`, `DCS.3022`.
    fn find(&self, id: &str) -> Result<&Instance> {
        if !ids::is_uuid(id) {
            return Err(ApiError::new("DCS.4061"));
        }
        let instance = self.store.get(id).filter(|instance| instance.visible_at <= self.now);
        instance.ok_or_else(|| ApiError::new("DCS.3022"))
    }

    fn rules(&self) -> SiteRules {
        self.options.site.rules()
    }

    fn after(&self, duration: Duration) -> DateTime<Utc> {
        later(self.now, duration)
    }
}

/// Adds a duration; saturates at the maximum time.
fn later(time: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let delta = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
    time.checked_add_signed(delta).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// A path parameter; empty if it does not exist.
fn argument<'a>(call: &'a Call, name: &str) -> &'a str {
    let found = call.arguments.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.as_str()).unwrap_or_default()
}

fn instance_id(call: &Call) -> &str {
    argument(call, "instance_id")
}
