//! Changes without an API call: injected statuses, edits in the console, removals.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    backup::{BackupState, TOOL_FAILED},
    backups::NewBackup,
    catalogue,
    instance::{ForcedStatus, Instance, PendingTransition, Shape, Transition},
    request,
    state::Service,
    topology,
};
use crate::dcs::model::{BackupStatus, BackupType, InstanceStatus, Tag};

// === impl Service ===

impl Service {
    /// Overrides the status of an instance, for a while or until RUNNING is set without an end, which also completes
    /// the pending transition. DELETING starts a deletion. RESTARTING makes a running backup fail. A failed creation
    /// stays failed. Returns false if the instance does not exist.
    pub fn force_status(
        &mut self,
        now: DateTime<Utc>,
        id: &str,
        status: InstanceStatus,
        lasting: Option<Duration>,
    ) -> bool {
        self.advance(now);
        let (now, until) = (self.now, lasting.map(|lasting| self.after(lasting)));
        let finishes = status == InstanceStatus::Running && lasting.is_none();
        let deletes = status == InstanceStatus::Deleting;
        if deletes {
            self.cancel_resizes(id);
        }
        let deleted = until.unwrap_or_else(|| self.after(self.options.deletion));
        let found = self.store.update(id, |instance| {
            instance.updated_at = now;
            instance.stale_reads = 0;
            if status == InstanceStatus::Restarting {
                instance.break_backups();
            }
            if deletes {
                (instance.status, instance.forced) = (status, None);
                instance.pending = Some(PendingTransition { until: deleted, transition: Transition::Delete });
            } else {
                instance.forced = (!finishes).then_some(ForcedStatus { status, until });
            }
        });
        if found.is_some() && finishes {
            self.finish_now(id);
        }
        found.is_some()
    }

    /// Completes the pending transition early and clears an injected task.
    pub(super) fn finish_now(&mut self, id: &str) {
        let now = self.now;
        self.store.update(id, |instance| {
            instance.task = None;
            let unfinished = instance.tasks.iter_mut().filter(|task| task.end > now);
            unfinished.for_each(|task| task.end = now);
        });
        self.complete_pending(id, now);
    }

    /// Changes fields like an edit in the console: `name`, `description`, `tags`, `maintain_begin`, `maintain_end`,
    /// `capacity`, `spec_code`, `port`, `task`, `sub_status`, `charging_mode`, `used_memory`, `locked`. Changes all
    /// fields or none, without the validation of the API.
    ///
    /// # Errors
    ///
    /// A description of the first invalid field, or of the missing instance.
    pub fn alter(&mut self, id: &str, fields: &Map<String, Value>) -> Result<(), String> {
        let instance = self.store.get(id).ok_or_else(|| format!("no instance {id}"))?;
        let mut altered = instance.clone();
        for (name, value) in
            fields.iter().filter(|(name, _)| !matches!(name.as_str(), "capacity" | "spec_code"))
        {
            alter_field(&mut altered, name, value)?;
        }
        if let Some(shape) = new_shape(&altered, fields)? {
            self.reshape_now(&mut altered, shape)?;
        }
        altered.updated_at = self.now;
        self.store.update(id, |instance| *instance = altered);
        Ok(())
    }

    /// Changes the shape of an instance immediately.
    fn reshape_now(&mut self, instance: &mut Instance, shape: Shape) -> Result<(), String> {
        let before = topology::held_addresses(instance);
        let nodes = topology::place_nodes(&mut self.ids, &shape, &instance.nodes, &instance.zones);
        let layout = topology::assign_addresses(
            &mut self.networks,
            &instance.subnet_id,
            shape,
            nodes,
            instance.proxy_address,
        )
        .map_err(|error| format!("no addresses left: {}", error.code))?;
        let old = std::mem::replace(&mut instance.shape, layout.shape);
        (instance.nodes, instance.proxy_address) = (layout.nodes, layout.proxy_address);
        instance.outdate_backups(&old);
        let after: BTreeSet<_> = topology::held_addresses(instance);
        self.networks.release(&instance.subnet_id, before.difference(&after).copied());
        Ok(())
    }

    /// Makes the next `count` creations end as CREATEFAILED.
    pub fn fail_next_creations(&mut self, count: u32) {
        self.failing_creations = count;
    }

    /// Makes the next `count` backups fail.
    pub fn fail_next_backups(&mut self, count: u32) {
        self.failing_backups = count;
    }

    /// Makes the next `count` restores fail; the data stays unchanged.
    pub fn fail_next_restores(&mut self, count: u32) {
        self.failing_restores = count;
    }

