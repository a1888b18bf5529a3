//! The flags of `run` in groups, one help heading each. Every flag has an environment variable and a help text.

use std::{num::NonZeroU32, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    api::instance::ReclaimPolicy,
    controller::{HostPattern, HostPort, NamespacedName},
    plan::schedule::Backoff,
    telemetry::Format,
};

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The policies that can be the default. Orphaned is never one: it says that no other cluster uses the cluster ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum DefaultReclaimPolicy {
    /// Take it back.
    Released,
    /// Create a new one.
    None,
}

/// Leader election.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Leader election")]
pub(crate) struct LeaderFlags {
    /// Change the cloud only while holding the lease. Without it, two operators at the same time can harm each other.
    #[arg(long, env = "DCS_OPERATOR_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set,
          value_name = "BOOL")]
    pub(crate) leader_elect: bool,
    /// Name of the lease.
    #[arg(
        long,
        env = "DCS_OPERATOR_LEASE_NAME",
        default_value = "dcs-operator",
        hide = true,
        value_name = "NAME"
    )]
    pub(crate) lease_name: String,
    /// How long the lease lasts after a renewal.
    #[arg(long, env = "DCS_OPERATOR_LEADER_ELECT_LEASE_DURATION", default_value = "30s", hide = true,
          value_parser = duration, value_name = "DURATION")]
    pub(crate) leader_elect_lease_duration: Duration,
    /// How often the leader renews the lease.
    #[arg(long, env = "DCS_OPERATOR_LEADER_ELECT_RENEW_INTERVAL", default_value = "5s", hide = true,
          value_parser = duration, value_name = "DURATION")]
    pub(crate) leader_elect_renew_interval: Duration,
    /// Identity of this process as lease holder. The default is POD_NAME and POD_UID together, or a random identity if
    /// they are not set; a container that follows another one in its pod takes the lease at once. A process with an
    /// identity set here first observes for two renew intervals that no other process of this identity renews it.
    #[arg(long, env = "DCS_OPERATOR_IDENTITY", value_name = "NAME")]
    pub(crate) identity: Option<String>,
}

/// Requests to the cloud.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cloud")]
pub(crate) struct CloudFlags {
    /// How often the operator lists an account while an operation is in progress there.
    #[arg(long, env = "DCS_OPERATOR_POLL_INTERVAL_ACTIVE", default_value = "5s", value_parser = duration,
          value_name = "DURATION")]
    pub(crate) poll_interval_active: Duration,
    /// How often the operator lists an account while no operation is in progress.
    #[arg(long, env = "DCS_OPERATOR_POLL_INTERVAL_IDLE", default_value = "60s", value_parser = duration,
          value_name = "DURATION")]
    pub(crate) poll_interval_idle: Duration,
    /// How many read requests per second the operator sends for each project at each endpoint.
    #[arg(long, env = "DCS_OPERATOR_READS_PER_SECOND", default_value = "10", value_name = "NUMBER")]
    pub(crate) reads_per_second: NonZeroU32,
    /// How many write requests per second the operator sends for each project at each endpoint.
    #[arg(long, env = "DCS_OPERATOR_WRITES_PER_SECOND", default_value = "5", value_name = "NUMBER")]
    pub(crate) writes_per_second: NonZeroU32,
    /// How long after an intent is recorded in status its request may still be sent.
    #[arg(long, env = "DCS_OPERATOR_INTENT_TTL", default_value = "5s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) intent_ttl: Duration,
    /// How long a read request may take, including its retries and the waits between them.
    #[arg(long, env = "DCS_OPERATOR_READ_TIMEOUT", default_value = "60s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) read_timeout: Duration,
    /// How many times a request is sent where repeating it is harmless.
    #[arg(long, env = "DCS_OPERATOR_MAX_TRIES", default_value_t = 4, hide = true, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=10))]
    pub(crate) max_tries: u32,
    /// How long requests for a project pause after a throttling response without Retry-After.
    #[arg(long, env = "DCS_OPERATOR_THROTTLED", default_value = "5s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) throttled: Duration,
    /// How long a write request may take; at most 15s.
    #[arg(long, env = "DCS_OPERATOR_CALL_TIMEOUT", default_value = "15s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) call_timeout: Duration,
    /// How long the cloud may take to list a new instance. A value that is too short can create an instance twice when
    /// the response to the first request is lost.
    #[arg(long, env = "DCS_OPERATOR_LIST_CONSISTENCY_WINDOW", default_value = "60s", hide = true,
          value_parser = duration, value_name = "DURATION")]
    pub(crate) list_consistency_window: Duration,
    /// How long to cache the flavor catalogue.
    #[arg(long, env = "DCS_OPERATOR_CATALOGUE", default_value = "10m", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) catalogue: Duration,
    /// How many failed creations of an instance make its object Stalled.
    #[arg(
        long,
        env = "DCS_OPERATOR_MAX_CREATION_FAILURES",
        default_value_t = 3,
        hide = true,
        value_name = "NUMBER"
    )]
    pub(crate) max_creation_failures: u32,
    /// How many times a lost instance is replaced (onExternalDeletion: Recreate) before its object is Stalled.
    #[arg(
        long,
        env = "DCS_OPERATOR_MAX_RECREATIONS",
        default_value_t = 3,
        hide = true,
        value_name = "NUMBER"
    )]
    pub(crate) max_recreations: u32,
}

