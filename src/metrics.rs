//! Prometheus metrics: counters and histograms updated by events, and gauges computed at each scrape.
//!
//! One metric has a series for each instance with backups. No other label holds the name of an object, so the number of
//! other series does not grow with the number of objects.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
        info::Info,
    },
    registry::{Registry, Unit},
};

/// Histogram buckets, in seconds.
const BUCKETS: [f64; 11] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// All metrics. Clones share them.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    reconcile_seconds: Family<KindLabels, Histogram, fn() -> Histogram>,
    actions: Family<ActionLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    throttle_seconds: Family<WorkLabels, Histogram, fn() -> Histogram>,
    watch_errors: Family<KindLabels, Counter>,
    unreadable: Family<KindLabels, Counter>,
    refused_statuses: Family<KindLabels, Gauge>,
    source: Arc<Mutex<Source>>,
}

/// Computes the gauges of a scrape.
type Source = Option<Box<dyn Fn() -> Snapshot + Send>>;

/// Values of the gauges at a scrape.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Snapshot {
    /// Number of objects by condition.
    pub(crate) objects: Vec<(ObjectLabels, i64)>,
    /// Number of instances by the status that the cloud reports.
    pub(crate) instances: Vec<(String, i64)>,
    /// Age of the oldest list among all accounts.
    pub(crate) oldest_observation: Option<Duration>,
    /// Number of accounts that are polled.
    pub(crate) accounts: i64,
    /// Whether this process leads.
    pub(crate) leader: bool,
    /// When the newest backup that can be restored was complete, in seconds since 1970, by instance.
    pub(crate) last_backups: Vec<(InstanceLabels, i64)>,
}

/// Labels of a DcsInstance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct InstanceLabels {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) instance: String,
}

/// Labels of a condition of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub(crate) struct ObjectLabels {
    /// Kind of the object.
    pub(crate) kind: String,
    /// Type of the condition.
    pub(crate) condition: String,
    /// True, False or Unknown.
    pub(crate) status: String,
    /// Reason of the condition.
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    kind: String,
    action: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkLabels {
    work: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    cloud_status: String,
}

fn seconds() -> Histogram {
    Histogram::new(BUCKETS)
}

// === impl Metrics ===

impl Metrics {
    /// Creates all metrics with the value zero.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let histogram: fn() -> Histogram = seconds;
        let inner = Inner {
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(histogram),
            actions: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(histogram),
            throttle_seconds: Family::new_with_constructor(histogram),
            watch_errors: Family::default(),
            unreadable: Family::default(),
            refused_statuses: Family::default(),
            source: Arc::default(),
            registry: Registry::default(),
        };
        // Not about the operator: a rule on it holds, whoever makes the backups.
        registry.register_collector(Box::new(BackupCollector(Arc::clone(&inner.source))));
        let r = registry.sub_registry_with_prefix("dcs_operator");
        r.register("reconciles", "Reconciles, by outcome", inner.reconciles.clone());
        r.register_with_unit(
            "reconcile_duration",
            "Duration of a reconcile",
            Unit::Seconds,
            inner.reconcile_seconds.clone(),
        );
        r.register("actions", "Changes requested from the cloud, by outcome", inner.actions.clone());
        r.register(
            "api_requests",
            "Requests sent to the cloud, by class of the response",
            inner.requests.clone(),
        );
        r.register_with_unit(
            "api_request_duration",
            "Duration of a request to the cloud",
            Unit::Seconds,
            inner.request_seconds.clone(),
        );
        r.register_with_unit(
            "throttle_wait",
            "Delay of reconciles by the request budget",
            Unit::Seconds,
            inner.throttle_seconds.clone(),
        );
        r.register("watch_errors", "Watches of Kubernetes objects that failed", inner.watch_errors.clone());
        r.register("unreadable_objects", "Objects that could not be decoded", inner.unreadable.clone());
        r.register(
            "refused_statuses",
            "Objects whose status the API server does not accept",
            inner.refused_statuses.clone(),
        );
        r.register("build", "Version of the operator", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        r.register_collector(Box::new(SnapshotCollector(Arc::clone(&inner.source))));
        Self(Arc::new(Inner { registry, ..inner }))
    }

