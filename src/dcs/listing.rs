//! Reads all pages of the instance list, and checks that they are complete.

use std::collections::HashSet;

use super::{
    cloud::Cloud,
    error::{Error, Failure},
    model::{InstanceQuery, InstanceSummary, MAX_PAGE},
    operation::LIST_INSTANCES,
};

/// Stops a list without end.
const MAX_PAGES: usize = 1000;
/// Instances of one account, at most: all stay in memory.
const MAX_INSTANCES: usize = 10_000;
/// A page of this many instances is not made smaller.
const MIN_PAGE: u32 = 16;

/// The pages of a list together. `T` is what is kept of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// The instances, without duplicates.
    pub instances: Vec<T>,
    /// Whether as many instances arrived as the service announced. If not (instances were created or deleted between
    /// two pages, or a page was short), a missing instance may exist.
    pub complete: bool,
    /// Number of requested pages.
    pub pages: u32,
}

/// Reads all pages of the instances that match `query`, and ignores its paging. Smaller pages are requested after one
/// that is too large.
///
/// # Errors
/// The error of the first page that could not be read, or [`Failure::TooMany`].
pub async fn list_all<T: From<InstanceSummary>>(
    cloud: &impl Cloud,
    query: InstanceQuery,
) -> Result<Listing<T>, Error> {
    let mut instances = Vec::new();
    let mut seen = HashSet::new();
    let mut totals = HashSet::new();
    let mut offset: u32 = 0;
    let mut pages: u32 = 0;
    let mut limit = MAX_PAGE;
    for _ in 0..MAX_PAGES {
        let page = cloud.list_instances(&InstanceQuery { offset, limit: Some(limit), ..query.clone() }).await;
        pages += 1;
        let page = match page {
            Err(error) if matches!(error.failure(), Failure::TooLarge(_)) && limit > MIN_PAGE => {
                limit /= 4;
                continue;
            }
            page => page?,
        };
        // A site may send fewer entries than requested: the next page begins where this one ended.
        offset = offset.saturating_add(u32::try_from(page.instances.len()).unwrap_or(u32::MAX));
        totals.insert(page.instance_num);
        let known = instances.len();
        let new = page.instances.into_iter().filter(|instance| seen.insert(instance.instance_id.clone()));
        instances.extend(new.map(T::from));
        if instances.len() > MAX_INSTANCES {
            return Err(Error::new(&LIST_INSTANCES, Failure::TooMany(MAX_INSTANCES), pages));
        }
        if instances.len() == known || i64::from(offset) >= page.instance_num {
            break;
        }
    }
    let complete =
        totals.len() == 1 && i64::try_from(instances.len()).is_ok_and(|count| totals.contains(&count));
    Ok(Listing { instances, complete, pages })
}
