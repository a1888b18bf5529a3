//! A scripted `Cloud` that answers lists from its instances.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use serde_json::json;
use tokio::task::yield_now;

use crate::dcs::{
    Cloud, Error,
    error::{Failure, Refusal},
    model::{
        AvailabilityZones, BackupLinks, BackupPage, CreateBackup, CreateInstance, CreatedInstance, Flavor,
        FlavorQuery, InstanceDetail, InstancePage, InstanceQuery, InstanceStatistic, InstanceSummary, Job,
        LinksRequest, MaintenanceWindow, QuotaResource, RecordQuery, ResetPassword, ResizeInstance,
        RestoreBackup, RestorePage, StatusCounts, TagsChange, TaskPage, TaskProgress, TaskQuery,
        UpdateInstance,
    },
    operation::{LIST_FLAVORS, LIST_INSTANCES},
};

#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) status: &'static str,
    pub(super) uid: Option<&'static str>,
    pub(super) used_memory: u64,
}

/// The answer to a list.
#[derive(Debug)]
pub(super) enum Reply {
    Truth,
    /// The announced total differs from the number of instances.
    Short,
    Error(Error),
}

/// Answers lists from its instances or its script. Yields before and after each effect.
#[derive(Debug, Default)]
pub(super) struct Script {
    instances: Mutex<BTreeMap<&'static str, Instance>>,
    replies: Mutex<VecDeque<Reply>>,
    calls: Mutex<Vec<String>>,
    catalogue_fails: Mutex<bool>,
}

pub(super) fn refused(status: u16, retry_after: Option<Duration>) -> Reply {
    let refusal = Refusal { status, retry_after, ..Refusal::default() };
    Reply::Error(Error::new(&LIST_INSTANCES, Failure::Refused(refusal), 1))
}

// === impl Instance ===

impl Default for Instance {
    fn default() -> Self {
        Self { status: "RUNNING", uid: None, used_memory: 0 }
    }
}

impl Instance {
    fn summary(&self, id: &str) -> InstanceSummary {
        let tags: Vec<_> =
            self.uid.iter().map(|uid| json!({"key": "dcs-operator-uid", "value": uid})).collect();
        let seen = json!({
            "instance_id": id, "status": self.status, "used_memory": self.used_memory, "tags": tags,
        });
        serde_json::from_value(seen).unwrap()
    }
}

// === impl Script ===

impl Script {
    pub(super) fn set(&self, id: &'static str, instance: Instance) {
        self.instances.lock().unwrap().insert(id, instance);
    }

    pub(super) fn remove(&self, id: &str) {
        self.instances.lock().unwrap().remove(id);
    }

    /// Answers to the next lists; later ones are truthful.
    pub(super) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    pub(super) fn fail_catalogue(&self, fails: bool) {
        *self.catalogue_fails.lock().unwrap() = fails;
    }

    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    fn page(&self, query: &InstanceQuery) -> Result<InstancePage, Error> {
        let failed = query.status.as_ref().map(|status| format!("list {status}"));
        self.note(failed.clone().unwrap_or_else(|| "list".to_owned()));
        let instances = self.instances.lock().unwrap();
        let matching =
            instances.iter().filter(|(_, seen)| (seen.status == "CREATEFAILED") == failed.is_some());
        let instances: Vec<_> = matching.map(|(id, instance)| instance.summary(id)).collect();
        let instance_num = i64::try_from(instances.len()).unwrap();
        match self.replies.lock().unwrap().pop_front().unwrap_or(Reply::Truth) {
            Reply::Truth => Ok(InstancePage { instance_num, instances }),
            // One fewer, so that no further page is requested.
            Reply::Short => Ok(InstancePage { instance_num: instance_num - 1, instances }),
            Reply::Error(error) => Err(error),
        }
    }

    async fn catalogue<T: Default>(&self, name: &str) -> Result<Vec<T>, Error> {
        yield_now().await;
        self.note(name.to_owned());
        let fails = *self.catalogue_fails.lock().unwrap();
        yield_now().await;
        if fails { Err(not_scripted()) } else { Ok(vec![T::default()]) }
    }
}

fn not_scripted() -> Error {
    Error::new(&LIST_FLAVORS, Failure::NotAttempted("not scripted".to_owned()), 0)
}

/// Methods that the inventory does not call.
macro_rules! not_scripted {
    ($($method:ident($($argument:ty),*) -> $answer:ty;)*) => {
        $(async fn $method(&self $(, _: $argument)*) -> Result<$answer, Error> {
            Err(not_scripted())
        })*
    };
}

impl Cloud for Script {
    async fn list_instances(&self, query: &InstanceQuery) -> Result<InstancePage, Error> {
        yield_now().await;
        let page = self.page(query);
        yield_now().await;
        page
    }

    async fn list_flavors(&self, _: &FlavorQuery) -> Result<Vec<Flavor>, Error> {
        self.catalogue("flavors").await
    }

    async fn list_maintenance_windows(&self) -> Result<Vec<MaintenanceWindow>, Error> {
        self.catalogue("windows").await
    }

    not_scripted! {
        create_instance(&CreateInstance) -> CreatedInstance;
        show_instance(&str) -> InstanceDetail;
        update_instance(&str, &UpdateInstance) -> ();
        delete_instance(&str) -> ();
        resize_instance(&str, &ResizeInstance) -> ();
        reset_password(&str, &ResetPassword) -> ();
        change_tags(&str, &TagsChange) -> ();
        count_instances(bool) -> StatusCounts;
        list_statistics() -> Vec<InstanceStatistic>;
        list_tasks(&str, &TaskQuery) -> TaskPage;
        create_backup(&str, &CreateBackup) -> String;
        list_backups(&str, &RecordQuery) -> BackupPage;
        delete_backup(&str, &str) -> ();
        backup_links(&str, &str, &LinksRequest) -> BackupLinks;
        restore_instance(&str, &RestoreBackup) -> String;
        list_restores(&str, &RecordQuery) -> RestorePage;
        delete_task(&str, &str) -> ();
        show_task_progress(&str, &str) -> TaskProgress;
        show_job(&str) -> Job;
        show_quota() -> Vec<QuotaResource>;
        list_availability_zones() -> AvailabilityZones;
        find_project() -> String;
    }
}
