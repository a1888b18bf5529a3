//! The simulated service: a pure state machine. It receives the time and a call and returns a reply. It never waits
//! and never reads a clock or a random source.
//!
//! - `instance`, `backup`, `task`, `store`, `network`, `topology`, `state`: state
//! - `create`, `update`, `resize`, `list`, `backups`, `restores`, `flavors`, `tenant`, `tasks`, `load`: API operations;
//!   `dispatch` selects one
//! - `request`, `validate`, `password`, `api_error`: parsing, validation and error codes
//! - `operation`: start and end of operations that take time
//! - `lifecycle`, `backup_rules`: automatic transitions; `out_of_band`: changes without an API call
//! - `render`, `quirks`: response formats, common and per site

mod api_error;
mod backup;
mod backup_rules;
mod backups;
mod catalogue;
mod create;
mod dispatch;
#[cfg(test)]
mod fixtures;
mod flavors;
mod ids;
mod instance;
mod lifecycle;
mod list;
mod load;
mod network;
mod operation;
mod out_of_band;
mod password;
mod quirks;
mod render;
mod request;
mod resize;
mod restores;
mod state;
mod store;
mod task;
mod tasks;
mod tenant;
#[cfg(test)]
mod tests;
mod topology;
mod update;
mod validate;

pub use self::{instance::Instance, state::Service};
