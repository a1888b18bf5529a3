//! Flags of `dcs-operator run`. Each has an environment variable.

mod former;
mod groups;

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use clap::Args;

pub(in crate::cli) use self::former::name_present_flag;
use self::groups::{
    CloudFlags, DefaultReclaimPolicy, KubernetesFlags, LeaderFlags, LogFormat, ReconcileFlags, TenantFlags,
};
use crate::{
    cli::Failure,
    controller::{Endpoints, KubeTimeouts, Namespaces, OwnCredentials},
    dcs::RetryPolicy,
    formats::RESERVED_PREFIX,
    inventory::InventorySettings,
    plan::{instance::observed::PlannerSettings, schedule::RequeuePolicy},
};

/// The lease outlasts every write request by at least this.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
const MAX_CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// The shortest interval: a shorter one keeps the operator busy with nothing else.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// No site lists a new instance sooner for sure.
const MIN_CONSISTENCY_WINDOW: Duration = Duration::from_secs(1);
const MAX_SHUTDOWN: Duration = Duration::from_secs(10);
/// The longest name of an object, and of a process in status.
const MAX_NAME: usize = 253;

/// Flags of `dcs-operator run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Tuning flags are hidden here: --help-all lists them.")]
pub(crate) struct RunArgs {
    /// Namespace of the operator, which holds its lease and its hash key. The default is the namespace of the pod, or
    /// dcs-operator-system outside a pod.
    #[arg(long, env = "DCS_OPERATOR_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Address of /healthz, /readyz and /metrics; port 0 selects a free port.
    #[arg(long, env = "DCS_OPERATOR_LISTEN", default_value = "0.0.0.0:8080", value_name = "IP:PORT")]
    pub(crate) listen: SocketAddr,
    /// Format of log lines. DCS_OPERATOR_LOG sets the level: info, debug, dcs_operator::dcs=debug,warn …
    #[arg(long, env = "DCS_OPERATOR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// How many objects are reconciled at the same time, besides those whose cloud takes long to answer.
    #[arg(long, env = "DCS_OPERATOR_CONCURRENCY", default_value_t = 16, value_name = "NUMBER",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) concurrency: u16,
    /// ID of this cluster in the tags of instances. The default is the uid of namespace kube-system. After a change,
    /// the operator no longer finds the instances that carry the former ID.
    #[arg(long, env = "DCS_OPERATOR_CLUSTER_ID", value_name = "ID")]
    pub(crate) cluster_id: Option<String>,
    /// What happens, unless the spec sets reclaimPolicy, to an instance that an earlier object of the same namespace and
    /// name released: Released takes it back, None creates a new one.
    #[arg(long, env = "DCS_OPERATOR_RECLAIM_POLICY", value_enum, default_value_t = DefaultReclaimPolicy::Released,
          value_name = "POLICY")]
    pub(crate) reclaim_policy: DefaultReclaimPolicy,
    /// Print help for all flags, including the tuning flags that --help hides.
    #[arg(long)]
    pub(crate) help_all: bool,
    /// Leader election.
    #[command(flatten)]
    pub(crate) leader: LeaderFlags,
    /// Requests to the cloud.
    #[command(flatten)]
    pub(crate) cloud: CloudFlags,
    /// Intervals between reconciles of one object.
    #[command(flatten)]
    pub(crate) reconcile: ReconcileFlags,
    /// Requests to the API server, and shutdown.
    #[command(flatten)]
    pub(crate) kubernetes: KubernetesFlags,
    /// Permissions of namespaces.
    #[command(flatten)]
    pub(crate) tenants: TenantFlags,
}

fn namespaces(names: &[String]) -> Namespaces {
    if names.iter().any(|name| name == "*") { Namespaces::All } else { Namespaces::Some(names.to_vec()) }
}

/// Whether `name` is a label by RFC 1123.
fn is_label(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn refuse_unless(holds: bool, message: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::Usage(message.to_owned())) }
}

// === impl RunArgs ===

