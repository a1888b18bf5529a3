//! Flags of earlier versions. They are unknown; the error names the present one, where clap would name a similar one.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Former names without prefix and unit, and the present ones. All others lost their unit only.
const RENAMED: [(&str, &str); 8] = [
    ("backstop", "operation-check-interval"),
    ("fast-tick", "poll-interval-active"),
    ("lease", "leader-elect-lease-duration"),
    ("lease-renew", "leader-elect-renew-interval"),
    ("send-limit", "intent-ttl"),
    ("slow-round", "resync-interval"),
    ("steady-tick", "poll-interval-idle"),
    ("visibility", "list-consistency-window"),
];

/// The error, with the present name of a former flag as the tip.
pub(in crate::cli) fn name_present_flag(mut error: clap::Error) -> clap::Error {
    let former = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) if error.kind() == ErrorKind::UnknownArgument => present_name(name),
        _ => None,
    };
    if let Some(name) = former {
        error.remove(ContextKind::Suggested);
        error.insert(ContextKind::SuggestedArg, ContextValue::String(name));
    }
    error
}

fn present_name(former: &str) -> Option<String> {
    let name = former.strip_prefix("--")?;
    if let Some(name) = name.strip_prefix("most-") {
        return Some(format!("--max-{name}"));
    }
    let name = name.strip_suffix("-seconds")?;
    let renamed = RENAMED.iter().find(|(former, _)| *former == name);
    Some(format!("--{}", renamed.map_or(name, |(_, present)| present)))
}
