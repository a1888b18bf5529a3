//! What every plan consists of, whatever it is about: at most one step, what is said, when to come back.

use std::time::Duration;

/// What is done next, and what is said about it. `S` is the kind's status, `L` what it looks up, `P` what it prepares
/// in Kubernetes, `C` what it changes in the cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<S, L, P, C> {
    /// The step.
    pub step: Step<L, P, C>,
    /// What is said if the step is not taken, or is none.
    pub status: S,
    /// Whether that is to be said: not before the first look after a start.
    pub publish: bool,
    /// What is said before the step, if it changes something in the cloud: the intent.
    pub intent: Option<Box<S>>,
    /// When to come back at the latest.
    pub wait: Duration,
    /// What to be woken by before.
    pub follow: Follow,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<L, P, C> {
    /// Nothing.
    Nothing,
    /// Look something up, then plan again.
    Lookup(L),
    /// Put our finalizer on the object.
    AddFinalizer,
    /// Take our finalizer off the object: there is nothing left to see to.
    RemoveFinalizer,
    /// Make something in Kubernetes that a change needs.
    Prepare(P),
    /// Change something in the cloud.
    CloudAction(C),
}

/// What the object is to be woken by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Follow {
    /// Whether something is on its way, so that the account is to be listed often.
    pub fast: bool,
    /// Whether every complete list matters, not only those that say something new.
    pub each_list: bool,
    /// Whether failed creations have to be listed too.
    pub failures: bool,
}

// === impl Follow ===

impl Follow {
    /// Nothing but what happens to the instance.
    pub const STEADY: Self = Self { fast: false, each_list: false, failures: false };
    /// Something is on its way, and the list shows it.
    pub const CHANGES: Self = Self { fast: true, each_list: false, failures: false };
    /// Whatever the lists say, nothing is hurried.
    pub const EACH_LIST: Self = Self { fast: false, each_list: true, failures: false };
    /// A newer list is needed.
    pub const NEXT_LIST: Self = Self { fast: true, each_list: true, failures: false };
    /// Newer lists are needed, of failed creations too.
    pub const ALL_LISTS: Self = Self { fast: true, each_list: true, failures: true };
}
