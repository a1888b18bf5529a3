//! Flags, metrics and alerts: from the command line and the metrics registry themselves.

use std::{collections::BTreeMap, io};

use clap::{Arg, Args, Command};

use super::{GENERATED, Page, cell, head, row};
use crate::{
    cli::run::{DEFAULT_LOG_FILTER, RunArgs},
    metrics::Metrics,
    telemetry::FILTER_VARIABLE,
};

const INTRO: &str = "# Operations

How to configure, observe and alert on `dcs-operator run`. [Install](install.md) shows how to start it;
[conditions](conditions.md) is the runbook for a single object.
";

const PROBES: &str = "
## Probes

The operator serves HTTP on `--listen`. No probe calls the cloud: an outage of the cloud is no reason to restart.

| Path | Answer |
|---|---|
| `/healthz` | 200 while the work loop makes progress; 503 once it has stood still for 60 s, or a watch has been silent for about 10 minutes although the API server answers other requests. Use it as the liveness probe. |
| `/readyz` | 200 once the CustomResourceDefinition is served and the watches are synced; 503 with what is missing before, and while a watch has been silent for about 2 minutes: the operator restarts a watch after 90 s without even a bookmark, and then waits `--kubernetes-timeout` for each attempt. A restart does not help against an API server that does not answer, so only readiness fails. A standby reports ready. |
| `/metrics` | The metrics below, as OpenMetrics text. Gauges are computed at most once a second. |

The port takes 64 connections; one more closes the oldest, so that a probe is served beside any number of silent connections. A request must arrive within 10 s, and a connection ends after 60 s.

## Namespaces share fairly

A reconcile that takes longer than 0.5 s, because its cloud is slow, gives its place of `--concurrency` to another one and goes on.
Meanwhile its namespace may run half of `--concurrency`, and its endpoint and project a quarter. The namespaces take turns. The
request budget of an endpoint and project is shared in the same way: each namespace with waiting calls gets one call in turn. So a
namespace with many objects, refused credentials or a silent cloud takes no more than its share from the others.

## Limits

| What | Limit | Beyond |
|---|---|---|
| Instances of one account | 10,000 | Its objects report `TooManyInstances`. |
| Answer of the cloud | 8 MiB and 3,000 entries; 1 MiB for one instance | A list is read in smaller pages. |
| `caBundle` of a Secret with credentials; each other value | 128 KiB; 16 KiB | Its objects report `CredentialsInvalid`. |

The API server is reached directly, never through a proxy. Where `HTTPS_PROXY` is set and the operator runs with a kubeconfig,
`NO_PROXY` must name the API server. Calls to the cloud use the proxy.

## Leader election

Several operators can run. One holds the Lease and works; the others stand by and take over when the lease expires. A
mutating call starts only if the lease outlasts its timeout. On SIGTERM the operator starts nothing new, finishes the
reconciles in progress within `--shutdown`, and releases the lease. If a mutating call may still be in progress then, it lets
the lease expire instead. A process that loses the lease exits with code 1, and its successor finds out from the cloud what
happened.
";

const LOGS: &str = "
The operator logs one line for each action in the cloud and one for each change of a condition, to standard error. No log line
holds a key, a token or a password. What changes in conditions is also an Event of the object.
";

const EXIT_CODES: &str = "
## Exit codes

| Code | Meaning |
|---|---|
| 0 | The operator was told to stop. |
| 1 | The lease was lost, or the process could not start, for example because the address is in use. |
| 2 | A flag is wrong, two flags contradict each other, or no cluster was found. |
";

/// A suggested alert.
struct Alert {
    name: &'static str,
    expression: &'static str,
    lasts: &'static str,
    severity: &'static str,
    summary: &'static str,
}

