use super::{Readiness as R, Situation as S, *};

const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn written(
    situation: Situation,
    readiness: Readiness,
    before: &[Condition],
    generation: i64,
) -> Vec<Condition> {
    let assessment = Assessment { situation, message: "because".to_owned() };
    conditions(&assessment, (readiness, "seen"), before, generation, at(NOW))
}

/// `True/Available` for each of Ready, Synced, Reconciling, Stalled.
fn row(conditions: &[Condition]) -> [String; 4] {
    ["Ready", "Synced", "Reconciling", "Stalled"].map(|type_| {
        let condition = conditions.iter().find(|condition| condition.type_ == type_).unwrap();
        format!("{}/{}", condition.status, condition.reason)
    })
}

/// The conditions of an object in sync, at generation 1.
fn in_sync() -> Vec<Condition> {
    written(S::InSync, R::Serving, &[], 1)
}

#[test]
fn conditions_follow_the_table() {
    const FINE: &str = "False/AsExpected";
    let rows: &[(Situation, Readiness, [&str; 4])] = &[
        (
            S::NotObservedYet,
            R::Unchanged,
            ["Unknown/ObservationPending", "Unknown/ObservationPending", "True/ObservationPending", FINE],
        ),
        (
            S::Creating,
            R::Missing(Reason::Creating),
            ["False/Creating", "False/Applying", "True/Creating", FINE],
        ),
        (S::InSync, R::Serving, ["True/Available", "True/InSync", FINE, FINE]),
        (
            S::Changing(Reason::Applying),
            R::Serving,
            ["True/Available", "False/Applying", "True/Applying", FINE],
        ),
        // The cloud's EXTENDING.
        (
            S::Changing(Reason::Resizing),
            R::Serving,
            ["True/Available", "False/Applying", "True/Resizing", FINE],
        ),
        (
            S::NotServing { why: Reason::Restarting, ours: true, waits: false },
            R::NotServing(Reason::Restarting),
            ["False/Restarting", "True/InSync", "True/Restarting", FINE],
        ),
        (
            S::NotServing { why: Reason::Frozen, ours: false, waits: false },
            R::NotServing(Reason::Frozen),
            ["False/Frozen", "True/InSync", FINE, FINE],
        ),
        (
            S::Waiting(Reason::ApprovalRequired),
            R::Serving,
            ["True/Available", "False/ApprovalRequired", FINE, FINE],
        ),
        (
            S::Waiting(Reason::DriftDetected),
            R::Serving,
            ["True/Available", "False/DriftDetected", FINE, FINE],
        ),
        (S::Paused, R::Unchanged, ["True/Available", "Unknown/Paused", FINE, FINE]),
        (
            S::Unreachable(Reason::CloudUnreachable),
            R::Unchanged,
            ["True/Available", "Unknown/CloudUnreachable", FINE, FINE],
        ),
        (S::TooOld, R::TooOld, ["Unknown/ObservationTooOld", "Unknown/ObservationTooOld", FINE, FINE]),
        (
            S::Blocked(Reason::QuotaExceeded),
            R::Missing(Reason::Creating),
            ["False/QuotaExceeded", "False/QuotaExceeded", FINE, "True/QuotaExceeded"],
        ),
        (
            S::Blocked(Reason::InvalidSpec),
            R::Serving,
            ["True/Available", "False/InvalidSpec", FINE, "True/InvalidSpec"],
        ),
        (
            S::Blocked(Reason::ExternallyDeleted),
            R::Missing(Reason::ExternallyDeleted),
            ["False/ExternallyDeleted", "False/ExternallyDeleted", FINE, "True/ExternallyDeleted"],
        ),
        (S::Deleting, R::Serving, ["False/Deleting", "False/Deleting", "True/Deleting", FINE]),
        (S::DeletionPaused, R::Serving, ["False/Paused", "Unknown/Paused", FINE, "True/Paused"]),
        (
            S::DeletionBlocked(Reason::PrepaidNotDeletable),
            R::Serving,
            ["False/Deleting", "False/PrepaidNotDeletable", FINE, "True/PrepaidNotDeletable"],
        ),
    ];
    for (situation, readiness, expected) in rows {
        assert_eq!(
            row(&written(*situation, *readiness, &in_sync(), 1)),
            *expected,
            "{situation:?}, {readiness:?}"
        );
    }
}

