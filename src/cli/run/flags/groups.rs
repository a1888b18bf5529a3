//! The flags, by what they are about: each with its variable, and a sentence of help.

use std::{num::NonZeroU32, time::Duration};

use clap::{Args, ValueEnum};

use crate::{controller::NamespacedName, plan::schedule::Backoff, telemetry::Format};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The lease of the one that leads.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Leader")]
pub struct LeaderFlags {
    /// Change anything only while holding a lease. Without it, two operators at the same time can harm each other.
    #[arg(long, env = "DCS_OPERATOR_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set,
          value_name = "BOOL")]
    pub leader_elect: bool,
    /// Name of the lease.
    #[arg(long, env = "DCS_OPERATOR_LEASE_NAME", default_value = "dcs-operator", value_name = "NAME")]
    pub lease_name: String,
    /// How long the lease lasts after a renewal.
    #[arg(long, env = "DCS_OPERATOR_LEASE_SECONDS", default_value = "30", value_parser = seconds, value_name = "SECONDS")]
    pub lease_seconds: Duration,
    /// How often it is renewed.
    #[arg(long, env = "DCS_OPERATOR_LEASE_RENEW_SECONDS", default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub lease_renew_seconds: Duration,
    /// Who this process is. The same identity takes its own lease again at once. POD_NAME and POD_UID together if left
    /// out, or else a random one.
    #[arg(long, env = "DCS_OPERATOR_IDENTITY", value_name = "NAME")]
    pub identity: Option<String>,
}

/// How the cloud is asked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cloud")]
pub struct CloudFlags {
    /// From one list of an account to the next while something is on its way there.
    #[arg(long, env = "DCS_OPERATOR_FAST_TICK_SECONDS", default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub fast_tick_seconds: Duration,
    /// From one list of an account to the next otherwise.
    #[arg(long, env = "DCS_OPERATOR_STEADY_TICK_SECONDS", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub steady_tick_seconds: Duration,
    /// Requests that change nothing, for each project at each endpoint.
    #[arg(long, env = "DCS_OPERATOR_READS_PER_SECOND", default_value = "10", value_name = "NUMBER")]
    pub reads_per_second: NonZeroU32,
    /// Requests that may change something, for each project at each endpoint.
    #[arg(long, env = "DCS_OPERATOR_WRITES_PER_SECOND", default_value = "5", value_name = "NUMBER")]
    pub writes_per_second: NonZeroU32,
    /// How long after it was written down a change may still be sent.
    #[arg(long, env = "DCS_OPERATOR_SEND_LIMIT_SECONDS", default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub send_limit_seconds: Duration,
    /// How long a request that changes nothing may take, tries and waits together.
    #[arg(long, env = "DCS_OPERATOR_READ_TIMEOUT_SECONDS", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub read_timeout_seconds: Duration,
    /// How often a request is tried where trying again is harmless.
    #[arg(long, env = "DCS_OPERATOR_MOST_TRIES", default_value_t = 4, value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=10))]
    pub most_tries: u32,
    /// How long a project is left alone that says that there were too many requests, and not for how long.
    #[arg(long, env = "DCS_OPERATOR_THROTTLED_SECONDS", default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub throttled_seconds: Duration,
    /// How long a change may take until it is answered; at most 15.
    #[arg(long, env = "DCS_OPERATOR_CALL_TIMEOUT_SECONDS", default_value = "15", value_parser = seconds, value_name = "SECONDS")]
    pub call_timeout_seconds: Duration,
    /// How long the cloud may take to list an instance that it has made. With too little, an instance whose answer was
    /// lost may be made twice.
    #[arg(long, env = "DCS_OPERATOR_VISIBILITY_SECONDS", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub visibility_seconds: Duration,
    /// How long it is believed what can be bought.
    #[arg(long, env = "DCS_OPERATOR_CATALOGUE_SECONDS", default_value = "600", value_parser = seconds, value_name = "SECONDS")]
    pub catalogue_seconds: Duration,
    /// How often an instance that the cloud could not make is tried before a person is asked.
    #[arg(long, env = "DCS_OPERATOR_MOST_CREATION_FAILURES", default_value_t = 3, value_name = "NUMBER")]
    pub most_creation_failures: u32,
    /// How often a lost instance is replaced (onExternalDeletion: Recreate) before a person is asked.
    #[arg(long, env = "DCS_OPERATOR_MOST_RECREATIONS", default_value_t = 3, value_name = "NUMBER")]
    pub most_recreations: u32,
}

