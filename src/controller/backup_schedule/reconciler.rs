//! DcsBackupSchedule as the generic reconcile uses it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kube::ResourceExt;

use crate::{
    api::{DcsBackup, DcsBackupSchedule, DcsBackupScheduleStatus, DcsInstance},
    controller::{
        accounts::{ClientFactory, CredentialsChoice},
        calls::RetryAt,
        ids::ObjectId,
        local_state::LocalStateStore,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
        reconciler::{ContextOf, Known, ObservedState, PlanOf, Reconciler, Time},
        shared::Shared,
    },
    dcs::Error,
    formats::BACKUP_FINALIZER,
    inventory::Subscription,
    plan::{
        backup_schedule::{ChildLookup, CloudAction, KubeAction, Lookup, Observed, Refusal, plan},
        instance::observed::Now,
    },
};

/// No plan puts it on a schedule: there is nothing to do before one goes.
pub(super) const NO_FINALIZER: &str = BACKUP_FINALIZER;

/// The reconciler of DcsBackupSchedules.
pub struct Schedules<O, B, I, S, N: ClientFactory> {
    /// The objects in Kubernetes.
    pub objects: O,
    /// The DcsBackups that they make and delete.
    pub backups: B,
    /// The DcsInstances that they are about.
    pub instances: I,
    /// What all kinds share.
    pub shared: Arc<Shared<S, N>>,
    /// What the process keeps per object.
    pub local_states: LocalStateStore<DcsBackupSchedule, LocalState>,
}

/// What the process keeps of a schedule.
#[derive(Debug, Clone, Default)]
pub struct LocalState {
    /// The API server has refused to create a DcsBackup, and no plan knows it yet.
    pub refusal: Option<Refusal>,
    /// Refusals in a row.
    pub refusals: u32,
    /// The uids of DcsBackups that were deleted, as long as the watch shows them.
    pub deleted: BTreeSet<String>,
}

impl<O, B, I, S, N> Reconciler for Schedules<O, B, I, S, N>
where
    O: ObjectApi<DcsBackupSchedule>,
    B: ObjectApi<DcsBackup>,
    I: ObjectApi<DcsInstance>,
    S: SecretApi,
    N: ClientFactory,
{
    type Object = DcsBackupSchedule;
    type Secrets = S;
    type Clients = N;
    type Observed = Observed;
    type Scratch = ();
    type LocalState = LocalState;
    type Lookup = Lookup;
    type KubeAction = KubeAction;
    type CloudAction = CloudAction;

    const FINALIZER: &'static str = NO_FINALIZER;

    fn shared(&self) -> &Shared<S, N> {
        &self.shared
    }

    fn objects(&self) -> &impl ObjectApi<DcsBackupSchedule> {
        &self.objects
    }

    fn local_states(&self) -> &LocalStateStore<DcsBackupSchedule, LocalState> {
        &self.local_states
    }

    fn credentials(&self, _: &DcsBackupSchedule) -> Option<CredentialsChoice> {
        None
    }

    fn observe(&self, known: Known<Self>) -> Observed {
        self.observed(known)
    }

    fn plan(&self, observed: &Observed) -> PlanOf<Self> {
        plan(observed)
    }

    fn subscription(&self, _: &Observed, plan: &PlanOf<Self>) -> Subscription {
        Subscription { demand: plan.demand, ..Subscription::default() }
    }

    async fn lookup(&self, context: &mut ContextOf<Self>, lookup: &Lookup) -> Result<(), RetryAt> {
        match lookup {
            Lookup::Child { name } => {
                let found = self.look_up(&context.object, name).await;
                if matches!(found, ChildLookup::Failed(_)) {
                    context.observed.failures = self.local_states.failed(&context.object.object_id());
                }
                context.observed.on_lookup(name, found);
            }
        }
        Ok(())
    }

    async fn prepare(&self, context: &ContextOf<Self>, action: &KubeAction) -> Result<(), ClusterError> {
        let schedule = &context.object;
        match action {
            KubeAction::Create(backup) => {
                let created = self.backups.create(backup).await;
                self.note(schedule, created.as_ref().err());
                let created = created?;
                tracing::info!(object = %schedule.object_id(), backup = created.name_any(), "made a DcsBackup");
                Ok(())
            }
            KubeAction::Delete { name, uid, version, why } => {
                let backup = self.backups.cached(&self.backup_id(schedule, name));
                let is_planned = |backup: &Arc<DcsBackup>| {
                    backup.metadata.uid.as_ref() == Some(uid)
                        && backup.metadata.resource_version.as_ref() == Some(version)
                };
                // It has changed since: the next plan sees how.
                let Some(backup) = backup.filter(is_planned) else { return Ok(()) };
                self.backups.delete(&backup).await?;
                self.local_states.with(schedule, |entry| entry.more.deleted.insert(uid.clone()));
                tracing::info!(object = %schedule.object_id(), backup = name, why, "deleted a DcsBackup");
                Ok(())
            }
        }
    }

    async fn execute(
        &self,
        _: &ContextOf<Self>,
        action: &CloudAction,
        _: &N::Cloud,
    ) -> Result<Option<String>, Error> {
        match *action {}
    }
}

impl<O, B, I, S, N> Schedules<O, B, I, S, N>
where
    O: ObjectApi<DcsBackupSchedule>,
    B: ObjectApi<DcsBackup>,
    I: ObjectApi<DcsInstance>,
    S: SecretApi,
    N: ClientFactory,
{
    pub(super) fn backup_id(&self, schedule: &DcsBackupSchedule, name: &str) -> ObjectId {
        ObjectId::new(DcsBackup::KIND, &schedule.namespace().unwrap_or_default(), name)
    }

    /// Keeps what the API server says of a creation, for the next plan.
    fn note(&self, schedule: &DcsBackupSchedule, error: Option<&ClusterError>) {
        self.local_states.with(schedule, |entry| match error {
            Some(ClusterError::Forbidden(_) | ClusterError::Invalid(_) | ClusterError::Gone) => {
                let attempts = entry.more.refusals.saturating_add(1);
                let message = error.map(ToString::to_string).unwrap_or_default();
                entry.more.refusals = attempts;
                entry.more.refusal = Some(Refusal { message, attempts });
            }
            // The next plan looks again.
            Some(ClusterError::Conflict(_) | ClusterError::Unavailable(_)) => {}
            None => entry.more.refusals = 0,
        });
    }
}

impl ObservedState<DcsBackupScheduleStatus> for Observed {
    fn status_mut(&mut self) -> &mut DcsBackupScheduleStatus {
        &mut self.status
    }

    fn is_urgent(&self) -> bool {
        false
    }

    fn on_intent_recorded(&mut self, status: DcsBackupScheduleStatus, _: Option<Duration>) {
        self.status = status;
    }

    fn on_change(&mut self) {
        self.lookups.children.clear();
    }

    fn set_time(&mut self, now: Time) {
        self.now = Now { wall: now.wall, monotonic: now.monotonic };
    }
}
