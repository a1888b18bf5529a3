//! The binding Secret: the record that it is made from, the content it must have, when it is written, and the condition
//! that reports it. Passwords are not known here.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::{
        ConditionType, DcsInstanceStatus, Reason,
        instance::{Binding, Endpoints},
        words::OperationType,
    },
    dcs::model::InstanceFacts,
    formats::{INSTANCE_LABEL, auth_secret_name, binding_secret_name},
    plan::{
        instance::{
            action::{KubeAction, Lookup, RecordLookup, Step},
            input::{
                AuthSpec, Observed,
                binding::{BindingState, Content},
                local::{Confirmed, WritePurpose},
                observed::Blocker,
                secrets::{MadeFrom, PasswordFacts, Record, RecordState, SecretNotes},
            },
            intent::is_unresolved,
            status::observation,
        },
        schedule::RetryClass,
    },
};

/// The condition of the binding Secret, and the step that it needs.
#[derive(Debug)]
pub(super) struct BindingAssessment {
    /// Clients can rely on it.
    pub(super) published: bool,
    /// It stays as it is until the user acts.
    pub(super) needs_user: bool,
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) binding: Option<Binding>,
    pub(super) step: Option<Step>,
    /// When the Secret needs the next visit.
    pub(super) wait: Option<Duration>,
}

/// Assesses the binding Secret. `status` is the one being composed; `serving` means that clients can use the instance.
pub(super) fn assess(o: &Observed, status: &DcsInstanceStatus, serving: bool) -> BindingAssessment {
    let assessment = compare(o, status, serving);
    if !(assessment.published && has_unanswered_reset(o)) {
        return assessment;
    }
    let message = "a new password was sent, and whether DCS has taken it is not known yet: the one in the Secret may be \
                   refused until then";
    let not_yet = BindingAssessment::not_yet(Reason::Applying, message, assessment.binding);
    BindingAssessment { step: assessment.step, wait: assessment.wait, ..not_yet }
}

/// Compares the binding Secret with the record and with what the instance shows.
fn compare(o: &Observed, status: &DcsInstanceStatus, serving: bool) -> BindingAssessment {
    let known = status.binding.clone();
    // The address may still change before the instance serves for the first time.
    let begun = last_condition(o).is_some_and(|last| last.reason != Reason::WaitingForEndpoint.as_str());
    let Some(content) = content(status).filter(|_| serving || begun) else {
        let message = "the Secret is written once the instance serves";
        return BindingAssessment::not_yet(Reason::WaitingForEndpoint, message, None);
    };
    let name = binding_secret_name(&o.subject.name);
    if !o.notes.legacy && is_current(o, &content) {
        return BindingAssessment::published(name);
    }
    if let Some((message, rest)) = o.refused(WritePurpose::Use) {
        return BindingAssessment {
            needs_user: true,
            wait: Some(rest),
            ..BindingAssessment::not_yet(Reason::SecretRefused, message, known)
        };
    }
    let facts = match &o.lookups.record {
        None => {
            let lookup = Lookup::Record(record_lookup(o, status, content));
            return BindingAssessment::stepping(Step::Lookup(lookup), known);
        }
        Some(Err(blocker)) => return BindingAssessment::failed(o, blocker, known),
        Some(Ok(facts)) => facts,
    };
    match &facts.record {
        RecordState::Foreign => BindingAssessment::conflict_of_record(o),
        RecordState::Missing { found } => make_record(o, status, (facts, *found), &content, known),
        RecordState::Present(record) => match other_instance(&record.notes, &content) {
            Some(id) => BindingAssessment::preparing(KubeAction::MoveRecord { id }, known),
            None => from_record(o, record, content, known),
        },
    }
}

/// A request to set another password was not answered.
fn has_unanswered_reset(o: &Observed) -> bool {
    let operation = o.status.operation.as_ref();
    operation
        .is_some_and(|operation| operation.type_ == OperationType::ResetPassword && is_unresolved(operation))
}

fn other_instance(notes: &SecretNotes, content: &Content) -> Option<String> {
    notes.instance_id.clone().filter(|_| notes.is_about_another(&content.id))
}

