//! `dcs-operator restore`: the manifest of a DcsRestore, and what it would restore now.

mod choice;
mod manifest;
mod time;

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::{ArgGroup, Args};
use kube::ResourceExt;

use self::{
    choice::{Source, choose},
    manifest::{Manifest, default_name, object_name},
    time::{PastTime, shown, validity},
};
use super::{
    Failure,
    objects::{Namespace, ObjectName},
};
use crate::{
    api::instance::ManagementPolicy,
    clock::{Clock, SystemClock},
    controller::ManagedResource,
};

/// A backup before the restore takes 5 to 30 minutes, and the consent has to outlast it.
const LONG_ENOUGH_FOR_A_BACKUP: Duration = Duration::from_secs(30 * 60);

/// Flags of `dcs-operator restore`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true)))]
pub(crate) struct RestoreArgs {
    /// Namespace and name of a DcsInstance.
    #[arg(value_name = "NAMESPACE/INSTANCE")]
    instance: ObjectName,
    /// Restore the newest backup that was complete by this time: RFC 3339, or HH:MM of today in UTC.
    #[arg(long, value_name = "TIME", group = "source")]
    before: Option<PastTime>,
    /// Restore the backup with this ID.
    #[arg(long, value_name = "ID", group = "source")]
    backup: Option<String>,
    /// Restore the backup of this DcsBackup of the namespace.
    #[arg(long, value_name = "NAME", group = "source")]
    backup_name: Option<String>,
    /// Consent to the loss of the present data, valid for this long: 30m, 1h, 2h30m, at most 7days. Without it the restore
    /// waits for an approval by annotation.
    #[arg(long, value_name = "DURATION", value_parser = validity)]
    valid_for: Option<Duration>,
    /// Name of the DcsRestore. The default has the name of the instance and the time.
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    name: Option<String>,
    /// Make no backup of the present data before the restore.
    #[arg(long)]
    no_backup_first: bool,
}

/// Prints the manifest, and on standard error what it would restore now.
///
/// # Errors
/// [`Failure`] if the object, its Secret or its backups cannot be read, or no backup can be restored.
pub(crate) async fn run(args: RestoreArgs) -> Result<(), Failure> {
    let now = SystemClock::default().now();
    let source = match (args.before, args.backup, args.backup_name) {
        (Some(before), _, _) => Source::LatestBefore(before.resolve(now).map_err(Failure::Usage)?),
        (None, Some(id), _) => Source::BackupId(id),
        (None, None, Some(name)) => Source::BackupRef(name),
        (None, None, None) => return Err(Failure::Usage("name a backup, or a time".to_owned())),
    };
    let namespace = Namespace::connect(&args.instance.namespace).await?;
    let found = namespace.backups_of(&args.instance.name).await?;
    if found.instance.is_deleting() {
        eprintln!("warning: DcsInstance {} is being deleted", args.instance);
    }
    if found.instance.spec.management_policy == Some(ManagementPolicy::Observe) {
        return Err(Failure::Usage(format!(
            "DcsInstance {} has managementPolicy Observe: the operator restores nothing into its instance",
            args.instance
        )));
    }
    let choice = choose(&source, &found)?;
    let manifest = Manifest {
        name: args.name.unwrap_or_else(|| default_name(&found.instance.name_any(), now)),
        instance: args.instance,
        source,
        not_after: args.valid_for.map(|valid_for| now + valid_for),
        backup_first: !args.no_backup_first,
    };
    eprintln!("{}", choice.describe(&found.instance));
    eprintln!("{}", what_follows(&manifest, args.valid_for));
    Ok(io::stdout().lock().write_all(manifest.text()?.as_bytes())?)
}

/// What happens with the manifest.
fn what_follows(manifest: &Manifest, valid_for: Option<Duration>) -> String {
    let target = &manifest.instance;
    match (manifest.not_after, valid_for) {
        (Some(not_after), Some(valid_for)) => {
            let short = if manifest.backup_first && valid_for < LONG_ENOUGH_FOR_A_BACKUP {
                "; the backup before it takes 5 to 30 minutes, and the restore must begin within that time"
            } else {
                ""
            };
            let end = shown(not_after);
            format!(
                "pass the manifest on to kubectl create: it replaces all data of {target} until {end}{short}"
            )
        }
        _ => format!(
            "pass the manifest on to kubectl create: it replaces all data of {target} once it is approved, and its status \
             names the command"
        ),
    }
}
