//! Invalid input of users, and refusals of the cloud: each is reported by its own reason with a remedy, causes no harm,
//! and is resolved without a restart once its cause is gone.

use std::time::Duration;

use dcs_operator::{
    dcs::model::InstanceStatus,
    simulator::{
        AccessKey, Settings,
        options::{Network, Options},
        service::Service,
    },
};
use kube::api::DeleteParams;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{Operator, TestCluster, fast_settings},
    sim_harness::{ACCESS_KEY, PASSWORD},
    tenant::{Tenant, binding},
    world::objects::{SUBNET, VPC, spec},
};

/// One cluster and one operator for all tests: errors in one namespace must not affect the others. It is never dropped.
/// The control plane ends with this process, and the operator exits when it loses its lease.
static SHARED_CLUSTER: OnceCell<(TestCluster, Operator)> = OnceCell::const_new();

async fn shared_cluster() -> &'static (TestCluster, Operator) {
    let start = async || {
        let cluster = TestCluster::start().await;
        // The simulated cloud lists new instances at once, so a short consistency window suffices. Short retry delays
        // keep the tests short.
        let short = [
            "--intent-ttl=1s",
            "--call-timeout=2s",
            "--list-consistency-window=1s",
            "--catalogue=1s",
            "--stalled-retry=2s..4s",
            "--creation-retry=2s..4s",
        ];
        let operator = cluster.operator(&short).await;
        (cluster, operator)
    };
    SHARED_CLUSTER.get_or_init(start).await
}

async fn tenant(namespace: &str, settings: Settings) -> Tenant {
    Tenant::with_credentials(&shared_cluster().await.0, namespace, settings).await
}

fn settings(change: impl FnOnce(&mut Options)) -> Settings {
    let mut settings = fast_settings();
    change(&mut settings.service);
    settings
}

fn mutate_cloud<T>(tenant: &Tenant, change: impl FnOnce(&mut Service) -> T) -> T {
    tenant.cloud.shared.lock().mutate(tenant.cloud.clock.monotonic(), |service, _| change(service))
}

/// Waits until the object is Stalled with this reason and remedy, and an Event warns of it.
async fn stalled(tenant: &Tenant, reason: &str, remedy: &str) {
    let mut said = String::new();
    let reported = async {
        while !(said.starts_with(&format!("True/{reason}")) && said.contains(remedy)) {
            tokio::time::sleep(Duration::from_millis(30)).await;
            said = tenant.condition("sessions", "Stalled").await;
        }
    };
    let reported = tokio::time::timeout(DEADLINE, reported).await;
    let all = tenant.describe("sessions").await;
    assert!(reported.is_ok(), "True/{reason} with {remedy:?} is not in {said}: {all}");
    assert!(tenant.condition("sessions", "Ready").await.starts_with(&format!("False/{reason}")));
    // Events are published asynchronously.
    let reported = async || tenant.warnings().await.contains(&reason.to_owned()).then_some(());
    eventually(&format!("an Event warns of {reason}"), DEADLINE, reported).await;
}

/// Waits for retries, and checks that the delay between them is not shorter than the flag. Times in status are whole
/// seconds, so a delay may be one second shorter.
async fn assert_slow_retries(tenant: &Tenant) {
    let tries = async || (tenant.cloud.calls("CreateInstance").len() >= 3).then_some(());
    eventually("the creation is retried twice", DEADLINE, tries).await;
    let calls = tenant.cloud.calls("CreateInstance");
    let gaps: Vec<_> =
        calls.windows(2).map(|pair| (pair[1].time - pair[0].time).num_milliseconds()).collect();
    assert!(gaps.iter().all(|gap| *gap >= 1000), "{gaps:?} ms");
}

