//! Background tasks and jobs (API reference 4.8.1, 4.8.3, 4.8.4).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    lenient::{self, wire},
    words::{JobStatus, TaskStatus},
};

/// One page of an instance's background tasks (4.8.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskPage {
    /// Number of tasks on all pages.
    #[serde(deserialize_with = "lenient::required")]
    pub task_count: i64,
    /// Entries of this page.
    #[serde(deserialize_with = "lenient::field")]
    pub tasks: Vec<Task>,
}

wire! {
    /// A background task of an instance.
    pub struct Task {
        id {
            /// Id; cancelling a resize takes it.
            pub id: String,
        }
        /// Type: `EXTEND` (or `ChangeInstanceSpec`), `AddReplica`, `UpdatePort` …
        pub name: Option<String>,
        /// Status.
        pub status: Option<TaskStatus>,
        /// The change.
        pub details: Option<TaskDetails>,
        /// Further parameters of the change.
        pub params: Option<String>,
        /// Failure code (newer sites).
        pub error_code: Option<String>,
        /// Id of the job (newer sites).
        pub job_id: Option<String>,
        /// Whether the steps can be queried.
        pub enable_show: Option<bool>,
        /// Id of the user who started it.
        pub user_id: Option<String>,
        /// Name of that user.
        pub user_name: Option<String>,
        /// Start time.
        #[serde(serialize_with = "lenient::write_time")]
        pub created_at: Option<DateTime<Utc>>,
        /// End time.
        #[serde(serialize_with = "lenient::write_time")]
        pub updated_at: Option<DateTime<Utc>>,
    }

    /// The change that a background task makes. The set fields depend on the task.
    pub struct TaskDetails {
        /// Capacity before, in GB.
        pub old_capacity: Option<String>,
        /// Capacity after, in GB.
        pub new_capacity: Option<String>,
        /// Cache mode before.
        pub old_cache_mode: Option<String>,
        /// Cache mode after.
        pub new_cache_mode: Option<String>,
        /// Flavor before.
        pub old_resource_spec_code: Option<String>,
        /// Flavor after.
        pub new_resource_spec_code: Option<String>,
        /// Replicas before.
        pub old_replica_num: Option<i64>,
        /// Replicas after.
        pub new_replica_num: Option<i64>,
        /// Type before.
        pub old_cache_type: Option<String>,
        /// Type after.
        pub new_cache_type: Option<String>,
        /// Replica address.
        pub replica_ip: Option<String>,
        /// Replica zone.
        pub replica_az: Option<String>,
        /// Shard.
        pub group_name: Option<String>,
        /// Node.
        pub node_name: Option<String>,
        /// Port before.
        pub old_port: Option<i64>,
        /// Port after.
        pub new_port: Option<i64>,
        /// Address of the source.
        pub source_ip: Option<String>,
        /// Address of the target.
        pub target_ip: Option<String>,
        /// Whether public access is enabled.
        pub enable_public_ip: Option<bool>,
        /// Public address id.
        pub public_ip_id: Option<String>,
        /// Public address.
        pub public_ip_address: Option<String>,
        /// Whether TLS is enabled.
        pub enable_ssl: Option<bool>,
        /// Whether only the billing mode changes.
        pub is_only_adjust_charging: Option<bool>,
        /// Redis user account.
        pub account_name: Option<String>,
        /// Renamed commands.
        pub rename_commands: Vec<String>,
        /// Number of changed settings.
        pub updated_config_length: Option<i64>,
    }

    /// Progress of a background task (4.8.3).
    pub struct TaskProgress {
        /// In percent.
        pub progress: Option<i64>,
        /// Remaining seconds.
        pub remain_time: Option<i64>,
        /// The steps.
        pub step_details: Vec<TaskStep>,
    }

    /// A step of a background task.
    pub struct TaskStep {
        /// Id.
        pub step_id: Option<String>,
        /// Name.
        pub step_name: Option<String>,
        /// `FINISH`, `FAILED`, `EXECUTING` or `WAITING`.
        pub step_status: Option<String>,
        /// Start time.
        #[serde(serialize_with = "lenient::write_time")]
        pub begin_time: Option<DateTime<Utc>>,
        /// End time.
        #[serde(serialize_with = "lenient::write_time")]
        pub end_time: Option<DateTime<Utc>>,
        /// Failure code.
        pub error_code: Option<String>,
    }

    /// A job of the tenant (4.8.4).
    pub struct Job {
        id {
            /// Id.
            pub job_id: String,
        }
        required {
            /// Status.
            pub status: JobStatus,
        }
        /// Type: `masterStandbySwapJob`, `modifyClientIpTransJob` …
        pub job_type: Option<String>,
        /// Failure reason.
        pub fail_reason: Option<String>,
        /// Start time.
        #[serde(serialize_with = "lenient::write_millis")]
        pub begin_time: Option<DateTime<Utc>>,
        /// End time.
        #[serde(serialize_with = "lenient::write_millis")]
        pub end_time: Option<DateTime<Utc>>,
    }
}
