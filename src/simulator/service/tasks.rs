//! Background tasks and their jobs (API reference 4.8.1 to 4.8.4).

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    api_error::{ApiError, Result},
    request::Query,
    state::Service,
    task::Task,
};
use crate::{
    dcs::model::{JobStatus, TaskDetails, TaskStatus, time},
    simulator::call::Reply,
};

/// Maximum number of tasks kept of removed instances, whose jobs can still be read.
const MAX_RETIRED_TASKS: usize = 1000;

// === impl Service ===

impl Service {
    /// A task that starts now.
    pub(super) fn new_task(&mut self, name: &str, details: Value, end: DateTime<Utc>) -> Task {
        let (id, job_id) = (self.ids.hex(), self.ids.hex());
        // All fields are present; those of other tasks are empty.
        let mut all = json!(TaskDetails::default());
        if let (Some(all), Value::Object(details)) = (all.as_object_mut(), details) {
            all.extend(details);
        }
        let details = if let Value::Object(all) = all { all } else { Map::new() };
        Task { id, job_id, name: name.to_owned(), details, begin: self.now, end, failure: None }
    }

    /// Keeps the tasks of a removed instance.
    pub(super) fn retire_tasks(&mut self, tasks: Vec<Task>) {
        self.retired.extend(tasks);
        self.retired.drain(..self.retired.len().saturating_sub(MAX_RETIRED_TASKS));
    }

    /// API reference 4.8.1, newest first.
    pub(super) fn list_tasks(&self, id: &str, query: Query<'_>) -> Result<Reply> {
        let instance = self.find(id)?;
        let (offset, limit) = query.page()?;
        let (from, to) = (timestamp(query, "start_time")?, timestamp(query, "end_time")?);
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            return Err(ApiError::new("DCS.4025"));
        }
        let within =
            |task: &&Task| from.is_none_or(|from| task.begin >= from) && to.is_none_or(|to| task.begin <= to);
        let matching: Vec<_> = instance.tasks.iter().rev().filter(within).collect();
        let user = self.user();
        let with_job = self.rules().newer_fields;
        let show = |task: &&Task| task.show(self.now, (&user.0, &user.1), with_job);
        let page: Vec<_> = matching.iter().skip(offset).take(limit).map(show).collect();
        Ok(Reply::ok(json!({"task_count": matching.len(), "tasks": page})))
    }

    /// API reference 4.8.2. Only the record of a task that has ended can be removed: `DCS.4017`.
    pub(super) fn delete_task(&mut self, id: &str, task_id: &str) -> Result<Reply> {
        let task = self.find_task(id, task_id)?;
        if task.status(self.now) == TaskStatus::Executing {
            return Err(ApiError::new("DCS.4017"));
        }
        let removed = self.store.update(id, |instance| {
            instance.tasks.extract_if(.., |task| task.id == task_id).collect::<Vec<_>>()
        });
        self.retire_tasks(removed.unwrap_or_default());
        let effect = format!("deleted the task {task_id} of {id}");
        Ok(Reply { effect, ..Reply::ok(json!({"message": ""})) })
    }

    /// API reference 4.8.3. Each task has one step with one part.
    pub(super) fn show_progress(&self, id: &str, task_id: &str) -> Result<Reply> {
        let task = self.find_task(id, task_id)?;
        let status = match task.status(self.now) {
            TaskStatus::Executing => "EXECUTING",
            TaskStatus::Failed => "FAILED",
            TaskStatus::Success | TaskStatus::Other(_) => "FINISH",
        };
        let is_over = status != "EXECUTING";
        let (begin, end) = (time::format(task.begin), is_over.then(|| time::format(task.end)));
        let error = task.failure.as_ref().filter(|_| is_over);
        let (total, left) = (task.end - task.begin, (task.end - self.now).max(TimeDelta::zero()));
        let done = (total - left).num_milliseconds().saturating_mul(100);
        let progress = if is_over { 100 } else { done / total.num_milliseconds().max(1) };
        Ok(Reply::ok(json!({
            "progress": progress,
            "remain_time": left.num_seconds(),
            "step_details": [{
                "step_id": task.id,
                "step_name": task.name,
                "step_status": status,
                "begin_time": begin,
                "end_time": end,
                "error_code": error,
                "sub_step_details": [{
                    "sub_step_id": task.job_id,
                    "sub_step_name": task.name,
                    "sub_step_status": status,
                    "begin_time": begin,
                    "end_time": end,
                    "detail": format!("{progress}%"),
                    "error_code": error,
                }],
            }],
        })))
    }

    /// A task of an instance: `DCS.4070`, `DCS.4063`.
    fn find_task(&self, id: &str, task_id: &str) -> Result<&Task> {
        let instance = self.find(id)?;
        if task_id.len() != 32 || !task_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ApiError::new("DCS.4070"));
        }
        let found = instance.tasks.iter().find(|task| task.id == task_id);
        found.ok_or_else(|| ApiError::invalid_parameter("task_id"))
    }

    /// API reference 4.8.4.
    pub(super) fn show_job(&self, job_id: &str) -> Result<Reply> {
        let mut tasks = self.store.iter().flat_map(|instance| &instance.tasks).chain(&self.retired);
        let task =
            tasks.find(|task| task.job_id == job_id).ok_or_else(|| ApiError::invalid_parameter("job_id"))?;
        let millis = |time: DateTime<Utc>| time.timestamp_millis().to_string();
        let status = task.job_status(self.now);
        let over = matches!(status, JobStatus::Success | JobStatus::Fail);
        Ok(Reply::ok(json!({
            "job_id": task.job_id,
            "job_type": task.name,
            "status": status,
            "begin_time": millis(task.begin),
            "end_time": over.then(|| millis(task.end)),
            "fail_reason": task.failure.as_ref().filter(|_| over),
        })))
    }
}

