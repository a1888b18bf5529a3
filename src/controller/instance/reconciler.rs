//! DcsInstance, as the generic pass sees it.

use std::{sync::Arc, time::Duration};

use kube::Resource;

use super::{Attempt, InstanceLocalState, Instances, ReconcileContext};
use crate::{
    api::{DcsInstance, DcsInstanceStatus},
    clock::Clock,
    controller::{
        account::ClientFactory,
        event_sink::{Action, Outcome},
        local_state::LocalStateStore,
        ports::{ClusterError, NamespacedName, ObjectApi, SecretApi},
        reconcile::{PlanOf, Reconciler, RetryAt},
    },
    formats::{INSTANCE_FINALIZER, OWNER_TAG, UID_TAG},
    inventory::{Demand, Subscription, Work},
    plan::{
        conditions::transitions,
        instance::{ChangeOutcome, CloudAction, KubeAction, Lookup, intent, plan},
        schedule::{INITIAL_STATUS_GRACE, RequeuePolicy},
    },
};

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Reconciler for Instances<O, S, N> {
    type Object = DcsInstance;
    type ReconcileContext = ReconcileContext<N::Cloud>;
    type LocalState = InstanceLocalState;
    type Lookup = Lookup;
    type KubeAction = KubeAction;
    type CloudAction = CloudAction;
    type ChangeOutcome = ChangeOutcome;

    const FINALIZER: &'static str = INSTANCE_FINALIZER;

    fn objects(&self) -> &impl ObjectApi<DcsInstance> {
        &self.objects
    }

    fn local_states(&self) -> &LocalStateStore<DcsInstance, InstanceLocalState> {
        &self.local_states
    }

    fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    fn requeue(&self) -> &RequeuePolicy {
        &self.settings.requeue
    }

    async fn gather(
        &self,
        object: &Arc<DcsInstance>,
    ) -> Result<Option<Self::ReconcileContext>, ClusterError> {
        self.observe(object).await
    }

    fn plan(&self, context: &Self::ReconcileContext) -> PlanOf<Self> {
        plan(&context.observed)
    }

    async fn lookup(&self, context: &mut Self::ReconcileContext, lookup: &Lookup) -> Result<(), RetryAt> {
        self.look_up(context, lookup).await
    }

    async fn prepare(
        &self,
        context: &Self::ReconcileContext,
        preparation: &KubeAction,
    ) -> Result<(), ClusterError> {
        let outcome = match preparation {
            KubeAction::CreatePasswordSecret => self.make_password(context).await,
            KubeAction::AddInUseFinalizer => self.hold_credentials(&context.object).await,
            KubeAction::WriteBindingSecret(content) => self.write_binding(context, content).await,
            KubeAction::DeletePendingSecret => self.drop_pending(context).await,
        };
        match outcome {
            // The plan says what follows: what was refused once would be refused again.
            Err(ClusterError::Forbidden(why) | ClusterError::Invalid(why)) => {
                let message = format!("Kubernetes does not take a Secret that is needed: {why}");
                let refusal = Some((message, self.clock.monotonic()));
                self.local_states.with(&context.object, |entry| entry.more.local.refusal = refusal);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn reserve_write(&self, context: &Self::ReconcileContext) -> Result<Duration, RetryAt> {
        if !self.may_change() {
            return Err(RetryAt(self.clock.monotonic().saturating_add(INITIAL_STATUS_GRACE)));
        }
        self.ask(context, Work::Write)
    }

    async fn send(
        &self,
        context: &Self::ReconcileContext,
        send: &CloudAction,
        until: Duration,
    ) -> ChangeOutcome {
        let outcome = self.send(context, send, until).await;
        self.event_sink.on_cloud_action(&context.object.object_ref(&()), &action(send, &outcome));
        outcome
    }

    fn on_status_written(&self, object: &DcsInstance, before: &DcsInstanceStatus, after: &DcsInstanceStatus) {
        for news in transitions(&before.conditions, &after.conditions) {
            self.event_sink.on_transition(&object.object_ref(&()), &news);
        }
    }

    fn on_intent_unconfirmed(&self, object: &DcsInstance, intent: &DcsInstanceStatus) {
        let attempt = intent.operation.as_ref().map(Attempt::of);
        self.local_states.with(object, |entry| entry.more.unconfirmed = attempt);
    }

    fn on_intent_recorded(&self, context: &mut Self::ReconcileContext, object: &Arc<DcsInstance>) {
        context.object = Arc::clone(object);
        context.observed.status = object.status.clone().unwrap_or_default();
        let now = self.clock.monotonic();
        let operation = context.observed.status.operation.as_ref();
        context.observed.local.intent_seen = self.local_states.with(object, |entry| {
            entry.more.begin(operation, now);
            entry.more.local.intent_seen
        });
    }

    fn record_outcome(&self, context: &mut Self::ReconcileContext, outcome: &ChangeOutcome) {
        self.local_states.with(&context.object, |entry| entry.more.outcome = Some(outcome.clone()));
        intent::record_outcome(&mut context.observed.status, outcome);
        // What was looked at before the change says nothing about what is there after it.
        context.observed.lookups.detail = None;
        context.observed.now.monotonic = self.clock.monotonic();
        context.observed.now.wall = self.clock.now();
    }

    fn subscribe(&self, context: &Self::ReconcileContext, plan: &PlanOf<Self>) {
        let key = NamespacedName::of(context.object.as_ref());
        let Some((account, _)) = &context.cloud else { return self.inventory.unsubscribe(&key) };
        let subject = &context.observed.subject;
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let ids = context.observed.known_id().into_iter().chain(plan.status.id.as_deref());
        let subscription = Subscription {
            ids: ids.map(str::to_owned).collect(),
            tags: vec![tag(UID_TAG, &subject.uid), tag(OWNER_TAG, subject.owner.as_str())],
            demand: Demand {
                active: plan.follow.fast,
                every_list: plan.follow.each_list,
                failed_creations: plan.follow.failures,
            },
        };
        self.inventory.subscribe(key, account, subscription);
    }

    fn forget(&self, key: &NamespacedName) {
        self.inventory.unsubscribe(key);
    }
}

/// What was asked of the cloud, for those who are told.
fn action<'a>(send: &'a CloudAction, outcome: &'a ChangeOutcome) -> Action<'a> {
    let (outcome, made, message) = match outcome {
        ChangeOutcome::Accepted { instance_id } => (Outcome::Accepted, instance_id.as_deref(), None),
        ChangeOutcome::Refused { reason: _, message } => (Outcome::Refused, None, Some(message.as_str())),
        ChangeOutcome::Unknown { reason: _, message } => (Outcome::Unknown, None, Some(message.as_str())),
    };
    let consent = match send {
        CloudAction::Delete { consent, .. } => Some(consent.ground()),
        CloudAction::Create(_)
        | CloudAction::Adopt { .. }
        | CloudAction::TagReleased { .. }
        | CloudAction::RemoveOwnershipTags { .. }
        | CloudAction::Update { .. }
        | CloudAction::SetTags { .. }
        | CloudAction::RemoveTags { .. } => None,
    };
    Action { type_: send.type_(), instance: send.instance_id().or(made), outcome, message, consent }
}
