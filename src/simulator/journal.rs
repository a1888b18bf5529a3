//! What was asked, what it did and what was answered: the last so many calls, secrets masked.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::dcs::redact;

/// Longer bodies are not kept.
const MAX_BODY_BYTES: usize = 8 * 1024;

/// One call.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counts from 1; cleared entries are not counted anew.
    pub sequence: u64,
    /// When it came, by the wall clock.
    pub time: DateTime<Utc>,
    /// The cloud's time then.
    pub cloud_time: DateTime<Utc>,
    /// The id the answer carried.
    pub request_id: String,
    /// HTTP method.
    pub method: String,
    /// Path as it came.
    pub path: String,
    /// Query as it came.
    pub query: String,
    /// The operation's name; none if no operation has this path and method.
    pub operation: Option<&'static str>,
    /// How the caller proved who it is.
    pub caller: Caller,
    /// The HTTP status that was sent; none if no answer was.
    pub status: Option<u16>,
    /// What it did, faults or not; empty for a read.
    pub effect: String,
    /// The faults that were applied, in their order.
    pub faults: Vec<&'static str>,
    /// The body of the request, if it was JSON.
    #[serde(serialize_with = "as_json")]
    pub body: Option<Box<str>>,
}

/// How a caller proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Caller {
    /// It did not.
    #[default]
    None,
    /// By a signature with a permanent key.
    AccessKey,
    /// By a signature with a temporary key and its security token.
    TemporaryKey,
    /// By a token of IAM.
    Token,
}

/// The last calls, up to a number of them.
#[derive(Debug, Clone)]
pub struct Journal {
    entries: VecDeque<Entry>,
    capacity: usize,
    last: u64,
    dropped: u64,
}

/// Which entries to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only calls of this operation.
    pub operation: Option<String>,
    /// Only entries after this sequence number.
    pub since: u64,
    /// At most so many, the oldest first.
    pub limit: Option<usize>,
}

// === impl Journal ===

impl Journal {
    /// A journal of at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, last: 0, dropped: 0 }
    }

    /// Adds `entry`, numbering it; the oldest goes if there is no room.
    pub(super) fn push(&mut self, mut entry: Entry) {
        self.last += 1;
        entry.sequence = self.last;
        self.entries.push_back(entry);
        while self.entries.len() > self.capacity {
            self.entries.pop_front();
            self.dropped += 1;
        }
    }

    /// The entries that `filter` lets through, oldest first.
    pub fn entries<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Entry> {
        let Filter { operation, since, limit } = filter;
        self.entries
            .iter()
            .filter(move |entry| entry.sequence > *since)
            .filter(move |entry| operation.is_none() || entry.operation == operation.as_deref())
            .take(limit.unwrap_or(usize::MAX))
    }

    /// How many entries are kept of each operation; of unknown ones under `unknown`.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(entry.operation.unwrap_or("unknown")).or_default() += 1;
        }
        counts
    }

    /// The sequence number of the latest entry there was.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many entries had to go for want of room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets every entry.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.dropped = 0;
    }
}

/// A request's body as it is kept: fields whose name says that they hold a secret are masked.
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
    fn it_keeps_the_last_and_counts_the_lost() {
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
    fn bodies_are_kept_without_secrets_and_not_at_any_length() {
        let shown = serde_json::to_value(entry(Some("A"))).expect("JSON");
        assert_eq!(shown["body"], serde_json::json!({"password": "***", "name": "a"}));
        assert_eq!(shown["caller"], "token");
        assert_eq!(redacted_body(b"not JSON"), None);
        assert_eq!(redacted_body(format!("\"{}\"", "x".repeat(MAX_BODY_BYTES)).as_bytes()), None);
    }
}
