//! DcsRestores: what the kind adds to the generic reconcile.

mod observe;
mod reconciler;
mod resource;

pub use self::reconciler::Restores;
