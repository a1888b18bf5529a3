//! Why a condition is as it is: a closed list. Alerts and scripts match on these words, so none is ever reused for
//! something else; the reference page for users is made from what is written here.

/// Declares the reasons: the word is the variant's name.
macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $variant:ident => $remedy:literal,)*) => {
        /// Why a condition is as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $meaning])+ $variant,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in `status.conditions[].reason`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }

            /// The reason that `word` is, if it is one.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($meaning),+).trim(),)*
                }
            }

            /// What a person has to do.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)*
                }
            }
        }
    };
}

reasons! {
    // Well.

    /// Clients can use the instance.
    Available => "Nothing.",
    /// The cloud matches the spec.
    InSync => "Nothing.",
    /// The binding Secret holds what clients need.
    Published => "Nothing.",
    /// Nothing is wrong here.
    AsExpected => "Nothing.",
    /// The job is done.
    Completed => "Nothing.",

    // On the way.

    /// The operator has not looked at the object yet.
    ObservationPending => "Wait; if it lasts for minutes, see whether the operator runs.",
    /// The cloud is making the instance.
    Creating => "Wait: a few minutes.",
    /// An existing instance is being taken over.
    Adopting => "Wait.",
    /// The spec is being carried out.
    Applying => "Wait.",
    /// The cloud is changing the size of the instance.
    Resizing => "Wait; clients should reconnect when a connection breaks.",
    /// The instance is being deleted.
    Deleting => "Wait: up to half an hour.",
    /// The job is under way.
    Running => "Wait.",
    /// The address of the instance is not known yet.
    WaitingForEndpoint => "Wait.",
    /// The instance is busy with something else.
    WaitingForInstance => "Wait for what the message names, or delete that.",

    // The instance does not serve, in the cloud's words.

    /// The instance is restarting.
    Restarting => "Wait: a few minutes.",
    /// The instance is starting.
    Starting => "Wait: a few minutes.",
    /// Its data is being overwritten from a backup.
    Restoring => "Wait.",
    /// All its data is being removed.
    Flushing => "Wait.",
    /// The cloud is moving the instance.
    Migrating => "Wait.",
    /// The cloud is installing a new version.
    Upgrading => "Wait.",
    /// The instance is stopping, or stopped.
    Closed => "Start it in the cloud's console.",
    /// The instance is out of service since money is owed, or by order.
    Frozen => "Pay what is owed, or ask the cloud's support.",
    /// An order for the instance waits for payment.
    Paying => "Pay the order in the cloud's console.",
    /// The cloud says that the instance is broken.
    InstanceError => "Ask the cloud's support, with the instance's ID.",
    /// The cloud says something that this operator does not know.
    NotServing => "See status.cloudStatus, and the instance in the cloud's console.",

    // Waiting for a time or a person.

    /// A change waits for the maintenance window.
    WaitingForWindow => "Wait, or set changePolicy to Automatic.",
    /// A change waits for consent.
    ApprovalRequired => "Look at status.pendingChanges; to consent, annotate the object as status.pendingApproval says.",
    /// Somebody changed the instance outside this object, and undoing that would disturb its clients.
    DriftDetected => "Write the present value into the spec, or approve that it is put back.",
    /// The object is paused: nothing is changed in the cloud.
    Paused => "Remove spec.paused when you are done.",

    // The cloud does not answer, or not fully.

    /// The cloud cannot be reached.
    CloudUnreachable => "Check the network, the endpoint and the cloud's status page; the operator keeps trying.",
    /// The instance was last seen too long ago to say anything about it.
    ObservationTooOld => "As for CloudUnreachable.",
    /// The cloud says that too many requests are made.
    Throttled => "Nothing; if it lasts, lower the operator's request rates.",
    /// The cloud's list of instances is not complete, so that nothing is inferred from what is missing in it.
    ListIncomplete => "Nothing; if it lasts, report it to the cloud's support.",
    /// Kubernetes did not answer a question that had to be asked first.
    ClusterError => "Nothing; the operator keeps trying.",
    /// The lease of this operator process may end before the cloud answers, so the request was not sent.
    NotLeader => "Nothing; the process that holds the lease tries again.",
    /// The cloud failed in a way of its own.
    CloudError => "See the message for the cloud's code; the operator keeps trying.",

    // A person is needed: the spec.

    /// The spec cannot be carried out as it is.
    InvalidSpec => "Change the field that the message names.",
    /// The spec asks for a change that this version of the operator, or the cloud, cannot make.
    UnsupportedChange => "Put the field back, or make the change by way of a second instance.",
    /// Something that the spec refers to does not exist: a VPC, a subnet, a security group.
    ReferenceInvalid => "Correct the ID in the spec, or in the defaults of the Secret with the credentials, or make what it names.",
    /// A Secret that the spec refers to, or a key of it, does not exist.
    SecretNotFound => "Make the Secret, or correct the reference.",
    /// The cloud does not accept the password.
    PasswordInvalid => "Choose a password as the message says.",
    /// Kubernetes does not let the operator write a Secret that it needs.
    SecretRefused => "See the message: a quota, an admission policy or a missing permission; it is tried again.",
    /// A Secret with the name of the binding Secret exists and does not belong to the instance.
    SecretConflict => "Rename or delete that Secret: the operator never overwrites it.",

    // A person is needed: the account.

    /// There are no credentials for this namespace.
    CredentialsMissing => "Make the Secret dcs-credentials, or set credentialsRef.",
    /// The credentials are incomplete, or the cloud does not accept them.
    CredentialsInvalid => "Correct the Secret with the credentials: the one that credentialsRef names, else dcs-credentials.",
    /// The credentials are accepted, but do not allow this.
    Forbidden => "Give the user of the credentials the permission that the message names.",
    /// The endpoint is not one that the operator may call.
    EndpointNotAllowed => "Correct the endpoint in the credentials, or let the installer of the operator allow it.",
    /// The credentials lead to another project or endpoint than the one that the instance is in.
    AccountChanged => "Put the former project and endpoint back, or use another object for the other project.",
    /// The operator's own credentials may not touch what a bare ID of the cloud names on behalf of this namespace.
    NotAllowed => "Tag it dcs-operator-allow-namespace as the message says, or use credentials of the namespace.",
    /// A quota of the account is used up.
    QuotaExceeded => "Delete what is not needed, or apply for a larger quota.",
    /// Money is owed.
    InsufficientBalance => "Top up the account.",
    /// The flavor is sold out in the zones.
    SoldOut => "Choose other availabilityZones or another flavor, or wait.",

    // A person is needed: whose instance is it?

    /// More than one instance in the cloud could be this object's; none is touched.
    AmbiguousOwnership => "Name the right one by adopt.instanceId, or remove our tags from the wrong ones.",
    /// Another instance has the name already.
    NameTaken => "Choose another spec.name, or take that instance over by adopt.instanceId.",
    /// The instance no longer carries the tags that say whose it is; it is not touched.
    MarkMissing => "Set adopt.instanceId to its ID, so that it is marked again.",
    /// The instance to adopt belongs to another object.
    AlreadyOwned => "Delete the other object with deletionPolicy Retain first.",
    /// The instance to adopt does not exist.
    InstanceNotFound => "Correct adopt.instanceId, the region or the project.",

    // A person is needed: the instance.

    /// The cloud could not make the instance, several times.
    CreateFailed => "See the message for the cloud's error, and change what it complains about.",
    /// The instance was deleted in the cloud.
    ExternallyDeleted => "Delete this object, or set onExternalDeletion to Recreate for a new, empty instance.",
    /// The instance is prepaid: this API cannot delete it.
    PrepaidNotDeletable => "Unsubscribe from it in the cloud's console, or set deletionPolicy to Retain.",

    // Jobs that ended.

    /// The cloud could not carry the job out.
    OperationFailed => "See the message; make a new object to try again.",
    /// The consent ran out before the job could begin.
    Expired => "Make a new object with a later consent.notAfter.",
    /// The job was cancelled.
    Cancelled => "Make a new object to try again.",
    /// The instance was deleted before the job could begin.
    InstanceDeleted => "Delete the object.",
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
    fn each_reason_says_what_it_means_and_what_to_do() {
        let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(reason.meaning().ends_with('.'), "{reason}: {}", reason.meaning());
            assert!(reason.remedy().ends_with('.'), "{reason}: {}", reason.remedy());
            // What Kubernetes takes for a reason.
            assert!(reason.as_str().chars().all(|c| c.is_ascii_alphanumeric()), "{reason}");
        }
    }
}
