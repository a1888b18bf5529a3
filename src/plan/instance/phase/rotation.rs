//! The password of an existing instance: one that the spec, the user's Secret or an annotation asks for is put into the
//! record as pending, sent until the cloud has accepted it, and is the accepted one from then on.

use std::time::Duration;

use crate::{
    api::{
        Reason,
        instance::{OperationStatus, PendingChange},
        words::{Impact, OperationOutcome, OperationType},
    },
    dcs::model::InstanceFacts,
    formats::Origin,
    plan::{
        blocker::retry_class,
        conditions::Situation,
        instance::{
            action::{CloudAction, KubeAction, Lookup, RecordLookup, Step},
            decision::Decision,
            input::{
                AuthSpec, Desired, Observed,
                local::WritePurpose,
                ownership::{Ownership, ownership_of},
                secrets::{
                    ChosenState, NewPassword, PasswordFacts, Pending, Record, RecordState, SecretNotes,
                    Source,
                },
            },
            intent,
            locate::Sighting,
            status::binding_content,
        },
        schedule::RetryClass,
    },
};

/// What the password needs.
#[derive(Debug)]
pub(super) enum Rotation {
    /// Nothing.
    Nothing,
    /// This, before anything else.
    Due(Decision),
    /// A person. Other differences are resolved first.
    Blocked(Decision),
}

/// Decides about the password of an instance that serves.
pub(super) fn decide(o: &Observed, desired: &Desired, seen: Sighting<'_>) -> Rotation {
    let rotation = Planner { o, desired, seen };
    if let Some(blocked) = rotation.removal() {
        return Rotation::Blocked(blocked);
    }
    if !rotation.is_due() {
        return Rotation::Nothing;
    }
    if let Some((message, rest)) = o.refused(WritePurpose::Use) {
        return Rotation::Blocked(rotation.blocked(Reason::SecretRefused, message).wait(rest));
    }
    let facts = match &o.lookups.record {
        None => {
            let lookup = Lookup::Record(record_lookup(o, desired, seen.facts));
            let message = "the operator reads the record of the password";
            return Rotation::Due(rotation.changing(message).step(Step::Lookup(lookup)));
        }
        Some(Err(blocker)) => return Rotation::Blocked(rotation.seen(Decision::lookup_failed(o, blocker))),
        Some(Ok(facts)) => facts,
    };
    match &facts.record {
        // The operation stays until the record is made again: what was sent was lost with it.
        RecordState::Missing { found: true } if rotation.is_reset_open() => {
            Rotation::Due(rotation.changing("the record of the password is made again"))
        }
        // The record is made, moved or restored with the binding.
        RecordState::Foreign | RecordState::Missing { found: true } => Rotation::Nothing,
        RecordState::Missing { found: false } => rotation.without_record(),
        RecordState::Present(record)
            if record.restorable || record.notes.is_about_another(&seen.facts.id) =>
        {
            Rotation::Nothing
        }
        RecordState::Present(record) => match &record.notes.pending {
            Some(pending) => rotation.settle(facts, record, pending),
            None => rotation.begin(facts, record),
        },
    }
}

/// The password is to be changed, or may be: by a request, another source, or drift.
pub(super) fn is_due(o: &Observed, desired: &Desired, seen: Sighting<'_>) -> bool {
    o.notes.record.is_some() && Planner { o, desired, seen }.is_due()
}

/// The lookup of the password of the instance.
fn record_lookup(o: &Observed, desired: &Desired, facts: &InstanceFacts) -> RecordLookup {
    let chosen = match &desired.auth {
        Some(AuthSpec::SecretRef { name, key }) => Some((name.clone(), key.clone())),
        Some(AuthSpec::Generated | AuthSpec::Open) | None => None,
    };
    let content = binding_content(facts);
    RecordLookup { id: facts.id.clone(), created: is_created(o, facts), chosen, content }
}

