//! The record and the binding Secret: their lookups, their writes and the condition.

use super::*;
use crate::plan::instance::{
    binding::Content,
    local::Confirmed,
    secrets::{ChosenState, Pending},
};

/// In sync; the Secrets were not read yet, and the watch shows none.
fn unread() -> Observed {
    let mut o = in_sync(json!({}), ours(ID));
    o.status.binding = None;
    o.status.conditions.retain(|condition| condition.type_ != "BindingPublished");
    o.lookups = LookupResults::default();
    o
}

/// The same, where the lookups find this.
fn read(record: RecordState, binding: BindingState) -> Observed {
    let mut o = unread();
    o.lookups.record = Some(Ok(PasswordFacts { record, chosen: None }));
    o.lookups.binding = Some(Ok(binding));
    o
}

fn content() -> Content {
    Content { id: ID.to_owned(), host: "192.168.0.9".to_owned(), port: 6379, read_host: None, open: false }
}

/// The binding Secret notes that it was made from the record.
fn noted() -> Observed {
    let mut o = unread();
    o.notes.record = Some(record().notes);
    o.notes.binding = Some(SecretNotes {
        version: "binding/7".to_owned(),
        instance: Some("sessions".to_owned()),
        instance_id: Some(ID.to_owned()),
        record: Some("record/5".to_owned()),
        address: Some(content().address()),
        ..SecretNotes::default()
    });
    o
}

fn binding_of(plan: &Plan) -> String {
    let condition = plan.status.conditions.iter().find(|c| c.type_ == "BindingPublished").unwrap();
    let binding = plan.status.binding.as_ref().map_or("-", |binding| binding.name.as_str());
    format!("{}/{} {binding}", condition.status, condition.reason)
}

type Change = fn(&mut Observed);

/// A restart reads no Secret of an object at rest.
#[test]
fn notes_prove_that_the_secrets_are_current() {
    let plan_of = plan(&noted());
    assert_eq!(
        (step_of(&plan_of).as_str(), binding_of(&plan_of).as_str()),
        ("nothing", "True/Published sessions-redis")
    );
    let changes: [(&str, Change); 8] = [
        ("the record changed", |o| o.notes.record.as_mut().unwrap().version = "record/6".to_owned()),
        ("the record is gone", |o| o.notes.record = None),
        ("the binding Secret is gone", |o| o.notes.binding = None),
        ("the notes are gone", |o| o.notes.binding.as_mut().unwrap().record = None),
        ("the label is gone", |o| o.notes.binding.as_mut().unwrap().instance = None),
        ("it is about another instance", |o| {
            o.notes.binding.as_mut().unwrap().instance_id = Some(OTHER.to_owned());
        }),
        ("the address changed", |o| {
            o.notes.binding.as_mut().unwrap().address = Some("10.0.0.1:1".to_owned())
        }),
        ("an earlier version left a Secret", |o| o.notes.legacy = true),
    ];
    for (what, change) in changes {
        let mut o = noted();
        change(&mut o);
        assert_eq!(step_of(&plan(&o)), "read record", "{what}");
        // What was compared once is not read again.
        let version = |notes: &Option<SecretNotes>| notes.as_ref().map(|notes| notes.version.clone());
        if let (Some(record), Some(binding), false) =
            (version(&o.notes.record), version(&o.notes.binding), o.notes.legacy)
        {
            o.local.confirmed = Some(Confirmed { record, binding, content: content() });
            assert_eq!(step_of(&plan(&o)), "nothing", "{what}");
        }
    }
}

#[test]
fn what_the_lookups_find_decides_the_step() {
    let present = || RecordState::Present(record());
    let other = SecretNotes { instance_id: Some(OTHER.to_owned()), ..record().notes };
    let other = RecordState::Present(Record { notes: other, ..record() });
    let moved = format!("move record {OTHER}");
    let damaged = |has_password| RecordState::Present(Record { has_password, restorable: true, ..record() });
    for (record, state, step, expected, wait) in [
        (present(), BindingState::Current, "nothing", "True/Published sessions-redis", resync_interval()),
        (present(), BindingState::Outdated, "write binding Secret", "False/Applying -", resync_interval()),
        (damaged(true), BindingState::Outdated, "restore record", "False/Applying -", resync_interval()),
        (damaged(false), BindingState::Outdated, "restore record", "False/Applying -", resync_interval()),
        (
            RecordState::Missing { found: true },
            BindingState::Current,
            "make record Found",
            "False/Applying -",
            resync_interval(),
        ),
        (other, BindingState::Current, &moved, "False/Applying -", resync_interval()),
    ] {
        let o = read(record.clone(), state);
        let plan = plan(&o);
        assert_eq!(
            (step_of(&plan).as_str(), binding_of(&plan).as_str()),
            (step, expected),
            "{record:?} {state:?}"
        );
        assert_eq!(plan.wait.as_secs(), wait, "{record:?} {state:?}");
        assert_eq!(values(&plan.status), IN_SYNC.map(str::to_owned), "the other conditions do not change");
    }
}

