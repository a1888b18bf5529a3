//! The custom resources: what a user may write, what the API server checks, and what the operator answers.
//!
//! No IO, and no decisions: `plan` reads a spec once into what is desired. What a field means is said in its
//! documentation here, which `kubectl explain` shows; what its value must look like, in the rules beside it.

pub mod conditions;
pub mod instance;
pub mod operation;
pub mod reasons;
pub mod rules;
mod schema;
pub mod time;
mod transform;
pub mod words;

pub use self::{
    conditions::ConditionType,
    instance::{DcsInstance, DcsInstanceSpec, DcsInstanceStatus},
    reasons::Reason,
    schema::crds,
};

/// The API group of every kind.
pub const GROUP: &str = "dcs.huaweicloud.com";
/// The one version, served and stored.
pub const VERSION: &str = "v1alpha1";
