//! Dispatch of calls to the API operations.

use chrono::{DateTime, Utc};

use super::{
    api_error::{ApiError, Result},
    quirks,
    request::Query,
    state::Service,
};
use crate::{
    dcs::operation::{self, Operation},
    simulator::call::{Call, Reply},
};

/// Handler of an operation.
type Handler = fn(&mut Service, &Call) -> Result<Reply>;

/// Operations with their handlers.
pub(super) static HANDLERS: [(&Operation, Handler); 24] = [
    (&operation::CREATE_INSTANCE, |service, call| service.create(&call.body)),
    (&operation::LIST_INSTANCES, |service, call| service.list(Query(&call.query))),
    (&operation::SHOW_INSTANCE, |service, call| service.show(instance_id(call))),
    (&operation::DELETE_INSTANCE, |service, call| service.delete(instance_id(call))),
    (&operation::UPDATE_INSTANCE, |service, call| service.update(instance_id(call), &call.body)),
    (&operation::RESIZE_INSTANCE, |service, call| service.resize(instance_id(call), &call.body)),
    (&operation::RESET_PASSWORD, |service, call| service.reset_password(instance_id(call), &call.body)),
    (&operation::COUNT_INSTANCES, |service, call| Ok(service.count(Query(&call.query)))),
    (&operation::LIST_STATISTICS, |service, _| Ok(service.statistics())),
    (&operation::DELETE_BACKUP, |service, call| service.delete_backup(instance_id(call), backup_id(call))),
    (&operation::RESTORE_INSTANCE, |service, call| service.restore(instance_id(call), &call.body)),
    (&operation::LIST_RESTORES, |service, call| service.list_restores(instance_id(call), Query(&call.query))),
    (&operation::LIST_BACKUP_LINKS, |service, call| {
        service.backup_links(instance_id(call), backup_id(call), &call.body)
    }),
    (&operation::CREATE_BACKUP, |service, call| service.create_backup(instance_id(call), &call.body)),
    (&operation::LIST_BACKUPS, |service, call| service.list_backups(instance_id(call), Query(&call.query))),
    (&operation::LIST_TASKS, |service, call| service.list_tasks(instance_id(call), Query(&call.query))),
    (&operation::DELETE_TASK, |service, call| {
        service.delete_task(instance_id(call), argument(call, "task_id"))
    }),
    (&operation::SHOW_TASK_PROGRESS, |service, call| {
        service.show_progress(instance_id(call), argument(call, "task_id"))
    }),
    (&operation::SHOW_JOB, |service, call| service.show_job(argument(call, "job_id"))),
    (&operation::LIST_FLAVORS, |service, call| service.list_flavors(Query(&call.query))),
    (&operation::LIST_MAINTENANCE_WINDOWS, |service, _| Ok(service.list_windows())),
    (&operation::SHOW_QUOTA, |service, _| Ok(service.show_quota())),
    (&operation::LIST_AVAILABILITY_ZONES, |service, _| Ok(service.list_zones())),
    (&operation::CHANGE_TAGS, |service, call| service.change_tags(instance_id(call), &call.body)),
];

// === impl Service ===

impl Service {
    /// Handles a call at the simulated time `now`, which never moves backwards. Errors have the format of the site.
    pub(crate) fn call(&mut self, now: DateTime<Utc>, call: &Call) -> Reply {
        self.advance(now);
        let handler = HANDLERS.iter().find(|(operation, _)| operation.name == call.operation.name);
        let result = match handler {
            Some((_, handler)) => handler(self, call),
            None => Err(ApiError::new("DCS.4001")),
        };
        quirks::apply(self.options.site, result.unwrap_or_else(|error| error.reply()))
    }
}

/// A path parameter; empty if it does not exist.
fn argument<'a>(call: &'a Call, name: &str) -> &'a str {
    let found = call.arguments.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.as_str()).unwrap_or_default()
}

fn instance_id(call: &Call) -> &str {
    argument(call, "instance_id")
}

fn backup_id(call: &Call) -> &str {
    argument(call, "backup_id")
}
