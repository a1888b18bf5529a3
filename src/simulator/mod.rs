//! A DCS and IAM endpoint for people who develop manifests, and for tests: the real client and the vendor's own
//! SDK take it for the service.
//!
//! [`service`] is the cloud itself: a pure state machine on a clock of its own, that is handed calls which are
//! known to be allowed. Before it stand routing, authentication, the journal and the faults, put together in
//! [`Simulator`]; none of them does IO either. The HTTP skin ([`http`]) comes last and only carries bytes, and
//! [`persist`] stores the state. Nothing below the skin awaits, reads a clock or draws a random number that was
//! not passed in.

mod authenticate;
pub mod call;
mod cloud_clock;
mod control;
mod directory;
mod endpoint;
mod error_response;
pub mod faults;
mod history;
pub mod http;
mod iam;
mod journal;
mod message;
pub mod options;
pub mod persist;
mod route;
pub mod service;

pub use self::{
    call::{Call, Reply},
    cloud_clock::{CloudClock, InvalidSpeed},
    directory::{AccessKey, Directory, Project},
    endpoint::{Settings, Simulator},
    journal::{Caller, Entry, Filter, Journal},
    message::{Delivery, DeliveryKind, Request, Response},
    options::{Options, Site},
    service::Service,
};
