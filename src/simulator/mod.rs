//! A DCS and IAM endpoint for people who develop manifests, and for tests: the real client and the vendor's own
//! SDK take it for the service.
//!
//! [`service`] is the cloud itself: a pure state machine on a clock of its own, that is handed calls which are
//! known to be allowed. Before it stand routing, authentication, the journal and the faults; none of them does
//! IO either. The HTTP skin comes last and only carries bytes. Nothing below the skin awaits, reads a clock or
//! draws a random number that was not passed in.

pub mod call;

pub use self::call::{Call, Reply};
