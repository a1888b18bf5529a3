//! The HTTP client against faulty servers: every faulty answer becomes a classified error in time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dcs_operator::{
    clock::SystemClock,
    dcs::{
        Class, Client, Cloud, Error, MAX_RESPONSE_BYTES, RetryPolicy,
        error::Failure,
        model::{InstanceQuery, UpdateInstance},
    },
};

use crate::support::{
    account::{self, assert_no_canary},
    raw_server::{Act, RawServer, http},
};

const ID: &str = "4a9c0d1e-0000-4000-8000-000000000001";
/// Time limit of a call that will reach it.
const SHORT: Duration = Duration::from_secs(2);
/// Time limit of the other calls, also on a loaded machine.
const LONG: Duration = Duration::from_secs(60);
/// Additional time on a loaded machine.
const MARGIN: Duration = Duration::from_secs(10);

fn client(url: &str, total: Duration, attempts: u32) -> Client {
    let policy = RetryPolicy {
        changes: Duration::from_secs(15),
        attempts,
        total,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(5),
    };
    Client::new(account::signing(url), policy, Arc::new(SystemClock::default()), 7).unwrap()
}

fn page() -> String {
    r#"{"instance_num": 1, "instances": [{"instance_id": "a", "name": "canary"}]}"#.to_owned()
}

/// The expected outcome of a read and a change for one faulty answer.
struct Case {
    name: &'static str,
    act: Act,
    read: Class,
    change: Class,
    /// Attempts of a read, and of a change that may be repeated.
    attempts: u32,
    failure: fn(&Failure) -> bool,
}

impl Case {
    /// Some answers end only at the time limit.
    fn time(&self) -> Duration {
        if matches!(self.act, Act::Drip(..) | Act::Hang) { SHORT } else { LONG }
    }
}

fn cases() -> Vec<Case> {
    let faulty = |name, act, attempts, failure| Case {
        name,
        act,
        read: Class::Transient,
        change: Class::Ambiguous,
        attempts,
        failure,
    };
    let cut = |bytes: Vec<u8>, keep: usize| bytes[..keep].to_vec();
    let huge = "x".repeat(10 * 1024 * 1024);
    let whole = http("200 OK", "", &page());
    let half = whole.len() - 30;
    vec![
        faulty("closed before any byte", Act::Send(vec![]), 3, |f| matches!(f, Failure::Broken(_))),
        faulty("cut within the head", Act::Send(b"HTTP/1.1 200 OK\r\nContent-".to_vec()), 3, |f| {
            matches!(f, Failure::Broken(_))
        }),
        faulty("shorter than announced", Act::Send(cut(whole.clone(), half)), 3, |f| {
            matches!(f, Failure::Broken(_))
        }),
        faulty("reset within the body", Act::Reset(cut(whole.clone(), half)), 3, |f| {
            matches!(f, Failure::Broken(_))
        }),
        faulty(
            "JSON that ends too early",
            Act::Send(http("200 OK", "", r#"{"instance_num": 1, "inst"#)),
            3,
            |f| matches!(f, Failure::Unreadable { .. }),
        ),
        faulty(
            "a web page",
            Act::Send(http("200 OK", "Content-Type: text/html\r\n", "<html>canary</html>")),
            3,
            |f| matches!(f, Failure::Unreadable { .. }),
        ),
        faulty("no HTTP", Act::Send(b"220 mail.example.com ready\r\n".to_vec()), 3, |f| {
            matches!(f, Failure::Broken(_))
        }),
        faulty("10 MiB announced", Act::Send(http("200 OK", "", &huge)), 1, |f| {
            *f == Failure::TooLarge(MAX_RESPONSE_BYTES)
        }),
        faulty(
            "10 MiB unannounced",
            Act::Send([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(), huge.into_bytes()].concat()),
            1,
            |f| *f == Failure::TooLarge(MAX_RESPONSE_BYTES),
        ),
        faulty("a byte now and then", Act::Drip(whole, Duration::from_millis(200)), 1, |f| {
            matches!(f, Failure::TimedOut(_))
        }),
        faulty("silence", Act::Hang, 1, |f| matches!(f, Failure::TimedOut(_))),
        faulty(
            "a redirect",
            Act::Send(http("302 Found", "Location: http://127.0.0.1:1/canary\r\n", "")),
            1,
            |f| matches!(f, Failure::Redirected { status: 302, host: Some(host) } if host == "127.0.0.1"),
        ),
        faulty(
            "a gateway's error page",
            Act::Send(http("502 Bad Gateway", "", "<html>canary</html>")),
            3,
            |f| matches!(f, Failure::Refused(refusal) if refusal.status == 502),
        ),
        Case {
            name: "200 with an error code",
            act: Act::Send(http(
                "200 OK",
                "X-Request-Id: r1\r\n",
                r#"{"error_code": "DCS.4113", "error_msg": "m"}"#,
            )),
            read: Class::Busy,
            change: Class::Busy,
            attempts: 1,
            failure: |f| matches!(f, Failure::Refused(refusal) if refusal.request_id.as_deref() == Some("r1")),
        },
    ]
}

#[track_caller]
fn check(case: &Case, operation: &str, outcome: Result<(), Error>, expected: Class, begun: Instant) {
    let error = outcome.expect_err(case.name);
    assert_eq!(error.class(), expected, "{}, {operation}: {error}", case.name);
    assert!((case.failure)(error.failure()), "{}, {operation}: {:?}", case.name, error.failure());
    let took = begun.elapsed();
    assert!(took < case.time() + MARGIN, "{}, {operation}: took {took:?}", case.name);
    assert_no_canary(&error.to_string());
    assert_no_canary(&format!("{error:?}"));
}

#[tokio::test]
async fn every_faulty_answer_is_classified_within_the_time_limit() {
    for case in cases() {
        let server = RawServer::start(case.act.clone()).await;
        let client = client(&server.url(), case.time(), 3);

        let begun = Instant::now();
        let read = client.list_instances(&InstanceQuery::default()).await;
        check(&case, "read", read.map(drop), case.read, begun);
        assert_eq!(server.requests(), case.attempts, "{}: requests of a read", case.name);

        let begun = Instant::now();
        let change = client.update_instance(ID, &UpdateInstance::default()).await;
        check(&case, "change", change, case.change, begun);
        assert_eq!(server.requests(), 2 * case.attempts, "{}: requests of a change", case.name);
    }
}

#[tokio::test]
async fn a_refused_connection_counts_as_not_sent() {
    // Bound, so that no other process gets the port, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let error = client(&url, LONG, 1).update_instance(ID, &UpdateInstance::default()).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error}");
    assert!(matches!(error.failure(), Failure::NotSent(_)), "{error:?}");
}

#[tokio::test]
async fn a_slow_answer_is_accepted_within_the_time_limit() {
    let act = Act::Drip(http("200 OK", "", &page()), Duration::from_millis(1));
    let server = RawServer::start(act).await;
    let answer = client(&server.url(), LONG, 1).list_instances(&InstanceQuery::default()).await.unwrap();
    assert_eq!(answer.instance_num, 1);
}
