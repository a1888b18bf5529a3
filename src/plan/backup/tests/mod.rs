//! Tables of the planner of DcsBackups.

mod delete;
mod limit;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{action::Step, *};
use crate::{
    api::{
        DcsBackupSpec, DcsBackupStatus, Reason,
        backup::{AdoptBackup, BackedUpInstance},
        instance::{CloudAccount, DeletionPolicy, Holder},
        job::{InstanceRef, JobAccount},
        time,
        words::{JobOutcome, OperationOutcome},
    },
    dcs::model::{BackupRecord, BackupStatus, InstanceFacts, InstanceStatus, Tag},
    formats::OwnerHash,
    plan::{
        Blocker, Definition,
        instance::observed::{
            CredentialsSource, Detail, InstanceSnapshot, Now, PlannerSettings, ResolvedAccount,
        },
        job::{InstanceObject, InstanceView, Subject},
    },
};

const INSTANCE: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";
const UID: &str = "961a292c-7592-4cf3-bb88-a695b53b2dc3";
const BACKUP: &str = "4631832a-14c6-45b0-a0b3-3abd8f591ad1";

/// Long after the start of the process.
const NOW: Duration = Duration::from_secs(10_000);

fn wall() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn account() -> CloudAccount {
    CloudAccount {
        region: Some("cn-north-4".to_owned()),
        project_id: Some("p".to_owned()),
        endpoint: Some("https://dcs.example.com/".to_owned()),
    }
}

fn own_holder() -> Holder {
    Holder { kind: "DcsBackup".to_owned(), name: "nightly".to_owned(), uid: UID.to_owned() }
}

/// A new object whose turn it is, with a list of no backups and an idle instance.
fn ready_to_begin() -> Observed {
    let snapshot = InstanceSnapshot {
        facts: InstanceFacts {
            id: INSTANCE.to_owned(),
            status: Some(InstanceStatus::Running),
            engine_version: Some("6.0".to_owned()),
            ..InstanceFacts::default()
        },
        cache_mode: Some("ha".to_owned()),
        ..InstanceSnapshot::default()
    };
    Observed {
        subject: Subject {
            namespace: "shop".to_owned(),
            name: "nightly".to_owned(),
            uid: UID.to_owned(),
            generation: 1,
            created: wall(),
            deleting: false,
            finalizer: true,
            retry_token: None,
        },
        spec: DcsBackupSpec {
            instance_ref: InstanceRef { name: "sessions".to_owned() },
            ..DcsBackupSpec::default()
        },
        status: DcsBackupStatus::default(),
        account: Ok(ResolvedAccount {
            account: account(),
            credentials_hash: "hash".to_owned(),
            defaults: Default::default(),
            source: CredentialsSource::Namespace {
                secret: "dcs-credentials".to_owned(),
                in_use: true,
                deleting: false,
            },
        }),
        instance: InstanceObject::Found(Box::new(InstanceView {
            id: Some(INSTANCE.to_owned()),
            holder: Some(own_holder()),
            cache_mode: Some("ha".to_owned()),
            ..InstanceView::default()
        })),
        restore: None,
        used_by: None,
        needed: Vec::new(),
        siblings: Vec::new(),
        has_unreadable: false,
        lookups: LookupResults {
            backups: Some((INSTANCE.to_owned(), listed(&[]))),
            instance: Some((INSTANCE.to_owned(), Detail::Found(Box::new(snapshot)))),
            definition: Some(Ok(Definition::Complete)),
        },
        first_seen: Duration::ZERO,
        intent_seen: None,
        creation: None,
        finalizer_added: true,
        failures: 0,
        retry: false,
        now: Now { wall: wall(), monotonic: NOW },
        settings: PlannerSettings::default(),
    }
}

/// Two complete lists that began just now.
fn listed(records: &[BackupRecord]) -> Backups {
    Backups::Listed(BackupList { begun: NOW, before: Some(NOW), records: Arc::from(records) })
}

