//! DcsInstance, as the generic pass sees it.

use std::{sync::Arc, time::Duration};

use kube::Resource;

use super::{Attempt, Instances, Recall, View};
use crate::{
    api::{DcsInstance, DcsInstanceStatus},
    clock::Clock,
    controller::{
        account::Connect,
        cluster::{ClusterError, Key, Objects, Secrets},
        memory::Memories,
        pass::{Kind, NotNow, PlanOf},
        witness::{Action, Outcome},
    },
    fleet::{Interest, Pace, Work},
    formats::{INSTANCE_FINALIZER, OWNER_TAG, UID_TAG},
    plan::{
        conditions::transitions,
        instance::{Change, Fate, Look, Preparation, intent, plan},
        schedule::{MOMENT, Pacing},
    },
};

impl<O: Objects<DcsInstance>, S: Secrets, N: Connect> Kind for Instances<O, S, N> {
    type Object = DcsInstance;
    type View = View<N::Cloud>;
    type Memory = Recall;
    type Look = Look;
    type Preparation = Preparation;
    type Change = Change;
    type Fate = Fate;

    const FINALIZER: &'static str = INSTANCE_FINALIZER;

    fn objects(&self) -> &impl Objects<DcsInstance> {
        &self.objects
    }

    fn memories(&self) -> &Memories<DcsInstance, Recall> {
        &self.memories
    }

    fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    fn pacing(&self) -> &Pacing {
        &self.settings.pacing
    }

    async fn gather(&self, object: &Arc<DcsInstance>) -> Result<Option<Self::View>, ClusterError> {
        self.observe(object).await
    }

    fn plan(&self, view: &Self::View) -> PlanOf<Self> {
        plan(&view.observed)
    }

    async fn look(&self, view: &mut Self::View, look: &Look) -> Result<(), NotNow> {
        self.look_up(view, look).await
    }

    async fn prepare(&self, view: &Self::View, preparation: &Preparation) -> Result<(), ClusterError> {
        let outcome = match preparation {
            Preparation::Password => self.make_password(view).await,
            Preparation::Hold => self.hold_credentials(&view.object).await,
            Preparation::Binding(content) => self.write_binding(view, content).await,
            Preparation::DropPending => self.drop_pending(view).await,
        };
        match outcome {
            // The plan says what follows: what was refused once would be refused again.
            Err(ClusterError::Forbidden(why) | ClusterError::Invalid(why)) => {
                let message = format!("Kubernetes does not take a Secret that is needed: {why}");
                let refusal = Some((message, self.clock.monotonic()));
                self.memories.with(&view.object, |remembered| remembered.more.memory.refusal = refusal);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn admit(&self, view: &Self::View) -> Result<Duration, NotNow> {
        if !self.may_change() {
            return Err(NotNow(self.clock.monotonic().saturating_add(MOMENT)));
        }
        self.ask(view, Work::Write)
    }

    async fn change(&self, view: &Self::View, change: &Change, until: Duration) -> Fate {
        let fate = self.send(view, change, until).await;
        self.witness.acted(&view.object.object_ref(&()), &action(change, &fate));
        fate
    }

    fn said(&self, object: &DcsInstance, before: &DcsInstanceStatus, after: &DcsInstanceStatus) {
        for news in transitions(&before.conditions, &after.conditions) {
            self.witness.said(&object.object_ref(&()), &news);
        }
    }

    fn unconfirmed(&self, object: &DcsInstance, intent: &DcsInstanceStatus) {
        let attempt = intent.operation.as_ref().map(Attempt::of);
        self.memories.with(object, |remembered| remembered.more.unconfirmed = attempt);
    }

    fn intended(&self, view: &mut Self::View, object: &Arc<DcsInstance>) {
        view.object = Arc::clone(object);
        view.observed.status = object.status.clone().unwrap_or_default();
        let now = self.clock.monotonic();
        let operation = view.observed.status.operation.as_ref();
        view.observed.memory.intent_seen = self.memories.with(object, |remembered| {
            remembered.more.begin(operation, now);
            remembered.more.memory.intent_seen
        });
    }

    fn settle(&self, view: &mut Self::View, fate: &Fate) {
        self.memories.with(&view.object, |remembered| remembered.more.fate = Some(fate.clone()));
        intent::settle(&mut view.observed.status, fate);
        // What was looked at before the change says nothing about what is there after it.
        view.observed.looks.detail = None;
        view.observed.now.monotonic = self.clock.monotonic();
        view.observed.now.wall = self.clock.now();
    }

    fn follow(&self, view: &Self::View, plan: &PlanOf<Self>) {
        let key = Key::of(view.object.as_ref());
        let Some((account, _)) = &view.cloud else { return self.fleet.unfollow(&key) };
        let subject = &view.observed.subject;
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let ids = view.observed.known_id().into_iter().chain(plan.status.id.as_deref());
        let interest = Interest {
            ids: ids.map(str::to_owned).collect(),
            tags: vec![tag(UID_TAG, &subject.uid), tag(OWNER_TAG, subject.owner.as_str())],
            pace: if plan.follow.fast { Pace::Fast } else { Pace::Steady },
            each_list: plan.follow.each_list,
            failed_creations: plan.follow.failures,
        };
        self.fleet.follow(key, account, interest);
    }

    fn forget(&self, key: &Key) {
        self.fleet.unfollow(key);
    }
}

/// What was asked of the cloud, for those who are told.
fn action<'a>(change: &'a Change, fate: &'a Fate) -> Action<'a> {
    let (outcome, made, message) = match fate {
        Fate::Accepted { instance_id } => (Outcome::Accepted, instance_id.as_deref(), None),
        Fate::Refused { reason: _, message } => (Outcome::Refused, None, Some(message.as_str())),
        Fate::Unknown { reason: _, message } => (Outcome::Unknown, None, Some(message.as_str())),
    };
    let consent = match change {
        Change::Delete { consent, .. } => Some(consent.ground()),
        Change::Create(_)
        | Change::Adopt { .. }
        | Change::NoteRelease { .. }
        | Change::Unmark { .. }
        | Change::Update { .. }
        | Change::SetTags { .. }
        | Change::RemoveTags { .. } => None,
    };
    Action { type_: change.type_(), instance: change.instance_id().or(made), outcome, message, consent }
}
