//! Actions of users, and the state that they see.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use dcs_operator::{
    api::{DcsInstance, DcsInstanceSpec},
    controller::{ManagedResource, NamespacedName, ObjectId},
    dcs::{Client, Cloud, RetryPolicy, model::InstanceStatus},
    formats::OwnerHash,
    inventory::InventorySettings,
    simulator::{Options, Settings as CloudSettings, service::Instance},
};
use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::ResourceExt;
use serde_json::json;

use super::{World, process::Setup};
use crate::support::{
    in_process::InProcess,
    sim_harness::{ACCESS_KEY, SECRET_KEY, access_key, account, instance, settings},
};

pub(crate) const NAMESPACE: &str = "shop";
/// The endpoint in the credentials; nothing listens there.
const ENDPOINT: &str = "http://127.0.0.1:8080";
pub(crate) const VPC: &str = "0a1b2c3d-0000-4000-8000-000000000001";
pub(crate) const SUBNET: &str = "0a1b2c3d-0000-4000-8000-000000000002";

/// The object's key.
pub(crate) fn key(name: &str) -> ObjectId {
    ObjectId::new(DcsInstance::KIND, NAMESPACE, name)
}

/// A spec that needs nothing else; `more` goes over it.
pub(crate) fn spec(more: serde_json::Value) -> DcsInstanceSpec {
    let mut spec = json!({
        "engineVersion": "6.0",
        "capacity": "1Gi",
        "tags": {"team": "shop"},
        "description": "sessions",
    });
    let object = spec.as_object_mut().unwrap();
    for (cluster, value) in more.as_object().unwrap() {
        if value.is_null() {
            object.remove(cluster)
        } else {
            object.insert(cluster.clone(), value.clone())
        };
    }
    serde_json::from_value(spec).unwrap()
}

/// Budgets opened wide, watches without lag.
pub(crate) fn setup() -> Setup {
    let rate = std::num::NonZeroU32::new(1000).unwrap();
    let inventory =
        InventorySettings { reads_per_second: rate, writes_per_second: rate, ..InventorySettings::default() };
    Setup { inventory, lag: 0, lease: None, backup_limit: 24 }
}

/// A cloud where nothing takes long.
pub(crate) fn quick_cloud() -> CloudSettings {
    let settings = settings();
    let service = Options {
        provisioning: Duration::from_secs(12),
        operation: Duration::from_secs(6),
        deletion: Duration::from_secs(6),
        // The whole catalogue would take two thirds of the time that the fault tests take.
        listed_flavors: vec!["redis.ha.xu1.".to_owned()],
        ..settings.service
    };
    CloudSettings { service, ..settings }
}

impl World {
    pub(super) fn add_credentials(&mut self) {
        self.put_credentials(NAMESPACE, "dcs-credentials", SECRET_KEY);
    }

