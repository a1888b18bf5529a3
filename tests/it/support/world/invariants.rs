//! The invariants after every step (the design's 1, 2, 3, 5, 7 and 11).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use dcs_operator::{
    controller::NamespacedName,
    dcs::{HttpRequest, model::InstanceStatus},
    formats::{BACKUP_FINALIZER, Execution, IN_USE_FINALIZER, INSTANCE_FINALIZER, JobMark, OwnerHash},
    simulator::{http::Shared, service::Instance},
};
use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::Value;

use super::wire::{Judge, Traffic};
use crate::support::{account::assert_no_canary, memory_cluster::MemoryCluster};

/// Checks the cloud and the cluster.
pub(crate) struct Invariants {
    cloud: Shared,
    cluster: MemoryCluster,
    checked_writes: usize,
    checked_cloud: u64,
    /// Instances whose password a Secret of the operator held. It must not be lost while they exist.
    held: BTreeSet<String>,
    /// The test takes the only copy of a password away.
    passwords_may_go: bool,
}

impl Invariants {
    pub(crate) fn new(cloud: Shared, cluster: MemoryCluster) -> Self {
        let (checked_writes, checked_cloud, held) = (0, u64::MAX, BTreeSet::new());
        Self { cloud, cluster, checked_writes, checked_cloud, held, passwords_may_go: false }
    }

    /// After every step.
    #[track_caller]
    pub(crate) fn check(&mut self, traffic: &Mutex<Traffic>) {
        let traffic = traffic.lock().unwrap();
        assert_eq!(traffic.wrong, Vec::<String>::new(), "a change was sent that must not be");
        let revision = self.cloud.lock().revision();
        let seen = self.cluster.writes();
        if revision != self.checked_cloud || seen != self.checked_writes {
            self.no_password_is_lost();
        }
        let writes = self.cluster.written_since(&mut self.checked_writes);
        if revision != self.checked_cloud {
            self.checked_cloud = revision;
            self.one_instance_each();
        }
        for write in &writes {
            if let (Some(before), Some(after)) = (&write.before, &write.after) {
                assert_no_canary(&after.to_string());
                ready_only_if_told(before, after, &traffic.reported);
                self.credentials_are_kept_first(before, after);
            }
            if write.after.is_none() {
                self.nothing_left_of(&write.uid, write.before.as_deref());
            }
        }
    }

    /// A test takes the only copy of a password away while DCS has yet to accept it.
    pub(crate) fn allow_lost_passwords(&mut self) {
        self.passwords_may_go = true;
    }

    /// A test takes all copies of the passwords away.
    pub(crate) fn forget_passwords(&mut self) {
        self.held.clear();
    }

    /// Invariant 11.
    #[track_caller]
    fn no_password_is_lost(&mut self) {
        let simulator = self.cloud.lock();
        let live = simulator.service().instances().filter(|instance| is_live(instance));
        let live: Vec<_> = live.filter(|instance| !instance.admits(None)).collect();
        // With many objects there is nothing else to see, and it would take long.
        if live.is_empty() || live.len() > 4 || self.passwords_may_go {
            return;
        }
        let own =
            self.cluster.secrets().into_iter().filter(|secret| !secret.name_any().ends_with("-password"));
        let passwords: BTreeSet<_> = own
            .flat_map(|secret| secret.data.unwrap_or_default())
            .filter(|(key, _)| key == "password" || key.starts_with("pending"))
            .map(|(_, value)| String::from_utf8(value.0).unwrap())
            .collect();
        for instance in live {
            let is_held = passwords.iter().any(|password| instance.admits(Some(password)));
            assert!(is_held || !self.held.contains(&instance.id), "the password of {} is lost", instance.id);
            if is_held {
                self.held.insert(instance.id.clone());
            }
        }
    }

