//! `dcs-operator simulate`: a local DCS and IAM endpoint.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    clock::{Clock, SystemClock},
    simulator::{
        AccessKey, BackupOptions, Directory, InvalidSpeed, Options, Settings, Simulator,
        http::{self, Shared},
        options::{Site, Zone},
        persist::{self, StateError},
    },
};

/// Serves a local DCS and IAM endpoint for developing manifests and for tests.
///
/// Prints one line of JSON when it is ready: {"endpoint", "iamEndpoint", "projectId", "region"}. The control API
/// under /_simulator (GET it for a list) has no authentication, so only loopback addresses are allowed unless
/// --allow-remote is set.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Address to listen on; port 0 selects a free port.
    #[arg(long, env = "DCS_SIMULATOR_ADDR", default_value = "127.0.0.1:0", value_name = "IP:PORT")]
    pub addr: SocketAddr,
    /// Allow an address that other machines can reach.
    #[arg(long, env = "DCS_SIMULATOR_ALLOW_REMOTE")]
    pub allow_remote: bool,
    /// Access key that requests must be signed with.
    #[arg(long, env = "DCS_SIMULATOR_ACCESS_KEY", default_value = "simulator", value_name = "AK")]
    pub access_key: String,
    /// Secret key of the access key.
    #[arg(
        long,
        env = "DCS_SIMULATOR_SECRET_KEY",
        hide_env_values = true,
        default_value = "simulator-secret",
        value_name = "SK"
    )]
    pub secret_key: SecretString,
    /// Security token that makes the access key a temporary one.
    #[arg(long, env = "DCS_SIMULATOR_SECURITY_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub security_token: Option<SecretString>,
    /// Account name (IAM calls it a domain).
    #[arg(long, env = "DCS_SIMULATOR_DOMAIN_NAME", default_value = "simulator", value_name = "NAME")]
    pub domain_name: String,
    /// IAM user that can request tokens.
    #[arg(long, env = "DCS_SIMULATOR_USERNAME", default_value = "simulator", value_name = "NAME")]
    pub username: String,
    /// Password of the IAM user.
    #[arg(
        long,
        env = "DCS_SIMULATOR_PASSWORD",
        hide_env_values = true,
        default_value = "simulator-password",
        value_name = "PASSWORD"
    )]
    pub password: SecretString,
    /// Lifetime of a token.
    #[arg(long, env = "DCS_SIMULATOR_TOKEN_SECONDS", default_value_t = 86_400, value_name = "SECONDS")]
    pub token_seconds: u64,
    /// Lock an access key for five minutes after five consecutive failures.
    #[arg(long, env = "DCS_SIMULATOR_LOCK_KEYS")]
    pub lock_keys: bool,
    /// Id of the served project; a fixed id if omitted.
    #[arg(long, env = "DCS_SIMULATOR_PROJECT_ID", value_name = "ID")]
    pub project_id: Option<String>,
    /// Region code, also the name of the project; sim-region-1 if omitted.
    #[arg(long, env = "DCS_SIMULATOR_REGION", value_name = "REGION")]
    pub region: Option<String>,
    /// Availability zone codes; if omitted, the region code with a, b, c and a sold-out d.
    #[arg(long, env = "DCS_SIMULATOR_ZONES", value_delimiter = ',', value_name = "CODES")]
    pub zones: Vec<String>,
    /// Additional project that IAM lists; may be repeated.
    #[arg(long, env = "DCS_SIMULATOR_OTHER_PROJECTS", value_delimiter = ',', value_parser = project, value_name = "NAME=ID")]
    pub other_project: Vec<(String, String)>,
    /// Simulated seconds per real second; 0 stops the clock, so that only /_simulator/clock/step advances it.
    #[arg(long, env = "DCS_SIMULATOR_SPEED", default_value_t = 1.0, value_name = "FACTOR")]
    pub speed: f64,
    /// Simulated time that creating an instance takes.
    #[arg(long, env = "DCS_SIMULATOR_PROVISIONING_SECONDS", default_value = "100", value_parser = seconds, value_name = "SECONDS")]
    pub provisioning_seconds: Duration,
    /// Simulated time that changing an instance takes.
    #[arg(long, env = "DCS_SIMULATOR_OPERATION_SECONDS", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub operation_seconds: Duration,
    /// Simulated time that deleting an instance takes.
    #[arg(long, env = "DCS_SIMULATOR_DELETION_SECONDS", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub deletion_seconds: Duration,
    /// Simulated time during which a new instance is missing from lists and reads.
    #[arg(long, env = "DCS_SIMULATOR_VISIBLE_AFTER_SECONDS", default_value = "0", value_parser = seconds, value_name = "SECONDS")]
    pub visible_after_seconds: Duration,
    /// Behaviour profile to emulate: main, newer, older or quirky.
    #[arg(long, env = "DCS_SIMULATOR_SITE", default_value_t, value_name = "SITE")]
    pub site: Site,
    /// Instance quota of the tenant.
    #[arg(long, env = "DCS_SIMULATOR_QUOTA_INSTANCES", default_value_t = 100, value_name = "NUMBER")]
    pub quota_instances: i64,
    /// Memory quota of the tenant, in GB.
    #[arg(long, env = "DCS_SIMULATOR_QUOTA_RAM_GB", default_value_t = 3200, value_name = "GB")]
    pub quota_ram_gb: i64,
    /// Reject a name that another instance already has.
    #[arg(long, env = "DCS_SIMULATOR_UNIQUE_NAMES")]
    pub unique_names: bool,
    /// List failed creations when include_failure is set, instead of only counting them.
    #[arg(long, env = "DCS_SIMULATOR_LIST_FAILURES")]
    pub list_failures: bool,
    /// Sell Redis 3.0 as well, which the profiles older and quirky always do.
    #[arg(long, env = "DCS_SIMULATOR_REDIS_3")]
    pub redis_3: bool,
    /// List instances without their tags, as some sites do.
    #[arg(long, env = "DCS_SIMULATOR_LIST_WITHOUT_TAGS")]
    pub list_without_tags: bool,
    /// Backups and restores.
    #[command(flatten)]
    pub backups: BackupArgs,
    /// Seed for ids, addresses and fault probabilities.
    #[arg(long, env = "DCS_SIMULATOR_SEED", default_value_t = 1, value_name = "NUMBER")]
    pub seed: u64,
    /// File that persists the state across restarts.
    #[arg(long, env = "DCS_SIMULATOR_STATE", value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// File with a JSON fault script that is active from the start.
    #[arg(long, env = "DCS_SIMULATOR_FAULTS", value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Maximum number of calls that the journal keeps.
    #[arg(long, env = "DCS_SIMULATOR_JOURNAL_ENTRIES", default_value_t = 100_000, value_name = "NUMBER")]
    pub journal_entries: usize,
}

