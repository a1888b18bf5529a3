//! What an account can choose from. It hardly ever changes, so it is read when somebody wants it, and then believed
//! for a while.

use std::{future::Future, sync::Arc, time::Duration};

use futures::lock::Mutex;

use crate::{
    clock::Clock,
    dcs::{
        Error,
        model::{Flavor, MaintenanceWindow},
    },
};

/// What an account can choose from.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) flavors: CachedList<Flavor>,
    pub(super) windows: CachedList<MaintenanceWindow>,
}

/// A list that is read once for all who want it at the same time.
///
/// Whoever reads holds the lock, and the others are told to come again: an account that does not answer must not keep
/// those busy who have other accounts to see to. Who gives up leaves it to the next one.
#[derive(Debug)]
pub(super) struct CachedList<T>(Mutex<Option<Answer<T>>>);

#[derive(Debug)]
struct Answer<T> {
    result: Result<Arc<[T]>, Error>,
    /// Monotonic time until which it is believed.
    until: Duration,
}

/// A part of the catalogue, as far as it is there.
#[derive(Debug, Clone)]
pub enum CatalogueRead<T> {
    /// It was read, or could not be.
    Read(Result<Arc<[T]>, Error>),
    /// Somebody is reading it at this moment.
    InProgress,
    /// The account is not joined.
    NotJoined,
}

/// How long an answer is believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ttl {
    pub(super) success: Duration,
    /// Short, but not nothing: a thousand who wait for the same answer must not all ask again.
    pub(super) failure: Duration,
}

// === impl CachedList ===

impl<T> Default for CachedList<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> CachedList<T> {
    /// The list: the one that was read before if it is young enough, else what `read` brings. `None` while somebody
    /// else is reading it.
    pub(super) async fn get<R>(
        &self,
        clock: &dyn Clock,
        ttl: Ttl,
        read: impl FnOnce() -> R,
    ) -> Option<Result<Arc<[T]>, Error>>
    where
        R: Future<Output = Result<Vec<T>, Error>>,
    {
        let mut answer = self.0.try_lock()?;
        if let Some(known) = answer.as_ref().filter(|known| clock.monotonic() < known.until) {
            return Some(known.result.clone());
        }
        let result = read().await.map(Arc::from);
        let ttl = if result.is_ok() { ttl.success } else { ttl.failure };
        let until = clock.monotonic().saturating_add(ttl);
        *answer = Some(Answer { result: result.clone(), until });
        Some(result)
    }
}
