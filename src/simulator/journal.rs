//! The journal: a bounded log of requests, effects and responses, with secrets redacted.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::dcs::redact;

/// Maximum size of a recorded body; larger bodies are omitted.
const MAX_BODY_BYTES: usize = 8 * 1024;

/// A logged call.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Sequence number, starting at 1; clearing the journal does not reset it.
    pub sequence: u64,
    /// Arrival by the wall clock.
    pub time: DateTime<Utc>,
    /// Arrival by the simulated clock.
    pub cloud_time: DateTime<Utc>,
    /// Request id of the response.
    pub request_id: String,
    /// HTTP method.
    pub method: String,
    /// Encoded path.
    pub path: String,
    /// Encoded query.
    pub query: String,
    /// Operation name; `None` if no operation matches path and method.
    pub operation: Option<&'static str>,
    /// Authentication method.
    pub caller: Caller,
    /// HTTP status that was sent; `None` if no response was sent.
    pub status: Option<u16>,
    /// Effect of the call, regardless of faults; empty for a read.
    pub effect: String,
    /// Applied faults in order.
    pub faults: Vec<&'static str>,
    /// Request body, if it is JSON.
    #[serde(serialize_with = "as_json")]
    pub body: Option<Box<str>>,
}

/// Authentication method of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Caller {
    /// Unauthenticated.
    #[default]
    None,
    /// Signature with a permanent key.
    AccessKey,
    /// Signature with a temporary key and its security token.
    TemporaryKey,
    /// IAM token.
    Token,
}

/// A bounded log of calls.
#[derive(Debug, Clone)]
pub struct Journal {
    entries: VecDeque<Entry>,
    capacity: usize,
    last: u64,
    dropped: u64,
}

/// Selects journal entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only calls of this operation.
    pub operation: Option<String>,
    /// Only entries after this sequence number.
    pub since: u64,
    /// Maximum number of entries, oldest first.
    pub limit: Option<usize>,
}

// === impl Journal ===

impl Journal {
    /// An empty journal for at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, last: 0, dropped: 0 }
    }

    /// Numbers and adds `entry`; evicts the oldest entry if the journal is full.
    pub(super) fn push(&mut self, mut entry: Entry) {
        self.last += 1;
        entry.sequence = self.last;
        self.entries.push_back(entry);
        while self.entries.len() > self.capacity {
            self.entries.pop_front();
            self.dropped += 1;
        }
    }

    /// Entries that match `filter`, oldest first.
    pub fn entries<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Entry> {
        let Filter { operation, since, limit } = filter;
        self.entries
            .iter()
            .filter(move |entry| entry.sequence > *since)
            .filter(move |entry| operation.is_none() || entry.operation == operation.as_deref())
            .take(limit.unwrap_or(usize::MAX))
    }

    /// Number of entries per operation; unrouted calls count as `unknown`.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(entry.operation.unwrap_or("unknown")).or_default() += 1;
        }
        counts
    }

    /// Sequence number of the latest entry.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Number of evicted entries.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Removes every entry.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.dropped = 0;
    }
}

/// Returns a JSON request body with secrets redacted.
pub(super) fn redacted_body(body: &[u8]) -> Option<Box<str>> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    redact::fields(&mut value);
    let text = value.to_string();
    (text.len() <= MAX_BODY_BYTES).then(|| text.into_boxed_str())
}

fn as_json<S: Serializer>(body: &Option<Box<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    body.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(operation: Option<&'static str>) -> Entry {
        Entry {
            sequence: 0,
            time: DateTime::UNIX_EPOCH,
            cloud_time: DateTime::UNIX_EPOCH,
            request_id: "r".to_owned(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            operation,
            caller: Caller::Token,
            status: Some(200),
            effect: String::new(),
            faults: vec![],
            body: redacted_body(br#"{"password":"canary","name":"a"}"#),
        }
    }

    #[test]
    fn the_oldest_entries_are_evicted_and_counted() {
        let mut journal = Journal::new(3);
        for operation in [Some("A"), Some("B"), Some("A"), None, Some("A")] {
            journal.push(entry(operation));
        }
        let numbers = |filter: Filter| journal.entries(&filter).map(|e| e.sequence).collect::<Vec<_>>();
        assert_eq!((journal.dropped(), journal.last()), (2, 5));
        assert_eq!(numbers(Filter::default()), [3, 4, 5]);
        assert_eq!(numbers(Filter { operation: Some("A".to_owned()), ..Filter::default() }), [3, 5]);
        assert_eq!(numbers(Filter { since: 3, limit: Some(1), ..Filter::default() }), [4]);
        assert_eq!(journal.counts(), BTreeMap::from([("A", 2), ("unknown", 1)]));
        journal.clear();
        journal.push(entry(None));
        assert_eq!(journal.entries(&Filter::default()).map(|e| e.sequence).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn bodies_are_redacted_and_limited() {
        let shown = serde_json::to_value(entry(Some("A"))).expect("JSON");
        assert_eq!(shown["body"], serde_json::json!({"password": "***", "name": "a"}));
        assert_eq!(shown["caller"], "token");
        assert_eq!(redacted_body(b"not JSON"), None);
        assert_eq!(redacted_body(format!("\"{}\"", "x".repeat(MAX_BODY_BYTES)).as_bytes()), None);
    }
}
