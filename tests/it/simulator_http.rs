//! The simulator through the real client, over HTTP and in process, and features of the HTTP server.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use dcs_operator::{
    clock::Clock,
    dcs::{
        AccountConfig, Class, Client, Cloud as _, HttpRequest, HttpResponse, RetryPolicy, Transport,
        error::Failure,
        model::{InstanceQuery, InstanceStatus, MAX_PAGE},
    },
    simulator::{AccessKey, Caller, Simulator, http::Shared, persist},
};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::support::{
    in_process::InProcess,
    sim_harness::{
        ACCESS_KEY, PASSWORD, SECRET_KEY, SimHarness, access_key, in_time, instance, over_both, settings,
        single_attempt, user,
    },
    test_clock::TestClock,
};

over_both! {
    an_instance_is_created_and_deleted;
    wrong_and_rotated_keys;
    temporary_keys_need_their_token;
    expired_tokens_are_renewed_once;
    projects_are_looked_up;
    the_journal_contains_no_secrets;
}

fn page() -> InstanceQuery {
    InstanceQuery { limit: Some(MAX_PAGE), ..InstanceQuery::default() }
}

fn code(error: &dcs_operator::dcs::Error) -> Option<&str> {
    error.refusal()?.code.as_deref()
}

async fn an_instance_is_created_and_deleted(bench: SimHarness) {
    let client = &bench.client;
    let id = client.create_instance(&instance("my-cache")).await.expect("created").instance_id;
    let status = async || client.show_instance(&id).await.expect("an instance").summary.status;
    assert_eq!(status().await, Some(InstanceStatus::Creating));
    bench.step(100);
    assert_eq!(status().await, Some(InstanceStatus::Running));
    let list = client.list_instances(&page()).await.expect("a list");
    assert_eq!((list.instance_num, list.instances.len()), (1, 1));
    client.delete_instance(&id).await.expect("deleted");
    bench.step(100);
    let error = client.show_instance(&id).await.expect_err("gone");
    assert_eq!(error.class(), Class::NotFound, "{error}");
    assert_eq!(client.list_instances(&page()).await.expect("a list").instance_num, 0);
    let callers: Vec<_> = bench.calls("ShowInstance").iter().map(|entry| entry.caller).collect();
    assert_eq!(callers, [Caller::AccessKey; 3]);
}

async fn wrong_and_rotated_keys(bench: SimHarness) {
    let client = bench.client(access_key("another", None), RetryPolicy::default());
    let error = client.list_instances(&page()).await.expect_err("a wrong key");
    assert_eq!((error.class(), code(&error)), (Class::Credentials, Some("APIGW.0301")));
    assert!(error.refusal().is_some_and(|refusal| refusal.request_id.is_some()));
    assert_eq!(error.attempts(), 1, "no retry");
    // Rotating the key invalidates the old secret.
    let key = AccessKey { secret: "another".into(), security_token: None, expires_at: None };
    bench.shared.lock().directory_mut().put_key(ACCESS_KEY, key);
    client.list_instances(&page()).await.expect("the new secret");
    let error = bench.client.list_instances(&page()).await.expect_err("the old secret");
    assert_eq!(error.class(), Class::Credentials);
    // A project of another account.
    let other_project =
        AccountConfig { project_id: Some("f".repeat(32)), ..bench.account(access_key("another", None)) };
    let error = bench.client_of(other_project, single_attempt()).list_instances(&page()).await;
    assert_eq!(error.map_err(|error| code(&error).map(str::to_owned)), Err(Some("DCS.1004".to_owned())));
}

async fn temporary_keys_need_their_token(bench: SimHarness) {
    let key = AccessKey { secret: SECRET_KEY.into(), security_token: Some("STS".into()), expires_at: None };
    bench.shared.lock().directory_mut().put_key(ACCESS_KEY, key);
    for (token, expected) in [(None, false), (Some("other"), false), (Some("STS"), true)] {
        let client = bench.client(access_key(SECRET_KEY, token), single_attempt());
        let outcome = client.list_instances(&page()).await.map_err(|error| error.class());
        assert_eq!(outcome.is_ok(), expected, "{token:?}: {outcome:?}");
        assert!(outcome.is_ok() || outcome == Err(Class::Credentials));
    }
    let last = bench.calls("ListInstances").pop().expect("a call");
    assert_eq!(last.caller, Caller::TemporaryKey);
}

