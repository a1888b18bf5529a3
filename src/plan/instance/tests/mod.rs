//! Tests of the planner: single situations, and properties of all of them.

mod adopt_observe;
mod backups;
mod binding;
mod create;
mod delete;
mod existing;
pub(super) mod fixtures;
mod holder;
mod hostile;
mod properties;
mod reclaim;
mod repeats;
mod rotation;
mod world;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    binding::BindingState,
    lists::{AccountLists, ListTimes},
    local::{LocalState, RefusedWrite, WritePurpose},
    observed::{
        Blocker, CredentialsSource, Detail, InstanceSnapshot, LookupResults, Now, PasswordState,
        PlannerSettings, ResolvedAccount, Subject,
    },
    secrets::{PasswordFacts, Record, RecordState, SecretNotes, Source},
    *,
};
use crate::{
    api::{
        DcsInstanceStatus, Reason,
        instance::{Applied, CloudAccount, DcsInstanceSpec, Holder, OperationStatus, RepeatedChange},
        time,
        words::{OperationOutcome, OperationType},
    },
    dcs::model::{Capacity, CpuType, Flavor, InstanceFacts, InstanceStatus, Tag},
    formats::{Origin, OwnerHash, OwnershipTags, cloud_name},
    inventory::demand::Demand,
    plan::{
        Definition,
        claims::{Claim, Urgency},
        schedule::RequeuePolicy,
    },
};

const UID: &str = "961a292c-7592-4cf3-bb88-a695b53b2dc3";
const ID: &str = "4a9c5f0e-1b2c-4d3e-8f90-0123456789ab";
const OTHER: &str = "00000000-1b2c-4d3e-8f90-0123456789ab";
const VPC: &str = "11111111-1b2c-4d3e-8f90-0123456789ab";
const SUBNET: &str = "22222222-1b2c-4d3e-8f90-0123456789ab";
const WALL: i64 = 1_800_000_000;
const FINE: &str = "False/AsExpected";
const IN_SYNC: [&str; 4] = ["True/Available", "True/InSync", FINE, FINE];
const CREATING: [&str; 4] = ["False/Creating", "False/Applying", "True/Creating", FINE];
const CHANGING: [&str; 4] = ["True/Available", "False/Applying", "True/Applying", FINE];
const DELETING: [&str; 4] = ["False/Deleting", "False/Deleting", "True/Deleting", FINE];

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn resync_interval() -> u64 {
    RequeuePolicy::default().resync_interval(UID).as_secs()
}

