//! What `dcs-operator run` takes: every interval, window, budget and limit, each with the variable that sets it too.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    cli::Failure,
    controller::{
        Endpoints, Key,
        instance::credentials::{Namespaces, OwnCredentials},
    },
    dcs::RetryPolicy,
    fleet::Settings as FleetSettings,
    formats::RESERVED_PREFIX,
    plan::instance::observed::Settings,
    telemetry::Format,
};

/// Manages the DcsInstances of a cluster.
///
/// Finds the cluster as kubectl does (KUBECONFIG), or by the service account of the pod that it runs in. Several may
/// run: one leads, the others wait.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The operator's own namespace: its lease and its key are there. That of the pod if left out, or else
    /// dcs-operator-system.
    #[arg(long, env = "DCS_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Where /healthz, /readyz and /metrics are served; port 0 takes a free one.
    #[arg(long, env = "DCS_OPERATOR_LISTEN", default_value = "0.0.0.0:8080", value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// How log lines look. What is logged, DCS_OPERATOR_LOG says: info, debug, dcs_operator::dcs=debug,warn …
    #[arg(long, env = "DCS_OPERATOR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// How many objects are worked on at the same time.
    #[arg(long, env = "DCS_OPERATOR_CONCURRENCY", default_value_t = 16, value_name = "NUMBER",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Which cluster this is, in the tags of instances: the uid of its namespace kube-system if left out. Instances made
    /// under another id are not found again.
    #[arg(long, env = "DCS_OPERATOR_CLUSTER_ID", value_name = "ID")]
    pub cluster_id: Option<String>,
    /// The lease of the one that leads.
    #[command(flatten)]
    pub leader: LeaderFlags,
    /// How the cloud is asked.
    #[command(flatten)]
    pub cloud: CloudFlags,
    /// What namespaces may do.
    #[command(flatten)]
    pub tenants: TenantFlags,
}

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
    pub credentials_secret: Option<Key>,
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

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds, such as 5 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn key(text: &str) -> Result<Key, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok(Key::new(namespace, name)),
        _ => Err("write NAMESPACE/NAME".to_owned()),
    }
}

fn namespaces(names: &[String]) -> Namespaces {
    if names.iter().any(|name| name == "*") { Namespaces::All } else { Namespaces::Some(names.to_vec()) }
}

// === impl LogFormat ===

impl From<LogFormat> for Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

// === impl RunArgs ===

impl RunArgs {
    /// Whether the settings fit together.
    ///
    /// # Errors
    /// [`Failure::Usage`] with what does not, and what to write instead.
    pub fn check(&self) -> Result<(), Failure> {
        let (leader, cloud) = (&self.leader, &self.cloud);
        let usage = |message: String| Err(Failure::Usage(message));
        if cloud.call_timeout_seconds > Duration::from_secs(15)
            || cloud.call_timeout_seconds < Duration::from_secs(1)
        {
            return usage("--call-timeout-seconds is from 1 to 15".to_owned());
        }
        // A change must be over, with some time to spare, before another process may lead; and there must be time left
        // in which one can begin.
        let least = cloud.call_timeout_seconds + Duration::from_secs(5) + leader.lease_renew_seconds;
        if leader.leader_elect && leader.lease_seconds <= least {
            return usage(format!(
                "--lease-seconds {} is too short: more than --call-timeout-seconds + 5 + --lease-renew-seconds = {} is \
                 needed",
                leader.lease_seconds.as_secs_f64(),
                least.as_secs_f64()
            ));
        }
        let ticks = [cloud.fast_tick_seconds, cloud.steady_tick_seconds, leader.lease_renew_seconds];
        if ticks.iter().any(|tick| tick.is_zero()) || cloud.fast_tick_seconds > cloud.steady_tick_seconds {
            return usage(
                "ticks are longer than 0, and --fast-tick-seconds not longer than --steady-tick-seconds"
                    .to_owned(),
            );
        }
        if self.tenants.credentials_secret.is_none() && !self.tenants.credentials_namespaces.is_empty() {
            return usage("--credentials-namespaces needs --credentials-secret".to_owned());
        }
        Ok(())
    }

    /// How plans are made.
    pub fn settings(&self, identity: &str) -> Settings {
        let cloud = &self.cloud;
        Settings {
            process: identity.to_owned(),
            send_limit: cloud.send_limit_seconds,
            call_timeout: cloud.call_timeout_seconds,
            visibility: cloud.visibility_seconds,
            most_failures: cloud.most_creation_failures,
            most_recreations: cloud.most_recreations,
        }
    }

    /// How accounts are looked at.
    pub fn fleet_settings(&self) -> FleetSettings {
        let cloud = &self.cloud;
        FleetSettings {
            fast_tick: cloud.fast_tick_seconds,
            steady_tick: cloud.steady_tick_seconds,
            reads_per_second: cloud.reads_per_second,
            writes_per_second: cloud.writes_per_second,
            send_limit: cloud.send_limit_seconds,
            catalogue_life: cloud.catalogue_seconds,
            indexed_tag_prefix: RESERVED_PREFIX.to_owned(),
        }
    }

    /// How calls are made.
    pub fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy { changes: self.cloud.call_timeout_seconds, ..RetryPolicy::default() }
    }

    /// Where credentials may lead.
    pub fn endpoints(&self) -> Endpoints {
        let TenantFlags { allow_endpoint, allow_insecure_endpoint, .. } = self.tenants.clone();
        Endpoints { hosts: allow_endpoint, insecure: allow_insecure_endpoint }
    }

    /// The operator's own credentials, and who may use them.
    pub fn own_credentials(&self) -> Option<OwnCredentials> {
        Some(OwnCredentials {
            secret: self.tenants.credentials_secret.clone()?,
            namespaces: namespaces(&self.tenants.credentials_namespaces),
            trusted: namespaces(&self.tenants.trusted_namespaces),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    fn parse(flags: &[&str]) -> RunArgs {
        Line::try_parse_from([&["run"], flags].concat()).unwrap().run
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_a_remedy() {
        assert!(parse(&[]).check().is_ok());
        assert!(parse(&["--leader-elect", "false", "--lease-seconds", "1"]).check().is_ok());
        for (flags, remedy) in [
            (vec!["--lease-seconds", "25"], "= 25 is needed"),
            (vec!["--call-timeout-seconds", "16"], "from 1 to 15"),
            (vec!["--call-timeout-seconds", "0.5"], "from 1 to 15"),
            (vec!["--fast-tick-seconds", "61"], "not longer than --steady-tick-seconds"),
            (vec!["--steady-tick-seconds", "0", "--fast-tick-seconds", "0"], "longer than 0"),
            (vec!["--credentials-namespaces", "shop"], "--credentials-secret"),
        ] {
            let refused = parse(&flags).check().unwrap_err().to_string();
            assert!(refused.contains(remedy), "{refused}");
        }
    }

    #[test]
    fn lists_and_namespaces() {
        let args = parse(&[
            "--credentials-secret",
            "ops/dcs",
            "--credentials-namespaces",
            "a,b",
            "--trusted-namespaces",
            "*",
        ]);
        let own = args.own_credentials().unwrap();
        assert_eq!(own.secret, Key::new("ops", "dcs"));
        assert!(own.namespaces.contain("b") && !own.namespaces.contain("c") && own.trusted.contain("c"));
        assert!(key("ops").is_err() && key("/x").is_err() && seconds("-1").is_err() && seconds("x").is_err());
    }
}
