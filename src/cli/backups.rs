//! `dcs-operator backups` and `dcs-operator backup-links`: the backups of an instance, by the caller's own rights in the
//! cluster and the credentials that the object uses.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use clap::{Args, ValueEnum};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Config, Resource, ResourceExt, api::ListParams, core::NamespaceResourceScope};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    Failure,
    account::{account_of_secret, client},
    output::{self, or_dash},
};
use crate::{
    api::{DcsBackup, DcsInstance},
    controller::CredentialsChoice,
    dcs::{
        Client, Cloud, list_all_backups,
        model::{BackupRecord, LinksRequest, time},
    },
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

/// `NAMESPACE/NAME`.
#[derive(Debug, Clone)]
struct ObjectName {
    namespace: String,
    name: String,
}

// === impl ObjectName ===

impl std::str::FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("write NAMESPACE/NAME".to_owned()),
        }
    }
}

/// Lists the backups of an instance.
///
/// # Errors
/// [`Failure`] if the object, its Secret or its backups cannot be read.
pub(crate) async fn list(args: BackupsArgs) -> Result<(), Failure> {
    let cluster = Cluster::connect(&args.instance.namespace).await?;
    let instance: DcsInstance = cluster.get(&args.instance.name).await?;
    let Some(id) = instance.status.as_ref().and_then(|status| status.id.clone()) else {
        return Err(Failure::Usage(format!("DcsInstance {} has no instance yet", args.instance.name)));
    };
    let credentials = instance.spec.credentials_ref.as_ref().map(|named| named.name.as_str());
    let cloud = cluster.cloud(credentials).await?;
    let listing = list_all_backups(&cloud, &id, None).await?;
    if !listing.complete {
        eprintln!("warning: backups were made or deleted during the listing; the list may be incomplete");
    }
    let objects = cluster.objects().await?;
    let text = match args.output {
        BackupsFormat::Table => table(&listing.records, &objects)?,
        BackupsFormat::Yaml => manifests(&args.instance, &listing.records, &objects)?,
    };
    Ok(io::stdout().lock().write_all(&text)?)
}

/// Prints links to the files of a backup. Who has them can read all data until they expire.
///
/// # Errors
/// [`Failure`] if the object, its Secret or the links cannot be read.
pub(crate) async fn links(args: LinksArgs) -> Result<(), Failure> {
    let cluster = Cluster::connect(&args.backup.namespace).await?;
    let backup: DcsBackup = cluster.get(&args.backup.name).await?;
    let status = backup.status.unwrap_or_default();
    let instance = status.instance.and_then(|instance| instance.id);
    let (Some(id), Some(instance)) = (status.id, instance) else {
        return Err(Failure::Usage(format!("DcsBackup {} has no backup yet", args.backup.name)));
    };
    let cloud = cluster.cloud(status.account.and_then(|account| account.credentials).as_deref()).await?;
    let request = LinksRequest { expiration: args.valid_seconds };
    let found = cloud.backup_links(&instance, &id, &request).await?;
    eprintln!("valid for {} s; who has a link can read all data until then", args.valid_seconds);
    let mut text = Vec::new();
    for link in &found.links {
        writeln!(text, "{}", link.expose())?;
    }
    Ok(io::stdout().lock().write_all(&text)?)
}

/// A namespace of the cluster, as the caller may read it.
struct Cluster {
    client: kube::Client,
    namespace: String,
}

// === impl Cluster ===

impl Cluster {
    async fn connect(namespace: &str) -> Result<Self, Failure> {
        let config = Config::infer()
            .await
            .map_err(|error| Failure::Usage(format!("cannot find the cluster: {error}; set KUBECONFIG")))?;
        let client = kube::Client::try_from(config).map_err(|error| unreadable("the cluster", &error))?;
        Ok(Self { client, namespace: namespace.to_owned() })
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn get<K>(&self, name: &str) -> Result<K, Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let what = format!("{} {}/{name}", K::kind(&()), self.namespace);
        self.api().get(name).await.map_err(|error| unreadable(&what, &error))
    }

