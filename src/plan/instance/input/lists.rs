//! The object's part of the account's lists, and the reads that are newer.

use std::{sync::Arc, time::Duration};

use super::local::LocalState;
use crate::{
    dcs::model::{InstanceFacts, InstanceStatus},
    plan::blocker::Blocker,
};

/// The object's part of the account's lists. Times are monotonic.
#[derive(Debug, Clone, Default)]
pub struct AccountLists {
    /// When this process started to list the account.
    pub joined: Duration,
    /// The times of the newest complete list of instances.
    pub latest: Option<ListTimes>,
    /// The start of the complete list before that one.
    pub before: Option<Duration>,
    /// The start of the newest complete list of failed creations.
    pub failed_latest: Option<Duration>,
    /// The start of the complete list of failed creations before that one.
    pub failed_before: Option<Duration>,
    /// The instance with the id in `status.id`, or in `adopt.instanceId` while that is empty, in the newest list.
    pub known: Option<Arc<InstanceFacts>>,
    /// When a list last showed the instance with the id in `status.id`.
    pub known_at: Option<Duration>,
    /// Instances in the newest list whose tags have the object's uid or owner hash, as owner or as former owner.
    pub marked: Vec<Arc<InstanceFacts>>,
    /// Such instances that the list before shows and the newest one does not.
    pub vanished: Vec<Arc<InstanceFacts>>,
    /// Other instances in the newest list that have the object's name in DCS. Some sites list without tags.
    pub named: Vec<Arc<InstanceFacts>>,
    /// Failed creations whose tags have the object's uid, and the one with the id in `status.id`.
    pub failed: Vec<Arc<InstanceFacts>>,
    /// Why the last list failed.
    pub trouble: Option<Blocker>,
    /// A read that is newer than the newest list changed `known` or `marked`.
    pub overlaid: bool,
    /// The limit that keeps the account from another instance.
    pub limit: Option<AccountLimit>,
}

/// A limit that an account has reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLimit {
    /// The refusal.
    pub blocker: Blocker,
    /// The monotonic time before which no object tries again.
    pub until: Duration,
}

/// When a list was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListTimes {
    /// Before the request for its first page.
    pub begun: Duration,
    /// After its last page arrived.
    pub finished: Duration,
}

// === impl AccountLists ===

impl AccountLists {
    /// Adds the tags that details showed to instances that the list shows without tags.
    pub fn overlay_tags(&mut self, local: &LocalState, now: Duration, max_age: Duration) {
        for listed in self.known.iter_mut().chain(&mut self.named).filter(|listed| listed.tags.is_empty()) {
            if let Some(tags) = local.tags_of(listed, now, max_age).filter(|tags| !tags.is_empty()) {
                *listed = Arc::new(InstanceFacts { tags: tags.to_vec(), ..InstanceFacts::clone(listed) });
            }
        }
    }

    /// The instance of this id in the newest list, if it concerns the object.
    pub fn listed(&self, id: &str) -> Option<&Arc<InstanceFacts>> {
        self.known.iter().chain(&self.marked).chain(&self.named).find(|facts| facts.id == id)
    }

    /// Overlays reads of the detail that are newer than the newest list.
    pub fn overlay_recent_reads(&mut self, local: &LocalState) {
        let begun = self.latest.map(|latest| latest.begun);
        if let Some((id, _)) = local.gone.as_ref().filter(|(_, at)| Some(*at) >= begun) {
            let before = (self.known.is_some(), self.marked.len());
            self.known = self.known.take().filter(|known| known.id != *id);
            self.marked.retain(|facts| facts.id != *id);
            self.named.retain(|facts| facts.id != *id);
            self.overlaid |= before != (self.known.is_some(), self.marked.len());
        }
        let Some((seen, _)) = local.seen.as_ref().filter(|(_, at)| Some(*at) >= begun) else { return };
        // The list of failed creations may be older than the failure.
        let failed = seen.status == Some(InstanceStatus::CreateFailed);
        let is_claimed = self.marked.iter().any(|marked| marked.id == seen.id);
        if failed && is_claimed && self.failed.iter().all(|record| record.id != seen.id) {
            self.failed.push(Arc::clone(seen));
        }
        let all = self.known.iter_mut().chain(&mut self.marked).chain(&mut self.named);
        for listed in all.filter(|listed| listed.id == seen.id) {
            self.overlaid |= listed != seen;
            *listed = Arc::clone(seen);
        }
    }

    /// The instance of this id with the object's tags, in the two newest lists.
    pub(in crate::plan::instance) fn claimed(&self, id: &str) -> Option<&InstanceFacts> {
        self.marked
            .iter()
            .chain(&self.named)
            .chain(&self.vanished)
            .map(Arc::as_ref)
            .find(|facts| facts.id == id)
    }
}
