//! The control plane of the tests: a real API server that leaves nothing behind.

use std::{net::TcpStream, process::Command};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ObjectMeta, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{Config, Event, watcher},
    },
};

use crate::support::{
    control_plane::{self, ControlPlane, Ready, STOP, start},
    eventually::{DEADLINE, eventually},
};

fn config_map(name: &str) -> ConfigMap {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    ConfigMap {
        metadata,
        data: Some([("key".to_owned(), "value".to_owned())].into()),
        ..ConfigMap::default()
    }
}

fn namespace(name: &str) -> Namespace {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    Namespace { metadata, ..Namespace::default() }
}

/// Asserts that the port is closed, the directory removed and the process ended, all within `STOP`. The process ends
/// last.
async fn assert_gone(ready: &Ready) {
    let address = ready.server.trim_start_matches("https://").to_owned();
    eventually("the control plane is gone", STOP, || async {
        let closed = TcpStream::connect(&address).is_err() && !ready.dir.exists();
        (closed && has_ended(ready.pid)).then_some(())
    })
    .await;
}

/// Whether a process has ended or is a zombie. Always true on a system without /proc.
fn has_ended(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_created_watched_and_deleted() {
    let control_plane = ControlPlane::start().await;
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client().await, "default");
    let watched = Config::default().fields("metadata.name=first");
    let mut events = watcher(maps.clone(), watched).default_backoff().boxed();
    let mut next = async || {
        let event =
            tokio::time::timeout(DEADLINE, events.try_next()).await.expect("an event before the deadline");
        event.unwrap().expect("the watch continues")
    };
    loop {
        if let Event::InitDone = next().await {
            break;
        }
    }
    maps.create(&PostParams::default(), &config_map("first")).await.unwrap();
    let Event::Apply(created) = next().await else { panic!("an object was created") };
    assert_eq!(created.data.as_ref().unwrap()["key"], "value");
    let deletion = DeleteParams::default()
        .preconditions(kube::api::Preconditions { uid: created.uid(), resource_version: None });
    maps.delete("first", &deletion).await.unwrap();
    let Event::Delete(deleted) = next().await else { panic!("an object was deleted") };
    assert_eq!(deleted.uid(), created.uid());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_namespace_deletes_its_objects() {
    let control_plane = ControlPlane::start().await;
    let client = control_plane.client().await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &namespace("shop")).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, "shop");
    maps.create(&PostParams::default(), &config_map("first")).await.unwrap();
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", DEADLINE, || async {
        namespaces.get_opt("shop").await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(maps.get_opt("first").await.unwrap(), None);
    let audit = std::fs::read_to_string(&control_plane.ready.audit_log).unwrap();
    let deletions = audit.lines().filter(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry["verb"] == "delete" && entry["objectRef"]["name"] == "shop"
    });
    assert_eq!(deletions.count(), 1, "the audit log has the deletion of the user only");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_acts_as_kubectl_and_stops_on_sigterm() {
    let mut control_plane = ControlPlane::start().await;
    let output = control_plane.kubectl(&["get", "namespace", "default", "-o", "name"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "namespace/default\n", "{output:?}");
    assert_eq!(control_plane.kubectl(&["get", "namespace", "nowhere"]).status.code(), Some(1));
    control_plane.signal("-TERM");
    assert!(control_plane.wait(), "exit code 0");
    assert_gone(&control_plane.ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_control_planes_are_independent() {
    let (one, two) = tokio::join!(ControlPlane::start(), ControlPlane::start());
    let maps = async |control_plane: &ControlPlane| -> Api<ConfigMap> {
        Api::namespaced(control_plane.client().await, "default")
    };
    maps(&one).await.create(&PostParams::default(), &config_map("mine")).await.unwrap();
    assert_eq!(maps(&two).await.get_opt("mine").await.unwrap(), None);
    let gone = one.ready.clone();
    drop(one);
    assert_gone(&gone).await;
    maps(&two).await.create(&PostParams::default(), &config_map("mine")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_parent_leaves_nothing_behind() {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{:?} serve & wait", control_plane::binary()));
    let mut parent = start(command).await;
    let ready = parent.ready.clone();
    assert!(parent.kubectl(&["get", "namespaces"]).status.success());
    parent.signal("-KILL");
    assert!(!parent.wait(), "the shell was killed");
    assert_gone(&ready).await;
}

#[test]
fn a_missing_parent_is_detected() {
    let output = Command::new(control_plane::binary()).args(["serve", "--parent-pid", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not the parent"), "{output:?}");
}