/// Intervals between reconciles of one object.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reconciliation")]
pub(crate) struct ReconcileFlags {
    /// How long until a transient error is retried. The delay doubles from the first value up to the longest.
    #[arg(long, env = "DCS_OPERATOR_RETRY", default_value = "5s..2m", hide = true, value_parser = backoff,
          value_name = "FIRST..LONGEST")]
    pub(crate) retry: Backoff,
    /// How long until a Stalled object is retried. A visible change of the cause triggers a retry at once.
    #[arg(long, env = "DCS_OPERATOR_STALLED_RETRY", default_value = "10m..1h", hide = true, value_parser = backoff,
          value_name = "FIRST..LONGEST")]
    pub(crate) stalled_retry: Backoff,
    /// How long until a creation that failed in the cloud is retried.
    #[arg(long, env = "DCS_OPERATOR_CREATION_RETRY", default_value = "1m..10m", hide = true, value_parser = backoff,
          value_name = "FIRST..LONGEST")]
    pub(crate) creation_retry: Backoff,
    /// How long until a rejected or unanswered request to the API server is retried.
    #[arg(long, env = "DCS_OPERATOR_KUBERNETES_RETRY", default_value = "1s..10s", hide = true, value_parser = backoff,
          value_name = "FIRST..LONGEST")]
    pub(crate) kubernetes_retry: Backoff,
    /// How long until an instance is checked again that is busy with an operation that lists do not show.
    #[arg(long, env = "DCS_OPERATOR_BUSY", default_value = "30s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) busy: Duration,
    /// How often an operation in progress is checked while lists show no change.
    #[arg(long, env = "DCS_OPERATOR_OPERATION_CHECK_INTERVAL", default_value = "2m", hide = true,
          value_parser = duration, value_name = "DURATION")]
    pub(crate) operation_check_interval: Duration,
    /// How often a backup that runs is looked at.
    #[arg(long, env = "DCS_OPERATOR_JOB_CHECK_INTERVAL", default_value = "15s", hide = true,
          value_parser = duration, value_name = "DURATION")]
    pub(crate) job_check_interval: Duration,
    /// How many backups DCS keeps of an instance, automatic ones included; 0 if there is no limit. At the limit, DCS removes
    /// the earliest for a new one: the operator requests none that would remove a backup that has to stay.
    #[arg(long, env = "DCS_OPERATOR_BACKUP_LIMIT", default_value_t = 24, value_name = "NUMBER")]
    pub(crate) backup_limit: u32,
    /// How often an object is reconciled when nothing changes. Up to a sixth is added to spread the load.
    #[arg(long, env = "DCS_OPERATOR_RESYNC_INTERVAL", default_value = "1h", value_parser = duration,
          value_name = "DURATION")]
    pub(crate) resync_interval: Duration,
    /// How long the cloud may be unreachable before objects report Synced=Unknown.
    #[arg(long, env = "DCS_OPERATOR_UNREACHABLE", default_value = "90s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) unreachable: Duration,
    /// How long an observation counts. Objects with an older one report Ready=Unknown.
    #[arg(long, env = "DCS_OPERATOR_OBSERVATION", default_value = "10m", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) observation: Duration,
}

