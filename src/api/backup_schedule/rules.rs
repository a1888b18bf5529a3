//! The validation rules of a DcsBackupSchedule. `tests/it/crds_schedule.rs` violates each rule on a real API server.

use crate::api::rules::Rule;

/// `schedule`. What the fields mean is checked by the operator.
pub const SCHEDULE: &[Rule] = &[Rule {
    at: "",
    holds: "self.matches('^[0-9A-Za-z*/,-]+( [0-9A-Za-z*/,-]+){4}$')",
    message: "write five fields with one space between them, such as \"0 3 * * *\": minute, hour, day of month, month, day of \
              week, of digits, names and * , - /; seconds, # and ? do not exist, and for @daily write \"0 0 * * *\"",
}];

/// `timeZone`.
pub const TIME_ZONE: &[Rule] = &[Rule {
    at: "",
    holds: "self.matches('^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$')",
    message: "write the IANA name of a time zone, such as Asia/Shanghai",
}];

/// `retention`.
pub const RETENTION: &[Rule] = &[Rule {
    at: "",
    holds: "has(self.keepLast) || has(self.maxAgeDays)",
    message: "write keepLast, maxAgeDays or both: without them DCS would remove the earliest backup, whichever that is",
}];

/// The spec as a whole.
pub const SPEC: &[Rule] = &[Rule {
    at: ".instanceRef",
    holds: "self.instanceRef == oldSelf.instanceRef",
    message: "a schedule stays with its instance: make another DcsBackupSchedule for another one",
}];

/// The object: its backups have 13 characters more, and 63 at most.
pub const OBJECT: &[Rule] = &[Rule {
    at: "",
    holds: "size(self.metadata.name) <= 50",
    message: "write a name of at most 50 characters: the names of its backups are longer",
}];
