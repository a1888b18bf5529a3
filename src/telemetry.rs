//! Logging to standard error. Standard output is for results.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Environment variable with the log filter, for example `debug` or `dcs_operator::dcs=debug,warn`.
pub(crate) const FILTER_VARIABLE: &str = "DCS_OPERATOR_LOG";

/// Format of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether a line may be logged at all. Below INFO, libraries log the content of requests and answers, and with it what
/// the operator redacts in its own lines.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// Starts logging with the filter of [`FILTER_VARIABLE`], or `default` if it is not set. A second call has no effect.
pub(crate) fn init(default: &str, format: Format) {
    let filter = EnvFilter::try_from_env(FILTER_VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    // Fails only if a test has set up logging before.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter).with_filter(filter_fn(is_safe)))
        .try_init();
}
