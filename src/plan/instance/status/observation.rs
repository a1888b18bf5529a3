//! The part of the status that reports an observed instance.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::{
    api::{
        DcsInstanceStatus, Reason,
        instance::{
            Applied, DeletionPolicy, Endpoint, Endpoints, ManagementPolicy, OnExternalDeletion,
            ReclaimPolicy, Resolved, ResolvedWindow,
        },
    },
    dcs::model::{InstanceFacts, InstanceStatus},
    formats::Origin,
    plan::{
        conditions::Readiness,
        instance::{
            diff::{self, Differences},
            input::{
                Observed,
                observed::InstanceSnapshot,
                ownership::{Ownership, ownership_of},
                secrets::Source,
            },
            phase::tenancy::foreign_instance,
        },
    },
};

/// The reported status means that clients can use the instance.
///
/// # Errors
/// The reason why they cannot.
pub(in crate::plan::instance) fn serves(status: Option<&InstanceStatus>) -> Result<(), Reason> {
    use InstanceStatus::{
        Closed, Closing, CreateFailed, Creating, Deleted, Deleting, Error, Extending, Flushing, Freezing,
        Frozen, Migrating, Other, Paying, Restarting, Restoring, Running, Starting, Upgrading,
    };
    Err(match status {
        Some(Running | Extending) => return Ok(()),
        Some(Creating) => Reason::Creating,
        Some(CreateFailed) => Reason::CreateFailed,
        Some(Error) => Reason::InstanceError,
        Some(Restarting) => Reason::Restarting,
        Some(Restoring) => Reason::Restoring,
        Some(Flushing) => Reason::Flushing,
        Some(Frozen | Freezing) => Reason::Frozen,
        Some(Paying) => Reason::Paying,
        Some(Migrating) => Reason::Migrating,
        Some(Upgrading) => Reason::Upgrading,
        Some(Deleting | Deleted) => Reason::Deleting,
        Some(Starting) => Reason::Starting,
        Some(Closing | Closed) => Reason::Closed,
        Some(Other(_)) | None => Reason::NotServing,
    })
}

/// Whether the object may report the instance: it carries the object's tags, or the spec names it to be observed and the
/// namespace may name it. An id in the status permits nothing.
pub(in crate::plan::instance) fn may_report(o: &Observed, facts: &InstanceFacts) -> bool {
    let observes = o.policies.management == ManagementPolicy::Observe
        && o.policies.adopt.as_deref() == Some(facts.id.as_str())
        && foreign_instance(o, facts).is_none();
    observes || matches!(ownership_of(facts, &o.subject), Ownership::Ours(_))
}

/// The readiness that follows from the last observation. `facts` are those that the decision rests on, if they are the
/// object's instance's.
pub(in crate::plan::instance) fn readiness(
    o: &Observed,
    facts: Option<&InstanceFacts>,
) -> (Readiness, String) {
    // An instance to adopt is not the object's before it carries the tags.
    let own = facts.map(|facts| facts.id.as_str()).or(o.status.id.as_deref());
    let is_own = |facts: &&InstanceFacts| Some(facts.id.as_str()) == own && may_report(o, facts);
    let snapshot = own.and_then(|id| o.snapshot_of(id)).map(|snapshot| &snapshot.facts).filter(is_own);
    let age = own.map_or_else(|| o.age(), |id| o.observation_age(id));
    if snapshot.is_none() && !is_gone(o) && age > o.settings.requeue.observation_max_age {
        return (Readiness::TooOld, "the instance was last observed too long ago".to_owned());
    }
    let listed = own.and_then(|id| o.lists.as_ref()?.listed(id)).map(Arc::as_ref).filter(is_own);
    let Some(facts) = snapshot.or(facts.filter(is_own)).or(listed) else {
        return match o.status.id {
            None if o.known_id().is_some() => {
                (Readiness::Missing(Reason::Adopting), "the instance is not adopted yet".to_owned())
            }
            None => (Readiness::Missing(Reason::Creating), "no instance exists yet".to_owned()),
            Some(ref id) if is_gone(o) => {
                let message = format!("instance {id} does not exist any more");
                (Readiness::NotServing(Reason::ExternallyDeleted), message)
            }
            Some(_) => (Readiness::Unchanged, String::new()),
        };
    };
    let word = facts.status.as_ref().map_or("nothing", InstanceStatus::as_str);
    let message = format!("DCS reports status {word}");
    match serves(facts.status.as_ref()) {
        Ok(()) => (Readiness::Serving, message),
        Err(why) => {
            let remedy = why.remedy().trim_end_matches('.');
            (Readiness::NotServing(why), format!("{message}. {remedy}"))
        }
    }
}

