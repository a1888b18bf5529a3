//! DcsBackups: what the kind adds to the generic reconcile.

mod lists;
mod observe;
mod reconciler;
mod resource;

pub use self::{lists::BackupLists, reconciler::Backups, resource::is_about};
