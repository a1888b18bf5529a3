//! The operations that the tests interrupt at every point.

use std::time::Duration;

use dcs_operator::{
    api::{
        DcsInstance,
        instance::{Adopt, ManagementPolicy},
        words::OperationType,
    },
    controller::ObjectId,
    formats::ROTATE_PASSWORD_ANNOTATION,
    plan::Definition,
    simulator::Site,
};
use kube::ResourceExt;
use serde_json::json;

use crate::support::{
    sim_harness::PASSWORD,
    world::{
        World,
        invariants::{is_live, tag},
        objects::{key, spec},
    },
};

/// Every step takes seconds, except the wait for an attempt with an unknown outcome.
pub(crate) const LIMIT: Duration = Duration::from_secs(1800);

/// An operation that the tests interrupt at every point.
pub(crate) struct Scenario {
    /// Where the instance is.
    pub(crate) site: Site,
    /// Lists show tags.
    pub(crate) lists_tags: bool,
    /// Runs before the fault.
    pub(crate) prepare: fn(&mut World),
    /// An action of the user or of another client of the cloud.
    pub(crate) act: fn(&mut World),
    /// The expected final state.
    pub(crate) reached: fn(&World) -> bool,
}

/// Further passwords of the user.
pub(crate) const SECOND_PASSWORD: &str = "canary-Second-1";
const THIRD_PASSWORD: &str = "canary-Third-1";
fn sessions() -> ObjectId {
    key("sessions")
}

fn is_ready(world: &World) -> bool {
    world.is_well(&sessions()) && world.instances().iter().filter(|instance| is_live(instance)).count() == 1
}

fn is_gone(world: &World) -> bool {
    world.object(&sessions()).is_none()
}

fn apply(world: &mut World, more: serde_json::Value) {
    world.apply("sessions", spec(more));
}

fn applied_and_ready(world: &mut World, more: serde_json::Value) {
    apply(world, more);
    world.until("ready", LIMIT, is_ready);
}

fn remove_externally(world: &mut World) {
    let id = world.instances()[0].id.clone();
    assert!(world.mutate_cloud(|service| service.remove(&id)));
}

pub(crate) const CREATE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |_| {},
    act: |world| apply(world, json!({})),
    reached: is_ready,
};

pub(crate) const ADOPT: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| {
        world.make_instance("left-over");
        world.choose_password(PASSWORD);
    },
    act: |world| {
        let id = world.instances()[0].id.clone();
        let adopt =
            json!({"adopt": {"instanceId": id}, "engineVersion": null, "capacity": null, "auth": chosen()});
        apply(world, adopt);
    },
    reached: |world| {
        let tagged = |instance| tag(instance, "dcs-operator-origin").as_deref() == Some("adopted");
        is_ready(world) && world.instances().iter().all(tagged)
    },
};

pub(crate) const CHANGE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| {
        world.edit(&sessions(), |spec| {
            spec.description = Some("carts".to_owned());
            spec.tags = Some([("stage".to_owned(), "live".to_owned())].into());
        });
    },
    reached: |world| {
        let matches_the_spec = |instance: &dcs_operator::simulator::service::Instance| {
            instance.description.as_deref() == Some("carts")
                && tag(instance, "stage").is_some()
                && tag(instance, "team").is_none()
        };
        is_ready(world) && world.instances().iter().all(matches_the_spec)
    },
};

pub(crate) const DELETE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| world.delete(&sessions()),
    reached: |world| is_gone(world) && world.instances().is_empty(),
};

pub(crate) const RETAIN: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({"deletionPolicy": "Retain"})),
    act: |world| world.delete(&sessions()),
    reached: |world| {
        let released = |instance| {
            tag(instance, "dcs-operator-uid").is_none()
                && tag(instance, "dcs-operator-owner").is_none()
                && tag(instance, "dcs-operator-origin").as_deref() == Some("created")
                && tag(instance, "dcs-operator-released").is_some()
        };
        is_gone(world) && world.instances().len() == 1 && world.instances().iter().all(released)
    },
};

