//! The deletion of a DcsBackup, and what is left of one that has ended.

use super::*;

fn deleting(policy: Option<DeletionPolicy>) -> Observed {
    let mut o = ready_to_begin();
    let status = made(&o);
    let ended = plan(&with_records(
        Observed { status, intent_seen: Some(Duration::ZERO), ..o.clone() },
        &[own_record(BackupStatus::Succeed)],
    ));
    o.status = ended.status;
    (o.subject.deleting, o.spec.deletion_policy) = (true, policy);
    Observed { intent_seen: Some(Duration::ZERO), ..o }
}

#[test]
fn only_the_own_backup_is_deleted_and_only_with_consent() {
    use BackupStatus::{Backuping, Deleted, Expired, Failed, Succeed};
    let delete =
        |plan: &Plan| matches!(&plan.step, Step::CloudAction(CloudAction::Delete { id, .. }) if id == BACKUP);
    for status in [Succeed, Failed, Expired] {
        let plan = plan(&with_records(deleting(None), &[own_record(status.clone()), record(2, Succeed)]));
        assert!(delete(&plan), "{status}: {:?}", plan.step);
    }
    let running = plan(&with_records(deleting(None), &[own_record(Backuping)]));
    assert_eq!((running.step, running.wait), (Step::Nothing, Duration::from_secs(15)));
    // The status may have been edited, or come from elsewhere.
    let foreign = BackupRecord { remark: Some("dcso:another".to_owned()), ..own_record(Succeed) };
    let left = plan(&with_records(deleting(None), &[foreign]));
    assert_eq!((left.step, left.warnings[0].reason), (Step::RemoveFinalizer, "BackupNotDeleted"));
    for observed in [
        with_records(deleting(None), &[own_record(Deleted)]),
        with_records(deleting(None), &[record(2, Succeed)]),
        with_records(deleting(Some(DeletionPolicy::Retain)), &[own_record(Succeed)]),
        Observed {
            spec: DcsBackupSpec {
                adopt: Some(AdoptBackup { backup_id: BACKUP.to_owned() }),
                ..deleting(None).spec
            },
            ..with_records(deleting(None), &[own_record(Succeed)])
        },
    ] {
        assert_eq!(plan(&observed).step, Step::RemoveFinalizer);
    }
    for (definition, step) in [
        (Definition::BeingDeleted, Step::RemoveFinalizer),
        (Definition::Lacks(vec!["spec.deletionPolicy".to_owned()]), Step::Nothing),
    ] {
        let mut o = with_records(deleting(None), &[own_record(Succeed)]);
        o.lookups.definition = Some(Ok(definition.clone()));
        assert_eq!(plan(&o).step, step);
        if definition == Definition::BeingDeleted {
            o.account = Err(Blocker { reason: Reason::CredentialsMissing, message: "none".to_owned() });
            assert_eq!(plan(&o).step, step, "nothing is looked up");
        }
    }
}

#[test]
fn a_deletion_waits_for_credentials_and_for_the_right_account() {
    let o = with_records(deleting(None), &[own_record(BackupStatus::Succeed)]);
    let missing = Blocker { reason: Reason::CredentialsMissing, message: "none".to_owned() };
    let blocked = plan(&Observed { account: Err(missing), ..o.clone() });
    assert_eq!(
        (blocked.step.clone(), condition(&blocked, "Stalled")),
        (Step::Nothing, "True/CredentialsMissing".to_owned())
    );
    let mut elsewhere = o;
    let other = CloudAccount { project_id: Some("other".to_owned()), ..account() };
    elsewhere.status.account = Some(JobAccount { account: other, credentials: None });
    let blocked = plan(&elsewhere);
    assert_eq!(
        (blocked.step.clone(), condition(&blocked, "Stalled")),
        (Step::Nothing, "True/AccountChanged".to_owned())
    );
}

#[test]
fn an_object_that_has_ended_is_a_fixpoint() {
    let mut o = with_records(deleting(None), &[own_record(BackupStatus::Succeed)]);
    o.subject.deleting = false;
    for n in 0..3 {
        let plan = plan(&o);
        assert_eq!((plan.step, &plan.status), (Step::Nothing, &o.status), "visit {n}");
        o.status = plan.status;
        o.now.wall += TimeDelta::hours(1);
    }
}

#[test]
fn the_recorded_instance_counts_once_there_is_a_backup() {
    let mut o = with_records(deleting(None), &[]);
    o.subject.deleting = false;
    if let InstanceObject::Found(view) = &mut o.instance {
        view.id = Some("another".to_owned());
    }
    assert_eq!(o.instance_id(), Some(INSTANCE));
    o.status = DcsBackupStatus {
        instance: Some(BackedUpInstance { id: Some(INSTANCE.to_owned()), ..BackedUpInstance::default() }),
        ..DcsBackupStatus::default()
    };
    assert_eq!(o.instance_id(), Some("another"), "nothing was requested");
}
