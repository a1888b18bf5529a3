//! A Kubernetes control plane of the tests' own: etcd, kube-apiserver and three controllers in one process.

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

/// It gives up by itself after a minute.
const START: Duration = Duration::from_secs(75);
/// Within this it promises to be gone.
pub(crate) const STOP: Duration = Duration::from_secs(5);

/// What it says about itself once it can be used.
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

/// Where `make control-plane` puts it.
pub(crate) fn binary() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/control-plane/control-plane");
    assert!(path.exists(), "{} is missing: run `make control-plane`, or `make test`", path.display());
    path
}

/// Signals a process, by the shell's own `kill`: the command of that name is not everywhere.
pub(crate) fn send(signal: &str, process: u32) -> bool {
    let status = Command::new("sh").arg("-c").arg(format!("kill {signal} {process}")).status();
    status.is_ok_and(|status| status.success())
}

/// Starts `command` and reads the line it prints when ready.
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

    /// Answers as kubectl, for the administrator.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_reading(arguments, "")
    }

    /// The same, with something to read for `-f -`.
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
        // Whoever takes no input may be gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Ends it as whoever runs it would.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(send(signal, self.child.id()), "the process is there");
    }

    /// Waits for its end and tells whether it was an orderly one.
    pub(crate) fn wait(&mut self) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(begun.elapsed() < STOP, "still running {STOP:?} after it was told to stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // An orderly end removes its folder; the hard one after it is for when that fails.
        send("-TERM", self.child.id());
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < STOP {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
