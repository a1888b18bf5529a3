//! Whose instance it is, on a real API server: the definition, finalizers of others, and a status that a tenant forged.

use dcs_operator::{api::DcsInstance, dcs::Cloud, simulator::service::Instance};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{TestCluster, fast_settings},
    sim_harness::instance,
    tenant::Tenant,
    world::objects::spec,
};

const DEFINITION: &str = "dcsinstances.dcs.huaweicloud.com";

fn tag(instance: &Instance, key: &str) -> Option<String> {
    instance.tags.iter().find(|tag| tag.key == key)?.value.clone()
}

fn instances(tenant: &Tenant) -> Vec<Instance> {
    tenant.cloud.shared.lock().service().instances().cloned().collect()
}

/// Makes the record of the password note the instance, where the operator does not.
async fn note_record(tenant: &Tenant, name: &str) {
    let record = format!("{name}-auth");
    if tenant.secrets().get_opt(&record).await.unwrap().is_none() {
        tenant.put_secret(&record, json!({})).await;
    }
    let id = tenant.instances().get(name).await.unwrap().status.unwrap().id;
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"dcs.huaweicloud.com/instance-id": id}}}));
    tenant.secrets().patch(&record, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_definition_keeps_the_instances_and_a_reinstallation_finds_them() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&[]).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    note_record(&tenant, "sessions").await;
    let id = instances(&tenant)[0].id.clone();
    let deleted = cluster.control_plane.kubectl(&["delete", "crd", DEFINITION, "--timeout=60s"]);
    assert!(deleted.status.success(), "{deleted:?}");
    let [kept] = instances(&tenant).try_into().unwrap();
    assert_eq!((kept.id.as_str(), tag(&kept, "dcs-operator-uid")), (id.as_str(), None));
    assert!(tag(&kept, "dcs-operator-released").is_some());
    let said = tenant.events("sessions").await;
    assert!(said.iter().any(|event| event.contains("CustomResourceDefinition is being deleted")), "{said:?}");
    operator.stop().await;

    cluster.apply("crds");
    let mut operator = cluster.operator(&[]).await;
    tenant.apply_when_served("sessions", spec(json!({}))).await;
    tenant.until("sessions", "Ready", "True").await;
    let [taken] = instances(&tenant).try_into().unwrap();
    assert_eq!(
        (taken.id.as_str(), tag(&taken, "dcs-operator-origin").as_deref()),
        (id.as_str(), Some("created"))
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_definition_is_no_consent() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&["--stalled-retry=1s..2s"]).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(tenant.client.clone());
    let field = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/deletionPolicy";
    let patch = serde_json::from_value(json!([{"op": "remove", "path": field}])).unwrap();
    definitions.patch(DEFINITION, &PatchParams::default(), &Patch::<()>::Json(patch)).await.unwrap();
    tenant.delete("sessions").await;
    let said = tenant.until("sessions", "Stalled", "True/DefinitionOutdated").await;
    assert!(said.contains("spec.deletionPolicy"), "{said}");
    assert_eq!(tenant.cloud.names().len(), 1);
    cluster.apply("crds");
    tenant.wait_until_gone("sessions").await;
    eventually("deleted", DEADLINE, async || tenant.cloud.names().is_empty().then_some(())).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_finalizer_guards_the_instance() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&[]).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    for name in ["guarded", "foreground"] {
        tenant.apply(name, spec(json!({}))).await;
        tenant.wait_until_healthy(name).await;
    }
    let finalizers = |all: Value| Patch::Merge(json!({"metadata": {"finalizers": all}}));
    let own = "dcs.huaweicloud.com/instance";
    let guarded = finalizers(json!(["example.org/keep", own]));
    tenant.instances().patch("guarded", &PatchParams::default(), &guarded).await.unwrap();
    tenant.delete("guarded").await;
    let said = tenant.until("guarded", "Stalled", "True/GuardedByFinalizer").await;
    assert!(said.contains("example.org/keep"), "{said}");
    // What Argo CD deletes with is no guard.
    let _ = tenant.instances().delete("foreground", &DeleteParams::foreground()).await.unwrap();
    tenant.wait_until_gone("foreground").await;
    assert_eq!(tenant.cloud.names().len(), 1);
    tenant.instances().patch("guarded", &PatchParams::default(), &finalizers(json!([own]))).await.unwrap();
    tenant.wait_until_gone("guarded").await;
    operator.stop().await;
}

