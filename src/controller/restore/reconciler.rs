//! DcsRestore as the generic reconcile uses it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::{DcsBackup, DcsInstance, DcsRestore, DcsRestoreStatus},
    controller::{
        accounts::{ClientFactory, CredentialsChoice},
        calls::RetryAt,
        job::{list_backups, list_restores, read_definition, read_instance},
        local_state::LocalStateStore,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
        reconciler::{ContextOf, Known, ObservedState, PlanOf, Reconciler, Time},
        shared::Shared,
    },
    dcs::{Cloud, Error, model::RestoreBackup},
    formats::RESTORE_FINALIZER,
    inventory::Subscription,
    plan::{
        instance::observed::{Detail, Now},
        job::Records,
        restore::{CloudAction, KubeAction, Lookup, Observed, plan},
    },
};

/// What the process keeps per DcsRestore.
#[derive(Debug, Clone, Default)]
pub struct LocalState {
    /// Why the API server has refused to create the backup before the restore, until the status says so.
    pub(super) refusal: Option<String>,
}

/// The reconciler of DcsRestores.
pub struct Restores<O, B, I, S, N: ClientFactory> {
    /// The objects in Kubernetes.
    pub objects: O,
    /// The DcsBackups that they restore and make.
    pub backups: B,
    /// The DcsInstances that they are about.
    pub instances: I,
    /// What all kinds share.
    pub shared: Arc<Shared<S, N>>,
    /// What the process keeps per object.
    pub local_states: LocalStateStore<DcsRestore, LocalState>,
    /// When this process began to look at objects, by the monotonic clock.
    pub began: Duration,
    /// When this process last asked for a restore of each instance: a manifest that is created again must not overtake it.
    pub requested: Mutex<HashMap<String, Duration>>,
}

impl<O, B, I, S, N> Reconciler for Restores<O, B, I, S, N>
where
    O: ObjectApi<DcsRestore>,
    B: ObjectApi<DcsBackup>,
    I: ObjectApi<DcsInstance>,
    S: SecretApi,
    N: ClientFactory,
{
    type Object = DcsRestore;
    type Secrets = S;
    type Clients = N;
    type Observed = Observed;
    type Scratch = ();
    type LocalState = LocalState;
    type Lookup = Lookup;
    type KubeAction = KubeAction;
    type CloudAction = CloudAction;

    const FINALIZER: &'static str = RESTORE_FINALIZER;

    fn shared(&self) -> &Shared<S, N> {
        &self.shared
    }

    fn objects(&self) -> &impl ObjectApi<DcsRestore> {
        &self.objects
    }

    fn local_states(&self) -> &LocalStateStore<DcsRestore, LocalState> {
        &self.local_states
    }

    fn credentials(&self, object: &DcsRestore) -> Option<CredentialsChoice> {
        // What has ended is not looked at any more.
        let is_open = object.status.as_ref().is_none_or(|status| status.outcome.is_none());
        is_open.then(|| self.choose_credentials(object))
    }

    fn observe(&self, known: Known<Self>) -> Observed {
        self.observed(known)
    }

    fn plan(&self, observed: &Observed) -> PlanOf<Self> {
        plan(observed)
    }

    /// The lists of instances show nothing of a restore: the object visits the lists of restores itself.
    fn subscription(&self, _: &Observed, plan: &PlanOf<Self>) -> Subscription {
        Subscription { demand: plan.demand, ..Subscription::default() }
    }

    async fn lookup(&self, context: &mut ContextOf<Self>, lookup: &Lookup) -> Result<(), RetryAt> {
        let failed = match lookup {
            Lookup::Restores { instance, since } => {
                let found = list_restores(self, context, instance, *since).await?;
                let failed = matches!(found, Records::Failed(_));
                context.observed.lookups.restores = Some((instance.clone(), found));
                failed
            }
            Lookup::Backups { instance, since } => {
                let found = list_backups(self, context, instance, *since).await?;
                let failed = matches!(found, Records::Failed(_));
                context.observed.lookups.backups = Some((instance.clone(), found));
                failed
            }
            Lookup::Instance { id } => {
                let found = read_instance(self, context, id).await?;
                let failed = matches!(found, Detail::Failed(_));
                context.observed.lookups.instance = Some((id.clone(), found));
                failed
            }
            Lookup::Definition => {
                let found = read_definition(self).await;
                let failed = found.is_err();
                context.observed.lookups.definition = Some(found);
                failed
            }
        };
        if failed {
            context.observed.failures = self.local_states.failed(&context.object.object_id());
        }
        Ok(())
    }

    async fn prepare(&self, context: &ContextOf<Self>, action: &KubeAction) -> Result<(), ClusterError> {
        match action {
            // A conflict is tried again more and more slowly: an earlier process may have made it, and the watch shows it soon.
            KubeAction::CreateBackup(backup) => {
                // The watch may be old: a restore that was cancelled makes no backup.
                let restore = &context.object;
                let live = self.objects.get(&restore.object_id()).await?;
                if live.is_none_or(|live| live.metadata.uid != restore.metadata.uid || live.is_deleting()) {
                    return Err(ClusterError::Conflict("the DcsRestore was deleted".to_owned()));
                }
                let created = self.backups.create(backup).await;
                if let Err(ClusterError::Forbidden(why) | ClusterError::Invalid(why)) = &created {
                    self.local_states.with(&context.object, |entry| entry.more.refusal = Some(why.clone()));
                }
                created.map(|_| ())
            }
        }
    }

    async fn execute(
        &self,
        _: &ContextOf<Self>,
        action: &CloudAction,
        cloud: &N::Cloud,
    ) -> Result<Option<String>, Error> {
        match action {
            CloudAction::Restore { instance, backup, remark, consent: _ } => {
                self.note_request(instance);
                let request = RestoreBackup { backup_id: backup.clone(), remark: Some(remark.clone()) };
                cloud.restore_instance(instance, &request).await.map(Some)
            }
        }
    }
}

impl<O, B, I, S, N: ClientFactory> Restores<O, B, I, S, N> {
    fn note_request(&self, instance: &str) {
        let now = self.shared.clock.monotonic();
        let window = self.shared.settings.window();
        let mut requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        requested.retain(|_, at| now.saturating_sub(*at) < window);
        requested.insert(instance.to_owned(), now);
    }
}

impl ObservedState<DcsRestoreStatus> for Observed {
    fn status_mut(&mut self) -> &mut DcsRestoreStatus {
        &mut self.status
    }

    /// A person waits until the restore has ended, unless the operator waits for a person.
    fn is_urgent(&self) -> bool {
        let is_stalled = |condition: &Condition| condition.type_ == "Stalled" && condition.status == "True";
        self.status.outcome.is_none() && !self.status.conditions.iter().any(is_stalled)
    }

    fn on_intent_recorded(&mut self, status: DcsRestoreStatus, first_seen: Option<Duration>) {
        (self.status, self.intent_seen) = (status, first_seen);
    }

    fn on_change(&mut self) {
        (self.lookups.restores, self.lookups.backups, self.lookups.instance) = (None, None, None);
    }

    fn set_time(&mut self, now: Time) {
        self.now = Now { wall: now.wall, monotonic: now.monotonic };
    }
}