/// Requests to the API server, and shutdown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kubernetes")]
pub(crate) struct KubernetesFlags {
    /// How long a request to the API server may take.
    #[arg(long, env = "DCS_OPERATOR_KUBERNETES_TIMEOUT", default_value = "10s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) kubernetes_timeout: Duration,
    /// How long a watch lasts before it is restarted. Keep it below the idle timeout of load balancers in front of the
    /// API server.
    #[arg(long, env = "DCS_OPERATOR_WATCH", default_value = "220s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) watch: Duration,
    /// The longest delay before a failed watch is restarted.
    #[arg(long, env = "DCS_OPERATOR_WATCH_RETRY", default_value = "8s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) watch_retry: Duration,
    /// How long running reconciles and the release of the lease may take after SIGTERM; at most 10s. The next process
    /// determines the outcome of requests that the cloud has not answered by then.
    #[arg(long, env = "DCS_OPERATOR_SHUTDOWN", default_value = "10s", hide = true, value_parser = duration,
          value_name = "DURATION")]
    pub(crate) shutdown: Duration,
}

/// Permissions of namespaces.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tenants")]
pub(crate) struct TenantFlags {
    /// Host that credentials may name as endpoint, in addition to those of DCS and IAM in the regions of the provider.
    /// It is called with TLS on port 443. A leading dot allows all subdomains. Repeatable.
    #[arg(long, env = "DCS_OPERATOR_ALLOW_ENDPOINT", value_delimiter = ',', value_name = "HOST")]
    pub(crate) allow_endpoint: Vec<HostPattern>,
    /// Host and port that may be called without TLS, such as a simulator's. Repeatable.
    #[arg(
        long,
        env = "DCS_OPERATOR_ALLOW_INSECURE_ENDPOINT",
        value_delimiter = ',',
        value_name = "HOST:PORT"
    )]
    pub(crate) allow_insecure_endpoint: Vec<HostPort>,
    /// Secret with the operator's own credentials, for namespaces without a credentials Secret.
    #[arg(long, env = "DCS_OPERATOR_CREDENTIALS_SECRET", value_parser = namespaced_name, value_name = "NAMESPACE/NAME")]
    pub(crate) credentials_secret: Option<NamespacedName>,
    /// Namespaces whose objects may use the operator's own credentials; * means all.
    #[arg(
        long,
        env = "DCS_OPERATOR_CREDENTIALS_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMESPACES"
    )]
    pub(crate) credentials_namespaces: Vec<String>,
    /// Namespaces among --credentials-namespaces whose objects may refer to networks and instances by ID; * means all.
    #[arg(long, env = "DCS_OPERATOR_TRUSTED_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACES")]
    pub(crate) trusted_namespaces: Vec<String>,
}

// === impl DefaultReclaimPolicy ===

impl From<DefaultReclaimPolicy> for ReclaimPolicy {
    fn from(policy: DefaultReclaimPolicy) -> Self {
        match policy {
            DefaultReclaimPolicy::Released => Self::Released,
            DefaultReclaimPolicy::None => Self::None,
        }
    }
}

// === impl Format ===

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

// === value parsers ===

/// Sums of settings must not overflow.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

fn duration(text: &str) -> Result<Duration, String> {
    let usage = || "write a duration such as 30s or 2m".to_owned();
    // humantime reads 0 as zero seconds; every other number needs a unit.
    if text.trim() == "0" {
        return Err(usage());
    }
    let duration = humantime::parse_duration(text).map_err(|_| usage())?;
    if duration > MAX_DURATION { Err("write a duration of at most 365days".to_owned()) } else { Ok(duration) }
}

fn backoff(text: &str) -> Result<Backoff, String> {
    let usage = || "write the first and the longest delay, such as 5s..2m".to_owned();
    let (first, longest) = text.split_once("..").ok_or_else(usage)?;
    let backoff = Backoff { first: duration(first)?, longest: duration(longest)? };
    if backoff.first.is_zero() || backoff.longest < backoff.first {
        return Err("the first delay must be longer than 0s and not longer than the longest, such as 5s..2m"
            .to_owned());
    }
    Ok(backoff)
}

fn namespaced_name(text: &str) -> Result<NamespacedName, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(NamespacedName::new(namespace, name))
        }
        _ => Err("write NAMESPACE/NAME".to_owned()),
    }
}
