//! Publishes what reconciles do: log lines, Events and metrics.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Client,
    runtime::{
        events::{Event, EventType, Recorder, Reporter},
        reflector::{Lookup, Store},
        watcher,
    },
};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{
    api::{ConditionType, DcsBackup, DcsBackupSchedule, DcsInstance, DcsRestore, Reason, time},
    clock::Clock,
    controller::{
        Action, ClientFactory, EventSink, KubeSecrets, ManagedResource, Requeue, RunObserver, Shared,
        WatchErrorHandler,
    },
    dcs::{Class, RequestObserver, model::InstanceStatus},
    inventory::Work,
    leader::Leadership,
    metrics::{InstanceLabels, Metrics, ObjectLabels, Snapshot},
    plan::{Warning, conditions::Transition, operation::HasOperation},
    server::Probes,
};

/// Maximum of queued Events. Further Events are dropped: conditions and logs hold the same facts.
const EVENT_QUEUE_LENGTH: usize = 1024;
/// The recorder is replaced after this many Events. It aggregates repeated Events only as long as it remembers them.
const EVENTS_PER_RECORDER: u32 = 256;
/// Timeout of publishing one Event.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The gauges of a scrape may be as old as this.
const SNAPSHOT_AGE: Duration = Duration::from_secs(1);
/// The API server limits the note of an Event to 1 kB.
const MAX_NOTE_LENGTH: usize = 1000;

/// The label of every unknown word.
const OTHER: &str = "other";

/// Writes log lines, queues Events and updates metrics.
pub(super) struct TelemetrySink {
    metrics: Metrics,
    probes: Probes,
    events: Sender<(Event, ObjectReference)>,
}

/// Updates the metrics of cloud requests.
#[derive(Debug)]
pub(super) struct CloudRequestMetrics(pub(super) Metrics);

// === impl CloudRequestMetrics ===

impl RequestObserver for CloudRequestMetrics {
    fn requested(&self, operation: &'static str, class: Option<Class>, took: Duration) {
        self.0.record_request(operation, class.map_or("ok", Class::as_str), took);
    }
}

// === impl TelemetrySink ===

impl TelemetrySink {
    /// Returns the sink and the queue of its Events, for [`publish`].
    pub(super) fn new(metrics: Metrics, probes: Probes) -> (Self, Receiver<(Event, ObjectReference)>) {
        let (events, queue) = mpsc::channel(EVENT_QUEUE_LENGTH);
        (Self { metrics, probes, events }, queue)
    }

    fn publish(&self, object: &ObjectReference, warning: bool, reason: &str, action: &str, note: &str) {
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(note.chars().take(MAX_NOTE_LENGTH).collect()),
            action: action.to_owned(),
            secondary: None,
        };
        if self.events.try_send((event, object.clone())).is_err() {
            tracing::debug!("the Event queue is full; dropping an Event");
        }
    }
}

/// `namespace/name`.
fn shown(object: &ObjectReference) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&object.namespace), part(&object.name))
}

fn kind(object: &ObjectReference) -> &str {
    object.kind.as_deref().unwrap_or_default()
}

impl EventSink for TelemetrySink {
    fn on_transition(&self, object: &ObjectReference, transition: &Transition) {
        let Transition { type_, status, reason, message, warning } = transition;
        let (kind, object_name) = (kind(object), shown(object));
        if *warning {
            tracing::warn!(kind, object = object_name, condition = %type_, status, reason, "{message}");
        } else {
            tracing::info!(kind, object = object_name, condition = %type_, status, reason, "{message}");
        }
        self.publish(object, *warning, reason, type_.as_str(), message);
    }

    fn on_cloud_action(&self, object: &ObjectReference, action: &Action<'_>) {
        let Action { type_, instance, outcome, consent } = action;
        let message = outcome.message();
        let (kind, object) = (kind(object), shown(object));
        let (action, outcome) = (type_.as_str(), outcome.as_str());
        self.metrics.record_action(kind, action, outcome);
        tracing::info!(kind, object, action, instance, outcome, message, consent, "cloud request sent");
    }

    fn on_warning(&self, object: &ObjectReference, warning: &Warning) {
        let Warning { reason, message } = warning;
        tracing::warn!(kind = kind(object), object = shown(object), reason, "{message}");
        self.publish(object, true, reason, "Warn", message);
    }

