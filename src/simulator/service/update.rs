//! Changes without a resize: settings, password, tags, deletion (API reference 4.1.5, 4.1.6, 4.2.3).

use serde_json::{Value, json};

use super::{
    api_error::{ApiError, Result},
    instance::{Instance, PendingTransition, Transition},
    operation::BusyState,
    password::Password,
    request::Body,
    state::Service,
    validate,
};
use crate::{
    dcs::model::{BackupPolicy, InstanceStatus, Tag},
    simulator::call::Reply,
};

/// Settings that take effect immediately.
struct SettingsPatch<'a> {
    name: Option<&'a str>,
    description: Option<&'a str>,
    window: Option<(String, String)>,
    security_group_id: Option<&'a str>,
    backup: Option<BackupPolicy>,
}

// === impl Service ===

impl Service {
    /// API reference 4.1.6. Name, description, window and backup policy change immediately; a port change keeps the
    /// instance busy; renamed commands restart it.
    pub(super) fn update(&mut self, id: &str, body: &Value) -> Result<Reply> {
        let instance = self.find(id)?;
        let body = Body::new(body)?;
        instance.ensure_idle()?;
        let settings = self.settings(instance, body)?;
        let version_3 = instance.is_version_3();
        let port = validate::port(body, version_3)?.filter(|port| *port != instance.port);
        let rename_commands = validate::rename_commands(body, version_3)?;
        let old_port = instance.port;
        let backup = settings.backup.clone().map(|policy| self.new_backup(policy));
        let now = self.now;
        self.store.update(id, |instance| {
            settings.apply(instance);
            if let Some(backup) = backup {
                match &mut instance.backup {
                    Some(stored) => (stored.policy, stored.updated_at) = (backup.policy, now),
                    none => *none = Some(backup),
                }
                instance.plan_automatic_backup(now);
            }
            instance.updated_at = now;
        });
        if port.is_some() || rename_commands.is_some() {
            let restarts = rename_commands.is_some();
            let details = json!({
                "old_port": port.map(|_| old_port),
                "new_port": port,
                "rename_commands": rename_commands.iter().flatten().map(|(command, _)| command).collect::<Vec<_>>(),
            });
            let name = if port.is_some() { "UpdatePort" } else { "RenameCommands" };
            let busy = if restarts { BusyState::Restarting } else { BusyState::Task("CONFIGURING") };
            self.start_operation(id, busy, (name, details), Transition::Configure { port, rename_commands });
        }
        Ok(Reply::no_content(format!("updated {id}")))
    }