/// A user with every permission in the namespace, and none elsewhere.
async fn namespaced_user(cluster: &TestCluster, tenant: &Tenant) -> Api<DcsInstance> {
    let role = json!([
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "tenant"}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "stars"},
         "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "stars"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "stars"},
         "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": tenant.namespace}]},
    ]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": role}).to_string();
    let arguments = ["apply", "-n", &tenant.namespace, "-f", "-"];
    let applied = cluster.control_plane.kubectl_reading(&arguments, &list);
    assert!(applied.status.success(), "{applied:?}");
    let mut config = cluster.client_config().await;
    config.auth_info.impersonate = Some(format!("system:serviceaccount:{}:tenant", tenant.namespace));
    Api::namespaced(Client::try_from(config).unwrap(), &tenant.namespace)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_forges_the_status_reaches_no_foreign_instance() {
    let cluster = TestCluster::start().await;
    let tenant = Tenant::without_credentials(&cluster, "shop", fast_settings()).await;
    tenant.put_secret_in("dcs-operator-system", "own", tenant.credentials()).await;
    let flags = ["--credentials-secret=dcs-operator-system/own", "--credentials-namespaces=shop"];
    let mut operator = cluster.operator(&flags).await;
    let made = tenant.cloud.client.create_instance(&instance("by-hand")).await.unwrap();
    let id = made.instance_id;
    let untouched = || {
        let all = instances(&tenant);
        let foreign = all.iter().find(|instance| instance.id == id).expect("it exists");
        assert!(foreign.tags.is_empty(), "{:?}", foreign.tags);
        assert_eq!(foreign.name, "by-hand");
    };
    let user = namespaced_user(&cluster, &tenant).await;
    let forge = json!({"status": {"id": id, "operation": {"type": "Delete", "instanceId": id, "attempt": 1,
        "startedAt": "2026-01-01T00:00:00Z", "holder": {"kind": "DcsInstance", "name": "x", "uid": "x"}},
        "resolved": {"origin": "Created"}}});
    for (name, more) in [
        ("plain", json!({"paused": true})),
        ("renaming", json!({"name": "renamed-by-tenant", "paused": true})),
        ("adopting", json!({"adopt": {"instanceId": id}, "deletionPolicy": "Delete"})),
        ("observing", json!({"adopt": {"instanceId": id}, "managementPolicy": "Observe"})),
    ] {
        user.create(&Default::default(), &DcsInstance::new(name, spec(more))).await.unwrap();
        user.patch_status(name, &PatchParams::default(), &Patch::Merge(forge.clone())).await.unwrap();
        let unpause = Patch::Merge(json!({"spec": {"paused": null}}));
        user.patch(name, &PatchParams::default(), &unpause).await.unwrap();
        tenant.until(name, "Stalled", "True").await;
        let status = tenant.instances().get(name).await.unwrap().status.unwrap();
        assert_eq!((status.endpoints, status.binding), (None, None), "{name}");
        assert!(tenant.secrets().get_opt(&format!("{name}-redis")).await.unwrap().is_none(), "{name}");
        untouched();
        tenant.delete(name).await;
        let deleting = async || {
            let object = tenant.instances().get_opt(name).await.unwrap()?;
            object.finalizers().is_empty().then_some(())
        };
        // Either it goes at once, or it waits for a person.
        eventually("gone or stalled", DEADLINE, async || {
            let gone = tenant.instances().get_opt(name).await.unwrap().is_none();
            let waits = tenant.condition(name, "Ready").await.starts_with("False/Deleting");
            (gone || waits || deleting().await.is_some()).then_some(())
        })
        .await;
        untouched();
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_object_gets_its_instance_back() {
    let cluster = TestCluster::start().await;
    let mut operator = cluster.operator(&[]).await;
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    let manifest = || spec(json!({"deletionPolicy": "Retain"}));
    tenant.apply("sessions", manifest()).await;
    tenant.wait_until_healthy("sessions").await;
    note_record(&tenant, "sessions").await;
    let id = instances(&tenant)[0].id.clone();
    tenant.delete("sessions").await;
    tenant.wait_until_gone("sessions").await;
    tenant.apply("sessions", manifest()).await;
    tenant.until("sessions", "Ready", "True").await;
    assert_eq!(
        instances(&tenant).iter().map(|one| one.id.clone()).collect::<Vec<_>>(),
        std::slice::from_ref(&id)
    );
    // Without the record of this namespace, no other team's data comes back.
    tenant.delete("sessions").await;
    tenant.wait_until_gone("sessions").await;
    let _ = tenant.secrets().delete("sessions-auth", &Default::default()).await.unwrap();
    tenant.apply("sessions", manifest()).await;
    let said = tenant.until("sessions", "Stalled", "True/ReclaimBlocked").await;
    assert!(said.contains(&id) && said.contains("reclaimPolicy to None"), "{said}");
    tenant.edit("sessions", json!({"reclaimPolicy": "None"})).await;
    tenant.until("sessions", "Ready", "True").await;
    assert_eq!(tenant.cloud.names().len(), 2);
    operator.stop().await;
}