#[test]
fn a_secret_that_only_the_user_can_make_possible_is_stalled() {
    let conflict = read(RecordState::Present(record()), BindingState::Foreign);
    let conflict = expect_stalled_serving(&conflict, "SecretConflict", 600);
    assert!(message_of(&conflict, "Stalled").contains("sessions-redis exists"));
    let conflict = read(RecordState::Foreign, BindingState::Current);
    let conflict = expect_stalled_serving(&conflict, "SecretConflict", 600);
    assert_eq!(binding_of(&conflict), "False/SecretConflict -");
    let message = message_of(&conflict, "Stalled");
    assert!(message.contains("put the label dcs.huaweicloud.com/instance=sessions on it"), "{message}");
    let lost = RecordState::Present(Record { has_password: false, ..record() });
    expect_stalled_serving(&read(lost, BindingState::Current), "PasswordLost", 600);
}

/// The binding Secret holds the accepted password, so no edited one is sent or published.
#[test]
fn a_damaged_record_is_restored_before_any_rotation() {
    let damaged = Record { restorable: true, ..record() };
    let mut o = read(RecordState::Present(damaged.clone()), BindingState::Current);
    let plan = plan(&o);
    assert_eq!(step_of(&plan), "restore record");
    let [warning] = &plan.warnings[..] else { panic!("{:?}", plan.warnings) };
    assert!(warning.message.contains("put back from Secret sessions-redis"), "{warning:?}");
    o.notes.requested = Some("again".to_owned());
    assert_eq!(step_of(&super::plan(&o)), "restore record");
    let pending = Some(Pending { name: "p".to_owned(), source: Source::Generated });
    let notes = SecretNotes { pending, ..damaged.notes.clone() };
    let rotating = RecordState::Present(Record { notes, ..damaged });
    assert_eq!(step_of(&super::plan(&read(rotating, BindingState::Current))), "restore record");
}

#[test]
fn a_lost_password_is_stalled_and_a_request_is_the_way_out() {
    let mut o = read(RecordState::Missing { found: false }, BindingState::Outdated);
    let lost = expect_stalled_serving(&o, "PasswordLost", 600);
    assert_eq!(binding_of(&lost), "False/PasswordLost -");
    assert!(message_of(&lost, "Stalled").contains("rotate-password"));
    o.notes.requested = Some("again".to_owned());
    assert_eq!(step_of(&plan(&o)), "begin rotation Generated");
    // A request that was served before the loss is no new one.
    o.status.applied = Some(Applied { rotate_password: Some("again".to_owned()), ..Applied::default() });
    expect_stalled_serving(&o, "PasswordLost", 600);
}

fn message_of(plan: &Plan, type_: &str) -> String {
    plan.status.conditions.iter().find(|condition| condition.type_ == type_).unwrap().message.clone()
}

#[test]
fn an_adopted_instance_needs_its_password_named() {
    let adopt = |more: Value| {
        let mut spec = json!({"adopt": {"instanceId": ID}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut o = in_sync(spec, adopted(ID));
        o.lookups.record =
            Some(Ok(PasswordFacts { record: RecordState::Missing { found: false }, chosen: None }));
        o
    };
    let unknown = plan(&adopt(json!({})));
    assert_eq!(
        (step_of(&unknown).as_str(), binding_of(&unknown).as_str()),
        ("nothing", "False/PasswordUnknown -")
    );
    assert_eq!(values(&unknown.status), IN_SYNC.map(str::to_owned), "nothing is wrong with the instance");
    let generated = plan(&adopt(json!({"auth": {"type": "Generated"}})));
    assert_eq!(binding_of(&generated), "False/PasswordUnknown -", "adopting resets no password");

    let mut o = adopt(json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}}));
    let chosen = Some(Ok(ChosenState::Other));
    o.lookups.record = Some(Ok(PasswordFacts { record: RecordState::Missing { found: false }, chosen }));
    assert_eq!(step_of(&plan(&o)), "make record Chosen");

    let open = InstanceFacts { no_password_access: Some(true), ..adopted(ID) };
    let mut o = in_sync(json!({"adopt": {"instanceId": ID}}), open);
    o.lookups.record =
        Some(Ok(PasswordFacts { record: RecordState::Missing { found: false }, chosen: None }));
    assert_eq!(step_of(&plan(&o)), "make record Open");
}

