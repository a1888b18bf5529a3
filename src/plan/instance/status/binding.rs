//! The Secret with all that clients need: what it is to hold, when it is written, and what is said about it. Not one
//! password is known here: only which one it is.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    desired::AuthSpec,
    observed::{Blocker, Observed, Published},
    step::{KubeAction, Lookup, Step},
};
use crate::{
    api::{ConditionType, DcsInstanceStatus, Reason, instance::Binding},
    formats::binding_secret_name,
};

/// What the binding Secret is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Name or address for reading and writing.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Name for reading only.
    pub read_host: Option<String>,
    /// Which password.
    pub password: WhichPassword,
}

/// Which password clients need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichPassword {
    /// None: the instance is open to its network.
    Open,
    /// The one that the cloud has accepted, by its keyed hash.
    Accepted(String),
    /// The one in a Secret of the user's: the instance was taken over, and only the user knows it.
    Chosen {
        /// Name of the Secret.
        name: String,
        /// The key in it.
        key: String,
    },
    /// Nobody said which: what the operator's own Secrets still hold is all there is.
    Unrecorded,
}

/// What was found of the binding Secret, and of the password for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingState {
    /// It holds what it is to hold.
    Current,
    /// It does, but the Secret that held the password before is still there.
    Superseded,
    /// It is missing, or holds something else.
    Outdated,
    /// There is one of its name that is not this object's.
    Foreign,
    /// The accepted password is in no Secret any more.
    PasswordLost,
}

/// What is said of the binding Secret, and what is done about it.
#[derive(Debug)]
pub(super) struct BindingAssessment {
    /// Whether clients can rely on it.
    pub(super) published: bool,
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) binding: Option<Binding>,
    pub(super) step: Option<Step>,
    /// When to come back for its sake.
    pub(super) wait: Option<Duration>,
}

/// `status` is what is about to be said; `serving`, whether clients can use the instance.
pub(super) fn judge(o: &Observed, status: &DcsInstanceStatus, serving: bool) -> BindingAssessment {
    let known = status.binding.clone();
    // Before an instance serves for the first time, its address may still change.
    let begun = said(o).is_some_and(|said| said.reason != Reason::WaitingForEndpoint.as_str());
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
                "Secret {name} exists and is not this object's: rename or delete it, it is never overwritten"
            );
            BindingAssessment {
                wait: Some(o.needs_user()),
                ..BindingAssessment::not_yet(Reason::SecretConflict, &message, None)
            }
        }
        Some(Ok(BindingState::PasswordLost)) => {
            let message = "the password is in no Secret any more: set another one in the cloud's console and give it to \
                           the clients yourself, or make a new instance";
            BindingAssessment {
                wait: Some(o.needs_user()),
                ..BindingAssessment::not_yet(Reason::SecretNotFound, message, None)
            }
        }
    }
}

/// What was said of it last.
pub(super) fn said(o: &Observed) -> Option<&Condition> {
    let word = ConditionType::BindingPublished.as_str();
    o.status.conditions.iter().find(|condition| condition.type_ == word)
}

/// What the Secret is to hold, as far as the instance has an address.
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

/// Whether the Secret is known to hold `content`, and nobody has touched it since.
fn is_current(o: &Observed, content: &Content) -> bool {
    let Some(Published { content: held, version, source, shown }) = &o.local.published else { return false };
    let number = |version: &Option<String>| version.as_ref().and_then(|version| version.parse::<u64>().ok());
    let untouched = match (number(&o.secrets.binding), version.parse::<u64>().ok()) {
        (Some(seen), Some(own)) => seen <= own,
        // A watch that lags behind has not shown it yet; one that did says that it is gone.
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
                "Secret {name} holds the address, and a password only if an earlier version of it did: nobody said which \
                 one the instance has; name a Secret that holds it by auth.secretRef, with auth.type SecretRef"
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

    /// What is said if the step cannot be taken now.
    fn stepping(step: Step, known: Option<Binding>) -> Self {
        let message = "the Secret is being written";
        Self { step: Some(step), ..Self::not_yet(Reason::Applying, message, known) }
    }
}
