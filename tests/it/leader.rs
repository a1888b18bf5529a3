//! Leader election on a real API server: content of the Lease, and protection against concurrent writes.

use std::{sync::Arc, time::Duration};

use dcs_operator::{
    clock::{Clock, SystemClock},
    leader::{Candidate, KubeLeaseApi, LeaseApi, LeaseError, LeaseGuard, LeaseSettings, LossReason},
};
use futures::FutureExt;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client, api::PostParams};

use crate::support::{
    control_plane::ControlPlane,
    eventually::{DEADLINE, eventually},
};

const NAME: &str = "dcs-operator";

/// Longer than the tests, so that no lease expires.
const DURATION: Duration = Duration::from_secs(600);

fn candidate(client: &Client, identity: &str) -> Candidate<KubeLeaseApi> {
    let settings = LeaseSettings {
        duration: DURATION,
        renew_interval: Duration::from_millis(200),
        ..LeaseSettings::new("default", NAME, identity)
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    Candidate::new(KubeLeaseApi::new(client.clone()), settings, clock).unwrap()
}

async fn acquire(candidate: Candidate<KubeLeaseApi>) -> LeaseGuard<KubeLeaseApi> {
    tokio::time::timeout(DEADLINE, candidate.acquire()).await.expect("the lease in time")
}

async fn lost(held: &mut LeaseGuard<KubeLeaseApi>) -> LossReason {
    tokio::time::timeout(DEADLINE, held.renew_until_lost()).await.expect("the loss in time")
}

async fn spec(leases: &Api<Lease>) -> LeaseSpec {
    leases.get(NAME).await.unwrap().spec.unwrap()
}

/// Runs `held` until it has renewed the Lease twice.
async fn wait_for_renewals(held: &mut LeaseGuard<KubeLeaseApi>, leases: &Api<Lease>) {
    for _ in 0..2 {
        let before = spec(leases).await.renew_time;
        let change = eventually("a renewal", DEADLINE, || async {
            (spec(leases).await.renew_time != before).then_some(())
        });
        tokio::select! {
            lost = held.renew_until_lost() => panic!("{lost}"),
            () = change => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_waits_and_acquires_the_released_lease() {
    let control_plane = ControlPlane::start().await;
    let client = control_plane.client().await;
    let leases: Api<Lease> = Api::namespaced(client.clone(), "default");
    let mut first = acquire(candidate(&client, "first")).await;
    let leadership = first.leadership();
    let made = spec(&leases).await;
    assert_eq!(made.holder_identity.as_deref(), Some("first"));
    assert_eq!((made.lease_duration_seconds, made.lease_transitions), (Some(600), Some(0)));
    assert!(made.acquire_time.is_some() && made.acquire_time == made.renew_time, "{made:?}");

    let second = candidate(&client, "second");
    let second_leadership = second.leadership();
    let mut waiting = tokio::spawn(second.acquire());
    wait_for_renewals(&mut first, &leases).await;
    assert!((&mut waiting).now_or_never().is_none());
    assert!(leadership.is_leader() && !second_leadership.is_leader());

    let again = acquire(candidate(&client, "first")).await;
    assert_eq!(
        spec(&leases).await.lease_transitions,
        Some(0),
        "a process acquires a lease of its own identity at once"
    );
    again.release().await;
    let mut second = tokio::time::timeout(DEADLINE, waiting).await.expect("the lease in time").unwrap();
    assert!(second_leadership.is_leader());
    let taken = spec(&leases).await;
    assert_eq!(taken.holder_identity.as_deref(), Some("second"));
    assert_eq!(taken.lease_transitions, Some(1));
    assert_eq!(lost(&mut first).await, LossReason::Taken { by: Some("second".to_owned()) });
    assert!(!leadership.is_leader());
    first.release().await;
    wait_for_renewals(&mut second, &leases).await;
    assert!(second_leadership.is_leader(), "a process that lost the lease does not release it");

    second.release().await;
    let free = spec(&leases).await;
    assert_eq!((free.holder_identity, free.lease_duration_seconds), (None, Some(1)));
    assert!(!second_leadership.is_leader());
    acquire(candidate(&client, "third")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_or_deleting_the_lease_ends_leadership() {
    let control_plane = ControlPlane::start().await;
    let client = control_plane.client().await;
    let leases: Api<Lease> = Api::namespaced(client.clone(), "default");
    let mut first = acquire(candidate(&client, "first")).await;
    let leadership = first.leadership();
    let stale = leases.get(NAME).await.unwrap();
    let mut foreign = stale.clone();
    foreign.spec.as_mut().unwrap().holder_identity = Some("other".to_owned());
    leases.replace(NAME, &PostParams::default(), &foreign).await.unwrap();
    assert_eq!(lost(&mut first).await, LossReason::Taken { by: Some("other".to_owned()) });
    assert!(!leadership.is_leader());

    let store = KubeLeaseApi::new(client.clone());
    assert_eq!(
        store.replace(&stale).await,
        Err(LeaseError::Changed),
        "the resourceVersion protects the write"
    );
    let mut unguarded = stale;
    unguarded.metadata.resource_version = None;
    assert_eq!(store.create(&unguarded).await, Err(LeaseError::Changed), "the Lease exists");
    assert!(matches!(store.replace(&unguarded).await, Err(LeaseError::Failed(_))));

    leases.delete(NAME, &Default::default()).await.unwrap();
    assert_eq!(store.get("default", NAME).await, Ok(None));
    let mut next = acquire(candidate(&client, "next")).await;
    leases.delete(NAME, &Default::default()).await.unwrap();
    assert_eq!(lost(&mut next).await, LossReason::Deleted);
    assert!(!next.leadership().is_leader());
}
