//! Receives what happens, for logs, Events and metrics. No reconcile depends on it.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;

use crate::{
    api::words::OperationType,
    inventory::Work,
    plan::{Warning, conditions::Transition, operation::ChangeOutcome},
};

/// Receives what happens to objects of all kinds.
pub trait EventSink: Send + Sync {
    /// A condition of an object changed.
    fn on_transition(&self, object: &ObjectReference, transition: &Transition);

    /// A mutating call was sent, or refused.
    fn on_cloud_action(&self, object: &ObjectReference, action: &Action<'_>);

    /// A fact that no transition tells.
    fn on_warning(&self, object: &ObjectReference, warning: &Warning);

    /// The number of objects of a kind whose status the API server does not accept.
    fn on_refused_statuses(&self, kind: &'static str, count: usize);

    /// A reconcile is delayed, since the request budget is used up.
    fn on_budget_wait(&self, work: Work, wait: Duration);
}

/// A mutating call.
#[derive(Debug, Clone)]
pub struct Action<'a> {
    /// The word in `status.operation.type`.
    pub type_: OperationType,
    /// ID of the instance, if it has one.
    pub instance: Option<&'a str>,
    /// The outcome.
    pub outcome: &'a ChangeOutcome,
    /// Where something is destroyed, why that is allowed.
    pub consent: Option<&'static str>,
}

/// Ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopSink;

// === impl NoopSink ===

impl EventSink for NoopSink {
    fn on_transition(&self, _: &ObjectReference, _: &Transition) {}

    fn on_cloud_action(&self, _: &ObjectReference, _: &Action<'_>) {}

    fn on_warning(&self, _: &ObjectReference, _: &Warning) {}

    fn on_refused_statuses(&self, _: &'static str, _: usize) {}

    fn on_budget_wait(&self, _: Work, _: Duration) {}
}
