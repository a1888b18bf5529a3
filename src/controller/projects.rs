//! Which project credentials lead to where they do not name one: looked up once, and kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::Clock,
    dcs::{Cloud, Error},
    plan::schedule::{RequeuePolicy, RetryClass},
};

/// More than any cluster has accounts; beyond it, what is known is forgotten and looked up again.
const MOST: usize = 1000;

/// What was looked up, by what the answer depends on.
#[derive(Debug, Default)]
pub struct Projects {
    known: Mutex<HashMap<String, Arc<Entry>>>,
}

/// Held while it is looked up, so that all who want it at the same time ask once. The others do not wait for it: an
/// account that does not answer must not keep those busy who have other accounts to see to.
type Entry = futures::lock::Mutex<Option<Answer>>;

#[derive(Debug)]
enum Answer {
    Found(String),
    /// Believed until then; failures in a row.
    Failed(Error, Duration, u32),
}

// === impl Projects ===

impl Projects {
    /// The project's id; `None` while somebody else is looking it up. `key` stands for everything that the answer depends on, and holds no secret; `connect` makes
    /// the way to ask, if it is not known yet.
    ///
    /// # Errors
    /// Why it cannot be told; that too is believed for a while, since asking with wrong credentials gets them locked.
    pub async fn find<C: Cloud, E: From<Error>>(
        &self,
        key: &str,
        connect: impl FnOnce() -> Result<C, E>,
        clock: &dyn Clock,
        requeue: &RequeuePolicy,
    ) -> Result<Option<String>, E> {
        let entry = self.entry(key);
        let Some(mut answer) = entry.try_lock() else { return Ok(None) };
        let failures = match &*answer {
            Some(Answer::Found(id)) => return Ok(Some(id.clone())),
            Some(Answer::Failed(error, until, _)) if clock.monotonic() < *until => {
                return Err(error.clone().into());
            }
            Some(Answer::Failed(_, _, failures)) => failures.saturating_add(1),
            None => 1,
        };
        let found = connect()?.find_project().await;
        *answer = Some(match &found {
            Ok(id) => Answer::Found(id.clone()),
            Err(error) => {
                let rest = requeue.retry_delay(RetryClass::after(error.class()), failures);
                Answer::Failed(error.clone(), clock.monotonic().saturating_add(rest), failures)
            }
        });
        found.map(Some).map_err(E::from)
    }

    fn entry(&self, key: &str) -> Arc<Entry> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(key) {
            known.clear();
        }
        Arc::clone(known.entry(key.to_owned()).or_default())
    }
}