/// The record exists: the binding Secret is compared with it.
fn from_record(o: &Observed, record: &Record, content: Content, known: Option<Binding>) -> BindingAssessment {
    if record.restorable {
        return BindingAssessment::preparing(KubeAction::RestoreRecord { id: content.id }, known);
    }
    if !record.has_password && !content.open {
        return if record.notes.pending.is_some() {
            BindingAssessment::not_yet(Reason::Applying, "a new password is being set", None)
        } else {
            BindingAssessment::lost(o)
        };
    }
    let name = binding_secret_name(&o.subject.name);
    match &o.lookups.binding {
        None => BindingAssessment::stepping(Step::Lookup(Lookup::Binding(Box::new(content))), known),
        Some(Err(blocker)) => BindingAssessment::failed(o, blocker, known),
        Some(Ok(BindingState::Current)) if o.notes.legacy => {
            BindingAssessment::preparing(KubeAction::DeletePendingSecret, known)
        }
        Some(Ok(BindingState::Current)) => BindingAssessment::published(name),
        Some(Ok(BindingState::Outdated)) => {
            BindingAssessment::preparing(KubeAction::WriteBindingSecret(Box::new(content)), known)
        }
        Some(Ok(BindingState::Foreign)) => BindingAssessment::conflict_of_binding(o),
    }
}

/// The record does not exist. It is made from what holds the password.
fn make_record(
    o: &Observed,
    status: &DcsInstanceStatus,
    (facts, found): (&PasswordFacts, bool),
    content: &Content,
    known: Option<Binding>,
) -> BindingAssessment {
    let make = |from| {
        BindingAssessment::preparing(KubeAction::MakeRecord { id: content.id.clone(), from }, known.clone())
    };
    let auth = o.desired.as_ref().ok().and_then(|desired| desired.auth.as_ref());
    match &facts.chosen {
        _ if found => make(MadeFrom::Found),
        _ if content.open && (auth == Some(&AuthSpec::Open) || !is_created(status)) => make(MadeFrom::Open),
        _ if content.open => make(MadeFrom::Opened),
        Some(Ok(_)) => make(MadeFrom::Chosen),
        Some(Err(blocker)) => BindingAssessment::failed(o, blocker, None),
        None if is_created(status) => BindingAssessment::lost(o),
        None => {
            let mut message =
                "the operator does not know the password of this adopted instance and publishes none: name \
                               a Secret that holds it by auth.secretRef, with auth.type SecretRef"
                    .to_owned();
            if o.policies.manages() {
                message.push_str(
                    ", or set the annotation dcs.huaweicloud.com/rotate-password on the object to have a new password set",
                );
            }
            BindingAssessment::not_yet(Reason::PasswordUnknown, &message, None)
        }
    }
}

fn is_created(status: &DcsInstanceStatus) -> bool {
    status.resolved.as_ref().is_some_and(|resolved| resolved.origin.as_deref() == Some("Created"))
}

fn record_lookup(o: &Observed, status: &DcsInstanceStatus, content: Content) -> RecordLookup {
    let chosen = match o.desired.as_ref().ok().and_then(|desired| desired.auth.as_ref()) {
        Some(AuthSpec::SecretRef { name, key }) => Some((name.clone(), key.clone())),
        Some(AuthSpec::Generated | AuthSpec::Open) | None => None,
    };
    RecordLookup { id: content.id.clone(), created: is_created(status), chosen, content: Some(content) }
}

/// The condition BindingPublished as the status has it.
pub(super) fn last_condition(o: &Observed) -> Option<&Condition> {
    let word = ConditionType::BindingPublished.as_str();
    o.status.conditions.iter().find(|condition| condition.type_ == word)
}

/// The content that the Secret must have; `None` while the instance has no address.
fn content(status: &DcsInstanceStatus) -> Option<Content> {
    let open = status.resolved.as_ref().is_some_and(|resolved| resolved.auth_type.as_deref() == Some("None"));
    of_endpoints(status.id.as_deref()?, status.endpoints.as_ref()?, open)
}

