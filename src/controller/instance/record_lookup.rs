//! What the record of the password holds, and which other Secret may replace it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use secrecy::SecretString;

use super::{
    binding::fits,
    secret::{PASSWORD, PENDING, is_controlled, is_labelled, is_same, value},
    state::{Context, Instances},
};
use crate::{
    api::{DcsInstance, Reason},
    controller::{
        accounts::ClientFactory,
        field_managers::sets_data,
        ports::{ManagedResource, ObjectApi, SecretApi},
    },
    formats::{INSTANCE_LABEL, auth_secret_name, binding_secret_name, pending_auth_secret_name},
    plan::{
        Blocker,
        instance::{
            PasswordSource, RecordLookup,
            observed::PasswordState,
            password,
            secrets::{
                ChosenState, PasswordFacts, Pending, Record, RecordState, SecretNotes, Source, version,
            },
        },
    },
};

/// The name of a pending password whose note is lost.
const UNNAMED: &str = "unnamed";

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// Whether the record holds the password for a new instance. The user's Secret may change later: the request is made
    /// from the record.
    pub(super) async fn find_password(
        &self,
        context: &mut Context<N::Cloud>,
        source: &PasswordSource,
    ) -> Result<PasswordState, Blocker> {
        let subject = &context.observed.subject;
        let name = auth_secret_name(&subject.name);
        let record = self.own_secret(context, &name, false).await?;
        if record.as_ref().is_some_and(|record| !is_labelled(record, &subject.name)) {
            let message = format!(
                "Secret {name} does not say that it belongs to this object: rename or delete it, since the password is kept \
                 under this name"
            );
            return Err(Blocker { reason: Reason::SecretConflict, message });
        }
        let chosen = match source {
            PasswordSource::SecretRef { name, key } => {
                let chosen = self.chosen(&subject.namespace, name, key).await?;
                check(name, key, &chosen.0)?;
                Some(chosen)
            }
            PasswordSource::Generated | PasswordSource::Open => None,
        };
        let notes = record.as_ref().map(|record| SecretNotes::read(&record.metadata)).unwrap_or_default();
        let recorded = record.as_ref().and_then(|record| value(record, PASSWORD));
        let matches = match (source, &notes.source) {
            (PasswordSource::Generated, Some(Source::Generated)) => recorded.is_some(),
            (
                PasswordSource::SecretRef { name, key },
                Some(Source::Chosen { name: own, key: own_key, .. }),
            ) => {
                let chosen = chosen.as_ref().map(|(password, _)| password);
                (name, key) == (own, own_key) && is_same(recorded.as_ref(), chosen)
            }
            (PasswordSource::Open, Some(Source::Open)) => true,
            (PasswordSource::Generated | PasswordSource::SecretRef { .. } | PasswordSource::Open, _) => false,
        };
        let scratch = &mut context.scratch;
        (scratch.record, scratch.chosen, scratch.password) = (record, chosen, recorded);
        Ok(match notes.instance_id {
            // The instance that is replaced is gone.
            Some(id) if context.observed.status.id.as_ref() != Some(&id) => PasswordState::Former { id },
            None if matches && notes.pending.is_none() => PasswordState::Ready,
            Some(_) | None => PasswordState::Missing,
        })
    }

    /// Reads the record of an existing instance, and what may replace it.
    pub(super) async fn find_record(
        &self,
        context: &mut Context<N::Cloud>,
        lookup: &RecordLookup,
    ) -> Result<PasswordFacts, Blocker> {
        let subject = context.observed.subject.clone();
        let name = auth_secret_name(&subject.name);
        let secret = self.own_secret(context, &name, lookup.created).await?;
        let chosen = match &lookup.chosen {
            Some((name, key)) => Some(self.chosen(&subject.namespace, name, key).await),
            None => None,
        };
        let state = match &secret {
            None => {
                context.scratch.found = self.find_elsewhere(context, lookup).await?;
                RecordState::Missing { found: context.scratch.found.is_some() }
            }
            Some(secret) if is_labelled(secret, &subject.name) => {
                let lost = self.find_lost(context, lookup, secret).await?;
                let restorable = lost.is_some();
                context.scratch.found = lost;
                RecordState::Present(Record { restorable, ..facts(secret) })
            }
            // A tool restored it, or cleaned it, without its label and notes.
            Some(secret) => {
                let published = self.find_elsewhere(context, lookup).await?;
                let is_ours = is_same(published.as_ref(), value(secret, PASSWORD).as_ref());
                if is_ours && has_pending(secret) {
                    // The cloud may have the pending password: nothing may remove it.
                    RecordState::Present(facts(secret))
                } else if is_ours && !has_label(secret) || is_unused(secret) {
                    let found = published.is_some();
                    context.scratch.found = published;
                    RecordState::Missing { found }
                } else {
                    RecordState::Foreign
                }
            }
        };
        let chosen = chosen.map(|chosen| match chosen {
            Ok((password, source)) => {
                let compared = self.compare(context, secret.as_ref(), (&password, &source));
                context.scratch.chosen = Some((password, source));
                compared
            }
            Err(blocker) => Err(blocker),
        });
        context.scratch.record = secret;
        Ok(PasswordFacts { record: state, chosen })
    }

    /// Compares the password in the user's Secret with the record.
    fn compare(
        &self,
        context: &mut Context<N::Cloud>,
        record: Option<&Secret>,
        (chosen, source): (&SecretString, &Source),
    ) -> Result<ChosenState, Blocker> {
        let Some(record) = record else { return Ok(ChosenState::Other) };
        let is = |key: &str| is_same(value(record, key).as_ref(), Some(chosen));
        if is(PENDING) {
            return Ok(ChosenState::Pending);
        }
        let Source::Chosen { name, key, version: seen } = source else { return Ok(ChosenState::Other) };
        if is(PASSWORD) {
            let compared = Some((version(&record.metadata), seen.clone()));
            context.observed.local.compared.clone_from(&compared);
            self.local_states.with(&context.object, |entry| entry.more.local.compared = compared);
            return Ok(ChosenState::Accepted);
        }
        check(name, key, chosen).map(|()| ChosenState::Other)
    }

    /// The password of an instance without a record: in the Secrets of an earlier version, or in the binding Secret.
    pub(super) async fn find_elsewhere(
        &self,
        context: &Context<N::Cloud>,
        lookup: &RecordLookup,
    ) -> Result<Option<SecretString>, Blocker> {
        let subject = &context.observed.subject;
        if context.observed.notes.legacy {
            let key = context.object.object_id().secret(&pending_auth_secret_name(&subject.name));
            let pending = self.read(&key).await?.filter(|secret| is_controlled(secret, &subject.uid));
            if let Some(password) = pending.and_then(|secret| value(&secret, PASSWORD)) {
                return Ok(Some(password));
            }
        }
        Ok(self.published(context, lookup).await?.and_then(|binding| value(&binding, PASSWORD)))
    }

    /// The accepted password, if it was removed from the record or edited there, and the binding Secret still holds it.
    /// The operator alone changes it, when DCS has accepted another one.
    async fn find_lost(
        &self,
        context: &Context<N::Cloud>,
        lookup: &RecordLookup,
        record: &Secret,
    ) -> Result<Option<SecretString>, Blocker> {
        let recorded = value(record, PASSWORD);
        if recorded.is_some() && !is_edited(record, Some(PASSWORD)) {
            return Ok(None);
        }
        let binding = self.published(context, lookup).await?;
        let binding = binding.filter(|binding| recorded.is_none() || !is_edited(binding, None));
        let published = binding.and_then(|binding| value(&binding, PASSWORD));
        Ok(published.filter(|published| !is_same(recorded.as_ref(), Some(published))))
    }

    /// The binding Secret, if it is about the instance.
    async fn published(
        &self,
        context: &Context<N::Cloud>,
        lookup: &RecordLookup,
    ) -> Result<Option<Secret>, Blocker> {
        let subject = &context.observed.subject;
        let name = binding_secret_name(&subject.name);
        let binding = self.own_secret(context, &name, lookup.created).await?;
        let is_ours = |secret: &Secret| {
            let noted = SecretNotes::read(&secret.metadata).instance_id;
            noted.is_none_or(|id| id == lookup.id)
                && (is_labelled(secret, &subject.name)
                    || is_controlled(secret, &subject.uid)
                    || lookup.content.as_ref().is_some_and(|content| fits(secret, content)))
        };
        Ok(binding.filter(is_ours))
    }
}

