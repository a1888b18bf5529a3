//! Fault injection, observed through the real client.

use std::time::Duration;

use dcs_operator::dcs::{
    Class, Cloud as _,
    error::Failure,
    model::{InstanceQuery, MAX_PAGE},
};
use serde_json::{Value, json};

use crate::support::sim_harness::{SECRET_KEY, SimHarness, access_key, instance, over_both, single_attempt};

over_both! {
    faults_of_a_creation;
    faults_of_a_list;
    a_creation_without_a_response;
    reads_are_retried_and_creations_are_not;
    stale_lists;
    partial_lists;
}

fn page() -> InstanceQuery {
    InstanceQuery { limit: Some(MAX_PAGE), ..InstanceQuery::default() }
}

/// The error class of a creation under each fault, and whether the instance exists afterwards.
async fn faults_of_a_creation(bench: SimHarness) {
    let cases: [(Value, Class, bool); 11] = [
        (json!("dropAnswer"), Class::Ambiguous, true),
        (json!("reset"), Class::Ambiguous, false),
        (json!({"errorBefore": {"status": 503}}), Class::Ambiguous, false),
        (json!({"errorBefore": {"status": 400, "code": "DCS.4113"}}), Class::Busy, false),
        (json!({"errorAfter": {"status": 502}}), Class::Ambiguous, true),
        (json!({"throttle": {"retryAfterSeconds": 3}}), Class::Throttled, false),
        (json!({"truncate": {"bytes": 20}}), Class::Ambiguous, true),
        (json!({"truncate": {"bytes": 0}}), Class::Ambiguous, true),
        (json!({"wrongBody": {"body": {"instances": []}}}), Class::Ambiguous, true),
        (json!({"wrongBody": {"body": "{\"instances\": [oops"}}), Class::Ambiguous, true),
        (json!({"html": {}}), Class::Ambiguous, false),
    ];
    for (number, (fault, class, exists)) in cases.into_iter().enumerate() {
        let name = format!("fault-{number}");
        bench.add_faults(&json!({"operation": "CreateInstance", "fault": fault}));
        let error = bench.client.create_instance(&instance(&name)).await.expect_err(&name);
        assert_eq!(error.class(), class, "{fault}: {error}");
        assert_eq!(bench.names().contains(&name), exists, "{fault}");
        let retry_after = fault.get("throttle").map(|_| Duration::from_secs(3));
        assert_eq!(error.retry_after(), retry_after, "{fault}");
        let name = fault.as_str().or_else(|| fault.as_object()?.keys().next().map(String::as_str));
        let calls = bench.calls("CreateInstance");
        assert_eq!(calls.len(), number + 1, "sent once");
        assert_eq!(calls[number].faults.first().copied(), name);
    }
    bench.client.create_instance(&instance("unharmed")).await.expect("all rules are exhausted");
}

/// The error class of a list without retries under each fault.
async fn faults_of_a_list(bench: SimHarness) {
    bench.client.create_instance(&instance("one-of-them")).await.expect("created");
    let client = bench.client(access_key(SECRET_KEY, None), single_attempt());
    let broken: fn(&Failure) -> bool = |failure| matches!(failure, Failure::Broken(_));
    let refused: fn(&Failure) -> bool = |failure| matches!(failure, Failure::Refused(_));
    let unreadable: fn(&Failure) -> bool = |failure| matches!(failure, Failure::Unreadable { .. });
    let cases = [
        (json!("dropAnswer"), Class::Transient, broken),
        (json!("reset"), Class::Transient, broken),
        (json!({"truncate": {"bytes": 100}}), Class::Transient, broken),
        (json!({"errorBefore": {"status": 500, "code": "DCS.5000"}}), Class::Transient, refused),
        (json!({"errorAfter": {"status": 504, "code": "APIGW.0201"}}), Class::Transient, refused),
        (json!({"throttle": {}}), Class::Throttled, refused),
        (json!({"wrongBody": {"body": []}}), Class::Transient, unreadable),
        (json!({"wrongBody": {"body": {}}}), Class::Transient, unreadable),
        (json!({"html": {"status": 200}}), Class::Transient, unreadable),
    ];
    for (fault, class, kind) in cases {
        bench.add_faults(&json!({"operation": "reads", "fault": fault}));
        let error = client.list_instances(&page()).await.expect_err("a fault");
        assert_eq!(error.class(), class, "{fault}: {error}");
        assert!(kind(error.failure()), "{fault}: {:?}", error.failure());
    }
}

