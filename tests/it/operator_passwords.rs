//! Passwords and their Secrets on a real API server: garbage collection, backup tools, rotation.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{SYSTEM, TestCluster, fast_settings},
    tenant::{Tenant, binding},
    world::objects::spec,
};

const FIRST: &str = "canary-First-1";
const SECOND: &str = "canary-Second-2";

fn admits(tenant: &Tenant, password: &str) -> bool {
    let simulator = tenant.cloud.shared.lock();
    simulator.service().instances().all(|instance| instance.admits(Some(password)))
}

fn id_of_the_instance(tenant: &Tenant) -> String {
    let simulator = tenant.cloud.shared.lock();
    simulator.service().instances().next().unwrap().id.clone()
}

/// Argo CD deletes in the foreground: garbage collection takes what an object owns while its finalizer still stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_retained_instance_keeps_its_secrets_through_a_foreground_deletion() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let tenant = Tenant::with_credentials(&cluster, "retain", fast_settings()).await;
    tenant.apply("sessions", spec(json!({"deletionPolicy": "Retain"}))).await;
    tenant.wait_until_healthy("sessions").await;
    let bound = binding(&tenant, "sessions").await;
    let _ = tenant.instances().delete("sessions", &DeleteParams::foreground()).await.unwrap();
    tenant.wait_until_gone("sessions").await;
    let id = id_of_the_instance(&tenant);
    for name in ["sessions-auth", "sessions-redis"] {
        let secret = tenant.secrets().get(name).await.unwrap();
        assert_eq!(secret.data.unwrap()["password"].0, bound["password"].as_bytes(), "{name}");
        let notes = secret.metadata.annotations.unwrap();
        assert_eq!(notes["dcs.huaweicloud.com/instance-id"], id, "{name}");
    }
    // Who takes the instance back uses them again, and a deletion takes them with the instance.
    let again = json!({"adopt": {"instanceId": id}, "engineVersion": null, "capacity": null, "deletionPolicy": "Delete"});
    tenant.apply("sessions", spec(again)).await;
    tenant.wait_until_healthy("sessions").await;
    assert_eq!(binding(&tenant, "sessions").await["password"], bound["password"]);
    tenant.delete("sessions").await;
    tenant.wait_until_gone("sessions").await;
    let left = tenant.secrets().list(&ListParams::default()).await.unwrap().items;
    let left: Vec<_> = left.iter().map(|secret| secret.metadata.name.as_deref().unwrap()).collect();
    assert_eq!(left, ["dcs-credentials"]);
    tenant.assert_no_secret_leaks(&operator).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_secret_sets_the_password_as_often_as_it_changes() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let tenant = Tenant::with_credentials(&cluster, "rotate", fast_settings()).await;
    tenant.put_secret("mine", json!({"password": format!("{FIRST}\n")})).await;
    let auth = json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}});
    tenant.apply("sessions", spec(auth.clone())).await;
    tenant.wait_until_healthy("sessions").await;
    let bound = binding(&tenant, "sessions").await;
    assert_eq!(bound["password"], FIRST, "the line end is no part of it");
    assert!(!bound["uri"].contains("%0A") && admits(&tenant, FIRST));

    tenant.put_secret("mine", json!({"password": SECOND})).await;
    eventually("the new password is published", DEADLINE, async || {
        (binding(&tenant, "sessions").await["password"] == SECOND).then_some(())
    })
    .await;
    tenant.wait_until_healthy("sessions").await;
    assert!(admits(&tenant, SECOND));
    // The same content again is no change, nor is the same manifest.
    tenant.put_secret("mine", json!({"password": format!("{SECOND}\n")})).await;
    tenant.edit("sessions", json!({"description": "another"})).await;
    tenant.wait_until_healthy("sessions").await;
    assert_eq!(tenant.cloud.calls("ResetPassword").len(), 1);
    tenant.assert_no_secret_leaks(&operator).await;
    operator.stop().await;
}

