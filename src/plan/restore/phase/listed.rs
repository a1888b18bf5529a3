//! The lists of the instance's restores and backups, as recent as a phase needs them, and whether the instance is gone.

use std::time::Duration;

use crate::{
    api::Reason,
    dcs::model::{BackupRecord, RestoreRecord},
    plan::{
        Blocker,
        conditions::JobSituation,
        instance::observed::Detail,
        job::{self, InstanceObject, RecordList, Records},
        restore::{
            action::{Lookup, Step},
            decision::Decision,
            input::Observed,
        },
    },
};

/// Why there is no list to decide from.
pub(in crate::plan::restore) enum Unlisted {
    /// It has to be read.
    Read(Step),
    /// The instance does not exist.
    InstanceNotFound,
    /// The read failed.
    Failed(Blocker),
}

/// The restores, at most `max_age` old, and newer than everything that this process did for the object.
pub(in crate::plan::restore) fn restores<'a>(
    o: &'a Observed,
    instance: &str,
    max_age: Duration,
) -> Result<&'a RecordList<RestoreRecord>, Unlisted> {
    let since = o.first_seen.max(o.intent_seen.unwrap_or_default()).max(oldest(o, max_age));
    let lookup = Lookup::Restores { instance: instance.to_owned(), since };
    listed(o, (instance, since), o.lookups.restores.as_ref(), lookup)
}

/// The backups, at most `max_age` old.
pub(in crate::plan::restore) fn backups<'a>(
    o: &'a Observed,
    instance: &str,
    max_age: Duration,
) -> Result<&'a RecordList<BackupRecord>, Unlisted> {
    let since = o.first_seen.max(oldest(o, max_age));
    let lookup = Lookup::Backups { instance: instance.to_owned(), since };
    listed(o, (instance, since), o.lookups.backups.as_ref(), lookup)
}

fn oldest(o: &Observed, max_age: Duration) -> Duration {
    o.now.monotonic.saturating_sub(max_age)
}

fn listed<'a, R>(
    o: &Observed,
    (instance, since): (&str, Duration),
    found: Option<&'a (String, Records<R>)>,
    lookup: Lookup,
) -> Result<&'a RecordList<R>, Unlisted> {
    account(o).map_err(Unlisted::Failed)?;
    match found.filter(|(listed, _)| listed == instance) {
        Some((_, Records::Listed(list))) if list.begun >= since => Ok(list),
        Some((_, Records::InstanceNotFound)) => Err(Unlisted::InstanceNotFound),
        Some((_, Records::Failed(blocker))) => Err(Unlisted::Failed(blocker.clone())),
        Some((_, Records::Listed(_))) | None => Err(Unlisted::Read(Step::Lookup(lookup))),
    }
}

/// Credentials that lead to the account with the instance.
fn account(o: &Observed) -> Result<(), Blocker> {
    let noted = o.status.account.as_ref().filter(|_| o.has_begun());
    let recorded = noted.map(|noted| &noted.account).or_else(|| o.instance.account());
    job::usable_account(&o.account, recorded, "the instance").map(|_| ())
}

/// What is decided without a list.
pub(in crate::plan::restore) fn without_list(o: &Observed, instance: &str, why: Unlisted) -> Decision {
    match why {
        Unlisted::Read(step) => reading(o).step(step),
        Unlisted::Failed(blocker) => Decision::lookup_failed(o, &blocker),
        Unlisted::InstanceNotFound => instance_not_found(o, instance),
    }
}

/// Something is being read. This is never published.
pub(in crate::plan::restore) fn reading(o: &Observed) -> Decision {
    Decision::in_progress(o, Reason::WaitingForInstance, "the instance is being looked at")
}

/// The cloud says that the instance does not exist. One answer may be wrong.
fn instance_not_found(o: &Observed, instance: &str) -> Decision {
    match o.detail(instance) {
        None => reading(o).step(Step::Lookup(Lookup::Instance { id: instance.to_owned() })),
        Some(Detail::Failed(blocker)) => Decision::lookup_failed(o, blocker),
        Some(Detail::Found(_)) => Decision::lookup_failed(
            o,
            &Blocker {
                reason: Reason::CloudError,
                message: format!("DCS shows instance {instance}, and does not know it for its backups"),
            },
        ),
        Some(Detail::NotFound) => gone(o, instance),
    }
}

/// The instance does not exist.
pub(in crate::plan::restore) fn gone(o: &Observed, instance: &str) -> Decision {
    let is_known = matches!(&o.instance, InstanceObject::Found(view) if !view.deleting);
    let message = format!("DCS does not know instance {instance} any more");
    if o.has_begun() || !is_known {
        return Decision::failed(o, Reason::InstanceDeleted, message);
    }
    // The DcsInstance says what becomes of it.
    Decision::new(o, JobSituation::Unreachable(Reason::CloudError), format!("{message}; see the DcsInstance"))
        .wait(o.settings.requeue.operation_check_interval)
}

/// The decision of a phase that waits for newer lists.
pub(in crate::plan::restore) fn until_proven(o: &Observed, end: Duration, decision: Decision) -> Decision {
    let poll = o.settings.requeue.job_check_interval;
    decision.wait(end.saturating_sub(o.now.monotonic).max(poll))
}