fn wall(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn owner() -> OwnerHash {
    OwnerHash::new("cluster", "shop", "sessions")
}

fn account(project: &str) -> CloudAccount {
    CloudAccount {
        region: Some("cn-north-4".to_owned()),
        project_id: Some(project.to_owned()),
        endpoint: Some("https://dcs.example".to_owned()),
    }
}

fn blocker(reason: Reason) -> Blocker {
    Blocker { reason, message: "the lookup failed".to_owned() }
}

/// A minimal valid spec with a network, extended by `more`; null removes a field.
fn spec(more: Value) -> DcsInstanceSpec {
    let mut fields = json!({"network": {"vpcId": VPC, "subnetId": SUBNET}});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fixtures::spec(fields)
}

/// An object with the spec of [`spec`], at 1,000 s. The account was listed twice since the object was first seen, and
/// has no instance of it.
fn observed(more: Value) -> Observed {
    let spec = spec(more);
    Observed {
        subject: Subject {
            namespace: "shop".to_owned(),
            name: "sessions".to_owned(),
            uid: UID.to_owned(),
            owner: owner(),
            generation: 1,
            deleting: false,
            finalizer: true,
            retry_token: None,
            guard: None,
        },
        policies: Policies::of(&spec),
        desired: Desired::parse(&spec),
        status: DcsInstanceStatus::default(),
        account: Ok(ResolvedAccount {
            account: account("p1"),
            credentials_hash: "credentials-1".to_owned(),
            defaults: Defaults::default(),
            source: CredentialsSource::Namespace {
                secret: "dcs-credentials".to_owned(),
                in_use: true,
                deleting: false,
            },
        }),
        claims: Some(Vec::new()),
        notes: Default::default(),
        lists: Some(listed_at(945, 950)),
        backups: None,
        // The tests in `binding` cover the binding Secret.
        lookups: lookups(),
        local: LocalState { first_seen: s(900), finalizer_added: true, ..LocalState::default() },
        now: Now { wall: wall(WALL), monotonic: s(1000) },
        settings: PlannerSettings { process: "p-1".to_owned(), ..PlannerSettings::default() },
    }
}

/// The lookups of a record, of a current binding Secret and of a complete definition, and no other.
fn lookups() -> LookupResults {
    LookupResults {
        binding: Some(Ok(BindingState::Current)),
        record: Some(Ok(PasswordFacts { record: RecordState::Present(record()), chosen: None })),
        definition: Some(Ok(Definition::Complete)),
        pins: Some(Ok(Vec::new())),
        ..LookupResults::default()
    }
}

/// A record with a generated password.
fn record() -> Record {
    let notes = SecretNotes {
        version: "record/5".to_owned(),
        instance: Some("sessions".to_owned()),
        source: Some(Source::Generated),
        ..SecretNotes::default()
    };
    Record { notes, has_password: true, repeats: false, uncertain: false, restorable: false }
}

/// Complete lists of instances and failed creations, with these starts.
fn listed_at(before: u64, latest: u64) -> AccountLists {
    AccountLists {
        joined: s(900),
        latest: Some(ListTimes { begun: s(latest), finished: s(latest + 1) }),
        before: Some(s(before)),
        failed_latest: Some(s(latest)),
        failed_before: Some(s(before)),
        ..AccountLists::default()
    }
}

fn owner_tags(origin: Origin) -> Vec<(String, String)> {
    owner_tags_of(UID, &owner(), origin)
}

fn owner_tags_of(uid: &str, owner: &OwnerHash, origin: Origin) -> Vec<(String, String)> {
    let tags = OwnershipTags::new(uid, owner, origin);
    tags.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
}

/// A running instance that matches the spec of [`observed`].
fn instance(id: &str, tags: Vec<(String, String)>) -> InstanceFacts {
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value: Some(value) }).collect();
    InstanceFacts {
        id: id.to_owned(),
        capacity: Some(Capacity::from_mib(4096)),
        tags,
        name: Some("sessions".to_owned()),
        status: Some(InstanceStatus::Running),
        engine_version: Some("6.0".to_owned()),
        spec_code: Some("redis.ha.xu1.large.r2.4".to_owned()),
        cpu_type: Some(CpuType::X86_64),
        ip: Some("192.168.0.9".to_owned()),
        port: Some(6379),
        no_password_access: Some(false),
        vpc_id: Some(VPC.to_owned()),
        subnet_id: Some(SUBNET.to_owned()),
        charging_mode: Some(0),
        ..InstanceFacts::default()
    }
}

/// An instance that the operator created for the object.
fn ours(id: &str) -> InstanceFacts {
    instance(id, owner_tags(Origin::Created))
}

fn adopted(id: &str) -> InstanceFacts {
    instance(id, owner_tags(Origin::Adopted))
}

fn with_status(word: &str, facts: InstanceFacts) -> InstanceFacts {
    InstanceFacts { status: Some(InstanceStatus::from(word)), ..facts }
}

fn snapshot(facts: InstanceFacts) -> InstanceSnapshot {
    InstanceSnapshot {
        facts,
        task: None,
        cache_mode: Some("ha".to_owned()),
        replicas: Some(2),
        shards: None,
        zones: vec!["z-a".to_owned(), "z-b".to_owned()],
    }
}

