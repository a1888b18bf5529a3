//! Carrying a change out: one call each.

use std::time::Duration;

use super::{Instances, View};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        account::Connect,
        cluster::{Objects, Secrets},
    },
    dcs::{
        Class, Cloud, Error,
        model::{Tag, TagsAction, TagsChange},
    },
    formats::{ORIGIN_TAG, OWNER_TAG, RELEASED_TAG, UID_TAG},
    plan::instance::{Change, Fate},
};

/// How much longer than a change takes the right to send it has to last.
const MARGIN: Duration = Duration::from_secs(5);

// === impl Instances ===

impl<O: Objects<DcsInstance>, S: Secrets, N: Connect> Instances<O, S, N> {
    /// Whether a change that is sent now is over before another operator could send one.
    pub(super) fn may_change(&self) -> bool {
        let end = self.clock.monotonic().saturating_add(self.settings.call_timeout).saturating_add(MARGIN);
        self.permit.outlasts(end)
    }

    /// Sends a change, unless its time is over: whoever wrote it down promised that it would not come later.
    pub(super) async fn send(&self, view: &View<N::Cloud>, change: &Change, until: Duration) -> Fate {
        let refused =
            |message: &str| Fate::Refused { reason: Reason::Throttled, message: message.to_owned() };
        let Some((account, cloud)) = &view.cloud else { return refused("there are no credentials") };
        if self.clock.monotonic() > until {
            return refused("writing the intent down took too long, so the request was not sent");
        }
        if !self.may_change() {
            return refused("this operator may not lead for much longer, so the request was not sent");
        }
        let outcome = match change {
            Change::Create(blueprint) => {
                let request = blueprint.request(view.password.clone());
                cloud.create_instance(&request).await.map(|created| Some(created.instance_id))
            }
            Change::Delete { id, consent: _, failed: _ } => gone_is_done(cloud.delete_instance(id).await),
            Change::Update { id, request } => cloud.update_instance(id, request).await.map(|()| None),
            Change::Adopt { .. }
            | Change::NoteRelease { .. }
            | Change::Unmark { .. }
            | Change::SetTags { .. }
            | Change::RemoveTags { .. } => tags(cloud.as_ref(), change).await.map(|()| None),
        };
        self.heed(account, outcome.as_ref().err());
        match outcome {
            Ok(instance_id) => Fate::Accepted { instance_id },
            Err(error) => Fate::of(&error),
        }
    }
}

/// What is deleted already need not be deleted.
fn gone_is_done(outcome: Result<(), Error>) -> Result<Option<String>, Error> {
    match outcome {
        Err(error) if error.class() == Class::NotFound => Ok(None),
        outcome => outcome.map(|()| None),
    }
}

async fn tags(cloud: &impl Cloud, change: &Change) -> Result<(), Error> {
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: Some(value.to_owned()) };
    let all =
        |tags: &std::collections::BTreeMap<String, String>| tags.iter().map(|(k, v)| tag(k, v)).collect();
    let (id, action, tags) = match change {
        Change::Adopt { id, mark } => {
            (id, TagsAction::Create, mark.tags().into_iter().map(|(key, value)| tag(key, value)).collect())
        }
        Change::NoteRelease { id, uid } => (id, TagsAction::Create, vec![tag(RELEASED_TAG, uid)]),
        Change::Unmark { id } => {
            let keys = [UID_TAG, OWNER_TAG, ORIGIN_TAG].map(|key| Tag { key: key.to_owned(), value: None });
            (id, TagsAction::Delete, keys.to_vec())
        }
        Change::SetTags { id, tags } => (id, TagsAction::Create, all(tags)),
        Change::RemoveTags { id, tags } => (id, TagsAction::Delete, all(tags)),
        Change::Create(_) | Change::Delete { .. } | Change::Update { .. } => return Ok(()),
    };
    cloud.change_tags(id, &TagsChange { action, tags }).await
}
