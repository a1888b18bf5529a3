//! Time limits of requests to the API server.

use std::time::Duration;

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
