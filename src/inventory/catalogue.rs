//! What an account can choose from. It hardly ever changes, so it is read on demand and cached.

use std::sync::{Arc, Weak};

use crate::{
    dcs::{
        Error,
        model::{Flavor, MaintenanceWindow},
    },
    single_flight::SingleFlight,
};

/// What an account can choose from.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) flavors: SingleFlight<Arc<[Flavor]>, Error>,
    pub(super) windows: SingleFlight<Arc<[MaintenanceWindow]>, Error>,
}

/// The result of reading a part of the catalogue.
#[derive(Debug, Clone)]
pub enum CatalogueRead<T> {
    /// The list, or why it could not be read.
    Read(Result<Arc<[T]>, Error>),
    /// Another caller is reading it.
    InProgress,
    /// The account is not joined.
    NotJoined,
}

/// Lists of which equal ones share their memory: a region offers most accounts the same flavors.
#[derive(Debug)]
pub(super) struct Interner<T>(Vec<Weak<[T]>>);

// === impl Interner ===

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Interner<T> {
    /// The list in use that equals `items`, or a new one.
    pub(super) fn intern(&mut self, items: Vec<T>) -> Arc<[T]> {
        self.0.retain(|list| list.strong_count() > 0);
        let equal = self.0.iter().filter_map(Weak::upgrade).find(|list| **list == *items);
        equal.unwrap_or_else(|| {
            let list = Arc::from(items);
            self.0.push(Arc::downgrade(&list));
            list
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_share_memory_until_they_are_dropped() {
        let mut interner = Interner::default();
        let (one, other, equal) =
            (interner.intern(vec![1]), interner.intern(vec![2]), interner.intern(vec![1]));
        assert!(Arc::ptr_eq(&one, &equal) && !Arc::ptr_eq(&one, &other));
        drop((one, other, equal));
        interner.intern(vec![3]);
        assert_eq!(interner.0.len(), 1);
    }
}
