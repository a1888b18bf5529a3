//! The runbook of conditions and reasons. Which condition carries a reason comes from the truth table itself.

use chrono::DateTime;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{GENERATED, Page, cell, head, row};
use crate::{
    api::{ConditionType, Reason},
    plan::conditions::{
        Assessment, JobResult, JobSituation, Readiness, RunResult, ScheduleSituation, Situation, conditions,
        job_conditions, schedule_conditions,
    },
};

/// The conditions of a DcsInstance: type, what True means, what else it can be.
const TYPES: [(ConditionType, &str, &str); 5] = [
    (
        ConditionType::Ready,
        "Clients can use the instance.",
        "False: the instance does not serve; the reason names the cause. Unknown: the last observation is too old.",
    ),
    (
        ConditionType::Synced,
        "The instance matches the spec.",
        "False: it differs; see status.pendingChanges. Unknown: it was not compared, since the object is paused or the \
         cloud does not answer.",
    ),
    (
        ConditionType::Reconciling,
        "The operator works on the present generation.",
        "False: nothing is in progress. Never True together with Stalled.",
    ),
    (
        ConditionType::Stalled,
        "A person is needed.",
        "False: no action is needed. While True, the operator tries again slowly, and at once when it sees that the \
         cause has changed.",
    ),
    (
        ConditionType::BindingPublished,
        "The Secret in status.binding holds what clients need.",
        "False: the Secret is not written yet, or cannot be written.",
    ),
];

/// The conditions of a DcsBackup: type, what True means, what else it can be.
const JOB_TYPES: [(ConditionType, &str, &str); 5] = [
    (
        ConditionType::Complete,
        "The backup was made. This stays True, also when the backup is gone.",
        "False: it was not made, or not yet; the reason names the cause.",
    ),
    (
        ConditionType::Failed,
        "The backup was not made, and the object does not try again.",
        "False: it was made, or may still be.",
    ),
    (
        ConditionType::Ready,
        "The backup can be restored to its instance.",
        "False: it cannot, not yet, or not any more. Unknown: it could not be looked up.",
    ),
    (
        ConditionType::Reconciling,
        "The backup waits for something or is being made, or is being deleted.",
        "False: nothing is in progress. Never True together with Stalled.",
    ),
    (ConditionType::Stalled, "A person is needed, or the end was a failure.", "False: no action is needed."),
];

/// The conditions of a DcsRestore.
const RESTORE_TYPES: [(ConditionType, &str, &str); 5] = [
    (
        ConditionType::Complete,
        "The data was replaced, and the instance serves.",
        "False: it was not replaced, or not yet; the reason names the cause.",
    ),
    (
        ConditionType::Failed,
        "The restore has ended without success, and the object does not try again.",
        "False: it was done, or may still be.",
    ),
    (ConditionType::Ready, "As Complete.", "False: the restore is not done."),
    (
        ConditionType::Reconciling,
        "The restore waits for something or is being done.",
        "False: nothing is in progress. Never True together with Stalled.",
    ),
    (
        ConditionType::Stalled,
        "A person is needed: to approve the restore, to mend what stands in its way, or because the end was a failure.",
        "False: no action is needed.",
    ),
];

const RESTORES: &str = "
## Conditions of a DcsRestore

`status.outcome` is as that of a DcsBackup.

";

/// The conditions of a DcsBackupSchedule: type, what True means, what else it can be.
const SCHEDULE_TYPES: [(ConditionType, &str, &str); 4] = [
    (
        ConditionType::Ready,
        "Backups are made when they are due, or the schedule is suspended.",
        "False: none can be made; the reason names the cause. A run that made no backup does not change it.",
    ),
    (
        ConditionType::LastRunSucceeded,
        "The last run made its backup.",
        "False: it made none; the reason says whether it failed, was missed or was skipped. Absent before the first run.",
    ),
    (
        ConditionType::Reconciling,
        "The schedule waits for its instance.",
        "False: nothing is in progress. Never True together with Stalled.",
    ),
    (ConditionType::Stalled, "A person is needed.", "False: no action is needed."),
];

const SCHEDULES: &str = "
## Conditions of a DcsBackupSchedule

`observedGeneration` of LastRunSucceeded is the generation by which the run was made.

";

const JOBS: &str = "
## Conditions of a DcsBackup

`status.outcome` is Succeeded or Failed at the end, and absent before: `kubectl wait
--for=jsonpath='{.status.outcome}'` returns either way, while a wait for Complete does not return after a failure.

