//! Client of the DCS API: requests and answers ([`model`]), operations ([`operation`]), signatures ([`sign`]),
//! accounts ([`account`]) and errors ([`error`]).
//!
//! [`Cloud`] is the port that the rest of the operator uses, and [`Client`] implements it over HTTP. A call passes
//! through `client`, `session` (token, project), `dispatch` (attempts) and `transport` (one HTTP request); `response`
//! interprets the answer. Nothing here decides what happens to an instance.

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
    listing::{Listing, RecordListing, list_all, list_all_backups, list_all_restores},
    request_observer::{RequestObserver, Unobserved},
    retry::RetryPolicy,
    transport::{HttpRequest, HttpResponse, HttpTransport, MAX_RESPONSE_BYTES, Transport},
};