/// Backups and restores. What the service does not document is a flag.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Simulated time that a backup or restore waits before it starts.
    #[arg(long, env = "DCS_SIMULATOR_BACKUP_QUEUE_SECONDS", default_value = "10", value_parser = seconds, value_name = "SECONDS")]
    pub backup_queue_seconds: Duration,
    /// Simulated time that a backup runs.
    #[arg(long, env = "DCS_SIMULATOR_BACKUP_SECONDS", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub backup_seconds: Duration,
    /// Simulated time that a restore runs.
    #[arg(long, env = "DCS_SIMULATOR_RESTORE_SECONDS", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub restore_seconds: Duration,
    /// Backups of an instance, automatic and manual together; one more removes the earliest. 0 for no limit.
    #[arg(long, env = "DCS_SIMULATOR_BACKUP_LIMIT", default_value_t = 24, value_name = "NUMBER")]
    pub backup_limit: usize,
    /// Count failed backups towards the limit.
    #[arg(long, env = "DCS_SIMULATOR_BACKUP_LIMIT_COUNTS_FAILED")]
    pub backup_limit_counts_failed: bool,
    /// Let a running backup be deleted, which ends it, instead of refusing that.
    #[arg(long, env = "DCS_SIMULATOR_DELETE_RUNNING_BACKUPS")]
    pub delete_running_backups: bool,
    /// Leave deleted and expired backups out of the list, instead of listing them with that status.
    #[arg(long, env = "DCS_SIMULATOR_HIDE_REMOVED_BACKUPS")]
    pub hide_removed_backups: bool,
    /// Simulated time that restores stay listed.
    #[arg(long, env = "DCS_SIMULATOR_RESTORES_LISTED_SECONDS", default_value = "7776000", value_parser = seconds, value_name = "SECONDS")]
    pub restores_listed_seconds: Duration,
    /// Let the offset of the lists of backups and restores count pages instead of records.
    #[arg(long, env = "DCS_SIMULATOR_OFFSET_COUNTS_PAGES")]
    pub offset_counts_pages: bool,
    /// Offer neither backups nor restores (DCS.4095).
    #[arg(long, env = "DCS_SIMULATOR_WITHOUT_BACKUPS")]
    pub without_backups: bool,
}

