//! The cloud's API: what travels ([`model`]), what can be asked ([`operation`]), how requests are signed
//! ([`sign`]), who asks ([`account`]), and what can go wrong ([`error`]).
//!
//! [`Cloud`] is the port the rest of the operator uses; [`Client`] is the real thing behind it. A call goes
//! `client` → `session` (token, project) → `dispatch` (attempts) → `transport` (one exchange), and its answer
//! through `answer`. Nothing here decides what should happen to an instance.

pub mod account;
mod client;
mod cloud;
mod dispatch;
pub mod error;
mod http_clients;
mod listing;
pub mod model;
pub mod operation;
pub mod redact;
mod request_observer;
mod response;
mod retry;
mod session;
pub mod sign;
mod transport;

pub use self::{
    account::{AccountConfig, Credentials},
    client::Client,
    cloud::Cloud,
    error::{Class, Error},
    http_clients::HttpClients,
    listing::{Listing, list_all},
    request_observer::{RequestObserver, Unobserved},
    retry::RetryPolicy,
    transport::{HttpRequest, HttpResponse, HttpTransport, MAX_RESPONSE_BYTES, Transport},
};