const ALERTS: &[Alert] = &[
    Alert {
        name: "DcsOperatorNoLeader",
        expression: "absent(dcs_operator_leader == 1)",
        lasts: "5m",
        severity: "critical",
        summary: "No operator leads: nothing is reconciled.",
    },
    Alert {
        name: "DcsObservationOld",
        expression: "max(dcs_operator_observation_age_seconds) > 300",
        lasts: "5m",
        severity: "critical",
        summary: "An account was not listed for more than 5 minutes; after 10 minutes Ready becomes Unknown.",
    },
    Alert {
        name: "DcsObjectStalled",
        expression: "sum by (kind, reason) (dcs_operator_objects{condition=\"Stalled\", status=\"True\"}) > 0",
        lasts: "10m",
        severity: "warning",
        summary: "Objects need a person; docs/conditions.md says what to do for each reason.",
    },
    Alert {
        name: "DcsObjectNotReady",
        expression: "sum by (kind, reason) (dcs_operator_objects{condition=\"Ready\", status!=\"True\"}) > 0",
        lasts: "30m",
        severity: "warning",
        summary: "Objects are not ready for longer than a creation or a deletion takes.",
    },
    Alert {
        name: "DcsBindingNotPublished",
        expression: "sum by (kind, reason) (dcs_operator_objects{condition=\"BindingPublished\", status=\"False\"}) > 0",
        lasts: "30m",
        severity: "warning",
        summary: "Clients have no current Secret to connect with.",
    },
    Alert {
        name: "DcsBackupOld",
        expression: "time() - dcs_backup_last_success_timestamp_seconds > 2 * 86400",
        lasts: "1h",
        severity: "warning",
        summary: "The newest backup that can be restored is older than two days; leave out instances without a daily backup.",
    },
    Alert {
        name: "DcsApiErrors",
        expression: "sum(rate(dcs_operator_api_requests_total{class!~\"ok|not found\"}[10m])) / \
                     sum(rate(dcs_operator_api_requests_total[10m])) > 0.1",
        lasts: "10m",
        severity: "warning",
        summary: "More than a tenth of the requests to DCS fail; the label class says how.",
    },
    Alert {
        name: "DcsRequestBudgetExhausted",
        expression: "histogram_quantile(0.99, sum by (le, work) \
                     (rate(dcs_operator_throttle_wait_seconds_bucket[10m]))) > 30",
        lasts: "10m",
        severity: "warning",
        summary: "Reconciles wait for the request budget; raise --reads-per-second or --writes-per-second if DCS allows it.",
    },
    Alert {
        name: "DcsReconcileFailures",
        expression: "sum by (kind) (rate(dcs_operator_reconciles_total{outcome=\"Failed\"}[15m])) / \
                     sum by (kind) (rate(dcs_operator_reconciles_total[15m])) > 0.2",
        lasts: "15m",
        severity: "warning",
        summary: "The API server rejects or does not answer requests of the operator.",
    },
    Alert {
        name: "DcsWatchErrors",
        expression: "sum by (kind) (increase(dcs_operator_watch_errors_total[15m])) > 10",
        lasts: "0m",
        severity: "warning",
        summary: "Watches on the API server break repeatedly.",
    },
    Alert {
        name: "DcsObjectUnreadable",
        expression: "sum by (kind) (increase(dcs_operator_unreadable_objects_total[1h])) > 0",
        lasts: "0m",
        severity: "warning",
        summary: "The operator cannot decode an object: the CustomResourceDefinition and the operator differ in version.",
    },
];

/// A metric, as Prometheus reads it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Metric {
    type_: String,
    help: String,
    /// Without `le`, which every histogram has.
    labels: Vec<String>,
}

/// The page.
///
/// # Errors
/// If the metrics cannot be encoded.
pub(super) fn page() -> io::Result<Page> {
    let content = [GENERATED, INTRO, &flags(), PROBES, &logs(), &metrics()?, &alerts(), EXIT_CODES].concat();
    Ok(Page { file: "operations.md".to_owned(), content })
}

// === flags ===

fn flags() -> String {
    let command = RunArgs::augment_args(Command::new("run").disable_help_flag(true));
    let mut groups: Vec<(String, Vec<&Arg>)> = Vec::new();
    for flag in command.get_arguments().filter(|flag| flag.get_long().is_some()) {
        let heading = flag.get_help_heading().unwrap_or("General");
        match groups.iter_mut().find(|(name, _)| name == heading) {
            Some((_, flags)) => flags.push(flag),
            None => groups.push((heading.to_owned(), vec![flag])),
        }
    }
    let mut text = "\n## Flags\n\nEvery flag has an environment variable; the flag wins. \
                    Flags marked *tuning* are for rare cases, and `--help` does not list them.\n"
        .to_owned();
    for (heading, flags) in groups {
        text += &format!(
            "\n### {heading}\n\n{}",
            head(["Flag", "Default", "Environment variable", "Description"])
        );
        text.extend(flags.into_iter().map(flag));
    }
    text
}

fn flag(flag: &Arg) -> String {
    let code = |text: String| if text.is_empty() { text } else { format!("`{text}`") };
    let default: Vec<_> = flag.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let variable = flag.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let takes_value = flag.get_action().takes_values();
    let value = flag.get_value_names().into_iter().flatten().next().filter(|_| takes_value);
    let name = format!("--{}", flag.get_long().unwrap_or_default());
    let name = value.map_or_else(|| name.clone(), |value| format!("{name} {value}"));
    let help = flag.get_long_help().or_else(|| flag.get_help()).map(ToString::to_string).unwrap_or_default();
    let help = sentence(&cell(&help));
    let help = if flag.is_hide_set() { format!("*Tuning.* {help}") } else { help };
    row([code(name), code(default.join(",")), code(variable), help])
}

