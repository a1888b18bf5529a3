//! DcsBackups: what the kind adds to the generic reconcile.

mod observe;
mod reconciler;
mod resource;

pub use self::{reconciler::Backups, resource::is_about};
