//! The request: the consent, the last checks, and what became of a refused one.

use crate::{
    api::{Reason, job::PendingApproval, operation::OperationStatus, restore::RestoredBackup, time},
    dcs::model::Remark,
    plan::{
        Consent, Definition,
        approval::{Approval, approval},
        conditions::JobSituation,
        job::{self, FRESH, InstanceView, JobRefusal, timestamp},
        operation::is_unresolved,
        restore::{
            action::{CloudAction, Step},
            decision::Decision,
            input::{Observed, marked},
            source,
        },
    },
};

use super::{
    before, follow,
    idle::{idle, is_own_instance, without_idle},
    listed,
};

/// What the user agreed by. Only a complete definition makes it a [`Consent`].
pub(super) enum Agreement {
    /// The manifest consents until a time that has not come.
    Deadline,
    /// The user approved the restore of this backup.
    Approval(Approval),
}

/// The user's agreement to replace the data by this backup, or the decision that asks for it.
pub(super) fn agreement(o: &Observed, backup: &RestoredBackup) -> Result<Agreement, Box<Decision>> {
    let name = &o.spec.instance_ref.name;
    if let Some(consent) = &o.spec.consent {
        if consent.target != *name {
            let message =
                format!("the consent is for {}, not for {name}: correct consent.target", consent.target);
            return Err(Box::new(Decision::blocked(o, Reason::InvalidSpec, message)));
        }
        return Ok(Agreement::Deadline);
    }
    let made = backup.completed_at.as_ref().map_or_else(|| "an unknown time".to_owned(), timestamp);
    let reason = format!("replaces all data of {name} by backup {} of {made}", backup.id);
    let (step, pending) = (format!("restore {}", backup.id), o.status.pending_approval.as_ref());
    let given = approval((&o.subject.uid, &step, reason), pending, o.approval_token.as_deref(), &o.nonce);
    match &given {
        Approval::Given => Ok(Agreement::Approval(given)),
        Approval::Pending(pending) => Err(Box::new(ask(o, pending))),
    }
}

fn ask(o: &Observed, pending: &PendingApproval) -> Decision {
    let first = if o.spec.backup_first == Some(false) { "" } else { ", after a backup of the present data" };
    let message = format!(
        "the restore {}{first}. To let it begin: kubectl annotate dcsrestore {} -n {} --overwrite \
         dcs.huaweicloud.com/approve={}",
        pending.reason, o.subject.name, o.subject.namespace, pending.token
    );
    let wait = o.settings.requeue.resync_interval(&o.subject.uid);
    Decision::blocked(o, Reason::ApprovalRequired, message)
        .with(|status| status.pending_approval = Some(pending.clone()))
        .wait(wait)
}

/// Everything is checked once more, by lists and a detail that were read for it, and then the restore is requested.
pub(super) fn send(
    o: &Observed,
    (view, instance): (&InstanceView, &str),
    backup: &RestoredBackup,
    (agreement, definition): (&Agreement, &Definition),
) -> Decision {
    let backups = match listed::backups(o, instance, FRESH) {
        Ok(list) => list,
        Err(why) => return listed::without_list(o, instance, why),
    };
    if let Err(decision) = source::restorable(o, backups, &backup.id) {
        return *decision;
    }
    // What the status says was chosen is no permission.
    if !source::is_named(o, backups, &backup.id) {
        return source::choose(o, view, instance);
    }
    if let Some(decision) = before::is_stale(o, backups) {
        return decision;
    }
    let snapshot = match idle(o, instance) {
        Ok(snapshot) => snapshot,
        Err(why) => return without_idle(o, instance, why),
    };
    if let Err(decision) = is_own_instance(o, (view, instance), snapshot) {
        return *decision;
    }
    if let Err(decision) = source::fits(o, &backup.id, instance, snapshot) {
        return *decision;
    }
    // An earlier process may have asked, and the status have lost the trace.
    let restores = match listed::restores(o, instance, FRESH) {
        Ok(list) => list,
        Err(why) => return listed::without_list(o, instance, why),
    };
    let settled = o.settled_from();
    if !settled.is_zero() && !restores.proves_since(settled) {
        let message = "the operator has just begun to look at this object, and makes sure that no earlier request is under way";
        let waiting = Decision::in_progress(o, Reason::WaitingForInstance, message);
        return listed::until_proven(o, settled, waiting);
    }
    if let Some(record) = marked(restores, &o.mark(instance)) {
        return follow::from_record(o, instance, record);
    }
    match consent(o, agreement, definition) {
        Ok(consent) => act(o, instance, backup, consent),
        Err(decision) => *decision,
    }
}

fn act(o: &Observed, instance: &str, backup: &RestoredBackup, consent: Consent) -> Decision {
    let Ok(remark) = Remark::try_from(o.mark(instance).with_text(None).as_str()) else {
        return Decision::blocked(o, Reason::InvalidSpec, "the name of the object cannot be marked in DCS");
    };
    let action =
        CloudAction::Restore { instance: instance.to_owned(), backup: backup.id.clone(), remark, consent };
    Decision::in_progress(o, Reason::Running, "the restore is being requested")
        .with(|status| {
            status.started_at.get_or_insert_with(|| time::to_kube(o.now.wall));
        })
        .step(Step::CloudAction(action))
}

/// The consent, or why there is none under this definition.
fn consent(o: &Observed, agreement: &Agreement, definition: &Definition) -> Result<Consent, Box<Decision>> {
    let consent = match (agreement, &o.spec.consent) {
        (Agreement::Deadline, Some(given)) => Consent::by_deadline(
            (&given.target, time::from_kube(&given.not_after)),
            (&o.spec.instance_ref.name, o.now.wall),
            definition,
        ),
        (Agreement::Approval(given), _) => Consent::by_approval(given, definition),
        (Agreement::Deadline, None) => None,
    };
    consent.ok_or_else(|| {
        let (reason, message) = match definition {
            Definition::Lacks(fields) => (Reason::DefinitionOutdated, Definition::outdated(fields)),
            Definition::BeingDeleted => {
                let message = "the CustomResourceDefinition is being deleted: nothing is restored";
                (Reason::DefinitionOutdated, message.to_owned())
            }
            Definition::Complete => (Reason::ApprovalRequired, "there is no consent any more".to_owned()),
        };
        Box::new(Decision::blocked(o, reason, message))
    })
}

/// The decision while DCS has refused the last request and the next may not follow yet.
pub(super) fn refused(o: &Observed) -> Option<Decision> {
    let operation = o.status.operation.as_ref().filter(|operation| !is_unresolved(operation))?;
    let decision = told(o, operation);
    if matches!(decision.situation, JobSituation::Failed(_)) {
        return Some(decision);
    }
    let rest = o.attempts().retry_after(operation)?;
    Some(decision.wait(rest))
}

fn told(o: &Observed, operation: &OperationStatus) -> Decision {
    match job::refusal(operation) {
        // The same request would be refused again, and the spec cannot change any more.
        JobRefusal::NeedsPerson(
            Reason::InvalidSpec | Reason::UnsupportedChange | Reason::UnsupportedMode,
            message,
        ) => Decision::failed(o, Reason::OperationFailed, message),
        // An approval is for now, not for whenever the cause has passed.
        JobRefusal::NeedsPerson(reason, message) => {
            Decision::blocked(o, reason, message).with(|status| status.pending_approval = None)
        }
        JobRefusal::Repeated(situation, message) => Decision::new(o, situation, message),
    }
}
