//! Random states of an object and of the cloud.

use proptest::prelude::*;

use super::*;
use crate::{
    api::instance::{Applied, Resolved},
    dcs::model::BackupRecord,
    formats::UID_TAG,
    plan::{
        instance::observed::ListedBackups,
        instance::secrets::{ChosenState, Pending, Secrets},
        operation::Creation,
    },
};

const THIRD: &str = "33333333-1b2c-4d3e-8f90-0123456789ab";
const IDS: &[&str] = &[ID, OTHER, THIRD];
pub(super) const CANARY: &str = "canary-Pass-w0rd";

/// The number of cases of a property: `usual`, or thirty times as many (`make soak`).
pub(super) fn cases(usual: u32) -> u32 {
    if std::env::var_os("DCS_OPERATOR_SOAK").is_some() { usual * 30 } else { usual }
}

/// Choices from random bytes. Byte 0 selects the most ordinary value, so a failure shrinks to a readable case.
struct Dice<'a>(std::slice::Iter<'a, u8>);

// === impl Dice ===

impl Dice<'_> {
    fn roll(&mut self) -> usize {
        self.0.next().copied().unwrap_or_default().into()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll() % from.len()].clone()
    }

    /// True once in `times`.
    fn rarely(&mut self, times: usize) -> bool {
        self.roll() % times == times - 1
    }

    fn maybe<T: Clone>(&mut self, times: usize, from: &[T]) -> Option<T> {
        self.rarely(times).then(|| self.pick(from))
    }
}

/// The input before any lookup, and the results of all lookups of one reconcile.
#[derive(Debug, Clone)]
pub(super) struct World {
    o: Observed,
    details: Vec<(String, Detail)>,
    flavors: Result<Arc<[Flavor]>, Blocker>,
    password: Result<PasswordState, Blocker>,
    record: Result<PasswordFacts, Blocker>,
    binding: Result<BindingState, Blocker>,
    definition: Result<Definition, Blocker>,
    /// `None` if they cannot be listed.
    backups: Option<Arc<[BackupRecord]>>,
}

fn any_spec(dice: &mut Dice<'_>) -> Value {
    let mut spec = json!({});
    let fields = spec.as_object_mut().unwrap();
    let mut set = |dice: &mut Dice<'_>, times, field: &str, values: &[Value]| {
        if let Some(value) = dice.maybe(times, values) {
            fields.insert(field.to_owned(), value);
        }
    };
    set(dice, 3, "adopt", &[json!({"instanceId": ID}), json!({"instanceId": OTHER})]);
    set(dice, 5, "managementPolicy", &[json!("Observe")]);
    set(dice, 3, "deletionPolicy", &[json!("Delete"), json!("Retain")]);
    set(dice, 3, "onExternalDeletion", &[json!("Recreate")]);
    set(dice, 3, "reclaimPolicy", &[json!("Orphaned"), json!("None"), json!("Released")]);
    set(dice, 8, "paused", &[json!(true)]);
    set(dice, 16, "capacity", &[json!("8Gi"), json!("3"), json!(null)]);
    set(dice, 12, "engineVersion", &[json!("5.0")]);
    set(dice, 5, "name", &[json!("renamed")]);
    set(dice, 3, "tags", &[json!({"team": "shop"}), json!({})]);
    set(dice, 6, "auth", &[json!({"type": "None"}), json!({"type": "Generated"})]);
    set(dice, 8, "maintenanceWindow", &[json!({"begin": "18:00", "end": "19:00"})]);
    spec
}

