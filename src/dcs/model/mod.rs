//! Requests and answers of the API. Decoding is tolerant (see `lenient`); field names are those of the service.
//!
//! An answer may lack any field that identifies nothing, so almost every field is optional; the reader decides what a
//! missing value means. What the service says is input: texts are made one line and bounded (`text`), ids and addresses
//! are checked (`lenient`, `address`), and [`InstanceFacts`] holds nothing that a status or a Secret could not. Sources: API reference 4.1–4.9 and the vendor's SDK, which is right where the two disagree.

pub mod address;
mod backups;
mod capacity;
mod facts;
mod instance;
mod lenient;
mod requests;
mod tasks;
mod tenant;
pub mod text;
pub mod time;
mod words;

pub(super) use self::lenient::id;
pub(in crate::dcs) use self::lenient::{MAX_LIST, TOO_MANY};
pub use self::{
    backups::{
        BackupLink, BackupLinks, BackupPage, BackupRecord, CreateBackup, CreatedBackup, CreatedRestore,
        InvalidRemark, LinksRequest, MAX_REMARK_BYTES, RecordQuery, Remark, RestoreBackup, RestorePage,
        RestoreRecord, failure_meaning,
    },
    capacity::Capacity,
    facts::InstanceFacts,
    instance::{
        BackupPlan, BackupPolicy, BandwidthInfo, BusyTask, CreatedInstance, CreatedInstances,
        DomainNameEntity, DomainNameInfo, Features, InstanceBackupPolicy, InstanceDetail, InstancePage,
        InstanceSummary, StatusCounts, StatusStatistic, Tag,
    },
    requests::{
        CreateInstance, FlavorQuery, InstanceQuery, MAX_PAGE, PasswordReset, ResetOutcome, ResetPassword,
        ResizeInstance, TagsChange, TaskQuery, UpdateInstance,
    },
    tasks::{Job, Task, TaskDetails, TaskPage, TaskProgress, TaskStep},
    tenant::{
        AvailabilityZone, AvailabilityZones, Flavor, FlavorAttribute, FlavorZones, Flavors,
        InstanceStatistic, MaintenanceWindow, MaintenanceWindows, Quota, QuotaResource, Quotas, Statistics,
    },
    words::{
        BackupFormat, BackupStatus, BackupType, CacheMode, ChangeType, CpuType, InstanceStatus, JobStatus,
        PricingType, RestoreStatus, TagsAction, TaskStatus,
    },
};
