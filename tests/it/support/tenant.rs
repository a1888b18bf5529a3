//! A namespace of the control plane with a simulated cloud of its own: its objects, Secrets and Events.

use std::time::Duration;

use dcs_operator::{
    api::{DcsInstance, DcsInstanceSpec},
    simulator::Settings,
};
use k8s_openapi::{
    ByteString,
    api::{
        core::v1::{Namespace, Secret},
        events::v1::Event,
    },
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    eventually::{DEADLINE, eventually},
    operator::TestCluster,
    sim_harness::{ACCESS_KEY, SECRET_KEY, SimHarness},
    world::objects::{SUBNET, VPC},
};

/// A namespace with its own simulated cloud.
pub(crate) struct Tenant {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) cloud: SimHarness,
}

// === impl Tenant ===

impl Tenant {
    /// Creates a namespace with a simulated cloud and a credentials Secret.
    pub(crate) async fn with_credentials(cluster: &TestCluster, namespace: &str, settings: Settings) -> Self {
        let tenant = Self::without_credentials(cluster, namespace, settings).await;
        tenant.put_secret("dcs-credentials", tenant.credentials()).await;
        tenant
    }

    /// Creates a namespace with a simulated cloud and no credentials Secret.
    pub(crate) async fn without_credentials(
        cluster: &TestCluster,
        namespace: &str,
        settings: Settings,
    ) -> Self {
        let made = Namespace {
            metadata: ObjectMeta { name: Some(namespace.to_owned()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        // A client must not outlive the runtime of the test that created it.
        let client = cluster.control_plane.client().await;
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &made).await.unwrap();
        let cloud = SimHarness::on_reserved_port(settings);
        Self { client, namespace: namespace.to_owned(), cloud }
    }

    /// The credentials with other values; null removes one.
    pub(crate) fn credentials_with(&self, changes: Value) -> Value {
        let mut data = self.credentials();
        for (key, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(data.as_object_mut().unwrap().remove(key)),
                value => data[key] = value.clone(),
            }
        }
        data
    }

    /// Content of a credentials Secret for this cloud.
    pub(crate) fn credentials(&self) -> Value {
        let simulator = self.cloud.shared.lock();
        json!({
            "region": simulator.region(), "projectId": simulator.project_id(),
            "endpoint": self.cloud.base, "iamEndpoint": self.cloud.base,
            "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY,
            "vpcId": VPC, "subnetId": SUBNET,
        })
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn instances(&self) -> Api<DcsInstance> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a Secret, or replaces its content.
    pub(crate) async fn put_secret(&self, name: &str, data: Value) {
        self.put_secret_in(&self.namespace, name, data).await;
    }

    /// [`put_secret`](Self::put_secret) in another namespace.
    pub(crate) async fn put_secret_in(&self, namespace: &str, name: &str, data: Value) {
        let data = data
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), ByteString(value.as_str().unwrap().as_bytes().to_vec())));
        let secret = Secret {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            data: Some(data.collect()),
            ..Secret::default()
        };
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match secrets.get_opt(name).await.unwrap() {
            None => drop(secrets.create(&PostParams::default(), &secret).await.unwrap()),
            Some(mut present) => {
                present.data = secret.data;
                drop(secrets.replace(name, &PostParams::default(), &present).await.unwrap());
            }
        }
    }

    pub(crate) async fn apply(&self, name: &str, spec: DcsInstanceSpec) {
        let object = DcsInstance::new(name, spec);
        self.instances().create(&PostParams::default(), &object).await.unwrap();
    }

    /// Merges fields into the spec; null removes one.
    pub(crate) async fn edit(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.instances().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub(crate) async fn annotate(&self, name: &str, key: &str, value: &str) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        self.instances().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub(crate) async fn delete(&self, name: &str) {
        let _ = self.instances().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// A condition as `True/Available: message`; empty if it is absent.
    pub(crate) async fn condition(&self, name: &str, type_: &str) -> String {
        let object = self.instances().get_opt(name).await.unwrap();
        let conditions = object.and_then(|object| object.status).map(|status| status.conditions);
        let found = conditions.unwrap_or_default().into_iter().find(|condition| condition.type_ == type_);
        found.map_or_else(String::new, |c| format!("{}/{}: {}", c.status, c.reason, c.message))
    }

    /// Waits until a condition starts with `expected`, and returns it.
    pub(crate) async fn until(&self, name: &str, type_: &str, expected: &str) -> String {
        let what = format!("{}/{name}: {type_} {expected}", self.namespace);
        let mut last = String::new();
        let search = async {
            loop {
                last = self.condition(name, type_).await;
                if last.starts_with(expected) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let done = tokio::time::timeout(DEADLINE, search).await;
        assert!(
            done.is_ok(),
            "not within {DEADLINE:?}: {what}; it is {last:?}: {}",
            self.describe(name).await
        );
        last
    }

    /// The status of an object as JSON.
    pub(crate) async fn describe(&self, name: &str) -> String {
        let object = self.instances().get_opt(name).await.unwrap();
        serde_json::to_string_pretty(&object.and_then(|object| object.status)).unwrap()
    }

    /// Waits until the object [is healthy](is_healthy).
    pub(crate) async fn wait_until_healthy(&self, name: &str) {
        let what = format!("{}/{name} is healthy", self.namespace);
        let healthy = async || {
            let object = self.instances().get_opt(name).await.unwrap()?;
            is_healthy(&object).then_some(())
        };
        let search = async {
            while healthy().await.is_none() {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let done = tokio::time::timeout(DEADLINE, search).await;
        assert!(done.is_ok(), "not within {DEADLINE:?}: {what}: {}", self.describe(name).await);
    }

    pub(crate) async fn wait_until_gone(&self, name: &str) {
        let search = async {
            while self.instances().get_opt(name).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let done = tokio::time::timeout(DEADLINE, search).await;
        assert!(done.is_ok(), "not within {DEADLINE:?}: {name} is gone: {}", self.describe(name).await);
    }

    /// [`apply`](Self::apply), once the API server serves the kind.
    pub(crate) async fn apply_when_served(&self, name: &str, spec: DcsInstanceSpec) {
        let object = DcsInstance::new(name, spec);
        let create = async || self.instances().create(&PostParams::default(), &object).await.ok();
        eventually("the kind is served", DEADLINE, create).await;
    }

    /// Notes of the Events about an object.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let events = events.list(&ListParams::default()).await.unwrap().into_iter();
        let about = |event: &Event| {
            event.regarding.as_ref().is_some_and(|regarding| regarding.name.as_deref() == Some(name))
        };
        events.filter(about).map(|event| event.note.unwrap_or_default()).collect()
    }

    /// Reasons of the warning Events of this namespace.
    pub(crate) async fn warnings(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let events = events.list(&ListParams::default()).await.unwrap();
        let warnings = events.into_iter().filter(|event| event.type_.as_deref() == Some("Warning"));
        warnings.map(|event| event.reason.unwrap_or_default()).collect()
    }
}

/// Whether the object is Ready, Synced and BindingPublished at its current generation.
pub(crate) fn is_healthy(object: &DcsInstance) -> bool {
    let Some(status) = &object.status else { return false };
    let holds = |type_: &str| {
        let found = status.conditions.iter().find(|condition| condition.type_ == type_);
        found.is_some_and(|condition| condition.status == "True")
    };
    let current = status.observed_generation == object.metadata.generation;
    current && holds("Ready") && holds("Synced") && holds("BindingPublished")
}

/// Content of the binding Secret of an instance.
pub(crate) async fn binding(tenant: &Tenant, name: &str) -> std::collections::BTreeMap<String, String> {
    let secret = tenant.secrets().get(&format!("{name}-redis")).await.unwrap();
    let data = secret.data.unwrap_or_default().into_iter();
    data.map(|(key, value)| (key, String::from_utf8(value.0).unwrap())).collect()
}

/// Whether a Secret has the finalizer of the operator.
pub(crate) async fn has_in_use_finalizer(tenant: &Tenant, secret: &str) -> bool {
    let secret = tenant.secrets().get_opt(secret).await.unwrap();
    secret.is_some_and(|secret| secret.finalizers().iter().any(|own| own == "dcs.huaweicloud.com/in-use"))
}