    /// An object that cannot go without its credentials gets its finalizer after the Secret got one: a deleted namespace
    /// takes what has none.
    #[track_caller]
    fn credentials_are_kept_first(&self, before: &Value, after: &Value) {
        let is_held = |object: &Value| {
            let finalizers = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            let own = [INSTANCE_FINALIZER, BACKUP_FINALIZER];
            finalizers.iter().any(|finalizer| own.iter().any(|own| finalizer == own))
        };
        if is_held(before) || !is_held(after) {
            return;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let name = text(&after["spec"]["credentialsRef"]["name"]).unwrap_or("dcs-credentials".to_owned());
        let key = NamespacedName::new(&text(&after["metadata"]["namespace"]).unwrap(), &name);
        let secret = self.cluster.read_secret(&key);
        let is_kept = |secret: Secret| secret.finalizers().iter().any(|own| own == IN_USE_FINALIZER);
        assert!(secret.is_none_or(is_kept), "{after} has its finalizer before {key}");
    }

    /// Invariant 1.
    #[track_caller]
    fn one_instance_each(&self) {
        let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let simulator = self.cloud.lock();
        for instance in simulator.service().instances().filter(|instance| is_live(instance)) {
            if let Some(uid) = tag(instance, "dcs-operator-uid") {
                owners.entry(uid).or_default().push(instance.id.clone());
            }
        }
        for (uid, ids) in owners {
            assert!(ids.len() < 2, "object {uid} has several instances: {ids:?}");
        }
    }

    /// Invariant 2.
    #[track_caller]
    fn nothing_left_of(&self, uid: &str, object: Option<&Value>) {
        let retained = object.is_some_and(|object| object["spec"]["managementPolicy"] == "Observe");
        let simulator = self.cloud.lock();
        for instance in simulator.service().instances().filter(|instance| is_live(instance)) {
            let ours = tag(instance, "dcs-operator-uid").is_some_and(|own| own == uid);
            assert!(!ours || retained, "object {uid} is gone and {} still carries its mark", instance.id);
        }
    }

    /// Invariant 3, and that every change was written down before: judges a change before it arrives.
    pub(crate) fn judge(&self) -> Judge {
        let (cloud, cluster) = (self.cloud.clone(), self.cluster.clone());
        Arc::new(move |process, request| judge(&cloud, &cluster, process, request))
    }
}

fn judge(cloud: &Shared, cluster: &MemoryCluster, process: &str, request: &HttpRequest) -> Option<String> {
    let objects = cluster.objects();
    let path = request.url.path();
    let has_uid = |object: &Value, uid: &Option<String>| object["metadata"]["uid"].as_str() == uid.as_deref();
    // Whether this process wrote down that it would do this.
    let intends = |object: &Value, id: Option<&str>| {
        let operation = &object["status"]["operation"];
        operation["process"] == process
            && operation["outcome"].is_null()
            && id.is_none_or(|id| operation["instanceId"] == id)
    };
    if request.method == Method::POST && path.ends_with("/instances") {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let tags = body["tags"].as_array().cloned().unwrap_or_default();
        let mark = tags.iter().find(|tag| tag["key"] == "dcs-operator-uid");
        let uid = mark.and_then(|tag| tag["value"].as_str()).map(str::to_owned);
        let known = objects.iter().any(|object| has_uid(object, &uid) && intends(object, None));
        return (!known).then(|| format!("{process} creates for {uid:?}, which nobody wrote down"));
    }
    if let Some((_, backup)) = path.split_once("/backups") {
        return judge_backup(&objects, process, request, backup.strip_prefix('/'));
    }
    if path.ends_with("/restores") {
        return judge_restore(&objects, process, request);
    }
    let simulator = cloud.lock();
    // A call to a deleted instance does no harm.
    let instance = simulator.service().instances().find(|instance| path.contains(&instance.id))?;
    let uid = tag(instance, "dcs-operator-uid");
    // Two objects name one instance: neither can know that the other writes at the same moment.
    let adopts = |object: &Value| object["spec"]["adopt"]["instanceId"] == instance.id.as_str();
    let contested = objects.iter().any(|object| adopts(object) && has_uid(object, &uid));
    let owns = |object: &Value| {
        let adopts = adopts(object);
        let probes = object["spec"]["probedInstanceId"] == instance.id.as_str();
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let owner = OwnerHash::new("cluster", text("namespace"), text("name"));
        let names = |key: &str| tag(instance, key).as_deref() == Some(owner.as_str());
        let released = uid.is_none() && (names("dcs-operator-owner") || names("dcs-operator-released"));
        let orphaned = names("dcs-operator-owner") && object["spec"]["reclaimPolicy"] == "Orphaned";
        has_uid(object, &uid) || ((uid.is_none() || contested) && adopts) || released || orphaned || probes
    };
    let known = objects.iter().any(|object| owns(object) && intends(object, Some(&instance.id)));
    (!known).then(|| format!("{process} sends {} {path}, marked {uid:?}, not written down", request.method))
}

/// A request for a backup carries the mark of the object that wrote it down, and a deletion is of the object's own backup.
fn judge_backup(
    objects: &[Arc<Value>],
    process: &str,
    request: &HttpRequest,
    id: Option<&str>,
) -> Option<String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let intends = |object: &&Arc<Value>| {
        let operation = &object["status"]["operation"];
        let is_own = operation["process"] == process && operation["outcome"].is_null();
        let names = match id {
            Some(id) => operation["type"] == "DeleteBackup" && operation["instanceId"] == id,
            None => operation["type"] == "Backup" && mark_of(object) == body["remark"].as_str().unwrap_or(""),
        };
        object["kind"] == "DcsBackup" && is_own && names
    };
    let known = objects.iter().any(|object| intends(&object));
    (!known).then(|| format!("{process} sends {} {} {body}, not written down", request.method, request.url))
}

