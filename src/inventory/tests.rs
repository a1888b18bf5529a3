//! The whole inventory over a scripted cloud, on a stepped clock.

mod double;

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    task::{Context, Waker},
};

use futures::FutureExt;

use self::double::{Instance, Reply, Script, refused};
use super::*;
use crate::{clock::testing::TestClock, dcs::Class};

type Wakes = BTreeSet<&'static str>;

struct Fixture {
    clock: Arc<TestClock>,
    inventory: Inventory<Script, &'static str>,
    cloud: Arc<Script>,
    key: AccountKey,
}

fn key(project: &str) -> AccountKey {
    AccountKey {
        endpoint: "https://dcs".to_owned(),
        project_id: project.to_owned(),
        credentials: "hash".to_owned(),
    }
}

fn by_id(id: &str) -> Subscription {
    Subscription { ids: vec![id.to_owned()], ..Subscription::default() }
}

fn fast(id: &str) -> Subscription {
    Subscription { demand: Demand::CHANGES, ..by_id(id) }
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn of<const N: usize>(subscriptions: [&'static str; N]) -> Wakes {
    BTreeSet::from(subscriptions)
}

impl Fixture {
    /// A joined account at second 1,000 with subscribers `a` of `i-a` and `b` of `i-b`, which exist.
    fn new(settings: InventorySettings) -> Self {
        let clock = Arc::new(TestClock::without_sleep());
        clock.advance(at(1000));
        let inventory = Inventory::new(settings, Arc::clone(&clock) as Arc<dyn Clock>);
        let key = key("project");
        let cloud = inventory.join(&key, Script::default);
        cloud.set("i-a", Instance::default());
        cloud.set("i-b", Instance::default());
        assert_eq!(inventory.next_poll(), None, "no subscriber");
        for (subscriber, id) in [("a", "i-a"), ("b", "i-b")] {
            assert_eq!(inventory.subscribe(subscriber, &key, by_id(id)), Some(at(0)));
        }
        Self { clock, inventory, cloud, key }
    }

    /// The same, after the first list.
    async fn settled() -> Self {
        let fixture = Self::new(InventorySettings::default());
        assert_eq!(fixture.poll().await, of(["a", "b"]));
        assert_eq!(fixture.cloud.take_calls(), ["list"]);
        fixture
    }

    async fn poll(&self) -> Wakes {
        self.inventory.poll(&self.key).await.wake
    }

    /// Advances the clock to the next poll and runs it; returns its time and the woken subscribers.
    async fn next(&self) -> (Duration, Wakes) {
        let (due, key) = self.inventory.next_poll().unwrap();
        self.clock.advance_to(due);
        (self.clock.monotonic(), self.inventory.poll(&key).await.wake)
    }

    fn snapshot(&self) -> AccountSnapshot {
        self.inventory.snapshot(&self.key).unwrap()
    }
}

#[tokio::test]
async fn an_idle_account_is_listed_once_a_minute() {
    let fixture = Fixture::settled().await;
    for minute in 1..=60 {
        fixture.cloud.set("i-a", Instance { used_memory: minute, ..Instance::default() });
        assert_eq!(fixture.next().await, (at(1000 + 60 * minute), of([])));
    }
    assert_eq!(fixture.cloud.take_calls(), ["list"; 60]);
    assert_eq!(fixture.poll().await, of([]), "not due");
    assert_eq!(fixture.cloud.take_calls(), [""; 0]);
}

#[tokio::test]
async fn an_active_account_is_listed_every_five_seconds() {
    let fixture = Fixture::settled().await;
    assert_eq!(fixture.inventory.subscribe("a", &fixture.key, fast("i-a")), Some(at(1005)));
    for n in 1..=3 {
        assert_eq!(fixture.next().await, (at(1000 + 5 * n), of([])));
    }
    assert_eq!(fixture.inventory.subscribe("a", &fixture.key, by_id("i-a")), Some(at(1075)));
    fixture.clock.advance(at(40));
    let waiting = Subscription { demand: Demand::EVERY_LIST, ..by_id("i-b") };
    assert_eq!(fixture.inventory.subscribe("b", &fixture.key, waiting.clone()), Some(at(1020)), "at once");
    assert_eq!(fixture.next().await, (at(1055), of(["b"])), "every complete list");
    assert_eq!(
        fixture.inventory.subscribe("b", &fixture.key, waiting),
        Some(at(1115)),
        "no more demand than before"
    );
    assert_eq!(fixture.next().await, (at(1115), of(["b"])));
}

#[tokio::test]
async fn a_change_wakes_its_subscribers() {
    let fixture = Fixture::settled().await;
    let tag = ("dcs-operator-uid".to_owned(), "u-1".to_owned());
    let subscription = Subscription { tags: vec![tag], ..Subscription::default() };
    let _ = fixture.inventory.subscribe("c", &fixture.key, subscription);
    fixture.cloud.set("i-a", Instance { status: "EXTENDING", ..Instance::default() });
    assert_eq!(fixture.next().await.1, of(["a"]));
    fixture.cloud.set("i-c", Instance { uid: Some("u-1"), ..Instance::default() });
    assert_eq!(fixture.next().await.1, of(["c"]));
    fixture.cloud.set("i-c", Instance::default());
    fixture.cloud.remove("i-b");
    assert_eq!(fixture.next().await.1, of(["b", "c"]));
    assert_eq!(fixture.next().await.1, of([]));
}

#[tokio::test]
async fn the_last_two_complete_lists_are_kept() {
    let fixture = Fixture::settled().await;
    let first = fixture.snapshot();
    assert_eq!((first.joined, first.instances.previous.is_none()), (at(1000), true));
    fixture.cloud.set("i-a", Instance { status: "ERROR", ..Instance::default() });
    fixture.next().await;
    let second = fixture.snapshot();
    let (latest, previous) = (second.instances.latest.unwrap(), second.instances.previous.unwrap());
    assert!(Arc::ptr_eq(&previous, &first.instances.latest.unwrap()));
    assert_eq!((previous.begun, latest.begun, latest.len()), (at(1000), at(1060), 2));
    assert!(Arc::ptr_eq(previous.get("i-b").unwrap(), latest.get("i-b").unwrap()), "in memory once");
    assert!(!Arc::ptr_eq(previous.get("i-a").unwrap(), latest.get("i-a").unwrap()));
    assert!(second.failed_creations.latest.is_none());
}

#[tokio::test]
async fn an_incomplete_list_is_trouble() {
    let fixture = Fixture::settled().await;
    fixture.cloud.remove("i-b");
    fixture.cloud.script([Reply::Short, Reply::Short]);
    assert_eq!(fixture.next().await.1, of(["b"]), "the third reading is complete");
    assert_eq!(fixture.cloud.take_calls(), ["list"; 3]);
    fixture.cloud.remove("i-a");
    fixture.cloud.script([Reply::Short, Reply::Short, Reply::Short]);
    let (failed_at, wakes) = fixture.next().await;
    assert_eq!((failed_at, wakes), (at(1120), of(["a", "b"])), "trouble wakes all");
    assert_eq!(fixture.cloud.take_calls(), ["list"; 3]);
    let snapshot = fixture.snapshot();
    assert!(snapshot.instances.latest.unwrap().get("i-a").is_some(), "absence is not inferred");
    let trouble = snapshot.instances.trouble.unwrap();
    assert!(matches!(trouble.cause, Cause::Incomplete) && trouble.since == at(1120));
    assert_eq!(fixture.next().await, (at(1125), of(["a", "b"])), "it is over, and i-a is gone");
    assert!(fixture.snapshot().instances.trouble.is_none());
}

#[tokio::test]
async fn trouble_wakes_all_subscribers_when_it_begins_changes_and_ends() {
    let fixture = Fixture::new(InventorySettings::default());
    let (all, none) = (of(["a", "b"]), of([]));
    let replies = [refused(500, None), refused(503, None), refused(401, None), refused(401, None)];
    fixture.cloud.script(replies);
    // Refused credentials pause the account for ten minutes.
    let expected =
        [(1000, all.clone()), (1005, none.clone()), (1015, all.clone()), (1615, none.clone()), (2215, all)];
    for (time, wakes) in expected {
        assert_eq!(fixture.next().await, (at(time), wakes));
        if time == 1615 {
            let trouble = fixture.snapshot().instances.trouble.unwrap();
            assert!(matches!(&trouble.cause, Cause::Error(error) if error.class() == Class::Credentials));
            assert_eq!(trouble.since, at(1000), "of the first in a row");
            assert_eq!(
                fixture.inventory.subscribe("a", &fixture.key, fast("i-a")),
                Some(at(2215)),
                "demand does not shorten the pause"
            );
        }
    }
    assert_eq!(fixture.next().await, (at(2220), none));
}

/// A site that accepts the request and is silent.
#[tokio::test]
async fn a_list_that_does_not_come_wakes_all_subscribers_once() {
    let fixture = Fixture::settled().await;
    fixture.clock.advance_to(at(1060));
    let silent = fixture.inventory.poll(&fixture.key);
    let overdue = at(1000) + InventorySettings::default().overdue_after;
    assert_eq!(fixture.inventory.next_poll(), Some((overdue, fixture.key.clone())));
    fixture.clock.advance_to(overdue);
    assert_eq!(fixture.poll().await, of(["a", "b"]));
    assert_eq!(fixture.poll().await, of([]));
    drop(silent);
}

#[tokio::test]
async fn a_site_that_is_silent_takes_few_polls() {
    let settings = InventorySettings {
        reads_per_second: NonZeroU32::MIN.saturating_add(999),
        ..InventorySettings::default()
    };
    let inventory: Inventory<Script, &'static str> =
        Inventory::new(settings, Arc::new(TestClock::without_sleep()));
    let accounts = ["a", "b", "c", "d", "e", "f"].map(|name| {
        let key = AccountKey { credentials: name.to_owned(), ..key("project") };
        let cloud = inventory.join(&key, Script::default);
        let _ = inventory.subscribe(name, &key, by_id("i"));
        (key, cloud)
    });
    let polls = accounts.each_ref().map(|(key, _)| inventory.poll(key));
    for poll in polls {
        let _ = poll.await;
    }
    let listed = accounts.iter().filter(|(_, cloud)| !cloud.take_calls().is_empty()).count();
    assert_eq!(listed, 4, "of the polls that began together");
}

#[tokio::test]
async fn retry_after_pauses_all_calls() {
    let fixture = Fixture::settled().await;
    fixture.cloud.script([refused(429, Some(at(90)))]);
    assert_eq!(fixture.next().await.0, at(1060));
    for work in [Work::Read, Work::Write] {
        let admission = fixture.inventory.request(&fixture.key, work, Priority::Urgent, "a");
        assert_eq!(admission, Admission::NotBefore(at(1150)));
    }
    assert_eq!(fixture.next().await.0, at(1150));
    fixture.inventory.withdraw(&fixture.key, "a");
}

#[tokio::test]
async fn a_list_waits_for_the_budget_with_priority() {
    let fixture = Fixture::settled().await;
    fixture.clock.advance(at(60));
    for n in 0..100 {
        let _ = fixture.inventory.request(&fixture.key, Work::Read, Priority::Urgent, n.to_string().as_str());
    }
    assert_eq!(fixture.poll().await, of([]), "no room");
    assert_eq!(fixture.cloud.take_calls(), [""; 0]);
    assert_eq!(fixture.next().await.0, at(1060) + Duration::from_millis(100));
    assert_eq!(fixture.cloud.take_calls(), ["list"]);
    let other = fixture.inventory.request(&key("other"), Work::Read, Priority::Periodic, "0");
    assert!(matches!(other, Admission::Granted { .. }), "another site's budget");
}

#[tokio::test]
async fn repeated_readings_are_charged() {
    let fixture = Fixture::new(InventorySettings {
        reads_per_second: std::num::NonZeroU32::MIN,
        ..InventorySettings::default()
    });
    fixture.cloud.script([Reply::Short, Reply::Short]);
    fixture.next().await;
    assert_eq!(fixture.cloud.take_calls(), ["list"; 3]);
    let admission = fixture.inventory.request(&fixture.key, Work::Read, Priority::Urgent, "a");
    assert_eq!(admission, Admission::NotBefore(at(1003)));
}

#[tokio::test]
async fn failed_creations_are_listed_while_demanded() {
    let fixture = Fixture::settled().await;
    let tags = vec![("dcs-operator-uid".to_owned(), "u-9".to_owned())];
    let demand = Demand { failed_creations: true, ..Demand::IDLE };
    let subscription = Subscription { tags, demand, ..Subscription::default() };
    assert_eq!(fixture.inventory.subscribe("c", &fixture.key, subscription.clone()), Some(at(1005)));
    let failed = Instance { status: "CREATEFAILED", uid: Some("u-9"), ..Instance::default() };
    fixture.cloud.set("i-9", failed);
    assert_eq!(fixture.next().await.1, of(["c"]));
    assert_eq!(fixture.cloud.take_calls(), ["list", "list CREATEFAILED"]);
    let snapshot = fixture.snapshot();
    assert_eq!(
        (snapshot.instances.latest.unwrap().len(), snapshot.failed_creations.latest.unwrap().len()),
        (2, 1)
    );

    fixture.cloud.script([Reply::Truth, refused(403, None)]);
    assert_eq!(fixture.next().await.1, of(["c"]), "trouble of the topic wakes only its subscribers");
    let snapshot = fixture.snapshot();
    assert!(snapshot.instances.trouble.is_none() && snapshot.failed_creations.trouble.is_some());
    assert!(snapshot.failed_creations.latest.is_some(), "the last list is kept");

    let idle = Subscription { demand: Demand::IDLE, ..subscription };
    let _ = fixture.inventory.subscribe("c", &fixture.key, idle);
    fixture.cloud.take_calls();
    fixture.next().await;
    assert_eq!(fixture.cloud.take_calls(), ["list"]);
    let snapshot = fixture.snapshot();
    assert!(
        snapshot.failed_creations.latest.is_none() && snapshot.failed_creations.trouble.is_none(),
        "dropped without demand"
    );
}

#[tokio::test]
async fn each_topic_has_its_own_interval() {
    let fixture = Fixture::settled().await;
    let demand = Demand { failed_creations: true, ..Demand::IDLE };
    let _ = fixture.inventory.subscribe("a", &fixture.key, fast("i-a"));
    let _ = fixture.inventory.subscribe("c", &fixture.key, Subscription { demand, ..by_id("i-c") });
    for n in 1..=13 {
        assert_eq!(fixture.next().await.0, at(1000 + 5 * n));
    }
    let calls = fixture.cloud.take_calls();
    let expected = [&["list", "list CREATEFAILED"][..], &["list"; 11], &["list", "list CREATEFAILED"]];
    assert_eq!(calls, expected.concat());
}

#[tokio::test]
async fn a_failed_topic_is_retried_alone_and_delays_only_later_topics() {
    let fixture = Fixture::settled().await;
    let demand = Demand { failed_creations: true, ..Demand::IDLE };
    let _ = fixture.inventory.subscribe("c", &fixture.key, Subscription { demand, ..by_id("i-c") });
    fixture.cloud.script([Reply::Truth, refused(403, None)]);
    assert_eq!(fixture.next().await.0, at(1005));
    assert_eq!(fixture.next().await.0, at(1010));
    assert_eq!(fixture.cloud.take_calls(), ["list", "list CREATEFAILED", "list CREATEFAILED"]);
    fixture.cloud.script([refused(401, None)]);
    assert_eq!(fixture.next().await.0, at(1065));
    assert_eq!(fixture.next().await.0, at(1665));
    assert_eq!(fixture.cloud.take_calls(), ["list", "list", "list CREATEFAILED"]);
}

#[tokio::test]
async fn a_poll_can_be_dropped_at_any_await() {
    for polls in 0.. {
        let fixture = Fixture::settled().await;
        let subscription =
            Subscription { demand: Demand { failed_creations: true, ..Demand::IDLE }, ..by_id("i-c") };
        let _ = fixture.inventory.subscribe("c", &fixture.key, subscription);
        fixture.cloud.set("i-a", Instance { status: "ERROR", ..Instance::default() });
        fixture.clock.advance(at(60));
        let mut poll = Box::pin(fixture.inventory.poll(&fixture.key));
        let overdue = fixture.inventory.next_poll().map(|(at, _)| at);
        assert_eq!(overdue, Some(at(1090)), "a poll is running");
        assert_eq!(fixture.poll().await, of([]), "one at a time");
        let mut context = Context::from_waker(Waker::noop());
        if (0..polls).any(|_| poll.poll_unpin(&mut context).is_ready()) {
            assert!(polls > 4, "there were awaits to be dropped at");
            break;
        }
        drop(poll);
        let (due, wakes) = fixture.next().await;
        assert_eq!((due, wakes.contains("a")), (at(1065), true), "after {polls} polls");
    }
}

#[tokio::test]
async fn a_poll_of_a_dropped_account_does_not_change_its_successor() {
    let fixture = Fixture::settled().await;
    fixture.clock.advance(at(60));
    let late = fixture.inventory.poll(&fixture.key);
    fixture.inventory.unsubscribe(&"a");
    fixture.inventory.unsubscribe(&"b");
    assert!(
        fixture.inventory.cloud(&fixture.key).is_none() && fixture.inventory.snapshot(&fixture.key).is_none()
    );
    let _cloud = fixture.inventory.join(&fixture.key, Script::default);
    assert!(fixture.inventory.subscribe("a", &fixture.key, by_id("i-a")).is_some());
    assert_eq!(late.await.wake, of([]));
    assert!(fixture.snapshot().instances.latest.is_none(), "lists of the former account are not shown");
    assert_eq!(fixture.next().await, (at(1060), of(["a"])));
}

#[tokio::test]
async fn an_account_without_subscribers_is_dropped() {
    let fixture = Fixture::settled().await;
    assert!(Arc::ptr_eq(&fixture.cloud, &fixture.inventory.join(&fixture.key, || panic!("already joined"))));
    let other = key("other");
    assert_eq!(fixture.inventory.subscribe("a", &other, by_id("i-a")), None, "not joined");
    fixture.inventory.join(&other, Script::default);
    assert!(fixture.inventory.subscribe("b", &other, by_id("i-b")).is_some());
    assert!(fixture.inventory.cloud(&fixture.key).is_none(), "the last subscriber left");
    assert_eq!(Arc::strong_count(&fixture.cloud), 1);
    fixture.inventory.unsubscribe(&"b");
    assert_eq!(fixture.inventory.next_poll(), None);
    fixture.clock.advance(at(3600));
    fixture.inventory.unsubscribe(&"b");
    let state = fixture.inventory.shared.lock();
    assert!(state.accounts.is_empty() && state.account_by_subscriber.is_empty() && state.sites.is_empty());
}

#[tokio::test]
async fn the_catalogue_is_read_once_and_again_after_its_ttl() {
    let fixture = Fixture::settled().await;
    let flavors = || async { fixture.inventory.flavors(&fixture.key).await };
    // One caller reads, and the others do not wait.
    let together = async || {
        let all = futures::future::join_all((0..1000).map(|_| flavors())).await;
        all.iter().filter(|answer| !matches!(answer, CatalogueRead::InProgress)).count()
    };
    assert_eq!((together().await, together().await), (1, 1000));
    assert!(matches!(flavors().await, CatalogueRead::Read(Ok(_))));
    assert!(matches!(fixture.inventory.windows(&fixture.key).await, CatalogueRead::Read(Ok(_))));
    assert_eq!(fixture.cloud.take_calls(), ["flavors", "windows"]);
    fixture.clock.advance(at(600));
    fixture.cloud.fail_catalogue(true);
    for _ in 0..9 {
        assert!(matches!(flavors().await, CatalogueRead::Read(Err(_))));
    }
    fixture.cloud.fail_catalogue(false);
    fixture.clock.advance(at(5));
    assert!(matches!(flavors().await, CatalogueRead::Read(Ok(_))));
    assert_eq!(fixture.cloud.take_calls(), ["flavors"; 2]);
    assert!(matches!(fixture.inventory.flavors(&key("other")).await, CatalogueRead::NotJoined));
}

#[test]
fn polls_are_send() {
    fn is_send<T: Send>(_: &T) {}
    let fixture = Fixture::new(InventorySettings::default());
    is_send(&fixture.inventory.poll(&fixture.key));
    is_send(&fixture.inventory.flavors(&fixture.key));
}
