//! What the kinds that do one job share: what they observe of their DcsInstance, and the lists of records.

use std::{future::Future, time::Duration};

use kube::ResourceExt;

use super::{
    accounts::ClientFactory,
    calls::RetryAt,
    ids::ObjectId,
    instance::snapshot,
    ports::{ManagedResource, ObjectApi, SecretApi, has_finalizer},
    reconcile::{no_account, request},
    reconciler::{ContextOf, Reconciler},
    record_lists::RecordLists,
    shared::Shared,
};
use crate::{
    api::{DcsInstance, Reason, instance::ManagementPolicy, time},
    dcs::{
        Class, Cloud, Error, RecordListing, list_all_backups, list_all_restores,
        model::{BackupRecord, RestoreRecord},
    },
    formats::OwnerHash,
    inventory::Work,
    plan::{
        Blocker, Definition,
        instance::observed::Detail,
        job::{FRESH, InstanceObject, InstanceView, Records, Subject},
    },
};

/// Identity and lifecycle of an object.
pub(super) fn subject(object: &impl ManagedResource, finalizer: &str) -> Subject {
    let id = object.object_id();
    Subject {
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        uid: object.uid().unwrap_or_default(),
        generation: object.meta().generation.unwrap_or_default(),
        created: object.creation_timestamp().map(|at| time::from_kube(&at)).unwrap_or_default(),
        deleting: object.is_deleting(),
        finalizer: has_finalizer(object, finalizer),
        retry_token: object.retry_token(),
    }
}

/// The DcsInstance `id`, as the watch shows it.
pub(super) fn instance_object<S, N: ClientFactory>(
    shared: &Shared<S, N>,
    instances: &impl ObjectApi<DcsInstance>,
    id: &ObjectId,
) -> InstanceObject {
    // A watch may not have shown it yet, nor the objects that it depends on.
    if !shared.links.is_complete() {
        return InstanceObject::Unknown;
    }
    let Some(instance) = instances.cached(id) else { return InstanceObject::Missing };
    let status = instance.status.as_ref();
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    InstanceObject::Found(Box::new(InstanceView {
        id: status.and_then(|status| status.id.clone()),
        deleting: instance.is_deleting(),
        paused: instance.spec.paused == Some(true),
        observes: instance.spec.management_policy == Some(ManagementPolicy::Observe),
        holder: status.and_then(|status| status.holder.clone()),
        cache_mode: status.and_then(|status| status.resolved.as_ref()?.cache_mode.clone()),
        account: status.and_then(|status| status.account.clone()),
        ready: conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        owner: Some(OwnerHash::new(&shared.cluster_id, &id.namespace, &id.name)),
    }))
}

/// The backups of an instance, by a list that began at `since` or later.
pub(super) async fn list_backups<T: Reconciler>(
    kind: &T,
    context: &ContextOf<T>,
    instance: &str,
    since: Duration,
) -> Result<Records<BackupRecord>, RetryAt> {
    let Some((_, cloud)) = context.cloud.clone() else { return Ok(Records::Failed(no_account())) };
    let call = list_all_backups(cloud.as_ref(), instance, None);
    list(kind, context, (&kind.shared().backup_lists, "backups"), (instance, since), call).await
}

/// The restores of an instance, by a list that began at `since` or later.
pub(super) async fn list_restores<T: Reconciler>(
    kind: &T,
    context: &ContextOf<T>,
    instance: &str,
    since: Duration,
) -> Result<Records<RestoreRecord>, RetryAt> {
    let Some((_, cloud)) = context.cloud.clone() else { return Ok(Records::Failed(no_account())) };
    let call = list_all_restores(cloud.as_ref(), instance, None);
    list(kind, context, (&kind.shared().restore_lists, "restores"), (instance, since), call).await
}

async fn list<T: Reconciler, R>(
    kind: &T,
    context: &ContextOf<T>,
    (lists, what): (&RecordLists<R>, &str),
    (instance, since): (&str, Duration),
    call: impl Future<Output = Result<RecordListing<R>, Error>> + Send,
) -> Result<Records<R>, RetryAt> {
    let Some((account, _)) = context.cloud.clone() else { return Ok(Records::Failed(no_account())) };
    if let Some(list) = lists.get(&account, instance, since) {
        return Ok(list);
    }
    request(kind, context, Work::Read)?;
    let begun = kind.shared().clock.monotonic();
    let answer = call.await;
    kind.shared().apply_throttling(&account, answer.as_ref().err());
    Ok(match answer {
        Ok(listing) if listing.complete => lists.put(&account, instance, begun, Some(listing.records)),
        Ok(_) => Records::Failed(Blocker {
            reason: Reason::ListIncomplete,
            message: format!(
                "the list of {what} is incomplete: it has fewer than the count that the cloud reports"
            ),
        }),
        Err(error) if error.class() == Class::NotFound => lists.put(&account, instance, begun, None),
        Err(error) => {
            Records::Failed(Blocker::of(&format!("the {what} of the instance cannot be listed"), &error))
        }
    })
}

/// The detail of an instance. One that was read a moment ago serves, too: several reads of a reconcile may not fit into the budget
/// at once, and objects that begin again each time would use it up without end.
pub(super) async fn read_instance<T: Reconciler>(
    kind: &T,
    context: &ContextOf<T>,
    id: &str,
) -> Result<Detail, RetryAt> {
    let Some((account, cloud)) = context.cloud.clone() else { return Ok(Detail::Failed(no_account())) };
    let shared = kind.shared();
    let max_age = FRESH.min(shared.settings.requeue.job_check_interval / 2);
    let since = shared.clock.monotonic().saturating_sub(max_age);
    if let Some(detail) = shared.details.get(&account, id, since) {
        return Ok(detail);
    }
    request(kind, context, Work::Read)?;
    let begun = shared.clock.monotonic();
    let answer = cloud.show_instance(id).await;
    shared.apply_throttling(&account, answer.as_ref().err());
    let detail = match answer {
        Ok(detail) => Detail::Found(Box::new(snapshot(&detail))),
        Err(error) if error.class() == Class::NotFound => Detail::NotFound,
        Err(error) => return Ok(Detail::Failed(Blocker::of("the instance cannot be read", &error))),
    };
    shared.details.put(&account, id, begun, &detail);
    Ok(detail)
}

/// The CustomResourceDefinition of the kind.
pub(super) async fn read_definition<T: Reconciler>(kind: &T) -> Result<Definition, Blocker>
where
    T::Secrets: SecretApi,
{
    kind.objects().definition().await.map_err(|error| Blocker {
        reason: Reason::ClusterError,
        message: format!("the CustomResourceDefinition cannot be read: {error}"),
    })
}
