//! Tables of the planner of DcsRestores.

mod follow;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{action::Step, *};
use crate::{
    api::{
        DcsRestoreSpec, DcsRestoreStatus, Reason,
        instance::{CloudAccount, Holder},
        job::{InstanceRef, PendingApproval},
        restore::{BackupRef, RestoreConsent, RestoreSource, RestoredBackup, RestoredInstance},
        time,
        words::{JobOutcome, OperationOutcome},
    },
    dcs::model::{
        BackupRecord, BackupStatus, InstanceFacts, InstanceStatus, RestoreRecord, RestoreStatus, Tag,
    },
    formats::{OWNER_TAG, OwnerHash},
    plan::{
        Definition,
        instance::observed::{
            CredentialsSource, Detail, InstanceSnapshot, Now, PlannerSettings, ResolvedAccount,
        },
        job::{InstanceObject, InstanceView, RecordList, Records, Subject, before_name},
        operation::Creation,
    },
};

const INSTANCE: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";
const UID: &str = "961a292c-7592-4cf3-bb88-a695b53b2dc3";
const BACKUP: &str = "4631832a-14c6-45b0-a0b3-3abd8f591ad1";
const RESTORE: &str = "a6155972-800c-4170-a479-3231e907d2f6";

/// Long after the start of the process.
const NOW: Duration = Duration::from_secs(10_000);

fn wall() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn owner() -> OwnerHash {
    OwnerHash::new("cluster", "shop", "sessions")
}

fn listed<R: Clone>(records: &[R]) -> Records<R> {
    Records::Listed(RecordList { begun: NOW, before: Some(NOW), records: Arc::from(records) })
}

/// The backup number `n`, each complete a minute after the one before.
fn backup_record(id: &str, n: i64) -> BackupRecord {
    let at = Some(wall() - TimeDelta::hours(1) + TimeDelta::minutes(n));
    BackupRecord {
        backup_id: id.to_owned(),
        status: Some(BackupStatus::Succeed),
        is_support_restore: Some(true),
        created_at: at,
        updated_at: at,
        ..serde_json::from_value(serde_json::json!({"backup_id": "x"})).unwrap()
    }
}

fn restore_record(o: &Observed, status: RestoreStatus) -> RestoreRecord {
    RestoreRecord {
        restore_id: RESTORE.to_owned(),
        backup_id: Some(BACKUP.to_owned()),
        status: Some(status),
        restore_remark: Some(o.mark(INSTANCE).with_text(None)),
        created_at: Some(wall()),
        updated_at: Some(wall()),
        ..serde_json::from_value(serde_json::json!({"restore_id": "x"})).unwrap()
    }
}

/// A young object with consent and without a backup first, whose turn it is, whose backup was chosen, and whose instance is idle.
fn ready_to_begin() -> Observed {
    let snapshot = InstanceSnapshot {
        facts: InstanceFacts {
            id: INSTANCE.to_owned(),
            status: Some(InstanceStatus::Running),
            tags: vec![Tag { key: OWNER_TAG.to_owned(), value: Some(owner().as_str().to_owned()) }],
            ..InstanceFacts::default()
        },
        cache_mode: Some("ha".to_owned()),
        ..InstanceSnapshot::default()
    };
    Observed {
        subject: Subject {
            namespace: "shop".to_owned(),
            name: "undo".to_owned(),
            uid: UID.to_owned(),
            generation: 1,
            created: wall() - TimeDelta::seconds(30),
            deleting: false,
            finalizer: false,
            retry_token: None,
        },
        approval_token: None,
        spec: DcsRestoreSpec {
            instance_ref: InstanceRef { name: "sessions".to_owned() },
            source: RestoreSource { backup_id: Some(BACKUP.to_owned()), ..RestoreSource::default() },
            consent: Some(RestoreConsent {
                target: "sessions".to_owned(),
                not_after: time::to_kube(wall() + TimeDelta::hours(1)),
            }),
            backup_first: Some(false),
        },
        status: DcsRestoreStatus {
            observed_generation: Some(1),
            backup: Some(RestoredBackup {
                id: BACKUP.to_owned(),
                source: Some(format!("backupId={BACKUP}")),
                ..RestoredBackup::default()
            }),
            instance: Some(RestoredInstance { id: Some(INSTANCE.to_owned()) }),
            ..DcsRestoreStatus::default()
        },
        account: Ok(ResolvedAccount {
            account: CloudAccount::default(),
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
            holder: Some(Holder {
                kind: "DcsRestore".to_owned(),
                name: "undo".to_owned(),
                uid: UID.to_owned(),
            }),
            owner: Some(owner()),
            ..InstanceView::default()
        })),
        backups: Vec::new(),
        refusal: None,
        lookups: LookupResults {
            restores: Some((INSTANCE.to_owned(), listed(&[]))),
            backups: Some((INSTANCE.to_owned(), listed(&[backup_record(BACKUP, 0)]))),
            instance: Some((INSTANCE.to_owned(), Detail::Found(Box::new(snapshot)))),
            definition: Some(Ok(Definition::Complete)),
        },
        process_began: Duration::ZERO,
        last_restore: None,
        first_seen: NOW - Duration::from_secs(29),
        intent_seen: None,
        creation: None,
        failures: 0,
        retry: false,
        nonce: "0123456789abcdef".to_owned(),
        now: Now { wall: wall(), monotonic: NOW },
        settings: PlannerSettings::default(),
    }
}

