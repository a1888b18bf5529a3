//! Past states of the service, recorded only while a fault rule may read them.

use std::{collections::VecDeque, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{faults::Staleness, service::Service};

/// Maximum number of recorded states; each holds every instance.
const MAX_STATES: usize = 16;

/// States directly after each change, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    states: VecDeque<(DateTime<Utc>, Service)>,
}

// === impl History ===

impl History {
    /// Records the current state.
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

    /// Returns the state of that age and the time at which to read it. Falls back to the oldest recorded state;
    /// `None` if none is recorded.
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
                // The state is valid until the next change.
                let until = self.states.get(index + 1).map_or(now, |(time, _)| *time);
                Some((until, service.clone()))
            }
        }
    }
}
