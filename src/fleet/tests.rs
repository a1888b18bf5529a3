//! The whole fleet over a scripted cloud, on a clock that is stepped.

mod double;

use std::{
    collections::BTreeSet,
    task::{Context, Waker},
};

use futures::FutureExt;

use self::double::{Instance, Reply, Script, SteppedClock, refused};
use super::*;
use crate::dcs::Class;

type Wakes = BTreeSet<&'static str>;

struct Bench {
    clock: Arc<SteppedClock>,
    fleet: Fleet<Script, &'static str>,
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

fn by_id(id: &str) -> Interest {
    Interest { ids: vec![id.to_owned()], ..Interest::default() }
}

fn fast(id: &str) -> Interest {
    Interest { pace: Pace::Fast, ..by_id(id) }
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn of<const N: usize>(followers: [&'static str; N]) -> Wakes {
    BTreeSet::from(followers)
}

impl Bench {
    /// At second 1,000, joined, with followers `a` of `i-a` and `b` of `i-b`, which exist.
    fn new(settings: Settings) -> Self {
        let clock = Arc::new(SteppedClock::default());
        clock.step(at(1000));
        let fleet = Fleet::new(settings, Arc::clone(&clock) as Arc<dyn Clock>);
        let key = key("project");
        let cloud = fleet.join(&key, Script::default);
        cloud.set("i-a", Instance::default());
        cloud.set("i-b", Instance::default());
        assert_eq!(fleet.next_tick(), None, "nobody follows it");
        for (follower, id) in [("a", "i-a"), ("b", "i-b")] {
            assert_eq!(fleet.follow(follower, &key, by_id(id)), Some(at(0)));
        }
        Self { clock, fleet, cloud, key }
    }

    /// The same, after the first list.
    async fn settled() -> Self {
        let bench = Self::new(Settings::default());
        assert_eq!(bench.tick().await, of(["a", "b"]));
        assert_eq!(bench.cloud.take_calls(), ["list"]);
        bench
    }

    async fn tick(&self) -> Wakes {
        self.fleet.tick(&self.key).await.wake
    }

    /// Lets time pass until the next tick is due, and makes it: when that was, and who was woken.
    async fn next(&self) -> (Duration, Wakes) {
        let (due, key) = self.fleet.next_tick().unwrap();
        self.clock.advance_to(due);
        (self.clock.monotonic(), self.fleet.tick(&key).await.wake)
    }

    fn sight(&self) -> Sight {
        self.fleet.sight(&self.key).unwrap()
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
    assert_eq!(bench.tick().await, of([]), "not due");
    assert_eq!(bench.cloud.take_calls(), [""; 0]);
}

#[tokio::test]
async fn while_something_is_on_its_way_every_five_seconds() {
    let bench = Bench::settled().await;
    assert_eq!(bench.fleet.follow("a", &bench.key, fast("i-a")), Some(at(1005)));
    for n in 1..=3 {
        assert_eq!(bench.next().await, (at(1000 + 5 * n), of([])));
    }
    assert_eq!(bench.fleet.follow("a", &bench.key, by_id("i-a")), Some(at(1075)));
    bench.clock.step(at(40));
    let waiting = Interest { each_list: true, ..by_id("i-b") };
    assert_eq!(bench.fleet.follow("b", &bench.key, waiting.clone()), Some(at(1020)), "at once");
    assert_eq!(bench.next().await, (at(1055), of(["b"])), "a complete list, whatever it says");
    assert_eq!(bench.fleet.follow("b", &bench.key, waiting), Some(at(1115)), "no more than before");
    assert_eq!(bench.next().await, (at(1115), of(["b"])));
}

#[tokio::test]
async fn a_change_wakes_whom_it_concerns() {
    let bench = Bench::settled().await;
    let tag = ("dcs-operator-uid".to_owned(), "u-1".to_owned());
    let interest = Interest { tags: vec![tag], ..Interest::default() };
    let _ = bench.fleet.follow("c", &bench.key, interest);
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
    let first = bench.sight();
    assert_eq!((first.joined, first.previous.is_none()), (at(1000), true));
    bench.cloud.set("i-a", Instance { status: "ERROR", ..Instance::default() });
    bench.next().await;
    let second = bench.sight();
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
    let sight = bench.sight();
    assert!(sight.latest.unwrap().get("i-a").is_some(), "absence is not inferred");
    let trouble = sight.trouble.unwrap();
    assert!(matches!(trouble.cause, Cause::Incomplete) && trouble.since == at(1120));
    assert_eq!(bench.next().await, (at(1125), of(["a", "b"])), "it is over, and i-a is gone");
    assert!(bench.sight().trouble.is_none());
}

#[tokio::test]
async fn trouble_wakes_everybody_when_it_begins_turns_and_ends() {
    let bench = Bench::new(Settings::default());
    let (all, none) = (of(["a", "b"]), of([]));
    let replies = [refused(500, None), refused(503, None), refused(401, None), refused(401, None)];
    bench.cloud.script(replies);
    // Credentials that are not accepted are left alone for ten minutes.
    let expected =
        [(1000, all.clone()), (1005, none.clone()), (1015, all.clone()), (1615, none.clone()), (2215, all)];
    for (time, wakes) in expected {
        assert_eq!(bench.next().await, (at(time), wakes));
        if time == 1615 {
            let trouble = bench.sight().trouble.unwrap();
            assert!(matches!(&trouble.cause, Cause::Error(error) if error.class() == Class::Credentials));
            assert_eq!(trouble.since, at(1000), "of the first in a row");
            assert_eq!(bench.fleet.follow("a", &bench.key, fast("i-a")), Some(at(2215)), "no hurry");
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
        let admission = bench.fleet.request(&bench.key, work, Lane::Urgent, "a");
        assert_eq!(admission, Admission::NotBefore(at(1150)));
    }
    assert_eq!(bench.next().await.0, at(1150));
    bench.fleet.withdraw(&bench.key, "a");
}

#[tokio::test]
async fn a_list_waits_for_the_budget_and_goes_ahead_of_the_rest() {
    let bench = Bench::settled().await;
    bench.clock.step(at(60));
    for n in 0..100 {
        let _ = bench.fleet.request(&bench.key, Work::Read, Lane::Urgent, &n.to_string());
    }
    assert_eq!(bench.tick().await, of([]), "no room");
    assert_eq!(bench.cloud.take_calls(), [""; 0]);
    assert_eq!(bench.next().await.0, at(1060) + Duration::from_millis(100));
    assert_eq!(bench.cloud.take_calls(), ["list"]);
    let other = bench.fleet.request(&key("other"), Work::Read, Lane::Periodic, "0");
    assert!(matches!(other, Admission::Granted { .. }), "another site's budget");
}

#[tokio::test]
async fn repeated_readings_are_paid_back() {
    let bench = Bench::new(Settings { reads_per_second: std::num::NonZeroU32::MIN, ..Settings::default() });
    bench.cloud.script([Reply::Short, Reply::Short]);
    bench.next().await;
    assert_eq!(bench.cloud.take_calls(), ["list"; 3]);
    let admission = bench.fleet.request(&bench.key, Work::Read, Lane::Urgent, "a");
    assert_eq!(admission, Admission::NotBefore(at(1003)));
}

#[tokio::test]
async fn failed_creations_are_listed_while_somebody_wants_them() {
    let bench = Bench::settled().await;
    let tags = vec![("dcs-operator-uid".to_owned(), "u-9".to_owned())];
    let interest = Interest { tags, failed_creations: true, ..Interest::default() };
    assert_eq!(bench.fleet.follow("c", &bench.key, interest.clone()), Some(at(1005)));
    let failed = Instance { status: "CREATEFAILED", uid: Some("u-9"), ..Instance::default() };
    bench.cloud.set("i-9", failed);
    assert_eq!(bench.next().await.1, of(["c"]));
    assert_eq!(bench.cloud.take_calls(), ["list", "list CREATEFAILED"]);
    let sight = bench.sight();
    assert_eq!((sight.latest.unwrap().len(), sight.failed_latest.unwrap().len()), (2, 1));

    bench.cloud.script([Reply::Truth, refused(403, None)]);
    assert_eq!(bench.next().await.1, of(["c"]), "its own trouble, which concerns nobody else");
    let sight = bench.sight();
    assert!(sight.trouble.is_none() && sight.failed_trouble.is_some());
    assert!(sight.failed_latest.is_some(), "as it was");

    let _ = bench.fleet.follow("c", &bench.key, Interest { failed_creations: false, ..interest });
    bench.cloud.take_calls();
    bench.next().await;
    assert_eq!(bench.cloud.take_calls(), ["list"]);
    let sight = bench.sight();
    assert!(sight.failed_latest.is_none() && sight.failed_trouble.is_none(), "too old to be of use");
}

#[tokio::test]
async fn a_tick_can_be_dropped_at_any_await() {
    for polls in 0.. {
        let bench = Bench::settled().await;
        let interest = Interest { failed_creations: true, ..by_id("i-c") };
        let _ = bench.fleet.follow("c", &bench.key, interest);
        bench.cloud.set("i-a", Instance { status: "ERROR", ..Instance::default() });
        bench.clock.step(at(60));
        let mut tick = Box::pin(bench.fleet.tick(&bench.key));
        assert_eq!(bench.fleet.next_tick(), None, "it is on its way");
        assert_eq!(bench.tick().await, of([]), "one at a time");
        let mut context = Context::from_waker(Waker::noop());
        if (0..polls).any(|_| tick.poll_unpin(&mut context).is_ready()) {
            assert!(polls > 4, "there were awaits to be dropped at");
            break;
        }
        drop(tick);
        let (due, wakes) = bench.next().await;
        assert_eq!((due, wakes.contains("a")), (at(1065), true), "after {polls} polls");
    }
}

#[tokio::test]
async fn a_tick_of_a_dropped_account_changes_nothing_of_its_successor() {
    let bench = Bench::settled().await;
    bench.clock.step(at(60));
    let late = bench.fleet.tick(&bench.key);
    bench.fleet.unfollow(&"a");
    bench.fleet.unfollow(&"b");
    assert!(bench.fleet.cloud(&bench.key).is_none() && bench.fleet.sight(&bench.key).is_none());
    let _cloud = bench.fleet.join(&bench.key, Script::default);
    assert!(bench.fleet.follow("a", &bench.key, by_id("i-a")).is_some());
    assert_eq!(late.await.wake, of([]));
    assert!(bench.sight().latest.is_none(), "what others saw is not shown");
    assert_eq!(bench.next().await, (at(1060), of(["a"])));
}

#[tokio::test]
async fn an_account_without_followers_is_dropped() {
    let bench = Bench::settled().await;
    assert!(Arc::ptr_eq(&bench.cloud, &bench.fleet.join(&bench.key, || panic!("it is there"))));
    let other = key("other");
    assert_eq!(bench.fleet.follow("a", &other, by_id("i-a")), None, "not joined; it follows nothing now");
    bench.fleet.join(&other, Script::default);
    assert!(bench.fleet.follow("b", &other, by_id("i-b")).is_some());
    assert!(bench.fleet.cloud(&bench.key).is_none(), "nobody is left");
    assert_eq!(Arc::strong_count(&bench.cloud), 1);
    bench.fleet.unfollow(&"b");
    assert_eq!(bench.fleet.next_tick(), None);
    bench.clock.step(at(3600));
    bench.fleet.unfollow(&"b");
    let state = bench.fleet.shared.lock();
    assert!(state.accounts.is_empty() && state.homes.is_empty() && state.sites.is_empty());
}

#[tokio::test]
async fn the_catalogue_is_read_once_for_all_and_again_after_a_while() {
    let bench = Bench::settled().await;
    let flavors = || async { bench.fleet.flavors(&bench.key).await };
    // One reads, and nobody waits for it.
    let together = async || {
        let all = futures::future::join_all((0..1000).map(|_| flavors())).await;
        all.iter().filter(|answer| !matches!(answer, Catalogued::UnderWay)).count()
    };
    assert_eq!((together().await, together().await), (1, 1000));
    assert!(matches!(flavors().await, Catalogued::Read(Ok(_))));
    assert!(matches!(bench.fleet.windows(&bench.key).await, Catalogued::Read(Ok(_))));
    assert_eq!(bench.cloud.take_calls(), ["flavors", "windows"]);
    bench.clock.step(at(600));
    bench.cloud.fail_catalogue(true);
    for _ in 0..9 {
        assert!(matches!(flavors().await, Catalogued::Read(Err(_))));
    }
    bench.cloud.fail_catalogue(false);
    bench.clock.step(at(5));
    assert!(matches!(flavors().await, Catalogued::Read(Ok(_))));
    assert_eq!(bench.cloud.take_calls(), ["flavors"; 2]);
    assert!(matches!(bench.fleet.flavors(&key("other")).await, Catalogued::NotJoined));
}

#[test]
fn ticks_can_run_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let bench = Bench::new(Settings::default());
    is_send(&bench.fleet.tick(&bench.key));
    is_send(&bench.fleet.flavors(&bench.key));
}
