//! Carrying a change out: one call each.

use std::time::Duration;

use super::{Instances, ReconcileContext};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        account::ClientFactory,
        ports::{ObjectApi, SecretApi},
    },
    dcs::{
        Class, Cloud, Error,
        model::{Tag, TagsAction, TagsChange},
    },
    formats::{ORIGIN_TAG, OWNER_TAG, RELEASED_TAG, UID_TAG},
    plan::instance::{ChangeOutcome, CloudAction},
};

/// How much longer than a change takes the right to send it has to last.
const MARGIN: Duration = Duration::from_secs(5);

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// Whether a change that is sent now is over before another operator could send one.
    pub(super) fn may_change(&self) -> bool {
        let end = self.clock.monotonic().saturating_add(self.settings.call_timeout).saturating_add(MARGIN);
        self.write_guard.covers(end)
    }

    /// Sends a change, unless its time is over: whoever wrote it down promised that it would not come later.
    pub(super) async fn send(
        &self,
        context: &ReconcileContext<N::Cloud>,
        change: &CloudAction,
        until: Duration,
    ) -> ChangeOutcome {
        let refused =
            |message: &str| ChangeOutcome::Refused { reason: Reason::Throttled, message: message.to_owned() };
        let Some((account, cloud)) = &context.cloud else { return refused("there are no credentials") };
        if self.clock.monotonic() > until {
            return refused("writing the intent down took too long, so the request was not sent");
        }
        if !self.may_change() {
            return refused("this operator may not lead for much longer, so the request was not sent");
        }
        let outcome = match change {
            CloudAction::Create(create_spec) => {
                let request = create_spec.request(context.password.clone());
                cloud.create_instance(&request).await.map(|created| Some(created.instance_id))
            }
            CloudAction::Delete { id, consent: _, failed: _ } => {
                gone_is_done(cloud.delete_instance(id).await)
            }
            CloudAction::Update { id, request } => cloud.update_instance(id, request).await.map(|()| None),
            CloudAction::Adopt { .. }
            | CloudAction::TagReleased { .. }
            | CloudAction::RemoveOwnershipTags { .. }
            | CloudAction::SetTags { .. }
            | CloudAction::RemoveTags { .. } => tags(cloud.as_ref(), change).await.map(|()| None),
        };
        self.apply_throttling(account, outcome.as_ref().err());
        match outcome {
            Ok(instance_id) => ChangeOutcome::Accepted { instance_id },
            Err(error) => ChangeOutcome::of(&error),
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

async fn tags(cloud: &impl Cloud, change: &CloudAction) -> Result<(), Error> {
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: Some(value.to_owned()) };
    let all =
        |tags: &std::collections::BTreeMap<String, String>| tags.iter().map(|(k, v)| tag(k, v)).collect();
    let (id, action, tags) = match change {
        CloudAction::Adopt { id, mark } => {
            (id, TagsAction::Create, mark.tags().into_iter().map(|(key, value)| tag(key, value)).collect())
        }
        CloudAction::TagReleased { id, uid } => (id, TagsAction::Create, vec![tag(RELEASED_TAG, uid)]),
        CloudAction::RemoveOwnershipTags { id } => {
            let keys = [UID_TAG, OWNER_TAG, ORIGIN_TAG].map(|key| Tag { key: key.to_owned(), value: None });
            (id, TagsAction::Delete, keys.to_vec())
        }
        CloudAction::SetTags { id, tags } => (id, TagsAction::Create, all(tags)),
        CloudAction::RemoveTags { id, tags } => (id, TagsAction::Delete, all(tags)),
        CloudAction::Create(_) | CloudAction::Delete { .. } | CloudAction::Update { .. } => return Ok(()),
    };
    cloud.change_tags(id, &TagsChange { action, tags }).await
}