pub(crate) const DELETE_DURING_CREATE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |_| {},
    act: |world| {
        apply(world, json!({}));
        let started = |world: &World| {
            let status = world.object(&sessions()).and_then(|object| object.status);
            status.is_some_and(|status| status.operation.is_some())
        };
        world.until("started", LIMIT, started);
        world.delete(&sessions());
    },
    reached: |world| is_gone(world) && world.instances().is_empty(),
};

pub(crate) const RECREATE_UNDER_THE_SAME_NAME: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| {
        world.delete(&sessions());
        world.until("gone", LIMIT, is_gone);
        apply(world, json!({}));
    },
    reached: is_ready,
};

pub(crate) const EXTERNAL_DELETION: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({})),
    act: remove_externally,
    reached: |world| {
        world.condition(&sessions(), "Ready") == "False/ExternallyDeleted"
            && world.condition(&sessions(), "Stalled") == "True/ExternallyDeleted"
            && world.instances().is_empty()
    },
};

pub(crate) const REPLACEMENT: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({"onExternalDeletion": "Recreate"})),
    act: remove_externally,
    reached: |world| {
        let status = world.object(&sessions()).and_then(|object| object.status);
        is_ready(world) && status.is_some_and(|status| status.recreations == Some(1))
    },
};

/// As after a restore of the cluster from a backup without status.
pub(crate) const LOST_STATUS: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| {
        world.cluster.wipe_status(&sessions());
        world.restart();
    },
    reached: is_ready,
};

pub(crate) const FAILED_CREATION: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| world.mutate_cloud(|service| service.fail_next_creations(1)),
    act: |world| apply(world, json!({})),
    reached: |world| is_ready(world) && world.instances().len() == 1,
};

/// The instance that `sessions` has taken back, with the origin that it had.
fn is_taken_back(world: &World) -> bool {
    let uid = world.object(&sessions()).and_then(|object| object.metadata.uid);
    let instances = world.instances();
    let [instance] = instances.as_slice() else { return false };
    tag(instance, "dcs-operator-uid") == uid
        && tag(instance, "dcs-operator-origin").as_deref() == Some("created")
        && tag(instance, "dcs-operator-released").is_none()
}

/// The object has the instance, and says that no Secret of the rebuilt cluster holds its password.
fn misses_only_the_password(world: &World) -> bool {
    let Some(status) = world.object(&sessions()).and_then(|object| object.status) else { return false };
    let has = |type_: &str, status_: &str, reason: &str| {
        let mut conditions = status.conditions.iter();
        conditions.any(|found| (&*found.type_, &*found.status, &*found.reason) == (type_, status_, reason))
    };
    has("Ready", "True", "Available") && has("Stalled", "True", "PasswordLost")
}

/// As GitOps prunes an object and syncs it again.
pub(crate) const RECLAIM: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| {
        applied_and_ready(world, json!({"deletionPolicy": "Retain"}));
        world.note_record(&sessions());
    },
    act: |world| {
        world.delete(&sessions());
        world.until("gone", LIMIT, is_gone);
        apply(world, json!({"deletionPolicy": "Retain"}));
    },
    reached: |world| is_ready(world) && is_taken_back(world),
};

/// As a cluster is rebuilt from manifests.
pub(crate) const RECLAIM_ORPHANED: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| {
        world.make_instance("left-over");
        world.orphan(&sessions());
    },
    act: |world| apply(world, json!({"reclaimPolicy": "Orphaned", "capacity": "512Mi"})),
    reached: |world| is_taken_back(world) && misses_only_the_password(world),
};

pub(crate) const CREATE_WITHOUT_TAGS_IN_LISTS: Scenario = Scenario { lists_tags: false, ..CREATE };
pub(crate) const DELETE_WITHOUT_TAGS_IN_LISTS: Scenario = Scenario { lists_tags: false, ..DELETE };
pub(crate) const LOST_STATUS_WITHOUT_TAGS_IN_LISTS: Scenario = Scenario { lists_tags: false, ..LOST_STATUS };