fn every_situation() -> Vec<Situation> {
    let mut all =
        vec![S::NotObservedYet, S::Creating, S::InSync, S::Paused, S::TooOld, S::Deleting, S::DeletionPaused];
    for reason in &[Reason::Applying, Reason::Frozen, Reason::InvalidSpec] {
        all.extend([S::Changing(*reason), S::Waiting(*reason), S::Unreachable(*reason), S::Blocked(*reason)]);
        all.push(S::DeletionBlocked(*reason));
        all.extend([true, false].map(|ours| S::NotServing { why: *reason, ours, waits: !ours }));
    }
    all
}

#[test]
fn no_object_is_reconciling_and_stalled_at_once() {
    let all =
        [R::Serving, R::NotServing(Reason::Frozen), R::Missing(Reason::Creating), R::Unchanged, R::TooOld];
    for before in every_situation() {
        for then in every_situation() {
            for readiness in all {
                let before = written(before, readiness, &[], 1);
                let [ready, _, reconciling, stalled] = row(&written(then, readiness, &before, 2));
                let both = reconciling.starts_with("True") && stalled.starts_with("True");
                assert!(!both, "{before:?} then {then:?}");
                if readiness == R::TooOld {
                    assert!(!ready.starts_with("True"), "{then:?}");
                }
            }
        }
    }
}

#[test]
fn a_new_generation_is_reconciling_until_it_was_compared() {
    let unreachable = S::Unreachable(Reason::CloudUnreachable);
    let then = written(unreachable, R::Unchanged, &in_sync(), 2);
    assert_eq!(row(&then)[2], "True/ObservationPending");
    // It stays so until the generation was compared.
    assert_eq!(row(&written(unreachable, R::Unchanged, &then, 2))[2], "True/ObservationPending");
    for idle in [S::Paused, S::Blocked(Reason::InvalidSpec)] {
        assert_eq!(row(&written(idle, R::Unchanged, &in_sync(), 2))[2], "False/AsExpected", "{idle:?}");
    }
}

#[test]
fn an_object_without_conditions_is_not_ready() {
    for situation in every_situation() {
        for readiness in
            [R::Unchanged, R::TooOld, R::Missing(Reason::Creating), R::NotServing(Reason::Closed)]
        {
            assert!(!row(&written(situation, readiness, &[], 1))[0].starts_with("True"), "{situation:?}");
        }
    }
}

#[test]
fn the_transition_time_changes_only_with_the_status() {
    let before = in_sync();
    let later = |situation, readiness| {
        let assessment = Assessment { situation, message: "otherwise".to_owned() };
        conditions(&assessment, (readiness, "seen"), &before, 2, at(NOW + 60))
    };
    let times = |conditions: &[Condition]| -> Vec<i64> {
        conditions.iter().map(|condition| condition.last_transition_time.0.as_second() - NOW).collect()
    };
    let changing = later(S::Changing(Reason::Applying), R::Serving);
    assert_eq!(times(&changing), [0, 60, 60, 0]);
    assert!(changing.iter().all(|condition| condition.observed_generation == Some(2)));
    assert_eq!(times(&later(S::InSync, R::Serving)), [0, 0, 0, 0]);
}

#[test]
fn the_lowest_rank_is_reported() {
    let order = [
        S::DeletionPaused,
        S::DeletionBlocked(Reason::MarkMissing),
        S::Deleting,
        S::Blocked(Reason::InvalidSpec),
        S::Paused,
        S::Blocked(Reason::AmbiguousOwnership),
        S::TooOld,
        S::Unreachable(Reason::CloudUnreachable),
        S::NotObservedYet,
        S::NotServing { why: Reason::Frozen, ours: false, waits: false },
        S::Creating,
        S::Changing(Reason::Applying),
        S::Waiting(Reason::DriftDetected),
        S::InSync,
    ];
    let assessment = |situation| Assessment { situation, message: String::new() };
    for (index, first) in order.iter().enumerate() {
        for second in order.iter().skip(index + 1) {
            for pair in [[*first, *second], [*second, *first]] {
                let [one, other] = pair.map(assessment);
                assert_eq!(most_important(one, [other]).situation, *first, "{first:?} and {second:?}");
            }
        }
    }
}