/// The backup number `n`, each made a minute after the one before.
fn record(n: u32, status: BackupStatus) -> BackupRecord {
    BackupRecord {
        backup_id: format!("00000000-14c6-45b0-a0b3-0000000000{n:02}"),
        status: Some(status),
        is_support_restore: Some(true),
        created_at: Some(wall() + TimeDelta::minutes(i64::from(n))),
        ..serde_json::from_value(serde_json::json!({"backup_id": "x"})).unwrap()
    }
}

fn with_records(o: Observed, records: &[BackupRecord]) -> Observed {
    let lookups =
        LookupResults { backups: Some((INSTANCE.to_owned(), listed(records))), ..o.lookups.clone() };
    Observed { lookups, ..o }
}

/// The status of an object whose backup was made.
fn made(o: &Observed) -> DcsBackupStatus {
    let status = plan(o).intent.map(|status| *status).unwrap();
    let mut operation = status.operation.clone().unwrap();
    operation.outcome = Some(OperationOutcome::Accepted);
    operation.instance_id = Some(BACKUP.to_owned());
    DcsBackupStatus { id: Some(BACKUP.to_owned()), operation: Some(operation), ..status }
}

fn own_record(status: BackupStatus) -> BackupRecord {
    BackupRecord { backup_id: BACKUP.to_owned(), remark: Some(format!("dcso:{UID}")), ..record(1, status) }
}

fn condition(plan: &Plan, type_: &str) -> String {
    let found = plan.status.conditions.iter().find(|condition| condition.type_ == type_).unwrap();
    format!("{}/{}", found.status, found.reason)
}

#[test]
fn an_idle_instance_is_backed_up_with_the_mark_of_the_object() {
    let plan = plan(&ready_to_begin());
    let Step::CloudAction(CloudAction::Create { instance, remark, format }) = &plan.step else {
        panic!("{:?}", plan.step)
    };
    assert_eq!((instance.as_str(), format.as_str()), (INSTANCE, "rdb"));
    assert_eq!(remark.as_str(), format!("dcso:{UID}"));
    let intent = plan.intent.unwrap();
    assert_eq!(intent.instance.as_ref().and_then(|instance| instance.id.as_deref()), Some(INSTANCE));
    assert!(
        intent.started_at.is_some()
            && intent.outcome.is_none()
            && claims_instance(&DcsBackupSpec::default(), &intent)
    );
    assert_eq!(intent.account.unwrap().credentials.as_deref(), Some("dcs-credentials"));
}

/// What stands in the way of a request: nothing of it is sent.
#[test]
fn a_request_waits_or_is_refused() {
    let o = ready_to_begin;
    let view = |change: fn(&mut InstanceView)| {
        let mut o = o();
        if let InstanceObject::Found(view) = &mut o.instance {
            change(view);
        }
        o
    };
    let detail = |change: fn(&mut InstanceSnapshot)| {
        let mut o = o();
        if let Some((_, Detail::Found(snapshot))) = &mut o.lookups.instance {
            change(snapshot);
        }
        o
    };
    let spec = |change: fn(&mut DcsBackupSpec)| {
        let mut o = o();
        change(&mut o.spec);
        o
    };
    let blocked = |reason| Err(Blocker { reason, message: "why".to_owned() });
    let old = wall() - TimeDelta::minutes(11);
    let waiting = "True/WaitingForInstance";
    for (what, observed, type_, expected) in [
        ("another holds it", view(|view| view.holder = None), "Reconciling", waiting),
        ("no instance yet", view(|view| view.id = None), "Reconciling", waiting),
        ("paused", view(|view| view.paused = true), "Reconciling", waiting),
        ("deleting", view(|view| view.deleting = true), "Failed", "True/InstanceDeleted"),
        (
            "single",
            view(|view| view.cache_mode = Some("single".to_owned())),
            "Stalled",
            "True/UnsupportedMode",
        ),
        ("busy", detail(|snapshot| snapshot.task = Some("RESIZING".to_owned())), "Reconciling", waiting),
        (
            "not running",
            detail(|snapshot| snapshot.facts.status = Some(InstanceStatus::Frozen)),
            "Reconciling",
            "True/NotServing",
        ),
        (
            "missing, just created",
            Observed { instance: InstanceObject::Missing, ..o() },
            "Reconciling",
            "True/WaitingForReference",
        ),
        (
            "missing for long",
            Observed {
                instance: InstanceObject::Missing,
                subject: Subject { created: old, ..o().subject },
                ..o()
            },
            "Stalled",
            "True/ReferenceNotFound",
        ),
        ("expired", spec(|spec| spec.start_before = Some(time::to_kube(wall()))), "Failed", "True/Expired"),
        (
            "no credentials",
            Observed { account: blocked(Reason::CredentialsMissing), ..o() },
            "Stalled",
            "True/CredentialsMissing",
        ),
        (
            "unreachable",
            Observed { account: blocked(Reason::CloudUnreachable), ..o() },
            "Ready",
            "Unknown/CloudUnreachable",
        ),
    ] {
        let plan = plan(&observed);
        assert_eq!(plan.step, Step::Nothing, "{what}");
        assert_eq!(condition(&plan, type_), expected, "{what}");
        assert!(plan.wait >= Duration::from_secs(5), "{what}: {:?}", plan.wait);
        let waits = condition(&plan, "Reconciling") == waiting;
        assert_eq!(claims_instance(&observed.spec, &plan.status), waits, "{what}");
    }
}