/// The object goes because its definition does.
pub(crate) const DELETED_DEFINITION: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| {
        world.cluster.set_definition(Definition::BeingDeleted);
        world.delete(&sessions());
    },
    reached: RETAIN.reached,
};

/// Managed → Observe.
pub(crate) const SWITCH_TO_OBSERVE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| {
        let id = world.instances()[0].id.clone();
        world.edit(&sessions(), |spec| {
            spec.management_policy = Some(ManagementPolicy::Observe);
            spec.adopt = Some(Adopt { instance_id: id });
        });
    },
    reached: |world| {
        let unmarked = |instance| {
            tag(instance, "dcs-operator-uid").is_none() && tag(instance, "dcs-operator-owner").is_none()
        };
        let object = world.object(&sessions()).unwrap();
        is_ready(world)
            && object.metadata.finalizers.is_none_or(|all| all.is_empty())
            && world.instances().iter().all(unmarked)
    },
};

/// The spec's `auth`, with the user's Secret.
fn chosen() -> serde_json::Value {
    json!({"type": "SecretRef", "secretRef": {"name": "sessions-password"}})
}

/// Asks for a new password.
fn request_password(world: &mut World) {
    world.cluster.change(&sessions(), |object: &mut DcsInstance| {
        object.annotations_mut().insert(ROTATE_PASSWORD_ANNOTATION.to_owned(), "again".to_owned());
    });
}

/// Ready, and with another password than at first: the one that the prepared world noted.
fn has_new_password(world: &World) -> bool {
    let former = world.cluster.read_secret(&sessions().secret("former-password"));
    let former = former.and_then(|secret| secret.data).unwrap_or_default();
    is_ready(world) && former.get("password") != world.recorded(&sessions()).as_ref()
}

/// Ready, with a generated password that is noted for a comparison.
fn ready_with_a_noted_password(world: &mut World, more: serde_json::Value) {
    applied_and_ready(world, more);
    let password = world.recorded(&sessions()).unwrap();
    world.put_password("former-password", &String::from_utf8(password.0).unwrap());
}

fn has_chosen_password(world: &World, password: &str) -> bool {
    is_ready(world) && world.recorded(&sessions()).is_some_and(|own| own.0 == password.as_bytes())
}

pub(crate) const ROTATION_BY_REQUEST: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| ready_with_a_noted_password(world, json!({})),
    act: request_password,
    reached: has_new_password,
};

/// The record goes while a password is on its way: what the binding Secret holds is not the accepted one any more.
pub(crate) const LOST_RECORD_DURING_ROTATION: Scenario = Scenario {
    act: |world| {
        request_password(world);
        world.until("sent", LIMIT, |world| {
            let status = world.object(&sessions()).and_then(|object| object.status);
            let operation = status.and_then(|status| status.operation);
            operation.is_some_and(|operation| operation.type_ == OperationType::ResetPassword)
        });
        world.invariants.allow_lost_passwords();
        world.cluster.delete_secret(&sessions().secret("sessions-auth"));
    },
    // A password that was never sent need not be made again.
    reached: is_ready,
    ..ROTATION_BY_REQUEST
};

pub(crate) const ROTATION_BY_SECRET: Scenario = Scenario {
    site: Site::Newer,
    lists_tags: true,
    prepare: |world| {
        world.choose_password(PASSWORD);
        applied_and_ready(world, json!({"auth": chosen()}));
    },
    act: |world| world.choose_password(SECOND_PASSWORD),
    reached: |world| has_chosen_password(world, SECOND_PASSWORD),
};

