//! The operator as a process with its own service account, on a real control plane, against simulated clouds over HTTP.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use dcs_operator::simulator::Settings;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams, config::Kubeconfig};
use serde_json::{Value, json};

use super::{
    control_plane::{ControlPlane, send},
    eventually::{DEADLINE, eventually},
    sim_harness::{reserved_ports, settings},
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