#[test]
fn a_request_with_an_unknown_outcome_is_never_repeated_before_two_lists() {
    let o = ready_to_begin();
    let status = *plan(&o).intent.unwrap();
    let seen = NOW - Duration::from_secs(10);
    let lost = Observed { status, intent_seen: Some(seen), ..o };
    let begun = |at: Duration, before: Option<Duration>| {
        let list = BackupList { begun: at, before, records: Arc::from([]) };
        let lookups = LookupResults {
            backups: Some((INSTANCE.to_owned(), Backups::Listed(list))),
            ..lost.lookups.clone()
        };
        Observed { lookups, ..lost.clone() }
    };
    let window = lost.settings.window();
    for (at, before) in [
        (NOW, Some(NOW)),
        (seen + window, None),
        (seen + window, Some(seen + window - Duration::from_secs(1))),
    ] {
        let plan = plan(&begun(at, before));
        assert_eq!(plan.step, Step::Nothing, "{at:?} {before:?}");
        assert_eq!(condition(&plan, "Reconciling"), "True/Running");
    }
    let proven = plan(&begun(seen + window, Some(seen + window)));
    assert!(matches!(proven.step, Step::CloudAction(CloudAction::Create { .. })), "{:?}", proven.step);
    // The list shows what became of it.
    let found = plan(&with_records(lost.clone(), &[own_record(BackupStatus::Backuping)]));
    assert_eq!((found.step, found.status.id.as_deref()), (Step::Nothing, Some(BACKUP)));
    // A process that lost the status, or never had it, waits as long.
    for o in [
        Observed { finalizer_added: false, first_seen: NOW, ..ready_to_begin() },
        Observed {
            creation: Some(crate::plan::operation::Creation { begun: seen, id: None }),
            ..ready_to_begin()
        },
    ] {
        assert_eq!(plan(&o).step, Step::Nothing);
    }
}

