//! The list of the instance's backups, as recent as a phase needs it.

use std::time::Duration;

use crate::{
    api::Reason,
    plan::{
        Blocker,
        backup::{
            action::{Lookup, Step},
            decision::Decision,
            input::{BackupList, Backups, Observed},
        },
        instance::observed::Detail,
        job,
    },
};

/// Why there is no list to decide from.
pub(in crate::plan::backup) enum Unlisted {
    /// It has to be read.
    Read(Step),
    /// The instance does not exist.
    InstanceNotFound,
    /// The read failed.
    Failed(Blocker),
}

/// The list, at most `max_age` old, and newer than everything that this process did for the object.
pub(in crate::plan::backup) fn backups<'a>(
    o: &'a Observed,
    instance: &str,
    max_age: Duration,
) -> Result<&'a BackupList, Unlisted> {
    if let Err(blocker) = account(o) {
        return Err(Unlisted::Failed(blocker));
    }
    match o.lookups.backups.as_ref().filter(|(listed, _)| listed == instance) {
        Some((_, Backups::Listed(list))) => Ok(list),
        Some((_, Backups::InstanceNotFound)) => Err(Unlisted::InstanceNotFound),
        Some((_, Backups::Failed(blocker))) => Err(Unlisted::Failed(blocker.clone())),
        None => {
            // A restart needs no new proof of what the status records.
            let has_ended = o.status.outcome.is_some() && !o.subject.deleting;
            let known = o.first_seen.max(o.intent_seen.unwrap_or_default());
            let known = if has_ended { Duration::ZERO } else { known };
            let since = known.max(o.now.monotonic.saturating_sub(max_age));
            Err(Unlisted::Read(Step::Lookup(Lookup::Backups { instance: instance.to_owned(), since })))
        }
    }
}

/// Credentials that lead to the account with the backup.
fn account(o: &Observed) -> Result<(), Blocker> {
    let noted = o.status.account.as_ref().filter(|_| o.has_begun());
    let recorded = noted.map(|noted| &noted.account).or_else(|| o.instance.account());
    job::usable_account(&o.account, recorded, "the backup").map(|_| ())
}

/// Whether DCS says by another read that the instance does not exist. One answer may be wrong.
pub(in crate::plan::backup) fn is_gone(o: &Observed, instance: &str) -> Result<(), Confirmation> {
    match o.detail(instance) {
        None => Err(Confirmation::Read(Step::Lookup(Lookup::Instance { id: instance.to_owned() }))),
        Some(Detail::NotFound) => Ok(()),
        Some(Detail::Failed(blocker)) => Err(Confirmation::Failed(blocker.clone())),
        Some(Detail::Found(_)) => Err(Confirmation::Failed(Blocker {
            reason: Reason::CloudError,
            message: format!("DCS shows instance {instance}, and does not know it for its backups"),
        })),
    }
}

/// What is said of a backup whose instance does not exist.
pub(in crate::plan::backup) fn gone_with(instance: &str) -> String {
    format!("instance {instance} does not exist any more, and its backups with it")
}

/// Why it is not known yet that an instance does not exist.
pub(in crate::plan::backup) enum Confirmation {
    /// It has to be read.
    Read(Step),
    /// The read failed, or shows the instance.
    Failed(Blocker),
}

/// The decision of a phase that waits for newer lists.
pub(in crate::plan::backup) fn until_proven(o: &Observed, end: Duration, decision: Decision) -> Decision {
    let poll = o.settings.requeue.job_check_interval;
    decision.wait(end.saturating_sub(o.now.monotonic).max(poll))
}
