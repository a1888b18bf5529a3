//! The service's words. New ones appear without notice.

use super::{
    lenient::{FromScalar, MAX_WORD, Scalar},
    text,
};
use crate::words::{Word, words};

impl<T: Word> FromScalar for T {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        String::from_scalar(scalar).map(|word| Self::from(text::shortened(word.trim(), MAX_WORD).as_str()))
    }
}

words! {
    /// Status of an instance (API reference 7.5, and observed values).
    pub enum InstanceStatus {
        /// Being created.
        Creating = "CREATING",
        /// Creation failed; the entry costs nothing.
        CreateFailed = "CREATEFAILED",
        /// Serving.
        Running = "RUNNING",
        /// Out of order.
        Error = "ERROR",
        /// Restarting.
        Restarting = "RESTARTING",
        /// Resizing; serving with short interruptions.
        Extending = "EXTENDING",
        /// A backup is overwriting the data.
        Restoring = "RESTORING",
        /// All data is being removed (not in the reference).
        Flushing = "FLUSHING",
        /// Out of service for arrears or by order (not in the reference).
        Frozen = "FROZEN",
        /// Being frozen (known from the count fields).
        Freezing = "FREEZING",
        /// An order awaits payment (known from the count fields).
        Paying = "PAYING",
        /// Migrating (known from the count fields).
        Migrating = "MIGRATING",
        /// Upgrading (known from the count fields).
        Upgrading = "UPGRADING",
        /// Deleting (from the old API).
        Deleting = "DELETING",
        /// Deleted, but still listed on request.
        Deleted = "DELETED",
        /// Starting (from the old API).
        Starting = "STARTING",
        /// Stopping (from the old API).
        Closing = "CLOSING",
        /// Stopped (from the old API).
        Closed = "CLOSED",
    }

    /// Topology of an instance.
    pub enum CacheMode {
        /// One node without replica.
        Single = "single",
        /// A master and replicas.
        Ha = "ha",
        /// As `ha`, with a separate read-only address.
        HaRwSplit = "ha_rw_split",
        /// Shards behind proxies.
        Proxy = "proxy",
        /// Redis Cluster: clients know the shards.
        Cluster = "cluster",
    }

    /// Processor architecture.
    pub enum CpuType {
        /// Intel and AMD.
        X86_64 = "x86_64",
        /// Arm.
        Aarch64 = "aarch64",
    }

    /// Status of a job (API reference 4.8.4).
    pub enum JobStatus {
        /// Accepted.
        Init = "INIT",
        /// Running.
        Running = "RUNNING",
        /// Succeeded.
        Success = "SUCCESS",
        /// Failed; `fail_reason` has the reason.
        Fail = "FAIL",
    }

    /// Status of a background task (observed; the reference has no list).
    pub enum TaskStatus {
        /// Running.
        Executing = "EXECUTING",
        /// Succeeded.
        Success = "SUCCESS",
        /// Failed.
        Failed = "FAILED",
    }

    /// Relation of flavor and capacity (API reference 4.9.1).
    pub enum PricingType {
        /// Several capacities.
        Tier = "tier",
        /// One capacity.
        Normal = "normal",
    }

    /// Kind of resize (API reference 4.1.7). A change of capacity or shards has none.
    pub enum ChangeType {
        /// Adds replicas.
        CreateReplication = "createReplication",
        /// Removes replicas.
        DeleteReplication = "deleteReplication",
        /// Changes the cache mode.
        InstanceType = "instanceType",
    }

    /// Action on tags.
    pub enum TagsAction {
        /// Adds tags or overwrites their values.
        Create = "create",
        /// Removes tags.
        Delete = "delete",
    }

    /// Whether the service takes backups automatically (API reference 4.1.6).
    pub enum BackupType {
        /// Automatic, by the plan.
        Auto = "auto",
        /// Manual; the plan stays stored.
        Manual = "manual",
    }

    /// Status of a backup (API reference 4.5.6).
    pub enum BackupStatus {
        /// Accepted, not started.
        Waiting = "waiting",
        /// Running.
        Backuping = "backuping",
        /// Succeeded; the files exist.
        Succeed = "succeed",
        /// Failed; `error_code` has the reason.
        Failed = "failed",
        /// The service removed the files.
        Expired = "expired",
        /// A request removed the files.
        Deleted = "deleted",
    }

    /// File format of a backup (API reference 4.5.5).
    pub enum BackupFormat {
        /// Append-only file.
        Aof = "aof",
        /// Snapshot.
        Rdb = "rdb",
    }

    /// Status of a restore (API reference 4.5.3).
    pub enum RestoreStatus {
        /// Accepted, not started.
        Waiting = "waiting",
        /// Running.
        Restoring = "restoring",
        /// Succeeded.
        Succeed = "succeed",
        /// Failed; `error_code` has the reason.
        Failed = "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_round_trip_in_any_case() {
        for word in InstanceStatus::KNOWN {
            assert!(!matches!(InstanceStatus::from(*word), InstanceStatus::Other(_)), "{word}");
            assert_eq!(InstanceStatus::from(word.to_lowercase().as_str()).as_str(), *word);
        }
        for word in CacheMode::KNOWN {
            assert_eq!(CacheMode::from(*word).as_str(), *word);
        }
    }

    #[test]
    fn a_long_word_is_cut() {
        let word = InstanceStatus::from_scalar(Scalar::Text("X".repeat(1000))).unwrap();
        assert_eq!(word.as_str().chars().count(), MAX_WORD);
    }

    #[test]
    fn unknown_words_are_kept() {
        let word = InstanceStatus::from("DEFRAGMENTING");
        assert_eq!(word, InstanceStatus::Other("DEFRAGMENTING".to_owned()));
        assert_eq!(serde_json::to_string(&word).ok().as_deref(), Some("\"DEFRAGMENTING\""));
    }
}
