use super::*;

#[derive(Default)]
struct Status {
    operation: Option<OperationStatus>,
}

impl HasOperation for Status {
    fn operation(&self) -> Option<&OperationStatus> {
        self.operation.as_ref()
    }

    fn operation_mut(&mut self) -> Option<&mut OperationStatus> {
        self.operation.as_mut()
    }

    fn conditions(&self) -> &[Condition] {
        &[]
    }
}

fn context(requeue: &RequeuePolicy) -> AttemptContext<'_> {
    AttemptContext {
        process: "one",
        generation: 3,
        account: None,
        credentials_hash: Some("h"),
        retry_token: None,
        window: Duration::from_secs(80),
        list_lag: Duration::from_secs(45),
        first_seen: Some(Duration::from_secs(100)),
        wall: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        monotonic: Duration::from_secs(130),
        requeue,
    }
}

fn intent() -> Intent<'static> {
    let holder = Holder { kind: "Probe".to_owned(), name: "a".to_owned(), uid: "u".to_owned() };
    Intent {
        type_: OperationType::UpdateTags,
        holder,
        instance_id: Some("i"),
        failures: None,
        changes: Vec::new(),
        message: None,
    }
}

#[test]
fn attempts_of_the_same_operation_count_up() {
    let requeue = RequeuePolicy::default();
    let context = context(&requeue);
    let first = intent().record(None, &context);
    let second = intent().record(Some(&first), &context);
    assert_eq!((first.attempt, second.attempt), (1, 2));
    let other = intent().record(Some(&second), &AttemptContext { generation: 4, ..context });
    assert_eq!(other.attempt, 1);
}

#[test]
fn an_unresolved_attempt_blocks_for_its_window() {
    let requeue = RequeuePolicy::default();
    let context = context(&requeue);
    let mut operation = intent().record(None, &context);
    assert_eq!(context.blocked_for(&operation), Some(Duration::from_secs(50)));
    operation.window_seconds = Some(100);
    assert_eq!(context.blocked_for(&operation), Some(Duration::from_secs(70)), "the longer window counts");
    let late = AttemptContext { monotonic: Duration::from_secs(200), ..context };
    assert_eq!(late.blocked_for(&operation), None);
}

#[test]
fn a_refused_attempt_waits_unless_spec_or_credentials_change() {
    let requeue = RequeuePolicy::default();
    let context = AttemptContext { first_seen: Some(Duration::from_secs(130)), ..context(&requeue) };
    for (reason, wait) in [(Reason::Throttled, 5), (Reason::ClusterError, 5), (Reason::Forbidden, 600)] {
        let mut status = Status { operation: Some(intent().record(None, &context)) };
        record_outcome(&mut status, &ChangeOutcome::Refused { reason, message: "no".to_owned() });
        let operation = status.operation.unwrap();
        assert_eq!(context.blocked_for(&operation), Some(Duration::from_secs(wait)), "{reason}");
        let mended = AttemptContext { credentials_hash: Some("other"), ..context };
        assert_eq!(mended.blocked_for(&operation), None, "{reason}");
        let edited = AttemptContext { generation: 4, ..context };
        assert_eq!(edited.blocked_for(&operation), None, "{reason}");
    }
}

#[test]
fn an_outcome_survives_a_failed_status_write() {
    let requeue = RequeuePolicy::default();
    let mut status = Status { operation: Some(intent().record(None, &context(&requeue))) };
    let mut tracker = AttemptTracker::default();
    tracker.on_intent_recorded(status.operation(), Duration::from_secs(1));
    tracker.record_outcome(&ChangeOutcome::Accepted { instance_id: None });
    tracker.observe(status.operation(), Duration::from_secs(9));
    tracker.restore_outcome(&mut status);
    let operation = status.operation.unwrap();
    assert_eq!(operation.outcome, Some(OperationOutcome::Accepted));
    assert_eq!(tracker.first_seen(), Some(Duration::from_secs(1)));
}

#[test]
fn an_unconfirmed_intent_was_not_sent() {
    let requeue = RequeuePolicy::default();
    let mut status = Status { operation: Some(intent().record(None, &context(&requeue))) };
    let mut tracker = AttemptTracker::default();
    tracker.on_intent_unconfirmed(status.operation());
    tracker.observe(status.operation(), Duration::from_secs(9));
    tracker.restore_outcome(&mut status);
    assert_eq!(status.operation.unwrap().outcome, Some(OperationOutcome::Refused));
}

/// The status may be wiped while the cloud creates the instance.
#[test]
fn a_creation_is_remembered_until_it_was_refused_or_deleted() {
    let create = |number| OperationStatus {
        type_: OperationType::Create,
        attempt: number,
        ..intent().record(None, &context(&RequeuePolicy::default()))
    };
    let begun = |tracker: &AttemptTracker| tracker.creation().map(|creation| creation.begun.as_secs());
    let mut tracker = AttemptTracker::default();
    tracker.on_intent_recorded(Some(&create(1)), Duration::from_secs(7));
    tracker.observe(None, Duration::from_secs(8));
    assert_eq!(begun(&tracker), Some(7), "the status has lost it");

    tracker.on_intent_recorded(Some(&create(2)), Duration::from_secs(9));
    tracker.record_outcome(&ChangeOutcome::Accepted { instance_id: Some("i".to_owned()) });
    assert_eq!(
        tracker.creation(),
        Some(&Creation { begun: Duration::from_secs(9), id: Some("i".to_owned()) })
    );
    let update = intent().record(None, &context(&RequeuePolicy::default()));
    tracker.on_intent_recorded(Some(&update), Duration::from_secs(10));
    tracker.record_outcome(&ChangeOutcome::not_sent(Reason::Throttled, "no budget"));
    assert_eq!(begun(&tracker), Some(9), "another operation was refused");
    let delete = OperationStatus { type_: OperationType::Delete, ..update };
    tracker.on_intent_recorded(Some(&delete), Duration::from_secs(11));
    tracker.record_outcome(&ChangeOutcome::Accepted { instance_id: None });
    assert_eq!(begun(&tracker), None, "it is being deleted");

    tracker.on_intent_recorded(Some(&create(3)), Duration::from_secs(12));
    tracker.record_outcome(&ChangeOutcome::not_sent(Reason::Throttled, "no budget"));
    assert_eq!(begun(&tracker), None, "it was refused");
}