    /// Credentials of the same project in another namespace, or wrong ones.
    pub(crate) fn put_credentials(&mut self, namespace: &str, name: &str, secret_key: &str) {
        let simulator = self.cloud.lock();
        let text = |text: &str| ByteString(text.as_bytes().to_vec());
        let data = [
            ("region", text(simulator.region())),
            ("projectId", text(simulator.project_id())),
            ("endpoint", text(ENDPOINT)),
            ("iamEndpoint", text(ENDPOINT)),
            ("accessKey", text(ACCESS_KEY)),
            ("secretKey", text(secret_key)),
            ("vpcId", text(VPC)),
            ("subnetId", text(SUBNET)),
        ];
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            data: Some(data.map(|(key, value)| (key.to_owned(), value)).into()),
            ..Secret::default()
        };
        drop(simulator);
        self.cluster.put_secret(secret);
    }

    /// A client of a person beside the operator.
    pub(crate) fn client(&self) -> Client {
        let carrier = Arc::new(InProcess(self.cloud.clone()));
        let account = account(ENDPOINT, access_key(SECRET_KEY, None), &self.cloud);
        let clock = Arc::clone(self.cloud.clock());
        Client::over(carrier, account, RetryPolicy::default(), clock, 1)
    }

    /// Makes an instance without any object, as in the cloud's console.
    pub(crate) fn make_instance(&self, name: &str) {
        super::drive(self.client().create_instance(&instance(name))).unwrap();
        let id = self.instances()[0].id.clone();
        self.mutate_cloud(|service| service.force_status(service.now(), &id, InstanceStatus::Running, None));
    }

    /// Makes the record of the password note the instance, where the operator does not.
    pub(crate) fn note_record(&self, key: &ObjectId) {
        let name = format!("{}-auth", key.name);
        if self.cluster.read_secret(&key.secret(&name)).is_some() {
            return;
        }
        let id = self.object(key).and_then(|object| object.status).and_then(|status| status.id).unwrap();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(key.namespace.clone()),
                annotations: Some([("dcs.huaweicloud.com/instance-id".to_owned(), id)].into()),
                ..ObjectMeta::default()
            },
            ..Secret::default()
        };
        self.cluster.put_secret(secret);
    }

    /// Makes the only instance one that an earlier object of this name left behind, without releasing it.
    pub(crate) fn orphan(&self, key: &ObjectId) {
        let owner = OwnerHash::new("cluster", &key.namespace, &key.name);
        let tags = json!([
            {"key": "dcs-operator-uid", "value": "00000000-7592-4cf3-bb88-a695b53b2dc3"},
            {"key": "dcs-operator-owner", "value": owner.as_str()},
            {"key": "dcs-operator-origin", "value": "created"},
        ]);
        self.set_tags(&self.instances()[0].id, &tags);
    }

    /// Replaces the tags of an instance, as in the cloud's console.
    pub(crate) fn set_tags(&self, id: &str, tags: &serde_json::Value) {
        let fields = json!({"tags": tags});
        self.mutate_cloud(|service| service.alter(id, fields.as_object().unwrap())).unwrap();
    }

    /// Makes an object, as `kubectl apply` would.
    pub(crate) fn apply(&mut self, name: &str, spec: DcsInstanceSpec) -> ObjectId {
        self.apply_in(NAMESPACE, name, spec)
    }

    /// [`apply`](Self::apply) in another namespace.
    pub(crate) fn apply_in(&mut self, namespace: &str, name: &str, spec: DcsInstanceSpec) -> ObjectId {
        let mut object = DcsInstance::new(name, spec);
        object.metadata.namespace = Some(namespace.to_owned());
        self.cluster.create(object);
        ObjectId::new(DcsInstance::KIND, namespace, name)
    }

    pub(crate) fn edit(&mut self, key: &ObjectId, change: impl FnOnce(&mut DcsInstanceSpec)) {
        self.cluster.edit(key, change);
    }

    pub(crate) fn delete(&mut self, key: &ObjectId) {
        self.cluster.delete(key);
    }

    /// `True/Available`.
    pub(crate) fn condition(&self, key: &ObjectId, type_: &str) -> String {
        let object = self.object(key);
        let conditions = object.and_then(|object| object.status).map(|status| status.conditions);
        let found = conditions.unwrap_or_default().into_iter().find(|condition| condition.type_ == type_);
        found.map_or_else(String::new, |condition| format!("{}/{}", condition.status, condition.reason))
    }

    /// Whether all is well with the object, as it is now.
    pub(crate) fn is_well(&self, key: &ObjectId) -> bool {
        let current = self.object(key).is_some_and(|object| {
            object.status.is_some_and(|status| status.observed_generation == object.metadata.generation)
        });
        current
            && self.condition(key, "Ready") == "True/Available"
            && self.condition(key, "Synced") == "True/InSync"
            && self.condition(key, "BindingPublished") == "True/Published"
            && self.is_bound(key)
    }

    /// Whether the binding Secret lets a client into the instance and the record has its password, and no other one.
    pub(crate) fn is_bound(&self, key: &ObjectId) -> bool {
        let secret = |suffix: &str| {
            let key = key.secret(&format!("{}-{suffix}", key.name));
            self.cluster.read_secret(&key).map(|secret| secret.data.unwrap_or_default())
        };
        let status = self.object(key).and_then(|object| object.status).unwrap_or_default();
        let primary = status.endpoints.and_then(|endpoints| endpoints.primary).unwrap_or_default();
        let (id, port) = (status.id, primary.port.map(|port| port.to_string()));
        let (Some(binding), Some(id), None) = (secret("redis"), id, secret("pending-auth")) else {
            return false;
        };
        let record = secret("auth").unwrap_or_default();
        if record.get("password") != binding.get("password") || record.contains_key("pending") {
            return false;
        }
        let text = |key: &str| binding.get(key).map(|value| String::from_utf8(value.0.clone()).unwrap());
        let instances = self.instances();
        let Some(instance) = instances.iter().find(|instance| instance.id == id) else { return false };
        // The password of an adopted instance is unknown.
        let admits = text("password").is_none_or(|password| instance.admits(Some(&password)));
        admits && port.is_some() && text("port") == port && text("host") == primary.host
    }

    /// The password in the record.
    pub(crate) fn recorded(&self, key: &ObjectId) -> Option<ByteString> {
        let record = self.cluster.read_secret(&key.secret(&format!("{}-auth", key.name)))?;
        record.data?.get("password").cloned()
    }

    /// Makes a Secret with a password, or changes it.
    pub(crate) fn put_password(&self, name: &str, password: &str) {
        let data: BTreeMap<_, _> = [("password".to_owned(), ByteString(password.as_bytes().to_vec()))].into();
        let key = NamespacedName::new(NAMESPACE, name);
        if self.cluster.read_secret(&key).is_some() {
            self.cluster.change_secret(&key, |secret| secret.data = Some(data));
            return;
        }
        let metadata =
            ObjectMeta { name: Some(key.name), namespace: Some(key.namespace), ..ObjectMeta::default() };
        self.cluster.put_secret(Secret { metadata, data: Some(data), ..Secret::default() });
    }

    /// The user chooses a password for `sessions`.
    pub(crate) fn choose_password(&self, password: &str) {
        self.put_password("sessions-password", password);
    }

    /// The Secrets that garbage collection would take.
    pub(crate) fn owned_secrets(&self) -> Vec<String> {
        let all = self.cluster.secrets().into_iter();
        all.filter(|secret| secret.metadata.owner_references.is_some())
            .map(|secret| secret.name_any())
            .collect()
    }

    /// A reference to the object as owner, as versions before the record wrote it.
    fn as_owner(&self, key: &ObjectId) -> OwnerReference {
        OwnerReference {
            api_version: "dcs.huaweicloud.com/v1alpha1".to_owned(),
            kind: DcsInstance::KIND.to_owned(),
            name: key.name.clone(),
            uid: self.object(key).unwrap().uid().unwrap(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }

    /// Makes the object own this Secret, as another tool might.
    pub(crate) fn own_secret(&self, key: &ObjectId, name: &str) {
        let owner = self.as_owner(key);
        self.cluster.change_secret(&key.secret(name), |secret| {
            secret.metadata.owner_references = Some(vec![owner]);
        });
    }

    /// The Secrets as versions before the record wrote them: only `copy` holds the password, and the object owns it. The
    /// operator restarts, as after an update.
    pub(crate) fn as_before_the_record(&mut self, key: &ObjectId, copy: &str) {
        let record = key.secret(&format!("{}-auth", key.name));
        if copy.ends_with("-pending-auth") {
            let password = self.recorded(key).unwrap();
            self.put_password(copy, &String::from_utf8(password.0).unwrap());
        }
        self.cluster.change_secret(&key.secret(copy), |secret| {
            (secret.metadata.labels, secret.metadata.annotations) = (None, None);
        });
        self.own_secret(key, copy);
        self.cluster.delete_secret(&record);
        self.restart();
    }

    /// The instances there are, as they are.
    pub(crate) fn instances(&self) -> Vec<Instance> {
        self.mutate_cloud(|service| service.instances().cloned().collect())
    }

    /// Changing calls whose answers were lost.
    pub(crate) fn attempts_lost(&self) -> usize {
        self.traffic.lock().unwrap().lost_changes
    }

    /// Changing calls that arrived, from all processes together.
    pub(crate) fn changes(&self) -> usize {
        self.traffic.lock().unwrap().changes.values().sum()
    }
}
