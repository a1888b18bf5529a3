//! Lists without end and answers without measure: what they take is bounded.

use dcs_operator::dcs::{
    Cloud, MAX_RESPONSE_BYTES,
    error::Failure,
    list_all,
    model::{InstanceQuery, InstanceSummary},
};
use serde_json::json;

use crate::support::{
    answers::{ID, signing},
    scripted::{ClientHarness, answer, harness},
};

/// A page of instances with small entries.
fn page(total: usize, entries: std::ops::Range<usize>) -> String {
    let instances: Vec<_> = entries.map(|n| format!(r#"{{"instance_id":"i{n}"}}"#)).collect();
    format!(r#"{{"instance_num":{total},"instances":[{}]}}"#, instances.join(","))
}

#[tokio::test]
async fn a_page_of_hundreds_of_thousands_of_small_instances_is_refused() {
    let body = page(300_000, 0..300_000);
    assert!(body.len() < MAX_RESPONSE_BYTES);
    let ClientHarness { client, service, .. } = harness(signing(), vec![answer(200, &[], &body)]);
    let error = list_all::<InstanceSummary>(&client, InstanceQuery::default()).await.unwrap_err();
    assert_eq!(*error.failure(), Failure::TooMany(3000), "the entries of one answer");
    assert_eq!(service.requests().len(), 1, "the same request brings the same answer");
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let pages = (0..11).map(|n| answer(200, &[], &page(1_000_000, n * 1000..(n + 1) * 1000))).collect();
    let ClientHarness { client, service, .. } = harness(signing(), pages);
    let error = list_all::<InstanceSummary>(&client, InstanceQuery::default()).await.unwrap_err();
    assert_eq!(*error.failure(), Failure::TooMany(10_000));
    assert_eq!(service.requests().len(), 11);
}

#[tokio::test]
async fn a_page_that_is_too_large_is_read_in_smaller_ones() {
    let too_large = || Err(Failure::TooLarge(MAX_RESPONSE_BYTES));
    let script = vec![
        too_large(),
        too_large(),
        answer(200, &[], &page(100, 0..62)),
        answer(200, &[], &page(100, 62..100)),
    ];
    let ClientHarness { client, service, .. } = harness(signing(), script);
    let listing = list_all::<InstanceSummary>(&client, InstanceQuery::default()).await.unwrap();
    assert_eq!((listing.instances.len(), listing.complete, listing.pages), (100, true, 4));
    let limits: Vec<_> =
        service.requests().iter().map(|request| request.url.query().unwrap().to_owned()).collect();
    for (query, limit) in limits.iter().zip(["1000", "250", "62", "62"]) {
        assert!(query.contains(&format!("limit={limit}")), "{query}");
    }
}

#[tokio::test]
async fn an_answer_about_one_instance_is_small() {
    let unknown = vec![1; 1_000_000];
    let body = json!({"instance_id": ID, "status": "RUNNING", "unknown": unknown}).to_string();
    let ClientHarness { client, .. } = harness(signing(), vec![answer(200, &[], &body)]);
    let error = client.show_instance(ID).await.unwrap_err();
    assert!(matches!(error.failure(), Failure::TooLarge(_)), "{error}");
}