async fn expired_tokens_are_renewed_once(bench: SimHarness) {
    let client = bench.client(user(PASSWORD), RetryPolicy::default());
    let tokens = || bench.calls("KeystoneCreateUserTokenByPassword").len();
    client.list_instances(&page()).await.expect("a list");
    client.list_instances(&page()).await.expect("a list");
    assert_eq!(tokens(), 1, "kept");
    assert_eq!(bench.shared.lock().directory_mut().revoke_tokens(), 1);
    client.list_instances(&page()).await.expect("a list with a new token");
    assert_eq!(tokens(), 2, "renewed once");
    let callers: Vec<_> = bench.calls("ListInstances").iter().map(|entry| entry.caller).collect();
    assert_eq!(callers, [Caller::Token, Caller::Token, Caller::None, Caller::Token]);

    let wrong_user = bench.client(user("wrong"), RetryPolicy::default());
    let error = wrong_user.list_instances(&page()).await.expect_err("a wrong password");
    assert_eq!(error.class(), Class::Credentials, "{error}");
    assert_eq!(error.operation(), "KeystoneCreateUserTokenByPassword");
}

async fn projects_are_looked_up(bench: SimHarness) {
    let find = async |region: &str, credentials| {
        let account =
            AccountConfig { project_id: None, region: region.to_owned(), ..bench.account(credentials) };
        bench.client_of(account, single_attempt()).list_instances(&page()).await
    };
    let key = || access_key(SECRET_KEY, None);
    find("sim-region-1", key()).await.expect("the region's project");
    find("sim-region-1", user(PASSWORD)).await.expect("the token's project");
    let error = find("sim-region-2", key()).await.expect_err("no such project");
    assert!(error.to_string().contains("see no project named"), "{error}");
    let error = find("sim-region-2", user(PASSWORD)).await.expect_err("no such project");
    assert_eq!(error.class(), Class::Credentials, "{error}");
    {
        let mut simulator = bench.shared.lock();
        let directory = simulator.directory_mut();
        *directory = directory.clone().with_project("other", "sim-region-1");
    }
    let error = find("sim-region-1", key()).await.expect_err("several");
    assert!(error.to_string().contains("2 projects are named"), "{error}");
}

async fn the_journal_contains_no_secrets(bench: SimHarness) {
    bench.client.create_instance(&instance("with-password")).await.expect("created");
    let client = bench.client(user(PASSWORD), RetryPolicy::default());
    client.list_instances(&page()).await.expect("a list");
    let journal = bench.journal();
    assert_eq!(journal[0]["body"]["password"], "***");
    assert_eq!(journal[0]["body"]["name"], "with-password");
    let shown = format!("{journal} {:?}", bench.shared);
    for secret in ["canary", "MIIS", "Signature="] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

/// Appends a byte to every signed body.
#[derive(Debug)]
struct Tampering(InProcess);

impl Transport for Tampering {
    fn send(
        &self,
        mut request: HttpRequest,
        limit: Duration,
    ) -> BoxFuture<'_, Result<HttpResponse, Failure>> {
        request.body.push(b' ');
        self.0.send(request, limit)
    }
}

#[tokio::test]
async fn a_tampered_body_is_rejected() {
    let bench = SimHarness::in_process(settings());
    let carrier = Arc::new(Tampering(InProcess(bench.shared.clone())));
    let account = bench.account(access_key(SECRET_KEY, None));
    let client = Client::over(carrier, account, RetryPolicy::default(), Arc::clone(&bench.clock), 1);
    let error = client.create_instance(&instance("tampered")).await.expect_err("refused");
    assert_eq!((error.class(), code(&error)), (Class::Credentials, Some("APIGW.0301")));
    assert_eq!(bench.names(), Vec::<String>::new());
}

/// The client's clock is off by more than the gateway allows; the client adopts the time of the response.
#[tokio::test]
async fn the_client_corrects_its_clock() {
    let bench = SimHarness::in_process(settings());
    for minutes in [-20, 20] {
        let clock = Arc::new(TestClock::ahead_by(TimeDelta::minutes(minutes)));
        let carrier = Arc::new(InProcess(bench.shared.clone()));
        let account = bench.account(access_key(SECRET_KEY, None));
        let client = Client::over(carrier, account, RetryPolicy::default(), clock, 1);
        client.list_instances(&page()).await.expect("the second attempt");
    }
    let statuses: Vec<_> = bench.calls("ListInstances").iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [Some(401), Some(200), Some(401), Some(200)]);
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let clock = TestClock::default();
    let bench = SimHarness::in_process(settings());
    let client = Client::over(
        Arc::new(InProcess(bench.shared.clone())),
        bench.account(user(PASSWORD)),
        RetryPolicy::default(),
        Arc::new(clock.clone()),
        1,
    );
    client.list_instances(&page()).await.expect("a list");
    clock.advance(Duration::from_secs(24 * 3600 - 200));
    client.list_instances(&page()).await.expect("a list");
    assert_eq!(bench.calls("KeystoneCreateUserTokenByPassword").len(), 2);
    assert!(bench.calls("ListInstances").iter().all(|entry| entry.status == Some(200)));
}

