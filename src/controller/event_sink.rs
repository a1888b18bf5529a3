//! Who is told what happens: logs, events, metrics. Nothing that a pass does depends on it.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;

use crate::{api::words::OperationType, inventory::Work, plan::conditions::Transition};

/// Is told what happens.
pub trait EventSink: Send + Sync {
    /// An object says something new.
    fn on_transition(&self, object: &ObjectReference, news: &Transition);

    /// Something was asked of the cloud, and came to this.
    fn on_cloud_action(&self, object: &ObjectReference, action: &Action<'_>);

    /// A pass was told to come back later, since the budget has no room.
    fn on_budget_wait(&self, work: Work, wait: Duration);
}

/// What was asked of the cloud.
#[derive(Debug, Clone)]
pub struct Action<'a> {
    /// As `status.operation.type` has it.
    pub type_: OperationType,
    /// ID of the instance, as far as there is one.
    pub instance: Option<&'a str>,
    /// What it came to.
    pub outcome: Outcome,
    /// More about that, where there is more.
    pub message: Option<&'a str>,
    /// By what consent, where something is destroyed.
    pub consent: Option<&'static str>,
}

/// What a request to the cloud came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The cloud took it.
    Accepted,
    /// Nothing was changed.
    Refused,
    /// Nobody knows yet.
    Unknown,
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopSink;

// === impl Outcome ===

impl Outcome {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Refused => "Refused",
            Self::Unknown => "Unknown",
        }
    }
}

// === impl NoopSink ===

impl EventSink for NoopSink {
    fn on_transition(&self, _: &ObjectReference, _: &Transition) {}

    fn on_cloud_action(&self, _: &ObjectReference, _: &Action<'_>) {}

    fn on_budget_wait(&self, _: Work, _: Duration) {}
}
