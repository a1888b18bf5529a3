//! After the request: it is followed to its end, and never repeated.

use super::*;

/// The outcome of the request is unknown.
#[test]
fn a_request_is_never_repeated() {
    let o = ready_to_begin();
    let status = *plan(&o).intent.unwrap();
    let asked = |change: fn(&mut Observed)| {
        let mut asked = Observed { status: status.clone(), intent_seen: Some(NOW), ..o.clone() };
        change(&mut asked);
        plan(&asked)
    };
    let later: fn(&mut Observed) = |o| o.intent_seen = Some(Duration::ZERO);
    let waiting = asked(|_| {});
    assert!(!asks(&waiting) && condition(&waiting, "Reconciling") == "True/Running");
    let given_up = asked(later);
    assert!(!asks(&given_up) && condition(&given_up, "Failed") == "True/OutcomeUnknown");
    // One list is no proof, and neither is a busy instance.
    let one_list = asked(|o| {
        o.intent_seen = Some(Duration::ZERO);
        o.lookups.restores = Some((
            INSTANCE.to_owned(),
            Records::Listed(RecordList { begun: NOW, before: None, records: Arc::from([]) }),
        ));
    });
    assert_eq!(condition(&one_list, "Reconciling"), "True/Running");
    let busy = asked(|o| {
        o.intent_seen = Some(Duration::ZERO);
        snapshot(o).facts.status = Some(InstanceStatus::Restoring);
    });
    assert_eq!(condition(&busy, "Reconciling"), "True/Running");
    // The status was lost, and this process has asked.
    let lost = plan(&changed(|o| {
        o.creation = Some(Creation { begun: NOW - Duration::from_secs(10), id: None });
    }));
    assert!(!asks(&lost) && condition(&lost, "Reconciling") == "True/Running");
    // The same, and another process may have: the object is not new.
    // So may this one, for an earlier object with the same manifest.
    let again = plan(&changed(|o| o.last_restore = Some(NOW - Duration::from_secs(10))));
    assert!(!asks(&again) && condition(&again, "Reconciling") == "True/WaitingForInstance");
    let started = plan(&changed(|o| o.process_began = o.first_seen));
    assert!(!asks(&started) && condition(&started, "Reconciling") == "True/WaitingForInstance");
    let old = plan(&changed(|o| o.subject.created = wall() - TimeDelta::minutes(5)));
    assert!(!asks(&old) && condition(&old, "Reconciling") == "True/WaitingForInstance");
    let settled = plan(&changed(|o| {
        (o.subject.created, o.first_seen) = (wall() - TimeDelta::minutes(5), Duration::ZERO);
    }));
    assert!(asks(&settled));
    // DCS refused it: that is known, and it may be sent again.
    let refused = asked(|o| {
        let operation = o.status.operation.as_mut().unwrap();
        operation.outcome = Some(OperationOutcome::Refused);
        operation.reason = Some(Reason::WaitingForInstance.as_str().to_owned());
        operation.attempted_at = Some(time::to_kube(wall() - TimeDelta::hours(1)));
        o.intent_seen = Some(Duration::ZERO);
    });
    assert!(asks(&refused));
    // The same request would be refused again.
    let invalid = asked(|o| {
        let operation = o.status.operation.as_mut().unwrap();
        operation.outcome = Some(OperationOutcome::Refused);
        operation.reason = Some(Reason::InvalidSpec.as_str().to_owned());
    });
    assert_eq!(condition(&invalid, "Failed"), "True/OperationFailed");
    // The status was edited: accepted, by no id.
    let forged = asked(|o| {
        o.status.operation.as_mut().unwrap().outcome = Some(OperationOutcome::Accepted);
        o.intent_seen = Some(Duration::ZERO);
    });
    assert_eq!(condition(&forged, "Failed"), "True/OutcomeUnknown");
}

#[test]
fn a_restore_is_followed_to_its_end() {
    let followed = |status: RestoreStatus, change: fn(&mut Observed)| {
        let mut o = ready_to_begin();
        let record = restore_record(&o, status);
        o.status = *plan(&o).intent.unwrap();
        o.status.restore_id = Some(RESTORE.to_owned());
        o.lookups.restores = Some((INSTANCE.to_owned(), listed(&[record])));
        change(&mut o);
        plan(&o)
    };
    let running = followed(RestoreStatus::Restoring, |_| {});
    assert_eq!(condition(&running, "Reconciling"), "True/Running");
    let first = followed(RestoreStatus::Succeed, |_| {});
    assert_eq!(condition(&first, "Reconciling"), "True/Running", "one look is not enough");
    assert!(first.status.completed_at.is_some() && first.status.outcome.is_none());
    let busy = followed(RestoreStatus::Succeed, |o| {
        o.status.completed_at = Some(time::to_kube(wall()));
        snapshot(o).facts.status = Some(InstanceStatus::Restoring);
    });
    assert!(busy.status.completed_at.is_none() && busy.status.outcome.is_none());
    let done = followed(RestoreStatus::Succeed, |o| o.status.completed_at = Some(time::to_kube(wall())));
    assert_eq!(
        (condition(&done, "Complete"), condition(&done, "Ready")),
        ("True/Completed".to_owned(), "True/Completed".to_owned())
    );
    assert_eq!(done.status.outcome, Some(JobOutcome::Succeeded));
    assert!(!claims_instance(&done.status));
    let foreign = followed(RestoreStatus::Succeed, |o| {
        let record =
            restore_record(&changed(|o| o.subject.name = "another".to_owned()), RestoreStatus::Succeed);
        o.lookups.restores = Some((INSTANCE.to_owned(), listed(&[record])));
    });
    assert_eq!(condition(&foreign, "Failed"), "True/OutcomeUnknown", "the status was edited");
    let failed = followed(RestoreStatus::Failed, |_| {});
    assert_eq!(condition(&failed, "Failed"), "True/OperationFailed");
    let deleted = followed(RestoreStatus::Restoring, |o| o.subject.deleting = true);
    assert_eq!(
        (&deleted.step, condition(&deleted, "Reconciling")),
        (&Step::Nothing, "True/Deleting".to_owned())
    );
    let unlisted = followed(RestoreStatus::Restoring, |o| {
        o.lookups.restores = Some((INSTANCE.to_owned(), listed(&[])));
        o.intent_seen = Some(Duration::ZERO);
    });
    assert_eq!(condition(&unlisted, "Failed"), "True/OutcomeUnknown");
}

/// Whichever object asks: the mark is found before anything else.
#[test]
fn the_outcome_of_an_earlier_object_is_taken_over() {
    for (status, type_, expected) in [
        (RestoreStatus::Succeed, "Complete", "True/AlreadyCompleted"),
        (RestoreStatus::Failed, "Failed", "True/OperationFailed"),
        (RestoreStatus::Restoring, "Reconciling", "True/Running"),
    ] {
        let mut o = changed(|o| {
            o.status = DcsRestoreStatus::default();
            o.spec.source = RestoreSource {
                backup_ref: Some(BackupRef { name: "gone".to_owned() }),
                ..RestoreSource::default()
            };
            o.subject.uid = "another".to_owned();
            o.spec.consent.as_mut().unwrap().not_after = time::to_kube(wall() - TimeDelta::hours(1));
        });
        o.lookups.restores = Some((INSTANCE.to_owned(), listed(&[restore_record(&o, status)])));
        let plan = plan(&o);
        assert_eq!(condition(&plan, type_), expected);
        assert_eq!(plan.status.restore_id.as_deref(), Some(RESTORE));
    }
}
