//! The service as it was, kept only while a fault may ask for it.

use std::{collections::VecDeque, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{faults::Staleness, service::Service};

/// So many states are kept: each holds every instance.
const MAX_STATES: usize = 16;

/// Past states, oldest first; each is as it was just after a change.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    states: VecDeque<(DateTime<Utc>, Service)>,
}

// === impl History ===

impl History {
    /// Keeps the present state.
    pub(super) fn record(&mut self, now: DateTime<Utc>, service: &Service) {
        self.states.push_back((now, service.clone()));
        while self.states.len() > MAX_STATES {
            self.states.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.states.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// The state so far back, and the time at which to ask it: time passes in it as it did then. The oldest one
    /// kept if there is none so old, `None` if none is kept.
    pub(super) fn state_at(&self, now: DateTime<Utc>, age: Staleness) -> Option<(DateTime<Utc>, Service)> {
        match age {
            Staleness::Seconds(seconds) => {
                let age = TimeDelta::from_std(Duration::from_secs(seconds)).unwrap_or(TimeDelta::MAX);
                let then = now.checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC);
                let known = self.states.iter().rev().find(|(time, _)| *time <= then);
                let (time, service) = known.or_else(|| self.states.front())?;
                Some((then.max(*time), service.clone()))
            }
            Staleness::Versions(count) => {
                let latest = self.states.len().checked_sub(1)?;
                let index = latest.saturating_sub(count);
                let (_, service) = self.states.get(index)?;
                // Up to the change that came after it.
                let until = self.states.get(index + 1).map_or(now, |(time, _)| *time);
                Some((until, service.clone()))
            }
        }
    }
}
