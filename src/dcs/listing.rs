//! All pages of a list put together, and whether they really are all.

use std::collections::HashSet;

use super::{
    cloud::Cloud,
    error::Error,
    model::{InstanceQuery, InstanceSummary, MAX_PAGE},
};

/// Ends a list that never does.
const MOST_PAGES: usize = 1000;

/// What the pages of a list held.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The instances, each once.
    pub instances: Vec<InstanceSummary>,
    /// Whether as many came as the service says there are. If not (instances came or went between two pages, or
    /// a page was short), what is missing here may still exist.
    pub complete: bool,
    /// How many pages were asked for.
    pub pages: u32,
}

/// Reads every page of the instances that match `query`, whose paging is replaced.
///
/// # Errors
/// The error of the first page that could not be read: without it nothing is known about the rest.
pub async fn list_all(cloud: &impl Cloud, query: InstanceQuery) -> Result<Listing, Error> {
    let mut instances = Vec::new();
    let mut seen = HashSet::new();
    let mut totals = HashSet::new();
    let mut offset: u32 = 0;
    let mut pages: u32 = 0;
    for _ in 0..MOST_PAGES {
        let page =
            cloud.list_instances(&InstanceQuery { offset, limit: Some(MAX_PAGE), ..query.clone() }).await?;
        pages += 1;
        // A site may send less than was asked for: the next page begins where this one ended.
        offset = offset.saturating_add(u32::try_from(page.instances.len()).unwrap_or(u32::MAX));
        totals.insert(page.instance_num);
        let known = instances.len();
        instances
            .extend(page.instances.into_iter().filter(|instance| seen.insert(instance.instance_id.clone())));
        if instances.len() == known || i64::from(offset) >= page.instance_num {
            break;
        }
    }
    let complete =
        totals.len() == 1 && i64::try_from(instances.len()).is_ok_and(|count| totals.contains(&count));
    Ok(Listing { instances, complete, pages })
}