/// The simulator failed to start or to continue.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The address is not a loopback address.
    #[error(
        "{0} is reachable from other machines and /_simulator has no authentication: use a loopback address or add --allow-remote"
    )]
    Remote(SocketAddr),
    /// Binding the address failed.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Requested address.
        address: SocketAddr,
        /// Cause.
        source: io::Error,
    },
    /// The clock speed is invalid.
    #[error(transparent)]
    Speed(#[from] InvalidSpeed),
    /// Reading or writing the state file failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// The fault script is invalid or unreadable.
    #[error("fault script {path}: {reason}")]
    Faults {
        /// Path of the script.
        path: PathBuf,
        /// Cause.
        reason: String,
    },
    /// A signal handler, standard output or the server failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Serves until the process receives SIGINT or SIGTERM.
///
/// # Errors
/// [`SimulateError`] if the simulator cannot start, cannot continue, or cannot store its state.
pub async fn run(args: SimulateArgs) -> Result<(), SimulateError> {
    let address = args.addr;
    if !address.ip().is_loopback() && !args.allow_remote {
        return Err(SimulateError::Remote(address));
    }
    let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let state = args.state.clone().map(Arc::<Path>::from);
    let simulator = prepare(args, clock.as_ref())?;
    let listener =
        TcpListener::bind(address).await.map_err(|source| SimulateError::Listen { address, source })?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    print_ready(&json!({
        "endpoint": endpoint,
        "iamEndpoint": endpoint,
        "projectId": simulator.project_id(),
        "region": simulator.region(),
    }))?;
    serve(listener, Shared::new(simulator, clock), state, shutdown_signal(interrupt, terminate)).await
}

/// Builds the simulator from the flags, the stored state and the fault script.
fn prepare(args: SimulateArgs, clock: &dyn Clock) -> Result<Simulator, SimulateError> {
    let (state, faults) = (args.state.clone(), args.faults.clone());
    let monotonic = clock.monotonic();
    let mut simulator = Simulator::new(settings(args), clock.now(), monotonic)?;
    if let Some(path) = state {
        persist::load(&path, &mut simulator, monotonic)?;
    }
    if let Some(path) = faults {
        let read = std::fs::read(&path).map_err(|error| error.to_string());
        let script =
            read.and_then(|text| serde_json::from_slice::<Value>(&text).map_err(|error| error.to_string()));
        let added = script.and_then(|script| simulator.add_faults(monotonic, &script));
        added.map_err(|reason| SimulateError::Faults { path, reason })?;
    }
    Ok(simulator)
}

fn settings(args: SimulateArgs) -> Settings {
    let key = AccessKey {
        secret: args.secret_key.clone(),
        security_token: args.security_token.clone(),
        expires_at: None,
    };
    let mut directory = Directory::new(&args.domain_name)
        .with_user(&args.username, args.password.expose_secret())
        .with_token_lifetime(Duration::from_secs(args.token_seconds));
    directory.put_key(&args.access_key, key);
    for (name, id) in &args.other_project {
        directory = directory.with_project(id, name);
    }
    Settings {
        directory,
        speed: args.speed,
        locks_keys: args.lock_keys,
        journal_entries: args.journal_entries,
        service: options(args),
    }
}

fn options(args: SimulateArgs) -> Options {
    let defaults = Options::default();
    let region = args.region.unwrap_or(defaults.region);
    let zone = |code: String, sold_out| Zone { code, sold_out };
    let zones = if args.zones.is_empty() {
        ["a", "b", "c", "d"].map(|letter| zone(format!("{region}{letter}"), letter == "d")).into()
    } else {
        args.zones.into_iter().map(|code| zone(code, false)).collect()
    };
    Options {
        provisioning: args.provisioning_seconds,
        operation: args.operation_seconds,
        deletion: args.deletion_seconds,
        seed: args.seed,
        site: args.site,
        project_id: args.project_id.unwrap_or(defaults.project_id),
        region,
        zones,
        networks: defaults.networks,
        quota_instances: args.quota_instances,
        quota_ram_gb: args.quota_ram_gb,
        unique_names: args.unique_names,
        list_failures: args.list_failures,
        redis_3: args.redis_3,
        list_without_tags: args.list_without_tags,
        visible_after: args.visible_after_seconds,
        listed_flavors: defaults.listed_flavors,
        backups: backup_options(&args.backups),
    }
}

fn backup_options(args: &BackupArgs) -> BackupOptions {
    BackupOptions {
        offered: !args.without_backups,
        queue: args.backup_queue_seconds,
        backup: args.backup_seconds,
        restore: args.restore_seconds,
        limit: args.backup_limit,
        limit_counts_failed: args.backup_limit_counts_failed,
        delete_running: args.delete_running_backups,
        list_removed: !args.hide_removed_backups,
        restores_listed: args.restores_listed_seconds,
        offset_counts_pages: args.offset_counts_pages,
    }
}

/// Serves until `end` completes; stores the state after changes and once more at the end.
async fn serve(
    listener: TcpListener,
    shared: Shared,
    state: Option<Arc<Path>>,
    end: impl Future<Output = ()> + Send + 'static,
) -> Result<(), SimulateError> {
    let server = http::serve(listener, shared.clone(), end);
    match state {
        None => server.await?,
        Some(path) => {
            tokio::select! {
                outcome = server => outcome?,
                outcome = persist::save_on_change(Arc::clone(&path), shared.clone()) => outcome?,
            }
            persist::save(path, &shared).await?;
        }
    }
    Ok(())
}

async fn shutdown_signal(mut interrupt: Signal, mut terminate: Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Writes one line to standard output and flushes it.
fn print_ready(line: &Value) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn project(text: &str) -> Result<(String, String), String> {
    let (name, id) = text.split_once('=').ok_or("expected NAME=ID")?;
    Ok((name.to_owned(), id.to_owned()))
}