/// The object is healthy, one instance exists, no secret leaked, and no permission was missing.
async fn assert_healthy(tenant: &Tenant) {
    tenant.wait_until_healthy("sessions").await;
    assert_eq!(tenant.cloud.names().len(), 1);
    let (cluster, operator) = shared_cluster().await;
    tenant.assert_no_secret_leaks(operator).await;
    cluster.assert_nothing_was_forbidden();
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_credentials() {
    let tenant =
        Tenant::without_credentials(&shared_cluster().await.0, "no-credentials", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CredentialsMissing", "create it").await;
    tenant.put_secret("dcs-credentials", tenant.credentials()).await;
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incomplete_credentials() {
    let tenant = tenant("half-credentials", fast_settings()).await;
    tenant.put_secret("dcs-credentials", tenant.credentials_with(json!({"secretKey": null}))).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CredentialsInvalid", "it has no secretKey").await;
    tenant.put_secret("dcs-credentials", tenant.credentials()).await;
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_without_a_project() {
    let tenant = tenant("wrong-credentials", fast_settings()).await;
    let wrong = json!({"secretKey": "canary-wrong", "projectId": null});
    tenant.put_secret("dcs-credentials", tenant.credentials_with(wrong)).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CredentialsInvalid", "Correct the Secret with the credentials").await;
    tenant.put_secret("dcs-credentials", tenant.credentials_with(json!({"projectId": null}))).await;
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_of_an_iam_user() {
    let tenant = tenant("wrong-user", fast_settings()).await;
    let user = |password: &str| {
        let keys = json!({"accessKey": null, "secretKey": null, "username": "user", "domainName": "domain"});
        let mut data = tenant.credentials_with(keys);
        data["password"] = json!(password);
        data
    };
    tenant.put_secret("dcs-credentials", user("canary-wrong")).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CredentialsInvalid", "Correct the Secret with the credentials").await;
    tenant.put_secret("dcs-credentials", user(PASSWORD)).await;
    assert_healthy(&tenant).await;
}

/// A secret under a wrong key must not appear in a condition.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_under_the_wrong_keys() {
    let tenant = tenant("mixed-up", fast_settings()).await;
    for (n, key) in ["region", "projectId", "endpoint", "iamEndpoint"].iter().enumerate() {
        let mixed = tenant.credentials_with(json!({(*key): "canary_Passw0rd/+="}));
        tenant.put_secret("dcs-credentials", mixed).await;
        if n == 0 {
            tenant.apply("sessions", spec(json!({}))).await;
        }
        stalled(&tenant, "CredentialsInvalid", key).await;
    }
    tenant.put_secret("dcs-credentials", tenant.credentials()).await;
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_access_key() {
    let tenant = tenant("rotated-key", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let key = AccessKey { secret: "canary-rotated".into(), security_token: None, expires_at: None };
    tenant.cloud.shared.lock().directory_mut().put_key(ACCESS_KEY, key);
    tenant.edit("sessions", json!({"description": "another"})).await;
    let said = tenant.until("sessions", "Stalled", "True/CredentialsInvalid").await;
    assert!(said.contains("APIGW.0301") && said.contains("Correct the Secret"), "{said}");
    assert!(
        tenant.condition("sessions", "Ready").await.starts_with("True/Available"),
        "clients are not affected"
    );
    tenant
        .put_secret("dcs-credentials", tenant.credentials_with(json!({"secretKey": "canary-rotated"})))
        .await;
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_not_allowed() {
    let tenant = tenant("foreign-endpoint", fast_settings()).await;
    // This name of the simulator is not allowed. The journal shows whether it was called.
    let port = tenant.cloud.base.rsplit(':').next().unwrap();
    let local = format!("http://localhost:{port}");
    for (key, foreign, remedy) in [
        ("endpoint", "https://169.254.169.254", "--allow-endpoint 169.254.169.254"),
        ("endpoint", local.as_str(), "--allow-insecure-endpoint localhost"),
        ("iamEndpoint", "https://dcs.example.com", "--allow-endpoint dcs.example.com"),
    ] {
        tenant.put_secret("dcs-credentials", tenant.credentials_with(json!({(key): foreign}))).await;
        if foreign.contains("169") {
            tenant.apply("sessions", spec(json!({}))).await;
        }
        stalled(&tenant, "EndpointNotAllowed", remedy).await;
    }
    assert_eq!(tenant.cloud.journal(), json!([]), "no request was sent");
    tenant.put_secret("dcs-credentials", tenant.credentials()).await;
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_and_then_weak_password() {
    let tenant = tenant("passwords", fast_settings()).await;
    let chosen = json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}});
    tenant.apply("sessions", spec(chosen)).await;
    stalled(&tenant, "SecretNotFound", "Secret mine does not exist: create it").await;
    tenant.put_secret("mine", json!({"password": "canaryweak"})).await;
    stalled(&tenant, "PasswordInvalid", "too simple").await;
    tenant.put_secret("mine", json!({"password": "canary-Pass-w0rd"})).await;
    assert_healthy(&tenant).await;
    assert_eq!(binding(&tenant, "sessions").await["password"], "canary-Pass-w0rd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_secret_with_the_name_of_the_binding() {
    let tenant = tenant("name-conflict", fast_settings()).await;
    tenant.put_secret("sessions-redis", json!({"theirs": "kept"})).await;
    tenant.apply("sessions", spec(json!({}))).await;
    let said = tenant.until("sessions", "BindingPublished", "False/SecretConflict").await;
    assert!(said.contains("rename or delete it"), "{said}");
    tenant.until("sessions", "Ready", "True/Available").await;
    assert_eq!(binding(&tenant, "sessions").await["theirs"], "kept");
    let _ = tenant.secrets().delete("sessions-redis", &DeleteParams::default()).await.unwrap();
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_network() {
    let network = Network { vpc_id: VPC.to_owned(), subnet_id: SUBNET.to_owned(), addresses: 100 };
    let tenant = tenant("unknown-vpc", settings(|options| options.networks = vec![network])).await;
    let unknown = "99999999-0000-4000-8000-000000000001";
    tenant.apply("sessions", spec(json!({"network": {"vpcId": unknown, "subnetId": SUBNET}}))).await;
    stalled(&tenant, "ReferenceInvalid", "Correct the ID in the spec").await;
    tenant.edit("sessions", json!({"network": {"vpcId": VPC, "subnetId": SUBNET}})).await;
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_quota_and_a_change_of_account() {
    let tenant = tenant("no-quota", settings(|options| options.quota_instances = 0)).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "QuotaExceeded", "apply for a larger quota").await;
    // Another account has a larger quota. The object has no instance yet, so it may use that account.
    let larger = Tenant::without_credentials(&shared_cluster().await.0, "no-quota-2", fast_settings()).await;
    tenant.put_secret("larger", larger.credentials()).await;
    tenant.edit("sessions", json!({"credentialsRef": {"name": "larger"}})).await;
    tenant.wait_until_healthy("sessions").await;
    assert_eq!((tenant.cloud.names().len(), larger.cloud.names().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_quota() {
    let tenant = tenant("small-quota", settings(|options| options.quota_instances = 0)).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "QuotaExceeded", "apply for a larger quota").await;
    assert_slow_retries(&tenant).await;
    mutate_cloud(&tenant, |service| {
        let raised = Options { quota_instances: 1, ..service.options().clone() };
        service.set_options(raised);
    });
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_balance() {
    let tenant = tenant("no-balance", fast_settings()).await;
    let answer = json!({"status": 400, "code": "DCS.4107", "message": "the account is in arrears"});
    let fault = json!({"operation": "CreateInstance", "count": null, "fault": {"errorBefore": answer}});
    tenant.cloud.add_faults(&fault);
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "InsufficientBalance", "Top up the account").await;
    assert_slow_retries(&tenant).await;
    tenant.cloud.shared.lock().clear_faults();
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sold_out_zone() {
    let tenant = tenant("sold-out", fast_settings()).await;
    let zones = json!({"availabilityZones": ["sim-region-1a", "sim-region-1d"]});
    tenant.apply("sessions", spec(zones)).await;
    stalled(&tenant, "SoldOut", "sim-region-1d").await;
    assert!(tenant.cloud.calls("CreateInstance").is_empty(), "no request is sent for a sold-out zone");
    mutate_cloud(&tenant, |service| service.sell_out("sim-region-1d", false));
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_creation() {
    let tenant = tenant("create-failed", fast_settings()).await;
    mutate_cloud(&tenant, |service| service.fail_next_creations(1));
    tenant.apply("sessions", spec(json!({}))).await;
    let removed = async || (!tenant.cloud.calls("DeleteInstance").is_empty()).then_some(());
    eventually("the failed record is removed", DEADLINE, removed).await;
    let reported = async || {
        let said = tenant.condition("sessions", "Reconciling").await;
        said.contains("the operator retries").then_some(said)
    };
    eventually("the condition announces a retry", DEADLINE, reported).await;
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_fails_every_time() {
    let tenant = tenant("never-made", fast_settings()).await;
    mutate_cloud(&tenant, |service| service.fail_next_creations(3));
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CreateFailed", "change the spec").await;
    assert_eq!(tenant.cloud.calls("CreateInstance").len(), 3, "the object is Stalled after three failures");
    assert_eq!(tenant.cloud.names(), Vec::<String>::new(), "the failed records are gone");
    tenant.edit("sessions", json!({"description": "again"})).await;
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_instance() {
    let tenant = tenant("frozen", fast_settings()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.wait_until_healthy("sessions").await;
    let id = tenant.instances().get("sessions").await.unwrap().status.unwrap().id.unwrap();
    let force =
        |status| mutate_cloud(&tenant, |service| service.force_status(service.now(), &id, status, None));
    assert!(force(InstanceStatus::Frozen));
    let said = tenant.until("sessions", "Ready", "False/Frozen").await;
    assert!(said.contains("FROZEN") && said.contains("Pay what is owed"), "{said}");
    assert!(force(InstanceStatus::Running));
    assert_healthy(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_use() {
    let tenant = tenant("name-taken", settings(|options| options.unique_names = true)).await;
    tenant.apply("first", spec(json!({"name": "same"}))).await;
    tenant.wait_until_healthy("first").await;
    tenant.apply("sessions", spec(json!({"name": "same"}))).await;
    // The refusal could refer to an own instance, so the operator reads the lists first.
    stalled(&tenant, "NameTaken", "Choose another spec.name").await;
    tenant.edit("sessions", json!({"name": "other"})).await;
    tenant.wait_until_healthy("sessions").await;
    tenant.wait_until_healthy("first").await;
    assert_eq!(tenant.cloud.names().len(), 2);
    tenant.assert_no_secret_leaks(&shared_cluster().await.1).await;
}

/// The definition in the cluster accepts a value that this operator cannot decode, as a newer definition may.
#[tokio::test(flavor = "multi_thread")]
async fn an_undecodable_object_does_not_affect_others() {
    let cluster = TestCluster::start().await;
    let operator = cluster.operator(&[]).await;
    let at = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/description";
    let patch = |type_: &str| json!([{"op": "replace", "path": at, "value": {"type": type_}}]).to_string();
    let define = |type_: &str| {
        let crd = "dcsinstances.dcs.huaweicloud.com";
        let patched =
            cluster.control_plane.kubectl(&["patch", "crd", crd, "--type=json", "-p", &patch(type_)]);
        assert!(patched.status.success(), "{patched:?}");
    };
    define("integer");
    let tenant = Tenant::with_credentials(&cluster, "others", fast_settings()).await;
    let odd = json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsInstance",
        "metadata": {"name": "odd", "namespace": "others"},
        "spec": {"engineVersion": "6.0", "capacity": "1Gi", "description": 7},
    });
    let make = async || {
        let made = cluster.control_plane.kubectl_reading(&["create", "-f", "-"], &odd.to_string());
        made.status.success().then_some(())
    };
    eventually("the changed definition is served", DEADLINE, make).await;
    tenant.apply("sessions", spec(json!({"description": null}))).await;
    tenant.wait_until_healthy("sessions").await;
    assert_eq!(tenant.cloud.names().len(), 1, "the undecodable object has no instance");
    operator.wait_for_log(&["cannot decode this object", "others/odd"]).await;
    let warned = async || tenant.warnings().await.contains(&"Unreadable".to_owned()).then_some(());
    eventually("an Event reports the object", DEADLINE, warned).await;
    define("string");
    let mend = async || {
        let fields = r#"{"spec": {"description": "mended"}}"#;
        let arguments = ["patch", "dcsi", "odd", "-n", "others", "--type=merge", "-p", fields];
        cluster.control_plane.kubectl(&arguments).status.success().then_some(())
    };
    eventually("the former definition is served", DEADLINE, mend).await;
    tenant.wait_until_healthy("odd").await;
}
