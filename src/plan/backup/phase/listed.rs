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
            let known = o.first_seen.max(o.intent_seen.unwrap_or_default());
            let since = known.max(o.now.monotonic.saturating_sub(max_age));
            Err(Unlisted::Read(Step::Lookup(Lookup::Backups { instance: instance.to_owned(), since })))
        }
    }
}

/// Credentials that lead to the account with the backup.
fn account(o: &Observed) -> Result<(), Blocker> {
    let account = o.account.as_ref().map_err(Clone::clone)?;
    let recorded = o.status.account.as_ref().map(|recorded| &recorded.account).filter(|_| o.has_begun());
    let differs = |recorded: &Option<String>, now: &Option<String>| recorded.is_some() && recorded != now;
    let other = recorded.filter(|recorded| {
        differs(&recorded.project_id, &account.account.project_id)
            || differs(&recorded.endpoint, &account.account.endpoint)
    });
    match other {
        None => Ok(()),
        Some(recorded) => Err(Blocker {
            reason: Reason::AccountChanged,
            message: format!(
                "the backup is in project {} at {}, and the credentials lead elsewhere: put that project and endpoint back",
                recorded.project_id.as_deref().unwrap_or("?"),
                recorded.endpoint.as_deref().unwrap_or("?")
            ),
        }),
    }
}

/// Whether two complete lists that began after `end` lack what could still have arrived until then.
pub(in crate::plan::backup) fn proves_since(list: &BackupList, end: Duration) -> bool {
    list.begun >= end && list.before.is_some_and(|before| before >= end)
}

/// The decision of a phase that waits for newer lists.
pub(in crate::plan::backup) fn until_proven(o: &Observed, end: Duration, decision: Decision) -> Decision {
    let poll = o.settings.requeue.job_check_interval;
    decision.wait(end.saturating_sub(o.now.monotonic).max(poll))
}
