//! The operator against a cloud whose answers are hostile: nothing of them is published, the object says why, and it can
//! be deleted.

use dcs_operator::api::DcsInstance;
use serde_json::{Value, json};

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{TestCluster, fast_settings},
    tenant::{Tenant, binding},
    world::objects::spec,
};

/// Replaces fields of every answer about instances.
fn lie(tenant: &Tenant, fields: Value) {
    tenant.cloud.shared.lock().clear_faults();
    let rule = |operation: &str| json!({"operation": operation, "count": null, "fault": {"wrongFields": {"fields": fields}}});
    tenant.cloud.add_faults(&json!([rule("ListInstances"), rule("ShowInstance")]));
}

fn forged(text: &str) -> Value {
    json!({"domain_name": text, "readonly_domain_name": text, "ip": text})
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_hostile_is_published_and_the_object_can_be_deleted() {
    let cluster = TestCluster::start().await;
    let operator = cluster.operator(&["--stalled-retry=1s..2s"]).await;
    let tenant = Tenant::with_credentials(&cluster, "hostile", fast_settings()).await;
    lie(&tenant, forged("redis.example\nREDIS_PASSWORD=evil"));
    tenant.apply("sessions", spec(json!({}))).await;
    let said = tenant.until("sessions", "BindingPublished", "False/WaitingForEndpoint").await;
    eventually("the condition says what is ignored", DEADLINE, async || {
        let said = tenant.condition("sessions", "BindingPublished").await;
        said.contains(
            "domain_name is no host name, readonly_domain_name is no host name, ip is no IP address",
        )
        .then_some(())
    })
    .await;
    tenant.until("sessions", "Ready", "True/Available").await;
    for fields in [
        forged("a b"),
        forged("user@host"),
        forged("host/path"),
        json!({"port": 70_000}),
        json!({"port": -1}),
    ] {
        lie(&tenant, fields.clone());
        let named = fields.as_object().unwrap().keys().next_back().unwrap().clone();
        eventually(&format!("{fields} is ignored"), DEADLINE, async || {
            let said = tenant.condition("sessions", "BindingPublished").await;
            (said.starts_with("False") && said.contains(&format!("{named} is no"))).then_some(())
        })
        .await;
        assert!(tenant.secrets().get_opt("sessions-redis").await.unwrap().is_none(), "{fields} {said}");
    }
    // Words longer than any field of the status, and lines that would forge others.
    let long = format!("\u{1b}[31mLong\n{}", "x".repeat(20_000));
    let words = json!({
        "status": long, "sub_status": long, "description": long, "engine_version": long, "spec_code": long,
        "cpu_type": long, "cache_mode": long, "vpc_id": long, "subnet_id": long, "security_group_id": long,
        "enterprise_project_id": long, "maintain_begin": long, "maintain_end": long, "task": long,
        "az_codes": vec![long.clone(); 20], "replica_count": i64::MAX, "port": 70_000, "capacity": -1,
    });
    lie(&tenant, words.clone());
    tenant.until("sessions", "Ready", "False/NotServing").await;
    let object: DcsInstance = tenant.instances().get("sessions").await.unwrap();
    let status = serde_json::to_string(&object.status).unwrap();
    assert!(!status.contains("\\u001b") && !status.contains("\\n"), "{status}");
    let (_, metrics) = operator.get("/metrics").await;
    assert!(metrics.contains(r#"dcs_operator_instances{cloud_status="other"} 1"#), "{metrics}");
    // With the truth, everything goes on by itself.
    tenant.cloud.shared.lock().clear_faults();
    tenant.wait_until_healthy("sessions").await;
    assert!(binding(&tenant, "sessions").await["host"].ends_with(".dcs.example.com"));
    // A hostile cloud keeps no object from being deleted. A task would only delay it.
    let mut words = words;
    words.as_object_mut().unwrap().remove("task");
    lie(&tenant, words);
    tenant.until("sessions", "Ready", "False/NotServing").await;
    tenant.delete("sessions").await;
    tenant.wait_until_gone("sessions").await;
    eventually("the instance is deleted", DEADLINE, async || tenant.cloud.names().is_empty().then_some(()))
        .await;
    let log = operator.log();
    assert!(log.lines().all(|line| line.starts_with('{')) && !log.contains("\\u001b"), "a line is forged");
}
