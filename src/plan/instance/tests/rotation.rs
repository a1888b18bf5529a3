//! The password of an existing instance: when it is changed, and how an interrupted change goes on.

use super::*;
use crate::plan::instance::secrets::{ChosenState, Pending};

fn chosen_spec() -> Value {
    json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}})
}

fn chosen_source() -> Source {
    Source::Chosen { name: "mine".to_owned(), key: "password".to_owned(), version: "mine/1".to_owned() }
}

fn pending(source: Source) -> Option<Pending> {
    Some(Pending { name: "p".to_owned(), source })
}

/// In sync, with a record of these notes; the lookup finds the same, and this in the user's Secret.
fn with(spec: Value, notes: SecretNotes, chosen: Option<ChosenState>) -> Observed {
    let mut o = in_sync(spec, ours(ID));
    o.notes.record = Some(notes.clone());
    o.notes.chosen = Some("mine/1".to_owned());
    o.lookups.detail = found(ours(ID));
    let record = RecordState::Present(Record { notes, ..record() });
    o.lookups.record = Some(Ok(PasswordFacts { record, chosen: chosen.map(Ok) }));
    o
}

fn sourced(source: Source) -> SecretNotes {
    SecretNotes { source: Some(source), ..record().notes }
}

fn rotating(source: Source) -> SecretNotes {
    SecretNotes { pending: pending(source), ..record().notes }
}

/// An attempt to send the pending password.
fn sent(o: &mut Observed, attempts: i32, outcome: Option<OperationOutcome>, reason: Option<Reason>) {
    o.status.operation = Some(OperationStatus {
        attempt: attempts,
        password: Some("p".to_owned()),
        instance_id: Some(ID.to_owned()),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        message: reason.map(|_| "DCS.4019".to_owned()),
        ..attempt(OperationType::ResetPassword, outcome)
    });
    o.local.intent_seen = Some(s(990));
}

fn opened() -> InstanceFacts {
    InstanceFacts { no_password_access: Some(true), ..ours(ID) }
}

#[test]
fn nothing_is_read_while_the_notes_match_what_is_asked_for() {
    for (spec, source) in [
        (json!({}), Source::Generated),
        (json!({}), Source::Found),
        (json!({}), chosen_source()),
        (json!({"auth": {"type": "Generated"}}), Source::Generated),
        (json!({"auth": {"type": "Generated"}}), Source::Found),
        (chosen_spec(), chosen_source()),
    ] {
        let mut o = with(spec.clone(), sourced(source), None);
        o.lookups.record = Some(Err(blocker(Reason::ClusterError)));
        assert_eq!(values(&plan(&o).status), IN_SYNC.map(str::to_owned), "{spec}");
    }
}

#[test]
fn what_is_asked_for_decides_the_new_password() {
    let generated = json!({"auth": {"type": "Generated"}});
    let other = Some(ChosenState::Other);
    let later =
        Source::Chosen { name: "mine".to_owned(), key: "password".to_owned(), version: "mine/0".to_owned() };
    for (spec, source, chosen, step) in [
        (generated.clone(), chosen_source(), None, "begin rotation Generated"),
        (generated, Source::Open, None, "begin rotation Generated"),
        (chosen_spec(), Source::Generated, other, "begin rotation Chosen"),
        (chosen_spec(), Source::Open, other, "begin rotation Chosen"),
        (chosen_spec(), later.clone(), other, "begin rotation Chosen"),
        (chosen_spec(), Source::Generated, Some(ChosenState::Accepted), "note record"),
        (chosen_spec(), later, Some(ChosenState::Accepted), "nothing"),
    ] {
        let o = with(spec.clone(), sourced(source.clone()), chosen);
        assert_eq!(step_of(&plan(&o)), step, "{spec} {source}");
    }
}

#[test]
fn an_annotation_is_served_once() {
    let mut o = with(json!({}), record().notes, None);
    o.notes.requested = Some("one".to_owned());
    assert_eq!(step_of(&plan(&o)), "begin rotation Generated");
    let mut o = with(json!({}), SecretNotes { served: Some("one".to_owned()), ..record().notes }, None);
    o.notes.requested = Some("one".to_owned());
    expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
    o.notes.requested = Some("two".to_owned());
    assert_eq!(step_of(&plan(&o)), "begin rotation Generated");
    o.notes.requested = None;
    expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
}

