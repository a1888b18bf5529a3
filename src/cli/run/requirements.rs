//! Requirements for readiness, as `/readyz` shows them.

use std::time::Duration;

use crate::{controller::WatchHealth, server::Standstill};

pub(super) const DEFINITIONS: &str = "CustomResourceDefinitions of dcs.huaweicloud.com: dcsinstances, dcsbackups, dcsbackupschedules and dcsrestores";
/// Met until the API server refuses a status.
pub(super) const STATUS_WRITES: &str =
    "statuses that the API server accepts; apply the CustomResourceDefinitions of this version";
pub(super) const WATCHES: &str =
    "initial lists of DcsInstances, DcsBackups, DcsBackupSchedules, DcsRestores and Secrets";

/// A process whose watch stands still this many times as long as readiness allows is restarted, if the API server
/// answers other requests: against an API server that does not answer, a restart does not help.
const LIVENESS_FACTOR: u32 = 5;

/// Finds watches that are silent for longer than `limit`.
pub(super) fn watch_checks(
    health: WatchHealth,
    limit: Duration,
) -> impl Fn() -> Standstill + Send + Sync + 'static {
    move || Standstill {
        silent: health.silent(limit),
        stuck: if health.answers(limit) {
            health.silent(limit.saturating_mul(LIVENESS_FACTOR))
        } else {
            Vec::new()
        },
    }
}