    fn on_refused_statuses(&self, kind: &'static str, count: usize) {
        self.metrics.record_refused_statuses(kind, count);
        self.probes.set(super::requirements::STATUS_WRITES, count == 0);
        if count > 0 {
            tracing::warn!(
                kind,
                objects = count,
                "the API server does not accept the status of objects: apply the CustomResourceDefinitions of this version"
            );
        }
    }

    fn on_budget_wait(&self, work: Work, wait: Duration) {
        let work = match work {
            Work::Read => "read",
            Work::Write => "write",
        };
        self.metrics.record_throttle_wait(work, wait);
    }
}

impl WatchErrorHandler for TelemetrySink {
    fn on_watch_error(&self, kind: &'static str, error: &watcher::Error) {
        self.metrics.record_watch_error(kind);
        tracing::warn!(kind, %error, "the watch failed; restarting it");
    }

    fn on_unreadable_object(&self, kind: &'static str, object: &ObjectReference, error: &str) {
        self.metrics.record_unreadable(kind);
        let note = format!("the operator cannot decode this object and ignores it: {error}");
        tracing::warn!(kind, object = shown(object), "{note}");
        self.publish(object, true, "Unreadable", "Read", &note);
    }
}

impl RunObserver for TelemetrySink {
    fn on_reconcile_end(&self, kind: &'static str, next: Requeue, took: Duration) {
        let outcome = match next {
            Requeue::At(_) => "Done",
            Requeue::Failed(_) => "Failed",
            Requeue::Gone => "Gone",
        };
        self.metrics.record_reconcile(kind, outcome, took);
    }

    fn on_synced(&self) {
        tracing::info!("caches are synced; starting reconciles");
        self.probes.set(super::requirements::WATCHES, true);
    }

    fn heartbeat(&self) {
        self.probes.heartbeat();
    }
}

/// Publishes Events until the queue is closed. Failures are logged only.
pub(super) async fn publish(
    mut events: Receiver<(Event, ObjectReference)>,
    client: Client,
    identity: String,
) {
    let reporter = Reporter { controller: "dcs-operator".to_owned(), instance: Some(identity) };
    let recorder = || Recorder::new(client.clone(), reporter.clone());
    let (mut current, mut published) = (recorder(), 0_u32);
    while let Some((event, object)) = events.recv().await {
        // A recorder remembers each Event for six minutes, and scans all of them for every new one.
        if published.is_multiple_of(EVENTS_PER_RECORDER) {
            current = recorder();
        }
        published = published.wrapping_add(1);
        match tokio::time::timeout(TIMEOUT, current.publish(&event, &object)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "publishing an Event failed"),
            Err(_) => tracing::debug!("publishing an Event timed out"),
        }
    }
}

/// The labels of a condition. Whoever may write a status chooses its words, so only known ones become series.
fn labels(kind: &str, condition: &Condition) -> ObjectLabels {
    let types: Vec<_> = ConditionType::ALL.iter().map(|type_| type_.as_str()).collect();
    let reason = Reason::from_word(&condition.reason).map_or(OTHER, Reason::as_str);
    ObjectLabels {
        kind: kind.to_owned(),
        condition: known(&condition.type_, &types),
        status: known(&condition.status, &["True", "False", "Unknown"]),
        reason: reason.to_owned(),
    }
}

/// `word` if it is one of `words`, whatever its case.
fn known(word: &str, words: &[&str]) -> String {
    words.iter().find(|known| known.eq_ignore_ascii_case(word)).map_or(OTHER, |known| known).to_owned()
}

/// Computes the gauges of a scrape.
pub(super) fn snapshot<N: ClientFactory + 'static>(
    objects: Store<DcsInstance>,
    backups: Store<DcsBackup>,
    schedules: Store<DcsBackupSchedule>,
    restores: Store<DcsRestore>,
    shared: Arc<Shared<KubeSecrets, N>>,
    leadership: Option<Leadership>,
) -> impl Fn() -> Snapshot + Send + 'static
where
    N::Cloud: 'static,
{
    let clock = Arc::clone(&shared.clock);
    at_most_once(SNAPSHOT_AGE, clock, move || {
        let (mut conditions, mut cloud_statuses) = (BTreeMap::new(), BTreeMap::new());
        let mut last_backups = Vec::new();
        for object in objects.state() {
            if let Some(cloud_status) = object.status.as_ref().and_then(|status| status.cloud_status.as_ref())
            {
                *cloud_statuses.entry(known(cloud_status, InstanceStatus::KNOWN)).or_insert(0) += 1;
            }
            last_backups.extend(last_backup(&object));
        }
        count_conditions(&objects, &mut conditions);
        count_conditions(&backups, &mut conditions);
        count_conditions(&schedules, &mut conditions);
        count_conditions(&restores, &mut conditions);
        let ages = shared.inventory.ages();
        Snapshot {
            objects: conditions.into_iter().collect(),
            instances: cloud_statuses.into_iter().collect(),
            oldest_observation: ages.iter().max().copied(),
            accounts: i64::try_from(ages.len()).unwrap_or(i64::MAX),
            leader: leadership.as_ref().is_none_or(Leadership::is_leader),
            last_backups,
        }
    })
}