#[tokio::test]
async fn the_state_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let bench = SimHarness::in_process(settings());
    let id = bench.client.create_instance(&instance("survivor")).await.expect("created").instance_id;
    bench.step(40);
    persist::save(path.clone().into(), &bench.shared).await.expect("saved");

    let mut changed = settings();
    changed.service.quota_instances = 7;
    let restarted = SimHarness::in_process(changed);
    let monotonic = restarted.clock.monotonic();
    assert_eq!(
        persist::load(&path, &mut restarted.shared.lock(), monotonic).map_err(|e| e.to_string()),
        Ok(true)
    );
    let shown = restarted.client.show_instance(&id).await.expect("the instance exists");
    assert_eq!(shown.status, Some(InstanceStatus::Creating));
    restarted.step(60);
    let shown = restarted.client.show_instance(&id).await.expect("the instance exists");
    assert_eq!(shown.status, Some(InstanceStatus::Running), "the simulated clock resumed");
    assert_eq!(restarted.shared.lock().service().options().quota_instances, 7, "the new options apply");
}

#[tokio::test]
async fn an_invalid_state_file_is_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let load = |settings| {
        let clock = TestClock::default();
        let mut simulator = Simulator::new(settings, clock.now(), clock.monotonic()).unwrap();
        persist::load(&path, &mut simulator, clock.monotonic()).map_err(|error| error.to_string())
    };
    assert_eq!(load(settings()), Ok(false), "no file yet");
    let bench = SimHarness::in_process(settings());
    persist::save(path.clone().into(), &bench.shared).await.expect("saved");
    let good = std::fs::read_to_string(&path).unwrap();
    let mut other = settings();
    other.service.project_id = "f".repeat(32);
    assert!(load(other).unwrap_err().contains("set --project-id and --region"));
    for text in ["", "{}", "[1, 2]", "not JSON", &good[..good.len() / 2], r#"{"format":"x","version":1}"#] {
        std::fs::write(&path, text).unwrap();
        let error = load(settings()).unwrap_err();
        assert!(error.contains("is not a valid simulator state"), "{text}: {error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "unchanged");
    }
}

