//! Probe as the generic reconcile uses it.

use std::{sync::Arc, time::Duration};

use dcs_operator::{
    api::DcsInstance,
    controller::{
        ClientFactory, CloudOf, ClusterError, ContextOf, Known, LocalStateStore, ManagedResource, ObjectApi,
        ObjectId, ObservedState, PlanOf, Reconciler, RetryAt, SecretApi, Shared, Time, request,
    },
    dcs::{
        Cloud, Error,
        model::{InstanceFacts, Tag, TagsAction, TagsChange},
    },
    inventory::{Subscription, Work},
    plan::Blocker,
};
use kube::ResourceExt;

use super::{
    api::{Probe, ProbeStatus},
    plan::{AddInUseFinalizer, Observed, ReadTag, SetTag, plan},
    tag_key,
};

/// The reconciler of Probes.
pub(crate) struct Probes<O, I, S, N: ClientFactory> {
    pub(crate) objects: O,
    pub(crate) instances: I,
    pub(crate) shared: Arc<Shared<S, N>>,
    pub(crate) local_states: LocalStateStore<Probe, ()>,
}

impl<O, I, S, N> Reconciler for Probes<O, I, S, N>
where
    O: ObjectApi<Probe>,
    I: ObjectApi<DcsInstance>,
    S: SecretApi,
    N: ClientFactory,
{
    type Object = Probe;
    type Secrets = S;
    type Clients = N;
    type Observed = Observed;
    type Scratch = ();
    type LocalState = ();
    type Lookup = ReadTag;
    type KubeAction = AddInUseFinalizer;
    type CloudAction = SetTag;

    const FINALIZER: &'static str = "dcs.huaweicloud.com/probe";

    fn shared(&self) -> &Shared<S, N> {
        &self.shared
    }

    fn objects(&self) -> &impl ObjectApi<Probe> {
        &self.objects
    }

    fn local_states(&self) -> &LocalStateStore<Probe, ()> {
        &self.local_states
    }

    fn observe(&self, known: Known<Self>) -> Observed {
        let namespace = known.object.namespace().unwrap_or_default();
        let instance = known.object.spec.instance.as_ref();
        let instance = instance.map(|name| ObjectId::new(DcsInstance::KIND, &namespace, name));
        let instance = instance.and_then(|id| self.instances.cached(&id));
        Observed {
            holder: instance.and_then(|instance| instance.status.as_ref()?.holder.clone()),
            probe: known.object.as_ref().clone(),
            status: known.status,
            account: known.account,
            tag: None,
            intent_seen: known.intent_seen,
            now: known.now,
            settings: self.shared.settings.clone(),
        }
    }

    fn plan(&self, observed: &Observed) -> PlanOf<Self> {
        plan(observed)
    }

    fn subscription(&self, observed: &Observed, _: &PlanOf<Self>) -> Subscription {
        Subscription { ids: vec![observed.probe.spec.probed_instance_id.clone()], ..Subscription::default() }
    }

    async fn lookup(&self, context: &mut ContextOf<Self>, _: &ReadTag) -> Result<(), RetryAt> {
        request(self, context, Work::Read)?;
        let Some((account, cloud)) = &context.cloud else { return Ok(()) };
        let spec = &context.object.spec;
        let answer = cloud.show_instance(&spec.probed_instance_id).await;
        self.shared.apply_throttling(account, answer.as_ref().err());
        let key = tag_key(&context.object.name_any());
        let tag = |detail| InstanceFacts::from(&detail).tag(&key).map(str::to_owned);
        let answer = answer.map(tag).map_err(|error| Blocker::of("the instance cannot be read", &error));
        context.observed.tag = Some(answer);
        Ok(())
    }

    async fn prepare(&self, context: &ContextOf<Self>, _: &AddInUseFinalizer) -> Result<(), ClusterError> {
        self.shared.add_in_use_finalizer(&context.object.credentials_secret()).await
    }

    async fn execute(
        &self,
        context: &ContextOf<Self>,
        action: &SetTag,
        cloud: &CloudOf<Self>,
    ) -> Result<Option<String>, Error> {
        let tag = Tag { key: tag_key(&context.object.name_any()), value: Some(action.value.clone()) };
        let change = TagsChange { action: TagsAction::Create, tags: vec![tag] };
        cloud.change_tags(&action.id, &change).await.map(|()| None)
    }
}

impl ObservedState<ProbeStatus> for Observed {
    fn status_mut(&mut self) -> &mut ProbeStatus {
        &mut self.status
    }

    fn is_urgent(&self) -> bool {
        true
    }

    fn on_intent_recorded(&mut self, status: ProbeStatus, first_seen: Option<Duration>) {
        (self.status, self.intent_seen) = (status, first_seen);
    }

    fn on_change(&mut self) {
        self.tag = None;
    }

    fn set_time(&mut self, now: Time) {
        self.now = now;
    }
}
