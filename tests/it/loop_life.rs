//! Every status write in the life of an object, compared with the truth table. No other write may occur.

use std::time::Duration;

use dcs_operator::{controller::ObjectId, dcs::model::InstanceStatus};
use serde_json::{Value, json};

use crate::support::world::{
    World,
    objects::{quick_cloud, setup, spec},
};

const LIMIT: Duration = Duration::from_secs(300);
/// The value of Reconciling and Stalled while neither applies.
const OFF: &str = "False/AsExpected";

/// `Ready Synced Reconciling Stalled | operation | cloud status` of a status.
fn line(status: &Value) -> String {
    let condition = |type_: &str| {
        let all = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default();
        format!("{}/{}", found["status"].as_str().unwrap(), found["reason"].as_str().unwrap())
    };
    let conditions = ["Ready", "Synced", "Reconciling", "Stalled"].map(condition).join(" ");
    let operation = &status["operation"];
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let doing = if operation.is_null() {
        "-".to_owned()
    } else {
        format!("{} {}", word(&operation["type"]), word(&operation["outcome"]))
    };
    format!("{conditions} | {doing} | {}", word(&status["cloudStatus"]))
}

/// A world with one object, and the status writes of the object.
struct StatusRecorder {
    world: World,
    key: ObjectId,
    seen: usize,
}

impl StatusRecorder {
    fn create(more: Value) -> Self {
        let mut world = World::new(quick_cloud(), setup());
        let key = world.apply("sessions", spec(more));
        Self { world, key, seen: 0 }
    }

    fn create_ready(more: Value) -> Self {
        let mut recorder = Self::create(more);
        recorder.until_ready();
        recorder.take_lines();
        recorder
    }

    fn until_ready(&mut self) {
        let key = self.key.clone();
        self.world.until("ready", LIMIT, |world| world.is_well(&key));
    }

    fn until(&mut self, type_: &str, expected: &str) {
        let key = self.key.clone();
        self.world.until(expected, LIMIT * 10, |world| world.condition(&key, type_) == expected);
    }

    /// The status writes since the last call.
    fn take_lines(&mut self) -> Vec<String> {
        let writes = self.world.cluster.written_since(&mut self.seen);
        let of_key = writes.iter().filter(|write| write.key == self.key && write.is_status());
        of_key.map(|write| line(&write.after.as_ref().unwrap()["status"])).collect()
    }

    /// Sets the status of the instance in the cloud.
    fn force(&self, status: InstanceStatus, lasting: Option<Duration>) {
        let id = self.world.instances()[0].id.clone();
        assert!(self.world.mutate_cloud(|service| service.force_status(service.now(), &id, status, lasting)));
    }

    fn edit(&mut self, change: impl FnOnce(&mut dcs_operator::api::DcsInstanceSpec)) {
        let key = self.key.clone();
        self.world.edit(&key, change);
    }
}

fn assert_lines(recorder: &mut StatusRecorder, expected: &[String]) {
    let lines = recorder.take_lines();
    assert_eq!(lines, expected, "\nwritten:\n{}", lines.join("\n"));
}

fn row(ready: &str, synced: &str, reconciling: &str, stalled: &str, rest: &str) -> String {
    format!("{ready} {synced} {reconciling} {stalled} | {rest}")
}

fn available(rest: &str) -> String {
    row("True/Available", "True/InSync", OFF, OFF, rest)
}

#[test]
fn create_update_and_delete() {
    let mut recorder = StatusRecorder::create(json!({}));
    recorder.until_ready();
    let creating = |rest| row("False/Creating", "False/Applying", "True/Creating", OFF, rest);
    let expected =
        [creating("Create - | -"), creating("Create Accepted | CREATING"), available("- | RUNNING")];
    assert_lines(&mut recorder, &expected);

    recorder.edit(|spec| spec.description = Some("carts".to_owned()));
    recorder.until_ready();
    let applying = |rest| row("True/Available", "False/Applying", "True/Applying", OFF, rest);
    let expected =
        [applying("Update - | RUNNING"), applying("Update Accepted | RUNNING"), available("- | RUNNING")];
    assert_lines(&mut recorder, &expected);

    let key = recorder.key.clone();
    recorder.world.delete(&key);
    recorder.world.until("gone", LIMIT, |world| world.object(&key).is_none());
    let deleting = |rest| row("False/Deleting", "False/Deleting", "True/Deleting", OFF, rest);
    let expected = [
        deleting("Delete - | RUNNING"),
        deleting("Delete Accepted | RUNNING"),
        deleting("Delete Accepted | DELETING"),
    ];
    assert_lines(&mut recorder, &expected);
}