    /// Backs up an instance as the console or the backup policy does, and returns the id of the backup.
    ///
    /// # Errors
    ///
    /// The reason why the instance cannot be backed up now.
    pub fn make_backup(
        &mut self,
        id: &str,
        kind: BackupType,
        remark: Option<String>,
    ) -> Result<String, String> {
        let instance = self.find_with_backups(id).map_err(|error| error.code.to_owned())?;
        instance.ensure_idle().map_err(|error| error.code.to_owned())?;
        let format = instance.backup_format();
        Ok(self.start_backup(id, NewBackup { kind, format, remark }))
    }

    /// Changes the status of a backup: `succeed` and `failed` end a running one, `expired` and `deleted` remove one that
    /// has ended.
    ///
    /// # Errors
    ///
    /// The reason why the backup cannot have this status.
    pub fn force_backup(&mut self, id: &str, backup_id: &str, status: &BackupStatus) -> Result<(), String> {
        let record = self.store.get(id).and_then(|instance| instance.find_backup(backup_id));
        let record = record.ok_or_else(|| format!("no backup {backup_id} of {id}"))?;
        let is_running = record.state == BackupState::Running;
        match status {
            BackupStatus::Succeed if is_running => self.finish_now(id),
            BackupStatus::Failed if is_running => {
                self.store.update(id, |instance| instance.break_backups());
                self.fail_latest_task(id, Some(TOOL_FAILED.to_owned()));
                self.finish_now(id);
            }
            BackupStatus::Expired if !is_running => {
                self.set_backup_state(id, backup_id, BackupState::Expired);
            }
            BackupStatus::Deleted if !is_running => {
                self.set_backup_state(id, backup_id, BackupState::Deleted);
            }
            other => return Err(format!("the backup cannot become {other}")),
        }
        Ok(())
    }

    /// Sets whether a zone is sold out.
    pub fn sell_out(&mut self, zone: &str, sold_out: bool) {
        if sold_out {
            self.sold_out.insert(zone.to_owned());
        } else {
            self.sold_out.remove(zone);
        }
    }
}

fn alter_field(instance: &mut Instance, name: &str, value: &Value) -> Result<(), String> {
    let wrong = || format!("invalid {name}: {value}");
    let text = || value.as_str().map(str::to_owned).ok_or_else(wrong);
    let optional = || if value.is_null() { Ok(None) } else { text().map(Some) };
    let number = || request::integer(value).ok_or_else(wrong);
    match name {
        "name" => instance.name = text()?,
        "description" => instance.description = optional()?,
        "maintain_begin" => instance.maintain_begin = text()?,
        "maintain_end" => instance.maintain_end = text()?,
        "sub_status" => instance.sub_status = text()?,
        "task" => instance.task = optional()?.filter(|task| !task.is_empty()),
        "tags" => instance.tags = tags(value).ok_or_else(wrong)?,
        "port" => instance.port = number()?.try_into().map_err(|_| wrong())?,
        "charging_mode" => instance.charging_mode = number()?,
        "locked" => instance.locked = value.as_bool().ok_or_else(wrong)?,
        "used_memory" => instance.used_memory = if value.is_null() { None } else { Some(number()?) },
        _ => return Err(format!("{name} cannot be altered")),
    }
    Ok(())
}

/// Parses a list of tags.
fn tags(value: &Value) -> Option<Vec<Tag>> {
    let tag = |tag: &Value| {
        let key = tag.get("key")?.as_str()?.to_owned();
        Some(Tag { key, value: tag.get("value").and_then(Value::as_str).map(str::to_owned) })
    };
    value.as_array()?.iter().map(tag).collect()
}

/// The shape for `spec_code` and `capacity`. A capacity alone keeps mode, CPU type and replicas.
fn new_shape(instance: &Instance, fields: &Map<String, Value>) -> Result<Option<Shape>, String> {
    let (spec_code, capacity) = (fields.get("spec_code"), fields.get("capacity"));
    if spec_code.is_none() && capacity.is_none() {
        return Ok(None);
    }
    let capacity = capacity
        .map(|value| {
            let capacity = request::capacity(value);
            capacity.ok_or_else(|| format!("invalid capacity: {value}"))
        })
        .transpose()?;
    let now = &instance.shape;
    let mut candidates = catalogue::all().iter().filter(|flavor| match spec_code {
        Some(code) => *code == flavor.spec_code.as_str(),
        None => {
            flavor.versions.contains(&instance.engine_version.as_str())
                && (&flavor.mode, &flavor.cpu, flavor.replicas) == (&now.mode, &now.cpu, now.replicas)
        }
    });
    let shape = candidates.find_map(|flavor| {
        let size = match capacity {
            Some(capacity) => flavor.size(capacity),
            None => flavor.size(now.capacity).or_else(|| flavor.sizes.first()),
        };
        size.map(|size| Shape::new(flavor, size))
    });
    shape.map(Some).ok_or_else(|| "no such flavor with this capacity".to_owned())
}

#[cfg(test)]
mod tests;
