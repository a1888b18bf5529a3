//! All pages of a list put together, and whether they really are all.

use std::collections::HashSet;

use super::{
    cloud::Cloud,
    error::Error,
    model::{InstanceQuery, InstanceSummary, MAX_PAGE},
};

/// What the pages of a list held.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The instances, each once.
    pub instances: Vec<InstanceSummary>,
    /// Whether as many came as the service says there are. If not (instances came or went between two pages, or
    /// a page was short), what is missing here may still exist.
    pub complete: bool,
}

/// Reads every page of the instances that match `query`, whose paging is replaced.
///
/// # Errors
/// The error of the first page that could not be read: without it nothing is known about the rest.
pub async fn list_all(cloud: &impl Cloud, query: InstanceQuery) -> Result<Listing, Error> {
    let mut instances = Vec::new();
    let mut seen = HashSet::new();
    let mut totals = HashSet::new();
    let mut offset = 0;
    loop {
        let page =
            cloud.list_instances(&InstanceQuery { offset, limit: Some(MAX_PAGE), ..query.clone() }).await?;
        let arrived = page.instances.len();
        totals.insert(page.instance_num);
        instances
            .extend(page.instances.into_iter().filter(|instance| seen.insert(instance.instance_id.clone())));
        offset += MAX_PAGE;
        if arrived == 0 || i64::from(offset) >= page.instance_num {
            break;
        }
    }
    let complete = totals.len() == 1 && totals.contains(&(instances.len() as i64));
    Ok(Listing { instances, complete })
}