/// Parses a query time such as `20200609160000`.
pub(super) fn timestamp(query: Query<'_>, name: &str) -> Result<Option<DateTime<Utc>>> {
    let Some(text) = query.nonempty(name) else { return Ok(None) };
    let parsed = NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S");
    parsed.map(|time| Some(time.and_utc())).map_err(|_| ApiError::invalid_field(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::service::fixtures::Cloud;

    #[test]
    fn tasks_are_filtered_by_time_and_paged() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        for port in 7001..7004 {
            cloud.ok("UpdateInstance", &id, json!({"port": port}));
            cloud.wait(60);
        }
        let mut list =
            |query: &[(&str, &str)]| cloud.get("ListBackgroundTask", &[("instance_id", &id)], query);
        let all = list(&[]).body;
        assert_eq!(all["task_count"], 3);
        assert_eq!(all["tasks"][0]["details"]["new_port"], 7003);
        assert_eq!(all["tasks"][0]["name"], "UpdatePort");
        assert_eq!(all["tasks"][0]["status"], "SUCCESS");
        let second = list(&[("offset", "1"), ("limit", "1")]).body;
        assert_eq!((&second["task_count"], &second["tasks"][0]), (&json!(3), &all["tasks"][1]));
        assert_eq!(list(&[("start_time", "20990101000000")]).body["task_count"], 0);
        assert_eq!(list(&[("end_time", "20000101000000")]).body["task_count"], 0);
        for (query, code) in [
            (vec![("start_time", "yesterday")], "DCS.4800"),
            (vec![("limit", "0")], "DCS.4800"),
            (vec![("start_time", "20260102000000"), ("end_time", "20260101000000")], "DCS.4025"),
        ] {
            assert_eq!(list(&query).body["error_code"], code, "{query:?}");
        }
    }

    #[test]
    fn tasks_show_their_progress_and_can_be_removed_after_their_end() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        cloud.ok("UpdateInstance", &id, json!({"port": 7001}));
        let task = cloud.service.instances().next().unwrap().tasks[0].clone();
        let arguments = [("instance_id", id.as_str()), ("task_id", task.id.as_str())];
        cloud.wait(45);
        let body = cloud.get("ShowBackgroundTaskProgress", &arguments, &[]).body;
        assert_eq!((&body["progress"], &body["remain_time"]), (&json!(75), &json!(15)));
        assert_eq!(body["step_details"][0]["step_status"], "EXECUTING");
        assert_eq!(cloud.get("DeleteBackgroundTask", &arguments, &[]).body["error_code"], "DCS.4017");
        cloud.wait(15);
        let body = cloud.get("ShowBackgroundTaskProgress", &arguments, &[]).body;
        assert_eq!((&body["progress"], &body["remain_time"]), (&json!(100), &json!(0)));
        assert_eq!(body["step_details"][0]["step_status"], "FINISH");
        assert_eq!(cloud.get("DeleteBackgroundTask", &arguments, &[]).body, json!({"message": ""}));
        assert_eq!(cloud.get("ListBackgroundTask", &arguments[..1], &[]).body["task_count"], 0);
        assert_eq!(cloud.get("ShowJobInfo", &[("job_id", &task.job_id)], &[]).body["status"], "SUCCESS");
        for (task, code) in [(task.id.as_str(), "DCS.4063"), ("nope", "DCS.4070")] {
            for operation in ["DeleteBackgroundTask", "ShowBackgroundTaskProgress"] {
                let arguments = [("instance_id", id.as_str()), ("task_id", task)];
                assert_eq!(cloud.get(operation, &arguments, &[]).body["error_code"], code, "{operation}");
            }
        }
    }

    #[test]
    fn jobs_outlive_their_instances() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        cloud.ok("UpdateInstance", &id, json!({"port": 7001}));
        let job = cloud.service.instances().next().unwrap().tasks[0].job_id.clone();
        assert_eq!(cloud.get("ShowJobInfo", &[("job_id", &job)], &[]).body["status"], "INIT");
        cloud.service.remove(&id);
        cloud.wait(60);
        let body = cloud.get("ShowJobInfo", &[("job_id", &job)], &[]).body;
        assert_eq!((&body["status"], &body["job_type"]), (&json!("SUCCESS"), &json!("UpdatePort")));
        let body = cloud.get("ShowJobInfo", &[("job_id", "nope")], &[]).body;
        assert_eq!(body["error_code"], "DCS.4063");
    }
}
