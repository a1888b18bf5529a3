//! Mutating calls: one for each action.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::{
    secret::{PENDING, value},
    state::{Context, Instances},
};
use crate::{
    api::DcsInstance,
    controller::{
        accounts::ClientFactory,
        ports::{ObjectApi, SecretApi},
    },
    dcs::{
        Class, Cloud, Error,
        error::Failure,
        model::{ResetPassword, Tag, TagsAction, TagsChange},
        operation::RESET_PASSWORD,
    },
    plan::instance::CloudAction,
};

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// Sends the call of an action. Returns the id of a new instance.
    pub(super) async fn call(
        &self,
        context: &Context<N::Cloud>,
        action: &CloudAction,
        cloud: &N::Cloud,
    ) -> Result<Option<String>, Error> {
        match action {
            CloudAction::Create(create_spec) => {
                let request = create_spec.request(context.scratch.password.clone());
                cloud.create_instance(&request).await.map(|created| Some(created.instance_id))
            }
            CloudAction::Delete { id, consent: _, failed: _ } => {
                absent_is_deleted(cloud.delete_instance(id).await)
            }
            CloudAction::Update { id, request } => cloud.update_instance(id, request).await.map(|()| None),
            CloudAction::ResetPassword { id, pending } => {
                let new_password = Some(pending_password(context, pending)?);
                let request = ResetPassword { new_password, no_password_access: Some(false) };
                cloud.reset_password(id, &request).await.map(|()| None)
            }
            CloudAction::Adopt { .. }
            | CloudAction::Release { .. }
            | CloudAction::SetTags { .. }
            | CloudAction::RemoveTags { .. } => change_tags(cloud, action).await.map(|()| None),
        }
    }
}

/// The pending password of this name, from the record that this reconcile read.
fn pending_password<C>(context: &Context<C>, name: &str) -> Result<SecretString, Error> {
    let record = context.scratch.record.as_ref();
    let password = record.and_then(|record| value(record, PENDING));
    password.ok_or_else(|| {
        let why = format!("the record holds no pending password {name}");
        Error::with_class(&RESET_PASSWORD, Class::Transient, Failure::NotAttempted(why))
    })
}

/// An instance that no longer exists counts as deleted.
fn absent_is_deleted(outcome: Result<(), Error>) -> Result<Option<String>, Error> {
    match outcome {
        Err(error) if error.class() == Class::NotFound => Ok(None),
        outcome => outcome.map(|()| None),
    }
}

async fn change_tags(cloud: &impl Cloud, action: &CloudAction) -> Result<(), Error> {
    let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: Some(value.to_owned()) };
    let all = |tags: &BTreeMap<String, String>| tags.iter().map(|(key, value)| tag(key, value)).collect();
    let (id, action, tags) = match action {
        CloudAction::Adopt { id, change } | CloudAction::Release { id, change } => match change.removed() {
            Some(key) => (id, TagsAction::Delete, vec![Tag { key: key.to_owned(), value: None }]),
            None => {
                let written = change.written().into_iter().map(|(key, value)| tag(key, value));
                (id, TagsAction::Create, written.collect())
            }
        },
        CloudAction::SetTags { id, tags } => (id, TagsAction::Create, all(tags)),
        CloudAction::RemoveTags { id, tags } => (id, TagsAction::Delete, all(tags)),
        CloudAction::Create(_)
        | CloudAction::Delete { .. }
        | CloudAction::Update { .. }
        | CloudAction::ResetPassword { .. } => return Ok(()),
    };
    cloud.change_tags(id, &TagsChange { action, tags }).await
}
