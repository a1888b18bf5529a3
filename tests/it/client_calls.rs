//! Requests, retries and outcomes of the client, without sockets or real waits.

use std::{collections::BTreeMap, time::Duration};

use dcs_operator::dcs::{
    Class, Cloud,
    error::Failure,
    model::{
        BackupPolicy, BackupType, Capacity, FlavorQuery, InstanceQuery, ResetPassword, ResizeInstance, Tag,
        TagsAction, TagsChange, UpdateInstance,
    },
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{
    account::{ACCESS_KEY, PASSWORD, PROJECT, assert_no_canary},
    answers::{ID, SERVICE_AHEAD, by_password, class, create, created, detail, signing, token},
    scripted::{ClientHarness, answer, harness, header, refusal},
};

#[tokio::test]
async fn every_operation_sends_the_documented_request() {
    let ClientHarness { client, service, .. } = harness(
        signing(),
        vec![
            answer(200, &[], &created()),
            answer(200, &[], r#"{"instance_num": 0, "instances": []}"#),
            answer(200, &[], &detail()),
            answer(204, &[], ""),
            answer(204, &[], ""),
            answer(204, &[], ""),
            answer(200, &[], r#"{"lock_time": "0"}"#),
            answer(204, &[], ""),
            answer(200, &[], r#"{"running_count": "3", "redis": {"running_count": 3}}"#),
            answer(200, &[], r#"{"statistics": []}"#),
            answer(200, &[], r#"{"task_count": "0", "tasks": []}"#),
            answer(200, &[], r#"{"job_id": "ff80", "status": "SUCCESS"}"#),
            answer(200, &[], r#"{"flavors": []}"#),
            answer(200, &[], r#"{"maintain_windows": []}"#),
            answer(200, &[], r#"{"quotas": {"resources": []}}"#),
            answer(200, &[], r#"{"region_id": "r", "available_zones": []}"#),
        ],
    );
    assert_eq!(client.create_instance(&create()).await.unwrap().instance_id, ID);
    let query = InstanceQuery { name: Some("a b".into()), limit: Some(5000), ..InstanceQuery::default() };
    client.list_instances(&query).await.unwrap();
    client.show_instance(ID).await.unwrap();
    let rename = UpdateInstance { name: Some("new-name".into()), ..UpdateInstance::default() };
    client.update_instance(ID, &rename).await.unwrap();
    client.delete_instance(ID).await.unwrap();
    let resize = ResizeInstance {
        spec_code: "redis.ha.xu1.tiny.r2.256".into(),
        new_capacity: Capacity::from_mib(256),
        change_type: None,
        available_zones: vec![],
        node_list: vec![],
        reserved_ip: vec![],
        execute_immediately: None,
    };
    client.resize_instance(ID, &resize).await.unwrap();
    let reset = ResetPassword { new_password: Some(SecretString::from(PASSWORD)), no_password_access: None };
    client.reset_password(ID, &reset).await.unwrap();
    let tags = TagsChange { action: TagsAction::Delete, tags: vec![Tag { key: "team".into(), value: None }] };
    client.change_tags(ID, &tags).await.unwrap();
    assert_eq!(client.count_instances(true).await.unwrap().total.running_count, Some(3));
    client.list_statistics().await.unwrap();
    client.list_tasks(ID, &Default::default()).await.unwrap();
    client.show_job("ff80").await.unwrap();
    let query = FlavorQuery { capacity: Some(Capacity::from_mib(512)), ..FlavorQuery::default() };
    client.list_flavors(&query).await.unwrap();
    client.list_maintenance_windows().await.unwrap();
    client.show_quota().await.unwrap();
    client.list_availability_zones().await.unwrap();

    let p = format!("/v2/{PROJECT}");
    let expected = [
        format!("POST {p}/instances"),
        format!("GET {p}/instances?limit=1000&name=a%20b&name_equal=false&offset=0"),
        format!("GET {p}/instances/{ID}"),
        format!("PUT {p}/instances/{ID}"),
        format!("DELETE {p}/instances/{ID}"),
        format!("POST {p}/instances/{ID}/resize"),
        format!("POST {p}/instances/{ID}/password/reset"),
        format!("POST {p}/dcs/{ID}/tags/action"),
        format!("GET {p}/instances/status?include_failure=true"),
        format!("GET {p}/instances/statistic"),
        format!("GET {p}/instances/{ID}/tasks?offset=0"),
        format!("GET {p}/jobs/ff80"),
        format!("GET {p}/flavors?capacity=0.5&engine=Redis"),
        "GET /v2/instances/maintain-windows".to_owned(),
        format!("GET {p}/quota"),
        "GET /v2/available-zones".to_owned(),
    ];
    let asked = service.requests();
    let lines: Vec<_> = asked
        .iter()
        .map(|asked| format!("{} {}", asked.method, &asked.url[url::Position::BeforePath..]))
        .collect();
    assert_eq!(lines, expected);
    let body = |index: usize| serde_json::from_slice::<Value>(&asked[index].body).unwrap();
    assert_eq!(
        body(0),
        json!({
            "name": "shop-sessions", "engine": "Redis", "engine_version": "6.0", "capacity": 0.125,
            "spec_code": "redis.ha.xu1.tiny.r2.128", "az_codes": ["az1", "az2"], "vpc_id": "vpc",
            "subnet_id": "subnet", "password": PASSWORD, "tags": [{ "key": "team", "value": "shop" }],
        })
    );
    assert_eq!(body(3), json!({ "name": "new-name" }));
    assert_eq!(body(5), json!({ "spec_code": "redis.ha.xu1.tiny.r2.256", "new_capacity": 0.25 }));
    assert_eq!(body(6), json!({ "new_password": PASSWORD }));
    assert_eq!(body(7), json!({ "action": "delete", "tags": [{ "key": "team" }] }));
    for asked in &asked {
        assert!(header(asked, "authorization").contains(&format!("Access={ACCESS_KEY}, SignedHeaders=")));
        assert_eq!(header(asked, "x-project-id"), PROJECT);
        assert_no_canary(&format!("{asked:?}"));
    }
}

#[tokio::test]
async fn ids_that_would_change_the_path_are_refused() {
    let ClientHarness { client, service, .. } = harness(signing(), vec![]);
    for id in ["", "..", "a/b", "a?b", "a b", "%2e%2e"] {
        assert_eq!(class(client.delete_instance(id).await), Class::Invalid, "{id:?}");
    }
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_repeated_read_has_a_new_signature() {
    let script =
        vec![refusal(503, "", &[]), Err(Failure::Broken(String::new())), answer(200, &[], &detail())];
    let ClientHarness { client, service, clock } = harness(signing(), script);
    client.show_instance(ID).await.unwrap();
    assert_eq!(clock.advances().len(), 2);
    let asked = service.requests();
    let signatures: Vec<_> = asked.iter().map(|asked| header(asked, "authorization")).collect();
    let dates: Vec<_> = asked.iter().map(|asked| header(asked, "x-sdk-date")).collect();
    assert!(dates[0] < dates[2], "{dates:?}");
    assert_ne!(signatures[0], signatures[2]);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let script = vec![refusal(429, "APIGW.0308", &[("retry-after", "17")]), answer(200, &[], &detail())];
    let ClientHarness { client, clock, .. } = harness(signing(), script);
    client.show_instance(ID).await.unwrap();
    assert_eq!(clock.advances(), [Duration::from_secs(17)]);

    let script = vec![refusal(429, "APIGW.0308", &[("retry-after", "600")])];
    let ClientHarness { client, clock, .. } = harness(signing(), script);
    let error = client.show_instance(ID).await.unwrap_err();
    assert_eq!((error.class(), error.retry_after()), (Class::Throttled, Some(Duration::from_secs(600))));
    assert!(clock.advances().is_empty(), "the caller's schedule waits, not the call");
}

#[tokio::test]
async fn a_create_is_never_repeated() {
    let cases = [
        (Err(Failure::NotSent(String::new())), Class::Transient),
        (Err(Failure::TimedOut(Duration::ZERO)), Class::Ambiguous),
        (Err(Failure::Broken(String::new())), Class::Ambiguous),
        (refusal(429, "", &[]), Class::Throttled),
        (refusal(503, "", &[]), Class::Ambiguous),
        (refusal(500, "DCS.5031", &[]), Class::Ambiguous),
        (refusal(400, "DCS.4060", &[]), Class::Ambiguous),
        (refusal(400, "DCS.4927", &[]), Class::Invalid),
        (refusal(400, "DCS.4035", &[]), Class::Quota),
        (answer(200, &[], "{}"), Class::Ambiguous),
        (answer(200, &[], r#"{"instances": []}"#), Class::Ambiguous),
        (answer(200, &[], r#"{"instances": [{"instance_id": ""}]}"#), Class::Ambiguous),
        (answer(200, &[], r#"{"instances": [{"instance_id": 7}]}"#), Class::Ambiguous),
        (
            answer(200, &[], r#"{"instances": [{"instance_id": "a"}, {"instance_id": "b"}]}"#),
            Class::Ambiguous,
        ),
        (answer(200, &[], r#"{"error": {"message": "denied"}}"#), Class::Ambiguous),
        (refusal(404, "DCS.3022", &[]), Class::Ambiguous),
    ];
    for (outcome, expected) in cases {
        let shown = format!("{outcome:?}");
        let ClientHarness { client, service, .. } = harness(signing(), vec![outcome]);
        assert_eq!(class(client.create_instance(&create()).await), expected, "{shown}");
        assert_eq!(service.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_create_is_resent_only_after_refused_authentication_and_in_time() {
    let script = vec![refusal(401, "APIGW.0301", &[("date", SERVICE_AHEAD)]), answer(200, &[], &created())];
    let ClientHarness { client, service, .. } = harness(signing(), script);
    client.create_instance(&create()).await.unwrap();
    assert_eq!(service.requests().len(), 2, "the clock is corrected");

    let ClientHarness { client, service, .. } = harness(by_password(), vec![]);
    service.answer_later(Duration::from_secs(13), token("t1", 23));
    service.answer_later(Duration::ZERO, refusal(401, "DCS.1002", &[]));
    service.answer_later(Duration::from_secs(2), token("t2", 23));
    assert_eq!(class(client.create_instance(&create()).await), Class::Transient, "certainly not sent again");
    let paths: Vec<_> = service.requests().iter().map(|asked| asked.url.path().to_owned()).collect();
    assert_eq!(paths.iter().filter(|path| path.ends_with("/instances")).count(), 1, "{paths:?}");
}

#[tokio::test]
async fn a_lost_answer_stays_ambiguous() {
    let lost = || Err(Failure::Broken(String::new()));
    let unsent = || Err(Failure::NotSent(String::new()));
    let cases = [
        (vec![lost(), unsent(), unsent(), unsent()], Class::Ambiguous),
        (vec![lost(), refusal(400, "DCS.4099", &[])], Class::Ambiguous),
        (vec![lost(), refusal(401, "APIGW.0301", &[])], Class::Ambiguous),
        (vec![lost(), refusal(403, "DCS.2007", &[])], Class::Ambiguous),
        (vec![lost(), refusal(429, "", &[("retry-after", "60")])], Class::Ambiguous),
        (vec![lost(), refusal(404, "DCS.3022", &[])], Class::NotFound),
    ];
    for (script, expected) in cases {
        let shown = format!("{script:?}");
        let ClientHarness { client, service, .. } = harness(signing(), script);
        assert_eq!(class(client.delete_instance(ID).await), expected, "{shown}");
        assert!(service.requests().len() > 1);
    }
}

#[tokio::test]
async fn a_change_is_never_sent_after_its_deadline() {
    let script = vec![refusal(429, "APIGW.0308", &[("retry-after", "55")])];
    let ClientHarness { client, clock, .. } = harness(signing(), script);
    assert_eq!(class(client.delete_instance(ID).await), Class::Throttled);
    assert!(clock.advances().is_empty(), "the lease may be lost by then");
}

#[tokio::test]
async fn a_disruptive_change_is_not_repeated() {
    let port = UpdateInstance { port: Some(6380), ..UpdateInstance::default() };
    let commands = UpdateInstance { rename_commands: Some(BTreeMap::new()), ..UpdateInstance::default() };
    for change in [port, commands] {
        let ClientHarness { client, service, .. } =
            harness(signing(), vec![Err(Failure::TimedOut(Duration::ZERO))]);
        assert_eq!(class(client.update_instance(ID, &change).await), Class::Ambiguous);
        assert_eq!(service.requests().len(), 1);
    }
}

#[tokio::test]
async fn absent_fields_are_not_sent() {
    let policy = BackupPolicy { backup_type: Some(BackupType::Manual), ..BackupPolicy::default() };
    let change = UpdateInstance { instance_backup_policy: Some(policy), ..UpdateInstance::default() };
    let ClientHarness { client, service, .. } = harness(signing(), vec![answer(204, &[], "")]);
    client.update_instance(ID, &change).await.unwrap();
    let body: Value = serde_json::from_slice(&service.requests()[0].body).unwrap();
    assert_eq!(body, json!({ "instance_backup_policy": { "backup_type": "manual" } }));
}

#[tokio::test]
async fn a_detail_of_another_instance_is_an_error() {
    let other = || answer(200, &[], r#"{"instance_id": "another", "status": "RUNNING"}"#);
    let ClientHarness { client, .. } = harness(signing(), vec![other()]);
    assert_eq!(class(client.show_instance(ID).await), Class::Transient);
}

#[tokio::test]
async fn a_password_reset_succeeds_only_if_the_body_confirms_it() {
    let reset = ResetPassword { new_password: Some(SecretString::from(PASSWORD)), no_password_access: None };
    let cases = [
        (r#"{"code": "1", "message": "success"}"#, None),
        (r#"{"code": 1, "message": "成功"}"#, None),
        (r#"{"message": "success"}"#, None),
        (r#"{"lock_time": "0", "lock_time_left": "0", "retry_times_left": "5"}"#, None),
        (r#"{"lock_time": "5", "lock_time_left": "5", "retry_times_left": "0"}"#, Some(Class::Busy)),
        (r#"{"code": "3", "message": "instance is locked"}"#, Some(Class::Busy)),
        (r#"{"code": "2", "message": "canary-Pass-w0rd is odd"}"#, Some(Class::Ambiguous)),
        (r#"{"code": "9"}"#, Some(Class::Ambiguous)),
        (r#"{"result": "failed"}"#, Some(Class::Ambiguous)),
        ("{}", Some(Class::Ambiguous)),
    ];
    for (body, expected) in cases {
        let ClientHarness { client, service, .. } = harness(signing(), vec![answer(200, &[], body)]);
        let outcome = client.reset_password(ID, &reset).await;
        assert_eq!(outcome.map_err(|error| class::<()>(Err(error))).err(), expected, "{body}");
        assert_eq!(service.requests().len(), 1);
    }
}

#[tokio::test]
async fn errors_redact_the_password() {
    let body =
        json!({ "error_code": "DCS.4845", "error_msg": format!("{PASSWORD} is too weak") }).to_string();
    let ClientHarness { client, .. } = harness(signing(), vec![answer(400, &[], &body)]);
    let error = client.create_instance(&create()).await.unwrap_err();
    assert!(error.to_string().contains("*** is too weak"), "{error}");
    assert_eq!(class::<()>(Err(error)), Class::Invalid);
}
