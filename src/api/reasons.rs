//! The reasons in conditions: a closed list. Alerts and scripts match on these words, so a word is never reused for
//! another meaning. `docs/conditions.md` is generated from this file.
//!
//! Only reasons that code constructs are listed (`tests/it/docs.rs` checks that). A reason of a later kind is added with
//! that kind.

/// Declares the reasons. The name of a variant is its value in the API.
macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $variant:ident => $remedy:literal,)*) => {
        /// The reason in a condition.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $meaning])+ $variant,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The value of `status.conditions[].reason`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }

            /// Parses a reason; `None` if this version does not know it.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
            }

            /// The meaning, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($meaning),+).trim(),)*
                }
            }

            /// What a person must do, in one sentence.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)*
                }
            }
        }
    };
}

reasons! {
    // The object is healthy.

    /// Clients can use the instance.
    Available => "Nothing.",
    /// The instance matches the spec.
    InSync => "Nothing.",
    /// The binding Secret holds what clients need.
    Published => "Nothing.",
    /// The job is done.
    Completed => "Nothing.",
    /// An earlier object stood for the same job, which is done.
    AlreadyCompleted => "Nothing.",
    /// The backup can be restored to its instance.
    Restorable => "Nothing.",
    /// The schedule makes a backup whenever one is due.
    Armed => "Nothing.",
    /// The user has suspended the schedule.
    Suspended => "Nothing; set spec.suspend to false when backups are wanted again.",
    /// The last run of the schedule made its backup.
    Succeeded => "Nothing.",
    /// Nothing is wrong.
    AsExpected => "Nothing.",

    // Work is in progress.

    /// The operator has not observed the instance yet.
    ObservationPending => "Wait; if it lasts for minutes, check that the operator runs.",
    /// DCS is creating the instance.
    Creating => "Wait: a few minutes.",
    /// The operator is taking over an existing instance.
    Adopting => "Wait.",
    /// The operator is applying the spec.
    Applying => "Wait.",
    /// DCS is changing the size of the instance.
    Resizing => "Wait; clients must reconnect when a connection breaks.",
    /// The instance is being deleted.
    Deleting => "Wait: up to half an hour.",
    /// The address of the instance is not known yet.
    WaitingForEndpoint => "Wait.",
    /// DCS is carrying out the job.
    Running => "Wait: backups and restores take up to half an hour.",
    /// The DcsInstance or DcsBackup that the object refers to does not exist yet.
    WaitingForReference => "Create it, or correct the reference; after ten minutes the reason is ReferenceNotFound.",
    /// A backup must end first.
    WaitingForBackup => "Wait until the DcsBackup that the message names has ended.",
    /// Another operation must end first.
    WaitingForInstance => "Wait until what the message names has ended.",

    // The instance does not serve; status.cloudStatus holds the status that DCS reports.

    /// The instance is restarting.
    Restarting => "Wait: a few minutes.",
    /// The instance is starting.
    Starting => "Wait: a few minutes.",
    /// DCS is overwriting the data of the instance from a backup.
    Restoring => "Wait.",
    /// DCS is removing all data of the instance.
    Flushing => "Wait.",
    /// DCS is moving the instance.
    Migrating => "Wait.",
    /// DCS is installing a new version.
    Upgrading => "Wait.",
    /// The instance is stopping or stopped.
    Closed => "Start it in the DCS console.",
    /// The instance is frozen: payment is overdue, or the provider blocked it.
    Frozen => "Pay what is owed, or ask the provider's support.",
    /// An order for the instance waits for payment.
    Paying => "Pay the order in the console.",
    /// DCS reports that the instance is faulty.
    InstanceError => "Ask the provider's support; give the instance ID.",
    /// DCS reports a status that this version does not know.
    NotServing => "See status.cloudStatus, and the instance in the DCS console.",

    // The object waits for a person.

    /// A destructive step has no consent, so the operator does not take it.
    ApprovalRequired => "Approve the step as the message says, or take back what asks for it.",
    /// The instance was changed in the cloud, and the operator does not put it back unasked: the change is not online, or
    /// managementPolicy is Observe.
    DriftDetected => "See the message: write the present values into the spec, or have the difference put back.",
    /// DCS accepts a change, and it does not show or is undone each time.
    ChangeIneffective => "Find what else changes the instance, or remove the field from the spec; the operator tries again at growing intervals.",
    /// The object is paused: the operator changes nothing in the cloud.
    Paused => "Remove spec.paused when you are done.",

    // The cloud or the API server does not answer.

    /// The DCS API cannot be reached.
    CloudUnreachable => "Check the network, the endpoint and the provider's status page; the operator keeps trying.",
    /// The last observation of the instance is too old to rely on.
    ObservationTooOld => "Check the network, the endpoint and the provider's status page; the operator keeps trying.",
    /// The request rate is limited, by DCS or by the operator's own budget.
    Throttled => "Nothing; if it lasts, lower the operator's request rates.",
    /// The list of instances is incomplete, so the operator infers nothing from what it lacks.
    ListIncomplete => "Nothing; if it lasts, report it to the provider's support.",
    /// The account has more instances than the operator keeps in memory.
    TooManyInstances => "Use a project with fewer than 10,000 instances.",
    /// The Kubernetes API server did not answer a request that had to succeed first, such as the renewal of the lease.
    ClusterError => "Nothing; the operator keeps trying.",
    /// DCS failed.
    CloudError => "See the message for the error code; the operator keeps trying.",

    // The spec, or a Secret, needs a correction.

    /// The spec is invalid, or DCS cannot provide what it asks for.
    InvalidSpec => "Change the field that the message names.",
    /// The spec asks for a change that this version of the operator, or DCS, does not support.
    UnsupportedChange => "Put the field back, or move to a second instance.",
    /// A VPC, subnet or security group that the spec names does not exist.
    ReferenceInvalid => "Correct the ID in the spec or in the defaults of the credentials Secret, or create the resource.",
    /// A Secret or a key that the operator needs does not exist.
    SecretNotFound => "Create the Secret, or correct the reference.",
    /// The password does not meet the rules of DCS.
    PasswordInvalid => "Choose a password as the message says.",
    /// No Secret holds the password of the instance any more.
    PasswordLost => "Restore the Secret NAME-auth, or have a new password made by the annotation dcs.huaweicloud.com/rotate-password on the object.",
    /// The operator does not know the password of the adopted instance, so it publishes none.
    PasswordUnknown => "Name a Secret with the password by auth.secretRef, or have a new one made by the annotation dcs.huaweicloud.com/rotate-password on the object.",
    /// The API server rejected a Secret that the operator must write.
    SecretRefused => "See the message: a quota, an admission policy or a missing permission; the operator keeps trying.",
    /// A Secret with the needed name exists and does not belong to the object.
    SecretConflict => "Rename or delete that Secret; the operator never overwrites it.",

    /// The object or backup that the spec refers to does not exist.
    ReferenceNotFound => "Correct the reference, or create what it names.",
    /// DCS does not offer this for the instance.
    UnsupportedMode => "Use an instance with another cacheMode: DCS does not back up single-node instances.",
    /// Something that the job needs is not as it must be.
    PreconditionFailed => "Change what the message names.",
    /// Another backup would make DCS remove one that must stay.
    BackupLimitReached => "Delete a backup that you do not need, or unpin the one that the message names.",

    // A job has ended without success.

    /// The backup cannot be restored.
    SourceNotRestorable => "Choose another backup, in a new object: dcs-operator backups lists them.",
    /// The backup does not fit the instance.
    IncompatibleSource => "See the message: choose another backup, in a new object.",
    /// The backup of the data that was to be replaced did not succeed, so nothing was replaced.
    BackupFirstFailed => "See the DcsBackup that the message names, then make a new object.",
    /// DCS carried the job out without success.
    OperationFailed => "See the message, then make a new object.",
    /// The job was not started by its deadline, or DCS has removed what it made because its time was over.
    Expired => "Make a new object with a later deadline if the job is still wanted.",
    /// What became of an earlier request cannot be found out any more, so the job is not asked for again.
    OutcomeUnknown => "See the DCS console for what was done, then make a new object if it is still needed.",
    /// The job did not end in time.
    DeadlineExceeded => "See the DCS console, which shows whether it still runs; then make a new object.",
    /// The instance of the job does not exist any more, or is being deleted.
    InstanceDeleted => "Nothing, or delete this object.",
    /// The backup exists, and cannot be restored to its instance as that is now.
    NotRestorable => "See the message; make a new backup.",

    // A run of a schedule has made no backup.

    /// The last run of the schedule made a DcsBackup that failed, or that was deleted before it ended.
    Failed => "See the message and the DcsBackup; the schedule goes on with its next run.",
    /// The last run of the schedule did not begin in time: the operator was down, or the instance was not free.
    Missed => "See that the operator runs, and set startingDeadlineSeconds higher if runs may begin later.",
    /// The last run of the schedule was skipped, since the instance could not be backed up or an earlier run had not ended.
    Skipped => "See the message; the schedule goes on with its next run.",
    /// The API server rejects a DcsBackup that the object has to make.
    BackupRefused => "See the message: a quota, an admission policy or a missing permission; the operator keeps trying.",

    // The account needs attention.

    /// No credentials exist for this namespace.
    CredentialsMissing => "Create the Secret dcs-credentials, or set credentialsRef.",
    /// The credentials are incomplete, or DCS rejects them.
    CredentialsInvalid => "Correct the Secret with the credentials: the one that credentialsRef names, else dcs-credentials.",
    /// The credentials lack a permission.
    Forbidden => "Grant the permission that the message names to the user of the credentials.",
    /// The operator may not call the endpoint in the credentials.
    EndpointNotAllowed => "Correct the endpoint in the credentials, or ask the installer of the operator to allow it.",
    /// The credentials lead to another project or endpoint than the one that holds the instance.
    AccountChanged => "Put the former project and endpoint back, or use another object for the other project.",
    /// The operator's own credentials may not be used for this network or this existing instance.
    NotAllowed => "Tag the instance dcs-operator-allow-namespace as the message says, or use credentials of the namespace.",
    /// A quota of the account is used up.
    QuotaExceeded => "Delete what you do not need, or apply for a larger quota.",
    /// The balance of the account is too low.
    InsufficientBalance => "Top up the account.",
    /// The flavor is sold out in these zones.
    SoldOut => "Choose other availabilityZones or another flavor, or wait.",

    // The owner of the instance is unclear.

    /// Several instances could belong to this object; the operator touches none.
    AmbiguousOwnership => "Of several, name the right one by adopt.instanceId, or remove the tags dcs-operator-* from the others. To take back what an earlier object of this name left behind, set reclaimPolicy to Orphaned.",
    /// Another instance already has this name.
    NameTaken => "Choose another spec.name, or take that instance over by adopt.instanceId.",
    /// The instance lacks the ownership tags, so the operator does not touch it.
    MarkMissing => "Set adopt.instanceId to the instance ID; the operator then writes the tags again.",
    /// An earlier object of this name left an instance behind that cannot be taken back as it is.
    ReclaimBlocked => "Set adopt.instanceId to take that instance over, or reclaimPolicy to None for a new one.",
    /// DCS does not accept the ownership tags on the instance.
    TagsRefused => "Remove unneeded tags from the instance, which has room for 20; see the message.",
    /// The instance to adopt belongs to another object.
    AlreadyOwned => "Delete the other object with deletionPolicy Retain first.",
    /// The instance to adopt does not exist.
    InstanceNotFound => "Correct adopt.instanceId, the region or the project.",

    // The instance failed or is gone.

    /// DCS failed to create the instance, several times.
    CreateFailed => "See the message for the error of DCS, then change the spec; the operator then tries again.",
    /// The instance was deleted in the cloud, and not by the operator.
    ExternallyDeleted => "Delete this object, or set onExternalDeletion to Recreate for a new, empty instance.",
    /// A finalizer of another controller on the object guards the instance.
    GuardedByFinalizer => "Wait until its owner removes the finalizer that the message names, or remove it.",
    /// The CustomResourceDefinition lacks fields of this version, so the API server may have dropped a policy of the spec.
    DefinitionOutdated => "Apply the CustomResourceDefinitions of this version of the operator.",
    /// A DcsBackup of the instance is pinned: deleting the instance would delete that backup.
    BackupPinned => "Set pinned to false on the DcsBackup that the message names, or delete it; or set deletionPolicy of the DcsInstance to Retain.",
    /// The instance is prepaid: the API cannot delete it.
    PrepaidNotDeletable => "Unsubscribe from it in the console, or set deletionPolicy to Retain.",
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_a_meaning_and_a_remedy() {
        let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(reason.meaning().ends_with('.'), "{reason}: {}", reason.meaning());
            assert!(reason.remedy().ends_with('.'), "{reason}: {}", reason.remedy());
            // The API server requires this of a reason.
            assert!(reason.as_str().chars().all(|c| c.is_ascii_alphanumeric()), "{reason}");
        }
    }
}
