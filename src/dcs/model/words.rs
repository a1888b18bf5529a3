//! The service's words. A word we do not know is kept as it is: new ones appear without notice.

use super::lenient::{FromScalar, Scalar};

/// Declares a set of words: one variant each, and `Other` for what is not among them.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$word_meta:meta])* $variant:ident = $word:literal,)* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)*
            /// A word we do not know.
            Other(String),
        }

        impl $name {
            /// The known words.
            pub const KNOWN: &'static [&'static str] = &[$($word),*];

            /// The word itself.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Other(String::new())
            }
        }

        impl From<&str> for $name {
            /// Upper and lower case are the same: the service is not consistent.
            fn from(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($word) {
                    return Self::$variant;
                })*
                Self::Other(word.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromScalar for $name {
            fn from_scalar(scalar: Scalar) -> Option<Self> {
                String::from_scalar(scalar).map(|word| Self::from(word.trim()))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|word| Self::from(word.as_str()))
            }
        }
    )*};
}

words! {
    /// What an instance is doing (API reference 7.5, and words seen elsewhere).
    pub enum InstanceStatus {
        /// Being made.
        Creating = "CREATING",
        /// Could not be made; costs nothing, does nothing.
        CreateFailed = "CREATEFAILED",
        /// Serving.
        Running = "RUNNING",
        /// Broken.
        Error = "ERROR",
        /// Restarting.
        Restarting = "RESTARTING",
        /// Changing size; serving but for moments.
        Extending = "EXTENDING",
        /// Its data is being overwritten from a backup.
        Restoring = "RESTORING",
        /// All data being removed (not in the reference).
        Flushing = "FLUSHING",
        /// Out of service since money is owed, or by order (not in the reference).
        Frozen = "FROZEN",
        /// On the way to being frozen (known from the count fields).
        Freezing = "FREEZING",
        /// An order waits for payment (known from the count fields).
        Paying = "PAYING",
        /// Being moved (known from the count fields).
        Migrating = "MIGRATING",
        /// Getting a new version (known from the count fields).
        Upgrading = "UPGRADING",
        /// Being removed (from the old API).
        Deleting = "DELETING",
        /// Gone, but still listed on request.
        Deleted = "DELETED",
        /// Starting (from the old API).
        Starting = "STARTING",
        /// Stopping (from the old API).
        Closing = "CLOSING",
        /// Stopped (from the old API).
        Closed = "CLOSED",
    }

    /// How an instance is built.
    pub enum CacheMode {
        /// One node, no replica: data is lost with it.
        Single = "single",
        /// A master and replicas.
        Ha = "ha",
        /// As `ha`, with an address of its own for reading.
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

    /// How a job fares (API reference 4.8.4).
    pub enum JobStatus {
        /// Accepted.
        Init = "INIT",
        /// Under way.
        Running = "RUNNING",
        /// Done.
        Success = "SUCCESS",
        /// Failed; the reason is in `fail_reason`.
        Fail = "FAIL",
    }

    /// How a background task fares (seen; the reference has no list).
    pub enum TaskStatus {
        /// Under way.
        Executing = "EXECUTING",
        /// Done.
        Success = "SUCCESS",
        /// Failed.
        Failed = "FAILED",
    }

    /// How a flavor relates to capacity (API reference 4.9.1).
    pub enum PricingType {
        /// One flavor, several capacities.
        Tier = "tier",
        /// One flavor, one capacity.
        Normal = "normal",
    }

    /// What a resize is about (API reference 4.1.7). A change of capacity or shards needs none.
    pub enum ChangeType {
        /// More replicas.
        CreateReplication = "createReplication",
        /// Fewer replicas.
        DeleteReplication = "deleteReplication",
        /// Another cache mode.
        InstanceType = "instanceType",
    }

    /// What to do with tags.
    pub enum TagsAction {
        /// Add, or overwrite the value.
        Create = "create",
        /// Remove.
        Delete = "delete",
    }

    /// Whether the service makes backups by itself (API reference 4.1.6).
    pub enum BackupType {
        /// By the plan.
        Auto = "auto",
        /// Not by itself; the plan stays stored.
        Manual = "manual",
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
    fn unknown_words_are_kept() {
        let word = InstanceStatus::from("DEFRAGMENTING");
        assert_eq!(word, InstanceStatus::Other("DEFRAGMENTING".to_owned()));
        assert_eq!(serde_json::to_string(&word).ok().as_deref(), Some("\"DEFRAGMENTING\""));
    }
}
