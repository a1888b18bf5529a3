//! A background task of an instance (API reference 4.8.1, 4.8.4).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::dcs::model::{JobStatus, TaskStatus, time};

/// Maximum number of tasks kept per instance.
const MAX_TASKS: usize = 100;

/// A background task. Its progress is computed from the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Task id.
    pub(crate) id: String,
    /// Job id.
    pub(crate) job_id: String,
    /// Task name.
    pub(crate) name: String,
    /// Task details.
    pub(crate) details: Map<String, Value>,
    /// Start time.
    pub(crate) begin: DateTime<Utc>,
    /// End time.
    pub(crate) end: DateTime<Utc>,
    /// Reason, if the task ends in failure.
    pub(crate) failure: Option<String>,
}

// === impl Task ===

impl Task {
    /// Status at `now`.
    pub(crate) fn status(&self, now: DateTime<Utc>) -> TaskStatus {
        match (now < self.end, &self.failure) {
            (true, _) => TaskStatus::Executing,
            (false, None) => TaskStatus::Success,
            (false, Some(_)) => TaskStatus::Failed,
        }
    }

    /// Status of the job at `now`; INIT during the first tenth.
    pub(crate) fn job_status(&self, now: DateTime<Utc>) -> JobStatus {
        match self.status(now) {
            TaskStatus::Executing if (now - self.begin) * 10 < self.end - self.begin => JobStatus::Init,
            TaskStatus::Success => JobStatus::Success,
            TaskStatus::Failed => JobStatus::Fail,
            TaskStatus::Executing | TaskStatus::Other(_) => JobStatus::Running,
        }
    }

    pub(super) fn show(&self, now: DateTime<Utc>, user: (&str, &str), with_job: bool) -> Value {
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
}
