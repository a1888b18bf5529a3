//! Operations on many objects. They read lists instead of single objects, to keep the load of the API server low.

use std::{collections::BTreeSet, time::Duration};

use dcs_operator::{
    api::DcsInstance,
    simulator::{Entry, Filter},
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

use super::{
    eventually::eventually,
    tenant::{Tenant, has_in_use_finalizer, is_healthy},
    world::objects::spec,
};

fn name(n: usize) -> String {
    format!("cache-{n}")
}

// === impl Tenant ===

impl Tenant {
    /// Creates objects `cache-0`, `cache-1` and so on.
    pub(crate) async fn apply_many(&self, objects: usize) {
        futures::future::join_all((0..objects).map(async |n| self.apply(&name(n), spec(json!({}))).await))
            .await;
    }

    async fn list(&self) -> Vec<DcsInstance> {
        // Fault tests make the API server refuse requests or stop.
        let listed = self.instances().list(&ListParams::default()).await;
        listed.map(|list| list.items).unwrap_or_default()
    }

    /// Waits until all objects are healthy and have one instance each.
    pub(crate) async fn wait_until_all_healthy(&self, objects: usize, within: Duration) {
        let healthy = async || {
            let all = self.list().await;
            (all.len() == objects && all.iter().all(is_healthy)).then_some(())
        };
        eventually(&format!("all {objects} are healthy"), within, healthy).await;
        let simulator = self.cloud.shared.lock();
        let owners: BTreeSet<_> = simulator
            .service()
            .instances()
            .map(|instance| instance.tags.iter().find(|tag| tag.key == "dcs-operator-uid").cloned())
            .map(|tag| tag.and_then(|tag| tag.value).expect("an ownership tag"))
            .collect();
        assert_eq!((simulator.service().instances().count(), owners.len()), (objects, objects));
    }

    /// Deletes all objects, and waits until no instance and no Secret is left except the credentials.
    pub(crate) async fn delete_many(&self, objects: usize, within: Duration) {
        futures::future::join_all((0..objects).map(async |n| self.delete(&name(n)).await)).await;
        let gone = async || {
            let listed = self.instances().list(&ListParams::default()).await;
            listed.is_ok_and(|list| list.items.is_empty()).then_some(())
        };
        eventually("all objects are gone", within, gone).await;
        assert_eq!(self.cloud.names(), Vec::<String>::new(), "no instance is left in the cloud");
        let secrets: Api<Secret> = self.secrets();
        let only = async || {
            let left = secrets.list(&ListParams::default()).await.ok()?.items;
            let names: Vec<_> = left.iter().filter_map(|secret| secret.metadata.name.as_deref()).collect();
            (names == ["dcs-credentials"] && !has_in_use_finalizer(self, "dcs-credentials").await)
                .then_some(())
        };
        eventually("only the credentials Secret is left, without finalizer", within, only).await;
        let _ = secrets.delete("dcs-credentials", &DeleteParams::default()).await.unwrap();
        assert!(
            secrets.get_opt("dcs-credentials").await.unwrap().is_none(),
            "the credentials Secret is deleted at once"
        );
    }

    /// Write requests in the journal.
    pub(crate) fn changes(&self) -> Vec<Entry> {
        let simulator = self.cloud.shared.lock();
        let every = Filter::default();
        let is_read = |name: &str| ["List", "Show", "Keystone"].iter().any(|prefix| name.starts_with(prefix));
        let entries = simulator.journal().entries(&every);
        entries.filter(|entry| entry.operation.is_some_and(|name| !is_read(name))).cloned().collect()
    }

    /// Number of instances that were ever created.
    pub(crate) fn created_count(&self) -> usize {
        let made =
            |entry: &&Entry| entry.operation == Some("CreateInstance") && entry.effect.contains("created");
        self.changes().iter().filter(made).count()
    }
}
