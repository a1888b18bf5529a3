//! What can be done about an instance.

use std::collections::BTreeMap;

use super::{
    binding::Content,
    create_spec::{CreateSpec, PasswordSource},
};
use crate::{
    api::{DcsInstanceStatus, words::OperationType},
    dcs::model::UpdateInstance,
    formats::OwnershipTags,
    plan::{self, Consent},
};

/// A plan for a DcsInstance.
pub type Plan = plan::Plan<DcsInstanceStatus, Lookup, KubeAction, CloudAction>;
/// A step of it.
pub type Step = plan::Step<Lookup, KubeAction, CloudAction>;

/// Something to make in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeAction {
    /// The Secret with the password of the instance that is going to be made.
    CreatePasswordSecret,
    /// That the Secret with the credentials stays for as long as it is needed.
    AddInUseFinalizer,
    /// The Secret with what clients need.
    WriteBindingSecret(Box<Content>),
    /// That the Secret goes that held the password until it was published.
    DeletePendingSecret,
}

/// Something to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The instance in detail.
    Detail {
        /// Which.
        id: String,
    },
    /// What can be bought.
    Flavors,
    /// The maintenance windows on offer.
    Windows,
    /// The password for a new instance.
    Password(PasswordSource),
    /// Whether the binding Secret holds this.
    Binding(Box<Content>),
}

/// A change in the cloud.
#[derive(Debug, Clone, PartialEq)]
pub enum CloudAction {
    /// Make an instance.
    Create(Box<CreateSpec>),
    /// Put our mark on an instance.
    Adopt {
        /// Which.
        id: String,
        /// The mark.
        mark: OwnershipTags,
    },
    /// Note on an instance that it was let go.
    TagReleased {
        /// Which.
        id: String,
        /// The uid of the object that it belonged to.
        uid: String,
    },
    /// Take our mark off an instance.
    RemoveOwnershipTags {
        /// Which.
        id: String,
    },
    /// Delete an instance, or the record of one that could not be made.
    Delete {
        /// Which.
        id: String,
        /// Who agreed.
        consent: Consent,
        /// Of one that could not be made, what the cloud said about it.
        failed: Option<String>,
    },
    /// Change name, description, maintenance window.
    Update {
        /// Which.
        id: String,
        /// To what.
        request: Box<UpdateInstance>,
    },
    /// Add tags, or overwrite their values.
    SetTags {
        /// Which.
        id: String,
        /// Keys and values.
        tags: BTreeMap<String, String>,
    },
    /// Remove tags.
    RemoveTags {
        /// Which.
        id: String,
        /// Their keys, with the values they have.
        tags: BTreeMap<String, String>,
    },
}

// === impl CloudAction ===

impl CloudAction {
    /// What `status.operation` calls it.
    pub fn type_(&self) -> OperationType {
        match self {
            Self::Create(_) => OperationType::Create,
            Self::Adopt { .. } => OperationType::Adopt,
            Self::TagReleased { .. } | Self::RemoveOwnershipTags { .. } => OperationType::Release,
            Self::Delete { failed: None, .. } => OperationType::Delete,
            Self::Delete { failed: Some(_), .. } => OperationType::DeleteFailed,
            Self::Update { .. } => OperationType::Update,
            Self::SetTags { .. } | Self::RemoveTags { .. } => OperationType::UpdateTags,
        }
    }

    /// The instance that it changes; a new one has no id yet.
    pub fn instance_id(&self) -> Option<&str> {
        match self {
            Self::Create(_) => None,
            Self::Adopt { id, .. }
            | Self::TagReleased { id, .. }
            | Self::RemoveOwnershipTags { id }
            | Self::Delete { id, .. }
            | Self::Update { id, .. }
            | Self::SetTags { id, .. }
            | Self::RemoveTags { id, .. } => Some(id),
        }
    }
}
