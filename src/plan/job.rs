//! What the planners of kinds that do one job share: the object, its DcsInstance, and lists of records.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::Blocker;
use crate::{
    api::instance::{CloudAccount, Holder},
    formats::OwnerHash,
};

/// The identity and the lifecycle of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// metadata.namespace.
    pub namespace: String,
    /// metadata.name.
    pub name: String,
    /// metadata.uid.
    pub uid: String,
    /// metadata.generation.
    pub generation: i64,
    /// metadata.creationTimestamp.
    pub created: DateTime<Utc>,
    /// metadata.deletionTimestamp is set.
    pub deleting: bool,
    /// It carries the operator's finalizer.
    pub finalizer: bool,
    /// The value of the annotation that asks for a retry.
    pub retry_token: Option<String>,
}

/// The DcsInstance that the object is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceObject {
    /// Not every DcsInstance is known yet.
    Unknown,
    /// It does not exist.
    Missing,
    /// It exists.
    Found(Box<InstanceView>),
}

/// What a DcsInstance says of its instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceView {
    /// `status.id`.
    pub id: Option<String>,
    /// It is being deleted.
    pub deleting: bool,
    /// `spec.paused`.
    pub paused: bool,
    /// `status.holder`.
    pub holder: Option<Holder>,
    /// The cache mode in `status.resolved`.
    pub cache_mode: Option<String>,
    /// `status.account`.
    pub account: Option<CloudAccount>,
    /// The hash of its owner in the tags of its instance.
    pub owner: Option<OwnerHash>,
}

/// The backups or restores of an instance.
#[derive(Debug, Clone)]
pub enum Records<R> {
    /// A complete list.
    Listed(RecordList<R>),
    /// The cloud says that the instance does not exist.
    InstanceNotFound,
    /// They could not be listed completely.
    Failed(Blocker),
}

/// A complete list. Times are monotonic.
#[derive(Debug, Clone)]
pub struct RecordList<R> {
    /// When it began.
    pub begun: Duration,
    /// When the complete list before it began.
    pub before: Option<Duration>,
    /// The records.
    pub records: Arc<[R]>,
}

// === impl RecordList ===

impl<R> RecordList<R> {
    /// Whether two complete lists that began after `end` lack what could still have arrived until then.
    pub fn proves_since(&self, end: Duration) -> bool {
        self.begun >= end && self.before.is_some_and(|before| before >= end)
    }
}