/// The cloud confirmed that the recorded instance does not exist.
fn is_gone(o: &Observed) -> bool {
    o.status.id.as_deref().is_some_and(|id| o.is_gone(id))
}

/// Writes the observed facts into the status.
pub(in crate::plan::instance) fn facts(o: &Observed, facts: &InstanceFacts, status: &mut DcsInstanceStatus) {
    status.cloud_status = facts.status.as_ref().map(|word| word.as_str().to_owned());
    // An account recorded before anything was begun there does not count.
    let begun = o.status.id.is_some() || o.status.operation.is_some();
    status.account = status
        .account
        .take()
        .filter(|_| begun)
        .or_else(|| o.account.as_ref().ok().map(|account| account.account.clone()));
    // While the instance is being created, the request tells more than the facts do.
    if facts.status == Some(InstanceStatus::Creating) && status.resolved.is_some() {
        return;
    }
    let snapshot = o.snapshot_of(&facts.id);
    let (former, applied) = (status.resolved.as_ref(), status.applied.as_ref());
    let fields = match o.desired.as_ref() {
        Ok(desired) => {
            let differences = Differences::between(desired, facts, snapshot, former, applied);
            diff::applied_fields(&differences, o.applied_fields())
        }
        Err(_) => applied.map(|applied| applied.fields.clone()).unwrap_or_default(),
    };
    status.resolved = Some(resolved(o, facts, snapshot, status.resolved.take().unwrap_or_default()));
    status.endpoints = endpoints(facts);
    let tag_keys = diff::applied_tags(o.desired.as_ref().ok(), facts, status.applied.as_ref());
    // The record may be lost: a request that was served must not be served again.
    let served = o.notes.record.as_ref().and_then(|record| record.served.clone());
    let rotate_password =
        served.or_else(|| status.applied.take().and_then(|applied| applied.rotate_password));
    let applied = Applied { tag_keys, fields, auth_hash: None, rotate_password };
    status.applied = (applied != Applied::default()).then_some(applied);
}

fn resolved(
    o: &Observed,
    facts: &InstanceFacts,
    snapshot: Option<&InstanceSnapshot>,
    kept: Resolved,
) -> Resolved {
    let snapshot = snapshot.cloned().unwrap_or_default();
    let count = |number: Option<i64>| number.and_then(|number| i32::try_from(number).ok());
    let origin = match ownership_of(facts, &o.subject) {
        Ownership::Ours(origin) => Some(origin.word().to_owned()),
        Ownership::Released | Ownership::Orphaned | Ownership::Unowned | Ownership::Foreign => kept.origin,
    };
    let open = facts.no_password_access == Some(true);
    Resolved {
        name: facts.name.clone().or(kept.name),
        engine_version: facts.engine_version.clone().or(kept.engine_version),
        capacity: facts.capacity.map(|capacity| Quantity(capacity.to_string())).or(kept.capacity),
        spec_code: facts.spec_code.clone().or(kept.spec_code),
        cache_mode: snapshot.cache_mode.or(kept.cache_mode),
        cpu_type: facts.cpu_type.as_ref().map(|cpu| cpu.as_str().to_owned()).or(kept.cpu_type),
        replicas: count(snapshot.replicas).or(kept.replicas),
        shards: count(snapshot.shards).or(kept.shards),
        availability_zones: if snapshot.zones.is_empty() { kept.availability_zones } else { snapshot.zones },
        vpc_id: facts.vpc_id.clone().or(kept.vpc_id),
        subnet_id: facts.subnet_id.clone().or(kept.subnet_id),
        private_ip: facts.ip.as_deref().and_then(first_address).or(kept.private_ip),
        security_group_id: facts.security_group_id.clone(),
        port: count(facts.port).or(kept.port),
        maintenance_window: Some(ResolvedWindow {
            begin: facts.maintain_begin.clone(),
            end: facts.maintain_end.clone(),
        }),
        enterprise_project_id: facts.enterprise_project_id.clone().or(kept.enterprise_project_id),
        origin,
        auth_type: if open {
            Some("None".to_owned())
        } else {
            recorded_auth(o).or(kept.auth_type.filter(|known| known != "None"))
        },
        management_policy: kept.management_policy,
        deletion_policy: kept.deletion_policy,
        on_external_deletion: kept.on_external_deletion,
        reclaim_policy: kept.reclaim_policy,
    }
}

