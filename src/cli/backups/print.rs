//! The outputs of `dcs-operator backups`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde_json::json;

use crate::{
    cli::{
        Failure,
        objects::ObjectName,
        output::{self, or_dash},
    },
    dcs::model::{BackupRecord, time},
};

/// Columns for people.
pub(super) fn table(records: &[BackupRecord], objects: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
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
pub(super) fn manifests(
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