fn any_instance(dice: &mut Dice<'_>, id: &str) -> InstanceFacts {
    let other_owner = OwnerHash::new("cluster", "shop", "another");
    let mut partial = owner_tags(Origin::Created);
    partial.pop();
    let mut released = owner_tags(Origin::Created);
    released.push(("dcs-operator-released".to_owned(), owner().as_str().to_owned()));
    let released_by_us = vec![released[2].clone(), released[3].clone()];
    let half_released = released[1..].to_vec();
    let released_early = vec![("dcs-operator-released".to_owned(), "an-earlier-uid".to_owned())];
    let tags = [
        owner_tags(Origin::Created),
        owner_tags(Origin::Adopted),
        owner_tags(Origin::Created),
        Vec::new(),
        partial,
        released,
        released_by_us,
        half_released,
        released_early,
        owner_tags_of("another-uid", &owner(), Origin::Created),
        owner_tags_of("another-uid", &other_owner, Origin::Created),
    ];
    let mut tags = dice.pick(&tags);
    tags.extend(dice.maybe(4, &[("team".to_owned(), "shop".to_owned())]));
    let mut facts = instance(id, tags);
    let statuses =
        ["RUNNING", "RUNNING", "CREATING", "CREATEFAILED", "DELETING", "RESTARTING", "EXTENDING", "ODD"];
    facts.status = Some(InstanceStatus::from(dice.pick(&statuses)));
    facts.charging_mode = Some(dice.pick(&[0, 0, 0, 0, 1]));
    let derived = cloud_name("shop", "sessions", &owner());
    facts.name = Some(dice.pick(&["sessions", "renamed", &derived]).to_owned());
    if dice.rarely(6) {
        facts.capacity = Some(Capacity::from_mib(8192));
    }
    facts
}

fn any_operation(dice: &mut Dice<'_>) -> OperationStatus {
    use OperationType as T;
    let types = [
        T::Create,
        T::Create,
        T::Adopt,
        T::Release,
        T::Delete,
        T::DeleteFailed,
        T::Update,
        T::UpdateTags,
        T::Other("Defragment".to_owned()),
    ];
    let type_ = dice.pick(&types);
    let outcomes = [
        None,
        None,
        Some(OperationOutcome::Accepted),
        Some(OperationOutcome::Refused),
        Some(OperationOutcome::Other("?".to_owned())),
    ];
    let reasons = [None, Some("QuotaExceeded"), Some("Throttled"), Some("NameTaken"), Some("UnknownReason")];
    OperationStatus {
        attempt: dice.pick(&[1, 2, 7, i32::MAX, 0]),
        failures: dice.pick(&[None, Some(1), Some(3), Some(-1)]),
        generation: dice.pick(&[Some(1), Some(2), None]),
        attempted_at: dice.pick(&[10, 1000, -500, 100_000].map(|ago| Some(time::to_kube(wall(WALL - ago))))),
        process: dice.pick(&[Some("p-1".to_owned()), Some("p-2".to_owned()), None]),
        window_seconds: dice.pick(&[Some(80), None, Some(600), Some(-1), Some(i32::MAX / 1_000_000)]),
        credentials_hash: dice.pick(&[Some("credentials-1".to_owned()), None]),
        reason: dice.pick(&reasons).map(str::to_owned),
        message: dice.pick(&[None, Some("DCS rejected the request".to_owned())]),
        instance_id: dice.pick(&[None, Some(ID), Some(OTHER)]).map(str::to_owned),
        ..attempt(type_, dice.pick(&outcomes))
    }
}

fn any_status(dice: &mut Dice<'_>) -> DcsInstanceStatus {
    let before = match dice.roll() % 4 {
        0 | 1 => DcsInstanceStatus::default(),
        2 => in_sync(json!({}), ours(ID)).status,
        _ => {
            let mut o = in_sync(json!({}), ours(ID));
            o.subject.deleting = true;
            o.account = Err(blocker(Reason::CredentialsMissing));
            plan(&o).status
        }
    };
    let resolved = |origin: &str| Resolved { origin: Some(origin.to_owned()), ..Resolved::default() };
    let id = dice.pick(&[before.id, None, Some(ID.to_owned()), Some(OTHER.to_owned())]);
    // An object without an instance was never ready.
    let conditions = if id.is_some() { before.conditions } else { Vec::new() };
    DcsInstanceStatus {
        id,
        conditions,
        account: if dice.rarely(12) { Some(account("p2")) } else { before.account },
        resolved: dice.pick(&[before.resolved, None, Some(resolved("Created")), Some(resolved("Unknown"))]),
        operation: if dice.rarely(2) { Some(any_operation(dice)) } else { None },
        recreations: dice.pick(&[None, Some(1), Some(3), Some(i32::MAX), Some(-1)]),
        applied: dice.pick(&[
            before.applied,
            Some(Applied { tag_keys: vec!["team".to_owned(), UID_TAG.to_owned()], ..Applied::default() }),
        ]),
        observed_generation: dice.pick(&[before.observed_generation, Some(1), Some(2)]),
        ..before
    }
}

