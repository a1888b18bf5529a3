//! `dcs-operator cloud` as a process.

use std::{
    io::Write,
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::support::{
    account::{ACCESS_KEY, PROJECT, REGION, SECRET_KEY, assert_no_canary},
    raw_server::{Act, RawServer, http},
};

/// Runs the command without the environment of the machine.
fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dcs-operator"))
        .env_clear()
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs the command against a server that always responds with `body`.
async fn ask(status: &str, body: &Value, arguments: &[&str]) -> Output {
    let server = RawServer::start(Act::Send(http(status, "", &body.to_string()))).await;
    let url = server.url();
    let variables = [
        ("HUAWEICLOUD_SDK_AK", ACCESS_KEY),
        ("HUAWEICLOUD_SDK_SK", SECRET_KEY),
        ("HUAWEICLOUD_SDK_PROJECT_ID", PROJECT),
        ("HUAWEICLOUD_SDK_REGION", REGION),
        ("DCS_ENDPOINT", &url),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        run(&variables, &arguments)
    })
    .await
    .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn list_as_a_table_and_as_json() {
    let body = json!({ "instance_num": 1, "instances": [{
        "instance_id": "i1", "name": "sessions", "status": "RUNNING", "engine_version": "6.0", "capacity": 0,
        "capacity_minor": ".125", "spec_code": "redis.ha.xu1.tiny.r2.128", "ip": "10.0.0.5", "port": 6379,
        "created_at": "2026-01-02T03:04:05.678Z",
    }]});
    let output = ask("200 OK", &body, &["cloud", "list"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "NAME       ID   STATUS    VERSION   CAPACITY   FLAVOR                     ADDRESS         CREATED\n\
         sessions   i1   RUNNING   6.0       128Mi      redis.ha.xu1.tiny.r2.128   10.0.0.5:6379   2026-01-02T03:04:05.678Z\n"
    );
    let output = ask("200 OK", &body, &["cloud", "list", "-o", "json"]).await;
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list[0]["instance_id"], "i1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_list_is_reported() {
    let body = json!({ "instance_num": 2, "instances": [{ "instance_id": "i1" }] });
    let output = ask("200 OK", &body, &["cloud", "list"]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("may be incomplete"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn show_flavors_quota_and_zones() {
    let detail = json!({ "instance_id": "i1", "name": "sessions", "status": "RUNNING", "task": "BACKUPING" });
    let shown = stdout(&ask("200 OK", &detail, &["cloud", "show", "i1"]).await);
    assert!(shown.contains("Name:              sessions\n"), "{shown}");
    assert!(shown.contains("Busy with:         BACKUPING\n"), "{shown}");

    let flavors = json!({ "flavors": [{
        "spec_code": "redis.ha.xu1.large.r2.4", "cache_mode": "ha", "engine_version": "6.0", "capacity": ["4", "8"],
    }]});
    let query = ["cloud", "flavors", "--engine-version", "6.0", "--cache-mode", "ha", "--capacity", "4"];
    let shown = stdout(&ask("200 OK", &flavors, &query).await);
    assert_eq!(shown.lines().count(), 2, "the header and the wanted capacity: {shown}");

    let quota =
        json!({ "quotas": { "resources": [{ "type": "instance", "unit": {}, "quota": 10, "used": 3 }] } });
    let shown = stdout(&ask("200 OK", &quota, &["cloud", "quota"]).await);
    assert_eq!(shown, "RESOURCE   USED   LIMIT   UNIT\ninstance   3      10      -\n");

    let zones =
        json!({ "region_id": "r", "available_zones": [{ "code": "az1", "resource_availability": "false" }] });
    let shown = stdout(&ask("200 OK", &zones, &["cloud", "zones"]).await);
    assert_eq!(shown, "CODE   NAME   ID   AVAILABLE\naz1    -      -    false\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_exit_codes_and_remedies() {
    let cases = [
        ("404 Not Found", "DCS.3022", 3, "Check the instance id"),
        ("401 Unauthorized", "APIGW.0301", 4, "Check access key"),
        ("403 Forbidden", "DCS.2007", 4, "permission"),
        ("400 Bad Request", "DCS.4113", 5, "Wait until"),
        ("400 Bad Request", "DCS.4002", 1, "Correct the request"),
    ];
    for (status, code, exit, advice) in cases {
        let body = json!({ "error_code": code, "error_msg": format!("refused {SECRET_KEY}") });
        let output = ask(status, &body, &["cloud", "show", "i1"]).await;
        assert_eq!(output.status.code(), Some(exit), "{code}");
        assert_eq!(stdout(&output), "");
        let message = stderr(&output);
        assert!(message.contains(code) && message.contains(advice), "{message}");
        assert_no_canary(&message);
    }
}

#[test]
fn missing_and_invalid_settings_are_named() {
    let keys = [("HUAWEICLOUD_SDK_AK", ACCESS_KEY), ("HUAWEICLOUD_SDK_SK", SECRET_KEY)];
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);
    let cases: [Case<'_>; 7] = [
        (&[], &["cloud", "list"], "the region is missing"),
        (&[], &["cloud", "list", "--region", "r1"], "credentials are missing"),
        (&keys[..1], &["cloud", "list", "--region", "r1"], "the secret key is missing"),
        (&keys, &["cloud", "list", "--region", "not a region"], "not a region code"),
        (&keys, &["cloud", "list", "--region", "r1", "--endpoint", "http://dcs.example.com"], "not https"),
        (&keys, &["cloud", "list", "--region", "r1", "--credentials", "/nonexistent"], "/nonexistent"),
        (&keys, &["cloud", "errors", "XYZ.1"], "not documented"),
    ];
    for (variables, arguments, expected) in cases {
        let output = run(variables, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
        assert_no_canary(&stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file_replaces_variables() {
    let server = RawServer::start(Act::Send(http("200 OK", "", r#"{"quotas": {"resources": []}}"#))).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        file,
        "region: {REGION}\nprojectId: {PROJECT}\naccessKey: {ACCESS_KEY}\nsecretKey: {SECRET_KEY}"
    )
    .unwrap();
    writeln!(file, "endpoint: {}", server.url()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let output =
        tokio::task::spawn_blocking(move || run(&[("DCS_CREDENTIALS_FILE", &path)], &["cloud", "quota"]));
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    for wrong in
        [format!("secretKey: [{SECRET_KEY}"), format!("secretkey: {SECRET_KEY}"), SECRET_KEY.to_owned()]
    {
        std::fs::write(file.path(), wrong).unwrap();
        let output = run(&[("DCS_CREDENTIALS_FILE", file.path().to_str().unwrap())], &["cloud", "quota"]);
        assert_eq!(output.status.code(), Some(2));
        assert_no_canary(&stderr(&output));
    }
}

#[test]
fn help_and_errors_show_no_secret_of_the_environment() {
    let secrets = [
        ("HUAWEICLOUD_SDK_AK", ACCESS_KEY),
        ("HUAWEICLOUD_SDK_SK", SECRET_KEY),
        ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "canary-token"),
    ];
    for arguments in
        [&["cloud", "--help"][..], &["cloud", "list", "--help"], &["cloud", "nonsense"], &["--help"]]
    {
        let output = run(&secrets, arguments);
        assert_no_canary(&stdout(&output));
        assert_no_canary(&stderr(&output));
    }
}

#[test]
fn every_known_error_code_can_be_looked_up() {
    let table = stdout(&run(&[], &["cloud", "errors"]));
    assert!(table.lines().count() > 180, "one line per code");
    let one: Value =
        serde_json::from_str(&stdout(&run(&[], &["cloud", "errors", "111400113", "-o", "json"]))).unwrap();
    assert_eq!((&one[0]["class"], &one[0]["codes"][0]), (&json!("busy"), &json!("DCS.4113")));
}