#[test]
fn a_pending_password_is_sent_until_it_is_accepted() {
    let mut o = with(json!({}), rotating(Source::Generated), None);
    assert_eq!(step_of(&plan(&o)), "reset password p");
    let intent = plan(&o).intent.unwrap().operation.unwrap();
    assert_eq!(
        (intent.type_, intent.password.as_deref(), intent.attempt),
        (OperationType::ResetPassword, Some("p"), 1)
    );
    o.lookups.detail = None;
    assert_eq!(step_of(&plan(&o)), format!("read detail {ID}"), "the mark and the task are checked first");
    o.lookups.detail = found(ours(ID));
    if let Some((_, Detail::Found(snapshot))) = &mut o.lookups.detail {
        snapshot.task = Some("backup".to_owned());
    }
    assert_eq!(step_of(&plan(&o)), "nothing", "the instance is busy");
    o.lookups.detail = found(ours(ID));
    sent(&mut o, 1, None, None);
    assert_eq!(step_of(&plan(&o)), "nothing", "the outcome is not known yet");
    o.local.intent_seen = Some(s(900));
    assert_eq!(step_of(&plan(&o)), "reset password p", "the same is sent again");
    assert_eq!(plan(&o).intent.unwrap().operation.unwrap().attempt, 2);
    sent(&mut o, 1, Some(OperationOutcome::Accepted), None);
    assert_eq!(step_of(&plan(&o)), "finish rotation");
    sent(&mut o, 1, Some(OperationOutcome::Refused), Some(Reason::Throttled));
    assert_eq!(step_of(&plan(&o)), "reset password p", "its wait of 5 s is over");
}

#[test]
fn an_outcome_counts_for_the_password_that_was_sent() {
    let mut o = with(json!({}), rotating(Source::Generated), None);
    sent(&mut o, 3, Some(OperationOutcome::Accepted), None);
    o.status.operation.as_mut().unwrap().password = Some("earlier".to_owned());
    assert_eq!(step_of(&plan(&o)), "reset password p");
    assert_eq!(plan(&o).intent.unwrap().operation.unwrap().attempt, 1);
}

/// Some sites refuse the present password, so a repeated request may be refused because the first one was carried out.
#[test]
fn a_refused_repetition_makes_a_new_password_or_stalls() {
    let unfit = Some(Reason::PasswordInvalid);
    let refused = Some(OperationOutcome::Refused);
    let mut o = with(json!({}), rotating(Source::Generated), None);
    sent(&mut o, 2, refused.clone(), unfit);
    assert_eq!(step_of(&plan(&o)), "begin rotation Generated");
    sent(&mut o, 1, refused.clone(), unfit);
    expect_stalled_serving(&o, "PasswordInvalid", 590);

    let mut o = with(chosen_spec(), rotating(chosen_source()), Some(ChosenState::Pending));
    sent(&mut o, 2, refused.clone(), unfit);
    let stalled = expect_stalled_serving(&o, "PasswordInvalid", 1190);
    let stalled = stalled.status.conditions.iter().find(|c| c.type_ == "Stalled").unwrap().message.clone();
    assert!(stalled.contains("keeps both passwords"), "{stalled}");
    // Another choice of the user settles it.
    let mut o = with(chosen_spec(), rotating(chosen_source()), Some(ChosenState::Other));
    sent(&mut o, 2, refused.clone(), unfit);
    assert_eq!(step_of(&plan(&o)), "begin rotation Chosen");
    // So does the former one: it has to be sent, unless the new one was never set.
    let mut o = with(chosen_spec(), rotating(chosen_source()), Some(ChosenState::Accepted));
    sent(&mut o, 2, refused.clone(), unfit);
    assert_eq!(step_of(&plan(&o)), "begin rotation Accepted");
    sent(&mut o, 1, refused.clone(), unfit);
    assert_eq!(step_of(&plan(&o)), "drop pending");
    // A password that was pending before may be set.
    let mut o = with(chosen_spec(), rotating(chosen_source()), Some(ChosenState::Accepted));
    if let Some(Ok(PasswordFacts { record: RecordState::Present(record), .. })) = &mut o.lookups.record {
        record.uncertain = true;
    }
    assert_eq!(step_of(&plan(&o)), "begin rotation Accepted");
    // The accepted password is refused for being the present one.
    let mut o = with(chosen_spec(), rotating(chosen_source()), Some(ChosenState::Pending));
    if let Some(Ok(PasswordFacts { record: RecordState::Present(record), .. })) = &mut o.lookups.record {
        record.repeats = true;
    }
    sent(&mut o, 1, refused, unfit);
    assert_eq!(step_of(&plan(&o)), "finish rotation");
}

