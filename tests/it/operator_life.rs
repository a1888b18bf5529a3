//! A whole life, as a user sees it, on a real API server; and what the operator may do, held against what it did.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    operator::{Field, Shop, binding, is_held, quick},
    patience::{DEADLINE, eventually},
    world::objects::spec,
};

/// `get secrets` for each verb that `deploy/rbac.yaml` grants.
fn granted() -> BTreeSet<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rbac.yaml")).unwrap();
    let mut granted = BTreeSet::new();
    for document in text.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let all = |rule: &Value, field: &str| -> Vec<String> {
            let values = rule[field].as_array().cloned().unwrap_or_default();
            values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
        };
        for rule in object["rules"].as_array().into_iter().flatten() {
            for resource in all(rule, "resources") {
                granted.extend(all(rule, "verbs").iter().map(|verb| format!("{verb} {resource}")));
            }
        }
    }
    granted
}

fn used(audit: &[Value]) -> BTreeSet<String> {
    let line = |entry: &Value| {
        let reference = &entry["objectRef"];
        let resource = reference["resource"].as_str()?;
        let sub = reference["subresource"].as_str().map(|sub| format!("/{sub}")).unwrap_or_default();
        Some(format!("{} {resource}{sub}", entry["verb"].as_str()?))
    };
    audit.iter().filter_map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_apply_to_gone_with_no_right_too_many_and_none_too_few() {
    let field = Field::start().await;
    let mut operator = field.operator(&[]).await;
    let shop = Shop::open(&field, "shop", quick()).await;
    eventually("ready", DEADLINE, async || (operator.get("/readyz").await.0 == 200).then_some(())).await;

    shop.apply("sessions", spec(json!({}))).await;
    shop.until_well("sessions").await;
    let bound = binding(&shop, "sessions").await;
    let keys: Vec<_> = bound.keys().map(String::as_str).collect();
    assert_eq!(keys, ["host", "password", "port", "provider", "read-host", "type", "uri"]);
    let admits = |password: &str| {
        let simulator = shop.cloud.shared.lock();
        simulator.service().instances().all(|instance| instance.admits(Some(password)))
    };
    assert!(admits(&bound["password"]), "a client gets in with what is published");
    assert!(shop.secrets().get_opt("sessions-pending-auth").await.unwrap().is_none());
    assert!(is_held(&shop, "dcs-credentials").await);

    shop.edit("sessions", json!({"description": "another"})).await;
    shop.until_well("sessions").await;
    let described = || {
        let simulator = shop.cloud.shared.lock();
        simulator.service().instances().next().unwrap().description.clone().unwrap_or_default()
    };
    assert_eq!(described(), "another");

    // Behind everybody's back: seen with the next list, and mended.
    let (id, now) = {
        let simulator = shop.cloud.shared.lock();
        (simulator.service().instances().next().unwrap().id.clone(), shop.cloud.clock.monotonic())
    };
    let fields = json!({"description": "meddled"});
    let altered =
        shop.cloud.shared.lock().meddle(now, |service, _| service.alter(&id, fields.as_object().unwrap()));
    altered.unwrap();
    eventually("mended", DEADLINE, async || (described() == "another").then_some(())).await;

    // Somebody deletes the published Secret: it is written again, with the password that the cloud knows.
    let _ = shop.secrets().delete("sessions-redis", &Default::default()).await.unwrap();
    let written = async || shop.secrets().get_opt("sessions-redis").await.unwrap().map(drop);
    let lost = eventually("said", DEADLINE, async || {
        let said = shop.condition("sessions", "BindingPublished").await;
        said.starts_with("False/SecretNotFound").then_some(said)
    });
    let said = lost.await;
    assert!(said.contains("in no Secret any more"), "{said}");
    assert!(written().await.is_none());

    shop.assert_nothing_secret_shows(&operator).await;
    let metrics = operator.get("/metrics").await.1;
    for line in [
        r#"dcs_operator_actions_total{kind="DcsInstance",action="Create",outcome="Accepted"} 1"#,
        r#"dcs_operator_objects{kind="DcsInstance",condition="Ready",status="True",reason="Available"} 1"#,
        r#"dcs_operator_instances{cloud_status="RUNNING"} 1"#,
        "dcs_operator_leader 1",
        r#"dcs_operator_api_requests_total{operation="CreateInstance",class="ok"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    shop.delete("sessions").await;
    shop.until_gone("sessions").await;
    assert_eq!(shop.cloud.names(), Vec::<String>::new());
    let released = async || (!is_held(&shop, "dcs-credentials").await).then_some(());
    eventually("the credentials can go", DEADLINE, released).await;
    operator.stop().await;

    let audit = field.audit();
    let refused: Vec<_> = audit.iter().filter(|entry| entry["responseStatus"]["code"] == 403).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(used(&audit), granted(), "what is used, and what is granted");
}