/// How long is waited before something is tried, or looked at, again.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Waits")]
pub struct WaitFlags {
    /// What failed and may pass by itself: the first wait, which doubles up to the longest.
    #[arg(long, env = "DCS_OPERATOR_RETRY_SECONDS", default_value = "5..120", value_parser = backoff, value_name = "FIRST..LONGEST")]
    pub retry_seconds: Backoff,
    /// What needs a person (Stalled), unless its cause is seen to change before.
    #[arg(long, env = "DCS_OPERATOR_STALLED_RETRY_SECONDS", default_value = "600..3600", value_parser = backoff, value_name = "FIRST..LONGEST")]
    pub stalled_retry_seconds: Backoff,
    /// An instance that the cloud began to make and could not.
    #[arg(long, env = "DCS_OPERATOR_CREATION_RETRY_SECONDS", default_value = "60..600", value_parser = backoff, value_name = "FIRST..LONGEST")]
    pub creation_retry_seconds: Backoff,
    /// What Kubernetes did not take, or did not answer.
    #[arg(long, env = "DCS_OPERATOR_KUBERNETES_RETRY_SECONDS", default_value = "1..10", value_parser = backoff, value_name = "FIRST..LONGEST")]
    pub kubernetes_retry_seconds: Backoff,
    /// An instance that is busy with something that lists do not show.
    #[arg(long, env = "DCS_OPERATOR_BUSY_SECONDS", default_value = "30", value_parser = seconds, value_name = "SECONDS")]
    pub busy_seconds: Duration,
    /// Something that is on its way, and of which lists say nothing new.
    #[arg(long, env = "DCS_OPERATOR_BACKSTOP_SECONDS", default_value = "120", value_parser = seconds, value_name = "SECONDS")]
    pub backstop_seconds: Duration,
    /// An object of which there is nothing new at all; up to a sixth longer, so that not all come at once.
    #[arg(long, env = "DCS_OPERATOR_SLOW_ROUND_SECONDS", default_value = "3600", value_parser = seconds, value_name = "SECONDS")]
    pub slow_round_seconds: Duration,
    /// How long the cloud may be out of reach before objects say so (Synced=Unknown).
    #[arg(long, env = "DCS_OPERATOR_UNREACHABLE_SECONDS", default_value = "90", value_parser = seconds, value_name = "SECONDS")]
    pub unreachable_seconds: Duration,
    /// How long what was seen last counts (Ready=Unknown after that).
    #[arg(long, env = "DCS_OPERATOR_OBSERVATION_SECONDS", default_value = "600", value_parser = seconds, value_name = "SECONDS")]
    pub observation_seconds: Duration,
}

/// How the API server is asked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kubernetes")]
pub struct KubernetesFlags {
    /// How long an answer of the API server is waited for.
    #[arg(long, env = "DCS_OPERATOR_KUBERNETES_TIMEOUT_SECONDS", default_value = "10", value_parser = seconds, value_name = "SECONDS")]
    pub kubernetes_timeout_seconds: Duration,
    /// A watch is begun anew after this long: less than a load balancer before the API server lets it idle.
    #[arg(long, env = "DCS_OPERATOR_WATCH_SECONDS", default_value = "220", value_parser = seconds, value_name = "SECONDS")]
    pub watch_seconds: Duration,
    /// The longest wait before a watch that broke off is begun again.
    #[arg(long, env = "DCS_OPERATOR_WATCH_RETRY_SECONDS", default_value = "8", value_parser = seconds, value_name = "SECONDS")]
    pub watch_retry_seconds: Duration,
    /// How long passes under way, and giving the lease back, may take once the process is told to stop; at most 10. What
    /// the cloud has not answered by then is found out by the next process.
    #[arg(long, env = "DCS_OPERATOR_SHUTDOWN_SECONDS", default_value = "10", value_parser = seconds, value_name = "SECONDS")]
    pub shutdown_seconds: Duration,
}

/// What namespaces may do.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tenants")]
pub struct TenantFlags {
    /// A host besides the provider's own that credentials may lead to; one that begins with a dot stands for all below
    /// it. May be given several times.
    #[arg(long, env = "DCS_OPERATOR_ALLOW_ENDPOINT", value_delimiter = ',', value_name = "HOST")]
    pub allow_endpoint: Vec<String>,
    /// A host that may be called without TLS: a simulator. May be given several times.
    #[arg(long, env = "DCS_OPERATOR_ALLOW_INSECURE_ENDPOINT", value_delimiter = ',', value_name = "HOST")]
    pub allow_insecure_endpoint: Vec<String>,
    /// The Secret with the operator's own credentials, for namespaces without any.
    #[arg(long, env = "DCS_OPERATOR_CREDENTIALS_SECRET", value_parser = key, value_name = "NAMESPACE/NAME")]
    pub credentials_secret: Option<NamespacedName>,
    /// Namespaces whose objects may use the operator's own credentials; * stands for all.
    #[arg(
        long,
        env = "DCS_OPERATOR_CREDENTIALS_NAMESPACES",
        value_delimiter = ',',
        value_name = "NAMESPACES"
    )]
    pub credentials_namespaces: Vec<String>,
    /// Of these, the namespaces whose objects may name networks and instances by their ids; * stands for all.
    #[arg(long, env = "DCS_OPERATOR_TRUSTED_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACES")]
    pub trusted_namespaces: Vec<String>,
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

// === values ===

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds, such as 5 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn backoff(text: &str) -> Result<Backoff, String> {
    let usage = || "write the first and the longest wait, such as 5..120".to_owned();
    let (first, longest) = text.split_once("..").ok_or_else(usage)?;
    let backoff = Backoff { first: seconds(first)?, longest: seconds(longest)? };
    if backoff.first.is_zero() || backoff.longest < backoff.first { Err(usage()) } else { Ok(backoff) }
}

pub(super) fn key(text: &str) -> Result<NamespacedName, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(NamespacedName::new(namespace, name))
        }
        _ => Err("write NAMESPACE/NAME".to_owned()),
    }
}