fn any_record(dice: &mut Dice<'_>) -> Result<PasswordFacts, Blocker> {
    let notes = SecretNotes {
        instance_id: dice.pick(&[None, None, Some(ID), Some(OTHER)]).map(str::to_owned),
        source: dice.pick(&[Some(Source::Generated), Some(Source::Open), Some(Source::Found), None]),
        pending: dice.maybe(3, &[Pending { name: "p".to_owned(), source: Source::Generated }]),
        ..record().notes
    };
    let state = match dice.roll() % 8 {
        4 => RecordState::Foreign,
        5 => RecordState::Missing { found: false },
        6 => RecordState::Missing { found: true },
        7 => return Err(blocker(Reason::ClusterError)),
        _ => RecordState::Present(Record {
            notes,
            has_password: !dice.rarely(6),
            repeats: dice.rarely(4),
            uncertain: dice.rarely(4),
            restorable: dice.rarely(6),
        }),
    };
    let chosen = [ChosenState::Accepted, ChosenState::Other, ChosenState::Pending].map(Ok);
    let chosen = dice.maybe(3, &[&chosen[..], &[Err(blocker(Reason::SecretNotFound))]].concat());
    Ok(PasswordFacts { record: state, chosen })
}

/// What the watch shows, which may be older than what a lookup finds.
fn any_notes(dice: &mut Dice<'_>, found: &Result<PasswordFacts, Blocker>) -> Secrets {
    let record = match found {
        Ok(PasswordFacts { record: RecordState::Present(record), .. }) => Some(record.notes.clone()),
        _ => None,
    };
    Secrets {
        record: dice.pick(&[record.clone(), record, None]),
        legacy: dice.rarely(8),
        requested: dice.maybe(5, &["token".to_owned()]),
        ..Secrets::default()
    }
}

fn any_backups() -> Arc<[BackupRecord]> {
    let record =
        json!({"backup_id": "b-1", "status": "succeed", "is_support_restore": true, "backup_type": "auto"});
    [serde_json::from_value(record).unwrap()].into()
}