#[test]
fn ready_is_false_while_the_instance_does_not_serve() {
    let mut recorder = StatusRecorder::create_ready(json!({}));
    recorder.force(InstanceStatus::Restarting, Some(Duration::from_secs(90)));
    recorder.until("Ready", "False/Restarting");
    recorder.until_ready();
    let restarting = row("False/Restarting", "True/InSync", OFF, OFF, "- | RESTARTING");
    assert_lines(&mut recorder, &[restarting, available("- | RUNNING")]);

    recorder.force(InstanceStatus::Frozen, Some(Duration::from_secs(90)));
    recorder.until("Ready", "False/Frozen");
    recorder.until_ready();
    assert_lines(
        &mut recorder,
        &[row("False/Frozen", "True/InSync", OFF, OFF, "- | FROZEN"), available("- | RUNNING")],
    );

    recorder.force(InstanceStatus::Extending, Some(Duration::from_secs(90)));
    recorder.until("Synced", "False/Applying");
    recorder.until_ready();
    let extending = row("True/Available", "False/Applying", "True/Resizing", OFF, "- | EXTENDING");
    assert_lines(&mut recorder, &[extending, available("- | RUNNING")]);
}

#[test]
fn paused_invalid_and_unsupported_specs() {
    let mut recorder = StatusRecorder::create_ready(json!({}));
    recorder.edit(|spec| spec.paused = Some(true));
    recorder.until("Synced", "Unknown/Paused");
    recorder.edit(|spec| spec.paused = None);
    recorder.until_ready();
    let paused = row("True/Available", "Unknown/Paused", OFF, OFF, "- | RUNNING");
    assert_lines(&mut recorder, &[paused, available("- | RUNNING")]);

    recorder.edit(|spec| {
        spec.capacity = Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity("3G".to_owned()))
    });
    recorder.until("Stalled", "True/InvalidSpec");
    recorder.edit(|spec| {
        spec.capacity = Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity("2Gi".to_owned()))
    });
    recorder.until("Stalled", "True/UnsupportedChange");
    recorder.edit(|spec| {
        spec.capacity = Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity("1Gi".to_owned()))
    });
    recorder.until_ready();
    let stalled = |reason: &str| {
        row("True/Available", &format!("False/{reason}"), OFF, &format!("True/{reason}"), "- | RUNNING")
    };
    let expected = [stalled("InvalidSpec"), stalled("UnsupportedChange"), available("- | RUNNING")];
    assert_lines(&mut recorder, &expected);
}

#[test]
fn an_unreachable_cloud_makes_the_conditions_unknown() {
    let mut recorder = StatusRecorder::create_ready(json!({}));
    let down = json!({"fault": {"errorBefore": {"status": 503}}, "count": null});
    recorder.world.cloud.lock().add_faults(recorder.world.clock_now(), &down).unwrap();
    recorder.until("Synced", "Unknown/CloudUnreachable");
    recorder.until("Ready", "Unknown/ObservationTooOld");
    recorder.world.cloud.lock().clear_faults();
    recorder.until_ready();
    let expected = [
        row("True/Available", "Unknown/CloudUnreachable", OFF, OFF, "- | RUNNING"),
        row("Unknown/ObservationTooOld", "Unknown/ObservationTooOld", OFF, OFF, "- | RUNNING"),
        available("- | RUNNING"),
    ];
    assert_lines(&mut recorder, &expected);
}