impl RunArgs {
    /// Checks that the values are consistent with each other.
    ///
    /// # Errors
    /// [`Failure::Usage`] with the first inconsistency and its remedy.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.check_names()?;
        self.check_lease()?;
        self.check_cloud()?;
        self.check_reconcile()?;
        self.check_kubernetes()?;
        refuse_unless(
            self.cluster_id.as_deref().is_none_or(|id| !id.trim().is_empty()),
            "--cluster-id is empty: leave it out, or set the ID that existing instances carry",
        )?;
        refuse_unless(
            self.tenants.credentials_secret.is_some()
                || self.tenants.credentials_namespaces.iter().all(|name| name.is_empty()),
            "--credentials-namespaces requires --credentials-secret",
        )
    }

    /// Names that the API server would reject later, each time.
    fn check_names(&self) -> Result<(), Failure> {
        refuse_unless(
            self.namespace.as_deref().is_none_or(is_label),
            "--namespace must be the name of a namespace: at most 63 lower case letters, digits and hyphens",
        )?;
        refuse_unless(
            self.leader.lease_name.len() <= MAX_NAME && self.leader.lease_name.split('.').all(is_label),
            "--lease-name must be the name of a Lease: lower case letters, digits, hyphens and dots",
        )?;
        let is_identity = |identity: &str| {
            (1..=MAX_NAME).contains(&identity.len()) && identity.bytes().all(|byte| byte.is_ascii_graphic())
        };
        refuse_unless(
            self.leader.identity.as_deref().is_none_or(is_identity),
            "--identity must have 1 to 253 characters, without blanks",
        )?;
        let tenants = &self.tenants;
        for (flag, names) in [
            ("--credentials-namespaces", &tenants.credentials_namespaces),
            ("--trusted-namespaces", &tenants.trusted_namespaces),
        ] {
            let is_name = |name: &String| name.is_empty() || name == "*" || is_label(name);
            refuse_unless(
                names.iter().all(is_name),
                &format!("{flag} must be names of namespaces, separated by commas, or *"),
            )?;
        }
        Ok(())
    }

    fn check_lease(&self) -> Result<(), Failure> {
        let (leader, call_timeout) = (&self.leader, self.cloud.call_timeout);
        refuse_unless(
            (Duration::from_secs(1)..=MAX_CALL_TIMEOUT).contains(&call_timeout),
            "--call-timeout must be from 1s to 15s",
        )?;
        // A write must end before another process can acquire the lease, and a renewed lease must leave time in which a
        // write can start.
        let least = call_timeout + LEASE_MARGIN + leader.leader_elect_renew_interval;
        if leader.leader_elect && leader.leader_elect_lease_duration <= least {
            return Err(Failure::Usage(format!(
                "--leader-elect-lease-duration {} is too short: more than --call-timeout + {} + \
                 --leader-elect-renew-interval = {} is needed",
                humantime::format_duration(leader.leader_elect_lease_duration),
                humantime::format_duration(LEASE_MARGIN),
                humantime::format_duration(least)
            )));
        }
        Ok(())
    }

    fn check_cloud(&self) -> Result<(), Failure> {
        let cloud = &self.cloud;
        let intervals =
            [cloud.poll_interval_active, cloud.poll_interval_idle, self.leader.leader_elect_renew_interval];
        refuse_unless(
            intervals.iter().all(|interval| *interval >= MIN_INTERVAL),
            "--poll-interval-active, --poll-interval-idle and --leader-elect-renew-interval must be 100ms or longer",
        )?;
        refuse_unless(
            cloud.poll_interval_active <= cloud.poll_interval_idle,
            "--poll-interval-active must be not longer than --poll-interval-idle",
        )?;
        refuse_unless(cloud.read_timeout >= Duration::from_secs(1), "--read-timeout must be 1s or more")?;
        refuse_unless(!cloud.intent_ttl.is_zero(), "--intent-ttl must be longer than 0s")?;
        refuse_unless(cloud.throttled >= MIN_INTERVAL, "--throttled must be 100ms or longer")?;
        refuse_unless(
            cloud.list_consistency_window >= MIN_CONSISTENCY_WINDOW,
            "--list-consistency-window must be 1s or more: a shorter one can create an instance twice",
        )
    }

    fn check_reconcile(&self) -> Result<(), Failure> {
        let ReconcileFlags { busy, operation_check_interval, job_check_interval, resync_interval, .. } =
            self.reconcile;
        refuse_unless(
            [busy, operation_check_interval, job_check_interval, resync_interval]
                .iter()
                .all(|interval| *interval >= MIN_INTERVAL),
            "--busy, --operation-check-interval, --job-check-interval and --resync-interval must be 100ms or longer",
        )?;
        refuse_unless(
            self.reconcile.unreachable <= self.reconcile.observation,
            "--unreachable must be not longer than --observation",
        )
    }

    fn check_kubernetes(&self) -> Result<(), Failure> {
        let KubernetesFlags { kubernetes_timeout, watch, watch_retry, shutdown } = self.kubernetes;
        refuse_unless(!kubernetes_timeout.is_zero(), "--kubernetes-timeout must be longer than 0s")?;
        refuse_unless(watch >= Duration::from_secs(1), "--watch must be 1s or more")?;
        refuse_unless(watch_retry >= MIN_INTERVAL, "--watch-retry must be 100ms or longer")?;
        refuse_unless(shutdown <= MAX_SHUTDOWN, "--shutdown must be at most 10s")
    }

    /// Settings of the planner.
    pub(crate) fn settings(&self, identity: &str) -> PlannerSettings {
        let cloud = &self.cloud;
        PlannerSettings {
            process: identity.to_owned(),
            intent_ttl: cloud.intent_ttl,
            call_timeout: cloud.call_timeout,
            list_consistency_window: cloud.list_consistency_window,
            max_creation_failures: cloud.max_creation_failures,
            max_recreations: cloud.max_recreations,
            reclaim_policy: self.reclaim_policy.into(),
            backup_limit: NonZeroU32::new(self.reconcile.backup_limit),
            throttled: cloud.throttled,
            requeue: self.requeue(),
        }
    }

    fn requeue(&self) -> RequeuePolicy {
        let reconcile = &self.reconcile;
        RequeuePolicy {
            kube: reconcile.kubernetes_retry,
            transient: reconcile.retry,
            create_failed: reconcile.creation_retry,
            needs_user: reconcile.stalled_retry,
            busy: reconcile.busy,
            operation_check_interval: reconcile.operation_check_interval,
            job_check_interval: reconcile.job_check_interval,
            resync_interval: reconcile.resync_interval,
            unreachable_after: reconcile.unreachable,
            observation_max_age: reconcile.observation,
            ..RequeuePolicy::default()
        }
    }

    /// Timeouts of requests to the API server.
    pub(crate) fn timeouts(&self) -> KubeTimeouts {
        let kubernetes = &self.kubernetes;
        KubeTimeouts {
            answer: kubernetes.kubernetes_timeout,
            watch: kubernetes.watch,
            max_backoff: kubernetes.watch_retry,
        }
    }

    /// Settings of the inventory.
    pub(crate) fn inventory_settings(&self) -> InventorySettings {
        let cloud = &self.cloud;
        InventorySettings {
            poll_interval_active: cloud.poll_interval_active,
            poll_interval_idle: cloud.poll_interval_idle,
            refused_pause: self.reconcile.stalled_retry.first,
            overdue_after: self.reconcile.unreachable.max(cloud.poll_interval_idle.saturating_mul(3) / 2),
            reads_per_second: cloud.reads_per_second,
            writes_per_second: cloud.writes_per_second,
            intent_ttl: cloud.intent_ttl,
            catalogue_ttl: cloud.catalogue,
            indexed_tag_prefix: RESERVED_PREFIX.to_owned(),
        }
    }

    /// Timeouts and retries of cloud requests.
    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy {
            changes: self.cloud.call_timeout,
            total: self.cloud.read_timeout,
            attempts: self.cloud.max_tries,
            ..RetryPolicy::default()
        }
    }

    /// Endpoints that credentials may name.
    pub(crate) fn endpoints(&self) -> Endpoints {
        let TenantFlags { allow_endpoint, allow_insecure_endpoint, .. } = self.tenants.clone();
        Endpoints { hosts: allow_endpoint, insecure: allow_insecure_endpoint }
    }

    /// The operator's own credentials and the namespaces that may use them.
    pub(crate) fn own_credentials(&self) -> Option<OwnCredentials> {
        Some(OwnCredentials {
            secret: self.tenants.credentials_secret.clone()?,
            namespaces: namespaces(&self.tenants.credentials_namespaces),
            trusted: namespaces(&self.tenants.trusted_namespaces),
        })
    }
}

