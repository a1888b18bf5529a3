//! How often, and when, an object wants the lists of its account.

/// What an object demands of its account's lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// A change is expected soon: the account is listed at the active poll interval.
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
}
