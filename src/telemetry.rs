//! Logs: to standard error, so that standard output belongs to results.

use std::io;

use tracing_subscriber::EnvFilter;

/// Names the filter of what is logged, for example `debug` or `dcs_operator::dcs=debug,warn`.
pub const FILTER_VARIABLE: &str = "DCS_OPERATOR_LOG";

/// Logs from here on, at `default` unless [`FILTER_VARIABLE`] says otherwise. A second call changes nothing.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Fails only where logging was set up before, by an embedding test.
    let _ = logs.try_init();
}