fn changed(change: impl FnOnce(&mut Observed)) -> Observed {
    let mut o = ready_to_begin();
    change(&mut o);
    o
}

fn view(o: &mut Observed) -> &mut InstanceView {
    match &mut o.instance {
        InstanceObject::Found(view) => view,
        other => panic!("{other:?}"),
    }
}

fn snapshot(o: &mut Observed) -> &mut InstanceSnapshot {
    match &mut o.lookups.instance {
        Some((_, Detail::Found(snapshot))) => snapshot,
        other => panic!("{other:?}"),
    }
}

fn not_running(o: &mut Observed, ready: bool) {
    view(o).ready = ready;
    snapshot(o).facts.status = Some(InstanceStatus::Restarting);
}

fn with_records(o: &mut Observed, records: &[BackupRecord]) {
    o.lookups.backups = Some((INSTANCE.to_owned(), listed(records)));
}

fn condition(plan: &Plan, type_: &str) -> String {
    let found = plan.status.conditions.iter().find(|condition| condition.type_ == type_).unwrap();
    format!("{}/{}", found.status, found.reason)
}

fn asks(plan: &Plan) -> bool {
    matches!(plan.step, Step::CloudAction(_))
}

#[test]
fn an_idle_instance_is_restored_with_the_mark_of_the_manifest() {
    let o = ready_to_begin();
    let plan = plan(&o);
    let Step::CloudAction(CloudAction::Restore { instance, backup, remark, .. }) = &plan.step else {
        panic!("{:?} {:?}", plan.step, plan.status.conditions)
    };
    assert_eq!((instance.as_str(), backup.as_str()), (INSTANCE, BACKUP));
    assert_eq!(remark.as_str(), o.mark(INSTANCE).with_text(None));
    let intent = plan.intent.unwrap();
    assert!(intent.started_at.is_some() && intent.outcome.is_none() && claims_instance(&intent));
}