    /// The names of the DcsBackups, by the id of their backup.
    async fn objects(&self) -> Result<BTreeMap<String, String>, Failure> {
        let listed = self.api::<DcsBackup>().list(&ListParams::default()).await;
        let listed = listed.map_err(|error| unreadable("the DcsBackups", &error))?.items;
        let id = |object: &DcsBackup| object.status.as_ref()?.id.clone();
        Ok(listed.iter().filter_map(|object| Some((id(object)?, object.name_any()))).collect())
    }

    /// A client with the credentials in a Secret.
    async fn cloud(&self, secret: Option<&str>) -> Result<Client, Failure> {
        let named = CredentialsChoice::named(&self.namespace, secret).secret;
        let secret: Secret = self.get(&named.name).await?;
        client(account_of_secret(secret.data.unwrap_or_default())?)
    }
}

fn unreadable(what: &str, error: &kube::Error) -> Failure {
    Failure::Usage(format!("{what} cannot be read: {error}"))
}

fn table(records: &[BackupRecord], objects: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
    let rows: Vec<_> = records
        .iter()
        .map(|record| {
            vec![
                record.backup_id.clone(),
                or_dash(record.backup_type.as_ref()),
                or_dash(record.status.as_ref()),
                or_dash(record.created_at.map(time::format)),
                or_dash(record.size),
                record.is_restorable().to_string(),
                or_dash(objects.get(&record.backup_id)),
            ]
        })
        .collect();
    let mut out = Vec::new();
    output::table(&mut out, &["ID", "TYPE", "STATUS", "CREATED", "BYTES", "RESTORABLE", "DCSBACKUP"], &rows)?;
    Ok(out)
}

/// Manifests that take over what no object stands for.
fn manifests(
    instance: &ObjectName,
    records: &[BackupRecord],
    objects: &BTreeMap<String, String>,
) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    let left =
        records.iter().filter(|record| record.is_restorable() && !objects.contains_key(&record.backup_id));
    for record in left {
        let short: String = record.backup_id.chars().take(8).collect();
        let start: String = instance.name.chars().take(54).collect();
        let manifest = json!({
            "apiVersion": "dcs.huaweicloud.com/v1alpha1",
            "kind": "DcsBackup",
            "metadata": {"name": format!("{start}-{short}"), "namespace": instance.namespace},
            "spec": {"instanceRef": {"name": instance.name}, "adopt": {"backupId": record.backup_id}},
        });
        let yaml = serde_saphyr::to_string(&manifest).map_err(io::Error::other)?;
        write!(out, "---\n{yaml}")?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_two_parts() {
        assert!("shop/sessions".parse::<ObjectName>().is_ok());
        for wrong in ["sessions", "/sessions", "shop/", "a/b/c", ""] {
            assert!(wrong.parse::<ObjectName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_no_object_stands_for_can_be_adopted() {
        let record = |id: &str, status: &str| -> BackupRecord {
            serde_json::from_value(json!({"backup_id": id, "status": status, "is_support_restore": true}))
                .unwrap()
        };
        let records =
            [record("11111111-a", "succeed"), record("22222222-b", "succeed"), record("3", "failed")];
        let objects = [("22222222-b".to_owned(), "nightly".to_owned())].into();
        let instance = "shop/sessions".parse().unwrap();
        let yaml = String::from_utf8(manifests(&instance, &records, &objects).unwrap()).unwrap();
        assert_eq!(yaml.matches("kind: DcsBackup").count(), 1, "{yaml}");
        assert!(yaml.contains("name: sessions-11111111") && yaml.contains("backupId: 11111111-a"), "{yaml}");
        let shown = String::from_utf8(table(&records, &objects).unwrap()).unwrap();
        assert!(
            shown.lines().any(|line| line.starts_with("22222222-b") && line.ends_with("nightly")),
            "{shown}"
        );
    }
}
