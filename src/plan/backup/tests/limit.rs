//! A pinned backup that the backup policy of DCS can push out.

use super::*;
use crate::dcs::model::BackupType;

/// A pinned backup that was made, and one other of this type: as many as DCS keeps.
fn pinned_beside(type_: BackupType) -> Observed {
    let mut o = ready_to_begin();
    o.status = made(&o);
    (o.intent_seen, o.spec.pinned, o.settings.backup_limit) = (Some(NOW), Some(true), NonZeroU32::new(2));
    let other = BackupRecord { backup_type: Some(type_), ..record(1, BackupStatus::Succeed) };
    with_records(o, &[own_record(BackupStatus::Succeed), other])
}

fn ready(plan: &Plan) -> String {
    let conditions = &plan.status.conditions;
    conditions.iter().find(|condition| condition.type_ == "Ready").unwrap().message.clone()
}

#[test]
fn automatic_backups_that_can_push_out_a_pinned_one_are_named() {
    let mut o = pinned_beside(BackupType::Auto);
    // At its end, and at each later look.
    for _ in 0..2 {
        let plan = plan(&o);
        assert_eq!(condition(&plan, "Ready"), "True/Restorable", "it can still be restored");
        let message = ready(&plan);
        assert!(message.contains("can be restored; instance sessions has 2 backups, automatic"), "{message}");
        let reasons: Vec<_> = plan.warnings.iter().map(|warning| warning.reason).collect();
        assert_eq!(reasons, ["PinnedBackupAtRisk"]);
        o.status = plan.status;
    }
    assert_eq!(o.status.outcome, Some(JobOutcome::Succeeded));
}

#[test]
fn nothing_is_said_of_a_backup_that_is_safe() {
    type Case = (&'static str, fn(&mut Observed));
    let cases: [Case; 5] = [
        ("not pinned", |o| o.spec.pinned = None),
        ("room", |o| o.settings.backup_limit = NonZeroU32::new(3)),
        ("no limit", |o| o.settings.backup_limit = None),
        ("no policy", |o| *o = pinned_beside(BackupType::Manual)),
        ("the automatic one is gone", |o| {
            let gone =
                BackupRecord { backup_type: Some(BackupType::Auto), ..record(1, BackupStatus::Expired) };
            *o = with_records(o.clone(), &[own_record(BackupStatus::Succeed), gone]);
        }),
    ];
    for (name, change) in cases {
        let mut o = pinned_beside(BackupType::Auto);
        change(&mut o);
        let plan = plan(&o);
        assert!(
            plan.warnings.is_empty() && ready(&plan).ends_with("can be restored"),
            "{name}: {}",
            ready(&plan)
        );
    }
}