/// A request for a restore carries the mark of the object that wrote it down, and names the backup that this shows.
fn judge_restore(objects: &[Arc<Value>], process: &str, request: &HttpRequest) -> Option<String> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let intends = |object: &&Arc<Value>| {
        let (operation, status) = (&object["status"]["operation"], &object["status"]);
        object["kind"] == "DcsRestore"
            && operation["process"] == process
            && operation["outcome"].is_null()
            && operation["type"] == "Restore"
            && status["backup"]["id"] == body["backup_id"]
            && mark_of(object) == body["remark"].as_str().unwrap_or_default()
    };
    let known = objects.iter().any(|object| intends(&object));
    (!known).then(|| format!("{process} sends {} {} {body}, not written down", request.method, request.url))
}

/// Where the data of a DcsRestore comes from, as its mark spells it.
fn source_of(object: &Value) -> Option<String> {
    let source = &object["spec"]["source"];
    let of = |field: &str, value: &Value| Some(format!("{field}={}", value.as_str()?));
    of("latestBefore", &source["latestBefore"])
        .or_else(|| of("backupRef", &source["backupRef"]["name"]))
        .or_else(|| of("backupId", &source["backupId"]))
}

/// The remark of the backup of a DcsBackup, or of the restore of a DcsRestore.
fn mark_of(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    let instance = text(&object["status"]["instance"]["id"]);
    let (kind, source) = (text(&object["kind"]), source_of(object));
    let time = object["spec"]["startBefore"].as_str();
    let mark = match time.or(object["spec"]["consent"]["notAfter"].as_str()) {
        None => JobMark::of_uid(&text(&metadata["uid"])),
        Some(time) => JobMark::of_execution(&Execution {
            kind: &kind,
            namespace: &namespace,
            name: &name,
            instances: &[&instance],
            time,
            source: source.as_deref(),
        }),
    };
    mark.with_text(object["spec"]["description"].as_str())
}

/// Invariant 5.
#[track_caller]
fn ready_only_if_told(
    before: &Value,
    after: &Value,
    reported: &BTreeMap<String, [BTreeMap<String, InstanceStatus>; 3]>,
) {
    let ready = |object: &Value| {
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    if ready(before) || !ready(after) || after["kind"] != "DcsInstance" {
        return;
    }
    let id = after["status"]["id"].as_str().unwrap_or_default();
    let said: Vec<_> = reported.values().flatten().filter_map(|all| all.get(id)).collect();
    let serves =
        said.iter().any(|status| matches!(status, InstanceStatus::Running | InstanceStatus::Extending));
    assert!(serves, "Ready is True, but the cloud said {said:?} of {id}");
}

pub(crate) fn is_live(instance: &Instance) -> bool {
    use InstanceStatus::{CreateFailed, Deleted, Deleting};
    !matches!(instance.status(), Deleting | Deleted | CreateFailed)
}

pub(crate) fn tag(instance: &Instance, key: &str) -> Option<String> {
    let tag = instance.tags.iter().find(|tag| tag.key == key)?;
    Some(tag.value.clone().unwrap_or_default())
}
