//! What can be wrong with what users give the operator, or with the cloud: each is told by a reason of its own, with what
//! to do; nothing is harmed; and once it is mended, all goes on without a restart.

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
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{Operator, Tenant, TestCluster, binding, quick},
    sim_harness::{ACCESS_KEY, PASSWORD},
    world::objects::{SUBNET, VPC, spec},
};

/// One cluster and one operator for all of them: what is wrong in one namespace must not disturb the others. Never
/// dropped; without its control plane, which ends with this process, the operator loses its lease and ends too.
static ARENA: OnceCell<(TestCluster, Operator)> = OnceCell::const_new();

async fn arena() -> &'static (TestCluster, Operator) {
    let start = async || {
        let cluster = TestCluster::start().await;
        // The cloud shows at once what it has made, so an unclear answer is cleared up soon; and what takes minutes is
        // tried again after seconds, so that it can be awaited.
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
    ARENA.get_or_init(start).await
}

async fn tenant(namespace: &str, settings: Settings) -> Tenant {
    Tenant::open(&arena().await.0, namespace, settings).await
}

fn settings(change: impl FnOnce(&mut Options)) -> Settings {
    let mut settings = quick();
    change(&mut settings.service);
    settings
}

fn mutate_cloud<T>(tenant: &Tenant, change: impl FnOnce(&mut Service) -> T) -> T {
    tenant.cloud.shared.lock().meddle(tenant.cloud.clock.monotonic(), |service, _| change(service))
}

/// The credentials with other values; null takes one away.
fn credentials(tenant: &Tenant, changes: Value) -> Value {
    let mut data = tenant.credentials();
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(data.as_object_mut().unwrap().remove(key)),
            value => data[key] = value.clone(),
        }
    }
    data
}

/// Told so, with what to do; nothing was made.
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
    // Events follow at their own pace.
    let reported = async || tenant.warnings().await.contains(&reason.to_owned()).then_some(());
    eventually(&format!("an Event warns of {reason}"), DEADLINE, reported).await;
}

/// Tried again by itself, and slowly: no two requests come sooner after each other than the flag says. Times in status are
/// whole seconds, so a wait may be one shorter.
async fn tried_again_slowly(tenant: &Tenant) {
    let tries = async || (tenant.cloud.calls("CreateInstance").len() >= 3).then_some(());
    eventually("it is tried again, and again", DEADLINE, tries).await;
    let calls = tenant.cloud.calls("CreateInstance");
    let gaps: Vec<_> =
        calls.windows(2).map(|pair| (pair[1].time - pair[0].time).num_milliseconds()).collect();
    assert!(gaps.iter().all(|gap| *gap >= 1000), "{gaps:?} ms");
}

