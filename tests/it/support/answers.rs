//! Requests and answers for the tests of the client.

use dcs_operator::dcs::{
    AccountConfig, Class, HttpResponse,
    error::{Error, Failure},
    model::{Capacity, CreateInstance, Tag},
};
use secrecy::SecretString;
use serde_json::json;

use super::{
    account::{self, PASSWORD, PROJECT, REGION, assert_no_canary},
    scripted::answer,
};

pub(crate) const ENDPOINT: &str = "https://dcs.example.com";
pub(crate) const ID: &str = "4a9c0d1e-0000-4000-8000-000000000001";
/// 20 minutes after the start of the test clock.
pub(crate) const SERVICE_AHEAD: &str = "Fri, 15 Jan 2027 08:20:00 GMT";
/// The start of the test clock.
pub(crate) const SERVICE_AGREES: &str = "Fri, 15 Jan 2027 08:00:00 GMT";

pub(crate) fn signing() -> AccountConfig {
    account::signing(ENDPOINT)
}

pub(crate) fn by_password() -> AccountConfig {
    account::with_password(ENDPOINT)
}

pub(crate) fn create() -> CreateInstance {
    CreateInstance {
        name: "shop-sessions".to_owned(),
        engine: "Redis".to_owned(),
        engine_version: "6.0".to_owned(),
        capacity: Capacity::from_mib(128),
        spec_code: "redis.ha.xu1.tiny.r2.128".to_owned(),
        az_codes: vec!["az1".to_owned(), "az2".to_owned()],
        vpc_id: "vpc".to_owned(),
        subnet_id: "subnet".to_owned(),
        password: Some(SecretString::from(PASSWORD)),
        tags: vec![Tag { key: "team".to_owned(), value: Some("shop".to_owned()) }],
        ..CreateInstance::default()
    }
}

pub(crate) fn created() -> String {
    json!({ "instances": [{ "instance_id": ID, "instance_name": "shop-sessions" }] }).to_string()
}

pub(crate) fn detail() -> String {
    json!({ "instance_id": ID, "status": "RUNNING" }).to_string()
}

/// A token valid for `hours` by IAM's clock, which is years behind.
pub(crate) fn token(value: &str, hours: u32) -> Result<HttpResponse, Failure> {
    let body = json!({ "token": {
        "issued_at": "2020-01-01T00:00:00.000000Z",
        "expires_at": format!("2020-01-01T{hours:02}:00:00.000000Z"),
        "project": { "id": PROJECT, "name": REGION },
    }});
    answer(201, &[("x-subject-token", value)], &body.to_string())
}

pub(crate) fn projects(ids: &[&str]) -> Result<HttpResponse, Failure> {
    let projects: Vec<_> = ids.iter().map(|id| json!({ "id": id, "name": REGION })).collect();
    answer(200, &[], &json!({ "projects": projects }).to_string())
}

#[track_caller]
pub(crate) fn class<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Class {
    let error = outcome.expect_err("a scripted refusal");
    assert_no_canary(&error.to_string());
    assert_no_canary(&format!("{error:?}"));
    error.class()
}
