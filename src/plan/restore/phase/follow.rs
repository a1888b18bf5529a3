//! The restore was requested: it is followed to its end.

use super::{
    idle::{NotIdle, idle, without_idle},
    listed,
};
use crate::{
    api::{Reason, time},
    dcs::model::{RestoreRecord, RestoreStatus, failure_meaning},
    plan::{
        instance::observed::Detail,
        job::{progress, timestamp},
        restore::{
            action::{Lookup, Step},
            decision::Decision,
            input::Observed,
            record::end_of,
        },
    },
};

pub(in crate::plan::restore) fn decide(o: &Observed) -> Decision {
    let (Some(id), Some(instance)) = (o.status.restore_id.as_deref(), o.instance_id()) else {
        return Decision::not_observed_yet(o);
    };
    let list = match listed::restores(o, instance, o.settings.requeue.job_check_interval) {
        Ok(list) => list,
        Err(why) => return listed::without_list(o, instance, why),
    };
    if let Some(record) = list.records.iter().find(|record| record.restore_id == id) {
        return if is_foreign(o, instance, record) {
            let message = format!(
                "restore {id}, which the status names, is not of this object: the status was edited, so the outcome is unknown"
            );
            Decision::failed(o, Reason::OutcomeUnknown, message)
        } else {
            from_record(o, instance, record)
        };
    }
    let requested = o.open_request().map(|operation| o.attempts().window_end(Some(operation)));
    let end = requested.unwrap_or(o.first_seen);
    if !list.proves_since(end) {
        let message = format!("DCS does not list restore {id} yet");
        return listed::until_proven(o, end, Decision::in_progress(o, Reason::Running, message));
    }
    match idle(o, instance) {
        Err(NotIdle::Busy(why) | NotIdle::NotServing(why)) => {
            running(o, format!("DCS does not list restore {id}, and {why}"))
        }
        Err(why) => without_idle(o, instance, why),
        Ok(_) => {
            let message = format!(
                "DCS does not list restore {id} any more, so its outcome is unknown: check the data of instance {instance}"
            );
            Decision::failed(o, Reason::OutcomeUnknown, message)
        }
    }
}

/// The remark names another object.
fn is_foreign(o: &Observed, instance: &str, record: &RestoreRecord) -> bool {
    let remark = record.restore_remark.as_deref().filter(|remark| !remark.is_empty());
    remark.is_some_and(|remark| !o.mark(instance).is_in(remark))
}

fn running(o: &Observed, message: String) -> Decision {
    Decision::in_progress(o, Reason::Running, message).wait(o.settings.requeue.job_check_interval)
}

/// What the cloud shows of the restore.
pub(super) fn from_record(o: &Observed, instance: &str, record: &RestoreRecord) -> Decision {
    let decision = match &record.status {
        None | Some(RestoreStatus::Waiting | RestoreStatus::Restoring | RestoreStatus::Other(_)) => {
            let done = progress(record.progress)
                .map_or_else(String::new, |percent| format!("; {percent} % are done"));
            running(o, format!("DCS is replacing the data of instance {instance}{done}"))
        }
        Some(RestoreStatus::Succeed) => replaced(o, instance, record),
        Some(RestoreStatus::Failed) => failed(o, instance, record),
    };
    decision.with_record(o, record)
}

/// An earlier object asked for the restore.
fn was_done_before(o: &Observed) -> bool {
    o.spec.consent.is_some() && o.status.started_at.is_none() && !o.has_begun()
}

/// The record says that the data was replaced. Only the instance shows that it serves again, and one look may come between two
/// of its states.
fn replaced(o: &Observed, instance: &str, record: &RestoreRecord) -> Decision {
    let backup = record.backup_id.as_deref().unwrap_or("?");
    if was_done_before(o) {
        let message = format!(
            "an earlier object with this manifest has replaced the data by backup {backup}; it is not done again"
        );
        return Decision::succeeded(o, true, message);
    }
    match idle(o, instance) {
        Err(NotIdle::Busy(why) | NotIdle::NotServing(why)) => {
            running(o, format!("the data was replaced; {why}")).with(|status| status.completed_at = None)
        }
        Err(why) => without_idle(o, instance, why),
        Ok(_) if o.status.completed_at.is_none() => {
            let message = "the data was replaced; the operator looks once more whether the instance serves";
            let ended = end_of(o, record);
            running(o, message.to_owned()).with(|status| status.completed_at = ended)
        }
        Ok(_) => {
            let message = format!("the data was replaced by backup {backup}, and the instance serves");
            Decision::succeeded(o, false, message)
        }
    }
}

fn failed(o: &Observed, instance: &str, record: &RestoreRecord) -> Decision {
    let code = record.error_code.as_deref();
    let why = code.and_then(failure_meaning).or(code).unwrap_or("DCS gives no reason");
    let state = match o.detail(instance) {
        None => {
            let step = Step::Lookup(Lookup::Instance { id: instance.to_owned() });
            return listed::reading(o).step(step);
        }
        Some(Detail::Found(snapshot)) => {
            let word = snapshot.facts.status.as_ref().map_or("none", |status| status.as_str());
            format!("the status of the instance is {word}")
        }
        Some(Detail::NotFound) => "the instance does not exist any more".to_owned(),
        Some(Detail::Failed(_)) => "the instance cannot be read just now".to_owned(),
    };
    let at = record.updated_at.map(|at| timestamp(&time::to_kube(at.min(o.now.wall))));
    let at = at.map_or_else(String::new, |at| format!(" at {at}"));
    let message = format!(
        "the restore failed{at}: {why}. DCS puts the former data back where it can: check it; {state}"
    );
    let ended = end_of(o, record);
    Decision::failed(o, Reason::OperationFailed, message).with(|status| status.completed_at = ended)
}