/// The operator's own memory is lost, and a backup tool restored the binding Secret without labels, notes and owner.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_binding_secret_is_ours_again() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let tenant = Tenant::with_credentials(&cluster, "restore", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let kept = tenant.secrets().get("sessions-redis").await.unwrap();
    operator.stop().await;
    for name in ["sessions-redis", "sessions-auth"] {
        let _ = tenant.secrets().delete(name, &DeleteParams::default()).await.unwrap();
    }
    let metadata = json!({"name": "sessions-redis"});
    let bare = Secret { metadata: serde_json::from_value(metadata).unwrap(), ..kept.clone() };
    tenant.secrets().create(&PostParams::default(), &bare).await.unwrap();
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let record = eventually("the record is back", DEADLINE, async || {
        tenant.secrets().get_opt("sessions-auth").await.unwrap()
    });
    assert_eq!(record.await.data.unwrap()["password"], kept.data.unwrap()["password"]);
    let labelled = eventually("the binding Secret has its label", DEADLINE, async || {
        tenant.secrets().get("sessions-redis").await.unwrap().metadata.labels
    });
    assert_eq!(labelled.await["dcs.huaweicloud.com/instance"], "sessions");
    tenant.wait_until_healthy("sessions").await;
    assert_eq!(tenant.cloud.calls("ResetPassword").len(), 0);
    operator.stop().await;
}

/// The operator alone changes the password in the record. An edit does not change it in DCS.
#[tokio::test(flavor = "multi_thread")]
async fn an_edited_record_is_put_back_from_the_binding_secret() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let tenant = Tenant::with_credentials(&cluster, "edited", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let password = async |secret: &str| {
        let data = tenant.secrets().get(secret).await.unwrap().data.unwrap_or_default();
        data.get("password").map(|value| String::from_utf8(value.0.clone()).unwrap())
    };
    let accepted = password("sessions-auth").await;
    let edits = [
        json!({"stringData": {"password": SECOND}}),
        json!({"stringData": {"password": ""}}),
        json!({"data": null}),
    ];
    let changed = async |secret: &str, change: &serde_json::Value| {
        let _ = tenant.secrets().patch(secret, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
        eventually(&format!("the password is put back in {secret} after {change}"), DEADLINE, async || {
            (password(secret).await == accepted).then_some(())
        })
        .await;
        tenant.wait_until_healthy("sessions").await;
        assert_eq!(password("sessions-auth").await, accepted, "{secret} {change}");
        assert_eq!(password("sessions-redis").await, accepted, "{secret} {change}");
    };
    for change in &edits {
        for secret in ["sessions-auth", "sessions-redis"] {
            changed(secret, change).await;
        }
    }
    assert_eq!(tenant.cloud.calls("ResetPassword").len(), 0);
    eventually("an Event tells it", DEADLINE, async || {
        tenant.warnings().await.contains(&"PasswordRecordRestored".to_owned()).then_some(())
    })
    .await;
    // Edited while the operator is away; then a rotation begins from the accepted one.
    operator.stop().await;
    let _ = tenant
        .secrets()
        .patch("sessions-auth", &PatchParams::default(), &Patch::Merge(&edits[0]))
        .await
        .unwrap();
    tenant.annotate("sessions", "dcs.huaweicloud.com/rotate-password", "one").await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    eventually("another password is published", DEADLINE, async || {
        let published = password("sessions-redis").await;
        (published != accepted && published == password("sessions-auth").await).then_some(())
    })
    .await;
    tenant.wait_until_healthy("sessions").await;
    assert!(admits(&tenant, &password("sessions-redis").await.unwrap()));
    assert_ne!(password("sessions-redis").await.as_deref(), Some(SECOND));
    assert_eq!(tenant.cloud.calls("ResetPassword").len(), 1);
    tenant.assert_no_secret_leaks(&operator).await;
    operator.stop().await;
}

/// A tool that keeps no labels restored the only copy.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_record_without_its_label_is_asked_for_and_not_given_up() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let tenant = Tenant::with_credentials(&cluster, "unlabelled", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let kept = tenant.secrets().get("sessions-auth").await.unwrap().data;
    operator.stop().await;
    for name in ["sessions-redis", "sessions-auth"] {
        let _ = tenant.secrets().delete(name, &DeleteParams::default()).await.unwrap();
    }
    let metadata = serde_json::from_value(json!({"name": "sessions-auth"})).unwrap();
    let bare = Secret { metadata, data: kept.clone(), ..Secret::default() };
    tenant.secrets().create(&PostParams::default(), &bare).await.unwrap();
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let said = tenant.until("sessions", "Stalled", "True/SecretConflict").await;
    assert!(said.contains("put the label dcs.huaweicloud.com/instance=sessions on it"), "{said}");
    let label = json!({"metadata": {"labels": {"dcs.huaweicloud.com/instance": "sessions"}}});
    let _ = tenant
        .secrets()
        .patch("sessions-auth", &PatchParams::default(), &Patch::Merge(&label))
        .await
        .unwrap();
    tenant.wait_until_healthy("sessions").await;
    let published = tenant.secrets().get("sessions-redis").await.unwrap().data.unwrap();
    assert_eq!(published["password"], kept.unwrap()["password"]);
    assert_eq!(tenant.cloud.calls("ResetPassword").len(), 0);
    operator.stop().await;
}

