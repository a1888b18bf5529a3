//! Every status that an object ever shows, row by row of the truth table: what is written is recorded, and nothing
//! else may be.

use std::time::Duration;

use dcs_operator::{controller::ObjectId, dcs::model::InstanceStatus};
use serde_json::{Value, json};

use crate::support::world::{
    World,
    objects::{quick_cloud, setup, spec},
};

const SOON: Duration = Duration::from_secs(300);
const FINE: &str = "False/AsExpected";

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

/// A world with one object that is well, and what it says from then on.
struct StatusRecorder {
    world: World,
    key: ObjectId,
    seen: usize,
}

impl StatusRecorder {
    fn begin(more: Value) -> Self {
        let mut world = World::new(quick_cloud(), setup());
        let key = world.apply("sessions", spec(more));
        Self { world, key, seen: 0 }
    }

    fn well(more: Value) -> Self {
        let mut life = Self::begin(more);
        life.until_well();
        life.said();
        life
    }

    fn until_well(&mut self) {
        let key = self.key.clone();
        self.world.until("well", SOON, |world| world.is_well(&key));
    }

    fn until(&mut self, type_: &str, expected: &str) {
        let key = self.key.clone();
        self.world.until(expected, SOON * 10, |world| world.condition(&key, type_) == expected);
    }

    /// What was written to the status since this was last asked.
    fn said(&mut self) -> Vec<String> {
        let writes = self.world.cluster.written_since(&mut self.seen);
        let of_key = writes.iter().filter(|write| write.key == self.key && write.is_status());
        of_key.map(|write| line(&write.after.as_ref().unwrap()["status"])).collect()
    }

    /// Puts a status on the instance, as something in the cloud would.
    fn force(&self, status: InstanceStatus, lasting: Option<Duration>) {
        let id = self.world.instances()[0].id.clone();
        assert!(self.world.mutate_cloud(|service| service.force_status(service.now(), &id, status, lasting)));
    }

    fn edit(&mut self, change: impl FnOnce(&mut dcs_operator::api::DcsInstanceSpec)) {
        let key = self.key.clone();
        self.world.edit(&key, change);
    }
}

fn assert_said(life: &mut StatusRecorder, expected: &[String]) {
    let said = life.said();
    assert_eq!(said, expected, "\nsaid:\n{}", said.join("\n"));
}

fn row(ready: &str, synced: &str, reconciling: &str, stalled: &str, rest: &str) -> String {
    format!("{ready} {synced} {reconciling} {stalled} | {rest}")
}

fn available(rest: &str) -> String {
    row("True/Available", "True/InSync", FINE, FINE, rest)
}

#[test]
fn made_changed_and_deleted() {
    let mut life = StatusRecorder::begin(json!({}));
    life.until_well();
    let creating = |rest| row("False/Creating", "False/Applying", "True/Creating", FINE, rest);
    let expected =
        [creating("Create - | -"), creating("Create Accepted | CREATING"), available("- | RUNNING")];
    assert_said(&mut life, &expected);

    life.edit(|spec| spec.description = Some("carts".to_owned()));
    life.until_well();
    let applying = |rest| row("True/Available", "False/Applying", "True/Applying", FINE, rest);
    let expected =
        [applying("Update - | RUNNING"), applying("Update Accepted | RUNNING"), available("- | RUNNING")];
    assert_said(&mut life, &expected);

    let key = life.key.clone();
    life.world.delete(&key);
    life.world.until("gone", SOON, |world| world.object(&key).is_none());
    let deleting = |rest| row("False/Deleting", "False/Deleting", "True/Deleting", FINE, rest);
    let expected = [
        deleting("Delete - | RUNNING"),
        deleting("Delete Accepted | RUNNING"),
        deleting("Delete Accepted | DELETING"),
    ];
    assert_said(&mut life, &expected);
}

#[test]
fn not_serving_for_a_while() {
    let mut life = StatusRecorder::well(json!({}));
    life.force(InstanceStatus::Restarting, Some(Duration::from_secs(90)));
    life.until("Ready", "False/Restarting");
    life.until_well();
    let restarting = row("False/Restarting", "True/InSync", FINE, FINE, "- | RESTARTING");
    assert_said(&mut life, &[restarting, available("- | RUNNING")]);

    life.force(InstanceStatus::Frozen, Some(Duration::from_secs(90)));
    life.until("Ready", "False/Frozen");
    life.until_well();
    assert_said(
        &mut life,
        &[row("False/Frozen", "True/InSync", FINE, FINE, "- | FROZEN"), available("- | RUNNING")],
    );

    life.force(InstanceStatus::Extending, Some(Duration::from_secs(90)));
    life.until("Synced", "False/Applying");
    life.until_well();
    let extending = row("True/Available", "False/Applying", "True/Resizing", FINE, "- | EXTENDING");
    assert_said(&mut life, &[extending, available("- | RUNNING")]);
}

