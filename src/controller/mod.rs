//! The hands: looks at the world, lets `plan` decide, carries out what it decided, and publishes what it found.
//!
//! Two ports lead out: [`dcs::Cloud`](crate::dcs::Cloud), and [`Objects`] with [`Secrets`] to Kubernetes. Time is
//! passed in. Nothing here decides anything about an instance.

mod cluster;

pub use self::cluster::{ClusterError, Key, Managed, Objects, Secrets};