";

const INTRO: &str = r#"# Conditions and reasons

Every object reports its state in `status.conditions`. The conditions follow the Kubernetes API conventions: `kubectl wait`,
kstatus (Flux) and Argo CD read them. `status.observedGeneration` is the generation that the conditions are about.

```console
$ kubectl get dcsi -n shop                                    # READY and REASON of each instance
$ kubectl describe dcsi sessions -n shop                      # all conditions with messages, and the Events
$ kubectl wait dcsi/sessions -n shop --for=condition=Ready --timeout=15m
$ kubectl get dcsi -A -o json | jq -r '.items[] | select(any(.status.conditions[]?; .type == "Stalled" and
    .status == "True")) | .metadata.namespace + "/" + .metadata.name'
```

The message of a condition says what is the matter, with the error code and the request id of DCS if there is one, and what
happens next. What changes is also an Event and a log line, each fact once: Ready=True stands for what becomes True with it.

## Conditions of a DcsInstance

"#;

const REASONS: &str = "
## Reasons

The column *Conditions* shows where a reason usually appears. While the instance serves, Ready keeps its own reason: a
blocked change, for example, makes Stalled True and leaves Ready True.

After the cause is corrected, nothing needs a restart. The operator reacts at once to a change of the spec, of a Secret that
the object uses, and of the instance in the account's list. It cannot see a changed permission or balance; those it finds at
the next retry, after at most one hour by default (`--stalled-retry` in [operations](operations.md)).
";

/// How an object comes to report a reason.
enum Source {
    /// In these rows of the truth table.
    Rows(Vec<(Situation, Readiness)>),
    /// In these rows, and in BindingPublished=False.
    RowsAndBinding(Vec<(Situation, Readiness)>),
    /// In these rows of the table of jobs.
    Job(Vec<JobSituation>),
    /// In these rows of the table of schedules.
    Schedule(Vec<ScheduleSituation>),
    /// In LastRunSucceeded.
    Run,
    /// In BindingPublished only.
    Binding {
        /// Whether the Secret is published.
        published: bool,
    },
}

/// The page.
pub(super) fn page() -> Page {
    let rows = |types: &[(ConditionType, &str, &str)]| -> String {
        let row = |(type_, yes, no): &(ConditionType, &str, &str)| {
            row([type_.to_string(), (*yes).to_owned(), (*no).to_owned()])
        };
        head(["Condition", "True", "Otherwise"]) + &types.iter().map(row).collect::<String>()
    };
    let (needed, idle): (Vec<Reason>, Vec<Reason>) =
        Reason::ALL.iter().partition(|reason| needs_action(**reason));
    let content = format!(
        "{GENERATED}{INTRO}{}{JOBS}{}{SCHEDULES}{}{RESTORES}{}{REASONS}\n### Reasons that may need action\n\n{}\n### Reasons that need no action\n\n{}",
        rows(&TYPES),
        rows(&JOB_TYPES),
        rows(&SCHEDULE_TYPES),
        rows(&RESTORE_TYPES),
        table(&needed),
        table(&idle),
    );
    Page { file: "conditions.md".to_owned(), content }
}

fn needs_action(reason: Reason) -> bool {
    !["Nothing", "Wait.", "Wait:"].iter().any(|idle| reason.remedy().starts_with(idle))
}

fn table(reasons: &[Reason]) -> String {
    let rows = reasons.iter().map(|reason| {
        let anchor = reason.as_str().to_lowercase();
        row([
            format!("<a id=\"{anchor}\"></a>{reason}"),
            carriers(*reason).join(", "),
            cell(reason.meaning()),
            cell(reason.remedy()),
        ])
    });
    head(["Reason", "Conditions", "Meaning", "What to do"]) + &rows.collect::<String>()
}

