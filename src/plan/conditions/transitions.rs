//! The changes between two sets of conditions, for events and logs: each fact is reported once.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{ConditionType, Reason};

/// A condition whose status or reason changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The condition.
    pub type_: ConditionType,
    /// True, False or Unknown.
    pub status: String,
    /// The condition's reason.
    pub reason: String,
    /// The condition's message.
    pub message: String,
    /// The event is a warning: the user should look into it.
    pub warning: bool,
}

/// The reported conditions, in order: a later one with the reason or the message of an earlier one is left out, and so is
/// one that becomes True together with Ready. Reconciling repeats Synced.
const REPORTED: [ConditionType; 7] = [
    ConditionType::Stalled,
    ConditionType::Ready,
    ConditionType::Failed,
    ConditionType::Complete,
    ConditionType::LastRunSucceeded,
    ConditionType::BindingPublished,
    ConditionType::Synced,
];

/// The transitions from `before` to `after`. A changed message alone is none, nor is a reason that reports nothing.
pub fn transitions(before: &[Condition], after: &[Condition]) -> Vec<Transition> {
    let mut reported: Vec<Transition> = Vec::new();
    for type_ in REPORTED {
        let find =
            |all: &[Condition]| all.iter().find(|condition| condition.type_ == type_.as_str()).cloned();
        let Some(now) = find(after) else { continue };
        let was = find(before);
        let same = was.as_ref().is_some_and(|was| was.status == now.status && was.reason == now.reason);
        let is_fine = |other: &Transition| other.type_ == ConditionType::Ready && other.status == "True";
        let repeats = reported.iter().any(|other| {
            let same = other.reason == now.reason || other.message == now.message;
            same || (is_fine(other) && now.status == "True")
        });
        if same || repeats || is_idle(type_, &now) {
            continue;
        }
        let warning = is_warning(type_, was.as_ref(), &now);
        let Condition { status, reason, message, .. } = now;
        reported.push(Transition { type_, status, reason, message, warning });
    }
    reported
}

/// Nothing is wrong, or nothing is known yet. What the Secret waits for is told by the other conditions.
fn is_idle(type_: ConditionType, condition: &Condition) -> bool {
    let idle = [Reason::AsExpected, Reason::ObservationPending, Reason::WaitingForEndpoint];
    let waits = type_ == ConditionType::BindingPublished && condition.reason == Reason::Applying.as_str();
    waits || idle.iter().any(|reason| condition.reason == reason.as_str())
}

fn is_warning(type_: ConditionType, was: Option<&Condition>, now: &Condition) -> bool {
    let was_true = was.is_some_and(|was| was.status == "True");
    let lost = was_true && now.status != "True" && now.reason != Reason::Deleting.as_str();
    match type_ {
        ConditionType::Stalled | ConditionType::Failed => now.status == "True",
        ConditionType::Ready => lost || now.status == "Unknown",
        ConditionType::BindingPublished | ConditionType::LastRunSucceeded => now.status != "True",
        ConditionType::Synced => {
            let reported = [Reason::DriftDetected, Reason::ChangeIneffective];
            let found = reported.iter().any(|reason| now.reason == reason.as_str());
            found || (now.status == "Unknown" && now.reason != Reason::Paused.as_str())
        }
        ConditionType::Reconciling | ConditionType::Complete => false,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::api::time;

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: format!("why {reason}"),
            observed_generation: Some(1),
            last_transition_time: time::to_kube(DateTime::default()),
        }
    }

    fn reported(before: &[(&str, &str, &str)], after: &[(&str, &str, &str)]) -> Vec<String> {
        let all = |rows: &[(&str, &str, &str)]| -> Vec<_> {
            rows.iter().map(|(type_, status, reason)| condition(type_, status, reason)).collect()
        };
        let kind = |warning: bool| if warning { "Warning" } else { "Normal" };
        let line = |transition: &Transition| {
            format!(
                "{} {}={} {}",
                kind(transition.warning),
                transition.type_,
                transition.status,
                transition.reason
            )
        };
        transitions(&all(before), &all(after)).iter().map(line).collect()
    }

    #[test]
    fn each_fact_is_reported_once() {
        let creating = [
            ("Ready", "False", "Creating"),
            ("Synced", "False", "Applying"),
            ("Reconciling", "True", "Creating"),
            ("Stalled", "False", "AsExpected"),
            ("BindingPublished", "False", "WaitingForEndpoint"),
        ];
        let serving = [
            ("Ready", "True", "Available"),
            ("Synced", "True", "InSync"),
            ("Reconciling", "False", "AsExpected"),
            ("Stalled", "False", "AsExpected"),
            ("BindingPublished", "True", "Published"),
        ];
        let stalled = [
            ("Ready", "True", "Available"),
            ("Synced", "False", "InvalidSpec"),
            ("Stalled", "True", "InvalidSpec"),
            ("BindingPublished", "False", "SecretConflict"),
        ];
        let started = ["Normal Ready=False Creating", "Normal Synced=False Applying"];
        assert_eq!(reported(&[], &creating), started);
        assert_eq!(reported(&creating, &creating), [""; 0]);
        assert_eq!(reported(&creating, &serving), ["Normal Ready=True Available"]);
        let serves = [("Ready", "True", "Available"), creating[1], creating[4]];
        let later = ["Normal BindingPublished=True Published", "Normal Synced=True InSync"];
        assert_eq!(reported(&serves, &serving), later);
        let rotating = [("Synced", "False", "Applying"), ("BindingPublished", "False", "Applying")];
        assert_eq!(reported(&serving, &rotating), ["Normal Synced=False Applying"]);
        let warnings = ["Warning Stalled=True InvalidSpec", "Warning BindingPublished=False SecretConflict"];
        assert_eq!(reported(&serving, &stalled), warnings);
        assert_eq!(reported(&serving, &[("Ready", "False", "Frozen")]), ["Warning Ready=False Frozen"]);
        assert_eq!(reported(&serving, &[("Ready", "False", "Deleting")]), ["Normal Ready=False Deleting"]);
        assert_eq!(
            reported(&serving, &[("Synced", "Unknown", "CloudUnreachable")]),
            ["Warning Synced=Unknown CloudUnreachable"]
        );
        assert_eq!(reported(&serving, &[("Synced", "Unknown", "Paused")]), ["Normal Synced=Unknown Paused"]);
        for reason in ["DriftDetected", "ChangeIneffective"] {
            let drifted = [("Synced", "False", reason)];
            assert_eq!(reported(&serving, &drifted), [format!("Warning Synced=False {reason}")]);
            assert_eq!(reported(&drifted, &drifted), [""; 0]);
        }
        assert_eq!(
            reported(&serving, &[("Ready", "Unknown", "ObservationTooOld")]),
            ["Warning Ready=Unknown ObservationTooOld"]
        );
    }
}
