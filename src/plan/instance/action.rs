//! The actions on an instance: lookups, writes to Kubernetes, requests to the cloud.

use std::collections::BTreeMap;

use super::{
    create_spec::{CreateSpec, PasswordSource},
    input::{
        binding::Content,
        local::WritePurpose,
        secrets::{MadeFrom, NewPassword},
    },
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
    /// Write the record of the password for a new instance.
    WriteRecord(PasswordSource),
    /// Rename the record of another instance.
    MoveRecord {
        /// The id of that instance.
        id: String,
    },
    /// Make the record of an existing instance.
    MakeRecord {
        /// The id of the instance.
        id: String,
        /// From what.
        from: MadeFrom,
    },
    /// Put the accepted password back into the record, from the binding Secret.
    RestoreRecord {
        /// The id of the instance.
        id: String,
    },
    /// Note in the record that its password is the one in the user's Secret, and that the last request was served.
    NoteRecord {
        /// The id of the instance.
        id: String,
    },
    /// Put a pending password into the record.
    BeginRotation {
        /// The id of the instance.
        id: String,
        /// Which.
        password: NewPassword,
    },
    /// Make the pending password the accepted one.
    FinishRotation {
        /// The id of the instance.
        id: String,
        /// The name of the pending password.
        pending: String,
    },
    /// Remove the pending password, which was never sent.
    DropPending {
        /// The name of the pending password.
        pending: String,
    },
    /// Note the id of an instance that stays in the Secrets.
    KeepSecrets {
        /// The id.
        id: String,
    },
    /// Delete these Secrets: their instance is gone.
    DeleteSecrets(Vec<String>),
    /// Put the in-use finalizer on the Secret with the credentials.
    AddInUseFinalizer,
    /// Write the binding Secret.
    WriteBindingSecret(Box<Content>),
    /// Delete the Secret in which an earlier version kept a password.
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
    /// The DcsBackups of an instance that are pinned.
    Pins {
        /// Its id.
        id: String,
    },
    /// The backups of the instance.
    Backups {
        /// Its id.
        id: String,
    },
    /// The flavors on offer.
    Flavors,
    /// The maintenance windows on offer.
    Windows,
    /// The record of the password for a new instance.
    Password(PasswordSource),
    /// The record of an existing instance's password, and the user's Secret.
    Record(RecordLookup),
    /// The binding Secret, compared with the record and this content.
    Binding(Box<Content>),
}

/// A lookup of an existing instance's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLookup {
    /// The id of the instance.
    pub id: String,
    /// The operator created the instance: a record that no watch shows is looked for.
    pub created: bool,
    /// Name and key of the user's Secret.
    pub chosen: Option<(String, String)>,
    /// The content of the binding Secret, if it is known.
    pub content: Option<Content>,
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
    /// Set the pending password.
    ResetPassword {
        /// The id of the instance.
        id: String,
        /// The name of the pending password.
        pending: String,
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

// === impl KubeAction ===

impl KubeAction {
    /// What it is for.
    pub fn purpose(&self) -> WritePurpose {
        match self {
            Self::KeepSecrets { .. } => WritePurpose::Release,
            Self::DeleteSecrets(_) => WritePurpose::Deletion,
            Self::WriteRecord(_)
            | Self::MoveRecord { .. }
            | Self::MakeRecord { .. }
            | Self::RestoreRecord { .. }
            | Self::NoteRecord { .. }
            | Self::BeginRotation { .. }
            | Self::FinishRotation { .. }
            | Self::DropPending { .. }
            | Self::AddInUseFinalizer
            | Self::WriteBindingSecret(_)
            | Self::DeletePendingSecret => WritePurpose::Use,
        }
    }
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
            Self::ResetPassword { .. } => OperationType::ResetPassword,
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
            | Self::ResetPassword { id, .. }
            | Self::SetTags { id, .. }
            | Self::RemoveTags { id, .. } => Some(id),
        }
    }

    /// The name of the pending password that it sends.
    pub fn password(&self) -> Option<&str> {
        match self {
            Self::ResetPassword { pending, .. } => Some(pending),
            Self::Create(_)
            | Self::Adopt { .. }
            | Self::Release { .. }
            | Self::Delete { .. }
            | Self::Update { .. }
            | Self::SetTags { .. }
            | Self::RemoveTags { .. } => None,
        }
    }
}