/// The conditions that can carry the reason, such as `Synced=False`.
fn carriers(reason: Reason) -> Vec<String> {
    let mut written: Vec<Condition> = Vec::new();
    let mut binding = None;
    let of_row = |(situation, readiness)| {
        let assessment = Assessment { situation, message: String::new() };
        conditions(&assessment, (readiness, ""), &[], 1, DateTime::UNIX_EPOCH)
    };
    let of_job = |situation| job_conditions(situation, ("", ""), &[], 1, DateTime::UNIX_EPOCH);
    let of_schedule = |situation, result: Option<&RunResult>| {
        schedule_conditions(situation, "", result, &[], (1, DateTime::UNIX_EPOCH))
    };
    match source(reason) {
        Source::Rows(rows) => written.extend(rows.into_iter().flat_map(of_row)),
        Source::RowsAndBinding(rows) => {
            written.extend(rows.into_iter().flat_map(of_row));
            binding = Some(false);
        }
        Source::Job(jobs) => written.extend(jobs.into_iter().flat_map(of_job)),
        Source::Schedule(rows) => written.extend(rows.into_iter().flat_map(|row| of_schedule(row, None))),
        Source::Run => {
            let result = RunResult { reason, message: String::new() };
            written.extend(of_schedule(ScheduleSituation::Armed, Some(&result)));
        }
        Source::Binding { published } => binding = Some(published),
    }
    let mut carriers: Vec<(ConditionType, String)> = Vec::new();
    for condition in written.into_iter().filter(|condition| condition.reason == reason.as_str()) {
        let type_ = ConditionType::ALL.iter().find(|type_| type_.as_str() == condition.type_);
        carriers.extend(type_.map(|type_| (*type_, condition.status.clone())));
    }
    let published = |published| if published { "True" } else { "False" }.to_owned();
    carriers.extend(binding.map(|is| (ConditionType::BindingPublished, published(is))));
    carriers.sort();
    carriers.dedup();
    carriers.into_iter().map(|(type_, status)| format!("{type_}={status}")).collect()
}

/// A person is needed: with an instance, without one, and during deletion.
fn blocked(reason: Reason) -> Vec<(Situation, Readiness)> {
    vec![
        (Situation::Blocked(reason), Readiness::Serving),
        (Situation::Blocked(reason), Readiness::Missing(Reason::Creating)),
        (Situation::DeletionBlocked(reason), Readiness::Serving),
    ]
}

fn unreachable(reason: Reason) -> Vec<(Situation, Readiness)> {
    vec![(Situation::Unreachable(reason), Readiness::Serving)]
}

fn not_serving(reason: Reason) -> Vec<(Situation, Readiness)> {
    vec![(Situation::NotServing { why: reason, ours: false, waits: false }, Readiness::NotServing(reason))]
}

