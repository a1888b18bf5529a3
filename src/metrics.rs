//! Metrics, for Prometheus: what is counted while it happens, and what is counted when somebody asks.
//!
//! No label ever holds a name: series stay few, however many objects there are.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

/// Seconds, for what takes from milliseconds to a minute.
const SECONDS: [f64; 11] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// All metrics. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    passes: Family<PassLabels, Counter>,
    pass_seconds: Family<KindLabels, Histogram, fn() -> Histogram>,
    actions: Family<ActionLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<OperationLabels, Histogram, fn() -> Histogram>,
    throttle_seconds: Family<WorkLabels, Histogram, fn() -> Histogram>,
    watch_errors: Family<KindLabels, Counter>,
    unreadable: Family<KindLabels, Counter>,
    source: Arc<Mutex<Source>>,
}

/// Whom to ask for what is counted when somebody asks.
type Source = Option<Box<dyn Fn() -> Snapshot + Send>>;

/// What is counted when somebody asks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// How many objects say what.
    pub objects: Vec<(ObjectLabels, i64)>,
    /// How many instances are in which status, by the cloud's word.
    pub instances: Vec<(String, i64)>,
    /// How long ago the account that was not seen for longest was last seen.
    pub oldest_observation: Option<Duration>,
    /// How many accounts are looked at.
    pub accounts: i64,
    /// Whether this process leads.
    pub leader: bool,
}

/// What an object says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub struct ObjectLabels {
    /// Its kind.
    pub kind: String,
    /// The condition's type.
    pub condition: String,
    /// True, False or Unknown.
    pub status: String,
    /// Why.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
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
    Histogram::new(SECONDS)
}

// === impl Metrics ===

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("dcs_operator");
        let histogram: fn() -> Histogram = seconds;
        let inner = Inner {
            passes: Family::default(),
            pass_seconds: Family::new_with_constructor(histogram),
            actions: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(histogram),
            throttle_seconds: Family::new_with_constructor(histogram),
            watch_errors: Family::default(),
            unreadable: Family::default(),
            source: Arc::default(),
            registry: Registry::default(),
        };
        let r = &mut registry;
        r.register("reconciles", "Passes over objects, by how they ended", inner.passes.clone());
        r.register_with_unit(
            "reconcile_duration",
            "Time of a pass",
            Unit::Seconds,
            inner.pass_seconds.clone(),
        );
        r.register("actions", "Changes asked of the cloud, by what they came to", inner.actions.clone());
        r.register(
            "api_requests",
            "Requests sent to the cloud, by class of the answer",
            inner.requests.clone(),
        );
        r.register_with_unit(
            "api_request_duration",
            "Time until the cloud answered",
            Unit::Seconds,
            inner.request_seconds.clone(),
        );
        r.register_with_unit(
            "throttle_wait",
            "How long passes were told to wait by the request budget",
            Unit::Seconds,
            inner.throttle_seconds.clone(),
        );
        r.register("watch_errors", "Watches that broke off", inner.watch_errors.clone());
        r.register("unreadable_objects", "Objects that could not be read", inner.unreadable.clone());
        r.register("build", "The version that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        r.register_collector(Box::new(OnDemand(Arc::clone(&inner.source))));
        Self(Arc::new(Inner { registry, ..inner }))
    }

    /// Whom to ask for what is counted when somebody asks.
    pub fn ask(&self, source: impl Fn() -> Snapshot + Send + 'static) {
        *self.0.source.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(source));
    }

    /// A pass ended.
    pub fn passed(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.0.passes.get_or_create(&PassLabels { kind, outcome }).inc();
        self.0.pass_seconds.get_or_create(&KindLabels { kind }).observe(took.as_secs_f64());
    }

    /// Something was asked of the cloud.
    pub fn acted(&self, kind: &str, action: &str, outcome: &'static str) {
        let labels = ActionLabels { kind: kind.to_owned(), action: action.to_owned(), outcome };
        self.0.actions.get_or_create(&labels).inc();
    }

    /// A request to the cloud was answered, or not; `class` says which.
    pub fn requested(&self, operation: &'static str, class: &'static str, took: Duration) {
        self.0.requests.get_or_create(&RequestLabels { operation, class }).inc();
        self.0.request_seconds.get_or_create(&OperationLabels { operation }).observe(took.as_secs_f64());
    }

    /// A pass was told to wait.
    pub fn throttled(&self, work: &'static str, wait: Duration) {
        self.0.throttle_seconds.get_or_create(&WorkLabels { work }).observe(wait.as_secs_f64());
    }

    /// A watch broke off.
    pub fn watch_broke_off(&self, kind: &'static str) {
        self.0.watch_errors.get_or_create(&KindLabels { kind }).inc();
    }

    /// An object could not be read.
    pub fn unreadable(&self, kind: &'static str) {
        self.0.unreadable.get_or_create(&KindLabels { kind }).inc();
    }

    /// All of them, as OpenMetrics text.
    ///
    /// # Errors
    /// Never in practice: text is written into memory.
    pub fn text(&self) -> Result<String, fmt::Error> {
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

/// Asks when it is asked.
struct OnDemand(Arc<Mutex<Source>>);

// === impl OnDemand ===

impl fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnDemand(..)")
    }
}

impl Collector for OnDemand {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(source) => source(),
            None => Snapshot::default(),
        };
        let objects = snapshot.objects.iter().map(|(labels, count)| (labels.clone(), *count));
        gauges(&mut encoder, ("objects", "Objects, by what their conditions say"), objects)?;
        let instances = snapshot.instances.iter();
        let instances = instances.map(|(word, count)| (StatusLabels { cloud_status: word.clone() }, *count));
        gauges(&mut encoder, ("instances", "Instances of objects, by the cloud's word"), instances)?;
        gauge(&mut encoder, "accounts", "Accounts that are looked at", snapshot.accounts)?;
        gauge(&mut encoder, "leader", "Whether this process leads", i64::from(snapshot.leader))?;
        let help = "How long ago the account that was not seen for longest was last seen";
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
    fn all_that_is_counted_can_be_read() {
        let metrics = Metrics::new();
        metrics.passed("DcsInstance", "Done", Duration::from_millis(3));
        metrics.acted("DcsInstance", "Create", "Accepted");
        metrics.requested("ListInstances", "ok", Duration::from_millis(40));
        metrics.throttled("read", Duration::from_secs(1));
        metrics.watch_broke_off("Secret");
        metrics.unreadable("DcsInstance");
        metrics.ask(|| Snapshot {
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
        });
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
            r#"dcs_operator_objects{kind="DcsInstance",condition="Ready",status="True",reason="Available"} 7"#,
            r#"dcs_operator_instances{cloud_status="RUNNING"} 7"#,
            "dcs_operator_observation_age_seconds 1.5",
            "dcs_operator_accounts 2",
            "dcs_operator_leader 1",
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