    /// One value of each metric: those without a value are not in the text.
    pub(crate) fn sample() -> Self {
        let metrics = Self::new();
        metrics.record_reconcile("DcsInstance", "Done", Duration::from_millis(3));
        metrics.record_action("DcsInstance", "Create", "Accepted");
        metrics.record_request("ListInstances", "ok", Duration::from_millis(40));
        metrics.record_throttle_wait("read", Duration::from_secs(1));
        metrics.record_watch_error("Secret");
        metrics.record_unreadable("DcsInstance");
        metrics.record_refused_statuses("DcsInstance", 2);
        metrics.set_snapshot_source(|| Snapshot {
            objects: vec![(
                ObjectLabels {
                    kind: "DcsInstance".to_owned(),
                    condition: "Ready".to_owned(),
                    status: "True".to_owned(),
                    reason: "Available".to_owned(),
                },
                7,
            )],
            instances: vec![("RUNNING".to_owned(), 7)],
            oldest_observation: Some(Duration::from_millis(1500)),
            accounts: 2,
            leader: true,
            last_backups: vec![(
                InstanceLabels { namespace: "shop".to_owned(), instance: "sessions".to_owned() },
                1_796_065_601,
            )],
        });
        metrics
    }

    /// Sets the function that computes the gauges of a scrape.
    pub(crate) fn set_snapshot_source(&self, source: impl Fn() -> Snapshot + Send + 'static) {
        *self.0.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(source));
    }

    /// Records the end of a reconcile.
    pub(crate) fn record_reconcile(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.0.reconciles.get_or_create(&ReconcileLabels { kind, outcome }).inc();
        self.0.reconcile_seconds.get_or_create(&KindLabels { kind }).observe(took.as_secs_f64());
    }

    /// Records a change that was requested from the cloud.
    pub(crate) fn record_action(&self, kind: &str, action: &str, outcome: &'static str) {
        let labels = ActionLabels { kind: kind.to_owned(), action: action.to_owned(), outcome };
        self.0.actions.get_or_create(&labels).inc();
    }

    /// Records a request to the cloud; `class` is `ok` or the class of its error.
    pub(crate) fn record_request(&self, operation: &'static str, class: &'static str, took: Duration) {
        self.0.requests.get_or_create(&RequestLabels { operation, class }).inc();
        self.0.request_seconds.get_or_create(&OperationLabels { operation }).observe(took.as_secs_f64());
    }

    /// Records the delay of a reconcile by the request budget.
    pub(crate) fn record_throttle_wait(&self, work: &'static str, wait: Duration) {
        self.0.throttle_seconds.get_or_create(&WorkLabels { work }).observe(wait.as_secs_f64());
    }

    /// Records a failed watch.
    pub(crate) fn record_watch_error(&self, kind: &'static str) {
        self.0.watch_errors.get_or_create(&KindLabels { kind }).inc();
    }

    /// Records an object that could not be decoded.
    pub(crate) fn record_unreadable(&self, kind: &'static str) {
        self.0.unreadable.get_or_create(&KindLabels { kind }).inc();
    }

    /// Records how many objects have a status that the API server does not accept.
    pub(crate) fn record_refused_statuses(&self, kind: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.refused_statuses.get_or_create(&KindLabels { kind }).set(count);
    }

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// Writing into memory does not fail in practice.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(..)")
    }
}

/// Collects the gauges at each scrape.
struct SnapshotCollector(Arc<Mutex<Source>>);

// === impl SnapshotCollector ===

impl fmt::Debug for SnapshotCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnapshotCollector(..)")
    }
}

