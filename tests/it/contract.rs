//! The contract of the `Cloud` trait. Each scenario runs over HTTP and in process.

use std::collections::HashSet;

use dcs_operator::dcs::{
    Class, Cloud, RetryPolicy,
    error::Error,
    list_all,
    model::{
        CacheMode, Capacity, CreateInstance, FlavorQuery, InstanceQuery, InstanceStatus, InstanceSummary,
        MAX_PAGE, ResetPassword, ResizeInstance, Tag, TagsAction, TagsChange, TaskQuery, TaskStatus,
        UpdateInstance,
    },
};
use secrecy::SecretString;
use serde_json::json;

use crate::support::sim_harness::{PASSWORD, SimHarness, instance, over_both, user};

over_both! {
    a_new_instance_has_the_same_fields_in_every_response;
    pages_are_complete_and_bounded;
    the_name_filter_is_a_substring_or_an_exact_match;
    an_update_is_visible_in_the_next_read;
    an_instance_in_transition_rejects_changes;
    a_resize_runs_as_a_task;
    a_password_can_be_set_and_removed;
    tags_are_upserted_and_removed;
    a_deleted_instance_is_not_found;
    only_a_missing_instance_is_not_found;
    quota_errors_differ_from_invalid_requests;
    the_flavor_catalogue_applies_filters;
    a_lost_response_leaves_one_instance_and_an_ambiguous_error;
    a_token_authorizes_like_an_access_key;
}

fn class<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Class {
    outcome.expect_err("an error").class()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.to_owned(), value: Some(value.to_owned()) }
}

/// Creates an instance and waits until it runs.
async fn running(harness: &SimHarness, request: &CreateInstance) -> String {
    let id = harness.client.create_instance(request).await.expect("created").instance_id;
    harness.step(200);
    assert_eq!(status(harness, &id).await, Some(InstanceStatus::Running));
    id
}

async fn status(harness: &SimHarness, id: &str) -> Option<InstanceStatus> {
    harness.client.show_instance(id).await.expect("an instance").summary.status
}

