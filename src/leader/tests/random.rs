//! Several candidates with random faults of the API, processes and network: two processes never lead at the same time.

use std::time::Duration;

use futures::{channel::oneshot, future::BoxFuture};

use super::{
    candidate,
    fake::{Scripted, Store, poll},
    seconds,
};
use crate::{
    clock::{Clock, testing::TestClock},
    leader::{Leadership, LeaseGuard},
};

const SEEDS: u64 = 100;
const FAULTY_PERIOD: Duration = seconds(1200);
const FAULTLESS_PERIOD: Duration = seconds(120);

/// A pseudo-random generator: xorshift.
struct Rng(u64);

enum ProcessState {
    Acquiring(BoxFuture<'static, LeaseGuard<Store>>),
    Leading { stop: Option<oneshot::Sender<()>>, renewing: BoxFuture<'static, LeaseGuard<Store>> },
    Releasing(BoxFuture<'static, ()>),
    Stopped { until: Duration },
}

struct Process {
    identity: String,
    offset: Duration,
    state: ProcessState,
    leadership: Option<Leadership>,
    /// It has led since its start.
    led: bool,
    /// It has lost the lease since its start.
    lost: bool,
    /// It is paused until this time.
    paused_until: Duration,
}

// === impl Rng ===

impl Rng {
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

    /// From an immediate response to a request that takes effect a minute later.
    fn request(&mut self) -> Scripted {
        let delay = match self.below(10) {
            0 => self.millis(60_000),
            1 | 2 => self.millis(6_000),
            _ => self.millis(200),
        };
        let applied_after = (!self.one_in(10)).then_some(delay);
        let after = if self.one_in(10) { 8_000 } else { 100 };
        let answered_after = (!self.one_in(10)).then(|| delay + self.millis(after));
        Scripted { applied_after, answered_after, garbled: self.one_in(10) }
    }
}

// === impl Process ===

impl Process {
    fn start(&mut self, store: &Store, time: &TestClock) {
        let candidate = candidate(store, time, &self.identity, self.offset);
        self.leadership = Some(candidate.leadership());
        (self.led, self.lost) = (false, false);
        self.state = ProcessState::Acquiring(Box::pin(candidate.acquire()));
    }

    fn kill(&mut self, until: Duration) {
        self.state = ProcessState::Stopped { until };
        self.leadership = None;
    }

    fn step(&mut self, store: &Store, time: &TestClock, rng: &mut Rng) {
        match &mut self.state {
            ProcessState::Acquiring(acquiring) => {
                if let Some(held) = poll(acquiring) {
                    let (stop, stopped) = oneshot::channel();
                    self.state = ProcessState::Leading {
                        stop: Some(stop),
                        renewing: Box::pin(renew_until_lost(held, stopped)),
                    };
                }
            }
            ProcessState::Leading { renewing, .. } => {
                if let Some(held) = poll(renewing) {
                    if rng.one_in(2) {
                        self.state = ProcessState::Releasing(Box::pin(held.release()));
                    } else {
                        self.kill(time.monotonic() + rng.millis(20_000));
                    }
                }
            }
            ProcessState::Releasing(releasing) => {
                if poll(releasing).is_some() {
                    self.kill(time.monotonic() + rng.millis(20_000));
                }
            }
            ProcessState::Stopped { until } if *until <= time.monotonic() => self.start(store, time),
            ProcessState::Stopped { .. } => {}
        }
    }

    /// Kills, pauses or terminates the process at random.
    fn inject_fault(&mut self, time: &TestClock, rng: &mut Rng) {
        match rng.below(2000) {
            0 => self.kill(time.monotonic() + rng.millis(40_000)),
            1 | 2 => self.paused_until = time.monotonic() + rng.millis(60_000),
            3 => {
                if let ProcessState::Leading { stop, .. } = &mut self.state {
                    // It stops renewing, and releases the lease or not.
                    drop(stop.take());
                }
            }
            _ => {}
        }
    }

    fn leads(&mut self) -> bool {
        let leads = self.leadership.as_ref().is_some_and(Leadership::is_leader);
        self.lost |= self.led && !leads;
        self.led |= leads;
        assert!(!(self.lost && leads), "a process that lost the lease never leads again");
        leads
    }
}

/// Renews until the lease is lost or `stopped` completes.
async fn renew_until_lost(mut held: LeaseGuard<Store>, stopped: oneshot::Receiver<()>) -> LeaseGuard<Store> {
    futures::future::select(std::pin::pin!(held.renew_until_lost()), stopped).await;
    held
}

/// Number of leader changes; `None` if no process leads at the end.
fn changes(seed: u64) -> Option<usize> {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let time = TestClock::manual();
    let store = Store::new(&time);
    let mut processes: Vec<_> = ["a", "b", "c"]
        .map(|identity| Process {
            identity: identity.to_owned(),
            offset: rng.millis(100_000),
            state: ProcessState::Stopped { until: Duration::ZERO },
            leadership: None,
            led: false,
            lost: false,
            paused_until: Duration::ZERO,
        })
        .into();
    let (mut last, mut changes) = (None, 0);
    while time.monotonic() < FAULTY_PERIOD + FAULTLESS_PERIOD {
        let is_faulty = time.monotonic() < FAULTY_PERIOD;
        store.clear_script();
        if is_faulty {
            store.script_next((0..8).map(|_| rng.request()));
        }
        store.run();
        let first = rng.below(3) as usize;
        for number in (first..first + 3).map(|number| number % 3) {
            let process = &mut processes[number];
            if is_faulty {
                process.inject_fault(&time, &mut rng);
            }
            if process.paused_until <= time.monotonic() {
                process.step(&store, &time, &mut rng);
            }
            let leaders: Vec<_> = (0..3).filter(|number| processes[*number].leads()).collect();
            assert!(leaders.len() < 2, "seed {seed} at {:?}: {leaders:?}", time.monotonic());
            if let Some(leader) = leaders.first().copied().filter(|leader| last != Some(*leader)) {
                (last, changes) = (Some(leader), changes + 1);
            }
        }
        time.advance(rng.millis(300) + Duration::from_millis(1));
    }
    processes.iter_mut().any(Process::leads).then_some(changes)
}

#[test]
fn two_processes_never_lead_at_the_same_time() {
    let mut total = 0;
    for seed in 0..SEEDS {
        let changes = changes(seed);
        total += changes.unwrap_or_else(|| panic!("seed {seed}: no process leads after the faults ended"));
    }
    assert!(total > SEEDS as usize * 5, "too few leader changes: {total}");
}