fn any_world(bytes: &[u8]) -> World {
    let dice = &mut Dice(bytes.iter());
    let mut o = observed(any_spec(dice));
    o.status = any_status(dice);
    o.subject.generation = dice.pick(&[1, 1, 2]);
    o.subject.deleting = dice.rarely(3);
    o.subject.finalizer = !dice.rarely(5);
    let account = o.account.clone().unwrap();
    let invalid = Defaults {
        vpc_id: Some(CANARY.to_owned()),
        subnet_id: Some(CANARY.to_owned()),
        availability_zones: dice.maybe(2, &[vec![CANARY.to_owned() + " "]]),
        cpu_type: dice.maybe(2, &[CANARY.to_owned()]),
    };
    o.account = match dice.roll() % 24 {
        22 => Err(blocker(Reason::CredentialsMissing)),
        23 => Err(blocker(Reason::CloudUnreachable)),
        21 => Ok(ResolvedAccount { defaults: invalid, ..account }),
        _ => Ok(account),
    };
    // The account has no instance, and the lists are new.
    let is_empty = dice.rarely(3);
    let times: &[u64] = if is_empty { &[999] } else { &[950, 985, 999, 945, 899, 100] };
    let time = |dice: &mut Dice<'_>| dice.pick(times);
    let mut lists = listed_at(time(dice), time(dice));
    if !is_empty {
        lists.failed_latest = dice.pick(&[Some(s(950)), Some(s(999)), None]);
        lists.failed_before = dice.pick(&[Some(s(945)), Some(s(990)), None]);
        lists.before = dice.pick(&[lists.before, None]);
    }
    lists.trouble = dice.maybe(6, &[blocker(Reason::CloudUnreachable), blocker(Reason::CredentialsInvalid)]);
    if dice.rarely(8) {
        lists.latest = None;
    }
    o.lists = Some(lists);
    let mut all = Vec::new();
    let mut details = Vec::new();
    for id in IDS {
        let facts = any_instance(dice, id);
        let exists = !dice.rarely(3);
        let is_listed = dice.roll() % 3 == if *id == ID { 0 } else { 1 };
        if is_listed && (!is_empty || dice.rarely(4)) {
            all.push(facts.clone());
        }
        details.push((
            (*id).to_owned(),
            match dice.roll() % 6 {
                0..=2 if exists => Detail::Found(Box::new(snapshot(facts))),
                3 => Detail::Found(Box::new(snapshot(any_instance(dice, id)))),
                4 => Detail::Failed(blocker(dice.pick(&[Reason::CloudUnreachable, Reason::Forbidden]))),
                _ => Detail::NotFound,
            },
        ));
    }
    for (_, detail) in &mut details {
        if let Detail::Found(snapshot) = detail {
            snapshot.task = dice.maybe(6, &["backup".to_owned()]);
        }
    }
    if o.lists.as_ref().is_some_and(|lists| lists.latest.is_some()) {
        list(&mut o, &all);
    }
    let failed: Vec<_> = dice
        .maybe(4, &[ID, OTHER])
        .map(|id| Arc::new(with_status("CREATEFAILED", ours(id))))
        .into_iter()
        .collect();
    if let Some(lists) = &mut o.lists {
        lists.failed = failed;
    }
    if dice.rarely(10) {
        o.lists = None;
    }
    o.local.first_seen = s(dice.pick(&[900, 0, 900, 990, 1000]));
    o.local.intent_seen = dice.pick(&[None, Some(s(990)), Some(s(901)), Some(s(100)), Some(s(1000))]);
    o.local.intent_seen = o.local.intent_seen.map(|seen| seen.max(o.local.first_seen));
    o.local.gone =
        dice.maybe(4, &[(ID.to_owned(), s(940)), (OTHER.to_owned(), s(100)), (ID.to_owned(), s(1000))]);
    if is_empty && dice.rarely(2) {
        let operation = if dice.rarely(2) { Some(any_operation(dice)) } else { None };
        o.status = DcsInstanceStatus { operation, ..DcsInstanceStatus::default() };
    } else if is_empty && dice.rarely(2) {
        o.status.id = Some(ID.to_owned());
        o.local.gone = Some((ID.to_owned(), s(940)));
    }
    o.local.failures = dice.pick(&[0, 1, 5, u32::MAX]);
    o.now.monotonic = s(dice.pick(&[1000, 1000, 1000, 1600, 1700, 9000]));
    let flavors = match dice.roll() % 6 {
        4 => Ok(flavors(&[])),
        5 => Err(blocker(Reason::CloudError)),
        _ => Ok(flavors(&["z-a", "z-b"])),
    };
    let password = match dice.roll() % 6 {
        4 => Ok(PasswordState::Missing),
        5 => Err(blocker(Reason::SecretNotFound)),
        _ => Ok(PasswordState::Ready),
    };
    let record = any_record(dice);
    o.notes = any_notes(dice, &record);
    let binding = match dice.roll() % 8 {
        4 => Ok(BindingState::Outdated),
        5 => Ok(BindingState::Foreign),
        7 => Err(blocker(Reason::ClusterError)),
        _ => Ok(BindingState::Current),
    };
    (o.lookups.binding, o.lookups.record) = (None, None);
    if dice.rarely(6) {
        let purpose = dice.pick(&[WritePurpose::Use, WritePurpose::Release, WritePurpose::Deletion]);
        refuse(&mut o, purpose, "exceeded quota", s(999));
    }
    o.local.finalizer_added = !dice.rarely(4);
    if dice.rarely(6) {
        let id = dice.pick(&[None, Some(ID), Some(OTHER)]).map(str::to_owned);
        o.local.creation = Some(Creation { begun: s(dice.pick(&[100, 900, 990])), id });
    }
    o.lookups.definition = None;
    let definition = match dice.roll() % 8 {
        5 => Ok(Definition::BeingDeleted),
        6 => Ok(Definition::Lacks(vec!["spec.deletionPolicy".to_owned()])),
        7 => Err(blocker(Reason::ClusterError)),
        _ => Ok(Definition::Complete),
    };
    if let Some(id) = dice.maybe(2, IDS) {
        o.notes.record = Some(record_of(id));
    }
    if dice.rarely(6) {
        o.status.holder = Some(claim("late", 20).holder);
    }
    o.claims = dice.pick(&[
        Some(vec![claim("late", 20), claim("first", 10)]),
        Some(Vec::new()),
        Some(Vec::new()),
        None,
    ]);
    o.subject.guard = dice.maybe(12, &["example.org/keep".to_owned()]);
    if let Some(lists) = &mut o.lists {
        lists.overlay_recent_reads(&o.local);
    }
    let backups = dice.maybe(2, &[any_backups(), Vec::new().into()]);
    World { o, details, flavors, password, record, binding, definition, backups }
}

