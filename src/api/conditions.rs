//! Condition types. Their readers are `kubectl wait`, kstatus (Flux), Argo CD and people.

use schemars::{Schema, SchemaGenerator, json_schema};

/// The type of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Long-lived kinds: clients can use the instance. Run-to-completion kinds: the same as Complete.
    Ready,
    /// The instance was compared with the spec and matches it.
    Synced,
    /// The operator is working on the current generation. Never True together with Stalled.
    Reconciling,
    /// The object needs a person. The operator retries at long intervals, and at once when the cause changes.
    Stalled,
    /// The Secret named in `status.binding` is current.
    BindingPublished,
    /// A run-to-completion kind has succeeded.
    Complete,
    /// A run-to-completion kind has ended without success.
    Failed,
    /// The last run of a schedule made its backup.
    LastRunSucceeded,
}

// === impl ConditionType ===

impl ConditionType {
    /// Every type.
    pub const ALL: &'static [Self] = &[
        Self::Ready,
        Self::Synced,
        Self::Reconciling,
        Self::Stalled,
        Self::BindingPublished,
        Self::Complete,
        Self::Failed,
        Self::LastRunSucceeded,
    ];

    /// The value of `status.conditions[].type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Synced => "Synced",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::BindingPublished => "BindingPublished",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
            Self::LastRunSucceeded => "LastRunSucceeded",
        }
    }
}

impl std::fmt::Display for ConditionType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The schema of `status.conditions`: `metav1.Condition` with the bounds of the Kubernetes API conventions.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "Type of the condition: Ready, Synced, Reconciling, Stalled …",
                    "type": "string",
                    "maxLength": 316,
                },
                "status": {
                    "description": "True, False or Unknown.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                },
                "observedGeneration": {
                    "description": "Generation of the object that the condition describes.",
                    "type": "integer",
                    "format": "int64",
                },
                "lastTransitionTime": {
                    "description": "When the status last changed.",
                    "type": "string",
                    "format": "date-time",
                },
                "reason": {
                    "description": "Why, as one word of a fixed list.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                },
                "message": {
                    "description": "Why, and what happens next or what to do.",
                    "type": "string",
                    "maxLength": 32768,
                },
            },
        },
    })
}
