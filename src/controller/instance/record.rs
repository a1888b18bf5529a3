//! The record of the password: the Secret that every other copy is made from.

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::ResourceExt;
use secrecy::SecretString;

use super::{
    record_lookup::noted_pending,
    secret::{PASSWORD, PENDING, is_controlled, is_labelled, set_value, value},
    state::{Context, Instances},
};
use crate::{
    api::DcsInstance,
    controller::{
        accounts::ClientFactory,
        ports::{ClusterError, ManagedResource, ObjectApi, SecretApi},
    },
    formats::{auth_secret_name, binding_secret_name, former_auth_secret_name},
    plan::instance::{
        PasswordSource, RecordLookup, password,
        secrets::{MadeFrom, NewPassword, Pending, SecretNotes, Source},
    },
};

/// Random bytes in the name of a pending password.
const NAME_BYTES: usize = 8;

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// Writes the record of the password for a new instance. A conflict is no error: the next reconcile reads the Secret.
    pub(super) async fn write_record(
        &self,
        context: &Context<N::Cloud>,
        source: &PasswordSource,
    ) -> Result<(), ClusterError> {
        let (password, source) = match source {
            PasswordSource::Open => (None, Source::Open),
            PasswordSource::SecretRef { .. } => match &context.scratch.chosen {
                Some((password, source)) => (Some(password.clone()), source.clone()),
                None => return Ok(()),
            },
            // Clients of an instance that is replaced may go on with its password.
            PasswordSource::Generated => match &context.scratch.record {
                Some(record) if SecretNotes::read(&record.metadata).source == Some(Source::Generated) => {
                    (value(record, PASSWORD).or(Some(self.generate()?.0)), Source::Generated)
                }
                Some(_) | None => (Some(self.generate()?.0), Source::Generated),
            },
        };
        let served = context.observed.notes.requested.clone();
        let notes = SecretNotes { source: Some(source), served, ..SecretNotes::default() };
        let record = record(context, notes, password.as_ref(), None);
        match self.put_record(context, &record).await {
            Err(ClusterError::Conflict(_)) => Ok(()),
            outcome => outcome,
        }
    }

    /// A new password, and a random name.
    fn generate(&self) -> Result<(SecretString, String), ClusterError> {
        let bytes =
            || self.shared.random.bytes().map_err(|error| ClusterError::Unavailable(error.to_string()));
        let (secret, name) = (bytes()?, bytes()?);
        let name = name.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Ok((password::generate(&secret), name))
    }

    /// Makes the record of an existing instance.
    pub(super) async fn make_record(
        &self,
        context: &Context<N::Cloud>,
        id: &str,
        from: MadeFrom,
    ) -> Result<(), ClusterError> {
        let Context { observed, scratch, .. } = context;
        let served = observed.status.applied.as_ref().and_then(|applied| applied.rotate_password.clone());
        let requested = observed.notes.requested.clone();
        let (password, source, served) = match from {
            MadeFrom::Found => (scratch.found.clone(), Source::Found, served),
            MadeFrom::Chosen => match &scratch.chosen {
                // Taking over an instance resets no password.
                Some((password, source)) => (Some(password.clone()), source.clone(), requested),
                None => return Ok(()),
            },
            MadeFrom::Open => (None, Source::Open, requested),
            MadeFrom::Opened => (None, Source::Found, served),
        };
        let instance_id = Some(id.to_owned());
        let notes = SecretNotes { instance_id, source: Some(source), served, ..SecretNotes::default() };
        self.put_record(context, &record(context, notes, password.as_ref(), None)).await
    }

    /// Puts the password that the binding Secret still holds back into the record.
    pub(super) async fn restore_record(
        &self,
        context: &Context<N::Cloud>,
        id: &str,
    ) -> Result<(), ClusterError> {
        let found = context.scratch.found.as_ref();
        self.change_record(context, id, |_, secret| set_value(secret, PASSWORD, found)).await
    }

    /// Notes that the record has the password of the user's Secret.
    pub(super) async fn note_record(
        &self,
        context: &Context<N::Cloud>,
        id: &str,
    ) -> Result<(), ClusterError> {
        self.change_record(context, id, |notes, _| {
            notes.served = context.observed.notes.requested.clone().or(notes.served.take());
            if let Some((_, source)) = &context.scratch.chosen {
                notes.source = Some(source.clone());
            }
        })
        .await
    }

    /// Puts a pending password into the record. The request for it counts as served from then on: the pending password
    /// stays until the cloud has accepted it or another one is asked for.
    pub(super) async fn begin_rotation(
        &self,
        context: &Context<N::Cloud>,
        id: &str,
        which: NewPassword,
    ) -> Result<(), ClusterError> {
        let (generated, name) = self.generate()?;
        let (accepted, source) = match &context.scratch.record {
            Some(record) => (value(record, PASSWORD), SecretNotes::read(&record.metadata).source),
            None => (None, None),
        };
        let (password, source) = match (which, &context.scratch.chosen, accepted) {
            (NewPassword::Chosen, Some((password, source)), _) => (password.clone(), source.clone()),
            (NewPassword::Chosen, None, _) => return Ok(()),
            // A password that DCS has accepted is not one that was only found.
            (NewPassword::Accepted, _, Some(accepted)) => {
                (accepted, source.filter(|source| *source != Source::Found).unwrap_or(Source::Generated))
            }
            (NewPassword::Accepted | NewPassword::Generated, _, _) => (generated, Source::Generated),
        };
        self.change_record(context, id, |notes, secret| {
            notes.served = context.observed.notes.requested.clone().or(notes.served.take());
            // The cloud may have set the one that was pending so far: it is kept until the next is accepted.
            if let Some(former) = noted_pending(notes, secret) {
                let key = format!("{PENDING}-{}", former.name);
                let kept = value(secret, PENDING);
                set_value(secret, &key, kept.as_ref());
            }
            notes.pending = Some(Pending { name, source });
            set_value(secret, PENDING, Some(&password));
        })
        .await
    }

    /// The cloud has accepted the pending password.
    pub(super) async fn finish_rotation(
        &self,
        context: &Context<N::Cloud>,
        id: &str,
        pending: &str,
    ) -> Result<(), ClusterError> {
        self.change_record(context, id, |notes, secret| {
            let accepted = value(secret, PENDING);
            if let Some(pending) = noted_pending(notes, secret).filter(|noted| noted.name == pending) {
                (notes.source, notes.pending) = (Some(pending.source), None);
                secret.data.get_or_insert_default().retain(|key, _| !key.starts_with(PENDING));
                set_value(secret, PASSWORD, accepted.as_ref());
            }
        })
        .await
    }

    /// The pending password is not wanted any more, and was never set.
    pub(super) async fn drop_pending(
        &self,
        context: &Context<N::Cloud>,
        pending: &str,
    ) -> Result<(), ClusterError> {
        let id = context.observed.known_id().unwrap_or_default().to_owned();
        self.change_record(context, &id, |notes, secret| {
            if noted_pending(notes, secret).is_some_and(|noted| noted.name == pending) {
                notes.pending = None;
                set_value(secret, PENDING, None);
            }
        })
        .await
    }

    /// Changes the record that was read, or makes one. It is about the instance `id` from then on.
    async fn change_record(
        &self,
        context: &Context<N::Cloud>,
        id: &str,
        change: impl FnOnce(&mut SecretNotes, &mut Secret),
    ) -> Result<(), ClusterError> {
        let mut secret = context.scratch.record.clone().unwrap_or_else(|| empty_record(context));
        let mut notes = SecretNotes::read(&secret.metadata);
        change(&mut notes, &mut secret);
        notes.instance = Some(context.observed.subject.name.clone());
        notes.instance_id = Some(id.to_owned());
        notes.write(&mut secret.metadata);
        self.put_record(context, &secret).await
    }

    /// Renames the record of another instance, whose password it holds. The copy comes first.
    pub(super) async fn move_record(
        &self,
        context: &Context<N::Cloud>,
        id: &str,
    ) -> Result<(), ClusterError> {
        let Some(record) = &context.scratch.record else { return Ok(()) };
        let key =
            context.object.object_id().secret(&former_auth_secret_name(&context.observed.subject.name, id));
        let metadata = ObjectMeta {
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            labels: record.metadata.labels.clone(),
            annotations: record.metadata.annotations.clone(),
            ..ObjectMeta::default()
        };
        let copy = Secret { metadata, data: record.data.clone(), ..Secret::default() };
        match self.shared.secrets.create_secret(&copy).await {
            Ok(_) => {}
            // Left by an interrupted attempt, or by an earlier record of the same instance.
            Err(ClusterError::Conflict(_)) => {
                let present = self.shared.secrets.get_secret(&key).await?.ok_or(ClusterError::Gone)?;
                if present.data != copy.data {
                    let copy = Secret { metadata: present.metadata, ..copy };
                    self.shared.secrets.replace_secret(&copy).await?;
                }
            }
            Err(error) => return Err(error),
        }
        self.remove(context, record.metadata.clone()).await
    }

    /// Notes in the Secrets which instance they are about, and takes their owner references off: the instance stays when
    /// the object goes.
    pub(super) async fn keep_secrets(
        &self,
        context: &Context<N::Cloud>,
        id: &str,
    ) -> Result<(), ClusterError> {
        let subject = &context.observed.subject;
        let key = |name: &str| context.object.object_id().secret(name);
        let record_name = auth_secret_name(&subject.name);
        let record = self.shared.secrets.get_secret(&key(&record_name)).await?;
        let binding = self.shared.secrets.get_secret(&key(&binding_secret_name(&subject.name))).await?;
        let is_ours = |secret: &Secret| {
            let noted = SecretNotes::read(&secret.metadata).instance_id;
            (is_labelled(secret, &subject.name) || is_controlled(secret, &subject.uid))
                && noted.is_none_or(|noted| noted == id)
        };
        let lookup = RecordLookup { id: id.to_owned(), created: true, chosen: None, content: None };
        let made = match &record {
            Some(record) => Some(record.clone()),
            None => {
                let found = self.find_elsewhere(context, &lookup).await;
                let found = found.map_err(|blocker| ClusterError::Unavailable(blocker.message))?;
                let notes = SecretNotes { source: Some(Source::Found), ..SecretNotes::default() };
                found.map(|found| record_from(empty_record(context), notes, Some(&found), None))
            }
        };
        for secret in made.into_iter().chain(binding) {
            let is_new = record.is_none() && secret.name_any() == record_name;
            if is_new || is_ours(&secret) {
                self.mark(context, secret, id).await?;
            }
        }
        self.local_states.with(&context.object, |entry| entry.more.local.kept = true);
        Ok(())
    }

    async fn mark(&self, context: &Context<N::Cloud>, secret: Secret, id: &str) -> Result<(), ClusterError> {
        let mut marked = secret.clone();
        let mut notes = SecretNotes::read(&secret.metadata);
        notes.instance = Some(context.observed.subject.name.clone());
        notes.instance_id = Some(id.to_owned());
        notes.write(&mut marked.metadata);
        marked.metadata.owner_references = None;
        if marked == secret {
            return Ok(());
        }
        self.put(context, &marked).await.map(drop)
    }
}

/// A record without a password.
fn empty_record<C>(context: &Context<C>) -> Secret {
    let subject = &context.observed.subject;
    Secret {
        metadata: ObjectMeta {
            name: Some(auth_secret_name(&subject.name)),
            namespace: Some(subject.namespace.clone()),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    }
}

/// The record with these notes and passwords, and nothing else.
fn record<C>(
    context: &Context<C>,
    notes: SecretNotes,
    password: Option<&SecretString>,
    pending: Option<&SecretString>,
) -> Secret {
    let present = context.scratch.record.clone().unwrap_or_else(|| empty_record(context));
    let notes = SecretNotes { instance: Some(context.observed.subject.name.clone()), ..notes };
    record_from(present, notes, password, pending)
}

fn record_from(
    mut secret: Secret,
    notes: SecretNotes,
    password: Option<&SecretString>,
    pending: Option<&SecretString>,
) -> Secret {
    notes.write(&mut secret.metadata);
    secret.metadata.owner_references = None;
    set_value(&mut secret, PASSWORD, password);
    set_value(&mut secret, PENDING, pending);
    secret
}
