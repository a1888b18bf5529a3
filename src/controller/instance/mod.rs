//! DcsInstance: what its planner decides from, and how its steps are executed.

mod binding;
mod execute;
mod lookup;
mod observe;
mod reconciler;
mod record;
mod record_lookup;
mod resource;
mod secret;
mod state;

pub(super) use self::lookup::snapshot;
pub use self::state::{InstanceLocalState, Instances};
