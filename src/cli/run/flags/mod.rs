//! What `dcs-operator run` takes: every interval, window, budget and limit, each with the variable that sets it too.

mod groups;

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use self::groups::{CloudFlags, KubernetesFlags, LeaderFlags, LogFormat, TenantFlags, WaitFlags};
use crate::{
    cli::Failure,
    controller::{Endpoints, KubeTimeouts, Namespaces, OwnCredentials},
    dcs::RetryPolicy,
    formats::RESERVED_PREFIX,
    inventory::InventorySettings,
    plan::{instance::observed::PlannerSettings, schedule::RequeuePolicy},
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
    /// How long is waited.
    #[command(flatten)]
    pub waits: WaitFlags,
    /// How the API server is asked.
    #[command(flatten)]
    pub kubernetes: KubernetesFlags,
    /// What namespaces may do.
    #[command(flatten)]
    pub tenants: TenantFlags,
}

fn namespaces(names: &[String]) -> Namespaces {
    if names.iter().any(|name| name == "*") { Namespaces::All } else { Namespaces::Some(names.to_vec()) }
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
        let polls = [cloud.fast_tick_seconds, cloud.steady_tick_seconds, leader.lease_renew_seconds];
        if polls.iter().any(|poll| poll.is_zero()) || cloud.fast_tick_seconds > cloud.steady_tick_seconds {
            return usage(
                "ticks are longer than 0, and --fast-tick-seconds not longer than --steady-tick-seconds"
                    .to_owned(),
            );
        }
        if cloud.read_timeout_seconds < Duration::from_secs(1) {
            return usage("--read-timeout-seconds is 1 or more".to_owned());
        }
        let WaitFlags { busy_seconds, backstop_seconds, slow_round_seconds, .. } = self.waits;
        if [busy_seconds, backstop_seconds, slow_round_seconds].iter().any(Duration::is_zero) {
            return usage(
                "--busy-seconds, --backstop-seconds and --slow-round-seconds are longer than 0".to_owned(),
            );
        }
        if self.waits.unreachable_seconds > self.waits.observation_seconds {
            return usage("--unreachable-seconds is not longer than --observation-seconds".to_owned());
        }
        let KubernetesFlags { kubernetes_timeout_seconds: answer, watch_seconds, .. } = self.kubernetes;
        if answer.is_zero() || watch_seconds < Duration::from_secs(1) {
            return usage(
                "--kubernetes-timeout-seconds is longer than 0, --watch-seconds 1 or more".to_owned(),
            );
        }
        if self.kubernetes.shutdown_seconds > Duration::from_secs(10) {
            return usage("--shutdown-seconds is at most 10".to_owned());
        }
        if self.cluster_id.as_deref().is_some_and(|id| id.trim().is_empty()) {
            return usage("--cluster-id is empty: leave it out, or give the same one as ever".to_owned());
        }
        if cloud.send_limit_seconds.is_zero() {
            return usage("--send-limit-seconds is longer than 0".to_owned());
        }
        if self.tenants.credentials_secret.is_none()
            && self.tenants.credentials_namespaces.iter().any(|name| !name.is_empty())
        {
            return usage("--credentials-namespaces needs --credentials-secret".to_owned());
        }
        Ok(())
    }

    /// How plans are made.
    pub fn settings(&self, identity: &str) -> PlannerSettings {
        let cloud = &self.cloud;
        PlannerSettings {
            process: identity.to_owned(),
            intent_ttl: cloud.send_limit_seconds,
            call_timeout: cloud.call_timeout_seconds,
            list_consistency_window: cloud.visibility_seconds,
            max_creation_failures: cloud.most_creation_failures,
            max_recreations: cloud.most_recreations,
            throttled: cloud.throttled_seconds,
            requeue: self.requeue(),
        }
    }

    fn requeue(&self) -> RequeuePolicy {
        let waits = &self.waits;
        RequeuePolicy {
            kube: waits.kubernetes_retry_seconds,
            transient: waits.retry_seconds,
            create_failed: waits.creation_retry_seconds,
            needs_user: waits.stalled_retry_seconds,
            busy: waits.busy_seconds,
            operation_check_interval: waits.backstop_seconds,
            resync_interval: waits.slow_round_seconds,
            unreachable_after: waits.unreachable_seconds,
            observation_max_age: waits.observation_seconds,
        }
    }

    /// How long the API server is waited for.
    pub fn timeouts(&self) -> KubeTimeouts {
        let kubernetes = &self.kubernetes;
        KubeTimeouts {
            answer: kubernetes.kubernetes_timeout_seconds,
            watch: kubernetes.watch_seconds,
            max_backoff: kubernetes.watch_retry_seconds,
        }
    }

    /// How accounts are looked at.
    pub fn inventory_settings(&self) -> InventorySettings {
        let cloud = &self.cloud;
        InventorySettings {
            poll_interval_active: cloud.fast_tick_seconds,
            poll_interval_idle: cloud.steady_tick_seconds,
            refused_pause: self.waits.stalled_retry_seconds.first,
            reads_per_second: cloud.reads_per_second,
            writes_per_second: cloud.writes_per_second,
            intent_ttl: cloud.send_limit_seconds,
            catalogue_ttl: cloud.catalogue_seconds,
            indexed_tag_prefix: RESERVED_PREFIX.to_owned(),
        }
    }

    /// How calls are made.
    pub fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            changes: self.cloud.call_timeout_seconds,
            total: self.cloud.read_timeout_seconds,
            attempts: self.cloud.most_tries,
            ..RetryPolicy::default()
        }
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
    use crate::controller::NamespacedName;

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
            (vec!["--read-timeout-seconds", "0"], "1 or more"),
            (vec!["--busy-seconds", "0"], "longer than 0"),
            (vec!["--send-limit-seconds", "0"], "longer than 0"),
            (vec!["--cluster-id", ""], "leave it out"),
            (vec!["--unreachable-seconds", "601"], "not longer than --observation-seconds"),
            (vec!["--watch-seconds", "0.5"], "--watch-seconds 1 or more"),
            (vec!["--shutdown-seconds", "11"], "at most 10"),
        ] {
            let refused = parse(&flags).check().unwrap_err().to_string();
            assert!(refused.contains(remedy), "{refused}");
        }
    }

    #[test]
    fn what_is_left_out_is_what_everything_else_takes_for_usual() {
        let args = parse(&[]);
        assert_eq!(
            args.settings("me"),
            PlannerSettings { process: "me".to_owned(), ..PlannerSettings::default() }
        );
        assert_eq!(args.retry_policy(), RetryPolicy::default());
        let prefix = RESERVED_PREFIX.to_owned();
        assert_eq!(
            args.inventory_settings(),
            InventorySettings { indexed_tag_prefix: prefix, ..InventorySettings::default() }
        );
        let backoff = parse(&["--stalled-retry-seconds", "0.5..2"]).settings("me").requeue.needs_user;
        assert_eq!((backoff.first.as_millis(), backoff.longest.as_secs()), (500, 2));
    }

    #[test]
    fn every_flag_has_a_variable_and_a_sentence() {
        let command = <Line as clap::CommandFactory>::command();
        for flag in command.get_arguments().filter(|flag| flag.get_long().is_some_and(|long| long != "help"))
        {
            let name = flag.get_long().unwrap();
            let variable = format!("DCS_OPERATOR_{}", name.replace('-', "_").to_uppercase());
            assert_eq!(flag.get_env().and_then(|env| env.to_str()), Some(variable.as_str()), "{name}");
            assert!(flag.get_help().is_some_and(|help| help.to_string().len() > 15), "{name}");
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
        assert_eq!(own.secret, NamespacedName::new("ops", "dcs"));
        assert!(own.namespaces.contain("b") && !own.namespaces.contain("c") && own.trusted.contain("c"));
        let wrong = |flag: &str, value: &str| {
            assert!(Line::try_parse_from(["run", flag, value]).is_err(), "{flag} {value}");
        };
        let _ = ["ops", "/x", "x/"].map(|value| wrong("--credentials-secret", value));
        let _ = ["-1", "x"].map(|value| wrong("--busy-seconds", value));
        let _ = ["5", "5..", "9..5", "0..5", "a..b"].map(|value| wrong("--retry-seconds", value));
    }
}