/// The same, for an instance as it was observed.
pub(in crate::plan::instance) fn binding_content(facts: &InstanceFacts) -> Option<Content> {
    let open = facts.no_password_access == Some(true);
    of_endpoints(&facts.id, &observation::endpoints(facts)?, open)
}

fn of_endpoints(id: &str, endpoints: &Endpoints, open: bool) -> Option<Content> {
    let primary = endpoints.primary.as_ref()?;
    let read_host = endpoints.read_only.as_ref().and_then(|endpoint| endpoint.host.clone());
    Some(Content { id: id.to_owned(), host: primary.host.clone()?, port: primary.port?, read_host, open })
}

/// The Secret has `content` and the password of the record, by what it notes, or by the last comparison.
fn is_current(o: &Observed, content: &Content) -> bool {
    let (Some(record), Some(binding)) = (&o.notes.record, &o.notes.binding) else { return false };
    let is_ours = |notes: &SecretNotes| notes.instance.as_ref() == Some(&o.subject.name);
    let is_noted = is_ours(record)
        && is_ours(binding)
        && !record.is_about_another(&content.id)
        && binding.instance_id.as_ref() == Some(&content.id)
        && binding.record.as_ref() == Some(&record.version)
        && binding.address == Some(content.address());
    is_noted
        || o.local.confirmed.as_ref().is_some_and(
            |Confirmed { record: own, binding: held, content: as_of }| {
                (own, held, as_of) == (&record.version, &binding.version, content)
            },
        )
}

// === impl BindingAssessment ===

impl BindingAssessment {
    fn published(name: String) -> Self {
        Self {
            published: true,
            needs_user: false,
            reason: Reason::Published,
            message: format!("Secret {name} holds what clients need"),
            binding: Some(Binding { name }),
            step: None,
            wait: None,
        }
    }

    fn not_yet(reason: Reason, message: &str, binding: Option<Binding>) -> Self {
        let message = message.to_owned();
        Self { published: false, needs_user: false, reason, message, binding, step: None, wait: None }
    }

    /// The step is due; the message applies if it cannot be taken now.
    fn stepping(step: Step, known: Option<Binding>) -> Self {
        let message = "the Secret is being written";
        Self { step: Some(step), ..Self::not_yet(Reason::Applying, message, known) }
    }

    fn preparing(action: KubeAction, known: Option<Binding>) -> Self {
        Self::stepping(Step::Prepare(action), known)
    }

    fn failed(o: &Observed, blocker: &Blocker, known: Option<Binding>) -> Self {
        Self {
            needs_user: blocker.retry_class() == RetryClass::NeedsUser,
            wait: Some(o.retry_delay_for(blocker)),
            ..Self::not_yet(blocker.reason, &blocker.message, known)
        }
    }

    /// The record may be the object's own, restored by a tool that keeps no labels: then it is the only copy.
    fn conflict_of_record(o: &Observed) -> Self {
        let (name, object) = (auth_secret_name(&o.subject.name), &o.subject.name);
        Self::stalled(
            o,
            Reason::SecretConflict,
            &format!(
                "Secret {name} exists and does not say that it belongs to this object: if it holds the password of this \
                 instance, put the label {INSTANCE_LABEL}={object} on it; else rename it; the operator never overwrites it"
            ),
        )
    }

    fn conflict_of_binding(o: &Observed) -> Self {
        let name = binding_secret_name(&o.subject.name);
        let message = format!(
            "Secret {name} exists and does not belong to this object: rename or delete it; the operator never overwrites it"
        );
        Self::stalled(o, Reason::SecretConflict, &message)
    }

    fn lost(o: &Observed) -> Self {
        let message = "no Secret holds the password of the instance any more: restore it, or set the annotation \
                       dcs.huaweicloud.com/rotate-password on the object to a new value to have a new password made";
        Self::stalled(o, Reason::PasswordLost, message)
    }

    fn stalled(o: &Observed, reason: Reason, message: &str) -> Self {
        Self { needs_user: true, wait: Some(o.needs_user()), ..Self::not_yet(reason, message, None) }
    }
}
