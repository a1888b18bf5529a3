//! Restores of a backup to its instance (API reference 4.5.2, 4.5.3).

use serde_json::{Value, json};

use super::{
    api_error::{ApiError, Result},
    backup::{RestoreRecord, SYNC_FAILED},
    backups::backup_name,
    instance::Transition,
    operation::BusyState,
    request::{Body, Query},
    state::Service,
    validate,
};
use crate::{
    dcs::model::time,
    simulator::{call::Reply, cloud_clock::later},
};

// === impl Service ===

impl Service {
    /// API reference 4.5.2. The instance is RESTORING until the end.
    pub(super) fn restore(&mut self, id: &str, body: &Value) -> Result<Reply> {
        let instance = self.find_with_backups(id)?;
        let body = Body::new(body)?;
        let unknown = || ApiError::invalid_parameter("backup_id");
        let backup_id = body.nonempty("backup_id")?.ok_or_else(unknown)?;
        let remark = validate::remark(body, &self.rules())?;
        instance.ensure_idle()?;
        let backup = instance.find_backup(backup_id).ok_or_else(unknown)?.clone();
        if !backup.is_restorable() {
            return Err(ApiError::new("DCS.4087"));
        }
        let restore_id = self.ids.uuid();
        let begin = self.after(self.options.backups.queue);
        let end = later(begin, self.options.backups.restore);
        let fails = (self.failing_restores > 0).then(|| SYNC_FAILED.to_owned());
        self.failing_restores = self.failing_restores.saturating_sub(1);
        let effect = format!("restoring {id} from {backup_id} as {restore_id}");
        let record = RestoreRecord {
            id: restore_id.clone(),
            backup,
            remark,
            ended: false,
            fails: fails.clone(),
            requested_at: self.now,
            begin,
            end,
        };
        self.store.update(id, |instance| instance.add_restore(record));
        let transition = Transition::Restore(restore_id.clone());
        self.start_operation_until(
            id,
            end,
            BusyState::Restoring,
            ("RestoreInstance", Value::Null),
            transition,
        );
        self.fail_latest_task(id, fails);
        Ok(Reply { effect, ..Reply::ok(json!({"restore_id": restore_id})) })
    }

    /// API reference 4.5.3, newest first. 204 if there is none.
    pub(super) fn list_restores(&self, id: &str, query: Query<'_>) -> Result<Reply> {
        let instance = self.find(id)?;
        let kept = self.options.backups.restores_listed;
        let is_listed = |record: &&RestoreRecord| later(record.requested_at, kept) > self.now;
        let listed = instance.restores.iter().rev().filter(is_listed);
        let page = self.record_page(query, listed.map(|record| (record.requested_at, record)))?;
        Ok(page.reply("restore_record_response", |record| self.show_restore(record)))
    }

    fn show_restore(&self, record: &RestoreRecord) -> Value {
        json!({
            "restore_id": record.id,
            "restore_name": format!("restore_{}", record.requested_at.format("%Y%m%d%H%M%S")),
            "backup_id": record.backup.id,
            "backup_name": backup_name(&record.backup),
            "backup_remark": self.or_empty(record.backup.remark.as_deref()),
            "restore_remark": self.or_empty(record.remark.as_deref()),
            "status": record.status(self.now),
            "progress": format!("{:.2}", record.progress(self.now)),
            "error_code": self.or_empty(record.fails.as_deref().filter(|_| record.ended)),
            "created_at": time::format(record.requested_at),
            "updated_at": time::format(record.end.min(self.now)),
        })
    }
}

#[cfg(test)]
mod tests;