/// Adds the conditions of the objects of a kind.
fn count_conditions<K>(objects: &Store<K>, counts: &mut BTreeMap<ObjectLabels, i64>)
where
    K: ManagedResource + Lookup<DynamicType = ()>,
{
    for object in objects.state() {
        for condition in object.status().into_iter().flat_map(HasOperation::conditions) {
            *counts.entry(labels(K::KIND, condition)).or_insert(0) += 1;
        }
    }
}

/// When the newest backup of an instance that can be restored was complete.
fn last_backup(object: &DcsInstance) -> Option<(InstanceLabels, i64)> {
    let at = object.status.as_ref()?.backups.as_ref()?.last_successful_time.as_ref()?;
    let id = object.object_id();
    let labels = InstanceLabels { namespace: id.namespace.clone(), instance: id.name.clone() };
    Some((labels, time::from_kube(at).timestamp()))
}

/// Repeats the last result for a while: however many scrapes come, they do not walk all objects each.
fn at_most_once<T: Clone + Send + 'static>(
    age: Duration,
    clock: Arc<dyn Clock>,
    compute: impl Fn() -> T + Send + 'static,
) -> impl Fn() -> T + Send + 'static {
    let last: Mutex<Option<(Duration, T)>> = Mutex::new(None);
    move || {
        let now = clock.monotonic();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, result)) if now.saturating_sub(*at) < age => result.clone(),
            Some(_) | None => last.insert((now, compute())).1.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use serde_json::json;

    use super::*;
    use crate::clock::testing::TestClock;

    #[test]
    fn many_scrapes_compute_the_gauges_once() {
        let clock = TestClock::manual();
        let computed = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&computed);
        let snapshot = at_most_once(SNAPSHOT_AGE, Arc::new(clock.clone()), move || {
            counter.fetch_add(1, Ordering::Relaxed) + 1
        });
        assert!((0..100).all(|_| snapshot() == 1));
        clock.advance(SNAPSHOT_AGE);
        assert!((0..100).all(|_| snapshot() == 2));
    }

    #[test]
    fn an_instance_without_a_backup_has_no_series() {
        let mut object = DcsInstance::new("sessions", Default::default());
        object.metadata.namespace = Some("shop".to_owned());
        assert_eq!(last_backup(&object), None);
        object.status = serde_json::from_value(json!({"backups": {"total": 1}})).unwrap();
        assert_eq!(last_backup(&object), None, "none can be restored");
        object.status =
            serde_json::from_value(json!({"backups": {"lastSuccessfulTime": "2026-11-30T19:06:41Z"}}))
                .unwrap();
        let (labels, at) = last_backup(&object).unwrap();
        assert_eq!((labels.namespace.as_str(), labels.instance.as_str()), ("shop", "sessions"));
        assert_eq!(at, 1_796_065_601);
    }

    #[test]
    fn unknown_words_are_one_series() {
        for (word, label) in
            [("RUNNING", "RUNNING"), ("running", "RUNNING"), ("X-1", OTHER), ("a\nb 1", OTHER)]
        {
            assert_eq!(known(word, InstanceStatus::KNOWN), label);
        }
        let condition = |type_: &str, status: &str, reason: &str| -> ObjectLabels {
            let condition = json!({"type": type_, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": "2026-11-24T10:00:00Z"});
            labels("DcsInstance", &serde_json::from_value(condition).unwrap())
        };
        let own = condition("Ready", "True", "Available");
        assert_eq!(
            (own.condition.as_str(), own.status.as_str(), own.reason.as_str()),
            ("Ready", "True", "Available")
        );
        assert_eq!(condition("A", "B", "C"), condition("D", "E", "F"));
    }
}