/// Help for all flags of `command`, including the hidden ones.
pub(in crate::cli) fn help_all(command: &clap::Command) -> clap::builder::StyledStr {
    let mut command = command.clone().after_help("").mut_args(|arg| arg.hide(false));
    command.render_long_help()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, error::ErrorKind};

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

    fn refused(flags: &[&str]) -> clap::Error {
        Line::try_parse_from([&["run"], flags].concat()).unwrap_err()
    }

    #[test]
    fn inconsistent_values_are_refused_with_a_remedy() {
        assert!(parse(&[]).check().is_ok());
        assert!(parse(&["--leader-elect", "false", "--leader-elect-lease-duration", "1s"]).check().is_ok());
        for (flags, remedy) in [
            (vec!["--leader-elect-lease-duration", "25s"], "= 25s is needed"),
            (vec!["--call-timeout", "16s"], "from 1s to 15s"),
            (vec!["--call-timeout", "500ms"], "from 1s to 15s"),
            (vec!["--poll-interval-active", "61s"], "not longer than --poll-interval-idle"),
            (vec!["--poll-interval-idle", "0s", "--poll-interval-active", "0s"], "100ms or longer"),
            (vec!["--poll-interval-active", "1ns"], "100ms or longer"),
            (vec!["--resync-interval", "1ns"], "100ms or longer"),
            (vec!["--credentials-namespaces", "shop"], "--credentials-secret"),
            (vec!["--read-timeout", "0s"], "1s or more"),
            (vec!["--busy", "0s"], "100ms or longer"),
            (vec!["--intent-ttl", "0s"], "longer than 0s"),
            (vec!["--cluster-id", ""], "leave it out"),
            (vec!["--unreachable", "601s"], "not longer than --observation"),
            (vec!["--watch", "500ms"], "--watch must be 1s or more"),
            (vec!["--shutdown", "11s"], "at most 10s"),
            (vec!["--list-consistency-window", "0s"], "--list-consistency-window must be 1s or more"),
            (vec!["--throttled", "0s"], "--throttled must be 100ms"),
            (vec!["--watch-retry", "0s"], "--watch-retry must be 100ms"),
            (vec!["--namespace", "Ops"], "--namespace must be the name"),
            (vec!["--namespace", ""], "--namespace must be the name"),
            (vec!["--namespace", "a/b"], "--namespace must be the name"),
            (vec!["--lease-name", "a b"], "--lease-name must be the name"),
            (vec!["--lease-name", ""], "--lease-name must be the name"),
            (vec!["--identity", ""], "--identity must have 1 to 253"),
            (vec!["--identity", "a\nb"], "--identity must have 1 to 253"),
            (
                vec!["--credentials-namespaces", "Shop", "--credentials-secret", "a/b"],
                "must be names of namespaces",
            ),
            (vec!["--trusted-namespaces", "a b"], "--trusted-namespaces must be names"),
        ] {
            let refused = parse(&flags).check().unwrap_err().to_string();
            assert!(refused.contains(remedy), "{refused}");
        }
    }

    #[test]
    fn defaults_of_flags_equal_the_defaults_of_settings() {
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
        let backoff = parse(&["--stalled-retry", "500ms..2s"]).settings("me").requeue.needs_user;
        assert_eq!((backoff.first.as_millis(), backoff.longest.as_secs()), (500, 2));
    }

    #[test]
    fn every_flag_has_a_variable_and_a_help_text() {
        let command = Line::command();
        for flag in command.get_arguments() {
            let Some(name) = flag.get_long().filter(|long| !["help", "help-all"].contains(long)) else {
                continue;
            };
            let variable = format!("DCS_OPERATOR_{}", name.replace('-', "_").to_uppercase());
            assert_eq!(flag.get_env().and_then(|env| env.to_str()), Some(variable.as_str()), "{name}");
            assert!(flag.get_help().is_some_and(|help| help.to_string().len() > 15), "{name}");
        }
    }

    #[test]
    fn help_hides_tuning_flags_and_help_all_lists_every_flag() {
        let short = Line::command().render_long_help().to_string();
        assert!(short.contains("--help-all lists them"), "{short}");
        let all = help_all(&Line::command()).to_string();
        for flag in Line::command().get_arguments().filter_map(|flag| Some((flag, flag.get_long()?))) {
            let (flag, listed) = (flag.0, format!("--{} ", flag.1));
            let lists = |help: &str| help.lines().any(|line| format!("{} ", line.trim()).contains(&listed));
            assert_eq!(lists(&short), !flag.is_hide_set(), "{listed}");
            assert!(lists(&all), "{listed} is not in\n{all}");
        }
        for heading in ["Leader election:", "Cloud:", "Reconciliation:", "Kubernetes:", "Tenants:"] {
            assert!(all.contains(heading), "{heading} is not in\n{all}");
        }
        assert!(parse(&["--help-all"]).help_all);
    }

    #[test]
    fn former_names_are_unknown_and_numbers_without_a_unit_are_refused() {
        for (former, present) in [
            ("--fast-tick-seconds", "--poll-interval-active"),
            ("--lease-seconds", "--leader-elect-lease-duration"),
            ("--lease-renew-seconds", "--leader-elect-renew-interval"),
            ("--visibility-seconds", "--list-consistency-window"),
            ("--backstop-seconds", "--operation-check-interval"),
            ("--send-limit-seconds", "--intent-ttl"),
            ("--slow-round-seconds", "--resync-interval"),
            ("--steady-tick-seconds", "--poll-interval-idle"),
            ("--most-tries", "--max-tries"),
            ("--busy-seconds", "--busy"),
        ] {
            let error = name_present_flag(refused(&[former, "5s"]));
            assert_eq!(error.kind(), ErrorKind::UnknownArgument, "{former}");
            let tips: Vec<_> =
                error.to_string().lines().filter(|line| line.contains("tip:")).map(str::to_owned).collect();
            assert!(tips.len() == 1 && tips[0].ends_with(&format!("'{present}'")), "{former}: {tips:?}");
            let id = present.trim_start_matches("--");
            assert!(Line::command().get_arguments().any(|flag| flag.get_long() == Some(id)), "{present}");
        }
        for number in ["30", "0.5", "0"] {
            let message = refused(&["--busy", number]).to_string();
            assert!(message.contains("write a duration such as 30s or 2m"), "{message}");
        }
        let message = refused(&["--retry", "5..120"]).to_string();
        assert!(message.contains("write a duration such as 30s or 2m"), "{message}");
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
        let _ = ["ops", "/x", "x/", "a/b/c"].map(|value| wrong("--credentials-secret", value));
        let _ = ["https://x", "*.x.y", "x:1"].map(|value| wrong("--allow-endpoint", value));
        let _ = ["x", "x:0", "http://x:1", "x:70000"].map(|value| wrong("--allow-insecure-endpoint", value));
        let _ = ["-1s", "x", "366days", "18446744073709551615s"].map(|value| wrong("--busy", value));
        let _ = ["5s", "5s..", "9s..5s", "0s..5s", "a..b"].map(|value| wrong("--retry", value));
    }
}