/// The operator created the instance.
fn is_created(o: &Observed, facts: &InstanceFacts) -> bool {
    ownership_of(facts, &o.subject) == Ownership::Ours(Origin::Created)
}

/// The difference between the declared auth and the instance: open or not. The auth of an instance that has a password
/// from the operator counts as declared.
pub(super) fn drift(o: &Observed, desired: &Desired, facts: &InstanceFacts) -> Option<PendingChange> {
    let source = o.notes.record.as_ref().and_then(|record| record.source.as_ref());
    let recorded = source.filter(|source| **source != Source::Open);
    let declared = match (&desired.auth, recorded) {
        (Some(AuthSpec::Generated), _) | (None, Some(Source::Generated | Source::Found)) => "Generated",
        (Some(AuthSpec::SecretRef { .. }), _) | (None, Some(Source::Chosen { .. })) => "SecretRef",
        (Some(AuthSpec::Open), _) => "None",
        (None, _) if is_created(o, facts) && source.is_none() => "Generated",
        (None, Some(Source::Open) | None) => return None,
    };
    let present = o.status.resolved.as_ref().and_then(|resolved| resolved.auth_type.clone());
    let (from, impact) = match facts.no_password_access? {
        true => ("None".to_owned(), Impact::Disruptive),
        false if declared == "None" => {
            (present.filter(|known| known != "None").unwrap_or("Password".to_owned()), Impact::Destructive)
        }
        false => return None,
    };
    (from != declared).then(|| PendingChange {
        field: "auth".to_owned(),
        from: Some(from),
        to: Some(declared.to_owned()),
        impact,
    })
}

struct Planner<'a> {
    o: &'a Observed,
    desired: &'a Desired,
    seen: Sighting<'a>,
}

// === impl Planner ===

