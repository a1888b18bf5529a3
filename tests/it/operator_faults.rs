//! The API server is slow, refuses, closes watches, goes away and comes back: nothing is made twice, nothing crashes, and
//! half a minute later all is well.

use std::{process::Command, time::Duration};

use serde_json::json;

use crate::support::{
    api_proxy::Proxy,
    control_plane::{self, start},
    operator::{Field, Operator, Shop, quick},
    patience::{DEADLINE, eventually},
};

/// Within this, all is well again once nothing goes wrong any more.
const RECOVERY: Duration = Duration::from_secs(30);
const OBJECTS: usize = 10;

async fn behind(proxy: &Proxy, field: &Field) -> Operator {
    let kubeconfig = field.kubeconfig(Some(proxy.address())).await;
    field.operator_with(&kubeconfig, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_conflicts_and_broken_watches() {
    let field = Field::start().await;
    let proxy = Proxy::before(&field.control_plane).await;
    let mut operator = behind(&proxy, &field).await;
    let shop = Shop::open(&field, "shop", quick()).await;
    operator.says(&["all objects are known"]).await;
    let forms = proxy.forms("/api/v1/secrets?");
    let metadata = |form: &String| form.contains("as=PartialObjectMetadata");
    assert!(forms.len() >= 2 && forms.iter().all(metadata), "no list or watch asks for contents: {forms:?}");
    for status in [429, 409, 500] {
        proxy.fault("PATCH", "/status", status, 8);
        proxy.fault("PATCH", "dcsinstances/", status, 4);
        proxy.fault("POST", "/secrets", status, 3);
        proxy.fault("DELETE", "/secrets/", status, 2);
        proxy.fault("PUT", "/leases/", status, 1);
        proxy.fault("POST", "/events", status, 2);
        proxy.fault("PUT", "/secrets/", status, 1);
        proxy.fault("GET", "/secrets/", status, 3);
        proxy.fault("GET", "dcsinstances?", status, 1);
    }
    shop.apply_many(OBJECTS).await;
    for _ in 0..20 {
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let spent = async || proxy.is_spent().then_some(());
    eventually("every fault happened", DEADLINE, spent).await;
    shop.until_all_well(OBJECTS, RECOVERY).await;
    assert_eq!(shop.ever_made(), OBJECTS);
    assert!([429, 409, 500].iter().all(|status| proxy.answered(*status) > 5), "each was answered");

    // One that does not answer at all, for longer than an answer is waited for; and then a slow one.
    for part in ["/status", "dcsinstances/"] {
        proxy.hang("PATCH", part, 3);
    }
    proxy.hang("GET", "/secrets/", 2);
    for n in 0..OBJECTS {
        shop.edit(&format!("cache-{n}"), json!({"description": "whenever"})).await;
    }
    shop.until_all_well(OBJECTS, RECOVERY).await;
    proxy.set_delay(Duration::from_millis(400));
    for n in 0..OBJECTS {
        shop.edit(&format!("cache-{n}"), json!({"description": "slowly"})).await;
    }
    shop.until_all_well(OBJECTS, RECOVERY).await;
    proxy.set_delay(Duration::ZERO);
    shop.assert_nothing_secret_shows(&operator).await;
    let cutting = async {
        loop {
            proxy.cut();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = shop.delete_many(OBJECTS, DEADLINE) => {}
        () = cutting => {}
    }
    assert_eq!(shop.ever_made(), OBJECTS);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let serve = || {
        let mut command = Command::new(control_plane::binary());
        command.arg("serve").arg("--parent-pid").arg(std::process::id().to_string());
        command.arg("--dir").arg(folder.path());
        command
    };
    let mut field = Field::on(start(serve()).await).await;
    let proxy = Proxy::before(&field.control_plane).await;
    let kubeconfig = field.kubeconfig(Some(proxy.address())).await;
    let mut operator = field.operator_with(&kubeconfig, &["--writes-per-second=2"]);
    let mut shop = Shop::open(&field, "shop", quick()).await;
    shop.apply_many(OBJECTS).await;
    let begun = async || (shop.ever_made() >= 3).then_some(());
    eventually("some of them are begun", DEADLINE, begun).await;
    proxy.set_down(true);
    assert!(shop.ever_made() < OBJECTS, "and some are not");
    field.control_plane.signal("-TERM");
    assert!(field.control_plane.wait());
    field.control_plane = start(serve()).await;
    proxy.lead_to(&field.control_plane);
    field.client = field.control_plane.client().await;
    shop.client = field.client.clone();
    proxy.set_down(false);
    shop.until_all_well(OBJECTS, RECOVERY).await;
    assert_eq!(shop.cloud.calls("CreateInstance").len(), OBJECTS);
    shop.assert_nothing_secret_shows(&operator).await;
    operator.stop().await;
}