/// Nothing of these is sent.
#[test]
fn a_request_waits_or_is_refused() {
    let waiting = ("Reconciling", "True/WaitingForInstance");
    type Change = fn(&mut Observed);
    let rows: &[(&str, Change, (&str, &str))] = &[
        ("its turn", |o| view(o).holder = None, waiting),
        ("paused", |o| view(o).paused = true, waiting),
        ("busy", |o| snapshot(o).task = Some("RESIZING".to_owned()), waiting),
        ("restarting, and its object does not know", |o| not_running(o, true), waiting),
        ("restarting", |o| not_running(o, false), ("Reconciling", "True/NotServing")),
        ("deleting", |o| view(o).deleting = true, ("Failed", "True/InstanceDeleted")),
        ("no instance", |o| view(o).id = None, ("Reconciling", "True/WaitingForReference")),
        ("no object", |o| o.instance = InstanceObject::Missing, ("Reconciling", "True/WaitingForReference")),
        ("observes", |o| view(o).observes = true, ("Stalled", "True/PreconditionFailed")),
        ("no mark", |o| snapshot(o).facts.tags = Vec::new(), ("Stalled", "True/MarkMissing")),
        (
            "gone",
            |o| o.lookups.instance = Some((INSTANCE.to_owned(), Detail::NotFound)),
            ("Ready", "Unknown/CloudError"),
        ),
        ("no source", |o| with_records(o, &[]), ("Failed", "True/SourceNotRestorable")),
        (
            "another target",
            |o| o.spec.consent.as_mut().unwrap().target = "orders".to_owned(),
            ("Stalled", "True/InvalidSpec"),
        ),
        (
            "the definition goes",
            |o| o.lookups.definition = Some(Ok(Definition::BeingDeleted)),
            ("Stalled", "True/DefinitionOutdated"),
        ),
        (
            "the definition is older",
            |o| o.lookups.definition = Some(Ok(Definition::Lacks(vec!["spec.consent".to_owned()]))),
            ("Stalled", "True/DefinitionOutdated"),
        ),
        (
            "too late",
            |o| o.spec.consent.as_mut().unwrap().not_after = time::to_kube(wall()),
            ("Failed", "True/Expired"),
        ),
        ("no consent", |o| o.spec.consent = None, ("Stalled", "True/ApprovalRequired")),
    ];
    for (what, change, (type_, expected)) in rows {
        let plan = plan(&changed(change));
        assert_eq!(condition(&plan, type_), *expected, "{what}: {:?}", plan.step);
        assert!(!asks(&plan), "{what}");
        assert!(*expected != waiting.1 || claims_instance(&plan.status), "{what}");
    }
}

#[test]
fn only_the_token_of_this_restore_approves() {
    let waits = changed(|o| o.spec.consent = None);
    let asked = plan(&waits);
    let pending = asked.status.pending_approval.clone().unwrap();
    assert!(!claims_instance(&asked.status), "it holds nothing while it waits for a person");
    let with = |token: Option<&str>, pending: &PendingApproval| {
        let status = DcsRestoreStatus { pending_approval: Some(pending.clone()), ..asked.status.clone() };
        plan(&Observed { status, approval_token: token.map(str::to_owned), ..waits.clone() })
    };
    assert!(asks(&with(Some(&pending.token), &pending)));
    for wrong in [None, Some("true"), Some("")] {
        assert!(!asks(&with(wrong, &pending)), "{wrong:?}");
    }
    // A forged request for approval, and the token of another backup.
    let forged = PendingApproval { token: "1".to_owned(), ..pending.clone() };
    assert!(!asks(&with(Some("1"), &forged)));
    let mut other = waits;
    other.status.pending_approval = Some(pending.clone());
    other.status.backup.as_mut().unwrap().id = "another".to_owned();
    other.approval_token = Some(pending.token);
    assert!(!asks(&plan(&other)));
}

#[test]
fn the_newest_backup_by_then_is_chosen_once() {
    let unchosen = |at: i64| {
        changed(|o| {
            o.status.backup = None;
            let at = time::to_kube(wall() - TimeDelta::hours(1) + TimeDelta::minutes(at));
            o.spec.source = RestoreSource { latest_before: Some(at), ..RestoreSource::default() };
            let failed = BackupRecord { status: Some(BackupStatus::Failed), ..backup_record("c", 3) };
            let records = [backup_record("a", 1), failed, backup_record("b", 2), backup_record("d", 4)];
            with_records(o, &records);
        })
    };
    for (at, expected) in [(0, None), (1, Some("a")), (2, Some("b")), (3, Some("b")), (900, Some("d"))] {
        let plan = plan(&unchosen(at));
        let chosen = plan.status.backup.as_ref().map(|backup| backup.id.as_str());
        assert_eq!(chosen, expected, "{at}");
        assert!(!asks(&plan), "the status says first what was chosen");
        assert_eq!(expected.is_none(), condition(&plan, "Stalled") == "True/ReferenceNotFound", "{at}");
    }
    // An edit of the source chooses again, whatever was published in between. A status that names another backup does not count.
    let edited = changed(|o| o.spec.source.backup_id = Some("another".to_owned()));
    let refused = plan(&edited);
    assert!(!asks(&refused) && condition(&refused, "Stalled") == "True/ReferenceNotFound");
    let moved = plan(&changed(|o| o.status.instance.as_mut().unwrap().id = Some("another".to_owned())));
    assert!(!asks(&moved) && moved.status.instance.unwrap().id.as_deref() == Some(INSTANCE));
    let forged = plan(&changed(|o| {
        o.status.backup.as_mut().unwrap().id = "another".to_owned();
        with_records(o, &[backup_record(BACKUP, 0), backup_record("another", 1)]);
    }));
    assert!(!asks(&forged));
    assert_eq!(forged.status.backup.map(|backup| backup.id).as_deref(), Some(BACKUP));
}

