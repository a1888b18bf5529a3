//! A Kubernetes control plane for tests: etcd, kube-apiserver and three controllers in one process.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::Deserialize;

/// Time limit of the start. The process itself gives up after a minute.
const START: Duration = Duration::from_secs(75);
/// Time limit of the shutdown.
pub(crate) const STOP: Duration = Duration::from_secs(5);

/// The line that the process prints when it is ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready {
    pub(crate) server: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) audit_log: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) pid: u32,
}

/// A running control plane; stopped when dropped.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    pub(crate) ready: Ready,
    child: Child,
}

/// The binary that `make control-plane` builds.
pub(crate) fn binary() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/control-plane/control-plane");
    assert!(path.exists(), "{} is missing: run `make control-plane`, or `make test`", path.display());
    path
}

/// Signals a process with the `kill` of the shell, because not every system has a `kill` command.
pub(crate) fn send(signal: &str, process: u32) -> bool {
    let status = Command::new("sh").arg("-c").arg(format!("kill {signal} {process}")).status();
    status.is_ok_and(|status| status.success())
}

/// Starts `command` and reads the line that it prints when it is ready.
pub(crate) async fn start(mut command: Command) -> ControlPlane {
    let starting = tokio::task::spawn_blocking(move || {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        ControlPlane { ready, child }
    });
    tokio::time::timeout(START, starting).await.expect("a control plane within its time").unwrap()
}

// === impl ControlPlane ===

impl ControlPlane {
    pub(crate) async fn start() -> Self {
        let mut command = Command::new(binary());
        command.arg("serve").arg("--parent-pid").arg(std::process::id().to_string());
        start(command).await
    }

    /// A client for the administrator.
    pub(crate) async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(&self.ready.kubeconfig).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        Client::try_from(config).unwrap()
    }

    /// Runs kubectl as administrator.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_reading(arguments, "")
    }

    /// Runs kubectl with standard input for `-f -`.
    pub(crate) fn kubectl_reading(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(binary())
            .arg("kubectl")
            .args(arguments)
            .env("KUBECONFIG", &self.ready.kubeconfig)
            .env("KUBECACHEDIR", self.ready.dir.join("kubectl-cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads no input may end before the write.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Signals the process.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(send(signal, self.child.id()), "the process exists");
    }

    /// Waits until the process ends, and returns whether it succeeded.
    pub(crate) fn wait(&mut self) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(begun.elapsed() < STOP, "still running {STOP:?} after SIGTERM");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // After SIGTERM the process removes its folder. SIGKILL follows only if that fails.
        send("-TERM", self.child.id());
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < STOP {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
