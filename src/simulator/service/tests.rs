//! Property tests of the whole service: arbitrary event sequences.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::{dispatch::HANDLERS, fixtures::Cloud, topology};
use crate::{
    dcs::{
        model::{BackupStatus, InstanceStatus},
        operation::{self, Service as Side},
    },
    simulator::{Options, Site, call::Reply},
};

const SPECS: [(&str, f64); 8] = [
    ("redis.single.xu1.tiny.128", 0.125),
    ("redis.ha.xu1.large.r2.4", 4.0),
    ("redis.ha.xu1.large.r3.4", 4.0),
    ("redis.ha.xu1.large.r2.8", 8.0),
    ("redis.ha.xu1.large.p2.4", 4.0),
    ("redis.proxy.xu1.large.4", 4.0),
    ("redis.cluster.xu1.large.r2.8", 8.0),
    ("dcs.master_standby", 4.0),
];

/// An event. Indexes select existing instances or specs.
#[derive(Debug, Clone)]
enum Event {
    Create(usize, i64, Value),
    Resize(usize, usize, Value),
    Update(usize, Value),
    Password(usize, Value),
    Tags(usize, Value),
    Delete(usize),
    Wait(i64),
    Force(usize, &'static str, Option<u64>),
    Alter(usize, Value),
    Remove(usize),
    Fail(u32),
    Backup(usize, Value),
    Restore(usize, usize),
    DeleteBackup(usize, usize),
    ForceBackup(usize, usize, &'static str),
    Garbage(usize, Value),
}

fn event() -> impl Strategy<Value = Event> {
    let which = 0..6_usize;
    let more = select(vec![
        json!({}),
        json!({"port": 7000}),
        json!({"name": "x"}),
        json!({"tags": [{"key": "a", "value": "b"}]}),
        json!({"rename_commands": {"keys": "k1"}}),
        json!({"no_password_access": true, "password": ""}),
        json!({"maintain_begin": "02:00:00", "maintain_end": "03:00:00"}),
        json!({"instance_backup_policy": {"backup_type": "auto", "save_days": 1, "periodical_backup_plan":
            {"backup_at": [1, 2, 3, 4, 5, 6, 7], "period_type": "weekly", "begin_at": "00:00-01:00"}}}),
    ]);
    let change = select(vec![
        json!({}),
        json!({"change_type": "instanceType"}),
        json!({"change_type": "createReplication", "available_zones": ["sim-region-1c"]}),
        json!({"change_type": "deleteReplication", "node_list": ["?"]}),
        json!({"execute_immediately": false}),
    ]);
    let tags = select(vec![
        json!({"action": "create", "tags": [{"key": "a", "value": "c"}]}),
        json!({"action": "delete", "tags": [{"key": "a"}]}),
    ]);
    let password = select(vec![json!({"new_password": "Another-1"}), json!({"no_password_access": true})]);
    let status = select(InstanceStatus::KNOWN.to_vec());
    let altered = select(vec![
        json!({"capacity": 8}),
        json!({"spec_code": "redis.cluster.xu1.large.r2.8"}),
        json!({"task": "BACKUPING", "used_memory": 4000}),
        json!({"name": "altered", "maintain_begin": "whenever"}),
    ]);
    let garbage =
        select(vec![json!([]), json!("x"), json!({"tags": 1, "name": [], "capacity": {}}), json!(1e300)]);
    prop_oneof![
        4 => (0..SPECS.len(), 1..4_i64, more.clone()).prop_map(|(s, n, m)| Event::Create(s, n, m)),
        4 => (which.clone(), 0..SPECS.len(), change).prop_map(|(w, s, m)| Event::Resize(w, s, m)),
        2 => (which.clone(), more).prop_map(|(w, m)| Event::Update(w, m)),
        1 => (which.clone(), password).prop_map(|(w, b)| Event::Password(w, b)),
        1 => (which.clone(), tags).prop_map(|(w, b)| Event::Tags(w, b)),
        2 => which.clone().prop_map(Event::Delete),
        5 => select(vec![0, 1, 59, 60, 100, 100_000]).prop_map(Event::Wait),
        2 => (which.clone(), status, select(vec![None, Some(0), Some(50)])).prop_map(|(w, s, l)| Event::Force(w, s, l)),
        1 => (which.clone(), altered).prop_map(|(w, f)| Event::Alter(w, f)),
        1 => which.clone().prop_map(Event::Remove),
        1 => (0..3_u32).prop_map(Event::Fail),
        2 => (which.clone(), select(vec![json!({}), json!({"backup_format": "aof"})])).prop_map(|(w, b)| Event::Backup(w, b)),
        1 => (which.clone(), 0..3_usize).prop_map(|(w, n)| Event::Restore(w, n)),
        1 => (which.clone(), 0..3_usize).prop_map(|(w, n)| Event::DeleteBackup(w, n)),
        1 => (which.clone(), 0..3_usize, select(BackupStatus::KNOWN.to_vec())).prop_map(|(w, n, s)| Event::ForceBackup(w, n, s)),
        1 => (0..operation::ALL.len(), garbage).prop_map(|(o, b)| Event::Garbage(o, b)),
    ]
}

/// Applies an event and returns the replies.
fn happen(cloud: &mut Cloud, event: &Event) -> Vec<Reply> {
    let id = |which: usize| nth(cloud, which);
    let (operation, id, body) = match event {
        Event::Create(spec, count, more) => {
            let mut body = cloud.request(SPECS[*spec].0, SPECS[*spec].1, more.clone());
            body["instance_num"] = json!(count);
            ("CreateInstance", String::new(), body)
        }
        Event::Resize(which, spec, more) => {
            let mut body = json!({"spec_code": SPECS[*spec].0, "new_capacity": SPECS[*spec].1});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            if body["node_list"] == json!(["?"]) {
                let last = cloud.service.instances().nth(*which).and_then(|instance| instance.nodes.last());
                body["node_list"] = json!([last.map_or("none", |node| node.id.as_str())]);
            }
            ("ResizeInstance", id(*which), body)
        }
        Event::Update(which, body) => ("UpdateInstance", id(*which), body.clone()),
        Event::Password(which, body) => ("ResetPassword", id(*which), body.clone()),
        Event::Tags(which, body) => ("BatchCreateOrDeleteTags", id(*which), body.clone()),
        Event::Delete(which) => ("DeleteInstance", id(*which), Value::Null),
        Event::Backup(which, body) => ("CopyInstance", id(*which), body.clone()),
        Event::Restore(which, n) => {
            ("RestoreInstance", id(*which), json!({"backup_id": nth_backup(cloud, *which, *n)}))
        }
        Event::DeleteBackup(which, n) => {
            let (id, backup) = (id(*which), nth_backup(cloud, *which, *n));
            let arguments = [("instance_id", id.as_str()), ("backup_id", backup.as_str())];
            return vec![cloud.call("DeleteBackupFile", &arguments, &[], Value::Null)];
        }
        Event::Garbage(which, body) => (operation::ALL[*which].name, id(0), body.clone()),
        Event::Wait(_)
        | Event::Force(..)
        | Event::Alter(..)
        | Event::Remove(_)
        | Event::Fail(_)
        | Event::ForceBackup(..) => {
            outside(cloud, event);
            return Vec::new();
        }
    };
    vec![cloud.call(operation, &[("instance_id", &id), ("job_id", "none")], &[], body)]
}

/// The id of the nth instance, or of a nonexistent one.
fn nth(cloud: &Cloud, which: usize) -> String {
    let found = cloud.service.instances().nth(which).map(|instance| instance.id.clone());
    found.unwrap_or_else(|| "3c49fd6b-fc7c-419e-9644-b6cce008653f".to_owned())
}

fn nth_backup(cloud: &Cloud, which: usize, n: usize) -> String {
    let instance = cloud.service.instances().nth(which);
    let found = instance.and_then(|instance| instance.backups.get(n));
    found.map_or_else(|| "none".to_owned(), |record| record.id.clone())
}

fn outside(cloud: &mut Cloud, event: &Event) {
    match event {
        Event::Force(which, status, seconds) => {
            let (id, lasting) = (nth(cloud, *which), seconds.map(Duration::from_secs));
            cloud.service.force_status(cloud.now, &id, InstanceStatus::from(*status), lasting);
        }
        Event::Alter(which, fields) => {
            let id = nth(cloud, *which);
            let _ = cloud.service.alter(&id, fields.as_object().unwrap());
        }
        Event::Remove(which) => {
            let id = nth(cloud, *which);
            cloud.service.remove(&id);
        }
        Event::Fail(count) => {
            cloud.service.fail_next_creations(*count);
            cloud.service.fail_next_backups(*count);
        }
        Event::ForceBackup(which, n, status) => {
            let (id, backup) = (nth(cloud, *which), nth_backup(cloud, *which, *n));
            let _ = cloud.service.force_backup(&id, &backup, &BackupStatus::from(*status));
        }
        Event::Wait(seconds) => cloud.wait(*seconds),
        _ => {}
    }
}

/// Checks the invariants.
fn check(cloud: &mut Cloud) {
    let all: Vec<_> = cloud.service.instances().cloned().collect();
    let ids: HashSet<_> = all.iter().map(|instance| &instance.id).collect();
    assert_eq!(ids.len(), all.len());
    let mut held = BTreeMap::new();
    for instance in &all {
        for address in topology::held_addresses(instance) {
            let before = held.insert((instance.subnet_id.clone(), address), &instance.id);
            assert_eq!(before, None, "{address} is held twice");
        }
        let due = instance.next_due();
        assert!(due.is_none_or(|due| due >= cloud.now), "{due:?} is overdue");
        let live = instance.backups.iter().filter(|record| record.is_live()).count();
        assert!(live <= cloud.service.options.backups.limit, "{live} backups");
        let masters = instance.nodes.iter().filter(|node| node.master).count();
        assert!(instance.nodes.is_empty() || masters == instance.shape.shards as usize, "{masters} masters");
    }
    // No transition is overdue, and every allocated address belongs to an instance.
    assert!(cloud.service.next_transition().is_none_or(|next| next >= cloud.now));
    assert_eq!(cloud.service.networks.in_use(), held.len());
}

/// The pages together equal the whole list and its total.
fn check_pages(cloud: &mut Cloud) {
    let number = |body: &Value| {
        let number = &body["instance_num"];
        number.as_u64().or_else(|| number.as_str()?.parse().ok()).unwrap() as usize
    };
    let ids = |body: &Value| -> Vec<Value> {
        let list = body["instances"].as_array().cloned().unwrap_or_default();
        list.into_iter().map(|instance| instance["instance_id"].clone()).collect()
    };
    let whole = cloud.get("ListInstances", &[], &[("limit", "1000")]).body;
    assert_eq!(ids(&whole).len(), number(&whole));
    let mut pages = Vec::new();
    for page in 0..=number(&whole) / 2 {
        let offset = (page * 2).to_string();
        let body = cloud.get("ListInstances", &[], &[("limit", "2"), ("offset", &offset)]).body;
        assert_eq!(number(&body), number(&whole));
        pages.extend(ids(&body));
    }
    assert_eq!(pages, ids(&whole));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn invariants_hold_after_any_events(events in prop::collection::vec(event(), 0..40), site in select(Site::ALL.to_vec())) {
        let mut cloud = Cloud::new(Options { site, ..Options::default() });
        for event in &events {
            happen(&mut cloud, event);
            cloud.service.advance(cloud.now);
            check(&mut cloud);
        }
        check_pages(&mut cloud);
    }

    #[test]
    fn a_restored_service_behaves_identically(
        before in prop::collection::vec(event(), 0..20),
        after in prop::collection::vec(event(), 0..10),
        site in select(Site::ALL.to_vec()),
    ) {
        let mut cloud = Cloud::new(Options { site, ..Options::default() });
        before.iter().for_each(|event| drop(happen(&mut cloud, event)));
        let text = serde_json::to_string(&cloud.service).unwrap();
        let mut restored = cloud.clone();
        restored.service = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&restored.service, &cloud.service);
        for event in &after {
            prop_assert_eq!(happen(&mut restored, event), happen(&mut cloud, event));
        }
        prop_assert_eq!(restored.service, cloud.service);
    }
}

#[test]
fn every_code_has_a_status_and_a_meaning() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/simulator/service");
    let files = walkdir::WalkDir::new(directory).into_iter().map(|entry| entry.unwrap().into_path());
    let mut codes = BTreeSet::new();
    for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        codes.extend(text.split("\"DCS.").skip(1).filter_map(|rest| rest.get(..4).map(str::to_owned)));
    }
    assert!(codes.len() > 40, "{codes:?}");
    for code in codes.iter().filter(|code| code.bytes().all(|byte| byte.is_ascii_digit())) {
        assert!(crate::dcs::error::lookup(&format!("DCS.{code}")).is_some(), "{code}");
    }
}

