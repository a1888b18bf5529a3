//! Looking things up, because a plan asked for it. A failed look is an answer too: the plan says what follows.

use std::{sync::Arc, time::Duration};

use super::{Instances, View};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        account::Connect,
        cluster::{Key, Objects, Secrets},
        pass::NotNow,
    },
    dcs::{Class, Cloud, Error, model::InstanceDetail},
    fleet::{AccountKey, Admission, Catalogued, Lane, Work},
    plan::instance::{
        Look,
        observed::{Closeup, Detail, Obstacle},
    },
};

// === impl Instances ===

impl<O: Objects<DcsInstance>, S: Secrets, N: Connect> Instances<O, S, N> {
    pub(super) async fn look_up(&self, view: &mut View<N::Cloud>, look: &Look) -> Result<(), NotNow> {
        if let Look::Binding(content) = look {
            let found = self.find_binding(view, content).await;
            if found.is_err() {
                view.observed.memory.failures = self.memories.failed(&Key::of(view.object.as_ref()));
            }
            view.observed.looks.binding = Some(found);
        }
        let Some((account, cloud)) = view.cloud.clone() else { return Ok(()) };
        match look {
            Look::Binding(_) => {}
            Look::Detail { id } => {
                self.ask(view, Work::Read)?;
                let asked = self.clock.monotonic();
                let answer = cloud.show_instance(id).await;
                self.heed(&account, answer.as_ref().err());
                let detail = self.detail(view, id, asked, answer);
                view.observed.looks.detail = Some(detail);
            }
            Look::Flavors => {
                let answer = self.fleet.flavors(&account).await;
                view.observed.looks.flavors = Some(self.listed("flavors", answer)?);
            }
            Look::Windows => {
                let answer = self.fleet.windows(&account).await;
                view.observed.looks.windows = Some(self.listed("maintenance windows", answer)?);
            }
            Look::Password(source) => {
                let found = self.find_password(view, source).await;
                view.observed.looks.password = Some(found.map(|(look, password)| {
                    view.password = password;
                    look
                }));
            }
        }
        // What was looked up was true a moment ago; the time goes with it.
        view.observed.now.monotonic = self.clock.monotonic();
        view.observed.now.wall = self.clock.now();
        Ok(())
    }

    /// A part of the catalogue; while somebody else is reading it, when to ask again.
    fn listed<T>(&self, what: &str, answer: Catalogued<T>) -> Result<Result<Arc<[T]>, Obstacle>, NotNow> {
        let message = format!("the {what} cannot be listed");
        match answer {
            Catalogued::Read(answer) => Ok(answer.map_err(|error| Obstacle::of(&message, &error))),
            Catalogued::UnderWay => {
                Err(NotNow(self.clock.monotonic().saturating_add(self.settings.pacing.brisk.first)))
            }
            // That passes by itself.
            Catalogued::NotJoined => Ok(Err(Obstacle { reason: Reason::CloudUnreachable, message })),
        }
    }

    /// The right to make a call, or when to ask again.
    pub(super) fn ask(&self, view: &View<N::Cloud>, work: Work) -> Result<Duration, NotNow> {
        let Some((account, _)) = &view.cloud else { return Err(NotNow(self.clock.monotonic())) };
        let observed = &view.observed;
        // What a person waits for goes before what is done by itself.
        let user = observed.subject.deleting
            || observed.status.id.is_none()
            || observed.status.observed_generation != Some(observed.subject.generation);
        let lane = if user { Lane::Urgent } else { Lane::Periodic };
        let key = Self::budget_key(&Key::of(view.object.as_ref()));
        match self.fleet.request(account, work, lane, &key) {
            Admission::Granted { expires } => Ok(expires),
            Admission::NotBefore(at) => {
                self.witness.waits(work, at.saturating_sub(self.clock.monotonic()));
                Err(NotNow(at))
            }
        }
    }

    /// Slows everybody down where the cloud asks for it.
    pub(super) fn heed(&self, account: &AccountKey, error: Option<&Error>) {
        if let Some(error) = error.filter(|error| error.class() == Class::Throttled) {
            self.fleet.penalise(account, error.retry_after().unwrap_or(self.settings.throttled));
        }
    }

    /// `asked` is when: what the cloud says is at least that new.
    fn detail(
        &self,
        view: &mut View<N::Cloud>,
        id: &str,
        asked: Duration,
        answer: Result<InstanceDetail, Error>,
    ) -> Detail {
        let (detail, gone, seen) = match answer {
            Ok(detail) => {
                let closeup = closeup(&detail);
                let seen = Arc::new(closeup.facts.clone());
                (Detail::Found(Box::new(closeup)), None, Some((seen, asked)))
            }
            Err(error) if error.class() == Class::NotFound => {
                (Detail::NotFound, Some((id.to_owned(), asked)), None)
            }
            Err(error) => {
                view.observed.memory.failures = self.memories.failed(&Key::of(view.object.as_ref()));
                return Detail::Failed(Obstacle::of("the instance cannot be looked at", &error));
            }
        };
        let memory = self.memories.with(&view.object, |remembered| {
            let memory = &mut remembered.more.memory;
            (memory.gone, memory.seen) = (gone, seen);
            memory.clone()
        });
        (view.observed.memory.gone, view.observed.memory.seen) = (memory.gone, memory.seen);
        detail
    }
}

fn closeup(detail: &InstanceDetail) -> Closeup {
    Closeup {
        facts: detail.into(),
        task: detail.task.as_ref().map(|task| task.0.clone()),
        cache_mode: detail.cache_mode.as_ref().map(|mode| mode.as_str().to_owned()),
        replicas: detail.replica_count,
        shards: detail.sharding_count,
        zones: detail.az_codes.clone(),
    }
}