fn found(facts: InstanceFacts) -> Option<(String, Detail)> {
    Some((facts.id.clone(), Detail::Found(Box::new(snapshot(facts)))))
}

/// The result of a read of the instance [`ID`].
fn read(detail: Detail) -> Option<(String, Detail)> {
    Some((ID.to_owned(), detail))
}

/// Sets the instances of the newest list.
fn list(o: &mut Observed, all: &[InstanceFacts]) {
    let known_id = o.known_id().map(str::to_owned);
    let known = all.iter().find(|facts| Some(&facts.id) == known_id.as_ref());
    let known = known.map(|facts| Arc::new(facts.clone()));
    let lists = o.lists.as_mut().unwrap();
    let at = lists.latest.map(|latest| latest.finished);
    lists.known_at = at.filter(|_| known.is_some());
    if let (Some(known), Some(at)) = (&known, at) {
        o.local.last_seen = Some((known.id.clone(), at));
    }
    lists.known = known;
    let is_marked = |facts: &&InstanceFacts| {
        facts.tags().any(|(key, value)| {
            (key, value) == ("dcs-operator-uid", UID)
                || ["dcs-operator-owner", "dcs-operator-released"].contains(&key) && value == owner().as_str()
        })
    };
    lists.marked = all.iter().filter(is_marked).map(|facts| Arc::new(facts.clone())).collect();
    let name = cloud_name("shop", "sessions", &owner());
    let named = all.iter().filter(|facts| !is_marked(facts) && facts.name.as_ref() == Some(&name));
    lists.named = named.map(|facts| Arc::new(facts.clone())).collect();
}

/// An object that is in sync with the instance `facts`, with its status written.
fn in_sync(more: Value, facts: InstanceFacts) -> Observed {
    let mut o = observed(more);
    o.status.id = Some(facts.id.clone());
    o.lookups.detail = found(facts.clone());
    list(&mut o, std::slice::from_ref(&facts));
    o.status = plan(&o).status;
    o.lookups = lookups();
    o
}

/// The same object with another spec, at the next generation.
fn edited(o: Observed, more: Value) -> Observed {
    let spec = spec(more);
    let subject = Subject { generation: o.subject.generation + 1, ..o.subject };
    Observed { policies: Policies::of(&spec), desired: Desired::parse(&spec), subject, ..o }
}

/// An attempt of this process, recorded 10 s ago.
fn attempt(type_: OperationType, outcome: Option<OperationOutcome>) -> OperationStatus {
    OperationStatus {
        type_,
        holder: Holder { kind: "DcsInstance".to_owned(), name: "sessions".to_owned(), uid: UID.to_owned() },
        started_at: time::to_kube(wall(WALL - 10)),
        attempt: 1,
        failures: None,
        generation: Some(1),
        attempted_at: Some(time::to_kube(wall(WALL - 10))),
        process: Some("p-1".to_owned()),
        window_seconds: Some(80),
        account: Some(account("p1")),
        credentials_hash: Some("credentials-1".to_owned()),
        changes: Vec::new(),
        outcome,
        reason: None,
        message: None,
        password: None,
        instance_id: None,
        job_id: None,
        task_id: None,
    }
}

fn refused(type_: OperationType, reason: Reason) -> OperationStatus {
    OperationStatus {
        reason: Some(reason.as_str().to_owned()),
        message: Some("DCS rejected the request".to_owned()),
        ..attempt(type_, Some(OperationOutcome::Refused))
    }
}

/// One flavor, available in these zones.
fn flavors(zones: &[&str]) -> Arc<[Flavor]> {
    let flavor = json!({
        "spec_code": "redis.ha.xu1.large.r2.4", "cache_mode": "ha", "engine": "redis", "engine_version": "6.0",
        "cpu_type": "x86_64", "product_type": "generic", "capacity": ["4"], "replica_count": 2, "attrs": [],
        "flavors_available_zones": [{"capacity": "4", "unit": "GB", "available_zones": [], "az_codes": zones}],
    });
    vec![serde_json::from_value(flavor).unwrap()].into()
}