pub(super) fn world() -> impl Strategy<Value = World> {
    proptest::collection::vec(any::<u8>(), 198).prop_map(|bytes| any_world(&bytes))
}

/// One reconcile, as the controller runs it: it performs up to six lookups that plans ask for. Returns every plan with
/// its input.
pub(super) fn reconcile(world: &World) -> Vec<(Observed, Plan)> {
    let mut o = world.o.clone();
    let mut plans = Vec::new();
    for _ in 0..=6 {
        let plan = plan(&o);
        let before = o.clone();
        let step = plan.step.clone();
        plans.push((before, plan));
        match step {
            Step::Lookup(Lookup::Detail { id }) => {
                let detail = world.details.iter().find(|(of, _)| *of == id).unwrap().1.clone();
                match &detail {
                    Detail::NotFound => {
                        (o.local.gone, o.local.seen) = (Some((id.clone(), o.now.monotonic)), None);
                    }
                    Detail::Found(snapshot) => {
                        let seen = Arc::new(snapshot.facts.clone());
                        (o.local.gone, o.local.seen) = (None, Some((seen, o.now.monotonic)));
                        o.local.last_seen = Some((id.clone(), o.now.monotonic));
                    }
                    Detail::Failed(_) => o.local.failures = o.local.failures.saturating_add(1),
                }
                o.lookups.detail = Some((id, detail));
                if let Some(lists) = &mut o.lists {
                    lists.overlay_recent_reads(&o.local);
                }
            }
            Step::Lookup(Lookup::Candidate { id }) => {
                let detail = world.details.iter().find(|(of, _)| *of == id).unwrap().1.clone();
                let tags = match &detail {
                    Detail::Found(snapshot) => Some(snapshot.facts.tags.clone()),
                    Detail::NotFound => Some(Vec::new()),
                    Detail::Failed(_) => None,
                };
                if let (Some(tags), Some(lists)) = (tags, &mut o.lists) {
                    o.local.keep_tags(lists.listed(&id), &tags, o.now.monotonic);
                    lists.overlay_tags(&o.local, o.now.monotonic, s(3600));
                }
                o.lookups.candidate = Some((id, detail));
            }
            Step::Lookup(Lookup::Definition) => o.lookups.definition = Some(world.definition.clone()),
            Step::Lookup(Lookup::Backups { id }) => {
                o.local.backups_asked = Some(o.now.monotonic);
                o.backups = world.backups.clone().map(|records| ListedBackups {
                    instance: id,
                    begun: o.now.monotonic,
                    records,
                });
            }
            Step::Lookup(Lookup::Pins { .. }) => o.lookups.pins = Some(Ok(Vec::new())),
            Step::Lookup(Lookup::Flavors) => o.lookups.flavors = Some(world.flavors.clone()),
            Step::Lookup(Lookup::Windows) => o.lookups.windows = Some(Ok(Vec::new().into())),
            Step::Lookup(Lookup::Record(_)) => o.lookups.record = Some(world.record.clone()),
            Step::Lookup(Lookup::Binding(_)) => o.lookups.binding = Some(world.binding.clone()),
            Step::Lookup(Lookup::Password(_)) => o.lookups.password = Some(world.password.clone()),
            _ => break,
        }
    }
    plans
}
