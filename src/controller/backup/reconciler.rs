//! DcsBackup as the generic reconcile uses it.

use std::{sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::{
    api::{DcsBackup, DcsBackupStatus, DcsInstance},
    controller::{
        accounts::{ClientFactory, CredentialsChoice},
        calls::RetryAt,
        job::{list_backups, read_definition, read_instance},
        local_state::LocalStateStore,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
        reconciler::{ContextOf, Known, ObservedState, PlanOf, Reconciler, Time},
        shared::Shared,
    },
    dcs::{Class, Cloud, Error, model::CreateBackup},
    formats::BACKUP_FINALIZER,
    inventory::Subscription,
    plan::{
        backup::{CloudAction, KubeAction, Lookup, Observed, plan},
        instance::observed::{Detail, Now},
        job::Records,
    },
};

/// The reconciler of DcsBackups.
pub struct Backups<O, I, S, N: ClientFactory> {
    /// The objects in Kubernetes.
    pub objects: O,
    /// The DcsInstances that they are about.
    pub instances: I,
    /// What all kinds share.
    pub shared: Arc<Shared<S, N>>,
    /// What the process keeps per object.
    pub local_states: LocalStateStore<DcsBackup, ()>,
}

impl<O, I, S, N> Reconciler for Backups<O, I, S, N>
where
    O: ObjectApi<DcsBackup>,
    I: ObjectApi<DcsInstance>,
    S: SecretApi,
    N: ClientFactory,
{
    type Object = DcsBackup;
    type Secrets = S;
    type Clients = N;
    type Observed = Observed;
    type Scratch = ();
    type LocalState = ();
    type Lookup = Lookup;
    type KubeAction = KubeAction;
    type CloudAction = CloudAction;

    const FINALIZER: &'static str = BACKUP_FINALIZER;

    fn shared(&self) -> &Shared<S, N> {
        &self.shared
    }

    fn objects(&self) -> &impl ObjectApi<DcsBackup> {
        &self.objects
    }

    fn local_states(&self) -> &LocalStateStore<DcsBackup, ()> {
        &self.local_states
    }

    fn credentials(&self, object: &DcsBackup) -> Option<CredentialsChoice> {
        Some(self.choose_credentials(object))
    }

    fn observe(&self, known: Known<Self>) -> Observed {
        self.observed(known)
    }

    fn plan(&self, observed: &Observed) -> PlanOf<Self> {
        plan(observed)
    }

    /// The lists of instances show nothing of a backup: the object visits the lists of backups itself.
    fn subscription(&self, _: &Observed, plan: &PlanOf<Self>) -> Subscription {
        Subscription { demand: plan.demand, ..Subscription::default() }
    }

    async fn lookup(&self, context: &mut ContextOf<Self>, lookup: &Lookup) -> Result<(), RetryAt> {
        match lookup {
            Lookup::Backups { instance, since } => {
                let found = list_backups(self, context, instance, *since).await?;
                self.count_failure(context, matches!(found, Records::Failed(_)));
                context.observed.lookups.backups = Some((instance.clone(), found));
            }
            Lookup::Instance { id } => {
                let found = read_instance(self, context, id).await?;
                self.count_failure(context, matches!(found, Detail::Failed(_)));
                context.observed.lookups.instance = Some((id.clone(), found));
            }
            Lookup::Definition => {
                let found = read_definition(self).await;
                self.count_failure(context, found.is_err());
                context.observed.lookups.definition = Some(found);
            }
        }
        Ok(())
    }

    async fn prepare(&self, context: &ContextOf<Self>, action: &KubeAction) -> Result<(), ClusterError> {
        match action {
            KubeAction::AddInUseFinalizer => {
                let credentials = self.choose_credentials(&context.object);
                self.shared.add_in_use_finalizer(&credentials.secret).await
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
            CloudAction::Create { instance, remark, format } => {
                let request =
                    CreateBackup { remark: Some(remark.clone()), backup_format: Some(format.clone()) };
                cloud.create_backup(instance, &request).await.map(Some)
            }
            CloudAction::Delete { instance, id, consent: _ } => match cloud.delete_backup(instance, id).await
            {
                Err(error) if error.class() == Class::NotFound => Ok(None),
                outcome => outcome.map(|()| None),
            },
        }
    }
}

impl<O, I, S, N> Backups<O, I, S, N>
where
    O: ObjectApi<DcsBackup>,
    I: ObjectApi<DcsInstance>,
    S: SecretApi,
    N: ClientFactory,
{
    fn count_failure(&self, context: &mut ContextOf<Self>, failed: bool) {
        if failed {
            context.observed.failures = self.local_states.failed(&context.object.object_id());
        }
    }
}

impl ObservedState<DcsBackupStatus> for Observed {
    fn status_mut(&mut self) -> &mut DcsBackupStatus {
        &mut self.status
    }

    /// A person waits until the backup has ended, unless the operator waits for a person.
    fn is_urgent(&self) -> bool {
        let is_stalled = |condition: &Condition| condition.type_ == "Stalled" && condition.status == "True";
        let is_open = self.status.outcome.is_none() || self.subject.deleting;
        is_open && !self.status.conditions.iter().any(is_stalled)
    }

    fn on_intent_recorded(&mut self, status: DcsBackupStatus, first_seen: Option<Duration>) {
        (self.status, self.intent_seen) = (status, first_seen);
    }

    fn on_change(&mut self) {
        (self.lookups.backups, self.lookups.instance) = (None, None);
    }

    fn set_time(&mut self, now: Time) {
        self.now = Now { wall: now.wall, monotonic: now.monotonic };
    }
}
