//! A simulated DCS and IAM endpoint for developing manifests and for tests. The real client and the vendor's SDK run
//! against it unchanged.
//!
//! [`service`] is a pure state machine on a simulated clock; it receives authenticated calls. [`Simulator`] adds
//! routing, authentication, the journal and fault injection, also without IO. [`http`] serves it over HTTP and
//! [`persist`] stores its state. Outside these two modules no code awaits, and clock readings and randomness are
//! passed in.

mod authenticate;
mod call;
mod cloud_clock;
mod control;
mod directory;
mod endpoint;
mod error_response;
mod faults;
mod hash;
mod history;
pub mod http;
mod iam;
mod journal;
mod message;
pub mod options;
pub mod persist;
mod route;
pub mod service;
mod state;

pub use self::{
    cloud_clock::InvalidSpeed,
    directory::{AccessKey, Directory},
    journal::{Caller, Entry, Filter, Journal},
    message::{Delivery, DeliveryKind, Request, Response},
    options::{BackupOptions, Options, Site},
    service::Service,
    state::{Settings, Simulator},
};
