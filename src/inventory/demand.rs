//! Which topics of its account an object needs, and how often.

use super::{schedule::PollInterval, topic::TopicId};

/// What an object demands of its account's lists. Every subscriber demands the instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// A change is expected soon: the demanded topics are polled at the active interval.
    pub active: bool,
    /// Every complete list wakes the object, not only one that shows a change.
    pub every_list: bool,
    /// The failed creations are listed as well.
    pub failed_creations: bool,
}

// === impl Demand ===

impl Demand {
    /// Wake on changes of the instance only.
    pub const IDLE: Self = Self { active: false, every_list: false, failed_creations: false };
    /// A change is expected, and the list shows it.
    pub const CHANGES: Self = Self { active: true, every_list: false, failed_creations: false };
    /// Wake on every list, at the idle poll interval.
    pub const EVERY_LIST: Self = Self { active: false, every_list: true, failed_creations: false };
    /// A newer list is needed soon.
    pub const NEXT_LIST: Self = Self { active: true, every_list: true, failed_creations: false };
    /// Newer lists are needed soon, of failed creations too.
    pub const ALL_LISTS: Self = Self { active: true, every_list: true, failed_creations: true };

    /// The interval at which `topic` is demanded; `None` if it is not.
    pub(super) fn interval(self, topic: TopicId) -> Option<PollInterval> {
        let demanded = match topic {
            TopicId::Instances => true,
            TopicId::FailedCreations => self.failed_creations,
        };
        demanded.then_some(if self.active { PollInterval::Active } else { PollInterval::Idle })
    }

    /// Whether this demands something that `former` does not.
    pub(super) fn exceeds(self, former: Self) -> bool {
        (self.active && !former.active)
            || (self.every_list && !former.every_list)
            || (self.failed_creations && !former.failed_creations)
    }
}