/// What a plan may know of a record.
fn facts(secret: &Secret) -> Record {
    let (password, pending) = (value(secret, PASSWORD), value(secret, PENDING));
    let notes = SecretNotes::read(&secret.metadata);
    let notes = SecretNotes { pending: noted_pending(&notes, secret), ..notes };
    let mut keys = secret.data.iter().flatten().map(|(key, _)| key);
    Record {
        notes,
        has_password: password.is_some(),
        repeats: is_same(password.as_ref(), pending.as_ref()),
        uncertain: keys.any(|key| key.starts_with(PENDING) && key != PENDING),
        restorable: false,
    }
}

/// Another writer than the operator has set a value of the Secret, the one under `key` or any, or removed the trace of who
/// did.
fn is_edited(secret: &Secret, key: Option<&str>) -> bool {
    let managers = secret.metadata.managed_fields.as_deref().unwrap_or_default();
    managers.is_empty() || managers.iter().any(|entry| sets_data(entry, key))
}

/// The pending password. The note may be lost, or be left without a password.
pub(super) fn noted_pending(notes: &SecretNotes, secret: &Secret) -> Option<Pending> {
    value(secret, PENDING)?;
    let unnamed = || Pending { name: UNNAMED.to_owned(), source: Source::Found };
    Some(notes.pending.clone().unwrap_or_else(unnamed))
}

/// Whether any site accepts a password of the user.
fn check(name: &str, key: &str, password: &SecretString) -> Result<(), Blocker> {
    password::check(password).map_err(|problem| Blocker {
        reason: Reason::PasswordInvalid,
        message: format!("the password in Secret {name}, key {key}: {}", problem.message),
    })
}

/// Whether the Secret holds a password that the cloud may have set.
fn has_pending(secret: &Secret) -> bool {
    secret.data.iter().flatten().any(|(key, _)| key.starts_with(PENDING))
}

/// Whether the Secret says that it belongs to an object, of whatever name.
fn has_label(secret: &Secret) -> bool {
    secret.labels().contains_key(INSTANCE_LABEL)
}

/// Whether nothing is in the Secret and nothing says whose it is.
fn is_unused(secret: &Secret) -> bool {
    let is_empty = secret.data.as_ref().is_none_or(BTreeMap::is_empty);
    is_empty && secret.owner_references().is_empty() && !has_label(secret)
}