/// The record of the password of the instance `id`.
fn record_of(id: &str) -> SecretNotes {
    SecretNotes { instance_id: Some(id.to_owned()), ..SecretNotes::default() }
}

/// Adds the lookups that a create request needs.
fn with_lookups(o: &mut Observed) {
    o.lookups.flavors = Some(Ok(flavors(&["z-a", "z-b"])));
    o.lookups.password = Some(Ok(PasswordState::Ready));
}

/// Status and reason of Ready, Synced, Reconciling and Stalled, such as `True/Available`.
fn values(status: &DcsInstanceStatus) -> [String; 4] {
    ["Ready", "Synced", "Reconciling", "Stalled"].map(|type_| {
        let condition = status.conditions.iter().find(|condition| condition.type_ == type_).unwrap();
        format!("{}/{}", condition.status, condition.reason)
    })
}

fn step_of(plan: &Plan) -> String {
    let step = match &plan.step {
        Step::Nothing => "nothing".to_owned(),
        Step::Lookup(Lookup::Detail { id }) => format!("read detail {id}"),
        Step::Lookup(Lookup::Candidate { id }) => format!("read candidate {id}"),
        Step::Lookup(Lookup::Definition) => "read definition".to_owned(),
        Step::Lookup(Lookup::Backups { .. }) => "list backups".to_owned(),
        Step::Lookup(Lookup::Pins { .. }) => "read pins".to_owned(),
        Step::Lookup(Lookup::Flavors) => "read flavors".to_owned(),
        Step::Lookup(Lookup::Windows) => "read windows".to_owned(),
        Step::Lookup(Lookup::Password(_)) => "read password".to_owned(),
        Step::Lookup(Lookup::Binding(_)) => "read binding".to_owned(),
        Step::AddFinalizer => "add finalizer".to_owned(),
        Step::RemoveFinalizer => "remove finalizer".to_owned(),
        Step::Lookup(Lookup::Record(_)) => "read record".to_owned(),
        Step::Prepare(KubeAction::WriteRecord(_)) => "write record".to_owned(),
        Step::Prepare(KubeAction::MoveRecord { id }) => format!("move record {id}"),
        Step::Prepare(KubeAction::MakeRecord { from, .. }) => format!("make record {from:?}"),
        Step::Prepare(KubeAction::RestoreRecord { .. }) => "restore record".to_owned(),
        Step::Prepare(KubeAction::NoteRecord { .. }) => "note record".to_owned(),
        Step::Prepare(KubeAction::BeginRotation { password, .. }) => format!("begin rotation {password:?}"),
        Step::Prepare(KubeAction::FinishRotation { .. }) => "finish rotation".to_owned(),
        Step::Prepare(KubeAction::DropPending { .. }) => "drop pending".to_owned(),
        Step::Prepare(KubeAction::KeepSecrets { .. }) => "keep Secrets".to_owned(),
        Step::Prepare(KubeAction::DeleteSecrets(names)) => format!("delete Secrets {}", names.join(",")),
        Step::CloudAction(CloudAction::ResetPassword { pending, .. }) => format!("reset password {pending}"),
        Step::Prepare(KubeAction::AddInUseFinalizer) => "add in-use finalizer".to_owned(),
        Step::Prepare(KubeAction::WriteBindingSecret(_)) => "write binding Secret".to_owned(),
        Step::Prepare(KubeAction::DeletePendingSecret) => "delete pending Secret".to_owned(),
        Step::CloudAction(CloudAction::Create(_)) => "create".to_owned(),
        Step::CloudAction(CloudAction::Adopt { id, change } | CloudAction::Release { id, change }) => {
            match change {
                OwnershipChange::SetMark(mark) => format!("adopt {id} as {}", mark.origin.as_str()),
                OwnershipChange::SetOwner(_) => format!("set owner {id}"),
                OwnershipChange::RemoveReleased => format!("remove released {id}"),
                OwnershipChange::RemoveUid => format!("remove uid {id}"),
                OwnershipChange::SetReleased(_) => format!("set released {id}"),
                OwnershipChange::RemoveOwner => format!("remove owner {id}"),
            }
        }
        Step::CloudAction(CloudAction::Delete { id, failed: None, .. }) => format!("delete {id}"),
        Step::CloudAction(CloudAction::Delete { id, failed: Some(_), .. }) => format!("delete record {id}"),
        Step::CloudAction(CloudAction::Update { id, .. }) => format!("update {id}"),
        Step::CloudAction(CloudAction::SetTags { id, tags }) => {
            format!("set tags {id} {}", tags.keys().cloned().collect::<Vec<_>>().join(","))
        }
        Step::CloudAction(CloudAction::RemoveTags { id, tags }) => {
            format!("remove tags {id} {}", tags.keys().cloned().collect::<Vec<_>>().join(","))
        }
    };
    if plan.publish { step } else { format!("{step}, without status write") }
}