#[test]
fn every_operation_of_the_service_is_served() {
    for operation in operation::ALL {
        let served = HANDLERS.iter().any(|(own, _)| own.name == operation.name);
        assert_eq!(served, operation.service == Side::Dcs, "{}", operation.name);
    }
    let mut cloud = Cloud::default();
    assert_eq!(cloud.get("KeystoneListProjects", &[], &[]).body["error_code"], "DCS.4001");
}

/// State files of earlier releases use these names.
#[test]
fn the_state_format_is_stable() {
    let mut cloud = Cloud::new(Options { site: Site::Newer, ..Options::default() });
    let body =
        json!({"spec_code": "redis.proxy.xu1.large.4", "new_capacity": 4, "change_type": "instanceType"});
    let id = cloud.running("redis.ha.xu1.large.p2.4", 4.0);
    cloud.ok("ResizeInstance", &id, body.clone());
    let state = serde_json::to_value(&cloud.service).unwrap();
    let pending = &state["store"][0]["pending"];
    assert!(state["store"][0]["front"].is_string() && pending["until"].is_string(), "{state}");
    assert!(pending["change"]["Reshape"]["front"].is_string(), "{pending}");
    let mut earlier = state.clone();
    for added in ["backups", "restores", "automatic"] {
        assert!(earlier["store"][0].as_object_mut().unwrap().remove(added).is_some(), "{added}");
    }
    for added in ["failing_backups", "failing_restores"] {
        assert!(earlier.as_object_mut().unwrap().remove(added).is_some(), "{added}");
    }
    earlier["options"].as_object_mut().unwrap().remove("backups").unwrap();
    assert_eq!(serde_json::from_value::<super::Service>(earlier).unwrap(), cloud.service);
    let id = cloud.running("redis.ha.xu1.large.p2.4", 4.0);
    let mut deferred = body;
    deferred["execute_immediately"] = json!(false);
    cloud.ok("ResizeInstance", &id, deferred);
    let state = serde_json::to_value(&cloud.service).unwrap();
    let scheduled = &state["store"][1]["scheduled"];
    assert!(scheduled["at"].is_string() && scheduled["reshape"]["shape"].is_object(), "{scheduled}");
}