    fn settings<'a>(&self, instance: &Instance, body: Body<'a>) -> Result<SettingsPatch<'a>> {
        let name = body.text("name")?;
        if let Some(name) = name {
            validate::name(name, validate::MAX_NAME, false)?;
            self.check_names_are_free([name], Some(&instance.id))?;
        }
        let description = body.text("description")?;
        description.map_or(Ok(()), validate::description)?;
        let former = instance.backup.as_ref().map(|backup| &backup.policy);
        Ok(SettingsPatch {
            name,
            description,
            window: validate::window(body, &self.rules())?,
            // Later versions use allow-lists and ignore security groups.
            security_group_id: body.nonempty("security_group_id")?.filter(|_| instance.is_version_3()),
            backup: validate::backup_policy(body, &instance.shape.mode, former)?,
        })
    }

    /// API reference 4.2.3. The new password is effective immediately and keeps the instance busy.
    pub(super) fn reset_password(&mut self, id: &str, body: &Value) -> Result<Reply> {
        let instance = self.find(id)?;
        let body = Body::new(body)?;
        instance.ensure_idle()?;
        let password = validate::password(body, "new_password", self.rules().max_password, "DCS.4849")?;
        let unchanged = |password| instance.password.as_ref().is_some_and(|old| old.matches(password));
        if self.rules().refuses_present_password && password.is_some_and(unchanged) {
            // The reference lists this rule with the complexity rules.
            return Err(ApiError::with_detail("DCS.4019", "The new password must differ from the old one."));
        }
        if instance.locked {
            return self.locked_response();
        }
        let password = password.map(|password| Password::new(password, self.ids.hex()));
        let now = self.now;
        self.store.update(id, |instance| (instance.password, instance.updated_at) = (password, now));
        self.start_operation(
            id,
            BusyState::Task("CHANGING_PASSWORD"),
            ("modify", Value::Null),
            Transition::Password,
        );
        let mut answer = json!({"lock_time": "0", "lock_time_left": "0", "retry_times_left": "5"});
        if let Some(fields) = answer.as_object_mut().filter(|_| self.rules().newer_fields) {
            fields.extend([("code".to_owned(), json!("1")), ("message".to_owned(), json!("success"))]);
            fields.insert("ext_message".to_owned(), Value::Null);
        }
        Ok(Reply { effect: format!("changed the password of {id}"), ..Reply::ok(answer) })
    }

    /// Newer sites report a locked instance with HTTP 200.
    fn locked_response(&self) -> Result<Reply> {
        if !self.rules().newer_fields {
            return Err(ApiError::new("DCS.4026"));
        }
        Ok(Reply::ok(json!({"code": "3", "message": "instance is locked",
            "ext_message": "The instance is locked after too many wrong passwords.", "lock_time": "5", "lock_time_left": "5", "retry_times_left": "0"})))
    }

    /// Adds, overwrites or removes tags, in any status.
    pub(super) fn change_tags(&mut self, id: &str, body: &Value) -> Result<Reply> {
        let instance = self.find(id)?;
        let body = Body::new(body)?;
        let create = match body.nonempty("action")? {
            Some("create") => true,
            Some("delete") => false,
            _ => return Err(ApiError::invalid_field("action")),
        };
        let given = validate::tags(&body.objects("tags")?, &self.rules(), create)?;
        if given.is_empty() {
            return Err(ApiError::invalid_field("tags"));
        }
        let mut tags = instance.tags.clone();
        if create {
            given.into_iter().for_each(|tag| upsert(&mut tags, tag));
        } else {
            tags.retain(|tag| given.iter().all(|removed| removed.key != tag.key));
        }
        if tags.len() > validate::MAX_TAGS {
            return Err(ApiError::invalid_field("tags"));
        }
        let now = self.now;
        self.store.update(id, |instance| (instance.tags, instance.updated_at) = (tags, now));
        Ok(Reply::no_content(format!("tagged {id}")))
    }

    /// API reference 4.1.5.
    pub(super) fn delete(&mut self, id: &str) -> Result<Reply> {
        self.find(id)?.ensure_deletable()?;
        self.cancel_resizes(id);
        let until = self.after(self.options.deletion);
        let now = self.now;
        self.store.update(id, |instance| {
            instance.status = InstanceStatus::Deleting;
            instance.forced = None;
            instance.task = None;
            instance.updated_at = now;
            instance.pending = Some(PendingTransition { until, transition: Transition::Delete });
        });
        Ok(Reply::no_content(format!("deleted {id}")))
    }
}

// === impl SettingsPatch ===

impl SettingsPatch<'_> {
    fn apply(&self, instance: &mut Instance) {
        if let Some(name) = self.name {
            instance.name = name.to_owned();
        }
        if let Some(text) = self.description {
            instance.description = Some(text.to_owned()).filter(|text| !text.is_empty());
        }
        if let Some((begin, end)) = &self.window {
            (instance.maintain_begin, instance.maintain_end) = (begin.clone(), end.clone());
        }
        if let Some(group) = self.security_group_id {
            instance.security_group_id = Some(group.to_owned());
        }
    }
}

fn upsert(tags: &mut Vec<Tag>, tag: Tag) {
    match tags.iter_mut().find(|present| present.key == tag.key) {
        Some(present) => *present = tag,
        None => tags.push(tag),
    }
}

#[cfg(test)]
mod tests;
