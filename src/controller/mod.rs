//! The hands: looks at the world, lets `plan` decide, carries out what it decided, and publishes what it found.
//!
//! Two ports lead out: [`dcs::Cloud`](crate::dcs::Cloud), and [`Objects`] with [`Secrets`] to Kubernetes. Time and
//! randomness are passed in. Nothing here decides anything about an instance. [`pass()`] is written once; a kind says
//! in its own folder what is gathered and how a step is carried out.

mod account;
mod cluster;
mod endpoints;
pub mod instance;
mod kube;
mod memory;
mod pass;
mod permit;
mod projects;
mod users;
mod witness;

pub use self::{
    account::{Connect, Credentialed, read_credentials},
    cluster::{ClusterError, Key, Managed, Objects, Secrets, spoken},
    endpoints::Endpoints,
    instance::SystemRandom,
    kube::{
        KubeInstances, KubeObjects, KubeSecrets, Operation, Patience, Stores, Supervisor, Wakes,
        WatchTrouble, Watches,
    },
    memory::{Memories, Next, Remembered},
    pass::{Kind, NotNow, PlanOf, pass},
    permit::{Always, Permit},
    projects::Projects,
    users::SecretUsers,
    witness::{Action, Nobody, Outcome, Witness},
};
