//! Limits that accounts have reached, such as the quota of instances: one object at a time finds out whether a limit
//! still holds, and the others wait for it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    inventory::Site,
    plan::{
        Blocker,
        instance::lists::AccountLimit,
        schedule::{RequeuePolicy, RetryClass},
    },
};

/// A limit that no object has tried for this time is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// The limits by project and address.
#[derive(Debug, Default)]
pub struct AccountLimits(Mutex<BTreeMap<Site, Entry>>);

#[derive(Debug)]
struct Entry {
    limit: AccountLimit,
    /// How often it was tried.
    probes: u32,
}

// === impl AccountLimits ===

impl AccountLimits {
    /// The limit of a site.
    pub(super) fn get(&self, site: &Site) -> Option<AccountLimit> {
        self.lock().get(site).map(|entry| entry.limit.clone())
    }

    /// Reserves the next try for the caller, which planned it when the limit was `known`.
    ///
    /// # Errors
    /// When to retry, if another caller has tried since.
    pub(super) fn begin_probe(
        &self,
        site: &Site,
        known: Option<&AccountLimit>,
        now: Duration,
        policy: &RequeuePolicy,
    ) -> Result<(), Duration> {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(site) else { return Ok(()) };
        if known != Some(&entry.limit) {
            return Err(entry.limit.until);
        }
        entry.postpone(now, policy);
        Ok(())
    }

    /// A create was refused because of the limit.
    pub(super) fn reached(&self, site: Site, blocker: Blocker, now: Duration, policy: &RequeuePolicy) {
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.limit.until.saturating_add(FORGET_AFTER) > now);
        let entry = entries.entry(site).or_insert_with(|| {
            let limit = AccountLimit { blocker: blocker.clone(), until: now };
            let mut entry = Entry { limit, probes: 0 };
            entry.postpone(now, policy);
            entry
        });
        entry.limit.blocker = blocker;
    }

    /// A create was accepted.
    pub(super) fn lifted(&self, site: &Site) {
        self.lock().remove(site);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Site, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Entry ===

impl Entry {
    fn postpone(&mut self, now: Duration, policy: &RequeuePolicy) {
        self.probes = self.probes.saturating_add(1);
        self.limit.until = now.saturating_add(policy.retry_delay(RetryClass::AccountLimit, self.probes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    #[test]
    fn one_caller_tries_at_a_time() {
        let (limits, policy) = (AccountLimits::default(), RequeuePolicy::default());
        let site = Site { endpoint: "https://dcs".to_owned(), project_id: "p".to_owned() };
        let at = Duration::from_secs;
        let blocker = Blocker { reason: Reason::QuotaExceeded, message: "full".to_owned() };
        assert_eq!(limits.begin_probe(&site, None, at(0), &policy), Ok(()));
        limits.reached(site.clone(), blocker.clone(), at(0), &policy);
        assert_eq!(
            limits.begin_probe(&site, None, at(1), &policy),
            Err(at(60)),
            "planned before the refusal"
        );
        let known = limits.get(&site);
        assert_eq!(known.as_ref().map(|limit| limit.until), Some(at(60)));
        assert_eq!(limits.begin_probe(&site, known.as_ref(), at(60), &policy), Ok(()));
        assert_eq!(limits.begin_probe(&site, known.as_ref(), at(60), &policy), Err(at(180)));
        limits.reached(site.clone(), blocker, at(61), &policy);
        assert_eq!(limits.get(&site).map(|limit| limit.until), Some(at(180)));
        limits.lifted(&site);
        assert_eq!(limits.get(&site), None);
    }
}