async fn a_new_instance_has_the_same_fields_in_every_response(harness: SimHarness) {
    let client = &harness.client;
    let request = CreateInstance {
        description: Some("sessions of the shop".to_owned()),
        tags: vec![tag("team", "shop"), tag("dcs-operator-uid", "u-1")],
        maintain_begin: Some("18:00:00".to_owned()),
        maintain_end: Some("19:00:00".to_owned()),
        port: Some(6380),
        ..instance("sessions")
    };
    let id = running(&harness, &request).await;
    let detail = client.show_instance(&id).await.expect("an instance");
    let page = client.list_instances(&InstanceQuery::default()).await.expect("a page");
    let [summary] = &page.instances[..] else { panic!("one instance: {page:?}") };
    assert_eq!(page.instance_num, 1);
    assert_eq!(summary.instance_id, id);
    assert_eq!((summary.name.as_deref(), detail.name.as_deref()), (Some("sessions"), Some("sessions")));
    assert_eq!(summary.capacity(), Some(Capacity::from_mib(512)), "sizes below 1 GiB have a capacity");
    assert_eq!(detail.capacity(), summary.capacity());
    assert_eq!(detail.spec_code.as_deref(), Some(request.spec_code.as_str()));
    assert_eq!((summary.spec_code.as_ref(), summary.port), (detail.spec_code.as_ref(), detail.port));
    assert_eq!(detail.port, Some(6380));
    assert_eq!(summary.description, detail.description);
    assert_eq!(summary.ip, detail.ip);
    assert!(summary.ip.is_some() && summary.domain_name.is_some());
    assert_eq!((&summary.vpc_id, &summary.subnet_id), (&detail.vpc_id, &detail.subnet_id));
    assert_eq!(detail.maintain_begin.as_deref(), Some("18:00:00"));
    assert_eq!(summary.maintain_begin, detail.maintain_begin);
    assert_eq!((summary.security_group(), detail.security_group()), (None, None));
    assert_eq!((summary.no_password_access, detail.no_password_access), (Some(false), Some(false)));
    assert_eq!((detail.cache_mode.clone(), detail.replica_count), (Some(CacheMode::Ha), Some(2)));
    assert_eq!(detail.az_codes, request.az_codes);
    let sorted = |tags: &[Tag]| {
        let mut tags: Vec<_> = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
        tags.sort();
        tags
    };
    assert_eq!(sorted(&summary.tags), sorted(&request.tags));
    assert_eq!(sorted(&detail.tags), sorted(&request.tags));
    assert_eq!(client.count_instances(false).await.expect("counts").total.running_count, Some(1));
    let statistics = client.list_statistics().await.expect("statistics");
    assert_eq!(statistics.iter().map(|one| one.instance_id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    let used = |kind: &str, quota: &[dcs_operator::dcs::model::QuotaResource]| {
        quota
            .iter()
            .find(|resource| resource.kind.as_deref() == Some(kind))
            .and_then(|resource| resource.used)
    };
    assert_eq!(used("instance", &client.show_quota().await.expect("a quota")), Some(1));
}

async fn pages_are_complete_and_bounded(harness: SimHarness) {
    let client = &harness.client;
    for number in 0..12 {
        client.create_instance(&instance(&format!("cache-{number:02}"))).await.expect("created");
    }
    let first = client.list_instances(&InstanceQuery::default()).await.expect("a page");
    assert_eq!((first.instance_num, first.instances.len()), (12, 10), "the default page size is 10");
    let mut ids = HashSet::new();
    for offset in [0, 5, 10, 15] {
        let query = InstanceQuery { offset, limit: Some(5), ..InstanceQuery::default() };
        let page = client.list_instances(&query).await.expect("a page");
        assert_eq!(page.instance_num, 12);
        ids.extend(page.instances.into_iter().map(|instance| instance.instance_id));
    }
    assert_eq!(ids.len(), 12, "each instance is on exactly one page");
    let all = list_all::<InstanceSummary>(client, InstanceQuery::default()).await.expect("a list");
    assert_eq!((all.instances.len(), all.complete), (12, true));
    harness.add_faults(
        &json!([{ "operation": "ListInstances", "count": 2, "fault": { "partialList": { "drop": 1 } } }]),
    );
    let partial =
        list_all::<InstanceSummary>(client, InstanceQuery::default()).await.expect("a partial list");
    assert_eq!((partial.instances.len(), partial.complete), (11, false), "an incomplete list is detected");
}

async fn the_name_filter_is_a_substring_or_an_exact_match(harness: SimHarness) {
    for name in ["shop-a", "shop-a-2", "other"] {
        harness.client.create_instance(&instance(name)).await.expect("created");
    }
    let found = async |name: &str, name_equal| {
        let query = InstanceQuery { name: Some(name.to_owned()), name_equal, ..InstanceQuery::default() };
        harness.client.list_instances(&query).await.expect("a page").instance_num
    };
    assert_eq!((found("shop-a", false).await, found("shop-a", true).await), (2, 1));
    assert_eq!(found("nothing", false).await, 0);
    harness.step(200);
    let query = InstanceQuery { status: Some(InstanceStatus::Running), ..InstanceQuery::default() };
    assert_eq!(harness.client.list_instances(&query).await.expect("a page").instance_num, 3);
    let query = InstanceQuery { status: Some(InstanceStatus::CreateFailed), ..InstanceQuery::default() };
    assert_eq!(harness.client.list_instances(&query).await.expect("a page").instance_num, 0);
}

async fn an_update_is_visible_in_the_next_read(harness: SimHarness) {
    let id = running(&harness, &instance("before")).await;
    let change = UpdateInstance {
        name: Some("after".to_owned()),
        description: Some("changed".to_owned()),
        maintain_begin: Some("22:00:00".to_owned()),
        maintain_end: Some("23:00:00".to_owned()),
        ..UpdateInstance::default()
    };
    harness.client.update_instance(&id, &change).await.expect("updated");
    let detail = harness.client.show_instance(&id).await.expect("an instance");
    assert_eq!((detail.summary.name, detail.summary.description), (change.name, change.description));
    assert_eq!(
        (detail.summary.maintain_begin, detail.summary.maintain_end),
        (change.maintain_begin, change.maintain_end)
    );
    for wrong in [
        UpdateInstance { name: Some("no".to_owned()), ..UpdateInstance::default() },
        UpdateInstance { description: Some("x".repeat(1025)), ..UpdateInstance::default() },
        UpdateInstance { maintain_begin: Some("22:30:00".to_owned()), ..UpdateInstance::default() },
    ] {
        assert_eq!(class(harness.client.update_instance(&id, &wrong).await), Class::Invalid, "{wrong:?}");
    }
}

async fn an_instance_in_transition_rejects_changes(harness: SimHarness) {
    let id = harness.client.create_instance(&instance("in-transition")).await.expect("created").instance_id;
    assert_eq!(status(&harness, &id).await, Some(InstanceStatus::Creating));
    let port = UpdateInstance { port: Some(6381), ..UpdateInstance::default() };
    assert_eq!(class(harness.client.update_instance(&id, &port).await), Class::Busy);
    assert_eq!(class(harness.client.delete_instance(&id).await), Class::Busy);
    let resize = resize_request();
    assert_eq!(class(harness.client.resize_instance(&id, &resize).await), Class::Busy);
    let error = harness.client.delete_instance(&id).await.expect_err("busy");
    assert_eq!(error.attempts(), 1, "the client does not retry; the operator does, minutes later");
}

fn resize_request() -> ResizeInstance {
    ResizeInstance {
        spec_code: "redis.ha.xu1.large.r2.1".to_owned(),
        new_capacity: Capacity::from_mib(1024),
        change_type: None,
        available_zones: vec![],
        node_list: vec![],
        reserved_ip: vec![],
        execute_immediately: None,
    }
}

async fn a_resize_runs_as_a_task(harness: SimHarness) {
    // The catalogue names the next larger flavor.
    let id = running(&harness, &instance("growing")).await;
    let query = FlavorQuery {
        cache_mode: Some(CacheMode::Ha),
        engine_version: Some("6.0".to_owned()),
        capacity: Some(Capacity::from_mib(1024)),
        ..FlavorQuery::default()
    };
    let flavors = harness.client.list_flavors(&query).await.expect("flavors");
    let flavor = flavors
        .iter()
        .find(|flavor| flavor.replica_count == Some(2) && flavor.spec_code.contains("xu1"))
        .expect("a larger flavor with as many replicas");
    let resize = ResizeInstance { spec_code: flavor.spec_code.clone(), ..resize_request() };
    harness.client.resize_instance(&id, &resize).await.expect("accepted");
    let detail = harness.client.show_instance(&id).await.expect("an instance");
    assert!(detail.is_busy(), "{detail:?}");
    let change = UpdateInstance { port: Some(6381), ..UpdateInstance::default() };
    assert_eq!(class(harness.client.update_instance(&id, &change).await), Class::Busy);
    let tasks = harness.client.list_tasks(&id, &TaskQuery::default()).await.expect("tasks");
    let task = tasks.tasks.iter().find(|task| task.name.as_deref() == Some("EXTEND")).expect("the resize");
    assert_eq!(task.status, Some(TaskStatus::Executing));
    harness.step(10_000);
    let detail = harness.client.show_instance(&id).await.expect("an instance");
    assert!(!detail.is_busy(), "{detail:?}");
    assert_eq!(detail.capacity(), Some(Capacity::from_mib(1024)));
    assert_eq!(detail.spec_code, Some(resize.spec_code));
    let tasks = harness.client.list_tasks(&id, &TaskQuery::default()).await.expect("tasks");
    assert!(tasks.tasks.iter().all(|task| task.status == Some(TaskStatus::Success)), "{tasks:?}");
}

async fn a_password_can_be_set_and_removed(harness: SimHarness) {
    let id = running(&harness, &instance("guarded")).await;
    let secret = |text: &str| Some(SecretString::from(text));
    let weak = ResetPassword { new_password: secret("canary"), no_password_access: None };
    assert_eq!(class(harness.client.reset_password(&id, &weak).await), Class::Invalid);
    let strong = ResetPassword { new_password: secret("canary-Other-1"), no_password_access: None };
    harness.client.reset_password(&id, &strong).await.expect("changed");
    harness.step(1_000);
    let open = ResetPassword { new_password: None, no_password_access: Some(true) };
    harness.client.reset_password(&id, &open).await.expect("opened");
    harness.step(1_000);
    let detail = harness.client.show_instance(&id).await.expect("an instance");
    assert_eq!(detail.no_password_access, Some(true));
}

async fn tags_are_upserted_and_removed(harness: SimHarness) {
    let request = CreateInstance { tags: vec![tag("team", "shop"), tag("tier", "1")], ..instance("tagged") };
    let id = running(&harness, &request).await;
    let change = async |action, tags| {
        harness.client.change_tags(&id, &TagsChange { action, tags }).await.expect("changed");
        let detail = harness.client.show_instance(&id).await.expect("an instance");
        let mut tags: Vec<_> =
            detail.summary.tags.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())).collect();
        tags.sort();
        tags
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let added = change(TagsAction::Create, vec![tag("team", "web"), tag("zone", "a")]).await;
    assert_eq!(added, [pair("team", "web"), pair("tier", "1"), pair("zone", "a")]);
    let removed = Tag { key: "tier".to_owned(), value: None };
    let remaining = change(TagsAction::Delete, vec![removed.clone()]).await;
    assert_eq!(remaining, [pair("team", "web"), pair("zone", "a")]);
}

async fn a_deleted_instance_is_not_found(harness: SimHarness) {
    let id = running(&harness, &instance("short-lived")).await;
    harness.client.delete_instance(&id).await.expect("accepted");
    harness.step(10_000);
    assert_eq!(class(harness.client.show_instance(&id).await), Class::NotFound);
    assert_eq!(class(harness.client.delete_instance(&id).await), Class::NotFound);
    let rename = UpdateInstance { name: Some("renamed".to_owned()), ..UpdateInstance::default() };
    assert_eq!(class(harness.client.update_instance(&id, &rename).await), Class::NotFound);
    let page = harness.client.list_instances(&InstanceQuery::default()).await.expect("a page");
    assert_eq!(page.instance_num, 0);
}

async fn only_a_missing_instance_is_not_found(harness: SimHarness) {
    assert_eq!(class(harness.client.show_job("ff8080818822bbf70188235afc24141a").await), Class::Invalid);
    assert_eq!(class(harness.client.show_job("not-a-job").await), Class::Invalid);
    let id = running(&harness, &instance("present")).await;
    let none = FlavorQuery { spec_code: Some("redis.no.such".to_owned()), ..FlavorQuery::default() };
    assert_eq!(harness.client.list_flavors(&none).await.expect("an empty list"), []);
    let tasks = TaskQuery { offset: 100, limit: Some(10), ..TaskQuery::default() };
    assert_eq!(harness.client.list_tasks(&id, &tasks).await.expect("an empty page").tasks, []);
}

async fn quota_errors_differ_from_invalid_requests(harness: SimHarness) {
    let create = async |request: CreateInstance| class(harness.client.create_instance(&request).await);
    let base = || instance("asked-for");
    let no_flavor = CreateInstance { spec_code: "redis.ha.xu1.huge".to_owned(), ..base() };
    let no_zone = CreateInstance { az_codes: vec!["nowhere".to_owned()], ..base() };
    let weak = CreateInstance { password: Some(SecretString::from("weak")), ..base() };
    let other_size = CreateInstance { capacity: Capacity::from_mib(4096), ..base() };
    for wrong in [no_flavor, no_zone, weak, other_size, CreateInstance { name: "1".to_owned(), ..base() }] {
        assert_eq!(create(wrong.clone()).await, Class::Invalid, "{wrong:?}");
    }
    let zone = base().az_codes[0].clone();
    harness.shared.lock().mutate(harness.clock.monotonic(), |service, _| service.sell_out(&zone, true));
    assert_eq!(create(base()).await, Class::Quota, "the zone is sold out");
    assert_eq!(harness.names(), Vec::<String>::new(), "nothing was created");
}

async fn the_flavor_catalogue_applies_filters(harness: SimHarness) {
    let client = &harness.client;
    for (mode, version) in
        [(CacheMode::Single, "4.0"), (CacheMode::Cluster, "6.0"), (CacheMode::Proxy, "5.0")]
    {
        let query = FlavorQuery {
            cache_mode: Some(mode.clone()),
            engine_version: Some(version.to_owned()),
            ..FlavorQuery::default()
        };
        let flavors = client.list_flavors(&query).await.expect("flavors");
        assert!(!flavors.is_empty(), "{mode} {version}");
        for flavor in flavors {
            assert_eq!(flavor.cache_mode, Some(mode.clone()), "{}", flavor.spec_code);
            assert!(flavor.engine_versions().any(|known| known == version), "{}", flavor.spec_code);
        }
    }
    let zones = client.list_availability_zones().await.expect("zones").available_zones;
    assert!(zones.len() > 1 && zones.iter().any(|zone| zone.resource_availability == Some(true)));
    let windows = client.list_maintenance_windows().await.expect("windows");
    assert_eq!(windows.iter().filter(|window| window.default == Some(true)).count(), 1);
}

async fn a_lost_response_leaves_one_instance_and_an_ambiguous_error(harness: SimHarness) {
    harness.add_faults(&json!([{ "operation": "CreateInstance", "count": 1, "fault": "dropAnswer" }]));
    let request = CreateInstance { tags: vec![tag("dcs-operator-uid", "u-1")], ..instance("orphan") };
    let error = harness.client.create_instance(&request).await.expect_err("the response is lost");
    assert_eq!((error.class(), error.attempts()), (Class::Ambiguous, 1));
    let query = InstanceQuery { limit: Some(MAX_PAGE), ..InstanceQuery::default() };
    let page = harness.client.list_instances(&query).await.expect("a page");
    let tagged = page
        .instances
        .iter()
        .filter(|instance| instance.tags.iter().any(|t| t == &tag("dcs-operator-uid", "u-1")));
    assert_eq!(tagged.count(), 1);
    let calls = harness.calls("CreateInstance");
    assert_eq!((calls.len(), calls[0].status), (1, None), "the simulator sent no response");
    assert!(calls[0].effect.starts_with("created "), "{}", calls[0].effect);
}

async fn a_token_authorizes_like_an_access_key(harness: SimHarness) {
    let client = harness.client(user(PASSWORD), RetryPolicy::default());
    let id = client.create_instance(&instance("by-token")).await.expect("created").instance_id;
    harness.step(200);
    assert_eq!(client.show_instance(&id).await.expect("an instance").status, Some(InstanceStatus::Running));
    assert_eq!(harness.calls("KeystoneCreateUserTokenByPassword").len(), 1, "both calls use one token");
}
