//! Logs: to standard error, so that standard output belongs to results.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Names the filter of what is logged, for example `debug` or `dcs_operator::dcs=debug,warn`.
pub const FILTER_VARIABLE: &str = "DCS_OPERATOR_LOG";

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Logs from here on, at `default` unless [`FILTER_VARIABLE`] says otherwise. A second call changes nothing.
pub fn init(default: &str, format: Format) {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    // Fails only where logging was set up before, by an embedding test.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