/// The server saves changes while it runs.
#[tokio::test]
async fn changes_are_saved_automatically() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let bench = SimHarness::in_process(settings());
    let saver = tokio::spawn(persist::save_on_change(path.clone().into(), bench.shared.clone()));
    bench.client.create_instance(&instance("kept")).await.expect("created");
    in_time(async {
        while !std::fs::read_to_string(&path).is_ok_and(|text| text.contains("kept")) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    saver.abort();
}

/// Sends a request to the control API.
async fn control(bench: &SimHarness, method: http::Method, path: &str, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new()
        .request(method, format!("{}/_simulator{path}", bench.base))
        .body(if body.is_null() { String::new() } else { body.to_string() });
    let answer = request.send().await.expect("a response");
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON"))
}

#[tokio::test]
async fn the_control_interface() {
    let bench = in_time(SimHarness::over_http(settings())).await;
    let (get, post, patch, delete) =
        (http::Method::GET, http::Method::POST, http::Method::PATCH, http::Method::DELETE);
    let id =
        bench.client.create_instance(&instance("changed-by-control")).await.expect("created").instance_id;
    let ask = async |method: &http::Method, path: &str, body: Value| {
        in_time(control(&bench, method.clone(), path, body)).await
    };
    let none = Value::Null;

    let (_, help) = ask(&get, "", none.clone()).await;
    assert!(help.as_object().is_some_and(|help| help.len() > 15));
    let (_, clock) = ask(&post, "/clock/step", json!({"seconds": 100})).await;
    assert_eq!(clock["speed"], 0.0);
    let (_, instances) = ask(&get, "/instances", none.clone()).await;
    assert_eq!(
        instances["instances"],
        json!([{"id": id, "name": "changed-by-control", "status": "RUNNING"}])
    );
    assert_eq!(ask(&post, &format!("/instances/{id}/status"), json!({"status": "ERROR"})).await.0, 200);
    let shown = bench.client.show_instance(&id).await.expect("an instance");
    assert_eq!(shown.status, Some(InstanceStatus::Error));
    assert_eq!(ask(&patch, &format!("/instances/{id}"), json!({"name": "renamed"})).await.0, 200);
    let (_, counts) = ask(&get, "/journal/counts", none.clone()).await;
    assert_eq!(counts, json!({"CreateInstance": 1, "ShowInstance": 1}));
    let (_, journal) = ask(&get, "/journal?operation=CreateInstance&limit=5", none.clone()).await;
    assert_eq!(journal["entries"][0]["effect"], format!("created {id}"));
    let (_, faults) = ask(&post, "/faults", json!({"fault": "reset"})).await;
    assert_eq!(faults, json!({"ids": [1]}));
    let (_, faults) = ask(&get, "/faults", none.clone()).await;
    assert_eq!(faults["rules"][0]["fault"], "reset");
    assert_eq!(ask(&delete, "/faults/1", none.clone()).await.0, 200);
    assert_eq!(ask(&delete, "/faults/1", none.clone()).await.0, 404);
    assert_eq!(ask(&delete, &format!("/instances/{id}"), none.clone()).await.0, 200);
    let error = bench.client.show_instance(&id).await.expect_err("gone");
    assert_eq!(error.class(), Class::NotFound);

    for (method, path, body, status, message) in [
        (&post, "/faults", json!({"fault": "explode"}), 400, "unknown variant"),
        (&post, "/clock/step", json!({"seconds": -1}), 400, "seconds"),
        (&post, "/clock/speed", json!({"speed": -1}), 400, "invalid speed"),
        (&post, "/clock/step", json!({}), 400, "missing field `seconds`"),
        (&get, "/journal?colour=red", none.clone(), 400, "expected operation, since or limit"),
        (&get, "/nonsense", none.clone(), 404, "GET /_simulator lists all routes"),
        (&post, "/instances/x/status", json!({"status": "ERROR"}), 404, "no instance x"),
    ] {
        let (got, answer) = ask(method, path, body).await;
        assert_eq!(got, status, "{path}");
        assert!(answer["error"].as_str().is_some_and(|text| text.contains(message)), "{path}: {answer}");
    }
}

/// Requests that the client never sends.
#[tokio::test]
async fn requests_the_gateway_rejects() {
    let bench = in_time(SimHarness::over_http(settings())).await;
    let http = reqwest::Client::new();
    let send = async |request: reqwest::RequestBuilder| {
        let answer = in_time(request.send()).await.expect("a response");
        let id = answer.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        (status, id, body)
    };
    let (status, id, body) = send(http.get(format!("{}/v2/p/nowhere", bench.base))).await;
    assert_eq!((status, &body["error_code"]), (404, &json!("APIGW.0101")));
    assert_eq!(body["request_id"].as_str(), id.as_deref(), "the gateway returns the request id");
    let (status, _, body) = send(http.get(format!("{}/v2/p/instances", bench.base))).await;
    assert_eq!((status, &body["error_code"]), (401, &json!("DCS.1003")));
    let (status, _, body) = send(http.get(format!("{}/v3/projects", bench.base))).await;
    assert_eq!((status, &body["error"]["code"]), (401, &json!(401)));
    let large = vec![b' '; 12 * 1024 * 1024 + 1];
    let (status, _, _) = send(http.post(format!("{}/v3/auth/tokens", bench.base)).body(large)).await;
    assert_eq!(status, 413);
    assert_eq!(bench.calls("ListInstances")[0].caller, Caller::None);
}

#[tokio::test]
async fn the_journal_is_bounded() {
    let mut settings = settings();
    settings.journal_entries = 5;
    let bench = SimHarness::in_process(settings);
    for _ in 0..8 {
        bench.client.list_instances(&page()).await.expect("a list");
    }
    assert_eq!(bench.calls("ListInstances").len(), 5);
    assert_eq!(bench.shared.lock().journal().dropped(), 3);
}

/// The server stops promptly despite open connections.
#[tokio::test]
async fn the_server_stops_on_shutdown() {
    let bench = SimHarness::in_process(settings());
    let shared: Shared = bench.shared.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(dcs_operator::simulator::http::serve(listener, shared, async {
        let _ = ended.await;
    }));
    let answer = in_time(reqwest::get(format!("{base}/_simulator/health"))).await.expect("a response");
    assert_eq!(answer.status(), 200);
    end.send(()).unwrap();
    in_time(server).await.unwrap().expect("no error");
    assert!(reqwest::get(format!("{base}/_simulator/health")).await.is_err());
}
