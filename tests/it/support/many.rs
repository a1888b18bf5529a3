//! Many objects at once: looked at by one list a time, since two hundred that are asked for one by one keep an API server
//! busy that the operator needs, too.

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
    operator::{Tenant, is_held, is_well},
    world::objects::spec,
};

fn name(n: usize) -> String {
    format!("cache-{n}")
}

// === impl Tenant ===

impl Tenant {
    /// `cache-0` and so on.
    pub(crate) async fn apply_many(&self, objects: usize) {
        futures::future::join_all((0..objects).map(async |n| self.apply(&name(n), spec(json!({}))).await))
            .await;
    }

    async fn list(&self) -> Vec<DcsInstance> {
        // A fault test may have made the API server refuse, or go away.
        let listed = self.instances().list(&ListParams::default()).await;
        listed.map(|list| list.items).unwrap_or_default()
    }

    /// Waits until all are well, with an instance each.
    pub(crate) async fn until_all_well(&self, objects: usize, within: Duration) {
        let well = async || {
            let all = self.list().await;
            (all.len() == objects && all.iter().all(is_well)).then_some(())
        };
        eventually(&format!("all {objects} are well"), within, well).await;
        let simulator = self.cloud.shared.lock();
        let owners: BTreeSet<_> = simulator
            .service()
            .instances()
            .map(|instance| instance.tags.iter().find(|tag| tag.key == "dcs-operator-uid").cloned())
            .map(|tag| tag.and_then(|tag| tag.value).expect("a mark"))
            .collect();
        assert_eq!((simulator.service().instances().count(), owners.len()), (objects, objects));
    }

    /// Deletes all, and waits until there is nothing left: neither in the cloud nor in Kubernetes, where only the
    /// credentials stay, and can go.
    pub(crate) async fn delete_many(&self, objects: usize, within: Duration) {
        futures::future::join_all((0..objects).map(async |n| self.delete(&name(n)).await)).await;
        let gone = async || {
            let listed = self.instances().list(&ListParams::default()).await;
            listed.is_ok_and(|list| list.items.is_empty()).then_some(())
        };
        eventually("all objects are gone", within, gone).await;
        assert_eq!(self.cloud.names(), Vec::<String>::new(), "nothing is left in the cloud");
        let secrets: Api<Secret> = self.secrets();
        let only = async || {
            let left = secrets.list(&ListParams::default()).await.ok()?.items;
            let names: Vec<_> = left.iter().filter_map(|secret| secret.metadata.name.as_deref()).collect();
            (names == ["dcs-credentials"] && !is_held(self, "dcs-credentials").await).then_some(())
        };
        eventually("only the credentials are left, and nothing holds them", within, only).await;
        let _ = secrets.delete("dcs-credentials", &DeleteParams::default()).await.unwrap();
        assert!(secrets.get_opt("dcs-credentials").await.unwrap().is_none(), "they go at once");
    }

    /// Calls that changed something, or were to.
    pub(crate) fn changes(&self) -> Vec<Entry> {
        let simulator = self.cloud.shared.lock();
        let every = Filter::default();
        let is_read = |name: &str| ["List", "Show", "Keystone"].iter().any(|prefix| name.starts_with(prefix));
        let entries = simulator.journal().entries(&every);
        entries.filter(|entry| entry.operation.is_some_and(|name| !is_read(name))).cloned().collect()
    }

    /// How many instances were ever made, kept or not.
    pub(crate) fn ever_made(&self) -> usize {
        let made =
            |entry: &&Entry| entry.operation == Some("CreateInstance") && entry.effect.contains("created");
        self.changes().iter().filter(made).count()
    }
}
