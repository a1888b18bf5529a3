//! `dcs-operator backups` and `dcs-operator backup-links`: the backups of an instance, by the caller's own rights in the
//! cluster and the credentials that the object uses.

mod print;

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use self::print::{manifests, table};
use super::{
    Failure,
    objects::{Namespace, ObjectName},
};
use crate::{
    api::DcsBackup,
    dcs::{Cloud, model::LinksRequest},
};

/// Output of `backups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackupsFormat {
    /// Columns for people.
    Table,
    /// A DcsBackup with adopt for each backup that can be restored and that no object stands for.
    Yaml,
}

/// Flags of `dcs-operator backups`.
#[derive(Debug, Args)]
pub(crate) struct BackupsArgs {
    /// Namespace and name of a DcsInstance.
    #[arg(value_name = "NAMESPACE/INSTANCE")]
    instance: ObjectName,
    /// Output format.
    #[arg(short, long, value_enum, default_value = "table")]
    output: BackupsFormat,
}

/// Flags of `dcs-operator backup-links`.
#[derive(Debug, Args)]
pub(crate) struct LinksArgs {
    /// Namespace and name of a DcsBackup.
    #[arg(value_name = "NAMESPACE/BACKUP")]
    backup: ObjectName,
    /// How many seconds the links are valid.
    #[arg(long, default_value_t = 600, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(300..=86_400))]
    valid_seconds: u32,
}

/// Lists the backups of an instance.
///
/// # Errors
/// [`Failure`] if the object, its Secret or its backups cannot be read.
pub(crate) async fn list(args: BackupsArgs) -> Result<(), Failure> {
    let namespace = Namespace::connect(&args.instance.namespace).await?;
    let found = namespace.backups_of(&args.instance.name).await?;
    let text = match args.output {
        BackupsFormat::Table => table(&found.records, &found.names())?,
        BackupsFormat::Yaml => manifests(&args.instance, &found.records, &found.names())?,
    };
    Ok(io::stdout().lock().write_all(&text)?)
}

/// Prints links to the files of a backup. Who has them can read all data until they expire.
///
/// # Errors
/// [`Failure`] if the object, its Secret or the links cannot be read.
pub(crate) async fn links(args: LinksArgs) -> Result<(), Failure> {
    let namespace = Namespace::connect(&args.backup.namespace).await?;
    let backup: DcsBackup = namespace.get(&args.backup.name).await?;
    let status = backup.status.unwrap_or_default();
    let instance = status.instance.and_then(|instance| instance.id);
    let (Some(id), Some(instance)) = (status.id, instance) else {
        return Err(Failure::NotFound(format!("DcsBackup {} has no backup yet", args.backup.name)));
    };
    let cloud = namespace.cloud(status.account.and_then(|account| account.credentials).as_deref()).await?;
    let request = LinksRequest { expiration: args.valid_seconds };
    let found = cloud.backup_links(&instance, &id, &request).await?;
    eprintln!("valid for {} s; who has a link can read all data until then", args.valid_seconds);
    let mut text = Vec::new();
    for link in &found.links {
        writeln!(text, "{}", link.expose())?;
    }
    Ok(io::stdout().lock().write_all(&text)?)
}
