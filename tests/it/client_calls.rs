//! How the client calls: what it sends, what it repeats, how it proves who it is. Without sockets or waiting.

use std::{collections::BTreeMap, time::Duration};

use dcs_operator::dcs::{
    Account, Class, Cloud,
    error::{Error, Failure},
    model::{
        BackupPolicy, BackupType, Capacity, CreateInstance, FlavorQuery, InstanceQuery, ResetPassword,
        ResizeInstance, Tag, TagsAction, TagsChange, UpdateInstance,
    },
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{
    account::{self, ACCESS_KEY, PASSWORD, PROJECT, REGION, assert_no_canary},
    scripted::{Bench, answer, bench, header, refusal},
};

const ENDPOINT: &str = "https://dcs.example.com";
const ID: &str = "4a9c0d1e-0000-4000-8000-000000000001";
/// 20 minutes after the clock's beginning.
const SERVICE_AHEAD: &str = "Fri, 15 Jan 2027 08:20:00 GMT";
/// The clock's beginning.
const SERVICE_AGREES: &str = "Fri, 15 Jan 2027 08:00:00 GMT";

fn signing() -> Account {
    account::signing(ENDPOINT)
}

fn by_password() -> Account {
    account::with_password(ENDPOINT)
}

fn create() -> CreateInstance {
    CreateInstance {
        name: "shop-sessions".to_owned(),
        engine: "Redis".to_owned(),
        engine_version: "6.0".to_owned(),
        capacity: Capacity::from_mib(128),
        spec_code: "redis.ha.xu1.tiny.r2.128".to_owned(),
        az_codes: vec!["az1".to_owned(), "az2".to_owned()],
        vpc_id: "vpc".to_owned(),
        subnet_id: "subnet".to_owned(),
        security_group_id: None,
        description: None,
        private_ip: None,
        instance_num: None,
        maintain_begin: None,
        maintain_end: None,
        password: Some(SecretString::from(PASSWORD)),
        no_password_access: None,
        instance_backup_policy: None,
        tags: vec![Tag { key: "team".to_owned(), value: Some("shop".to_owned()) }],
        port: None,
        rename_commands: BTreeMap::new(),
        template_id: None,
        enterprise_project_id: None,
    }
}

fn created() -> String {
    json!({ "instances": [{ "instance_id": ID, "instance_name": "shop-sessions" }] }).to_string()
}

fn detail() -> String {
    json!({ "instance_id": ID, "status": "RUNNING" }).to_string()
}

/// A token that lives for some hours, by IAM's clock, which is years behind.
fn token(value: &str, hours: u32) -> Result<dcs_operator::dcs::Answer, Failure> {
    let body = json!({ "token": {
        "issued_at": "2020-01-01T00:00:00.000000Z",
        "expires_at": format!("2020-01-01T{hours:02}:00:00.000000Z"),
        "project": { "id": PROJECT, "name": REGION },
    }});
    answer(201, &[("x-subject-token", value)], &body.to_string())
}

fn projects(ids: &[&str]) -> Result<dcs_operator::dcs::Answer, Failure> {
    let projects: Vec<_> = ids.iter().map(|id| json!({ "id": id, "name": REGION })).collect();
    answer(200, &[], &json!({ "projects": projects }).to_string())
}

#[track_caller]
fn class<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Class {
    let error = outcome.expect_err("the script refuses");
    assert_no_canary(&error.to_string());
    assert_no_canary(&format!("{error:?}"));
    error.class()
}

#[tokio::test]
async fn every_operation_sends_what_the_reference_says() {
    let Bench { client, service, .. } = bench(
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
    let asked = service.asked();
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
async fn ids_that_would_change_the_path_are_never_sent() {
    let Bench { client, service, .. } = bench(signing(), vec![]);
    for id in ["", "..", "a/b", "a?b", "a b", "%2e%2e"] {
        assert_eq!(class(client.delete_instance(id).await), Class::Invalid, "{id:?}");
    }
    assert!(service.asked().is_empty());
}

#[tokio::test]
async fn a_read_is_repeated_and_signed_anew_each_time() {
    let script =
        vec![refusal(503, "", &[]), Err(Failure::Broken(String::new())), answer(200, &[], &detail())];
    let Bench { client, service, clock } = bench(signing(), script);
    client.show_instance(ID).await.unwrap();
    assert_eq!(clock.leaps().len(), 2);
    let asked = service.asked();
    let signatures: Vec<_> = asked.iter().map(|asked| header(asked, "authorization")).collect();
    let dates: Vec<_> = asked.iter().map(|asked| header(asked, "x-sdk-date")).collect();
    assert!(dates[0] < dates[2], "{dates:?}");
    assert_ne!(signatures[0], signatures[2]);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let script = vec![refusal(429, "APIGW.0308", &[("retry-after", "17")]), answer(200, &[], &detail())];
    let Bench { client, clock, .. } = bench(signing(), script);
    client.show_instance(ID).await.unwrap();
    assert_eq!(clock.leaps(), [Duration::from_secs(17)]);

    let script = vec![refusal(429, "APIGW.0308", &[("retry-after", "600")])];
    let Bench { client, clock, .. } = bench(signing(), script);
    let error = client.show_instance(ID).await.unwrap_err();
    assert_eq!((error.class(), error.retry_after()), (Class::Throttled, Some(Duration::from_secs(600))));
    assert!(clock.leaps().is_empty(), "the caller's schedule waits, not the call");
}

#[tokio::test]
async fn a_create_is_sent_once_whatever_comes() {
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
        (
            answer(200, &[], r#"{"instances": [{"instance_id": "a"}, {"instance_id": "b"}]}"#),
            Class::Ambiguous,
        ),
        (answer(200, &[], r#"{"error": {"message": "denied"}}"#), Class::Ambiguous),
        (refusal(404, "DCS.3022", &[]), Class::Ambiguous),
    ];
    for (outcome, expected) in cases {
        let shown = format!("{outcome:?}");
        let Bench { client, service, .. } = bench(signing(), vec![outcome]);
        assert_eq!(class(client.create_instance(&create()).await), expected, "{shown}");
        assert_eq!(service.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_create_is_sent_again_only_where_it_was_turned_away_at_the_door_and_in_time() {
    let script = vec![refusal(401, "APIGW.0301", &[("date", SERVICE_AHEAD)]), answer(200, &[], &created())];
    let Bench { client, service, .. } = bench(signing(), script);
    client.create_instance(&create()).await.unwrap();
    assert_eq!(service.asked().len(), 2, "a wrong clock is mended");

    let Bench { client, service, .. } = bench(by_password(), vec![]);
    service.answer_later(Duration::from_secs(13), token("t1", 23));
    service.answer_later(Duration::ZERO, refusal(401, "DCS.1002", &[]));
    service.answer_later(Duration::from_secs(2), token("t2", 23));
    assert_eq!(class(client.create_instance(&create()).await), Class::Transient, "surely not sent again");
    let paths: Vec<_> = service.asked().iter().map(|asked| asked.url.path().to_owned()).collect();
    assert_eq!(paths.iter().filter(|path| path.ends_with("/instances")).count(), 1, "{paths:?}");
}

#[tokio::test]
async fn once_an_answer_was_lost_nothing_later_makes_it_certain() {
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
        let Bench { client, service, .. } = bench(signing(), script);
        assert_eq!(class(client.delete_instance(ID).await), expected, "{shown}");
        assert!(service.asked().len() > 1);
    }
}

#[tokio::test]
async fn a_change_is_never_sent_later_than_its_time_allows() {
    let script = vec![refusal(429, "APIGW.0308", &[("retry-after", "55")])];
    let Bench { client, clock, .. } = bench(signing(), script);
    assert_eq!(class(client.delete_instance(ID).await), Class::Throttled);
    assert!(clock.leaps().is_empty(), "the lease may be gone by then");
}

#[tokio::test]
async fn a_change_that_disrupts_is_not_repeated() {
    let port = UpdateInstance { port: Some(6380), ..UpdateInstance::default() };
    let commands = UpdateInstance { rename_commands: Some(BTreeMap::new()), ..UpdateInstance::default() };
    for change in [port, commands] {
        let Bench { client, service, .. } = bench(signing(), vec![Err(Failure::TimedOut(Duration::ZERO))]);
        assert_eq!(class(client.update_instance(ID, &change).await), Class::Ambiguous);
        assert_eq!(service.asked().len(), 1);
    }
}

#[tokio::test]
async fn what_is_absent_is_not_sent() {
    let policy = BackupPolicy { backup_type: Some(BackupType::Manual), ..BackupPolicy::default() };
    let change = UpdateInstance { instance_backup_policy: Some(policy), ..UpdateInstance::default() };
    let Bench { client, service, .. } = bench(signing(), vec![answer(204, &[], "")]);
    client.update_instance(ID, &change).await.unwrap();
    let body: Value = serde_json::from_slice(&service.asked()[0].body).unwrap();
    assert_eq!(body, json!({ "instance_backup_policy": { "backup_type": "manual" } }));
}

#[tokio::test]
async fn a_detail_of_another_instance_is_no_answer() {
    let other = || answer(200, &[], r#"{"instance_id": "another", "status": "RUNNING"}"#);
    let Bench { client, .. } = bench(signing(), vec![other()]);
    assert_eq!(class(client.show_instance(ID).await), Class::Transient);
}

#[tokio::test]
async fn a_password_is_changed_only_if_the_body_says_so() {
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
        let Bench { client, service, .. } = bench(signing(), vec![answer(200, &[], body)]);
        let outcome = client.reset_password(ID, &reset).await;
        assert_eq!(outcome.map_err(|error| class::<()>(Err(error))).err(), expected, "{body}");
        assert_eq!(service.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_error_that_repeats_the_password_does_not_show_it() {
    let body =
        json!({ "error_code": "DCS.4845", "error_msg": format!("{PASSWORD} is too weak") }).to_string();
    let Bench { client, .. } = bench(signing(), vec![answer(400, &[], &body)]);
    let error = client.create_instance(&create()).await.unwrap_err();
    assert!(error.to_string().contains("*** is too weak"), "{error}");
    assert_eq!(class::<()>(Err(error)), Class::Invalid);
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_once() {
    let expired = || refusal(401, "APIGW.0301", &[("date", SERVICE_AHEAD)]);
    let script = vec![expired(), answer(200, &[], &detail()), answer(200, &[], &detail())];
    let Bench { client, service, clock } = bench(signing(), script);
    client.show_instance(ID).await.unwrap();
    client.show_instance(ID).await.unwrap();
    let dates: Vec<_> = service.asked().iter().map(|asked| header(asked, "x-sdk-date")).collect();
    assert_eq!(dates, ["20270115T080000Z", "20270115T082000Z", "20270115T082000Z"]);
    assert!(clock.leaps().is_empty());

    let Bench { client, .. } = bench(signing(), vec![expired(), expired()]);
    let error = client.show_instance(ID).await.unwrap_err();
    assert_eq!((error.class(), error.attempts()), (Class::Credentials, 2));
    assert_eq!(error.clock_skew(), None, "signed with the service's time, the clock is not to blame");
}

#[tokio::test]
async fn a_wrong_key_is_told_apart_from_a_wrong_clock_and_not_repeated() {
    let Bench { client, service, .. } =
        bench(signing(), vec![refusal(401, "APIGW.0301", &[("date", SERVICE_AGREES)])]);
    let error = client.show_instance(ID).await.unwrap_err();
    assert_eq!((error.class(), error.clock_skew()), (Class::Credentials, None));
    assert_eq!(service.asked().len(), 1, "repeated failures lock the key");
}

#[tokio::test]
async fn temporary_credentials_send_their_token_and_sign_it() {
    let mut account = signing();
    if let dcs_operator::dcs::Credentials::AccessKey { security_token, .. } = &mut account.credentials {
        *security_token = Some(SecretString::from("canary-temporary"));
    }
    let Bench { client, service, .. } = bench(account, vec![answer(200, &[], &detail())]);
    client.show_instance(ID).await.unwrap();
    let asked = service.asked();
    assert_eq!(header(&asked[0], "x-security-token"), "canary-temporary");
    assert!(header(&asked[0], "authorization").contains("x-security-token"));
}

#[tokio::test]
async fn a_token_is_fetched_once_and_shared() {
    let script = vec![token("canary-t1", 23), answer(200, &[], &detail()), answer(200, &[], &detail())];
    let Bench { client, service, .. } = bench(by_password(), script);
    let (one, two) = tokio::join!(client.show_instance(ID), client.show_instance(ID));
    one.unwrap();
    two.unwrap();
    let asked = service.asked();
    assert_eq!(asked[0].url.path(), "/v3/auth/tokens");
    assert_eq!(header(&asked[0], "authorization"), "");
    let body: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(body["auth"]["scope"], json!({ "project": { "name": REGION } }));
    assert_eq!(body["auth"]["identity"]["password"]["user"]["password"], PASSWORD);
    for asked in &asked[1..] {
        assert_eq!(header(asked, "x-auth-token"), "canary-t1");
        assert_eq!(header(asked, "authorization"), "");
        assert!(asked.url.path().starts_with(&format!("/v2/{PROJECT}/")), "the token told the project");
    }
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let script =
        vec![token("t1", 1), answer(200, &[], &detail()), token("t2", 1), answer(200, &[], &detail())];
    let Bench { client, service, clock } = bench(by_password(), script);
    client.show_instance(ID).await.unwrap();
    clock.leap(Duration::from_secs(3600 - 299));
    client.show_instance(ID).await.unwrap();
    assert_eq!(header(&service.asked()[3], "x-auth-token"), "t2");
}

#[tokio::test]
async fn a_token_without_readable_times_is_kept_for_half_an_hour() {
    let odd = |value| answer(201, &[("x-subject-token", value)], r#"{"token": {"expires_at": "tomorrow"}}"#);
    let script = vec![
        odd("t1"),
        projects(&[PROJECT]),
        answer(200, &[], &detail()),
        answer(200, &[], &detail()),
        odd("t2"),
        answer(200, &[], &detail()),
    ];
    let Bench { client, service, clock } = bench(by_password(), script);
    client.show_instance(ID).await.unwrap();
    clock.leap(Duration::from_secs(1799));
    client.show_instance(ID).await.unwrap();
    clock.leap(Duration::from_secs(1));
    client.show_instance(ID).await.unwrap();
    assert_eq!(header(&service.asked()[5], "x-auth-token"), "t2");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let refused = || refusal(401, "DCS.1002", &[]);
    let script = vec![token("t1", 23), refused(), token("t2", 23), answer(200, &[], &created())];
    let Bench { client, service, .. } = bench(by_password(), script);
    client.create_instance(&create()).await.unwrap();
    assert_eq!(header(&service.asked()[3], "x-auth-token"), "t2");

    let script = vec![token("t1", 23), refused(), token("t2", 23), refused()];
    let Bench { client, service, .. } = bench(by_password(), script);
    assert_eq!(class(client.show_instance(ID).await), Class::Credentials);
    assert_eq!(service.asked().len(), 4);
}

#[tokio::test]
async fn a_wrong_password_is_said_by_iam() {
    let body = r#"{"error": {"code": 401, "message": "The username or password is wrong.", "title": "Unauthorized"}}"#;
    let Bench { client, .. } = bench(by_password(), vec![answer(401, &[], body)]);
    let error = client.create_instance(&create()).await.unwrap_err();
    assert_eq!(error.operation(), "KeystoneCreateUserTokenByPassword");
    assert_eq!(class::<()>(Err(error)), Class::Credentials);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_for_everyone_and_then_not_for_a_minute() {
    let refused = || answer(401, &[], r#"{"error": {"code": 401, "message": "wrong"}}"#);
    let Bench { client, service, clock } = bench(by_password(), vec![refused()]);
    let calls = (0..8).map(|_| client.show_instance(ID));
    for outcome in futures::future::join_all(calls).await {
        assert_eq!(class(outcome), Class::Credentials);
    }
    clock.leap(Duration::from_secs(59));
    assert_eq!(class(client.show_instance(ID).await), Class::Credentials);
    assert_eq!(service.asked().len(), 1, "repeated failures lock the user");
    clock.leap(Duration::from_secs(1));
    service.answer_later(Duration::ZERO, token("t1", 23));
    service.answer_later(Duration::ZERO, answer(200, &[], &detail()));
    client.show_instance(ID).await.unwrap();
}

#[tokio::test]
async fn a_token_refused_while_the_project_is_looked_up_is_replaced_at_the_next_call() {
    let bare = |value| answer(201, &[("x-subject-token", value)], r#"{"token": {}}"#);
    let script = vec![
        bare("t1"),
        answer(401, &[], r#"{"error": {"code": 401, "message": "revoked"}}"#),
        bare("t2"),
        projects(&[PROJECT]),
        answer(200, &[], &detail()),
    ];
    let Bench { client, service, .. } = bench(by_password(), script);
    assert_eq!(class(client.show_instance(ID).await), Class::Credentials);
    client.show_instance(ID).await.unwrap();
    assert_eq!(header(&service.asked()[4], "x-auth-token"), "t2");
}

#[tokio::test]
async fn errors_show_neither_key_nor_token() {
    let body =
        json!({ "error_code": "APIGW.0301", "error_msg": format!("no such ak: {ACCESS_KEY}") }).to_string();
    let Bench { client, .. } = bench(signing(), vec![answer(401, &[], &body)]);
    assert_eq!(class(client.show_instance(ID).await), Class::Credentials);
    let body = json!({ "error_code": "DCS.2007", "error_msg": "token canary-t1 lacks scope" }).to_string();
    let Bench { client, .. } = bench(by_password(), vec![token("canary-t1", 23), answer(403, &[], &body)]);
    assert_eq!(class(client.show_instance(ID).await), Class::Forbidden);
}

#[tokio::test]
async fn the_project_is_looked_up_once_by_the_region_s_name() {
    let account = Account { project_id: None, ..signing() };
    let script = vec![projects(&[PROJECT]), answer(200, &[], &detail()), answer(200, &[], &detail())];
    let Bench { client, service, .. } = bench(account, script);
    client.show_instance(ID).await.unwrap();
    client.show_instance(ID).await.unwrap();
    let asked = service.asked();
    assert_eq!(&asked[0].url[url::Position::BeforePath..], format!("/v3/projects?name={REGION}"));
    assert!(asked[2].url.path().starts_with(&format!("/v2/{PROJECT}/")));
}

#[tokio::test]
async fn no_project_and_several_projects_are_errors_that_say_so() {
    for (ids, expected) in [(&[][..], "no project named"), (&["p1", "p2"][..], "2 projects are named")] {
        let account = Account { project_id: None, ..signing() };
        let Bench { client, .. } = bench(account, vec![projects(ids)]);
        let error = client.show_instance(ID).await.unwrap_err();
        assert_eq!(error.class(), Class::Invalid);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    for account in [signing(), by_password()] {
        let Bench { client, .. } = bench(account, vec![token("canary-t1", 23), answer(200, &[], &detail())]);
        let _ = client.show_instance(ID).await;
        assert_no_canary(&format!("{client:?}"));
        assert_no_canary(&format!("{:?}", create()));
    }
}