/// What the Secrets note about each other saves reading them.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_reads_no_secret_but_the_credentials() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let tenant = Tenant::with_credentials(&cluster, "restart", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let reads = || {
        let audit = cluster.audit();
        let names = audit.iter().filter(|entry| entry["verb"] == "get");
        let names = names.filter(|entry| entry["objectRef"]["resource"] == "secrets");
        let names = names.filter(|entry| entry["objectRef"]["namespace"] == "restart");
        names.filter_map(|entry| entry["objectRef"]["name"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let own = |names: &[String]| names.iter().filter(|name| name.starts_with("sessions")).count();
    assert_eq!(own(&reads()), 0, "no read on the way to Ready");
    operator.stop().await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let lists = tenant.cloud.calls("ListInstances").len();
    eventually("the account is listed", DEADLINE, async || {
        (tenant.cloud.calls("ListInstances").len() > lists).then_some(())
    })
    .await;
    tenant.edit("sessions", json!({"description": "another"})).await;
    tenant.wait_until_healthy("sessions").await;
    assert_eq!(own(&reads()), 0, "no read after a restart");
    operator.stop().await;
}

/// The hash key tells only whether credentials changed. No password depends on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_hash_key_changes_no_secret() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let tenant = Tenant::with_credentials(&cluster, "hash-key", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let versions = async || {
        let secrets =
            tenant.secrets().list(&ListParams::default().labels("dcs.huaweicloud.com/instance")).await;
        let versions =
            secrets.unwrap().items.into_iter().map(|secret| secret.metadata.resource_version.unwrap());
        versions.collect::<Vec<_>>()
    };
    let before = versions().await;
    assert_eq!(before.len(), 2, "the record and the binding Secret");
    operator.stop().await;
    let own: Api<Secret> = Api::namespaced(cluster.client.clone(), SYSTEM);
    let _ = own.delete("dcs-operator-hash-key", &DeleteParams::default()).await.unwrap();
    let mut operator = cluster.operator(&["--leader-elect=false"]).await;
    let lists = tenant.cloud.calls("ListInstances").len();
    eventually("the account was listed twice", DEADLINE, async || {
        (tenant.cloud.calls("ListInstances").len() > lists + 1).then_some(())
    })
    .await;
    tenant.edit("sessions", json!({"description": "another"})).await;
    tenant.wait_until_healthy("sessions").await;
    assert_eq!((versions().await, tenant.warnings().await), (before, Vec::new()));
    assert_eq!(tenant.cloud.calls("ResetPassword").len(), 0);
    operator.stop().await;
}