/// All is well in the end, one instance was made, no secret showed anywhere, and no right was missing.
async fn well(tenant: &Tenant) {
    tenant.until_well("sessions").await;
    assert_eq!(tenant.cloud.names().len(), 1);
    let (cluster, operator) = arena().await;
    tenant.assert_nothing_secret_shows(operator).await;
    cluster.assert_nothing_was_forbidden();
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_missing() {
    let tenant = Tenant::bare(&arena().await.0, "no-credentials", quick()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CredentialsMissing", "make it").await;
    tenant.put_secret("dcs-credentials", tenant.credentials()).await;
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_incomplete() {
    let tenant = tenant("half-credentials", quick()).await;
    tenant.put_secret("dcs-credentials", credentials(&tenant, json!({"secretKey": null}))).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CredentialsInvalid", "it has no secretKey").await;
    tenant.put_secret("dcs-credentials", tenant.credentials()).await;
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_wrong_and_name_no_project() {
    let tenant = tenant("wrong-credentials", quick()).await;
    let wrong = json!({"secretKey": "canary-wrong", "projectId": null});
    tenant.put_secret("dcs-credentials", credentials(&tenant, wrong)).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CredentialsInvalid", "Correct the Secret with the credentials").await;
    tenant.put_secret("dcs-credentials", credentials(&tenant, json!({"projectId": null}))).await;
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_password_is_wrong() {
    let tenant = tenant("wrong-user", quick()).await;
    let user = |password: &str| {
        let keys = json!({"accessKey": null, "secretKey": null, "username": "user", "domainName": "domain"});
        let mut data = credentials(&tenant, keys);
        data["password"] = json!(password);
        data
    };
    tenant.put_secret("dcs-credentials", user("canary-wrong")).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CredentialsInvalid", "Correct the Secret with the credentials").await;
    tenant.put_secret("dcs-credentials", user(PASSWORD)).await;
    well(&tenant).await;
}

/// Whoever mixes the keys up must not find the secret in a condition.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_under_the_wrong_keys() {
    let tenant = tenant("mixed-up", quick()).await;
    for (n, key) in ["region", "projectId", "endpoint", "iamEndpoint"].iter().enumerate() {
        let mixed = credentials(&tenant, json!({(*key): "canary_Passw0rd/+="}));
        tenant.put_secret("dcs-credentials", mixed).await;
        if n == 0 {
            tenant.apply("sessions", spec(json!({}))).await;
        }
        stalled(&tenant, "CredentialsInvalid", key).await;
    }
    tenant.put_secret("dcs-credentials", tenant.credentials()).await;
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_rotated() {
    let tenant = tenant("rotated-key", quick()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.until_well("sessions").await;
    let key = AccessKey { secret: "canary-rotated".into(), security_token: None, expires_at: None };
    tenant.cloud.shared.lock().directory_mut().put_key(ACCESS_KEY, key);
    tenant.edit("sessions", json!({"description": "another"})).await;
    let said = tenant.until("sessions", "Stalled", "True/CredentialsInvalid").await;
    assert!(said.contains("APIGW.0301") && said.contains("Correct the Secret"), "{said}");
    assert!(
        tenant.condition("sessions", "Ready").await.starts_with("True/Available"),
        "clients are not concerned"
    );
    tenant.put_secret("dcs-credentials", credentials(&tenant, json!({"secretKey": "canary-rotated"}))).await;
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_nobody_allowed() {
    let tenant = tenant("foreign-endpoint", quick()).await;
    // Not allowed by that name, though somebody listens there, and would notice.
    let port = tenant.cloud.base.rsplit(':').next().unwrap();
    let local = format!("http://localhost:{port}");
    for (key, foreign, remedy) in [
        ("endpoint", "https://169.254.169.254", "--allow-endpoint 169.254.169.254"),
        ("endpoint", local.as_str(), "--allow-insecure-endpoint localhost"),
        ("iamEndpoint", "https://dcs.example.com", "--allow-endpoint dcs.example.com"),
    ] {
        tenant.put_secret("dcs-credentials", credentials(&tenant, json!({(key): foreign}))).await;
        if foreign.contains("169") {
            tenant.apply("sessions", spec(json!({}))).await;
        }
        stalled(&tenant, "EndpointNotAllowed", remedy).await;
    }
    assert_eq!(tenant.cloud.journal(), json!([]), "nobody was called");
    tenant.put_secret("dcs-credentials", tenant.credentials()).await;
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_missing_then_weak() {
    let tenant = tenant("passwords", quick()).await;
    let chosen = json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}});
    tenant.apply("sessions", spec(chosen)).await;
    stalled(&tenant, "SecretNotFound", "there is no Secret mine: make it").await;
    tenant.put_secret("mine", json!({"password": "canaryweak"})).await;
    stalled(&tenant, "PasswordInvalid", "too simple").await;
    tenant.put_secret("mine", json!({"password": "canary-Pass-w0rd"})).await;
    well(&tenant).await;
    assert_eq!(binding(&tenant, "sessions").await["password"], "canary-Pass-w0rd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_the_bindings_name() {
    let tenant = tenant("name-conflict", quick()).await;
    tenant.put_secret("sessions-redis", json!({"theirs": "kept"})).await;
    tenant.apply("sessions", spec(json!({}))).await;
    let said = tenant.until("sessions", "BindingPublished", "False/SecretConflict").await;
    assert!(said.contains("rename or delete it"), "{said}");
    tenant.until("sessions", "Ready", "True/Available").await;
    assert_eq!(binding(&tenant, "sessions").await["theirs"], "kept");
    let _ = tenant.secrets().delete("sessions-redis", &DeleteParams::default()).await.unwrap();
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_does_not_exist() {
    let network = Network { vpc_id: VPC.to_owned(), subnet_id: SUBNET.to_owned(), addresses: 100 };
    let tenant = tenant("unknown-vpc", settings(|options| options.networks = vec![network])).await;
    let unknown = "99999999-0000-4000-8000-000000000001";
    tenant.apply("sessions", spec(json!({"network": {"vpcId": unknown, "subnetId": SUBNET}}))).await;
    stalled(&tenant, "ReferenceInvalid", "Correct the ID in the spec").await;
    tenant.edit("sessions", json!({"network": {"vpcId": VPC, "subnetId": SUBNET}})).await;
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up() {
    let tenant = tenant("no-quota", settings(|options| options.quota_instances = 0)).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "QuotaExceeded", "apply for a larger quota").await;
    // Another account has a larger one; nothing was made in this one, so the object may go there.
    let larger = Tenant::bare(&arena().await.0, "no-quota-2", quick()).await;
    tenant.put_secret("larger", larger.credentials()).await;
    tenant.edit("sessions", json!({"credentialsRef": {"name": "larger"}})).await;
    tenant.until_well("sessions").await;
    assert_eq!((tenant.cloud.names().len(), larger.cloud.names().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_raised() {
    let tenant = tenant("small-quota", settings(|options| options.quota_instances = 0)).await;
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "QuotaExceeded", "apply for a larger quota").await;
    tried_again_slowly(&tenant).await;
    mutate_cloud(&tenant, |service| {
        let raised = Options { quota_instances: 1, ..service.options().clone() };
        service.set_options(raised);
    });
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_balance() {
    let tenant = tenant("no-balance", quick()).await;
    let answer = json!({"status": 400, "code": "DCS.4107", "message": "the account is in arrears"});
    let fault = json!({"operation": "CreateInstance", "count": null, "fault": {"errorBefore": answer}});
    tenant.cloud.add_faults(&fault);
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "InsufficientBalance", "Top up the account").await;
    tried_again_slowly(&tenant).await;
    tenant.cloud.shared.lock().clear_faults();
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_is_sold_out() {
    let tenant = tenant("sold-out", quick()).await;
    let zones = json!({"availabilityZones": ["sim-region-1a", "sim-region-1d"]});
    tenant.apply("sessions", spec(zones)).await;
    stalled(&tenant, "SoldOut", "sim-region-1d").await;
    assert!(tenant.cloud.calls("CreateInstance").is_empty(), "nothing is asked for that is not to be had");
    mutate_cloud(&tenant, |service| service.sell_out("sim-region-1d", false));
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_the_cloud_cannot_make() {
    let tenant = tenant("create-failed", quick()).await;
    mutate_cloud(&tenant, |service| service.fail_next_creations(1));
    tenant.apply("sessions", spec(json!({}))).await;
    let removed = async || (!tenant.cloud.calls("DeleteInstance").is_empty()).then_some(());
    eventually("the failed record is removed", DEADLINE, removed).await;
    let reported = async || {
        let said = tenant.condition("sessions", "Reconciling").await;
        said.contains("tried again").then_some(said)
    };
    eventually("that it is tried again", DEADLINE, reported).await;
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_the_cloud_never_can_make() {
    let tenant = tenant("never-made", quick()).await;
    mutate_cloud(&tenant, |service| service.fail_next_creations(3));
    tenant.apply("sessions", spec(json!({}))).await;
    stalled(&tenant, "CreateFailed", "change the spec").await;
    assert_eq!(tenant.cloud.calls("CreateInstance").len(), 3, "so often, and then a person is asked");
    assert_eq!(tenant.cloud.names(), Vec::<String>::new(), "the failed records are gone");
    tenant.edit("sessions", json!({"description": "again"})).await;
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_frozen() {
    let tenant = tenant("frozen", quick()).await;
    tenant.apply("sessions", spec(json!({}))).await;
    tenant.until_well("sessions").await;
    let id = tenant.instances().get("sessions").await.unwrap().status.unwrap().id.unwrap();
    let force =
        |status| mutate_cloud(&tenant, |service| service.force_status(service.now(), &id, status, None));
    assert!(force(InstanceStatus::Frozen));
    let said = tenant.until("sessions", "Ready", "False/Frozen").await;
    assert!(said.contains("FROZEN") && said.contains("Pay what is owed"), "{said}");
    assert!(force(InstanceStatus::Running));
    well(&tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken() {
    let tenant = tenant("name-taken", settings(|options| options.unique_names = true)).await;
    tenant.apply("first", spec(json!({"name": "same"}))).await;
    tenant.until_well("first").await;
    tenant.apply("sessions", spec(json!({"name": "same"}))).await;
    // The answer could mean our own instance, so the lists are asked first.
    stalled(&tenant, "NameTaken", "Choose another spec.name").await;
    tenant.edit("sessions", json!({"name": "other"})).await;
    tenant.until_well("sessions").await;
    tenant.until_well("first").await;
    assert_eq!(tenant.cloud.names().len(), 2);
    tenant.assert_nothing_secret_shows(&arena().await.1).await;
}

/// The definition in the cluster lets something through that this operator does not know: as a newer one might.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_stops_nobody_else() {
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
    let tenant = Tenant::open(&cluster, "others", quick()).await;
    let odd = json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsInstance",
        "metadata": {"name": "odd", "namespace": "others"},
        "spec": {"engineVersion": "6.0", "capacity": "1Gi", "description": 7},
    });
    let make = async || {
        let made = cluster.control_plane.kubectl_reading(&["create", "-f", "-"], &odd.to_string());
        made.status.success().then_some(())
    };
    eventually("the loosened definition is served", DEADLINE, make).await;
    tenant.apply("sessions", spec(json!({"description": null}))).await;
    tenant.until_well("sessions").await;
    assert_eq!(tenant.cloud.names().len(), 1, "nothing is done about what cannot be read");
    operator.says(&["cannot read this object", "others/odd"]).await;
    let warned = async || tenant.warnings().await.contains(&"Unreadable".to_owned()).then_some(());
    eventually("an Event says so", DEADLINE, warned).await;
    define("string");
    let mend = async || {
        let fields = r#"{"spec": {"description": "mended"}}"#;
        let arguments = ["patch", "dcsi", "odd", "-n", "others", "--type=merge", "-p", fields];
        cluster.control_plane.kubectl(&arguments).status.success().then_some(())
    };
    eventually("the former definition is served", DEADLINE, mend).await;
    tenant.until_well("odd").await;
}