impl Collector for SnapshotCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = snapshot(&self.0);
        let objects = snapshot.objects.iter().map(|(labels, count)| (labels.clone(), *count));
        gauges(&mut encoder, ("objects", "Objects, by condition"), objects)?;
        let instances = snapshot.instances.iter();
        let instances =
            instances.map(|(status, count)| (StatusLabels { cloud_status: status.clone() }, *count));
        gauges(
            &mut encoder,
            ("instances", "Instances of objects, by the status that the cloud reports"),
            instances,
        )?;
        gauge(&mut encoder, "accounts", "Accounts that are polled", snapshot.accounts)?;
        gauge(&mut encoder, "leader", "1 if this process is the leader, else 0", i64::from(snapshot.leader))?;
        let help = "Age of the oldest list among all accounts";
        if let Some(age) = snapshot.oldest_observation {
            let metric = ConstGauge::new(age.as_secs_f64());
            let encoder = encoder.encode_descriptor(
                "observation_age",
                help,
                Some(&Unit::Seconds),
                prometheus_client::metrics::MetricType::Gauge,
            )?;
            metric.encode(encoder)?;
        }
        Ok(())
    }
}

/// Collects the gauges of backups at each scrape.
struct BackupCollector(Arc<Mutex<Source>>);

// === impl BackupCollector ===

impl fmt::Debug for BackupCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupCollector(..)")
    }
}

impl Collector for BackupCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let name = "dcs_backup_last_success_timestamp_seconds";
        let help =
            "When the newest backup that can be restored was complete, in seconds since 1970, by DcsInstance";
        gauges(&mut encoder, (name, help), snapshot(&self.0).last_backups.into_iter())
    }
}

fn snapshot(source: &Mutex<Source>) -> Snapshot {
    match &*source.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(source) => source(),
        None => Snapshot::default(),
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    let metric = ConstGauge::new(value);
    let encoder =
        encoder.encode_descriptor(name, help, None, prometheus_client::metrics::MetricType::Gauge)?;
    metric.encode(encoder)
}

fn gauges<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    values: impl Iterator<Item = (L, i64)>,
) -> fmt::Result {
    let mut encoder =
        encoder.encode_descriptor(name, help, None, prometheus_client::metrics::MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_in_the_text() {
        let metrics = Metrics::sample();
        let text = metrics.text().unwrap();
        for line in [
            r#"dcs_operator_reconciles_total{kind="DcsInstance",outcome="Done"} 1"#,
            r#"dcs_operator_reconcile_duration_seconds_bucket{le="0.005",kind="DcsInstance"} 1"#,
            r#"dcs_operator_actions_total{kind="DcsInstance",action="Create",outcome="Accepted"} 1"#,
            r#"dcs_operator_api_requests_total{operation="ListInstances",class="ok"} 1"#,
            r#"dcs_operator_api_request_duration_seconds_count{operation="ListInstances"} 1"#,
            r#"dcs_operator_throttle_wait_seconds_sum{work="read"} 1.0"#,
            r#"dcs_operator_watch_errors_total{kind="Secret"} 1"#,
            r#"dcs_operator_unreadable_objects_total{kind="DcsInstance"} 1"#,
            r#"dcs_operator_refused_statuses{kind="DcsInstance"} 2"#,
            r#"dcs_operator_objects{kind="DcsInstance",condition="Ready",status="True",reason="Available"} 7"#,
            r#"dcs_operator_instances{cloud_status="RUNNING"} 7"#,
            "dcs_operator_observation_age_seconds 1.5",
            "dcs_operator_accounts 2",
            "dcs_operator_leader 1",
            r#"dcs_backup_last_success_timestamp_seconds{namespace="shop",instance="sessions"} 1796065601"#,
            "dcs_operator_build_info{version=",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let described = text.lines().filter(|line| line.starts_with("# HELP")).count();
        let typed = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!(described, typed);
    }
}
