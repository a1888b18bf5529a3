//! The actions on an instance: lookups, writes to Kubernetes, requests to the cloud.

use std::collections::BTreeMap;

use super::{
    create_spec::{CreateSpec, PasswordSource},
    input::binding::Content,
    tagging::OwnershipChange,
};
use crate::{
    api::{DcsInstanceStatus, words::OperationType},
    dcs::model::UpdateInstance,
    plan::{self, Consent},
};

/// A plan for a DcsInstance.
pub type Plan = plan::Plan<DcsInstanceStatus, Lookup, KubeAction, CloudAction>;
/// A step of it.
pub type Step = plan::Step<Lookup, KubeAction, CloudAction>;

/// A write to Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeAction {
    /// Create the Secret with the password of a new instance.
    CreatePasswordSecret,
    /// Put the in-use finalizer on the Secret with the credentials.
    AddInUseFinalizer,
    /// Write the binding Secret.
    WriteBindingSecret(Box<Content>),
    /// Delete the Secret that held the password until the binding Secret had it.
    DeletePendingSecret,
}

/// A read that a plan asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The detail of an instance.
    Detail {
        /// Its id.
        id: String,
    },
    /// The detail of an instance that may turn out to be the object's.
    Candidate {
        /// Its id.
        id: String,
    },
    /// The object's CustomResourceDefinition.
    Definition,
    /// The flavors on offer.
    Flavors,
    /// The maintenance windows on offer.
    Windows,
    /// The password for a new instance.
    Password(PasswordSource),
    /// The binding Secret, compared with this content.
    Binding(Box<Content>),
}

/// A mutating request to the cloud.
#[derive(Debug, Clone, PartialEq)]
pub enum CloudAction {
    /// Create an instance.
    Create(Box<CreateSpec>),
    /// Put the ownership tags on an instance, or a part of them.
    Adopt {
        /// Its id.
        id: String,
        /// The part.
        change: OwnershipChange,
    },
    /// Take a part of the ownership tags off an instance, or note who released it.
    Release {
        /// Its id.
        id: String,
        /// The part.
        change: OwnershipChange,
    },
    /// Delete an instance, or the record of a failed creation.
    Delete {
        /// Its id.
        id: String,
        /// The consent.
        consent: Consent,
        /// The cloud's error, if this is the record of a failed creation.
        failed: Option<String>,
    },
    /// Change name, description or maintenance window.
    Update {
        /// Its id.
        id: String,
        /// The new values.
        request: Box<UpdateInstance>,
    },
    /// Add tags, or overwrite their values.
    SetTags {
        /// Its id.
        id: String,
        /// Keys and values.
        tags: BTreeMap<String, String>,
    },
    /// Remove tags.
    RemoveTags {
        /// Its id.
        id: String,
        /// Their keys, with the values they have.
        tags: BTreeMap<String, String>,
    },
}

// === impl CloudAction ===

impl CloudAction {
    /// The type in `status.operation`.
    pub fn type_(&self) -> OperationType {
        match self {
            Self::Create(_) => OperationType::Create,
            Self::Adopt { .. } => OperationType::Adopt,
            Self::Release { .. } => OperationType::Release,
            Self::Delete { failed: None, .. } => OperationType::Delete,
            Self::Delete { failed: Some(_), .. } => OperationType::DeleteFailed,
            Self::Update { .. } => OperationType::Update,
            Self::SetTags { .. } | Self::RemoveTags { .. } => OperationType::UpdateTags,
        }
    }

    /// The instance that it changes; a new instance has no id yet.
    pub fn instance_id(&self) -> Option<&str> {
        match self {
            Self::Create(_) => None,
            Self::Adopt { id, .. }
            | Self::Release { id, .. }
            | Self::Delete { id, .. }
            | Self::Update { id, .. }
            | Self::SetTags { id, .. }
            | Self::RemoveTags { id, .. } => Some(id),
        }
    }
}
