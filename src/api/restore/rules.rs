//! The validation rules of a DcsRestore. `tests/it/crds_rules.rs` violates each rule on a real API server.

use crate::api::rules::Rule;

/// `source`.
pub const SOURCE: &[Rule] = &[Rule {
    at: "",
    holds: "[has(self.latestBefore), has(self.backupRef), has(self.backupId)].filter(given, given).size() == 1",
    message: "write exactly one of latestBefore, backupRef and backupId",
}];

/// The spec as a whole.
pub const SPEC: &[Rule] = &[Rule {
    at: ".consent.target",
    holds: "!has(self.consent) || self.consent.target == self.instanceRef.name",
    message: "the consent is for another instance: write the name that instanceRef has",
}];

/// The object. A restore that has begun stays what it is.
pub const OBJECT: &[Rule] = &[
    Rule {
        at: "",
        holds: "size(self.metadata.name) <= 47",
        message: "write a name of at most 47 characters: that of the backup before the restore is longer",
    },
    Rule {
        at: ".spec",
        holds: "!has(oldSelf.status) || !(has(oldSelf.status.startedAt) || has(oldSelf.status.outcome)) || \
                self.spec == oldSelf.spec",
        message: "a restore that has begun cannot become another one: make a new DcsRestore",
    },
];
