//! The operator as a process with its own service account, on a real control plane, against simulated clouds over HTTP.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use dcs_operator::{
    api::{DcsInstance, DcsInstanceSpec},
    simulator::Settings,
};
use k8s_openapi::{
    ByteString,
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Namespace, Secret, ServiceAccount},
        events::v1::Event,
    },
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    config::Kubeconfig,
};
use serde_json::{Value, json};

use super::{
    control_plane::{ControlPlane, send},
    eventually::{DEADLINE, eventually},
    sim_harness::{ACCESS_KEY, SECRET_KEY, SimHarness, reserved_ports, settings},
    world::objects::{SUBNET, VPC},
};

pub(crate) const SYSTEM: &str = "dcs-operator-system";
/// User of the operator in the audit log.
pub(crate) const USER: &str = "system:serviceaccount:dcs-operator-system:dcs-operator";
/// Number of log lines that a failed test prints.
const LOG_TAIL: usize = 300;

/// A control plane with the definitions and the permissions of the operator.
pub(crate) struct TestCluster {
    pub(crate) control_plane: ControlPlane,
    pub(crate) client: Client,
    pub(crate) folder: tempfile::TempDir,
}

/// A running operator; killed when dropped.
pub(crate) struct Operator {
    child: Child,
    log: PathBuf,
    /// Holds the token of the operator.
    kubeconfig: PathBuf,
    pub(super) audit_log: PathBuf,
}

/// A namespace with its own simulated cloud.
pub(crate) struct Tenant {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) cloud: SimHarness,
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Settings of a cloud whose clock runs a hundred times faster.
pub(crate) fn fast_settings() -> Settings {
    Settings { speed: 100.0, ..settings() }
}

// === impl TestCluster ===

impl TestCluster {
    pub(crate) async fn start() -> Self {
        Self::on(ControlPlane::start().await).await
    }

    pub(crate) async fn on(control_plane: ControlPlane) -> Self {
        let cluster = Self::without_definitions(control_plane).await;
        cluster.apply("crds");
        cluster
    }

    /// A cluster with the permissions of the operator and without its definitions.
    pub(crate) async fn without_definitions(control_plane: ControlPlane) -> Self {
        let client = control_plane.client().await;
        let cluster = Self { control_plane, client, folder: tempfile::tempdir().unwrap() };
        cluster.apply("deploy/rbac.yaml");
        cluster.apply("deploy/roles.yaml");
        cluster
    }

    /// The configuration of a client for the administrator.
    pub(crate) async fn client_config(&self) -> kube::Config {
        let kubeconfig = Kubeconfig::read_from(&self.control_plane.ready.kubeconfig).unwrap();
        kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap()
    }

