//! The binding Secret: the content it must have, when it is written, and the condition that reports it. Passwords are
//! not known here, only which one applies.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::{ConditionType, DcsInstanceStatus, Reason, instance::Binding},
    formats::binding_secret_name,
    plan::instance::{
        action::{KubeAction, Lookup, Step},
        input::{
            AuthSpec, Observed,
            binding::{BindingState, Content, WhichPassword},
            observed::{Blocker, Published},
        },
    },
};

/// The condition of the binding Secret, and the step that it needs.
#[derive(Debug)]
pub(super) struct BindingAssessment {
    /// Clients can rely on it.
    pub(super) published: bool,
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) binding: Option<Binding>,
    pub(super) step: Option<Step>,
    /// When the Secret needs the next visit.
    pub(super) wait: Option<Duration>,
}

/// Assesses the binding Secret. `status` is the one being composed; `serving` means that clients can use the instance.
pub(super) fn assess(o: &Observed, status: &DcsInstanceStatus, serving: bool) -> BindingAssessment {
    let known = status.binding.clone();
    // The address may still change before the instance serves for the first time.
    let begun = last_condition(o).is_some_and(|last| last.reason != Reason::WaitingForEndpoint.as_str());
    let Some(content) = content(o, status).filter(|_| serving || begun) else {
        let message = "the Secret is written once the instance serves";
        return BindingAssessment::not_yet(Reason::WaitingForEndpoint, message, None);
    };
    let name = binding_secret_name(&o.subject.name);
    match &o.lookups.binding {
        None if o.secrets.pending.is_none() && is_current(o, &content) => {
            BindingAssessment::published(name, &content)
        }
        None => match o.refused() {
            Some((message, rest)) => BindingAssessment {
                wait: Some(rest),
                ..BindingAssessment::not_yet(Reason::SecretRefused, message, known)
            },
            None => BindingAssessment::stepping(Step::Lookup(Lookup::Binding(Box::new(content))), known),
        },
        Some(Err(Blocker { reason, message })) => BindingAssessment {
            wait: Some(o.retry_delay_for(&Blocker { reason: *reason, message: String::new() })),
            ..BindingAssessment::not_yet(*reason, message, known)
        },
        Some(Ok(BindingState::Current)) => BindingAssessment::published(name, &content),
        Some(Ok(BindingState::Superseded)) => {
            BindingAssessment::stepping(Step::Prepare(KubeAction::DeletePendingSecret), known)
        }
        Some(Ok(BindingState::Outdated)) => BindingAssessment::stepping(
            Step::Prepare(KubeAction::WriteBindingSecret(Box::new(content))),
            known,
        ),
        Some(Ok(BindingState::Foreign)) => {
            let message = format!(
                "Secret {name} exists and does not belong to this object: rename or delete it; the operator never overwrites it"
            );
            BindingAssessment {
                wait: Some(o.needs_user()),
                ..BindingAssessment::not_yet(Reason::SecretConflict, &message, None)
            }
        }
        Some(Ok(BindingState::PasswordLost)) => {
            let message = "no Secret holds the accepted password any more: reset it in the DCS console and hand it to the \
                           clients yourself, or create a new instance";
            BindingAssessment {
                wait: Some(o.needs_user()),
                ..BindingAssessment::not_yet(Reason::SecretNotFound, message, None)
            }
        }
    }
}

/// The condition BindingPublished as the status has it.
pub(super) fn last_condition(o: &Observed) -> Option<&Condition> {
    let word = ConditionType::BindingPublished.as_str();
    o.status.conditions.iter().find(|condition| condition.type_ == word)
}

/// The content that the Secret must have; `None` while the instance has no address.
fn content(o: &Observed, status: &DcsInstanceStatus) -> Option<Content> {
    let endpoints = status.endpoints.as_ref()?;
    let primary = endpoints.primary.as_ref()?;
    let read_host = endpoints.read_only.as_ref().and_then(|endpoint| endpoint.host.clone());
    Some(Content {
        host: primary.host.clone()?,
        port: primary.port?,
        read_host,
        password: password(o, status),
    })
}

fn password(o: &Observed, status: &DcsInstanceStatus) -> WhichPassword {
    let open = status.resolved.as_ref().is_some_and(|resolved| resolved.auth_type.as_deref() == Some("None"));
    if open {
        return WhichPassword::Open;
    }
    if let Some(hash) = status.applied.as_ref().and_then(|applied| applied.auth_hash.clone()) {
        return WhichPassword::Accepted(hash);
    }
    match o.desired.as_ref().ok().and_then(|desired| desired.auth.as_ref()) {
        Some(AuthSpec::SecretRef { name, key }) => {
            WhichPassword::Chosen { name: name.clone(), key: key.clone() }
        }
        Some(AuthSpec::Generated | AuthSpec::Open) | None => WhichPassword::Unrecorded,
    }
}

/// The Secret is known to have `content`, and has not changed since.
fn is_current(o: &Observed, content: &Content) -> bool {
    let Some(Published { content: held, version, source, shown }) = &o.local.published else { return false };
    let number = |version: &Option<String>| version.as_ref().and_then(|version| version.parse::<u64>().ok());
    let untouched = match (number(&o.secrets.binding), version.parse::<u64>().ok()) {
        (Some(seen), Some(own)) => seen <= own,
        // A watch that has shown the Secret and does not now means that it is gone; before that, the watch may lag.
        (None, _) => !shown,
        (Some(_), None) => false,
    };
    let same_source = match content.password {
        WhichPassword::Chosen { .. } => *source == o.secrets.chosen,
        WhichPassword::Open | WhichPassword::Accepted(_) | WhichPassword::Unrecorded => true,
    };
    held == content && untouched && same_source
}

// === impl BindingAssessment ===

impl BindingAssessment {
    fn published(name: String, content: &Content) -> Self {
        let message = match content.password {
            WhichPassword::Open | WhichPassword::Accepted(_) | WhichPassword::Chosen { .. } => {
                format!("Secret {name} holds what clients need")
            }
            WhichPassword::Unrecorded => format!(
                "Secret {name} holds the address, and a password only if an earlier version of it did: the password of the \
                 instance is unknown; name a Secret that holds it by auth.secretRef, with auth.type SecretRef"
            ),
        };
        Self {
            published: true,
            reason: Reason::Published,
            message,
            binding: Some(Binding { name }),
            step: None,
            wait: None,
        }
    }

    fn not_yet(reason: Reason, message: &str, binding: Option<Binding>) -> Self {
        Self { published: false, reason, message: message.to_owned(), binding, step: None, wait: None }
    }

    /// The step is due; the message applies if it cannot be taken now.
    fn stepping(step: Step, known: Option<Binding>) -> Self {
        let message = "the Secret is being written";
        Self { step: Some(step), ..Self::not_yet(Reason::Applying, message, known) }
    }
}
