//! The cloud's API: what travels ([`model`]), what can be asked ([`operation`]), how requests are signed
//! ([`sign`]), who asks ([`account`]), and what can go wrong ([`error`]).
//!
//! [`Cloud`] is the port the rest of the operator uses; [`Client`] is the real thing behind it. A call goes
//! `client` → `session` (token, project) → `dispatch` (attempts) → `transport` (one exchange), and its answer
//! through `answer`. Nothing here decides what should happen to an instance.

pub mod account;
mod answer;
mod client;
mod cloud;
mod dispatch;
pub mod error;
mod listing;
mod meter;
pub mod model;
pub mod operation;
pub mod redact;
mod retry;
mod session;
pub mod sign;
mod transport;

pub use self::{
    account::{Account, Credentials},
    client::Client,
    cloud::Cloud,
    error::{Class, Error},
    listing::{Listing, list_all},
    meter::{Meter, Unmetered},
    retry::RetryPolicy,
    transport::{Answer, Exchange, HttpTransport, MAX_ANSWER, Outgoing},
};
