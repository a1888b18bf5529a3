//! DcsInstance as the generic reconcile uses it.

use super::state::{Context, InstanceLocalState, Instances, Scratch};
use crate::{
    api::{DcsInstance, DcsInstanceStatus},
    controller::{
        accounts::ClientFactory,
        calls::RetryAt,
        local_state::LocalStateStore,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
        reconciler::{Known, ObservedState, PlanOf, Reconciler, Time},
        shared::Shared,
    },
    dcs::Error,
    formats::{INSTANCE_FINALIZER, OWNER_TAG, RELEASED_TAG, UID_TAG},
    inventory::Subscription,
    plan::instance::{CloudAction, KubeAction, Lookup, Observed, local::RefusedWrite, observed::Now, plan},
};

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Reconciler for Instances<O, S, N> {
    type Object = DcsInstance;
    type Secrets = S;
    type Clients = N;
    type Observed = Observed;
    type Scratch = Scratch;
    type LocalState = InstanceLocalState;
    type Lookup = Lookup;
    type KubeAction = KubeAction;
    type CloudAction = CloudAction;

    const FINALIZER: &'static str = INSTANCE_FINALIZER;

    fn shared(&self) -> &Shared<S, N> {
        &self.shared
    }

    fn objects(&self) -> &impl ObjectApi<DcsInstance> {
        &self.objects
    }

    fn local_states(&self) -> &LocalStateStore<DcsInstance, InstanceLocalState> {
        &self.local_states
    }

    fn observe(&self, known: Known<Self>) -> Observed {
        self.observed(known)
    }

    fn plan(&self, observed: &Observed) -> PlanOf<Self> {
        plan(observed)
    }

    fn subscription(&self, observed: &Observed, plan: &PlanOf<Self>) -> Subscription {
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let ids = observed.known_id().into_iter().chain(plan.status.id.as_deref());
        Subscription {
            ids: ids.map(str::to_owned).collect(),
            tags: vec![
                tag(UID_TAG, &observed.subject.uid),
                tag(OWNER_TAG, observed.subject.owner.as_str()),
                tag(RELEASED_TAG, observed.subject.owner.as_str()),
            ],
            demand: plan.demand,
        }
    }

    async fn lookup(&self, context: &mut Context<N::Cloud>, lookup: &Lookup) -> Result<(), RetryAt> {
        self.look_up(context, lookup).await
    }

    async fn prepare(&self, context: &Context<N::Cloud>, action: &KubeAction) -> Result<(), ClusterError> {
        let outcome = match action {
            KubeAction::WriteRecord(source) => self.write_record(context, source).await,
            KubeAction::MoveRecord { id } => self.move_record(context, id).await,
            KubeAction::MakeRecord { id, from } => self.make_record(context, id, *from).await,
            KubeAction::RestoreRecord { id } => self.restore_record(context, id).await,
            KubeAction::NoteRecord { id } => self.note_record(context, id).await,
            KubeAction::BeginRotation { id, password } => self.begin_rotation(context, id, *password).await,
            KubeAction::FinishRotation { id, pending } => self.finish_rotation(context, id, pending).await,
            KubeAction::DropPending { pending } => self.drop_pending(context, pending).await,
            KubeAction::KeepSecrets { id } => self.keep_secrets(context, id).await,
            KubeAction::DeleteSecrets(names) => self.delete_secrets(context, names).await,
            KubeAction::AddInUseFinalizer => {
                self.shared.add_in_use_finalizer(&context.object.credentials_secret()).await
            }
            KubeAction::WriteBindingSecret(content) => self.write_binding(context, content).await,
            KubeAction::DeletePendingSecret => self.delete_legacy(context).await,
        };
        match outcome {
            // The plan decides what follows: the API server would reject the same again.
            Err(ClusterError::Forbidden(why) | ClusterError::Invalid(why)) => {
                let refusal = RefusedWrite {
                    purpose: action.purpose(),
                    message: format!("the API server refuses a write to a Secret of the object: {why}"),
                    at: self.shared.clock.monotonic(),
                    versions: self.notes(&context.object).versions(),
                };
                self.local_states.with(&context.object, |entry| entry.more.local.refusal = Some(refusal));
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn execute(
        &self,
        context: &Context<N::Cloud>,
        action: &CloudAction,
        cloud: &N::Cloud,
    ) -> Result<Option<String>, Error> {
        self.call(context, action, cloud).await
    }
}

impl ObservedState<DcsInstanceStatus> for Observed {
    fn status_mut(&mut self) -> &mut DcsInstanceStatus {
        &mut self.status
    }

    fn is_urgent(&self) -> bool {
        Observed::is_urgent(self)
    }

    fn on_intent_recorded(&mut self, status: DcsInstanceStatus, first_seen: Option<std::time::Duration>) {
        self.status = status;
        self.local.intent_seen = first_seen;
    }

    fn on_change(&mut self) {
        (self.lookups.detail, self.lookups.candidate) = (None, None);
    }

    fn set_time(&mut self, now: Time) {
        self.now = Now { wall: now.wall, monotonic: now.monotonic };
    }
}