#[test]
fn paused_and_invalid_and_more_than_can_be_done() {
    let mut life = StatusRecorder::well(json!({}));
    life.edit(|spec| spec.paused = Some(true));
    life.until("Synced", "Unknown/Paused");
    life.edit(|spec| spec.paused = None);
    life.until_well();
    let paused = row("True/Available", "Unknown/Paused", FINE, FINE, "- | RUNNING");
    assert_said(&mut life, &[paused, available("- | RUNNING")]);

    life.edit(|spec| {
        spec.capacity = Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity("3G".to_owned()))
    });
    life.until("Stalled", "True/InvalidSpec");
    life.edit(|spec| {
        spec.capacity = Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity("2Gi".to_owned()))
    });
    life.until("Stalled", "True/UnsupportedChange");
    life.edit(|spec| {
        spec.capacity = Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity("1Gi".to_owned()))
    });
    life.until_well();
    let stalled = |reason: &str| {
        row("True/Available", &format!("False/{reason}"), FINE, &format!("True/{reason}"), "- | RUNNING")
    };
    let expected = [stalled("InvalidSpec"), stalled("UnsupportedChange"), available("- | RUNNING")];
    assert_said(&mut life, &expected);
}

#[test]
fn the_cloud_out_of_reach() {
    let mut life = StatusRecorder::well(json!({}));
    let down = json!({"fault": {"errorBefore": {"status": 503}}, "count": null});
    life.world.cloud.lock().add_faults(life.world.clock_now(), &down).unwrap();
    life.until("Synced", "Unknown/CloudUnreachable");
    life.until("Ready", "Unknown/ObservationTooOld");
    life.world.cloud.lock().clear_faults();
    life.until_well();
    let expected = [
        row("True/Available", "Unknown/CloudUnreachable", FINE, FINE, "- | RUNNING"),
        row("Unknown/ObservationTooOld", "Unknown/ObservationTooOld", FINE, FINE, "- | RUNNING"),
        available("- | RUNNING"),
    ];
    assert_said(&mut life, &expected);
}

#[test]
fn lost_and_ownership_taken_away() {
    let mut life = StatusRecorder::well(json!({}));
    let id = life.world.instances()[0].id.clone();
    let tags = |tags: Value| json!({"tags": tags}).as_object().unwrap().clone();
    let marked: Vec<Value> = life.world.instances()[0]
        .tags
        .iter()
        .map(|tag| json!({"key": tag.key, "value": tag.value}))
        .collect();
    life.world
        .mutate_cloud(|service| service.alter(&id, &tags(json!([{"key": "team", "value": "shop"}]))))
        .unwrap();
    life.until("Stalled", "True/MarkMissing");
    life.world.mutate_cloud(|service| service.alter(&id, &tags(json!(marked)))).unwrap();
    life.until_well();
    assert!(life.world.mutate_cloud(|service| service.remove(&id)));
    life.until("Stalled", "True/ExternallyDeleted");
    let expected = [
        row("True/Available", "False/MarkMissing", FINE, "True/MarkMissing", "- | RUNNING"),
        available("- | RUNNING"),
        row(
            "False/ExternallyDeleted",
            "False/ExternallyDeleted",
            FINE,
            "True/ExternallyDeleted",
            "- | RUNNING",
        ),
    ];
    assert_said(&mut life, &expected);
}

#[test]
fn a_creation_that_the_cloud_refuses() {
    let mut cloud = quick_cloud();
    cloud.service.quota_instances = 0;
    let mut world = World::new(cloud, setup());
    let key = world.apply("sessions", spec(json!({})));
    let mut life = StatusRecorder { world, key, seen: 0 };
    life.until("Stalled", "True/QuotaExceeded");
    let creating = row("False/Creating", "False/Applying", "True/Creating", FINE, "Create - | -");
    let refused =
        row("False/QuotaExceeded", "False/QuotaExceeded", FINE, "True/QuotaExceeded", "Create Refused | -");
    assert_said(&mut life, &[creating.clone(), refused.clone()]);
    // Slowly again, by itself; and at once when its cause changes.
    life.world.run_for(Duration::from_secs(590));
    assert_eq!(life.said(), [""; 0]);
    life.world.run_for(Duration::from_secs(20));
    assert_said(&mut life, &[creating.clone(), refused.clone()]);
    life.edit(|spec| spec.description = Some("carts".to_owned()));
    life.world.run_for(Duration::from_secs(20));
    assert_said(&mut life, &[creating, refused]);
}

#[test]
fn what_an_earlier_object_of_the_name_left_is_not_touched() {
    let mut life = StatusRecorder::well(json!({}));
    let id = life.world.instances()[0].id.clone();
    let mut tags: Vec<Value> = life.world.instances()[0]
        .tags
        .iter()
        .map(|tag| json!({"key": tag.key, "value": tag.value}))
        .collect();
    // The cluster was rebuilt: the object has another uid at the same place.
    tags.iter_mut()
        .filter(|tag| tag["key"] == "dcs-operator-uid")
        .for_each(|tag| tag["value"] = json!("other"));
    let fields = json!({"tags": tags}).as_object().unwrap().clone();
    life.world.mutate_cloud(|service| service.alter(&id, &fields)).unwrap();
    let key = life.key.clone();
    life.world.cluster.wipe_status(&key);
    life.world.restart();
    let changes = life.world.changes();
    life.until("Stalled", "True/AmbiguousOwnership");
    life.world.run_for(Duration::from_secs(1200));
    assert_eq!((life.world.changes(), life.world.instances().len()), (changes, 1));
}

#[test]
fn without_credentials() {
    let mut life = StatusRecorder::begin(json!({"credentialsRef": {"name": "missing"}}));
    life.until("Stalled", "True/CredentialsMissing");
    life.edit(|spec| spec.credentials_ref = None);
    life.until_well();
    let missing =
        row("False/CredentialsMissing", "False/CredentialsMissing", FINE, "True/CredentialsMissing", "- | -");
    assert_eq!(life.said()[0], missing);
}
