//! Policies: what the operator may do to an instance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    rules::{self, Rule, validations},
    transform::described_by_field,
};

/// The rules for a window.
pub const WINDOW: &[Rule] = &[
    Rule {
        at: ".begin",
        holds: "self.begin.matches('^([01][0-9]|2[0-3]):00$')",
        message: "write a whole hour in UTC, in quotes, such as \"18:00\"",
    },
    Rule {
        at: ".end",
        holds: "self.end.matches('^([01][0-9]|2[0-3]):00$')",
        message: "write a whole hour in UTC, in quotes, such as \"19:00\"",
    },
    Rule {
        at: ".end",
        holds: "self.begin != self.end",
        message: "a window ends later than it begins: write the hour after begin (on some sites, four hours after)",
    },
];

/// When DCS may do maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = validations(WINDOW)))]
pub struct MaintenanceWindow {
    /// Begin, a whole hour in UTC: "18:00".
    #[schemars(length(max = 5))]
    pub begin: String,

    /// End, a whole hour in UTC: "19:00". Windows are of fixed length, one hour on most sites and four on some.
    #[schemars(length(max = 5))]
    pub end: String,
}

/// The instance to take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Adopt {
    /// ID of the instance.
    #[schemars(length(max = 36), extend("x-kubernetes-validations" = validations(rules::UUID)))]
    pub instance_id: String,
}

/// A Secret with credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsRef {
    /// Name of a Secret in the same namespace.
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = validations(rules::OBJECT_NAME)))]
    pub name: String,
}

/// What happens to the instance when its object is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = described_by_field)]
pub enum DeletionPolicy {
    /// The instance is deleted.
    Delete,
    /// The instance stays.
    Retain,
}

/// Whether the operator changes anything in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = described_by_field)]
pub enum ManagementPolicy {
    /// The operator makes the instance match the spec.
    Managed,
    /// The operator only reports.
    Observe,
}

/// What to do about an instance that an earlier object of this name left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = described_by_field)]
pub enum ReclaimPolicy {
    /// Take back the one that it released.
    Released,
    /// Also take the one of an object that vanished without releasing it.
    Orphaned,
    /// Create a new one.
    None,
}

/// What to do when the instance was deleted in the cloud, and not by the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = described_by_field)]
pub enum OnExternalDeletion {
    /// Set Stalled/ExternallyDeleted and wait for a person.
    Report,
    /// Create a new, empty instance.
    Recreate,
}
