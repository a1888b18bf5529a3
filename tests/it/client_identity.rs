//! Authentication of the client: keys, tokens, project and clock correction, without sockets or real waits.

use std::time::Duration;

use dcs_operator::dcs::{AccountConfig, Class, Cloud, Credentials};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::{
    account::{ACCESS_KEY, PASSWORD, PROJECT, REGION, assert_no_canary},
    answers::{
        ID, SERVICE_AGREES, SERVICE_AHEAD, by_password, class, create, created, detail, projects, signing,
        token,
    },
    scripted::{ClientHarness, answer, harness, header, refusal},
};

#[tokio::test]
async fn a_wrong_clock_is_corrected_once() {
    let expired = || refusal(401, "APIGW.0301", &[("date", SERVICE_AHEAD)]);
    let script = vec![expired(), answer(200, &[], &detail()), answer(200, &[], &detail())];
    let ClientHarness { client, service, clock } = harness(signing(), script);
    client.show_instance(ID).await.unwrap();
    client.show_instance(ID).await.unwrap();
    let dates: Vec<_> = service.requests().iter().map(|asked| header(asked, "x-sdk-date")).collect();
    assert_eq!(dates, ["20270115T080000Z", "20270115T082000Z", "20270115T082000Z"]);
    assert!(clock.advances().is_empty());

    let ClientHarness { client, .. } = harness(signing(), vec![expired(), expired()]);
    let error = client.show_instance(ID).await.unwrap_err();
    assert_eq!((error.class(), error.attempts()), (Class::Credentials, 2));
    assert_eq!(error.clock_skew(), None, "a request signed with the service's time");
}

#[tokio::test]
async fn a_wrong_key_is_distinguished_from_a_wrong_clock_and_not_repeated() {
    let ClientHarness { client, service, .. } =
        harness(signing(), vec![refusal(401, "APIGW.0301", &[("date", SERVICE_AGREES)])]);
    let error = client.show_instance(ID).await.unwrap_err();
    assert_eq!((error.class(), error.clock_skew()), (Class::Credentials, None));
    assert_eq!(service.requests().len(), 1, "repeated failures lock the key");
}

#[tokio::test]
async fn temporary_credentials_send_their_token_and_sign_it() {
    let mut account = signing();
    if let Credentials::AccessKey { security_token, .. } = &mut account.credentials {
        *security_token = Some(SecretString::from("canary-temporary"));
    }
    let ClientHarness { client, service, .. } = harness(account, vec![answer(200, &[], &detail())]);
    client.show_instance(ID).await.unwrap();
    let asked = service.requests();
    assert_eq!(header(&asked[0], "x-security-token"), "canary-temporary");
    assert!(header(&asked[0], "authorization").contains("x-security-token"));
}

