//! Reads all pages of a list (instances, backups, restores), and checks that they are complete.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::{
    cloud::Cloud,
    error::{Error, Failure},
    model::{BackupRecord, InstanceQuery, InstanceSummary, MAX_PAGE, RecordQuery, RestoreRecord},
    operation::{LIST_BACKUPS, LIST_INSTANCES, LIST_RESTORES, Operation},
};

/// Stops a list without end.
const MAX_PAGES: usize = 1000;
/// Instances of one account, or records of one instance, at most: all stay in memory.
const MAX_ENTRIES: usize = 10_000;
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
        if instances.len() > MAX_ENTRIES {
            return Err(Error::new(&LIST_INSTANCES, Failure::TooMany(MAX_ENTRIES), pages));
        }
        if instances.len() == known || i64::from(offset) >= page.instance_num {
            break;
        }
    }
    let complete =
        totals.len() == 1 && i64::try_from(instances.len()).is_ok_and(|count| totals.contains(&count));
    Ok(Listing { instances, complete, pages })
}

/// The backups or restores of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordListing<T> {
    /// The records, without duplicates.
    pub records: Vec<T>,
    /// Whether as many records arrived as the service announced. If not, a missing record may exist.
    pub complete: bool,
    /// Number of requested pages.
    pub pages: u32,
}

/// Reads all pages of the backups of an instance that were requested since `begin_time`, by the clock of the service.
///
/// # Errors
/// The error of the first page that could not be read, or [`Failure::TooMany`].
pub async fn list_all_backups(
    cloud: &impl Cloud,
    instance_id: &str,
    begin_time: Option<DateTime<Utc>>,
) -> Result<RecordListing<BackupRecord>, Error> {
    let mut collected = Collected::new(&LIST_BACKUPS, |record: &BackupRecord| record.backup_id.clone());
    while let Some(query) = collected.next(begin_time) {
        let page = cloud.list_backups(instance_id, &query).await?;
        collected.add(page.total_num, page.records)?;
    }
    Ok(collected.listing())
}

/// Reads all pages of the restores of an instance that were requested since `begin_time`, by the clock of the service.
///
/// # Errors
/// The error of the first page that could not be read, or [`Failure::TooMany`].
pub async fn list_all_restores(
    cloud: &impl Cloud,
    instance_id: &str,
    begin_time: Option<DateTime<Utc>>,
) -> Result<RecordListing<RestoreRecord>, Error> {
    let mut collected = Collected::new(&LIST_RESTORES, |record: &RestoreRecord| record.restore_id.clone());
    while let Some(query) = collected.next(begin_time) {
        let page = cloud.list_restores(instance_id, &query).await?;
        collected.add(page.total_num, page.records)?;
    }
    Ok(collected.listing())
}

/// Pages that were read so far.
///
/// It is not documented whether an offset counts records or pages. Records are tried first. A page that brings nothing
/// new although records are missing is followed by one attempt to count pages.
struct Collected<T> {
    operation: &'static Operation,
    id: fn(&T) -> String,
    records: Vec<T>,
    seen: HashSet<String>,
    /// Announced totals.
    totals: HashSet<i64>,
    pages: u32,
    /// Offset of the next page, if any.
    next: Option<Offset>,
}

/// Offset of a page.
#[derive(Debug, Clone, Copy)]
enum Offset {
    Records(u32),
    Pages(u32),
}

// === impl Collected ===

impl<T> Collected<T> {
    fn new(operation: &'static Operation, id: fn(&T) -> String) -> Self {
        let next = Some(Offset::Records(0));
        let (records, seen, totals) = (Vec::new(), HashSet::new(), HashSet::new());
        Self { operation, id, records, seen, totals, pages: 0, next }
    }

    /// The query of the next page.
    fn next(&self, begin_time: Option<DateTime<Utc>>) -> Option<RecordQuery> {
        let (Offset::Records(offset) | Offset::Pages(offset)) = self.next?;
        Some(RecordQuery { offset, limit: Some(MAX_PAGE), begin_time, end_time: None })
    }

    fn add(&mut self, total: i64, page: Vec<T>) -> Result<(), Error> {
        self.pages += 1;
        self.totals.insert(total);
        let (known, length) = (self.records.len(), u32::try_from(page.len()).unwrap_or(u32::MAX));
        let new = page.into_iter().filter(|record| self.seen.insert((self.id)(record)));
        self.records.extend(new);
        if self.records.len() > MAX_ENTRIES {
            return Err(Error::new(self.operation, Failure::TooMany(MAX_ENTRIES), self.pages));
        }
        let brought_new = self.records.len() > known;
        // The total may be that of the page alone, so that a full page is followed by another one.
        let is_over =
            length < MAX_PAGE && i64::try_from(self.records.len()).is_ok_and(|count| count >= total);
        let is_endless = usize::try_from(self.pages).is_ok_and(|pages| pages >= MAX_PAGES);
        self.next = match self.next {
            _ if is_over || is_endless => None,
            Some(Offset::Records(offset)) if brought_new => {
                Some(Offset::Records(offset.saturating_add(length)))
            }
            Some(Offset::Records(offset)) => (offset > 0).then_some(Offset::Pages(1)),
            Some(Offset::Pages(number)) => brought_new.then(|| Offset::Pages(number.saturating_add(1))),
            None => None,
        };
        Ok(())
    }

    fn listing(self) -> RecordListing<T> {
        let Self { records, totals, pages, .. } = self;
        let complete =
            totals.len() == 1 && i64::try_from(records.len()).is_ok_and(|count| totals.contains(&count));
        RecordListing { records, complete, pages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A site with `stored` records; `in_pages`: what its offsets count; `most`: its largest page; `hidden`: records
    /// that its total counts and its pages lack.
    fn collect(stored: u32, in_pages: bool, most: u32, hidden: u32) -> (usize, bool, u32) {
        let mut collected = Collected::new(&LIST_BACKUPS, |record: &u32| record.to_string());
        while let Some(query) = collected.next(None) {
            let limit = query.limit.unwrap().min(most);
            let first = if in_pages { query.offset.saturating_mul(limit) } else { query.offset };
            let page = (first..stored.min(first.saturating_add(limit))).collect();
            collected.add(i64::from(stored + hidden), page).unwrap();
            assert!(collected.pages < 200, "no end");
        }
        let RecordListing { records, complete, pages } = collected.listing();
        (records.len(), complete, pages)
    }

    #[test]
    fn whatever_an_offset_counts_all_records_arrive_or_the_list_is_incomplete() {
        for (stored, in_pages, most, hidden, expected) in [
            (0, false, 1000, 0, (0, true, 1)),
            (24, false, 1000, 0, (24, true, 1)),
            (24, true, 1000, 0, (24, true, 1)),
            (24, false, 10, 0, (24, true, 3)),
            (24, true, 10, 0, (24, true, 4)),
            (1000, false, 1000, 0, (1000, true, 2)),
            (1500, true, 1000, 0, (1500, true, 3)),
            (24, false, 1000, 1, (24, false, 3)),
            (24, true, 10, 1, (24, false, 5)),
            (0, false, 1000, 3, (0, false, 1)),
        ] {
            assert_eq!(
                collect(stored, in_pages, most, hidden),
                expected,
                "{stored} {in_pages} {most} {hidden}"
            );
        }
    }
}
