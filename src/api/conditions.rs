//! Conditions: what an object says about itself, for `kubectl wait`, kstatus (Flux), Argo CD and people.

use schemars::{Schema, SchemaGenerator, json_schema};

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Long-lived kinds: clients can use it now. Run-to-completion kinds: the same as Complete.
    Ready,
    /// The cloud was compared with the spec and matches it.
    Synced,
    /// The operator is at work on the present generation. Never True together with Stalled.
    Reconciling,
    /// A person is needed; the operator tries again only slowly, and at once when the cause changes.
    Stalled,
    /// The Secret named in `status.binding` holds what clients need now.
    BindingPublished,
    /// A run-to-completion kind has done what it was made for.
    Complete,
    /// A run-to-completion kind has ended without doing what it was made for.
    Failed,
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
    ];

    /// The word in `status.conditions[].type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Synced => "Synced",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::BindingPublished => "BindingPublished",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
        }
    }
}

impl std::fmt::Display for ConditionType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The schema of `status.conditions`: the one of every Kubernetes kind, bounded as the API conventions say.
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
                    "description": "What the condition is about: Ready, Synced, Reconciling, Stalled …",
                    "type": "string",
                    "maxLength": 316,
                },
                "status": {
                    "description": "True, False or Unknown.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                },
                "observedGeneration": {
                    "description": "The generation of the object that this was said about.",
                    "type": "integer",
                    "format": "int64",
                },
                "lastTransitionTime": {
                    "description": "When the status last changed.",
                    "type": "string",
                    "format": "date-time",
                },
                "reason": {
                    "description": "Why, in one word of a fixed list.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                },
                "message": {
                    "description": "Why, and what happens or has to be done next.",
                    "type": "string",
                    "maxLength": 32768,
                },
            },
        },
    })
}