/// The auth type by the record.
fn recorded_auth(o: &Observed) -> Option<String> {
    match o.notes.record.as_ref()?.source.as_ref()? {
        Source::Generated => Some("Generated".to_owned()),
        Source::Chosen { .. } => Some("SecretRef".to_owned()),
        Source::Open | Source::Found => None,
    }
}

/// Writes the effective policies into the status, once it reports an instance.
pub(in crate::plan::instance) fn policies(o: &Observed, status: &mut DcsInstanceStatus) {
    let origin = recorded_origin(status);
    let Some(resolved) = status.resolved.as_mut() else { return };
    let management = match o.policies.management {
        ManagementPolicy::Managed => "Managed",
        ManagementPolicy::Observe => "Observe",
    };
    let deletion = match o.policies.deletion_of(origin) {
        DeletionPolicy::Delete => "Delete",
        DeletionPolicy::Retain => "Retain",
    };
    let lost = match o.policies.on_external_deletion {
        OnExternalDeletion::Report => "Report",
        OnExternalDeletion::Recreate => "Recreate",
    };
    resolved.management_policy = Some(management.to_owned());
    resolved.deletion_policy = Some(deletion.to_owned());
    let reclaim = match o.reclaim_policy() {
        ReclaimPolicy::Released => "Released",
        ReclaimPolicy::Orphaned => "Orphaned",
        ReclaimPolicy::None => "None",
    };
    resolved.on_external_deletion = Some(lost.to_owned());
    resolved.reclaim_policy = Some(reclaim.to_owned());
}

/// The origin that the status records. A hint only: the ownership tags decide.
pub(in crate::plan::instance) fn recorded_origin(status: &DcsInstanceStatus) -> Option<Origin> {
    status.resolved.as_ref()?.origin.as_deref().and_then(Origin::from_word)
}

pub(super) fn endpoints(facts: &InstanceFacts) -> Option<Endpoints> {
    let port = facts.port.and_then(|port| i32::try_from(port).ok());
    let ip = facts.ip.as_deref().and_then(first_address);
    let endpoint = |name: Option<&String>, ip: Option<String>| {
        let host = name.filter(|name| !name.is_empty()).cloned().or_else(|| ip.clone())?;
        Some(Endpoint { host: Some(host), ip, port })
    };
    let primary = endpoint(facts.domain_name.as_ref(), ip);
    let read_only = facts.readonly_domain_name.as_ref().and_then(|name| endpoint(Some(name), None));
    (primary.is_some() || read_only.is_some()).then_some(Endpoints { primary, read_only, tls: None })
}

/// The parts of the instance's address that the last answer has and that cannot be used, with the reasons.
pub(in crate::plan::instance) fn unusable_addresses(
    o: &Observed,
    facts: Option<&InstanceFacts>,
) -> Option<String> {
    let listed = || o.lists.as_ref()?.known.as_deref();
    let facts = facts.or_else(|| o.snapshot().map(|snapshot| &snapshot.facts)).or_else(listed)?;
    (!facts.unusable.is_empty()).then(|| facts.unusable.join(", "))
}

fn first_address(ips: &str) -> Option<String> {
    ips.split(',').map(str::trim).find(|ip| !ip.is_empty()).map(str::to_owned)
}
