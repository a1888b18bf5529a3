//! The inventory over a scripted cloud, on the test clock.

mod double;

use std::{
    collections::BTreeSet,
    task::{Context, Waker},
};

use futures::FutureExt;

use self::double::{Instance, Reply, Script, refused};
use super::*;
use crate::{clock::testing::TestClock, dcs::Class};

type Wakes = BTreeSet<&'static str>;

struct Bench {
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
    Subscription { urgency: Urgency::Active, ..by_id(id) }
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn of<const N: usize>(subscriptions: [&'static str; N]) -> Wakes {
    BTreeSet::from(subscriptions)
}

impl Bench {
    /// At second 1,000, joined, with followers `a` of `i-a` and `b` of `i-b`, which exist.
    fn new(settings: InventorySettings) -> Self {
        let clock = Arc::new(TestClock::without_sleep());
        clock.advance(at(1000));
        let inventory = Inventory::new(settings, Arc::clone(&clock) as Arc<dyn Clock>);
        let key = key("project");
        let cloud = inventory.join(&key, Script::default);
        cloud.set("i-a", Instance::default());
        cloud.set("i-b", Instance::default());
        assert_eq!(inventory.next_poll(), None, "nobody follows it");
        for (subscriber, id) in [("a", "i-a"), ("b", "i-b")] {
            assert_eq!(inventory.subscribe(subscriber, &key, by_id(id)), Some(at(0)));
        }
        Self { clock, inventory, cloud, key }
    }

    /// The same, after the first list.
    async fn settled() -> Self {
        let bench = Self::new(InventorySettings::default());
        assert_eq!(bench.poll().await, of(["a", "b"]));
        assert_eq!(bench.cloud.take_calls(), ["list"]);
        bench
    }

    async fn poll(&self) -> Wakes {
        self.inventory.poll(&self.key).await.wake
    }

    /// Lets time pass until the next tick is due, and makes it: when that was, and who was woken.
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
async fn at_rest_one_list_a_minute_and_nothing_else() {
    let bench = Bench::settled().await;
    for minute in 1..=60 {
        bench.cloud.set("i-a", Instance { used_memory: minute, ..Instance::default() });
        assert_eq!(bench.next().await, (at(1000 + 60 * minute), of([])));
    }
    assert_eq!(bench.cloud.take_calls(), ["list"; 60]);
    assert_eq!(bench.poll().await, of([]), "not due");
    assert_eq!(bench.cloud.take_calls(), [""; 0]);
}

#[tokio::test]
async fn while_something_is_on_its_way_every_five_seconds() {
    let bench = Bench::settled().await;
    assert_eq!(bench.inventory.subscribe("a", &bench.key, fast("i-a")), Some(at(1005)));
    for n in 1..=3 {
        assert_eq!(bench.next().await, (at(1000 + 5 * n), of([])));
    }
    assert_eq!(bench.inventory.subscribe("a", &bench.key, by_id("i-a")), Some(at(1075)));
    bench.clock.advance(at(40));
    let waiting = Subscription { each_list: true, ..by_id("i-b") };
    assert_eq!(bench.inventory.subscribe("b", &bench.key, waiting.clone()), Some(at(1020)), "at once");
    assert_eq!(bench.next().await, (at(1055), of(["b"])), "a complete list, whatever it says");
    assert_eq!(bench.inventory.subscribe("b", &bench.key, waiting), Some(at(1115)), "no more than before");
    assert_eq!(bench.next().await, (at(1115), of(["b"])));
}

#[tokio::test]
async fn a_change_wakes_whom_it_concerns() {
    let bench = Bench::settled().await;
    let tag = ("dcs-operator-uid".to_owned(), "u-1".to_owned());
    let subscription = Subscription { tags: vec![tag], ..Subscription::default() };
    let _ = bench.inventory.subscribe("c", &bench.key, subscription);
    bench.cloud.set("i-a", Instance { status: "EXTENDING", ..Instance::default() });
    assert_eq!(bench.next().await.1, of(["a"]));
    bench.cloud.set("i-c", Instance { uid: Some("u-1"), ..Instance::default() });
    assert_eq!(bench.next().await.1, of(["c"]));
    bench.cloud.set("i-c", Instance::default());
    bench.cloud.remove("i-b");
    assert_eq!(bench.next().await.1, of(["b", "c"]));
    assert_eq!(bench.next().await.1, of([]));
}

#[tokio::test]
async fn the_last_two_complete_lists_are_kept() {
    let bench = Bench::settled().await;
    let first = bench.snapshot();
    assert_eq!((first.joined, first.previous.is_none()), (at(1000), true));
    bench.cloud.set("i-a", Instance { status: "ERROR", ..Instance::default() });
    bench.next().await;
    let second = bench.snapshot();
    let (latest, previous) = (second.latest.unwrap(), second.previous.unwrap());
    assert!(Arc::ptr_eq(&previous, &first.latest.unwrap()));
    assert_eq!((previous.begun, latest.begun, latest.len()), (at(1000), at(1060), 2));
    assert!(Arc::ptr_eq(previous.get("i-b").unwrap(), latest.get("i-b").unwrap()), "in memory once");
    assert!(!Arc::ptr_eq(previous.get("i-a").unwrap(), latest.get("i-a").unwrap()));
    assert!(second.failed_latest.is_none());
}

#[tokio::test]
async fn an_incomplete_list_says_nothing() {
    let bench = Bench::settled().await;
    bench.cloud.remove("i-b");
    bench.cloud.script([Reply::Short, Reply::Short]);
    assert_eq!(bench.next().await.1, of(["b"]), "the third reading is complete");
    assert_eq!(bench.cloud.take_calls(), ["list"; 3]);
    bench.cloud.remove("i-a");
    bench.cloud.script([Reply::Short, Reply::Short, Reply::Short]);
    let (failed_at, wakes) = bench.next().await;
    assert_eq!((failed_at, wakes), (at(1120), of(["a", "b"])), "trouble concerns everybody");
    assert_eq!(bench.cloud.take_calls(), ["list"; 3]);
    let snapshot = bench.snapshot();
    assert!(snapshot.latest.unwrap().get("i-a").is_some(), "absence is not inferred");
    let trouble = snapshot.trouble.unwrap();
    assert!(matches!(trouble.cause, Cause::Incomplete) && trouble.since == at(1120));
    assert_eq!(bench.next().await, (at(1125), of(["a", "b"])), "it is over, and i-a is gone");
    assert!(bench.snapshot().trouble.is_none());
}

#[tokio::test]
async fn trouble_wakes_everybody_when_it_begins_turns_and_ends() {
    let bench = Bench::new(InventorySettings::default());
    let (all, none) = (of(["a", "b"]), of([]));
    let replies = [refused(500, None), refused(503, None), refused(401, None), refused(401, None)];
    bench.cloud.script(replies);
    // Credentials that are not accepted are left alone for ten minutes.
    let expected =
        [(1000, all.clone()), (1005, none.clone()), (1015, all.clone()), (1615, none.clone()), (2215, all)];
    for (time, wakes) in expected {
        assert_eq!(bench.next().await, (at(time), wakes));
        if time == 1615 {
            let trouble = bench.snapshot().trouble.unwrap();
            assert!(matches!(&trouble.cause, Cause::Error(error) if error.class() == Class::Credentials));
            assert_eq!(trouble.since, at(1000), "of the first in a row");
            assert_eq!(bench.inventory.subscribe("a", &bench.key, fast("i-a")), Some(at(2215)), "no hurry");
        }
    }
    assert_eq!(bench.next().await, (at(2220), none));
}

#[tokio::test]
async fn the_service_is_left_alone_as_long_as_it_asks() {
    let bench = Bench::settled().await;
    bench.cloud.script([refused(429, Some(at(90)))]);
    assert_eq!(bench.next().await.0, at(1060));
    for work in [Work::Read, Work::Write] {
        let admission = bench.inventory.request(&bench.key, work, Priority::Urgent, "a");
        assert_eq!(admission, Admission::NotBefore(at(1150)));
    }
    assert_eq!(bench.next().await.0, at(1150));
    bench.inventory.withdraw(&bench.key, "a");
}

#[tokio::test]
async fn a_list_waits_for_the_budget_and_goes_ahead_of_the_rest() {
    let bench = Bench::settled().await;
    bench.clock.advance(at(60));
    for n in 0..100 {
        let _ = bench.inventory.request(&bench.key, Work::Read, Priority::Urgent, &n.to_string());
    }
    assert_eq!(bench.poll().await, of([]), "no room");
    assert_eq!(bench.cloud.take_calls(), [""; 0]);
    assert_eq!(bench.next().await.0, at(1060) + Duration::from_millis(100));
    assert_eq!(bench.cloud.take_calls(), ["list"]);
    let other = bench.inventory.request(&key("other"), Work::Read, Priority::Periodic, "0");
    assert!(matches!(other, Admission::Granted { .. }), "another site's budget");
}

#[tokio::test]
async fn repeated_readings_are_paid_back() {
    let bench = Bench::new(InventorySettings {
        reads_per_second: std::num::NonZeroU32::MIN,
        ..InventorySettings::default()
    });
    bench.cloud.script([Reply::Short, Reply::Short]);
    bench.next().await;
    assert_eq!(bench.cloud.take_calls(), ["list"; 3]);
    let admission = bench.inventory.request(&bench.key, Work::Read, Priority::Urgent, "a");
    assert_eq!(admission, Admission::NotBefore(at(1003)));
}

#[tokio::test]
async fn failed_creations_are_listed_while_somebody_wants_them() {
    let bench = Bench::settled().await;
    let tags = vec![("dcs-operator-uid".to_owned(), "u-9".to_owned())];
    let subscription = Subscription { tags, failed_creations: true, ..Subscription::default() };
    assert_eq!(bench.inventory.subscribe("c", &bench.key, subscription.clone()), Some(at(1005)));
    let failed = Instance { status: "CREATEFAILED", uid: Some("u-9"), ..Instance::default() };
    bench.cloud.set("i-9", failed);
    assert_eq!(bench.next().await.1, of(["c"]));
    assert_eq!(bench.cloud.take_calls(), ["list", "list CREATEFAILED"]);
    let snapshot = bench.snapshot();
    assert_eq!((snapshot.latest.unwrap().len(), snapshot.failed_latest.unwrap().len()), (2, 1));

    bench.cloud.script([Reply::Truth, refused(403, None)]);
    assert_eq!(bench.next().await.1, of(["c"]), "its own trouble, which concerns nobody else");
    let snapshot = bench.snapshot();
    assert!(snapshot.trouble.is_none() && snapshot.failed_trouble.is_some());
    assert!(snapshot.failed_latest.is_some(), "as it was");

    let _ =
        bench.inventory.subscribe("c", &bench.key, Subscription { failed_creations: false, ..subscription });
    bench.cloud.take_calls();
    bench.next().await;
    assert_eq!(bench.cloud.take_calls(), ["list"]);
    let snapshot = bench.snapshot();
    assert!(snapshot.failed_latest.is_none() && snapshot.failed_trouble.is_none(), "too old to be of use");
}

#[tokio::test]
async fn a_tick_can_be_dropped_at_any_await() {
    for polls in 0.. {
        let bench = Bench::settled().await;
        let subscription = Subscription { failed_creations: true, ..by_id("i-c") };
        let _ = bench.inventory.subscribe("c", &bench.key, subscription);
        bench.cloud.set("i-a", Instance { status: "ERROR", ..Instance::default() });
        bench.clock.advance(at(60));
        let mut poll = Box::pin(bench.inventory.poll(&bench.key));
        assert_eq!(bench.inventory.next_poll(), None, "it is on its way");
        assert_eq!(bench.poll().await, of([]), "one at a time");
        let mut context = Context::from_waker(Waker::noop());
        if (0..polls).any(|_| poll.poll_unpin(&mut context).is_ready()) {
            assert!(polls > 4, "there were awaits to be dropped at");
            break;
        }
        drop(poll);
        let (due, wakes) = bench.next().await;
        assert_eq!((due, wakes.contains("a")), (at(1065), true), "after {polls} polls");
    }
}

#[tokio::test]
async fn a_tick_of_a_dropped_account_changes_nothing_of_its_successor() {
    let bench = Bench::settled().await;
    bench.clock.advance(at(60));
    let late = bench.inventory.poll(&bench.key);
    bench.inventory.unsubscribe(&"a");
    bench.inventory.unsubscribe(&"b");
    assert!(bench.inventory.cloud(&bench.key).is_none() && bench.inventory.snapshot(&bench.key).is_none());
    let _cloud = bench.inventory.join(&bench.key, Script::default);
    assert!(bench.inventory.subscribe("a", &bench.key, by_id("i-a")).is_some());
    assert_eq!(late.await.wake, of([]));
    assert!(bench.snapshot().latest.is_none(), "what others saw is not shown");
    assert_eq!(bench.next().await, (at(1060), of(["a"])));
}

#[tokio::test]
async fn an_account_without_followers_is_dropped() {
    let bench = Bench::settled().await;
    assert!(Arc::ptr_eq(&bench.cloud, &bench.inventory.join(&bench.key, || panic!("it is there"))));
    let other = key("other");
    assert_eq!(
        bench.inventory.subscribe("a", &other, by_id("i-a")),
        None,
        "not joined; it follows nothing now"
    );
    bench.inventory.join(&other, Script::default);
    assert!(bench.inventory.subscribe("b", &other, by_id("i-b")).is_some());
    assert!(bench.inventory.cloud(&bench.key).is_none(), "nobody is left");
    assert_eq!(Arc::strong_count(&bench.cloud), 1);
    bench.inventory.unsubscribe(&"b");
    assert_eq!(bench.inventory.next_poll(), None);
    bench.clock.advance(at(3600));
    bench.inventory.unsubscribe(&"b");
    let state = bench.inventory.shared.lock();
    assert!(state.accounts.is_empty() && state.account_by_follower.is_empty() && state.sites.is_empty());
}

#[tokio::test]
async fn the_catalogue_is_read_once_for_all_and_again_after_a_while() {
    let bench = Bench::settled().await;
    let flavors = || async { bench.inventory.flavors(&bench.key).await };
    // One reads, and nobody waits for it.
    let together = async || {
        let all = futures::future::join_all((0..1000).map(|_| flavors())).await;
        all.iter().filter(|answer| !matches!(answer, CatalogueRead::InProgress)).count()
    };
    assert_eq!((together().await, together().await), (1, 1000));
    assert!(matches!(flavors().await, CatalogueRead::Read(Ok(_))));
    assert!(matches!(bench.inventory.windows(&bench.key).await, CatalogueRead::Read(Ok(_))));
    assert_eq!(bench.cloud.take_calls(), ["flavors", "windows"]);
    bench.clock.advance(at(600));
    bench.cloud.fail_catalogue(true);
    for _ in 0..9 {
        assert!(matches!(flavors().await, CatalogueRead::Read(Err(_))));
    }
    bench.cloud.fail_catalogue(false);
    bench.clock.advance(at(5));
    assert!(matches!(flavors().await, CatalogueRead::Read(Ok(_))));
    assert_eq!(bench.cloud.take_calls(), ["flavors"; 2]);
    assert!(matches!(bench.inventory.flavors(&key("other")).await, CatalogueRead::NotJoined));
}

#[test]
fn ticks_can_run_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let bench = Bench::new(InventorySettings::default());
    is_send(&bench.inventory.poll(&bench.key));
    is_send(&bench.inventory.flavors(&bench.key));
}