    /// Applies a file or folder of the project.
    pub(crate) fn apply(&self, path: &str) {
        let path = project(path);
        let applied = self.control_plane.kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            path.to_str().unwrap(),
        ]);
        assert!(applied.status.success(), "{applied:?}");
    }

    /// Writes a kubeconfig with the token of the operator, for `server` instead of the API server if given.
    pub(crate) async fn kubeconfig(&self, server: Option<&str>) -> PathBuf {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), SYSTEM);
        let request = TokenRequest {
            spec: TokenRequestSpec { audiences: vec![], ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let parameters = PostParams::default();
        let token = accounts.create_token_request("dcs-operator", &parameters, &request).await.unwrap();
        let mut config =
            serde_json::to_value(Kubeconfig::read_from(&self.control_plane.ready.kubeconfig).unwrap())
                .unwrap();
        config["users"][0]["user"] = json!({"token": token.status.unwrap().token});
        if let Some(server) = server {
            config["clusters"][0]["cluster"] = json!({"server": server});
        }
        let files = fs::read_dir(self.folder.path()).unwrap().count();
        let path = self.folder.path().join(format!("kubeconfig-{files}"));
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Starts an operator with short intervals.
    pub(crate) async fn operator(&self, flags: &[&str]) -> Operator {
        let kubeconfig = self.kubeconfig(None).await;
        self.operator_with(&kubeconfig, flags)
    }

    pub(crate) fn operator_with(&self, kubeconfig: &Path, flags: &[&str]) -> Operator {
        let files = fs::read_dir(self.folder.path()).unwrap().count();
        let log = self.folder.path().join(format!("operator-{files}.log"));
        let insecure = format!("--allow-insecure-endpoint={}", reserved_ports());
        let quick = [
            "--listen=127.0.0.1:0",
            "--log-format=json",
            "--namespace=dcs-operator-system",
            &insecure,
            "--poll-interval-active=200ms",
            "--poll-interval-idle=2s",
            "--reads-per-second=200",
            "--writes-per-second=200",
        ];
        let chosen = |flag: &&&str| flags.iter().any(|own| own.split('=').next() == flag.split('=').next());
        let quick = quick.iter().filter(|flag| !chosen(flag));
        let child = Command::new(env!("CARGO_BIN_EXE_dcs-operator"))
            .arg("run")
            .args(quick)
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            // Libraries would log what is redacted elsewhere, and a proxy must be kept away from the API server.
            .env("DCS_OPERATOR_LOG", "trace")
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let audit_log = self.control_plane.ready.audit_log.clone();
        Operator { child, log, kubeconfig: kubeconfig.to_owned(), audit_log }
    }

    /// Checks that no request of the operator was forbidden. The API server refuses new objects in a terminating
    /// namespace: Events in such a namespace are exempt.
    pub(crate) fn assert_nothing_was_forbidden(&self) {
        let audit = self.audit();
        let refused = audit.iter().filter(|entry| entry["responseStatus"]["code"] == 403);
        let is_exempt = |entry: &&Value| {
            let allowed = entry["annotations"]["authorization.k8s.io/decision"] == "allow";
            let message = entry["responseStatus"]["message"].as_str().unwrap_or_default();
            let event = entry["objectRef"]["resource"] == "events";
            allowed && event && message.contains("because it is being terminated")
        };
        let refused: Vec<_> = refused.filter(|entry| !is_exempt(entry)).collect();
        assert!(refused.is_empty(), "{refused:#?}");
    }

    /// Whether the audit log was rotated.
    pub(crate) fn has_older_audit_logs(&self) -> bool {
        let log = &self.control_plane.ready.audit_log;
        let files = fs::read_dir(log.parent().unwrap()).unwrap();
        let stem = format!("{}-", log.file_stem().unwrap().display());
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(&stem) && name.ends_with(".log")).count() > 0
    }

    /// Entries of the audit log about the operator.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let log = fs::read_to_string(&self.control_plane.ready.audit_log).unwrap_or_default();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|entry| entry["user"]["username"] == USER).collect()
    }
}

/// Every test checks that the permissions of the operator suffice.
impl Drop for TestCluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_nothing_was_forbidden();
        }
    }
}

// === impl Operator ===

impl Operator {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `-TERM`, `-KILL`, `-STOP`, `-CONT`.
    pub(crate) fn signal(&mut self, signal: &str) {
        assert!(send(signal, self.child.id()), "the process exists");
    }

    /// Waits until the process ends, and returns its exit code; `None` if a signal ended it.
    pub(crate) async fn wait(&mut self) -> Option<i32> {
        for _ in 0..1500 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the process still runs after 30 s: {}", self.log());
    }

    /// Prints the end of the log after a failed test.
    fn print_log_tail(&mut self) {
        let ended = self.child.try_wait();
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.len().saturating_sub(LOG_TAIL);
        eprintln!("end of the operator's log (exit {ended:?}):\n{}", lines[last..].join("\n"));
    }

    /// Terminates the process, and expects exit code 0.
    pub(crate) async fn stop(&mut self) {
        self.signal("-TERM");
        assert_eq!(self.wait().await, Some(0), "{}", self.log());
    }

    /// Waits until a line of the log contains all of `parts`.
    pub(crate) async fn wait_for_log(&self, parts: &[&str]) {
        let is_logged = || self.log().lines().any(|line| parts.iter().all(|part| line.contains(part)));
        eventually(&format!("{parts:?} in the log"), DEADLINE, || async { is_logged().then_some(()) }).await;
    }

    /// The token of the operator for the API server.
    pub(super) fn token(&self) -> String {
        let config: Value = serde_json::from_str(&fs::read_to_string(&self.kubeconfig).unwrap()).unwrap();
        config["users"][0]["user"]["token"].as_str().unwrap().to_owned()
    }

    /// Address of probes and metrics.
    pub(crate) async fn address(&self) -> String {
        self.wait_for_log(&["serving probes and metrics"]).await;
        let log = self.log();
        let line = log.lines().find(|line| line.contains("serving probes and metrics")).unwrap();
        serde_json::from_str::<Value>(line).unwrap()["address"].as_str().unwrap().to_owned()
    }

    /// Status and text of a page of the operator.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{}{path}", self.address().await)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_log_tail();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