#[test]
fn quick_changes_end_at_the_last_one() {
    let mut o = with(chosen_spec(), rotating(chosen_source()), Some(ChosenState::Other));
    assert_eq!(step_of(&plan(&o)), "begin rotation Chosen", "the pending one was never sent");
    sent(&mut o, 1, None, None);
    assert_eq!(step_of(&plan(&o)), "nothing", "it may be set at any moment");
    o.local.intent_seen = Some(s(900));
    assert_eq!(step_of(&plan(&o)), "reset password p", "its outcome is found out first");
    sent(&mut o, 2, Some(OperationOutcome::Accepted), None);
    assert_eq!(step_of(&plan(&o)), "finish rotation");
    let o = with(chosen_spec(), rotating(chosen_source()), Some(ChosenState::Accepted));
    assert_eq!(step_of(&plan(&o)), "drop pending", "changed back before anything was sent");
}

#[test]
fn a_missing_or_unfit_choice_stalls_and_other_changes_go_on() {
    for reason in [Reason::SecretNotFound, Reason::PasswordInvalid] {
        let mut spec = chosen_spec();
        let mut o = with(spec.clone(), record().notes, None);
        let record = RecordState::Present(record());
        o.lookups.record = Some(Ok(PasswordFacts { record, chosen: Some(Err(blocker(reason))) }));
        expect_stalled_serving(&o, reason.as_str(), 600);
        spec["description"] = json!("carts");
        let o = edited(o, spec);
        assert_eq!(step_of(&plan(&o)), format!("update {ID}"));
    }
}

#[test]
fn a_password_that_was_removed_in_the_console_is_reported_and_put_back_when_asked() {
    let opened = |o: &mut Observed| {
        list(o, &[opened()]);
        o.lookups.detail = found(self::opened());
    };
    for auth in [json!({}), json!({"auth": {"type": "Generated"}})] {
        let mut o = with(auth.clone(), record().notes, None);
        opened(&mut o);
        let drift = ["True/Available", "False/DriftDetected", FINE, FINE];
        let plan_of = expect(&o, "nothing", drift, "idle", resync_interval());
        let change = &plan_of.status.pending_changes[0];
        assert_eq!((change.from.as_deref(), change.to.as_deref()), (Some("None"), Some("Generated")));
        let mut spec = auth.clone();
        spec["description"] = json!("carts");
        assert_eq!(step_of(&plan(&edited(o.clone(), spec))), "begin rotation Accepted", "the spec changed");
        o.notes.requested = Some("again".to_owned());
        assert_eq!(step_of(&plan(&o)), "begin rotation Generated", "the user asks for a new one");
    }
    // Declared open: nothing to report.
    let mut o = with(json!({"auth": {"type": "None"}}), record().notes, None);
    opened(&mut o);
    expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
}

#[test]
fn a_password_takes_effect_once_the_instance_shows_that_it_is_not_open() {
    let notes = SecretNotes { pending: pending(Source::Generated), ..sourced(Source::Open) };
    let mut o = with(json!({"auth": {"type": "Generated"}}), notes, None);
    sent(&mut o, 1, Some(OperationOutcome::Accepted), None);
    o.lookups.detail = None;
    assert_eq!(step_of(&plan(&o)), format!("read detail {ID}"));
    o.lookups.detail = found(opened());
    let waiting = plan(&o);
    assert_eq!(
        (step_of(&waiting).as_str(), values(&waiting.status)),
        ("nothing", CHANGING.map(str::to_owned))
    );
    o.lookups.detail = found(ours(ID));
    assert_eq!(step_of(&plan(&o)), "finish rotation");
}

#[test]
fn a_password_is_not_removed() {
    let o = with(json!({"auth": {"type": "None"}}), record().notes, None);
    let refused = expect_stalled_serving(&o, "UnsupportedChange", resync_interval());
    assert_eq!(refused.status.pending_changes[0].to.as_deref(), Some("None"));
}

/// While it is not known which password DCS has, the Secret may hold the wrong one.
#[test]
fn an_unanswered_password_is_said_and_sent_again_soon() {
    let mut o = with(json!({}), rotating(Source::Generated), None);
    let binding = |o: &Observed| {
        let conditions = plan(o).status.conditions;
        let found = conditions.into_iter().find(|condition| condition.type_ == "BindingPublished").unwrap();
        (found.status, found.reason)
    };
    let published = ("True".to_owned(), "Published".to_owned());
    assert_eq!(binding(&o), published);
    sent(&mut o, 1, None, None);
    o.status.operation.as_mut().unwrap().window_seconds = None;
    assert_eq!(binding(&o), ("False".to_owned(), "Applying".to_owned()));
    // No list shows the outcome, so none is waited for: 5 s to send it, 15 s for the answer, and as long again.
    for (seen, step) in [(966, "nothing"), (965, "reset password p")] {
        o.local.intent_seen = Some(s(seen));
        assert_eq!(step_of(&plan(&o)), step, "first seen {} s ago", 1000 - seen);
    }
}