#[test]
fn removed_tags_and_an_external_deletion_stall_the_object() {
    let mut recorder = StatusRecorder::create_ready(json!({}));
    let id = recorder.world.instances()[0].id.clone();
    let tags = |tags: Value| json!({"tags": tags}).as_object().unwrap().clone();
    let tags_before: Vec<Value> = recorder.world.instances()[0]
        .tags
        .iter()
        .map(|tag| json!({"key": tag.key, "value": tag.value}))
        .collect();
    recorder
        .world
        .mutate_cloud(|service| service.alter(&id, &tags(json!([{"key": "team", "value": "shop"}]))))
        .unwrap();
    recorder.until("Stalled", "True/MarkMissing");
    recorder.world.mutate_cloud(|service| service.alter(&id, &tags(json!(tags_before)))).unwrap();
    recorder.until_ready();
    assert!(recorder.world.mutate_cloud(|service| service.remove(&id)));
    recorder.until("Stalled", "True/ExternallyDeleted");
    let expected = [
        row("True/Available", "False/MarkMissing", OFF, "True/MarkMissing", "- | RUNNING"),
        available("- | RUNNING"),
        row("False/ExternallyDeleted", "False/ExternallyDeleted", OFF, "True/ExternallyDeleted", "- | -"),
    ];
    assert_lines(&mut recorder, &expected);
}

#[test]
fn a_refused_creation_is_retried_slowly_or_after_a_change() {
    let mut cloud = quick_cloud();
    cloud.service.quota_instances = 0;
    let mut world = World::new(cloud, setup());
    let key = world.apply("sessions", spec(json!({})));
    let mut recorder = StatusRecorder { world, key, seen: 0 };
    recorder.until("Stalled", "True/QuotaExceeded");
    let creating = row("False/Creating", "False/Applying", "True/Creating", OFF, "Create - | -");
    let refused =
        row("False/QuotaExceeded", "False/QuotaExceeded", OFF, "True/QuotaExceeded", "Create Refused | -");
    assert_lines(&mut recorder, &[creating.clone(), refused.clone()]);
    // The operator retries after an interval, and at once after a change of the spec.
    recorder.world.run_for(Duration::from_secs(50));
    assert_eq!(recorder.take_lines(), [""; 0]);
    recorder.world.run_for(Duration::from_secs(20));
    assert_lines(&mut recorder, &[creating.clone(), refused.clone()]);
    recorder.edit(|spec| spec.description = Some("carts".to_owned()));
    recorder.world.run_for(Duration::from_secs(20));
    assert_lines(&mut recorder, &[creating, refused]);
}

#[test]
fn an_instance_of_an_earlier_object_with_the_name_is_not_touched() {
    let mut recorder = StatusRecorder::create_ready(json!({}));
    let id = recorder.world.instances()[0].id.clone();
    let mut tags: Vec<Value> = recorder.world.instances()[0]
        .tags
        .iter()
        .map(|tag| json!({"key": tag.key, "value": tag.value}))
        .collect();
    // The cluster was rebuilt: the object with the name has another UID.
    tags.iter_mut()
        .filter(|tag| tag["key"] == "dcs-operator-uid")
        .for_each(|tag| tag["value"] = json!("other"));
    let fields = json!({"tags": tags}).as_object().unwrap().clone();
    recorder.world.mutate_cloud(|service| service.alter(&id, &fields)).unwrap();
    let key = recorder.key.clone();
    recorder.world.cluster.wipe_status(&key);
    recorder.world.restart();
    let changes = recorder.world.changes();
    recorder.until("Stalled", "True/AmbiguousOwnership");
    recorder.world.run_for(Duration::from_secs(1200));
    assert_eq!((recorder.world.changes(), recorder.world.instances().len()), (changes, 1));
}

#[test]
fn missing_credentials_stall_the_object() {
    let mut recorder = StatusRecorder::create(json!({"credentialsRef": {"name": "missing"}}));
    recorder.until("Stalled", "True/CredentialsMissing");
    recorder.edit(|spec| spec.credentials_ref = None);
    recorder.until_ready();
    let missing =
        row("False/CredentialsMissing", "False/CredentialsMissing", OFF, "True/CredentialsMissing", "- | -");
    assert_eq!(recorder.take_lines()[0], missing);
}