impl Planner<'_> {
    /// What the metadata of the Secrets tells: whether anything may be due.
    fn is_due(&self) -> bool {
        let Some(record) = &self.o.notes.record else { return true };
        record.pending.is_some()
            || self.is_requested(record)
            || self.is_other_source(record)
            || self.was_opened(record)
            || self.has_lost_pending(record)
    }

    /// A password was sent whose outcome is not recorded.
    fn is_reset_open(&self) -> bool {
        let operation = self.o.status.operation.as_ref();
        operation.is_some_and(|operation| {
            let is_refused = operation.outcome == Some(OperationOutcome::Refused) && operation.attempt <= 1;
            operation.type_ == OperationType::ResetPassword && !is_refused
        })
    }

    /// The record was lost while a password was on its way, and was made again from another Secret: what that one holds
    /// need not be the accepted password any more.
    fn has_lost_pending(&self, record: &SecretNotes) -> bool {
        record.source == Some(Source::Found) && record.pending.is_none() && self.is_reset_open()
    }

    fn is_open(&self) -> bool {
        self.seen.facts.no_password_access == Some(true)
    }

    /// The annotation asks for a new password.
    fn is_requested(&self, record: &SecretNotes) -> bool {
        let requested = &self.o.notes.requested;
        requested.is_some() && *requested != record.served && self.desired.auth != Some(AuthSpec::Open)
    }

    /// The spec names another source of the password, or what it names has changed.
    fn is_other_source(&self, record: &SecretNotes) -> bool {
        let source = record.source.as_ref();
        match &self.desired.auth {
            None | Some(AuthSpec::Open) => false,
            Some(AuthSpec::Generated) => matches!(source, Some(Source::Chosen { .. } | Source::Open)),
            Some(AuthSpec::SecretRef { name, key }) => {
                let Some(chosen) = &self.o.notes.chosen else { return true };
                let compared = Some((record.version.clone(), chosen.clone()));
                let (name, key, version) = (name.clone(), key.clone(), chosen.clone());
                source != Some(&Source::Chosen { name, key, version }) && self.o.local.compared != compared
            }
        }
    }

    /// Somebody removed the password in the console.
    fn was_opened(&self, record: &SecretNotes) -> bool {
        self.is_open() && record.source != Some(Source::Open) && self.desired.auth != Some(AuthSpec::Open)
    }

    /// The spec asks for an instance without a password, and it has one.
    fn removal(&self) -> Option<Decision> {
        let change = drift(self.o, self.desired, self.seen.facts);
        let change = change.filter(|change| change.impact == Impact::Destructive)?;
        let message = "auth.type None would open the instance to every client in its network, and this version of the \
                       operator does not remove a password: put auth back, or remove the password in the DCS console";
        let decision = Decision::blocked(self.o, Reason::UnsupportedChange, message);
        Some(self.seen(decision).pending(vec![change]))
    }

    /// No Secret of the operator holds the password.
    fn without_record(&self) -> Rotation {
        let served = self.o.status.applied.as_ref().and_then(|applied| applied.rotate_password.as_ref());
        if self.o.notes.requested.is_some()
            && self.o.notes.requested.as_ref() != served
            && self.desired.auth != Some(AuthSpec::Open)
        {
            return self.put_pending(self.wanted());
        }
        // A record is made from the user's Secret, and for an open instance; an adopted one need not have one.
        let declared = matches!(self.desired.auth, Some(AuthSpec::SecretRef { .. }));
        if declared || self.is_open() || !is_created(self.o, self.seen.facts) {
            return Rotation::Nothing;
        }
        let message = format!(
            "no Secret holds the password of the instance any more, and DCS does not show it: restore the Secret {}, or \
             set the annotation dcs.huaweicloud.com/rotate-password on the object to a new value to have a new password \
             made",
            crate::formats::auth_secret_name(&self.o.subject.name)
        );
        Rotation::Blocked(self.blocked(Reason::PasswordLost, &message))
    }

    /// Which password the spec asks for.
    fn wanted(&self) -> NewPassword {
        match self.desired.auth {
            Some(AuthSpec::SecretRef { .. }) => NewPassword::Chosen,
            Some(AuthSpec::Generated | AuthSpec::Open) | None => NewPassword::Generated,
        }
    }

    /// No password is pending: decides whether one has to be.
    fn begin(&self, facts: &PasswordFacts, record: &Record) -> Rotation {
        let notes = &record.notes;
        let opened = self.was_opened(notes);
        let (requested, other) = (self.is_requested(notes), self.is_other_source(notes));
        let edited = self.o.status.observed_generation != Some(self.o.subject.generation);
        let put_back = opened && (edited || requested);
        match &facts.chosen {
            Some(Err(blocker)) if other || requested => {
                Rotation::Blocked(self.blocked(blocker.reason, &blocker.message))
            }
            Some(Ok(ChosenState::Other)) if other || requested => self.put_pending(NewPassword::Chosen),
            Some(Ok(_)) | None if self.has_lost_pending(notes) => self.put_pending(self.wanted()),
            Some(_) if put_back => self.put_pending(NewPassword::Accepted),
            Some(_) if opened => self.report_drift(),
            // The user's Secret holds the accepted password. The note saves reading it again.
            Some(Ok(_)) if requested || !self.is_noted(notes) => {
                self.prepare(KubeAction::NoteRecord { id: self.seen.facts.id.clone() })
            }
            Some(_) => Rotation::Nothing,
            None if requested || other || !record.has_password && put_back => {
                self.put_pending(NewPassword::Generated)
            }
            None if put_back => self.put_pending(NewPassword::Accepted),
            None if opened => self.report_drift(),
            None if !record.has_password && !self.is_open() => self.without_record(),
            None => Rotation::Nothing,
        }
    }

    /// The record notes the reference that the spec has.
    fn is_noted(&self, notes: &SecretNotes) -> bool {
        match (&self.desired.auth, &notes.source) {
            (
                Some(AuthSpec::SecretRef { name, key }),
                Some(Source::Chosen { name: own, key: own_key, .. }),
            ) => (name, key) == (own, own_key),
            _ => false,
        }
    }

    /// A password is pending: it is sent until the cloud has accepted it, unless another one is asked for meanwhile.
    fn settle(&self, facts: &PasswordFacts, record: &Record, pending: &Pending) -> Rotation {
        let operation = self.o.status.operation.as_ref();
        let attempt = operation.filter(|operation| {
            operation.type_ == OperationType::ResetPassword
                && operation.password.as_ref() == Some(&pending.name)
        });
        let newer = self.newer(facts, record, pending);
        let Some(attempt) = attempt else {
            return match newer {
                Some(NewPassword::Accepted) if !self.is_open() && !record.uncertain => {
                    self.drop_pending(pending)
                }
                Some(newer) => self.put_pending(newer),
                None => self.send(pending),
            };
        };
        match attempt.outcome {
            Some(OperationOutcome::Accepted) => self.finish(attempt, record, pending),
            Some(OperationOutcome::Refused | OperationOutcome::Failed) => {
                self.refused(attempt, (record, pending), newer)
            }
            None | Some(OperationOutcome::Other(_)) => self.send(pending),
        }
    }

    /// The password that is asked for now, if that is not the pending one.
    fn newer(&self, facts: &PasswordFacts, record: &Record, pending: &Pending) -> Option<NewPassword> {
        match (&facts.chosen, &pending.source) {
            (Some(Ok(ChosenState::Other)), _) => Some(NewPassword::Chosen),
            (Some(Ok(ChosenState::Accepted)), _) if !record.repeats => Some(NewPassword::Accepted),
            (Some(_), _) => None,
            (None, Source::Chosen { .. }) if self.desired.auth == Some(AuthSpec::Generated) => {
                Some(NewPassword::Generated)
            }
            (None, _) => None,
        }
    }

    /// The cloud has refused the pending password.
    fn refused(
        &self,
        attempt: &OperationStatus,
        (record, pending): (&Record, &Pending),
        newer: Option<NewPassword>,
    ) -> Rotation {
        let reason = attempt.reason.as_deref().and_then(Reason::from_word);
        let is_unfit = matches!(reason, Some(Reason::PasswordInvalid | Reason::InvalidSpec));
        // An earlier attempt may have set it: then it is refused for being the present one.
        let may_be_set = attempt.attempt > 1;
        if is_unfit && record.repeats && !self.is_open() {
            // It was accepted before, so it is refused for being the present one.
            return self.finish(attempt, record, pending);
        }
        match newer {
            Some(NewPassword::Accepted) if !may_be_set && !record.uncertain && !self.is_open() => {
                return self.drop_pending(pending);
            }
            Some(newer) => return self.put_pending(newer),
            None => {}
        }
        if is_unfit && may_be_set && pending.source == Source::Generated {
            return self.put_pending(NewPassword::Generated);
        }
        let Some(rest) = intent::retry_after(self.o, attempt) else { return self.send(pending) };
        let problem = attempt.message.as_deref().unwrap_or("DCS refused the password");
        match reason.filter(|reason| retry_class(*reason) == RetryClass::NeedsUser) {
            Some(reason) => {
                let doubt = if is_unfit && may_be_set {
                    "; an earlier attempt may have set it, so the record keeps both passwords"
                } else {
                    ""
                };
                let message = format!("DCS refused the new password: {problem}{doubt}");
                Rotation::Blocked(self.blocked(reason, &message).wait(rest))
            }
            None => {
                let message = format!("the new password is not set yet: {problem}; the operator retries");
                Rotation::Due(self.changing(&message).wait(rest))
            }
        }
    }

    /// Sends the pending password, once the instance is known to be idle and no earlier request can have an effect.
    fn send(&self, pending: &Pending) -> Rotation {
        let message = "setting the password";
        let earlier = self.o.status.operation.as_ref().filter(|operation| intent::is_unresolved(operation));
        if let Some(rest) = earlier.and_then(|_| self.o.window_rest()) {
            let message = "the outcome of the last request is not known yet; then the password is set";
            return Rotation::Due(self.changing(message).wait(rest));
        }
        let id = self.seen.facts.id.clone();
        let Some(snapshot) = self.seen.snapshot else {
            return Rotation::Due(self.changing(message).step(Step::Lookup(Lookup::Detail { id })));
        };
        if let Some(task) = &snapshot.task {
            let message = format!("{message} waits for the instance to finish {task}");
            return Rotation::Due(self.changing(&message).wait(self.o.settings.requeue.busy));
        }
        let action = CloudAction::ResetPassword { id, pending: pending.name.clone() };
        Rotation::Due(self.changing(message).step(Step::CloudAction(action)))
    }

    /// The cloud has accepted the pending password. An instance that was open has to show that it no longer is.
    fn finish(&self, attempt: &OperationStatus, record: &Record, pending: &Pending) -> Rotation {
        let id = self.seen.facts.id.clone();
        if self.is_open() || record.notes.source == Some(Source::Open) {
            let message = "DCS accepted the password and has yet to show that clients need it";
            if self.seen.snapshot.is_none() {
                let lookup = Step::Lookup(Lookup::Detail { id });
                return Rotation::Due(self.changing(message).step(lookup));
            }
            if self.is_open() {
                return Rotation::Due(self.changing(message).wait(self.elapsed(attempt)));
            }
        }
        self.prepare(KubeAction::FinishRotation { id, pending: pending.name.clone() })
    }

    /// The time since an attempt, so that the gaps between visits grow.
    fn elapsed(&self, attempt: &OperationStatus) -> Duration {
        let requeue = &self.o.settings.requeue;
        let since = attempt.attempted_at.as_ref().map(crate::api::time::from_kube);
        let elapsed = since.and_then(|since| self.o.now.wall.signed_duration_since(since).to_std().ok());
        let longest = requeue.observation_max_age.max(requeue.busy);
        elapsed.unwrap_or_default().clamp(requeue.busy, longest)
    }

    fn report_drift(&self) -> Rotation {
        let message = "the password was removed outside the operator: every client in the network of the instance can \
                       read and write its data; change the spec, or set the annotation \
                       dcs.huaweicloud.com/rotate-password on the object to a new value, to have a password set again, or \
                       declare auth.type None";
        let decision = Decision::new(self.o, Situation::Waiting(Reason::DriftDetected), message);
        let change = drift(self.o, self.desired, self.seen.facts);
        Rotation::Blocked(self.seen(decision).pending(change.into_iter().collect()))
    }

    fn put_pending(&self, password: NewPassword) -> Rotation {
        self.prepare(KubeAction::BeginRotation { id: self.seen.facts.id.clone(), password })
    }

    fn drop_pending(&self, pending: &Pending) -> Rotation {
        self.prepare(KubeAction::DropPending { pending: pending.name.clone() })
    }

    fn prepare(&self, action: KubeAction) -> Rotation {
        Rotation::Due(self.changing("the password is being changed").step(Step::Prepare(action)))
    }

    fn changing(&self, message: &str) -> Decision {
        let change = PendingChange {
            field: "auth.password".to_owned(),
            from: None,
            to: None,
            impact: Impact::Disruptive,
        };
        let decision = Decision::new(self.o, Situation::Changing(Reason::Applying), message);
        self.seen(decision).pending(vec![change]).wait(self.o.settings.requeue.busy)
    }

    fn blocked(&self, reason: Reason, message: &str) -> Decision {
        let message = format!("{message}; retried slowly, and at once when the cause changes");
        self.seen(Decision::blocked(self.o, reason, message)).wait(self.o.needs_user())
    }

    fn seen(&self, decision: Decision) -> Decision {
        decision.with_observation(self.seen.facts)
    }
}
