//! Time limits of requests to the API server.

use std::time::Duration;

use super::deadlines::Deadlines;

/// The API server sends a bookmark each minute: a watch that is silent for longer than this is restarted.
const MAX_SILENCE: Duration = Duration::from_secs(90);

/// Time limits of requests to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KubeTimeouts {
    /// For one answer: kube's client has no limit.
    pub answer: Duration,
    /// A watch is restarted after this long: less than the idle limit of load balancers seen in front of an API server
    /// (240 s).
    pub watch: Duration,
    /// The longest wait before a watch that failed is restarted.
    pub max_backoff: Duration,
}

// === impl KubeTimeouts ===

impl KubeTimeouts {
    /// Deadlines of the client.
    pub fn deadlines(&self) -> Deadlines {
        Deadlines { answer: self.answer, silence: self.watch.saturating_add(self.answer).min(MAX_SILENCE) }
    }

    /// A watch that is not heard of for this long stands still: it fell silent, and attempts to restart it failed.
    pub fn standstill(&self) -> Duration {
        let attempts = self.answer.saturating_mul(2).saturating_add(self.max_backoff);
        self.deadlines().silence.saturating_add(attempts)
    }
}