/// Where a reason comes from.
fn source(reason: Reason) -> Source {
    use Source::{Binding, Job, Rows, RowsAndBinding, Run, Schedule};
    let done = |again, result| Job(vec![JobSituation::Succeeded { again, result }]);
    match reason {
        Reason::Completed | Reason::AlreadyCompleted => {
            done(reason == Reason::AlreadyCompleted, JobResult::Usable(Reason::Restorable))
        }
        Reason::Restorable => done(false, JobResult::Usable(reason)),
        Reason::NotRestorable => done(false, JobResult::Unusable(reason)),
        Reason::Running | Reason::WaitingForReference | Reason::WaitingForBackup => {
            Job(vec![JobSituation::InProgress(reason)])
        }
        Reason::ReferenceNotFound | Reason::UnsupportedMode | Reason::PreconditionFailed => {
            Job(vec![JobSituation::Blocked(reason)])
        }
        Reason::BackupLimitReached => Job(vec![JobSituation::Blocked(reason), JobSituation::Failed(reason)]),
        Reason::OperationFailed
        | Reason::DeadlineExceeded
        | Reason::OutcomeUnknown
        | Reason::SourceNotRestorable
        | Reason::IncompatibleSource
        | Reason::BackupFirstFailed => Job(vec![JobSituation::Failed(reason)]),
        Reason::Expired => Job(vec![
            JobSituation::Failed(reason),
            JobSituation::Succeeded { again: false, result: JobResult::Unusable(reason) },
        ]),
        Reason::InstanceDeleted => Job(vec![
            JobSituation::Failed(reason),
            JobSituation::Succeeded { again: false, result: JobResult::Unusable(reason) },
        ]),
        Reason::Armed => Schedule(vec![ScheduleSituation::Armed]),
        Reason::Suspended => Schedule(vec![ScheduleSituation::Suspended]),
        Reason::BackupRefused => Schedule(vec![ScheduleSituation::Blocked(reason)]),
        Reason::Succeeded | Reason::Failed | Reason::Missed | Reason::Skipped => Run,
        Reason::BackupPinned => Rows(vec![(Situation::DeletionBlocked(reason), Readiness::Serving)]),
        Reason::Available | Reason::InSync | Reason::AsExpected => {
            Rows(vec![(Situation::InSync, Readiness::Serving)])
        }
        Reason::Published => Binding { published: true },
        Reason::PasswordUnknown => Binding { published: false },
        Reason::WaitingForEndpoint => Binding { published: false },
        Reason::ObservationPending => Rows(vec![(Situation::NotObservedYet, Readiness::Unchanged)]),
        Reason::Creating => Rows(vec![(Situation::Creating, Readiness::Missing(reason))]),
        Reason::Adopting => Rows(vec![(Situation::Changing(reason), Readiness::Missing(reason))]),
        Reason::Applying => RowsAndBinding(vec![(Situation::Changing(reason), Readiness::Serving)]),
        Reason::Resizing => Rows(vec![(Situation::Changing(reason), Readiness::Serving)]),
        Reason::Deleting => RowsAndBinding(vec![(Situation::Deleting, Readiness::Serving)]),
        Reason::Paused => Rows(vec![(Situation::Paused, Readiness::Serving)]),
        Reason::DriftDetected | Reason::ChangeIneffective => {
            Rows(vec![(Situation::Waiting(reason), Readiness::Serving)])
        }
        Reason::ObservationTooOld => Rows(vec![(Situation::TooOld, Readiness::TooOld)]),
        Reason::Restarting
        | Reason::Starting
        | Reason::Restoring
        | Reason::Flushing
        | Reason::Migrating
        | Reason::Upgrading
        | Reason::Closed
        | Reason::Frozen
        | Reason::Paying
        | Reason::InstanceError
        | Reason::NotServing => Rows(not_serving(reason)),
        Reason::ExternallyDeleted => {
            let missing = vec![(Situation::Blocked(reason), Readiness::Missing(reason))];
            RowsAndBinding([blocked(reason), missing].concat())
        }
        Reason::CloudUnreachable
        | Reason::Throttled
        | Reason::ListIncomplete
        | Reason::TooManyInstances
        | Reason::CloudError => Rows(unreachable(reason)),
        Reason::ClusterError => RowsAndBinding(unreachable(reason)),
        Reason::WaitingForInstance => {
            let why = Reason::Restarting;
            let waits = Situation::NotServing { why, ours: false, waits: true };
            let mut rows = vec![(waits, Readiness::NotServing(why))];
            rows.push((Situation::Changing(reason), Readiness::Serving));
            RowsAndBinding([unreachable(reason), rows].concat())
        }
        Reason::SecretNotFound | Reason::SecretRefused | Reason::SecretConflict | Reason::PasswordLost => {
            RowsAndBinding(blocked(reason))
        }
        Reason::ApprovalRequired => Rows(vec![
            (Situation::Blocked(reason), Readiness::Serving),
            (Situation::DeletionBlocked(reason), Readiness::Serving),
        ]),
        Reason::PrepaidNotDeletable | Reason::GuardedByFinalizer | Reason::DefinitionOutdated => {
            Rows(vec![(Situation::DeletionBlocked(reason), Readiness::Serving)])
        }
        Reason::InvalidSpec
        | Reason::UnsupportedChange
        | Reason::ReferenceInvalid
        | Reason::PasswordInvalid
        | Reason::CredentialsMissing
        | Reason::CredentialsInvalid
        | Reason::Forbidden
        | Reason::EndpointNotAllowed
        | Reason::AccountChanged
        | Reason::NotAllowed
        | Reason::QuotaExceeded
        | Reason::InsufficientBalance
        | Reason::SoldOut
        | Reason::AmbiguousOwnership
        | Reason::NameTaken
        | Reason::MarkMissing
        | Reason::AlreadyOwned
        | Reason::ReclaimBlocked
        | Reason::TagsRefused
        | Reason::InstanceNotFound
        | Reason::CreateFailed => Rows(blocked(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_condition() {
        for reason in Reason::ALL {
            assert!(!carriers(*reason).is_empty(), "{reason}");
        }
        assert_eq!(carriers(Reason::Available), ["Ready=True"]);
        assert_eq!(carriers(Reason::AsExpected), ["Reconciling=False", "Stalled=False"]);
        assert_eq!(carriers(Reason::QuotaExceeded), ["Ready=False", "Synced=False", "Stalled=True"]);
        assert_eq!(carriers(Reason::ClusterError), ["Synced=Unknown", "BindingPublished=False"]);
    }

    #[test]
    fn every_reason_is_on_the_page_once() {
        let page = page().content;
        for reason in Reason::ALL {
            let anchor = format!("<a id=\"{}\"></a>{reason} |", reason.as_str().to_lowercase());
            assert_eq!(page.matches(&anchor).count(), 1, "{reason}");
        }
    }
}