/// The site refuses the present password, so that a lost answer may only be settled by another password.
pub(crate) const ROTATION_BY_SECRET_ON_A_STRICT_SITE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: ROTATION_BY_SECRET.prepare,
    act: |world| {
        world.choose_password(SECOND_PASSWORD);
        world.until("decided", LIMIT, |world| {
            has_chosen_password(world, SECOND_PASSWORD)
                || world.condition(&sessions(), "Stalled") == "True/PasswordInvalid"
        });
        world.choose_password(THIRD_PASSWORD);
    },
    // Where the answer about the third one was lost, the object is Stalled again, and the record holds both.
    reached: |world| {
        let record = world.cluster.read_secret(&sessions().secret("sessions-auth"));
        let data = record.and_then(|record| record.data).unwrap_or_default();
        let is_pending = data.get("pending").is_some_and(|own| own.0 == THIRD_PASSWORD.as_bytes());
        let stalled = world.condition(&sessions(), "Stalled") == "True/PasswordInvalid";
        has_chosen_password(world, THIRD_PASSWORD) || (stalled && is_pending)
    },
};

pub(crate) const QUICK_CHANGES: Scenario = Scenario {
    site: Site::Newer,
    lists_tags: true,
    prepare: ROTATION_BY_SECRET.prepare,
    act: |world| {
        world.choose_password(SECOND_PASSWORD);
        let begun = |world: &World| {
            let record = world.cluster.read_secret(&sessions().secret("sessions-auth"));
            record.and_then(|record| record.data).is_some_and(|data| data.contains_key("pending"))
                || has_chosen_password(world, SECOND_PASSWORD)
        };
        world.until("begun", LIMIT, begun);
        world.choose_password(THIRD_PASSWORD);
    },
    reached: |world| has_chosen_password(world, THIRD_PASSWORD),
};

pub(crate) const CLOSING_AN_OPEN_INSTANCE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({"auth": {"type": "None"}})),
    act: |world| {
        world.edit(&sessions(), |spec| {
            spec.auth = Some(serde_json::from_value(json!({"type": "Generated"})).unwrap());
        });
    },
    reached: |world| is_ready(world) && world.instances().iter().all(|instance| !instance.admits(None)),
};

/// The operator makes a deleted binding Secret, or a deleted record, again.
pub(crate) const LOST_BINDING: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| applied_and_ready(world, json!({})),
    act: |world| {
        world.cluster.delete_secret(&sessions().secret("sessions-redis"));
        world.until("bound", LIMIT, is_ready);
        world.cluster.delete_secret(&sessions().secret("sessions-auth"));
    },
    reached: is_ready,
};

/// The instance is released and adopted again: the Secrets wait for it.
pub(crate) const TAKE_BACK: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| ready_with_a_noted_password(world, json!({"deletionPolicy": "Retain"})),
    act: |world| {
        world.delete(&sessions());
        world.until("gone", LIMIT, is_gone);
        let id = world.instances()[0].id.clone();
        apply(world, json!({"adopt": {"instanceId": id}, "engineVersion": null, "capacity": null}));
    },
    reached: |world| is_ready(world) && !has_new_password(world),
};

/// As an earlier version left them: the binding Secret has the only copy of the password, and an owner.
pub(crate) const MIGRATION: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| ready_with_a_noted_password(world, json!({})),
    act: |world| world.as_before_the_record(&sessions(), "sessions-redis"),
    reached: |world| is_ready(world) && !has_new_password(world) && world.owned_secrets().is_empty(),
};

/// The same while the instance was being created: the password was in a Secret of its own.
pub(crate) const MIGRATION_DURING_CREATE: Scenario = Scenario {
    site: Site::Main,
    lists_tags: true,
    prepare: |world| {
        apply(world, json!({}));
        let requested = |world: &World| !world.instances().is_empty();
        world.until("requested", LIMIT, requested);
        let password = world.recorded(&sessions()).unwrap();
        world.put_password("former-password", &String::from_utf8(password.0).unwrap());
    },
    act: |world| world.as_before_the_record(&sessions(), "sessions-pending-auth"),
    reached: |world| is_ready(world) && !has_new_password(world) && world.owned_secrets().is_empty(),
};
