//! The status: composed from a decision, whole, for every phase alike.

mod binding;
mod compose;
mod demand;
pub(super) mod observation;

pub(super) use self::{binding::binding_content, compose::compose};
