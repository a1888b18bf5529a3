//! What happens, told: one log line for each action and each transition, an Event for each transition, metrics.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::{
        events::{Event, EventType, Recorder, Reporter},
        reflector::Store,
        watcher,
    },
};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{
    api::DcsInstance,
    controller::{
        Action, ClientFactory, EventSink, KubeSecrets, Requeue, RunObserver, Shared, WatchErrorHandler,
    },
    dcs::{Class, RequestObserver},
    inventory::Work,
    leader::Leadership,
    metrics::{Metrics, ObjectLabels, Snapshot},
    plan::conditions::Transition,
    server::Probes,
};

/// Events that wait to be published. More are dropped: conditions and logs say the same.
const MOST_WAITING: usize = 1024;
/// Of so many Events at most it is known whether they are repeated: then one is counted up instead of another made.
const REMEMBERED: u32 = 256;
/// How long publishing one may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An Event's note holds 1 kB.
const LONGEST_NOTE: usize = 1000;

/// Tells everybody.
pub(super) struct TelemetrySink {
    metrics: Metrics,
    probes: Probes,
    events: Sender<(Event, ObjectReference)>,
}

/// Counts requests to the cloud.
#[derive(Debug)]
pub(super) struct CloudRequestMetrics(pub(super) Metrics);

// === impl CloudRequestMetrics ===

impl RequestObserver for CloudRequestMetrics {
    fn requested(&self, operation: &'static str, class: Option<Class>, took: Duration) {
        self.0.requested(operation, class.map_or("ok", Class::as_str), took);
    }
}

// === impl TelemetrySink ===

impl TelemetrySink {
    /// With the Events that are to be published.
    pub(super) fn new(metrics: Metrics, probes: Probes) -> (Self, Receiver<(Event, ObjectReference)>) {
        let (events, waiting) = mpsc::channel(MOST_WAITING);
        (Self { metrics, probes, events }, waiting)
    }

    fn publish(&self, object: &ObjectReference, warning: bool, reason: &str, action: &str, note: &str) {
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.to_owned(),
            note: Some(note.chars().take(LONGEST_NOTE).collect()),
            action: action.to_owned(),
            secondary: None,
        };
        if self.events.try_send((event, object.clone())).is_err() {
            tracing::debug!("too many Events wait; one is dropped");
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
    fn on_transition(&self, object: &ObjectReference, news: &Transition) {
        let Transition { type_, status, reason, message, warning } = news;
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
        self.metrics.acted(kind, action, outcome);
        tracing::info!(kind, object, action, instance, outcome, message, consent, "asked the cloud");
    }

    fn on_budget_wait(&self, work: Work, wait: Duration) {
        let work = match work {
            Work::Read => "read",
            Work::Write => "write",
        };
        self.metrics.throttled(work, wait);
    }
}

impl WatchErrorHandler for TelemetrySink {
    fn on_watch_error(&self, kind: &'static str, error: &watcher::Error) {
        self.metrics.watch_broke_off(kind);
        tracing::warn!(kind, %error, "the watch broke off; it is begun again");
    }

    fn on_unreadable_object(&self, kind: &'static str, object: &ObjectReference, error: &str) {
        self.metrics.unreadable(kind);
        let note = format!("the operator cannot read this object, and leaves it alone: {error}");
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
        self.metrics.passed(kind, outcome, took);
    }

    fn on_synced(&self) {
        tracing::info!("all objects are known; work begins");
        self.probes.set(super::WATCHES, true);
    }

    fn heartbeat(&self) {
        self.probes.beat();
    }
}

/// Publishes Events, as long as there are any. That it fails hinders nobody.
pub(super) async fn publish(
    mut events: Receiver<(Event, ObjectReference)>,
    client: Client,
    identity: String,
) {
    let reporter = Reporter { controller: "dcs-operator".to_owned(), instance: Some(identity) };
    let recorder = || Recorder::new(client.clone(), reporter.clone());
    let (mut current, mut published) = (recorder(), 0_u32);
    while let Some((event, object)) = events.recv().await {
        // It remembers each for six minutes, and looks through all that it remembers at each.
        if published.is_multiple_of(REMEMBERED) {
            current = recorder();
        }
        published = published.wrapping_add(1);
        match tokio::time::timeout(TIMEOUT, current.publish(&event, &object)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "an Event was not published"),
            Err(_) => tracing::debug!("an Event was not published in time"),
        }
    }
}

/// What is counted when somebody asks for metrics.
pub(super) fn snapshot<N: ClientFactory + 'static>(
    objects: Store<DcsInstance>,
    shared: Arc<Shared<KubeSecrets, N>>,
    leadership: Option<Leadership>,
) -> impl Fn() -> Snapshot + Send + 'static
where
    N::Cloud: 'static,
{
    move || {
        let (mut said, mut words) = (BTreeMap::new(), BTreeMap::new());
        for object in objects.state() {
            let Some(status) = &object.status else { continue };
            for condition in &status.conditions {
                let labels = ObjectLabels {
                    kind: "DcsInstance".to_owned(),
                    condition: condition.type_.clone(),
                    status: condition.status.clone(),
                    reason: condition.reason.clone(),
                };
                *said.entry(labels).or_insert(0) += 1;
            }
            if let Some(word) = &status.cloud_status {
                *words.entry(word.clone()).or_insert(0) += 1;
            }
        }
        let ages = shared.inventory.ages();
        Snapshot {
            objects: said.into_iter().collect(),
            instances: words.into_iter().collect(),
            oldest_observation: ages.iter().max().copied(),
            accounts: i64::try_from(ages.len()).unwrap_or(i64::MAX),
            leader: leadership.as_ref().is_none_or(Leadership::is_leader),
        }
    }
}
