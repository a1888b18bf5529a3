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
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{
    bench::ACCESS_KEY,
    operator::{Field, Operator, Shop, binding, quick},
    patience::{DEADLINE, eventually},
    world::objects::{SUBNET, VPC, spec},
};

/// One cluster and one operator for all of them: what is wrong in one namespace must not disturb the others. Never
/// dropped; without its control plane, which ends with this process, the operator loses its lease and ends too.
static ARENA: OnceCell<(Field, Operator)> = OnceCell::const_new();

async fn arena() -> &'static (Field, Operator) {
    let start = async || {
        let field = Field::start().await;
        // The cloud shows at once what it has made, so an unclear answer is cleared up soon.
        let short = ["--send-limit-seconds=1", "--call-timeout-seconds=2", "--visibility-seconds=1"];
        let operator = field.operator(&short).await;
        (field, operator)
    };
    ARENA.get_or_init(start).await
}

async fn shop(namespace: &str, settings: Settings) -> Shop {
    Shop::open(&arena().await.0, namespace, settings).await
}

fn settings(change: impl FnOnce(&mut Options)) -> Settings {
    let mut settings = quick();
    change(&mut settings.service);
    settings
}

fn meddle<T>(shop: &Shop, change: impl FnOnce(&mut Service) -> T) -> T {
    shop.cloud.shared.lock().meddle(shop.cloud.clock.monotonic(), |service, _| change(service))
}

/// The credentials with other values; null takes one away.
fn credentials(shop: &Shop, changes: Value) -> Value {
    let mut data = shop.credentials();
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(data.as_object_mut().unwrap().remove(key)),
            value => data[key] = value.clone(),
        }
    }
    data
}

/// Told so, with what to do; nothing was made.
async fn stalled(shop: &Shop, reason: &str, remedy: &str) {
    let said = shop.until("sessions", "Stalled", &format!("True/{reason}")).await;
    assert!(said.contains(remedy), "{remedy:?} is not in {said}");
    assert!(shop.condition("sessions", "Ready").await.starts_with(&format!("False/{reason}")));
    assert!(
        shop.warnings().await.contains(&reason.to_owned()) || {
            // Events follow at their own pace.
            let told = async || shop.warnings().await.contains(&reason.to_owned()).then_some(());
            eventually(&format!("an Event warns of {reason}"), DEADLINE, told).await;
            true
        }
    );
}