fn before(o: &Observed) -> BackupObject {
    BackupObject {
        name: before_name(&o.subject.name, &o.subject.uid),
        instance_name: "sessions".to_owned(),
        restore: Some("undo".to_owned()),
        ready: ("Running".to_owned(), "why".to_owned()),
        id: Some("before".to_owned()),
        ..BackupObject::default()
    }
}

/// It was made so many minutes ago.
fn made_at<const MINUTES: i64>(backup: &mut BackupObject) {
    (backup.outcome, backup.restorable) = (Some(JobOutcome::Succeeded), true);
    backup.completed = Some(wall() - TimeDelta::minutes(MINUTES));
}

#[test]
fn the_backup_before_comes_first() {
    let first = |backup: Option<fn(&mut BackupObject)>| {
        changed(|o| {
            o.spec.backup_first = None;
            o.status.started_at = Some(time::to_kube(wall()));
            if let Some(change) = backup {
                let mut backup = before(o);
                change(&mut backup);
                o.backups.push(backup);
                with_records(o, &[backup_record(BACKUP, 0), backup_record("before", 1)]);
            }
        })
    };
    let made = plan(&first(None));
    let Step::Prepare(KubeAction::CreateBackup(backup)) = &made.step else { panic!("{:?}", made.step) };
    assert_eq!(backup.metadata.name.as_deref(), Some("undo-before-961a292c"));
    assert_eq!(backup.spec.start_before, first(None).spec.consent.map(|consent| consent.not_after));
    assert!(backup.metadata.owner_references.is_none());
    type Change = fn(&mut BackupObject);
    let rows: [(Change, Option<&str>); 11] = [
        (|_| {}, Some("True/WaitingForBackup")),
        (made_at::<0>, None),
        (made_at::<31>, Some("True/BackupFirstFailed")),
        (|b| b.adopts = true, Some("True/BackupFirstFailed")),
        (|b| b.ready.0 = "NotServing".to_owned(), Some("True/NotServing")),
        (|b| b.outcome = Some(JobOutcome::Succeeded), Some("True/BackupFirstFailed")),
        (|b| b.outcome = Some(JobOutcome::Failed), Some("True/BackupFirstFailed")),
        (|b| b.deleting = true, Some("True/BackupFirstFailed")),
        (|b| b.restore = None, Some("True/BackupFirstFailed")),
        (|b| b.instance_name = "orders".to_owned(), Some("True/BackupFirstFailed")),
        (
            |b| (b.stalled, b.ready.0) = (true, "BackupLimitReached".to_owned()),
            Some("True/BackupLimitReached"),
        ),
    ];
    for (n, (change, expected)) in rows.into_iter().enumerate() {
        let plan = plan(&first(Some(change)));
        assert_eq!(asks(&plan), expected.is_none(), "{n}");
        let said = ["Reconciling", "Failed", "Stalled"].map(|type_| condition(&plan, type_));
        assert!(expected.is_none_or(|expected| said.iter().any(|said| said == expected)), "{n}: {said:?}");
    }
    let refused = Observed { refusal: Some("exceeded quota".to_owned()), ..first(None) };
    assert_eq!(condition(&plan(&refused), "Stalled"), "True/BackupRefused");
    // Another backup would push the source out.
    let full = Observed {
        settings: PlannerSettings { backup_limit: NonZeroU32::new(1), ..PlannerSettings::default() },
        ..first(None)
    };
    assert_eq!(condition(&plan(&full), "Failed"), "True/BackupLimitReached");
}
