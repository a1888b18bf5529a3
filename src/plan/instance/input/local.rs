//! What this process keeps of an object between reconciles, as far as plans may rest on it. All of it may be lost.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::binding::Content;
use crate::{
    dcs::model::{InstanceFacts, Tag},
    plan::operation::Creation,
};

/// What this process keeps about an object. Any of it may be lost at any time: the operator then waits longer, or
/// repeats a read. Times are monotonic.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LocalState {
    /// When this process first saw the object.
    pub first_seen: Duration,
    /// When this process first saw the current attempt in `status.operation`; for its own attempts, after they were
    /// sent.
    pub intent_seen: Option<Duration>,
    /// The last creation that this process began, whatever the status says by now.
    pub creation: Option<Creation>,
    /// This process put the finalizer on the object.
    pub finalizer_added: bool,
    /// The id of an instance that the cloud reported as not found, and when.
    pub gone: Option<(String, Duration)>,
    /// The facts from the last read of an instance's detail, and when it was requested.
    pub seen: Option<(Arc<InstanceFacts>, Duration)>,
    /// The instance that a list or a read of its detail last showed, and when.
    pub last_seen: Option<(String, Duration)>,
    /// Since when reads of the instance's detail differ from the lists.
    pub differs_since: Option<Duration>,
    /// When the backups of the instance were last asked for, whatever the answer was.
    pub backups_asked: Option<Duration>,
    /// The tags of instances that the list shows without tags, by id.
    pub read_tags: BTreeMap<String, ReadTags>,
    /// The Secrets, as last written or compared.
    pub confirmed: Option<Confirmed>,
    /// Versions of the record and of the user's Secret that hold the same password.
    pub compared: Option<(String, String)>,
    /// The Secrets were marked with the id of the instance that is being released.
    pub kept: bool,
    /// The last write to the object's Secrets that the API server refused.
    pub refusal: Option<RefusedWrite>,
    /// Lookups and writes that failed in a row.
    pub failures: u32,
}

/// A write to the object's Secrets that the API server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedWrite {
    /// What the write was for.
    pub purpose: WritePurpose,
    /// Why it was refused.
    pub message: String,
    /// When, by the monotonic clock.
    pub at: Duration,
    /// The versions of the record and the binding Secret as they were then: others may be accepted.
    pub versions: [Option<String>; 2],
}

/// What a write to the object's Secrets is for. A refusal says nothing about writes for another purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WritePurpose {
    /// To hold and publish the password.
    Use,
    /// To note the instance that stays when the object goes.
    Release,
    /// To delete them with the instance.
    Deletion,
}

/// The tags that a detail showed. They hold while the list shows the instance unchanged, for a resync interval at most.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadTags {
    /// The instance as the list showed it, without tags.
    pub listed: Arc<InstanceFacts>,
    /// The tags; none if the instance does not exist.
    pub tags: Vec<Tag>,
    /// When the detail was requested.
    pub at: Duration,
}

/// Versions of Secrets that were compared and matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The record.
    pub record: String,
    /// The binding Secret.
    pub binding: String,
    /// The content that the binding Secret has.
    pub content: Content,
}

// === impl LocalState ===

impl LocalState {
    /// The tags of an instance that the list shows without tags; `None` unless they were read since it last changed.
    pub(super) fn tags_of(&self, listed: &InstanceFacts, now: Duration, max_age: Duration) -> Option<&[Tag]> {
        let read = self.read_tags.get(&listed.id)?;
        let holds = now.saturating_sub(read.at) < max_age && *read.listed == *listed;
        holds.then_some(read.tags.as_slice())
    }

    /// Keeps the tags that a detail showed, if the list shows the instance without any.
    pub fn keep_tags(&mut self, listed: Option<&Arc<InstanceFacts>>, tags: &[Tag], at: Duration) {
        let Some(listed) = listed else { return };
        let listed = match self.read_tags.get(&listed.id) {
            _ if listed.tags.is_empty() => Arc::clone(listed),
            // These tags are from an earlier read.
            Some(read) if read.tags == listed.tags => Arc::clone(&read.listed),
            Some(_) | None => return,
        };
        self.read_tags.insert(listed.id.clone(), ReadTags { listed, tags: tags.to_vec(), at });
    }
}