#[tokio::test]
async fn a_temporary_token_that_the_service_repeats_is_redacted() {
    let mut account = signing();
    if let Credentials::AccessKey { security_token, .. } = &mut account.credentials {
        *security_token = Some(SecretString::from("canary-temporary"));
    }
    let body = r#"{"error_code": "DCS.4000", "error_msg": "the token canary-temporary is of no use"}"#;
    let ClientHarness { client, .. } = harness(account, vec![answer(400, &[], body)]);
    let error = client.show_instance(ID).await.unwrap_err();
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(text.contains("is of no use") && !text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_shared() {
    let script = vec![token("canary-t1", 23), answer(200, &[], &detail()), answer(200, &[], &detail())];
    let ClientHarness { client, service, .. } = harness(by_password(), script);
    let (one, two) = tokio::join!(client.show_instance(ID), client.show_instance(ID));
    one.unwrap();
    two.unwrap();
    let asked = service.requests();
    assert_eq!(asked[0].url.path(), "/v3/auth/tokens");
    assert_eq!(header(&asked[0], "authorization"), "");
    let body: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(body["auth"]["scope"], json!({ "project": { "name": REGION } }));
    assert_eq!(body["auth"]["identity"]["password"]["user"]["password"], PASSWORD);
    for asked in &asked[1..] {
        assert_eq!(header(asked, "x-auth-token"), "canary-t1");
        assert_eq!(header(asked, "authorization"), "");
        assert!(asked.url.path().starts_with(&format!("/v2/{PROJECT}/")), "the project of the token");
    }
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let script =
        vec![token("t1", 1), answer(200, &[], &detail()), token("t2", 1), answer(200, &[], &detail())];
    let ClientHarness { client, service, clock } = harness(by_password(), script);
    client.show_instance(ID).await.unwrap();
    clock.advance(Duration::from_secs(3600 - 299));
    client.show_instance(ID).await.unwrap();
    assert_eq!(header(&service.requests()[3], "x-auth-token"), "t2");
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
    let ClientHarness { client, service, clock } = harness(by_password(), script);
    client.show_instance(ID).await.unwrap();
    clock.advance(Duration::from_secs(1799));
    client.show_instance(ID).await.unwrap();
    clock.advance(Duration::from_secs(1));
    client.show_instance(ID).await.unwrap();
    assert_eq!(header(&service.requests()[5], "x-auth-token"), "t2");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let refused = || refusal(401, "DCS.1002", &[]);
    let script = vec![token("t1", 23), refused(), token("t2", 23), answer(200, &[], &created())];
    let ClientHarness { client, service, .. } = harness(by_password(), script);
    client.create_instance(&create()).await.unwrap();
    assert_eq!(header(&service.requests()[3], "x-auth-token"), "t2");

    let script = vec![token("t1", 23), refused(), token("t2", 23), refused()];
    let ClientHarness { client, service, .. } = harness(by_password(), script);
    assert_eq!(class(client.show_instance(ID).await), Class::Credentials);
    assert_eq!(service.requests().len(), 4);
}

#[tokio::test]
async fn a_wrong_password_is_reported_by_iam() {
    let body = r#"{"error": {"code": 401, "message": "The username or password is wrong.", "title": "Unauthorized"}}"#;
    let ClientHarness { client, .. } = harness(by_password(), vec![answer(401, &[], body)]);
    let error = client.create_instance(&create()).await.unwrap_err();
    assert_eq!(error.operation(), "KeystoneCreateUserTokenByPassword");
    assert_eq!(class::<()>(Err(error)), Class::Credentials);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_a_minute_for_all_callers() {
    let refused = || answer(401, &[], r#"{"error": {"code": 401, "message": "wrong"}}"#);
    let ClientHarness { client, service, clock } = harness(by_password(), vec![refused()]);
    let calls = (0..8).map(|_| client.show_instance(ID));
    for outcome in futures::future::join_all(calls).await {
        assert_eq!(class(outcome), Class::Credentials);
    }
    clock.advance(Duration::from_secs(59));
    assert_eq!(class(client.show_instance(ID).await), Class::Credentials);
    assert_eq!(service.requests().len(), 1, "repeated failures lock the user");
    clock.advance(Duration::from_secs(1));
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
    let ClientHarness { client, service, .. } = harness(by_password(), script);
    assert_eq!(class(client.show_instance(ID).await), Class::Credentials);
    client.show_instance(ID).await.unwrap();
    assert_eq!(header(&service.requests()[4], "x-auth-token"), "t2");
}

#[tokio::test]
async fn errors_show_neither_key_nor_token() {
    let body =
        json!({ "error_code": "APIGW.0301", "error_msg": format!("no such ak: {ACCESS_KEY}") }).to_string();
    let ClientHarness { client, .. } = harness(signing(), vec![answer(401, &[], &body)]);
    assert_eq!(class(client.show_instance(ID).await), Class::Credentials);
    let body = json!({ "error_code": "DCS.2007", "error_msg": "token canary-t1 lacks scope" }).to_string();
    let ClientHarness { client, .. } =
        harness(by_password(), vec![token("canary-t1", 23), answer(403, &[], &body)]);
    assert_eq!(class(client.show_instance(ID).await), Class::Forbidden);
}

#[tokio::test]
async fn the_project_is_looked_up_once_by_the_region_s_name() {
    let account = AccountConfig { project_id: None, ..signing() };
    let script = vec![projects(&[PROJECT]), answer(200, &[], &detail()), answer(200, &[], &detail())];
    let ClientHarness { client, service, .. } = harness(account, script);
    client.show_instance(ID).await.unwrap();
    client.show_instance(ID).await.unwrap();
    let asked = service.requests();
    assert_eq!(&asked[0].url[url::Position::BeforePath..], format!("/v3/projects?name={REGION}"));
    assert!(asked[2].url.path().starts_with(&format!("/v2/{PROJECT}/")));
}

#[tokio::test]
async fn no_project_and_several_projects_are_errors() {
    for (ids, expected) in [(&[][..], "no project named"), (&["p1", "p2"][..], "2 projects are named")] {
        let account = AccountConfig { project_id: None, ..signing() };
        let ClientHarness { client, .. } = harness(account, vec![projects(ids)]);
        let error = client.show_instance(ID).await.unwrap_err();
        assert_eq!(error.class(), Class::Invalid);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn debug_output_shows_no_secret() {
    for account in [signing(), by_password()] {
        let ClientHarness { client, .. } =
            harness(account, vec![token("canary-t1", 23), answer(200, &[], &detail())]);
        let _ = client.show_instance(ID).await;
        assert_no_canary(&format!("{client:?}"));
        assert_no_canary(&format!("{:?}", create()));
    }
}