/// The client reports an ambiguous result; the instance exists and the journal records it.
async fn a_creation_without_a_response(bench: SimHarness) {
    bench.add_faults(&json!({"operation": "CreateInstance", "fault": "dropAnswer"}));
    let error = bench.client.create_instance(&instance("ambiguous")).await.expect_err("no response");
    assert_eq!(error.class(), Class::Ambiguous);
    assert!(matches!(error.failure(), Failure::Broken(_)), "{error}");
    let found = bench.client.list_instances(&page()).await.expect("a list").instances;
    assert_eq!(found.len(), 1);
    let calls = bench.calls("CreateInstance");
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].status, &calls[0].faults), (None, &vec!["dropAnswer"]));
    assert_eq!(calls[0].effect, format!("created {}", found[0].instance_id));
}

async fn reads_are_retried_and_creations_are_not(bench: SimHarness) {
    bench.add_faults(&json!([
        {"operation": "CreateInstance", "count": 1, "fault": "reset"},
        {"operation": "ListInstances", "count": 2, "fault": "reset"},
    ]));
    bench.client.create_instance(&instance("never-twice")).await.expect_err("one attempt");
    bench.client.list_instances(&page()).await.expect("the third attempt");
    assert_eq!((bench.calls("CreateInstance").len(), bench.calls("ListInstances").len()), (1, 3));
}

async fn stale_lists(bench: SimHarness) {
    let names = async |rule: Value| {
        bench.add_faults(&json!({"operation": "ListInstances", "fault": rule}));
        let page = bench.client.list_instances(&page()).await.expect("a list");
        let mut names: Vec<_> = page.instances.into_iter().filter_map(|one| one.name).collect();
        names.sort();
        names
    };
    // Never reached: an active staleList rule makes the simulator record history.
    bench.add_faults(
        &json!({"operation": "ListInstances", "after": 1000, "fault": {"staleList": {"versions": 1}}}),
    );
    bench.client.create_instance(&instance("first")).await.expect("created");
    bench.step(30);
    bench.client.create_instance(&instance("second")).await.expect("created");
    assert_eq!(names(json!({"staleList": {"versions": 1}})).await, ["first"]);
    assert_eq!(names(json!({"staleList": {"seconds": 10}})).await, ["first"]);
    assert_eq!(names(json!({"staleList": {"seconds": 0}})).await, ["first", "second"]);
    assert_eq!(names(json!({"staleList": {"versions": 99}})).await, Vec::<String>::new());
    let page = bench.client.list_instances(&page()).await.expect("a list");
    assert_eq!(page.instances.len(), 2, "the current state");
}

async fn partial_lists(bench: SimHarness) {
    for name in ["one-a", "two-b", "three-c"] {
        bench.client.create_instance(&instance(name)).await.expect("created");
    }
    bench.add_faults(&json!({"fault": {"partialList": {"drop": 2}}}));
    let page_ = bench.client.list_instances(&page()).await.expect("a list");
    assert_eq!((page_.instance_num, page_.instances.len()), (3, 1));
    let page_ = bench.client.list_instances(&page()).await.expect("a list");
    assert_eq!((page_.instance_num, page_.instances.len()), (3, 3));
}

/// The response takes longer than the client's timeout. In process only, where the clock does not really wait.
#[tokio::test]
async fn a_creation_that_times_out() {
    let bench = SimHarness::in_process(crate::support::sim_harness::settings());
    bench.add_faults(&json!({"operation": "mutating", "fault": {"delay": {"ms": 60_000}}}));
    let before = bench.clock.monotonic();
    let error = bench.client.create_instance(&instance("too-late")).await.expect_err("too late");
    assert_eq!(error.class(), Class::Ambiguous);
    assert_eq!(error.failure(), &Failure::TimedOut(Duration::from_secs(15)));
    assert_eq!(bench.clock.monotonic() - before, Duration::from_secs(15));
    assert_eq!(bench.names(), ["too-late"]);
}