/// With a full stop, which clap removes.
fn sentence(text: &str) -> String {
    if text.ends_with(['.', '…', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

// === logs ===

fn logs() -> String {
    format!(
        "\n## Logs\n{LOGS}\n`--log-format` selects text or JSON. `{FILTER_VARIABLE}` is the filter, in the syntax of \
         tracing-subscriber's EnvFilter; the default is\n`{DEFAULT_LOG_FILTER}`. With `debug` every request to DCS is logged: \
         operation, status and time, never a body or a key.\n"
    )
}

// === metrics ===

/// Reads OpenMetrics text, by metric.
fn described(text: &str) -> BTreeMap<String, Metric> {
    let mut found: BTreeMap<String, Metric> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            current = name.to_owned();
            found.entry(current.clone()).or_default().help = help.to_owned();
        } else if let Some((name, type_)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            found.entry(name.to_owned()).or_default().type_ = type_.to_owned();
        } else if let Some((_, rest)) = line.split_once('{')
            && let Some((labels, _)) = rest.rsplit_once('}')
            && let Some(metric) = found.get_mut(&current)
        {
            for name in labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name) {
                if name != "le" && !metric.labels.iter().any(|known| known == name) {
                    metric.labels.push(name.to_owned());
                }
            }
        }
    }
    found
}

/// The name in a query: counters and infos have a suffix.
fn queried(name: &str, type_: &str) -> String {
    match type_ {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    }
}

fn metrics() -> io::Result<String> {
    let text = Metrics::sample().text().map_err(io::Error::other)?;
    let rows = described(&text).into_iter().map(|(name, metric)| {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        row([
            format!("`{}`", queried(&name, &metric.type_)),
            metric.type_,
            labels.join(", "),
            sentence(&cell(&metric.help)),
        ])
    });
    let intro = "`dcs_backup_last_success_timestamp_seconds` has a series for each DcsInstance with a backup that can be \
                 restored. No other label holds the\nname of an object: the number of other series does not grow with the \
                 number of objects.";
    let table = head(["Metric", "Type", "Labels", "Description"]) + &rows.collect::<String>();
    Ok(format!("\n## Metrics\n\n{intro}\n\n{table}"))
}

// === alerts ===

fn alerts() -> String {
    let mut text = "\n## Alerts\n\nSuggested rules for Prometheus. Adjust the durations to your own needs.\n\n```yaml\ngroups:\n\
                    - name: dcs-operator\n  rules:\n"
        .to_owned();
    for Alert { name, expression, lasts, severity, summary } in ALERTS {
        text += &format!(
            "  - alert: {name}\n    expr: {expression}\n    for: {lasts}\n    labels: {{severity: {severity}}}\n    \
             annotations: {{summary: \"{summary}\"}}\n"
        );
    }
    text + "```\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_from_their_text() {
        let text = "# HELP a_b Things.\n# TYPE a_b counter\na_b_total{kind=\"X\",outcome=\"a=b\"} 1\n\
                    # HELP c_seconds Time.\n# TYPE c_seconds histogram\n# UNIT c_seconds seconds\n\
                    c_seconds_bucket{le=\"1.0\",kind=\"X\"} 1\n# EOF\n";
        let found = described(text);
        assert_eq!(found["a_b"].labels, ["kind", "outcome"]);
        assert_eq!(
            (found["c_seconds"].type_.as_str(), &found["c_seconds"].labels[..]),
            ("histogram", &["kind".to_owned()][..])
        );
        assert_eq!(queried("a_b", "counter"), "a_b_total");
    }

    #[test]
    fn alerts_use_metrics_and_labels_that_exist() {
        let text = Metrics::sample().text().unwrap();
        let metrics = described(&text);
        for Alert { name, expression, summary, .. } in ALERTS {
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let used: Vec<_> = words.filter(|word| word.starts_with("dcs_")).collect();
            assert!(!used.is_empty(), "{name}");
            for word in used {
                let known = metrics.iter().find(|(metric, found)| {
                    queried(metric, &found.type_) == word || format!("{metric}_bucket") == word
                });
                let (_, metric) = known.unwrap_or_else(|| panic!("{name}: {word} does not exist"));
                for label in ["kind", "reason", "work"]
                    .iter()
                    .filter(|label| expression.contains(&format!("{label})")))
                {
                    assert!(
                        metric.labels.iter().any(|known| known == label),
                        "{name}: {word} has no {label}"
                    );
                }
            }
            assert!(summary.ends_with('.') && !summary.contains('"'), "{name}");
        }
    }

    #[test]
    fn every_flag_is_on_the_page() {
        let page = page().unwrap().content;
        let command = RunArgs::augment_args(Command::new("run"));
        for flag in command.get_arguments().filter_map(Arg::get_long) {
            assert!(page.contains(&format!("| `--{flag}")), "{flag}");
        }
    }
}
