//! The validation rules of a DcsBackup. `tests/it/crds_rules.rs` violates each rule on a real API server.

use crate::api::rules::Rule;

/// `description`.
pub const DESCRIPTION: &[Rule] = &[Rule {
    at: "",
    holds: "size(bytes(self)) <= 80 && !self.matches('[[:cntrl:]]')",
    message: "write one line of at most 80 bytes: a letter outside ASCII takes two to four",
}];

/// The spec as a whole.
pub const SPEC: &[Rule] = &[Rule {
    at: ".adopt",
    holds: "!has(self.adopt) || !(has(self.format) || has(self.description) || has(self.startBefore) || \
            has(self.runningDeadlineSeconds))",
    message: "a backup that exists is only looked at: remove format, description, startBefore and runningDeadlineSeconds",
}];

/// The object. A job that has begun stays what it is: only deletionPolicy and pinned can change.
pub const OBJECT: &[Rule] = &[
    Rule {
        at: "",
        holds: "size(self.metadata.name) <= 63",
        message: "write a name of at most 63 characters",
    },
    Rule {
        at: ".spec",
        holds: "!has(oldSelf.status) || !(has(oldSelf.status.startedAt) || has(oldSelf.status.outcome)) || \
                (self.spec.instanceRef == oldSelf.spec.instanceRef && \
                (has(self.spec.format) ? self.spec.format : '') == (has(oldSelf.spec.format) ? oldSelf.spec.format : '') && \
                (has(self.spec.description) ? self.spec.description : '') == \
                (has(oldSelf.spec.description) ? oldSelf.spec.description : '') && \
                has(self.spec.startBefore) == has(oldSelf.spec.startBefore) && \
                (!has(self.spec.startBefore) || self.spec.startBefore == oldSelf.spec.startBefore) && \
                has(self.spec.runningDeadlineSeconds) == has(oldSelf.spec.runningDeadlineSeconds) && \
                (!has(self.spec.runningDeadlineSeconds) || \
                self.spec.runningDeadlineSeconds == oldSelf.spec.runningDeadlineSeconds) && \
                has(self.spec.adopt) == has(oldSelf.spec.adopt) && \
                (!has(self.spec.adopt) || self.spec.adopt == oldSelf.spec.adopt))",
        message: "a backup that has begun cannot become another one: only deletionPolicy and pinned can change; make a new \
                  DcsBackup",
    },
];