#[test]
fn a_backup_is_followed_to_its_end() {
    let o = ready_to_begin();
    let status = made(&o);
    let o = Observed { status, intent_seen: Some(NOW), ..o };
    let late = Observed { now: Now { wall: wall() + TimeDelta::hours(5), monotonic: NOW }, ..o.clone() };
    let running = || own_record(BackupStatus::Backuping);
    for (observed, record, type_, expected, outcome) in [
        (&o, own_record(BackupStatus::Waiting), "Reconciling", "True/Running", None),
        (&o, running(), "Reconciling", "True/Running", None),
        (&o, own_record(BackupStatus::Other("pausing".to_owned())), "Reconciling", "True/Running", None),
        (&o, own_record(BackupStatus::Succeed), "Ready", "True/Restorable", Some(JobOutcome::Succeeded)),
        (&o, own_record(BackupStatus::Expired), "Ready", "False/Expired", Some(JobOutcome::Succeeded)),
        (&o, own_record(BackupStatus::Deleted), "Complete", "True/Completed", Some(JobOutcome::Succeeded)),
        (&o, own_record(BackupStatus::Failed), "Failed", "True/OperationFailed", Some(JobOutcome::Failed)),
        (&late, running(), "Failed", "True/DeadlineExceeded", Some(JobOutcome::Failed)),
    ] {
        let word = record.status.clone();
        let plan = plan(&with_records(observed.clone(), &[record]));
        assert_eq!(plan.step, Step::Nothing, "{word:?}");
        assert_eq!(condition(&plan, type_), expected, "{word:?}");
        assert_eq!(plan.status.outcome, outcome, "{word:?}");
        assert_eq!(claims_instance(&observed.spec, &plan.status), outcome.is_none(), "{word:?}");
    }
    let vanished = Observed { now: Now { monotonic: NOW + o.settings.window(), ..o.now }, ..o.clone() };
    let lists = BackupList {
        begun: vanished.now.monotonic,
        before: Some(vanished.now.monotonic),
        records: Arc::from([]),
    };
    let lookups =
        LookupResults { backups: Some((INSTANCE.to_owned(), Backups::Listed(lists))), ..o.lookups.clone() };
    assert_eq!(condition(&plan(&Observed { lookups, ..vanished }), "Failed"), "True/OperationFailed");
    assert_eq!(condition(&plan(&o), "Reconciling"), "True/Running", "the list may lag");
}

#[test]
fn a_backup_that_another_object_made_is_taken_over_by_its_mark() {
    let mut o = ready_to_begin();
    o.spec.start_before = Some(time::to_kube(wall() - TimeDelta::hours(1)));
    let mark = mark(("shop", "nightly", "another uid"), &o.spec, INSTANCE).with_text(Some("before"));
    let record = BackupRecord { remark: Some(mark), ..own_record(BackupStatus::Succeed) };
    let plan = plan(&with_records(o, &[record]));
    assert_eq!(plan.step, Step::Nothing);
    assert_eq!(condition(&plan, "Complete"), "True/AlreadyCompleted");
    assert_eq!(condition(&plan, "Ready"), "True/Restorable");
    assert_eq!(plan.status.id.as_deref(), Some(BACKUP));
}

/// Every backup of the list counts, and one more would push out the first.
#[test]
fn no_backup_that_must_stay_is_pushed_out() {
    let full = |keeps: Option<bool>, first: BackupStatus, second: BackupStatus| {
        let mut o = ready_to_begin();
        o.settings.backup_limit = NonZeroU32::new(2);
        let records = [record(1, first), record(2, second)];
        let sibling = |keeps| Sibling {
            used_by: None,
            name: "older".to_owned(),
            id: Some(records[0].backup_id.clone()),
            mark: None,
            keeps,
        };
        o.siblings = keeps.map(sibling).into_iter().collect();
        plan(&with_records(o, &records))
    };
    use BackupStatus::{Deleted, Expired, Failed, Succeed};
    for (keeps, first, second, refused) in [
        (None, Succeed, Succeed, false),
        (Some(true), Succeed, Succeed, true),
        (Some(false), Succeed, Succeed, true),
        // The only one that can be restored.
        (None, Succeed, Failed, true),
        // One failed: it may count, and would go, or it does not, and there is room.
        (None, Failed, Succeed, false),
        (Some(true), Succeed, Failed, true),
        (Some(true), Succeed, Expired, false),
        (Some(true), Deleted, Succeed, false),
    ] {
        let what = format!("{keeps:?} {first:?} {second:?}");
        let pushes_out = keeps.is_none() && (&first, &second) == (&Succeed, &Succeed);
        let plan = full(keeps, first, second);
        assert_eq!(condition(&plan, "Stalled") == "True/BackupLimitReached", refused, "{what}");
        assert_eq!(matches!(plan.step, Step::CloudAction(_)), !refused, "{what}");
        assert_eq!(
            plan.warnings.iter().any(|warning| warning.reason == "BackupPushedOut"),
            pushes_out,
            "{what}"
        );
    }
}

