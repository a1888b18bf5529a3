//! The cloud itself: a pure state machine. It is handed the time and a call, and answers; it never waits, reads a
//! clock or draws a random number of its own.
//!
//! - [`instance`], `store`, `network`, `topology`: what there is
//! - `create`, `update`, `resize`, `list`, `flavors`, `tenant`, [`tasks`], `load`: what can be asked
//! - `validate`, `password`, `error`: what is refused, and with which code; `reply`: what is not
//! - `lifecycle`: what happens by itself; `control`: what happens behind the operator's back
//! - `render`, `quirks`: how it is shown, and how the site writes it

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

/// The simulated service, with all it remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    options: Options,
    /// The latest time it was told.
    now: DateTime<Utc>,
    ids: Ids,
    store: Store,
    networks: Networks,
    /// Codes of the zones where nothing is left.
    sold_out: BTreeSet<String>,
    /// Creations that are yet to fail.
    failing_creations: u32,
    /// Tasks of instances that are gone.
    retired: Vec<Task>,
}

/// What answers an operation.
type Handler = fn(&mut Service, &Call) -> Result<Reply>;

/// Who answers what.
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
    /// An empty cloud.
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

    /// Answers a call at `now`, on the cloud's own clock; a time before the last one counts as that. Errors are in
    /// the envelope that the site uses.
    pub fn call(&mut self, now: DateTime<Utc>, call: &Call) -> Reply {
        self.advance(now);
        let handler = HANDLERS.iter().find(|(operation, _)| operation.name == call.operation.name);
        let result = match handler {
            Some((_, handler)) => handler(self, call),
            None => Err(ApiError::new("DCS.4001")),
        };
        quirks::apply(self.options.site, result.unwrap_or_else(|error| error.reply()))
    }

    /// All instances, those not visible yet included, the newest first.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.store.iter()
    }

    /// The latest time it was told.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// What was chosen about the cloud.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Chooses otherwise from now on, as when a stored cloud is started again with other flags. What exists stays
    /// as it is: instances and what is under way, subnets, zones sold out since.
    pub fn set_options(&mut self, options: Options) {
        self.options = options;
    }

    /// Instances that can be seen by now.
    fn visible(&self) -> impl Iterator<Item = &Instance> {
        self.store.iter().filter(|instance| instance.visible_at <= self.now)
    }

    /// An instance that can be seen: `DCS.4061`, `DCS.3022`.
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

/// A time some while after another, or the end of time if that comes first.
fn later(time: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let delta = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
    time.checked_add_signed(delta).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The value of a placeholder of the path; empty if it has none of that name.
fn argument<'a>(call: &'a Call, name: &str) -> &'a str {
    let found = call.arguments.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.as_str()).unwrap_or_default()
}

fn instance_id(call: &Call) -> &str {
    argument(call, "instance_id")
}
