//! Background tasks and their jobs (API reference 4.8.1, 4.8.4).

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Service,
    api_error::{ApiError, Result},
    reply,
    request::Query,
};
use crate::{
    dcs::model::{JobStatus, TaskDetails, TaskStatus, time},
    simulator::Reply,
};

/// Maximum number of tasks kept per instance.
const MAX_TASKS: usize = 100;
/// Maximum number of tasks kept of removed instances, whose jobs can still be read.
const MAX_RETIRED_TASKS: usize = 1000;

/// A background task. Its progress is computed from the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Task id.
    pub id: String,
    /// Job id.
    pub job_id: String,
    /// Task name.
    pub name: String,
    /// Task details.
    pub details: Map<String, Value>,
    /// Start time.
    pub begin: DateTime<Utc>,
    /// End time.
    pub end: DateTime<Utc>,
    /// Reason, if the task ends in failure.
    pub failure: Option<String>,
}

// === impl Task ===

impl Task {
    /// Status at `now`.
    pub fn status(&self, now: DateTime<Utc>) -> TaskStatus {
        match (now < self.end, &self.failure) {
            (true, _) => TaskStatus::Executing,
            (false, None) => TaskStatus::Success,
            (false, Some(_)) => TaskStatus::Failed,
        }
    }

    /// Status of the job at `now`; INIT during the first tenth.
    pub fn job_status(&self, now: DateTime<Utc>) -> JobStatus {
        match self.status(now) {
            TaskStatus::Executing if (now - self.begin) * 10 < self.end - self.begin => JobStatus::Init,
            TaskStatus::Success => JobStatus::Success,
            TaskStatus::Failed => JobStatus::Fail,
            TaskStatus::Executing | TaskStatus::Other(_) => JobStatus::Running,
        }
    }

    fn show(&self, now: DateTime<Utc>, user: (&str, &str), with_job: bool) -> Value {
        let mut task = json!({
            "id": self.id,
            "name": self.name,
            "details": self.details,
            "user_id": user.0,
            "user_name": user.1,
            "params": Value::Null,
            "status": self.status(now),
            "created_at": time::format(self.begin),
            "updated_at": time::format(self.end.min(now)),
            "enable_show": false,
        });
        if let Some(fields) = task.as_object_mut().filter(|_| with_job) {
            fields.insert("job_id".to_owned(), json!(self.job_id));
            let failed = self.status(now) == TaskStatus::Failed;
            fields.insert("error_code".to_owned(), json!(failed.then_some("DCS.5031")));
        }
        task
    }
}

/// Adds a task and evicts the oldest.
pub(super) fn push(tasks: &mut Vec<Task>, task: Task) {
    tasks.push(task);
    tasks.drain(..tasks.len().saturating_sub(MAX_TASKS));
}

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
        Ok(reply::ok(json!({"task_count": matching.len(), "tasks": page})))
    }

    /// API reference 4.8.4.
    pub(super) fn show_job(&self, job_id: &str) -> Result<Reply> {
        let mut tasks = self.store.iter().flat_map(|instance| &instance.tasks).chain(&self.retired);
        let task =
            tasks.find(|task| task.job_id == job_id).ok_or_else(|| ApiError::invalid_parameter("job_id"))?;
        let millis = |time: DateTime<Utc>| time.timestamp_millis().to_string();
        let status = task.job_status(self.now);
        let over = matches!(status, JobStatus::Success | JobStatus::Fail);
        Ok(reply::ok(json!({
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
fn timestamp(query: Query<'_>, name: &str) -> Result<Option<DateTime<Utc>>> {
    let Some(text) = query.nonempty(name) else { return Ok(None) };
    let parsed = NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S");
    parsed.map(|time| Some(time.and_utc())).map_err(|_| ApiError::invalid_field(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::service::fixtures::{Cloud, time};

    #[test]
    fn progress_follows_from_the_time() {
        let task = |failure: Option<&str>| Task {
            id: String::new(),
            job_id: String::new(),
            name: "EXTEND".to_owned(),
            details: Map::new(),
            begin: time(0),
            end: time(100),
            failure: failure.map(str::to_owned),
        };
        for (at, status, job) in [
            (0, TaskStatus::Executing, JobStatus::Init),
            (9, TaskStatus::Executing, JobStatus::Init),
            (10, TaskStatus::Executing, JobStatus::Running),
            (99, TaskStatus::Executing, JobStatus::Running),
            (100, TaskStatus::Success, JobStatus::Success),
        ] {
            assert_eq!((task(None).status(time(at)), task(None).job_status(time(at))), (status, job), "{at}");
        }
        assert_eq!(task(Some("why")).status(time(100)), TaskStatus::Failed);
        assert_eq!(task(Some("why")).job_status(time(100)), JobStatus::Fail);
    }

    #[test]
    fn only_the_latest_tasks_are_kept() {
        let mut cloud = Cloud::default();
        let mut tasks = Vec::new();
        for n in 0..MAX_TASKS + 5 {
            let task = cloud.service.new_task(&n.to_string(), Value::Null, time(1));
            push(&mut tasks, task);
        }
        assert_eq!((tasks.len(), tasks[0].name.as_str()), (MAX_TASKS, "5"));
    }

    #[test]
    fn tasks_are_filtered_by_time_and_paged() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        for port in 7001..7004 {
            cloud.ok("UpdateInstance", &[("instance_id", &id)], &[], json!({"port": port}));
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
    fn jobs_outlive_their_instances() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        cloud.ok("UpdateInstance", &[("instance_id", &id)], &[], json!({"port": 7001}));
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