/// All is well in the end, one instance was made, and no secret showed anywhere.
async fn well(shop: &Shop) {
    shop.until_well("sessions").await;
    assert_eq!(shop.cloud.names().len(), 1);
    shop.assert_nothing_secret_shows(&arena().await.1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_missing() {
    let shop = Shop::bare(&arena().await.0, "no-credentials", quick()).await;
    shop.apply("sessions", spec(json!({}))).await;
    stalled(&shop, "CredentialsMissing", "make it").await;
    shop.put_secret("dcs-credentials", shop.credentials()).await;
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_incomplete() {
    let shop = shop("half-credentials", quick()).await;
    shop.put_secret("dcs-credentials", credentials(&shop, json!({"secretKey": null}))).await;
    shop.apply("sessions", spec(json!({}))).await;
    stalled(&shop, "CredentialsInvalid", "it has no secretKey").await;
    shop.put_secret("dcs-credentials", shop.credentials()).await;
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_wrong_and_name_no_project() {
    let shop = shop("wrong-credentials", quick()).await;
    let wrong = json!({"secretKey": "canary-wrong", "projectId": null});
    shop.put_secret("dcs-credentials", credentials(&shop, wrong)).await;
    shop.apply("sessions", spec(json!({}))).await;
    stalled(&shop, "CredentialsInvalid", "APIGW.0301").await;
    shop.put_secret("dcs-credentials", credentials(&shop, json!({"projectId": null}))).await;
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_rotated() {
    let shop = shop("rotated-key", quick()).await;
    shop.apply("sessions", spec(json!({}))).await;
    shop.until_well("sessions").await;
    let key = AccessKey { secret: "canary-rotated".into(), security_token: None, expires_at: None };
    shop.cloud.shared.lock().directory_mut().put_key(ACCESS_KEY, key);
    shop.edit("sessions", json!({"description": "another"})).await;
    let said = shop.until("sessions", "Synced", "Unknown/CredentialsInvalid").await;
    assert!(said.contains("APIGW.0301"), "{said}");
    assert!(
        shop.condition("sessions", "Ready").await.starts_with("True/Available"),
        "clients are not concerned"
    );
    shop.put_secret("dcs-credentials", credentials(&shop, json!({"secretKey": "canary-rotated"}))).await;
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_nobody_allowed() {
    let shop = shop("foreign-endpoint", quick()).await;
    for foreign in ["https://169.254.169.254", "http://localhost:80", "https://dcs.example.com"] {
        shop.put_secret("dcs-credentials", credentials(&shop, json!({"endpoint": foreign}))).await;
        if foreign.contains("169") {
            shop.apply("sessions", spec(json!({}))).await;
        }
        stalled(&shop, "EndpointNotAllowed", "--allow-").await;
    }
    shop.put_secret("dcs-credentials", shop.credentials()).await;
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_missing_then_weak() {
    let shop = shop("passwords", quick()).await;
    let chosen = json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}});
    shop.apply("sessions", spec(chosen)).await;
    stalled(&shop, "SecretNotFound", "there is no Secret mine: make it").await;
    shop.put_secret("mine", json!({"password": "canaryweak"})).await;
    stalled(&shop, "PasswordInvalid", "too simple").await;
    shop.put_secret("mine", json!({"password": "canary-Pass-w0rd"})).await;
    well(&shop).await;
    assert_eq!(binding(&shop, "sessions").await["password"], "canary-Pass-w0rd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_the_bindings_name() {
    let shop = shop("name-conflict", quick()).await;
    shop.put_secret("sessions-redis", json!({"theirs": "kept"})).await;
    shop.apply("sessions", spec(json!({}))).await;
    let said = shop.until("sessions", "BindingPublished", "False/SecretConflict").await;
    assert!(said.contains("rename or delete it"), "{said}");
    shop.until("sessions", "Ready", "True/Available").await;
    assert_eq!(binding(&shop, "sessions").await["theirs"], "kept");
    let _ = shop.secrets().delete("sessions-redis", &DeleteParams::default()).await.unwrap();
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_does_not_exist() {
    let network = Network { vpc_id: VPC.to_owned(), subnet_id: SUBNET.to_owned(), addresses: 100 };
    let shop = shop("unknown-vpc", settings(|options| options.networks = vec![network])).await;
    let unknown = "99999999-0000-4000-8000-000000000001";
    shop.apply("sessions", spec(json!({"network": {"vpcId": unknown, "subnetId": SUBNET}}))).await;
    stalled(&shop, "ReferenceInvalid", "DCS.4068").await;
    shop.edit("sessions", json!({"network": {"vpcId": VPC, "subnetId": SUBNET}})).await;
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up() {
    let shop = shop("no-quota", settings(|options| options.quota_instances = 0)).await;
    shop.apply("sessions", spec(json!({}))).await;
    stalled(&shop, "QuotaExceeded", "DCS.4035").await;
    let refused = shop.cloud.calls("CreateInstance").len();
    assert_eq!(refused, 1, "a refusal is not tried again and again");
    // Another account has a larger one; nothing was made in this one, so the object may go there.
    let larger = Shop::bare(&arena().await.0, "no-quota-2", quick()).await;
    shop.put_secret("larger", larger.credentials()).await;
    shop.edit("sessions", json!({"credentialsRef": {"name": "larger"}})).await;
    shop.until_well("sessions").await;
    assert_eq!((shop.cloud.names().len(), larger.cloud.names().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_balance() {
    let shop = shop("no-balance", quick()).await;
    let answer = json!({"status": 400, "code": "DCS.4107", "message": "the account is in arrears"});
    let fault = json!({"operation": "CreateInstance", "count": null, "fault": {"errorBefore": answer}});
    shop.cloud.add_faults(&fault);
    shop.apply("sessions", spec(json!({}))).await;
    stalled(&shop, "InsufficientBalance", "arrears").await;
    shop.cloud.shared.lock().clear_faults();
    shop.edit("sessions", json!({"description": "paid"})).await;
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_that_is_sold_out() {
    let shop = shop("sold-out", quick()).await;
    let zones = json!({"availabilityZones": ["sim-region-1a", "sim-region-1d"]});
    shop.apply("sessions", spec(zones)).await;
    stalled(&shop, "SoldOut", "sim-region-1d").await;
    shop.edit("sessions", json!({"availabilityZones": ["sim-region-1a", "sim-region-1b"]})).await;
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_the_cloud_cannot_make() {
    let shop = shop("create-failed", quick()).await;
    meddle(&shop, |service| service.fail_next_creations(1));
    shop.apply("sessions", spec(json!({}))).await;
    let removed = async || (!shop.cloud.calls("DeleteInstance").is_empty()).then_some(());
    eventually("the failed record is removed", DEADLINE, removed).await;
    let told = async || {
        let said = shop.condition("sessions", "Reconciling").await;
        said.contains("tried again").then_some(said)
    };
    eventually("that it is tried again", DEADLINE, told).await;
    // It is by itself, a minute later; a change of the spec has it tried at once.
    shop.edit("sessions", json!({"description": "again"})).await;
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_frozen() {
    let shop = shop("frozen", quick()).await;
    shop.apply("sessions", spec(json!({}))).await;
    shop.until_well("sessions").await;
    let id = shop.instances().get("sessions").await.unwrap().status.unwrap().id.unwrap();
    let force = |status| meddle(&shop, |service| service.force_status(service.now(), &id, status, None));
    assert!(force(InstanceStatus::Frozen));
    shop.until("sessions", "Ready", "False/Frozen").await;
    let said = shop.condition("sessions", "Ready").await;
    assert!(said.contains("FROZEN"), "{said}");
    assert!(force(InstanceStatus::Running));
    well(&shop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken() {
    let shop = shop("name-taken", settings(|options| options.unique_names = true)).await;
    shop.apply("first", spec(json!({"name": "same"}))).await;
    shop.until_well("first").await;
    shop.apply("sessions", spec(json!({"name": "same"}))).await;
    // The answer could mean our own instance, so the lists are asked first.
    let said = shop.until("sessions", "Synced", "False/").await;
    assert!(!said.is_empty());
    shop.edit("sessions", json!({"name": "other"})).await;
    let look = async || (shop.cloud.names().len() == 2).then_some(());
    eventually("the second one exists", Duration::from_secs(120), look).await;
    assert_eq!(shop.instances().list(&ListParams::default()).await.unwrap().items.len(), 2);
}

/// The definition in the cluster lets something through that this operator does not know: as a newer one might.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_stops_nobody_else() {
    let field = Field::start().await;
    let operator = field.operator(&[]).await;
    let at = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/description";
    let patch = |type_: &str| json!([{"op": "replace", "path": at, "value": {"type": type_}}]).to_string();
    let define = |type_: &str| {
        let crd = "dcsinstances.dcs.huaweicloud.com";
        let patched = field.control_plane.kubectl(&["patch", "crd", crd, "--type=json", "-p", &patch(type_)]);
        assert!(patched.status.success(), "{patched:?}");
    };
    define("integer");
    let shop = Shop::open(&field, "others", quick()).await;
    let odd = json!({
        "apiVersion": "dcs.huaweicloud.com/v1alpha1", "kind": "DcsInstance",
        "metadata": {"name": "odd", "namespace": "others"},
        "spec": {"engineVersion": "6.0", "capacity": "1Gi", "description": 7},
    });
    let make = async || {
        let made = field.control_plane.kubectl_reading(&["create", "-f", "-"], &odd.to_string());
        made.status.success().then_some(())
    };
    eventually("the loosened definition is served", DEADLINE, make).await;
    shop.apply("sessions", spec(json!({"description": null}))).await;
    shop.until_well("sessions").await;
    assert_eq!(shop.cloud.names().len(), 1, "nothing is done about what cannot be read");
    operator.says(&["cannot read this object", "others/odd"]).await;
    let warned = async || shop.warnings().await.contains(&"Unreadable".to_owned()).then_some(());
    eventually("an Event says so", DEADLINE, warned).await;
    define("string");
    let mend = async || {
        let fields = r#"{"spec": {"description": "mended"}}"#;
        let arguments = ["patch", "dcsi", "odd", "-n", "others", "--type=merge", "-p", fields];
        field.control_plane.kubectl(&arguments).status.success().then_some(())
    };
    eventually("the former definition is served", DEADLINE, mend).await;
    shop.until_well("odd").await;
}