#[test]
fn nothing_is_published_before_the_instance_serves_or_during_deletion() {
    let mut o = unread();
    list(&mut o, &[with_status("RESTARTING", ours(ID))]);
    assert_eq!(
        (step_of(&plan(&o)).as_str(), binding_of(&plan(&o)).as_str()),
        ("nothing", "False/WaitingForEndpoint -")
    );
    o.status.conditions =
        plan(&read(RecordState::Present(record()), BindingState::Current)).status.conditions;
    assert_eq!(step_of(&plan(&o)), "read record", "a published Secret stays current");
    let mut o = noted();
    o.subject.deleting = true;
    assert!(step_of(&plan(&o)).starts_with("read detail"));
}

#[test]
fn a_rejected_secret_is_retried_after_a_delay() {
    let mut o = unread();
    refuse(&mut o, WritePurpose::Use, "exceeded quota: secrets=10", s(900));
    let refused = plan(&o);
    assert_eq!(
        (step_of(&refused).as_str(), binding_of(&refused).as_str()),
        ("nothing", "False/SecretRefused -")
    );
    expect_stalled_serving(&o, "SecretRefused", 500);
    refuse(&mut o, WritePurpose::Use, "exceeded quota: secrets=10", s(300));
    assert_eq!(step_of(&plan(&o)), "read record");
}

#[test]
fn a_refused_change_of_the_password_is_said_and_tried_again_once_the_secret_changes() {
    let mut o = noted();
    o.notes.requested = Some("again".to_owned());
    assert_eq!(step_of(&plan(&o)), "read record");
    refuse(&mut o, WritePurpose::Use, "field is immutable", s(900));
    let stalled = expect_stalled_serving(&o, "SecretRefused", 500);
    assert_eq!(binding_of(&stalled), "True/Published sessions-redis", "it holds the present password");
    assert!(message_of(&stalled, "Stalled").contains("field is immutable"));
    o.notes.record.as_mut().unwrap().version = "another/1".to_owned();
    assert_eq!(step_of(&plan(&o)), "read record");
    refuse(&mut o, WritePurpose::Release, "not allowed", s(900));
    assert_eq!(step_of(&plan(&o)), "read record", "another write was refused");
}

#[test]
fn no_operation_starts_with_credentials_that_can_be_deleted() {
    let credentials = |o: &mut Observed, in_use, deleting| {
        let secret = "dcs-credentials".to_owned();
        o.account.as_mut().unwrap().source = CredentialsSource::Namespace { secret, in_use, deleting };
    };
    let mut o = super::create::ready();
    assert_eq!(step_of(&plan(&o)), "create");
    credentials(&mut o, false, false);
    assert_eq!(step_of(&plan(&o)), "add in-use finalizer");
    refuse(&mut o, WritePurpose::Use, "not allowed", s(990));
    expect_stalled(&o, "SecretRefused", "idle", 590);
    o.local.refusal = None;
    credentials(&mut o, true, true);
    expect_stalled(&o, "CredentialsMissing", "idle", resync_interval());
    let mut o = in_sync(json!({}), ours(ID));
    credentials(&mut o, false, true);
    expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
}

#[test]
fn a_bare_id_needs_permission_with_the_operators_credentials() {
    let operator_credentials = |o: &mut Observed, trusted| {
        o.account.as_mut().unwrap().source = CredentialsSource::Operator { trusted };
    };
    let mut o = super::create::ready();
    operator_credentials(&mut o, false);
    expect_stalled(&o, "NotAllowed", "idle", resync_interval());
    operator_credentials(&mut o, true);
    assert_eq!(step_of(&plan(&o)), "create");

    for more in [json!({}), json!({"managementPolicy": "Observe"})] {
        let mut spec = json!({"adopt": {"instanceId": ID}, "network": null});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut o = observed(spec);
        o.subject.finalizer = more == json!({});
        list(&mut o, &[instance(ID, Vec::new())]);
        o.lookups.detail = found(instance(ID, Vec::new()));
        operator_credentials(&mut o, false);
        let refused = plan(&o);
        assert_eq!(step_of(&refused), "nothing", "{more}");
        assert_eq!(values(&refused.status)[3], "True/NotAllowed", "{more}");
        let allowed = vec![("dcs-operator-allow-namespace".to_owned(), "shop".to_owned())];
        list(&mut o, &[instance(ID, allowed.clone())]);
        o.lookups.detail = found(instance(ID, allowed));
        assert_ne!(values(&plan(&o).status)[3], "True/NotAllowed", "{more}");
    }
}
