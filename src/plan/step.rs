//! The plan, as every kind has it: at most one step, the whole status, the next visit.

use std::time::Duration;

use crate::inventory::demand::Demand;

/// The next step and the status. `S` is the kind's status, `L` its lookups, `K` its writes to Kubernetes, `C` its
/// mutating requests to the cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<S, L, K, C> {
    /// The step.
    pub step: Step<L, K, C>,
    /// The status if the step is not taken, or is none.
    pub status: S,
    /// The status is written. It is not before the first observation after a start.
    pub publish: bool,
    /// The status that is written before a cloud action: the intent.
    pub intent: Option<Box<S>>,
    /// Facts that no transition of a condition tells: each is told once by an Event.
    pub warnings: Vec<Warning>,
    /// The next visit is due after this at the latest.
    pub wait: Duration,
    /// The lists that wake the object before.
    pub demand: Demand,
}

/// A fact for an Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The reason of the Event.
    pub reason: &'static str,
    /// What is the matter and what to do about it.
    pub message: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<L, K, C> {
    /// No step.
    Nothing,
    /// Read something, then plan again.
    Lookup(L),
    /// Put the operator's finalizer on the object.
    AddFinalizer,
    /// Remove the operator's finalizer: nothing is left in the cloud.
    RemoveFinalizer,
    /// Write something to Kubernetes that a cloud action needs.
    Prepare(K),
    /// Send a mutating request to the cloud.
    CloudAction(C),
}
