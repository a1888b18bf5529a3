//! Several candidates, and a store, processes and networks that fail at random: never do two lead at once.

use std::time::Duration;

use futures::{channel::oneshot, future::BoxFuture};

use super::{
    candidate,
    double::{Fate, Store, poll},
    seconds,
};
use crate::{
    clock::{Clock, testing::TestClock},
    leader::{Leadership, LeaseGuard},
};

const SEEDS: u64 = 100;
const STORM: Duration = seconds(1200);
const CALM: Duration = seconds(120);

/// Numbers that look random: xorshift.
struct Dice(u64);

/// What a process is doing.
enum Doing {
    Acquiring(BoxFuture<'static, LeaseGuard<Store>>),
    Keeping { stop: Option<oneshot::Sender<()>>, keeping: BoxFuture<'static, LeaseGuard<Store>> },
    Releasing(BoxFuture<'static, ()>),
    Gone { until: Duration },
}

struct Process {
    identity: String,
    offset: Duration,
    doing: Doing,
    leadership: Option<Leadership>,
    /// Its term has begun.
    led: bool,
    /// Its term is over.
    over: bool,
    /// It is not run before: what stops a process does not stop the time.
    stopped: Duration,
}

// === impl Dice ===

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }

    /// Anything from a quick answer to a request that turns up a minute later.
    fn fate(&mut self) -> Fate {
        let delay = match self.below(10) {
            0 => self.millis(60_000),
            1 | 2 => self.millis(6_000),
            _ => self.millis(200),
        };
        let carried_out = (!self.one_in(10)).then_some(delay);
        let after = if self.one_in(10) { 8_000 } else { 100 };
        let answered = (!self.one_in(10)).then(|| delay + self.millis(after));
        Fate { carried_out, answered, garbled: self.one_in(10) }
    }
}

// === impl Process ===

impl Process {
    fn start(&mut self, store: &Store, time: &TestClock) {
        let candidate = candidate(store, time, &self.identity, self.offset);
        self.leadership = Some(candidate.leadership());
        (self.led, self.over) = (false, false);
        self.doing = Doing::Acquiring(Box::pin(candidate.acquire()));
    }

    fn die(&mut self, until: Duration) {
        self.doing = Doing::Gone { until };
        self.leadership = None;
    }

    fn step(&mut self, store: &Store, time: &TestClock, dice: &mut Dice) {
        match &mut self.doing {
            Doing::Acquiring(acquiring) => {
                if let Some(held) = poll(acquiring) {
                    let (stop, stopped) = oneshot::channel();
                    self.doing = Doing::Keeping {
                        stop: Some(stop),
                        keeping: Box::pin(renew_until_lost(held, stopped)),
                    };
                }
            }
            Doing::Keeping { keeping, .. } => {
                if let Some(held) = poll(keeping) {
                    if dice.one_in(2) {
                        self.doing = Doing::Releasing(Box::pin(held.release()));
                    } else {
                        self.die(time.monotonic() + dice.millis(20_000));
                    }
                }
            }
            Doing::Releasing(releasing) => {
                if poll(releasing).is_some() {
                    self.die(time.monotonic() + dice.millis(20_000));
                }
            }
            Doing::Gone { until } if *until <= time.monotonic() => self.start(store, time),
            Doing::Gone { .. } => {}
        }
    }

    /// Now and then it is killed, stopped, or told to end.
    fn suffer(&mut self, time: &TestClock, dice: &mut Dice) {
        match dice.below(2000) {
            0 => self.die(time.monotonic() + dice.millis(40_000)),
            1 | 2 => self.stopped = time.monotonic() + dice.millis(60_000),
            3 => {
                if let Doing::Keeping { stop, .. } = &mut self.doing {
                    // It drops what it was doing, and gives the lease back or not.
                    drop(stop.take());
                }
            }
            _ => {}
        }
    }

    fn leads(&mut self) -> bool {
        let leads = self.leadership.as_ref().is_some_and(Leadership::is_leader);
        self.over |= self.led && !leads;
        self.led |= leads;
        assert!(!(self.over && leads), "a term never begins again");
        leads
    }
}

/// Until the lease is lost, or it is told to stop.
async fn renew_until_lost(mut held: LeaseGuard<Store>, stopped: oneshot::Receiver<()>) -> LeaseGuard<Store> {
    futures::future::select(std::pin::pin!(held.renew_until_lost()), stopped).await;
    held
}

/// How often the leader changed, if there was one in the end.
fn changes(seed: u64) -> Option<usize> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let time = TestClock::manual();
    let store = Store::new(&time);
    let mut processes: Vec<_> = ["a", "b", "c"]
        .map(|identity| Process {
            identity: identity.to_owned(),
            offset: dice.millis(100_000),
            doing: Doing::Gone { until: Duration::ZERO },
            leadership: None,
            led: false,
            over: false,
            stopped: Duration::ZERO,
        })
        .into();
    let (mut last, mut changes) = (None, 0);
    while time.monotonic() < STORM + CALM {
        let storms = time.monotonic() < STORM;
        store.recover();
        if storms {
            store.foretell((0..8).map(|_| dice.fate()));
        }
        store.run();
        let first = dice.below(3) as usize;
        for number in (first..first + 3).map(|number| number % 3) {
            let process = &mut processes[number];
            if storms {
                process.suffer(&time, &mut dice);
            }
            if process.stopped <= time.monotonic() {
                process.step(&store, &time, &mut dice);
            }
            let leaders: Vec<_> = (0..3).filter(|number| processes[*number].leads()).collect();
            assert!(leaders.len() < 2, "seed {seed} at {:?}: {leaders:?}", time.monotonic());
            if let Some(leader) = leaders.first().copied().filter(|leader| last != Some(*leader)) {
                (last, changes) = (Some(leader), changes + 1);
            }
        }
        time.advance_to_next_timer(dice.millis(300) + Duration::from_millis(1));
    }
    processes.iter_mut().any(Process::leads).then_some(changes)
}

#[test]
fn two_never_lead_at_once() {
    let mut total = 0;
    for seed in 0..SEEDS {
        let changes = changes(seed);
        total += changes.unwrap_or_else(|| panic!("seed {seed}: nobody leads although all is well again"));
    }
    assert!(total > SEEDS as usize * 5, "too few changes to show anything: {total}");
}
