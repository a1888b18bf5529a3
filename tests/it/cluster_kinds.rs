//! Two kinds over one manager, on a real API server: stores, links and the in-use finalizer are shared.

use std::{sync::Arc, time::Duration};

use dcs_operator::{
    api::{DcsBackup, DcsInstance},
    clock::{Clock, SystemClock},
    controller::{
        AlwaysAllowed, ClientFactory, Endpoints, KubeInstances, KubeObjects, KubeSecrets, KubeTimeouts,
        Manager, NoopSink, Requeue, RunObserver, Shared, SystemRandom, WatchErrorHandler, WatchHealth,
        WatchedStore, Watches,
    },
    dcs::{AccountConfig, Client as CloudClient, Cloud, RetryPolicy, account::InvalidAccount},
    formats::HashKey,
    inventory::{Inventory, InventorySettings},
    plan::instance::observed::PlannerSettings,
};
use k8s_openapi::{
    api::core::v1::ObjectReference,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt, ResourceExt,
    api::{DeleteParams, PostParams},
    runtime::{
        wait::{await_condition, conditions::is_crd_established},
        watcher,
    },
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{
    eventually::{DEADLINE, eventually},
    operator::{TestCluster, fast_settings},
    probe::{Probe, ProbeSpec, Probes, tag_key},
    sim_harness::{instance, reserved_ports},
    tenant::Tenant,
    world::{invariants::tag, objects::spec},
};

/// Clients over HTTP.
struct Http(Arc<dyn Clock>);

impl ClientFactory for Http {
    type Cloud = CloudClient;

    fn connect(&self, account: &AccountConfig) -> Result<CloudClient, InvalidAccount> {
        CloudClient::new(account.clone(), RetryPolicy::default(), Arc::clone(&self.0), 1)
    }
}

/// Ignores everything.
struct Quiet;

impl RunObserver for Quiet {
    fn on_reconcile_end(&self, _: &'static str, _: Requeue, _: Duration) {}

    fn on_synced(&self) {}

    fn heartbeat(&self) {}
}

impl WatchErrorHandler for Quiet {
    fn on_watch_error(&self, _: &'static str, _: &watcher::Error) {}

    fn on_unreadable_object(&self, _: &'static str, _: &ObjectReference, _: &str) {}
}

/// A manager of DcsInstances and Probes, with the rights of an administrator.
fn manager(client: &Client) -> Manager<Http> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let timeouts = KubeTimeouts {
        answer: Duration::from_secs(10),
        watch: Duration::from_secs(200),
        max_backoff: Duration::from_secs(1),
    };
    let secrets = WatchedStore::new();
    let inventory = InventorySettings {
        poll_interval_active: Duration::from_millis(200),
        poll_interval_idle: Duration::from_secs(2),
        ..InventorySettings::default()
    };
    let shared = Arc::new(Shared {
        secrets: KubeSecrets::new(client.clone(), secrets.reader(), timeouts.answer),
        client_factory: Http(Arc::clone(&clock)),
        inventory: Inventory::new(inventory, Arc::clone(&clock)),
        links: Arc::default(),
        backup_lists: Default::default(),
        restore_lists: Default::default(),
        details: Default::default(),
        pins: Arc::new(KubeObjects::<DcsBackup>::new(
            client.clone(),
            WatchedStore::new().reader(),
            timeouts.answer,
        )),
        clock,
        random: Arc::new(SystemRandom),
        hash_key: HashKey::new(vec![7; 32]),
        cluster_id: "cluster".to_owned(),
        settings: PlannerSettings::default(),
        endpoints: Endpoints {
            insecure: reserved_ports().split(',').map(|at| at.parse().unwrap()).collect(),
            ..Endpoints::default()
        },
        own_credentials: None,
        write_guard: Arc::new(AlwaysAllowed),
        event_sink: Arc::new(NoopSink),
        credentials_cache: Default::default(),
        projects: Default::default(),
        account_limits: Default::default(),
    });
    let health = WatchHealth::new(Arc::clone(&shared.clock));
    let links = Arc::clone(&shared.links);
    let watches = Arc::new(Watches::new(client.clone(), links, None, timeouts, health, Arc::new(Quiet)));
    let (instances, probes) = (WatchedStore::<DcsInstance>::new(), WatchedStore::<Probe>::new());
    let instance_kind = KubeInstances {
        objects: KubeObjects::new(client.clone(), instances.reader(), timeouts.answer),
        shared: Arc::clone(&shared),
        local_states: Default::default(),
    };
    let probe_kind = Probes {
        objects: KubeObjects::<Probe>::new(client.clone(), probes.reader(), timeouts.answer),
        instances: KubeObjects::<DcsInstance>::new(client.clone(), instances.reader(), timeouts.answer),
        shared: Arc::clone(&shared),
        local_states: Default::default(),
    };
    let mut manager = Manager::new(shared, watches, secrets, Arc::new(Quiet), 8);
    manager.add(Arc::new(instance_kind), instances);
    manager.add(Arc::new(probe_kind), probes);
    manager
}

async fn until_complete(probes: &Api<Probe>, name: &str) {
    eventually("the Probe is complete", DEADLINE, || async {
        let status = probes.get(name).await.unwrap().status.unwrap_or_default();
        status.conditions.iter().any(|c| c.type_ == "Complete" && c.status == "True").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_kinds_run_over_one_manager_and_share_a_secret() {
    let cluster = TestCluster::start().await;
    let crds: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    crds.create(&PostParams::default(), &Probe::crd()).await.unwrap();
    let established = await_condition(crds, Probe::crd_name(), is_crd_established());
    tokio::time::timeout(DEADLINE, established).await.expect("established in time").unwrap();
    let tenant = Tenant::with_credentials(&cluster, "shop", fast_settings()).await;
    let id = tenant.cloud.client.create_instance(&instance("left-over")).await.unwrap().instance_id;
    let stop = CancellationToken::new();
    let running = tokio::spawn(manager(&cluster.client).run(stop.clone()));

    // Equal names: two objects.
    tenant.apply("sessions", spec(json!({}))).await;
    let probes: Api<Probe> = Api::namespaced(cluster.client.clone(), "shop");
    let probe = ProbeSpec { probed_instance_id: id.clone(), value: "seen".to_owned(), instance: None };
    probes.create(&PostParams::default(), &Probe::new("sessions", probe)).await.unwrap();
    until_complete(&probes, "sessions").await;
    tenant.wait_until_healthy("sessions").await;
    {
        let simulator = tenant.cloud.shared.lock();
        let probed = simulator.service().instances().find(|instance| instance.id == id).unwrap();
        assert_eq!(tag(probed, &tag_key("sessions")).as_deref(), Some("seen"));
    }

    // Each of two Probes gets the instance for itself.
    let own = tenant.instances().get("sessions").await.unwrap().status.unwrap().id.unwrap();
    for name in ["one", "two"] {
        let instance = Some("sessions".to_owned());
        let spec = ProbeSpec { probed_instance_id: own.clone(), value: "seen".to_owned(), instance };
        probes.create(&PostParams::default(), &Probe::new(name, spec)).await.unwrap();
    }
    for name in ["one", "two"] {
        until_complete(&probes, name).await;
    }
    eventually("no other object operates on the instance", DEADLINE, || async {
        let status = tenant.instances().get("sessions").await.unwrap().status.unwrap();
        status.holder.is_none().then_some(())
    })
    .await;
    for name in ["one", "two"] {
        let _ = probes.delete(name, &DeleteParams::default()).await.unwrap();
    }

    // The Secret stays in use until the last user of any kind is gone.
    let in_use = async || {
        let secret = tenant.secrets().get("dcs-credentials").await.unwrap();
        secret.finalizers().iter().any(|finalizer| finalizer == "dcs.huaweicloud.com/in-use")
    };
    let _ = tenant.instances().delete("sessions", &DeleteParams::default()).await.unwrap();
    eventually("the DcsInstance is gone", DEADLINE, || async {
        tenant.instances().get_opt("sessions").await.unwrap().is_none().then_some(())
    })
    .await;
    // A second change of the Probe shows that the manager has seen the deletion, and still reconciles.
    let again = json!({"spec": {"value": "again"}});
    probes.patch("sessions", &Default::default(), &kube::api::Patch::Merge(&again)).await.unwrap();
    eventually("tagged again", DEADLINE, || async {
        let simulator = tenant.cloud.shared.lock();
        let probed = simulator.service().instances().find(|instance| instance.id == id);
        probed
            .is_some_and(|probed| tag(probed, &tag_key("sessions")).as_deref() == Some("again"))
            .then_some(())
    })
    .await;
    assert!(in_use().await, "the Probe still uses the credentials");
    let _ = probes.delete("sessions", &DeleteParams::default()).await.unwrap();
    eventually("no kind uses the credentials", DEADLINE, || async { (!in_use().await).then_some(()) }).await;

    stop.cancel();
    tokio::time::timeout(DEADLINE, running).await.expect("stopped in time").unwrap();
}