/// With the operator's own credentials a forged id must not lead to what belongs to others.
#[test]
fn only_the_instance_of_the_object_is_used_with_the_credentials_of_the_operator() {
    let owner = OwnerHash::new("cluster", "shop", "sessions");
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: Some(value.to_owned()) };
    for (tags, trusted, is_allowed) in [
        (vec![], false, false),
        (vec![], true, true),
        (vec![tag("dcs-operator-owner", owner.as_str())], false, true),
        (vec![tag("dcs-operator-owner", "another")], false, false),
        (vec![tag("dcs-operator-allow-namespace", "shop")], false, true),
    ] {
        let mut o = ready_to_begin();
        if let Ok(account) = &mut o.account {
            account.source = CredentialsSource::Operator { trusted };
        }
        if let InstanceObject::Found(view) = &mut o.instance {
            view.owner = Some(owner.clone());
        }
        if let Some((_, Detail::Found(snapshot))) = &mut o.lookups.instance {
            snapshot.facts.tags = tags.clone();
        }
        let plan = plan(&o);
        assert_eq!(matches!(plan.step, Step::CloudAction(_)), is_allowed, "{tags:?} {trusted}");
        assert_eq!(condition(&plan, "Stalled") == "True/NotAllowed", !is_allowed);
    }
}

/// An object with a finalizer and without conditions has lost its status.
#[test]
fn what_a_lost_status_may_have_asked_for_is_not_asked_for_again() {
    let lost = Observed { finalizer_added: false, ..ready_to_begin() };
    let plan = plan(&lost);
    assert_eq!(
        (plan.step.clone(), condition(&plan, "Failed")),
        (Step::Nothing, "True/OutcomeUnknown".to_owned())
    );
    // The DcsInstance has another instance by now: the request was for the first one.
    let mut moved = ready_to_begin();
    moved.status = *super::plan(&moved).intent.unwrap();
    moved.intent_seen = Some(Duration::ZERO);
    if let InstanceObject::Found(view) = &mut moved.instance {
        view.id = Some("another".to_owned());
    }
    let plan = super::plan(&moved);
    assert_eq!(
        (plan.step.clone(), condition(&plan, "Failed")),
        (Step::Nothing, "True/InstanceDeleted".to_owned())
    );
}

#[test]
fn an_adopted_backup_is_only_looked_at() {
    let mut o = ready_to_begin();
    o.spec.adopt = Some(AdoptBackup { backup_id: BACKUP.to_owned() });
    let began = Some(wall() - TimeDelta::days(2));
    for status in [BackupStatus::Waiting, BackupStatus::Backuping, BackupStatus::Other("pausing".to_owned())]
    {
        let record = BackupRecord { execution_at: began, ..own_record(status) };
        let plan = plan(&with_records(o.clone(), &[record]));
        assert_eq!((plan.step.clone(), plan.wait), (Step::Nothing, Duration::from_secs(15)));
        assert!(!claims_instance(&o.spec, &plan.status), "nothing is going to be requested");
        // It vanishes while it runs.
        let gone = Observed { status: plan.status, ..with_records(o.clone(), &[]) };
        assert_eq!(condition(&super::plan(&gone), "Failed"), "True/OperationFailed");
    }
}

#[test]
fn a_backup_that_cannot_be_looked_up_keeps_its_turn_until_its_deadline() {
    let o = ready_to_begin();
    let failed = Blocker { reason: Reason::Forbidden, message: "no".to_owned() };
    let lookups =
        LookupResults { backups: Some((INSTANCE.to_owned(), Backups::Failed(failed))), ..o.lookups.clone() };
    let blind = Observed { status: made(&o), intent_seen: Some(NOW), lookups, ..o };
    let plan = plan(&blind);
    assert_eq!(condition(&plan, "Stalled"), "True/Forbidden");
    assert!(claims_instance(&blind.spec, &plan.status), "it runs");
    for deleting in [false, true] {
        let mut late =
            Observed { now: Now { wall: wall() + TimeDelta::hours(5), ..blind.now }, ..blind.clone() };
        late.subject.deleting = deleting;
        let plan = super::plan(&late);
        assert!(!claims_instance(&late.spec, &plan.status), "others go on");
    }
}
