//! Persistent formats: values that the operator writes to the cloud, to objects and to their status, and that later
//! releases must recognise.
//!
//! Pure. **Outputs must never change**; a new format gets a new name beside the old one. Golden tests compare the
//! outputs with values computed by other tools.

mod approval;
mod backup_name;
mod digest;
mod hash;
mod job_mark;
mod name;
mod object;
mod owner;
mod ownership;

pub use self::{
    approval::approval_token,
    backup_name::{first_backup_name, is_first_backup_name, scheduled_backup_name, slot_of_backup},
    hash::{HashKey, Purpose},
    job_mark::{Execution, JobMark},
    name::cloud_name,
    object::{
        ADDRESS_ANNOTATION, APPROVE_ANNOTATION, BACKUP_FINALIZER, FIELD_MANAGER, IN_USE_FINALIZER,
        INSTANCE_FINALIZER, INSTANCE_ID_ANNOTATION, INSTANCE_LABEL, PASSWORD_SOURCE_ANNOTATION,
        PENDING_PASSWORD_ANNOTATION, RECORD_ANNOTATION, RESTORE_FINALIZER, RESTORE_LABEL, RETRY_ANNOTATION,
        ROTATE_PASSWORD_ANNOTATION, SCHEDULE_LABEL, auth_secret_name, binding_keys, binding_secret_name,
        former_auth_secret_name, pending_auth_secret_name,
    },
    owner::OwnerHash,
    ownership::{
        ALLOW_NAMESPACE_TAG, ORIGIN_TAG, OWNER_TAG, Origin, OwnershipReading, OwnershipTags, RELEASED_TAG,
        RESERVED_PREFIX, UID_TAG, allow_namespace_value,
    },
};
