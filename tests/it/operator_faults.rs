//! The API server is slow, refuses, closes watches, goes away and comes back: nothing is made twice, nothing crashes, and
//! half a minute later all is well.

use std::{process::Command, time::Duration};

use serde_json::json;

use crate::support::{
    api_proxy::Proxy,
    control_plane::{self, start},
    operator::{Field, Operator, Shop, quick},
    patience::{DEADLINE, eventually},
    world::objects::spec,
};

/// Within this, all is well again once nothing goes wrong any more.
const RECOVERY: Duration = Duration::from_secs(30);
const OBJECTS: usize = 10;

async fn all_well(shop: &Shop) {
    let names = (0..OBJECTS).map(|n| format!("cache-{n}"));
    let well = futures::future::join_all(names.map(async |name| shop.until_well(&name).await));
    tokio::time::timeout(RECOVERY, well).await.expect("all well within half a minute");
}

async fn apply_all(shop: &Shop) {
    for n in 0..OBJECTS {
        shop.apply(&format!("cache-{n}"), spec(json!({}))).await;
    }
}

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
    for status in [429, 409, 500] {
        proxy.fault("PATCH", "/status", status, 8);
        proxy.fault("PATCH", "dcsinstances/", status, 4);
        proxy.fault("POST", "/secrets", status, 3);
        proxy.fault("PUT", "/secrets/", status, 1);
        proxy.fault("GET", "/secrets/", status, 3);
        proxy.fault("GET", "dcsinstances?", status, 1);
    }
    apply_all(&shop).await;
    for _ in 0..20 {
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let spent = async || proxy.is_spent().then_some(());
    eventually("every fault happened", DEADLINE, spent).await;
    all_well(&shop).await;
    assert_eq!(shop.cloud.names().len(), OBJECTS);
    assert!([429, 409, 500].iter().all(|status| proxy.answered(*status) > 5), "each was answered");

    // A slow one, too.
    proxy.set_delay(Duration::from_millis(400));
    for n in 0..OBJECTS {
        shop.edit(&format!("cache-{n}"), json!({"description": "slowly"})).await;
    }
    all_well(&shop).await;
    proxy.set_delay(Duration::ZERO);
    for n in 0..OBJECTS {
        shop.delete(&format!("cache-{n}")).await;
        proxy.cut();
    }
    for n in 0..OBJECTS {
        shop.until_gone(&format!("cache-{n}")).await;
    }
    assert_eq!(shop.cloud.names().len(), 0);
    shop.assert_nothing_secret_shows(&operator).await;
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
    let mut operator = behind(&proxy, &field).await;
    let mut shop = Shop::open(&field, "shop", quick()).await;
    apply_all(&shop).await;
    let begun = async || (shop.cloud.names().len() > OBJECTS / 2).then_some(());
    eventually("half of them are begun", DEADLINE, begun).await;

    proxy.set_down(true);
    field.control_plane.signal("-TERM");
    assert!(field.control_plane.wait());
    field.control_plane = start(serve()).await;
    proxy.lead_to(&field.control_plane);
    field.client = field.control_plane.client().await;
    shop.client = field.client.clone();
    proxy.set_down(false);
    all_well(&shop).await;
    assert_eq!(shop.cloud.names().len(), OBJECTS);
    assert_eq!(shop.cloud.calls("CreateInstance").len(), OBJECTS);
    operator.stop().await;
}