/// A label for a demand.
fn demand_of(demand: Demand) -> &'static str {
    match (demand.active, demand.every_list, demand.failed_creations) {
        (false, false, false) => "idle",
        (true, false, false) => "active",
        (true, true, false) => "active, every list",
        (true, true, true) => "active, every list, failed creations",
        (false, true, false) => "every list",
        _ => "?",
    }
}

/// Plans, and compares step, conditions, demand and wait.
#[track_caller]
fn expect(o: &Observed, step: &str, conditions: [&str; 4], demand: &str, wait: u64) -> Plan {
    let plan = plan(o);
    let messages: Vec<_> =
        plan.status.conditions.iter().map(|c| format!("{}: {}", c.type_, c.message)).collect();
    assert_eq!(
        (step_of(&plan).as_str(), values(&plan.status), demand_of(plan.demand), plan.wait.as_secs()),
        (step, conditions.map(str::to_owned), demand, wait),
        "{messages:#?}"
    );
    plan
}

/// The conditions of a stalled object without an instance.
fn stalled(reason: &'static str) -> [String; 4] {
    let no = format!("False/{reason}");
    [no.clone(), no, FINE.to_owned(), format!("True/{reason}")]
}

#[track_caller]
fn expect_stalled(o: &Observed, reason: &'static str, demand: &str, wait: u64) -> Plan {
    let conditions = stalled(reason);
    expect(o, "nothing", conditions.each_ref().map(String::as_str), demand, wait)
}

/// The API server has refused a write to the Secrets as they are.
fn refuse(o: &mut Observed, purpose: WritePurpose, message: &str, at: Duration) {
    let versions = o.notes.versions();
    o.local.refusal = Some(RefusedWrite { purpose, message: message.to_owned(), at, versions });
}

/// In sync, then edited; the instance's detail was read.
fn edited_and_read(more: Value, facts: InstanceFacts) -> Observed {
    let mut o = edited(in_sync(json!({}), facts.clone()), more);
    o.lookups.detail = found(facts);
    o
}

/// Expects a stalled object whose instance serves.
#[track_caller]
fn expect_stalled_serving(o: &Observed, reason: &'static str, wait: u64) -> Plan {
    let [_, synced, reconciling, stalled] = stalled(reason);
    expect(o, "nothing", ["True/Available", &synced, &reconciling, &stalled], "idle", wait)
}

/// The claim of a backup that was made at this second.
fn claim(name: &str, second: i64) -> Claim {
    let holder =
        Holder { kind: "DcsBackup".to_owned(), name: name.to_owned(), uid: format!("uid-of-{name}") };
    Claim { holder, urgency: Urgency::Requested, since: wall(second) }
}
