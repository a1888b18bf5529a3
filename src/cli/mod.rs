//! The command line: parses arguments, runs the command, and maps its result to an exit code.

mod account;
mod backups;
mod cloud;
pub mod crds;
pub mod docs;
mod objects;
mod output;
mod restore;
mod run;
pub mod simulate;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    dcs::{Class, account::InvalidAccount, error::Failure as CallFailure},
    telemetry,
};

/// Manages Huawei Cloud DCS (managed Redis) from Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "dcs-operator", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator, which manages the DcsInstances of a cluster.
    ///
    /// The operator finds the cluster as kubectl does (KUBECONFIG), or by the service account of its pod. Several
    /// processes may run: one leads, the others stand by.
    Run(Box<run::RunArgs>),
    /// Show an account through the operator's client of the cloud API. Read-only.
    Cloud(Box<cloud::CloudArgs>),
    /// List the backups of an instance, those of the backup policy and of the console too. Read-only.
    ///
    /// It uses your own rights in the cluster (KUBECONFIG), which must allow to read the object and the Secret with its
    /// credentials.
    Backups(backups::BackupsArgs),
    /// Print links to the files of a backup. They expire.
    ///
    /// It uses your own rights in the cluster (KUBECONFIG), which must allow to read the object and the Secret with its
    /// credentials. Who has a link can read all data.
    BackupLinks(backups::LinksArgs),
    /// Print the manifest of a DcsRestore, and say which backup it would restore now. Read-only.
    ///
    /// It uses your own rights in the cluster (KUBECONFIG), which must allow to read the object, the Secret with its
    /// credentials and the DcsBackups of the namespace. It changes nothing: pass the manifest on to kubectl create.
    Restore(restore::RestoreArgs),
    /// Serve a simulated cloud on this machine, for tests and for the development of manifests.
    Simulate(Box<simulate::SimulateArgs>),
    /// Print the CustomResourceDefinitions for `kubectl apply --server-side -f -`.
    Crds(crds::CrdsArgs),
    /// Write the generated pages of the documentation.
    #[command(hide = true)]
    Docs(docs::DocsArgs),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments or settings are invalid.
    #[error("{0}")]
    Usage(String),
    /// Something that the command names does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The cluster does not permit a read.
    #[error("{0}")]
    Forbidden(String),
    /// A cloud request failed.
    #[error("{error}\n{}", error.class().advice())]
    Cloud {
        /// The failed call.
        #[from]
        error: crate::dcs::Error,
    },
    /// The process lost its lease.
    #[error("{0}; this process exits, and a new process must take over")]
    Lease(crate::leader::LossReason),
    /// Writing the result failed.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
    /// The process could not start.
    #[error("{0}")]
    Start(io::Error),
    /// The simulator failed.
    #[error(transparent)]
    Simulate(#[from] simulate::SimulateError),
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| run::name_present_flag(error).exit());
    match run(cli) {
        // A reader may close the pipe early: `cloud list | head -1` is no failure.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run(args) if args.help_all => help_all(),
        Command::Run(args) => {
            telemetry::init(run::DEFAULT_LOG_FILTER, args.log_format.into());
            let runtime = runtime()?;
            let result = runtime.block_on(run::run(*args));
            // Remaining tasks end at their next await.
            runtime.shutdown_background();
            result
        }
        Command::Cloud(args) => {
            telemetry::init("warn", telemetry::Format::Text);
            runtime()?.block_on(cloud::run(*args))
        }
        Command::Backups(args) => {
            telemetry::init("warn", telemetry::Format::Text);
            runtime()?.block_on(backups::list(args))
        }
        Command::BackupLinks(args) => {
            telemetry::init("warn", telemetry::Format::Text);
            runtime()?.block_on(backups::links(args))
        }
        Command::Restore(args) => {
            telemetry::init("warn", telemetry::Format::Text);
            runtime()?.block_on(restore::run(args))
        }
        Command::Simulate(args) => {
            telemetry::init("info", telemetry::Format::Text);
            Ok(runtime()?.block_on(simulate::run(*args))?)
        }
        Command::Crds(args) => crds::run(&args),
        Command::Docs(args) => docs::run(&args),
    }
}

/// Prints help for all flags of `run`.
fn help_all() -> Result<(), Failure> {
    let mut command = Cli::command();
    // Sets the usage line of subcommands.
    command.build();
    match command.find_subcommand("run") {
        Some(run) => Ok(write!(io::stdout(), "{}", run::help_all(run))?),
        None => Ok(()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Start)
}

// === impl Failure ===

impl Failure {
    /// 2: invalid usage or settings; 3: not found; 4: credentials or permissions; 5: temporary failure; 1: any other.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Forbidden(_) => 4,
            Self::Output(_) | Self::Start(_) | Self::Simulate(_) | Self::Lease(_) => 1,
            Self::Cloud { error } if matches!(error.failure(), CallFailure::NotAttempted(_)) => 2,
            Self::Cloud { error } => match error.class() {
                Class::NotFound => 3,
                Class::Credentials | Class::Forbidden => 4,
                Class::Transient | Class::Busy | Class::Throttled => 5,
                Class::Ambiguous | Class::Invalid | Class::Quota | Class::Balance | Class::Unsupported => 1,
            },
        }
    }
}

impl From<InvalidAccount> for Failure {
    fn from(error: InvalidAccount) -> Self {
        Self::Usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        Cli::command().debug_assert();
    }
}
