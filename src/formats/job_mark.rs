//! The mark of a job in the cloud: the remark of a backup or restore, and the description of a migration, begin with it.

use super::digest::sha256_hex;

const PREFIX: &str = "dcso:";

/// The mark of one execution. It finds the execution again when the status of the object was lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobMark(String);

/// What one execution is, where the manifest names an absolute time: whichever object asks, it is the same execution.
#[derive(Debug, Clone, Copy)]
pub struct Execution<'a> {
    /// The kind of the object.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The ids of the instances.
    pub instances: &'a [&'a str],
    /// The absolute time, as `2026-12-01T06:00:00Z`.
    pub time: &'a str,
    /// Where the data comes from, as the manifest writes it.
    pub source: Option<&'a str>,
}

// === impl JobMark ===

impl JobMark {
    /// The mark of an object that is one execution itself.
    pub fn of_uid(uid: &str) -> Self {
        Self(format!("{PREFIX}{uid}"))
    }

    /// `dcso:` and the first 32 hex digits of SHA-256 over the parts, separated by NUL. None of the parts can contain NUL.
    pub fn of_execution(execution: &Execution<'_>) -> Self {
        let Execution { kind, namespace, name, instances, time, source } = *execution;
        let ids = instances.join(",");
        let parts = [kind, namespace, name, &ids, time].into_iter().chain(source);
        let data = parts.collect::<Vec<_>>().join("\0");
        Self(format!("{PREFIX}{}", sha256_hex(data.as_bytes(), 32)))
    }

    /// The mark, and the user's text behind it: at most 41 bytes more than that.
    pub fn with_text(&self, text: Option<&str>) -> String {
        match text.filter(|text| !text.is_empty()) {
            Some(text) => format!("{} {text}", self.0),
            None => self.0.clone(),
        }
    }

    /// Whether a remark or description carries this mark.
    pub fn is_in(&self, remark: &str) -> bool {
        remark.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXECUTION: Execution<'static> = Execution {
        kind: "DcsBackup",
        namespace: "shop",
        name: "before-the-sale",
        instances: &["4a9c5f0e-1b2c-4d3e-8f90-0123456789ab"],
        time: "2026-12-01T06:00:00Z",
        source: None,
    };

    #[test]
    fn marks_are_found_again() {
        let uid = JobMark::of_uid("961a292c-7592-4cf3-bb88-a695b53b2dc3");
        let execution = JobMark::of_execution(&EXECUTION);
        for mark in [&uid, &execution] {
            for text in [None, Some(""), Some("before the sale")] {
                let remark = mark.with_text(text);
                assert!(mark.is_in(&remark) && remark.len() <= 41 + 1 + text.map_or(0, str::len), "{remark}");
            }
            assert!(!mark.is_in(&format!("{}0", mark.with_text(None))) && !mark.is_in("before the sale"));
        }
        assert!(!uid.is_in(&execution.with_text(None)));
    }

    #[test]
    fn every_part_makes_another_execution() {
        let other = [
            Execution { kind: "DcsRestore", ..EXECUTION },
            Execution { namespace: "shop2", ..EXECUTION },
            Execution { name: "other", ..EXECUTION },
            Execution { instances: &["4a9c5f0e-1b2c-4d3e-8f90-0123456789ab", "x"], ..EXECUTION },
            Execution { time: "2026-12-01T06:00:01Z", ..EXECUTION },
            Execution { source: Some("latestBefore=2026-12-01T02:40:00Z"), ..EXECUTION },
        ];
        let own = JobMark::of_execution(&EXECUTION);
        assert_eq!(own, JobMark::of_execution(&EXECUTION));
        assert!(other.iter().all(|other| JobMark::of_execution(other) != own));
    }
}
