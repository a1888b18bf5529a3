//! The state of the simulator, which the API endpoint and the control API share.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    authenticate::Authenticator,
    cloud_clock::{CloudClock, InvalidSpeed},
    directory::Directory,
    faults::Faults,
    history::History,
    journal::Journal,
    options::Options,
    service::Service,
};

/// Configuration of a [`Simulator`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// Configuration of the simulated service.
    pub service: Options,
    /// Account with its credentials.
    pub directory: Directory,
    /// Simulated seconds per real second; 0 stops the clock.
    pub speed: f64,
    /// Whether five consecutive failures lock a key for five minutes, as the gateway may do.
    pub locks_keys: bool,
    /// Maximum number of calls that the journal keeps.
    pub journal_entries: usize,
}

/// The complete endpoint: DCS, IAM and `/_simulator`. It does no IO and reads no clock; the HTTP server and tests
/// drive it the same way.
#[derive(Debug)]
pub struct Simulator {
    pub(super) service: Service,
    pub(super) clock: CloudClock,
    pub(super) directory: Directory,
    pub(super) journal: Journal,
    pub(super) faults: Faults,
    pub(super) authenticator: Authenticator,
    pub(super) history: History,
    pub(super) project_id: String,
    pub(super) region: String,
    pub(super) seed: u64,
    pub(super) requests: u64,
    revision: u64,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: Options::default(),
            directory: Directory::new("simulator"),
            speed: 1.0,
            locks_keys: false,
            journal_entries: 100_000,
        }
    }
}

// === impl Simulator ===

impl Simulator {
    /// An empty cloud whose clock starts at `wall`.
    ///
    /// # Errors
    /// [`InvalidSpeed`] if the speed in `settings` is invalid.
    pub fn new(settings: Settings, wall: DateTime<Utc>, monotonic: Duration) -> Result<Self, InvalidSpeed> {
        let Settings { service, mut directory, speed, locks_keys, journal_entries } = settings;
        let mut clock = CloudClock::new(wall, monotonic);
        clock.set_speed(monotonic, speed)?;
        directory.serve_project(&service.project_id, &service.region);
        Ok(Self {
            clock,
            directory,
            journal: Journal::new(journal_entries),
            faults: Faults::new(service.seed),
            authenticator: Authenticator::new(locks_keys),
            history: History::default(),
            project_id: service.project_id.clone(),
            region: service.region.clone(),
            seed: service.seed,
            requests: 0,
            revision: 0,
            service: Service::new(service),
        })
    }

    /// Id of the served project.
    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    /// Region code, which is also the name of the project.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Advances the simulated clock by `duration`.
    pub fn step(&mut self, monotonic: Duration, duration: Duration) {
        self.clock.step(duration);
        self.advance(monotonic);
        self.revision += 1;
    }

    /// Changes the speed of the simulated clock; 0 stops it.
    ///
    /// # Errors
    /// [`InvalidSpeed`] if `speed` is invalid.
    pub(crate) fn set_speed(&mut self, monotonic: Duration, speed: f64) -> Result<(), InvalidSpeed> {
        self.clock.set_speed(monotonic, speed)
    }

    /// Adds the rules of a JSON fault script (see `POST /_simulator/faults`) and returns their ids.
    ///
    /// # Errors
    /// A description of the first invalid rule; no rule is added then.
    pub fn add_faults(&mut self, monotonic: Duration, script: &Value) -> Result<Vec<u64>, String> {
        let ids = self.faults.add(script)?;
        self.start_history(monotonic);
        Ok(ids)
    }

    /// Removes all fault rules.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
        self.history.clear();
    }

    /// Journal of the calls.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Account, for changing its credentials.
    pub fn directory_mut(&mut self) -> &mut Directory {
        &mut self.directory
    }

    /// Simulated service.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Changes the service out of band, without an API call.
    pub fn mutate<T>(
        &mut self,
        monotonic: Duration,
        change: impl FnOnce(&mut Service, DateTime<Utc>) -> T,
    ) -> T {
        let now = self.advance(monotonic);
        let result = change(&mut self.service, now);
        self.record_change(now);
        result
    }

    /// Applies every transition that is due.
    pub(super) fn advance(&mut self, monotonic: Duration) -> DateTime<Utc> {
        let now = self.clock.now(monotonic);
        self.service.advance(now);
        now
    }

    /// Counter of possible state changes, for detecting that the state must be stored.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Counts a change, and records the new state if a fault rule needs history.
    pub(super) fn record_change(&mut self, now: DateTime<Utc>) {
        self.revision += 1;
        if self.faults.needs_history() {
            self.history.record(now, &self.service);
        } else {
            self.history.clear();
        }
    }

    /// Records the current state when the first rule that needs history is added.
    fn start_history(&mut self, monotonic: Duration) {
        if self.faults.needs_history() && self.history.is_empty() {
            self.history.record(self.clock.now(monotonic), &self.service);
        }
    }
}
