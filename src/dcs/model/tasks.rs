//! Work that goes on in the background (API reference 4.8.1, 4.8.4).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    lenient::{self, wire},
    words::{JobStatus, TaskStatus},
};

/// One page of an instance's background tasks (4.8.1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskPage {
    /// How many there are on all pages together.
    #[serde(deserialize_with = "lenient::required")]
    pub task_count: i64,
    /// Those of this page.
    #[serde(deserialize_with = "lenient::field")]
    pub tasks: Vec<Task>,
}

wire! {
    /// A background task of an instance.
    pub struct Task {
        required {
            /// Its id: what cancelling a resize takes.
            pub id: String,
        }
        /// What it does: `EXTEND` (or `ChangeInstanceSpec`), `AddReplica`, `UpdatePort` …
        pub name: Option<String>,
        /// How it fares.
        pub status: Option<TaskStatus>,
        /// What it changes.
        pub details: Option<TaskDetails>,
        /// More on what it changes.
        pub params: Option<String>,
        /// Why it failed (newer sites).
        pub error_code: Option<String>,
        /// The job it belongs to (newer sites).
        pub job_id: Option<String>,
        /// Whether its steps can be asked for.
        pub enable_show: Option<bool>,
        /// Who started it.
        pub user_id: Option<String>,
        /// That user's name.
        pub user_name: Option<String>,
        /// When it began.
        #[serde(serialize_with = "lenient::write_time")]
        pub created_at: Option<DateTime<Utc>>,
        /// When it ended.
        #[serde(serialize_with = "lenient::write_time")]
        pub updated_at: Option<DateTime<Utc>>,
    }

    /// What a background task changes; which fields are set depends on the task.
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
        /// Address of the replica concerned.
        pub replica_ip: Option<String>,
        /// Zone of the replica concerned.
        pub replica_az: Option<String>,
        /// Shard concerned.
        pub group_name: Option<String>,
        /// Node concerned.
        pub node_name: Option<String>,
        /// Port before.
        pub old_port: Option<i64>,
        /// Port after.
        pub new_port: Option<i64>,
        /// Address of the source.
        pub source_ip: Option<String>,
        /// Address of the target.
        pub target_ip: Option<String>,
        /// Whether public access is wanted.
        pub enable_public_ip: Option<bool>,
        /// Public address, by id.
        pub public_ip_id: Option<String>,
        /// Public address.
        pub public_ip_address: Option<String>,
        /// Whether encryption is wanted.
        pub enable_ssl: Option<bool>,
        /// Whether only the way of paying changes.
        pub is_only_adjust_charging: Option<bool>,
        /// User account concerned.
        pub account_name: Option<String>,
        /// Commands renamed.
        pub rename_commands: Vec<String>,
        /// Settings changed.
        pub updated_config_length: Option<i64>,
    }

    /// A job of the tenant (4.8.4).
    pub struct Job {
        required {
            /// Its id.
            pub job_id: String,
            /// How it fares.
            pub status: JobStatus,
        }
        /// What it does: `masterStandbySwapJob`, `modifyClientIpTransJob`, and others.
        pub job_type: Option<String>,
        /// Why it failed.
        pub fail_reason: Option<String>,
        /// When it began.
        #[serde(serialize_with = "lenient::write_millis")]
        pub begin_time: Option<DateTime<Utc>>,
        /// When it ended.
        #[serde(serialize_with = "lenient::write_millis")]
        pub end_time: Option<DateTime<Utc>>,
    }
}
