//! A schedule and its backups without a cluster: plans are carried out at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{super::action::Step, *};
use crate::{
    api::{DcsBackup, DcsBackupScheduleSpec, DcsBackupScheduleStatus, words::JobOutcome},
    plan::{
        Warning,
        instance::observed::{Now, PlannerSettings},
        job::{InstanceView, Subject},
    },
};

const UID: &str = "961a292c-7592-4cf3-bb88-a695b53b2dc3";

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A schedule and its backups.
pub(super) struct Sim {
    pub(super) o: Observed,
    pub(super) status: DcsBackupScheduleStatus,
    pub(super) wall: DateTime<Utc>,
    /// The backups that exist, as the watch shows them.
    pub(super) children: BTreeMap<String, Child>,
    /// What the watch does not show yet: its own backups as they are, or objects of others.
    pub(super) hidden: BTreeMap<String, Option<Child>>,
    /// Every backup that was ever made.
    pub(super) created: BTreeMap<String, DcsBackup>,
    /// The names that were deleted, in order.
    pub(super) deleted: Vec<String>,
    pub(super) warnings: Vec<Warning>,
    made: u32,
}

impl Sim {
    /// A new object.
    pub(super) fn new(created: &str, schedule: &str, more: Value) -> Self {
        let mut spec =
            json!({"instanceRef": {"name": "sessions"}, "schedule": schedule, "retention": {"keepLast": 7}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let spec: DcsBackupScheduleSpec = serde_json::from_value(spec).unwrap();
        let wall = at(created);
        let view = InstanceView {
            id: Some("i".to_owned()),
            cache_mode: Some("ha".to_owned()),
            ..InstanceView::default()
        };
        let o = Observed {
            subject: Subject {
                namespace: "shop".to_owned(),
                name: "nightly".to_owned(),
                uid: UID.to_owned(),
                generation: 1,
                created: wall,
                deleting: false,
                finalizer: false,
                retry_token: None,
            },
            spec,
            status: DcsBackupScheduleStatus::default(),
            instance: InstanceObject::Found(Box::new(view)),
            cloud_status: Some("RUNNING".to_owned()),
            instance_backups: None,
            children: Vec::new(),
            lookups: LookupResults::default(),
            refusal: None,
            failures: 0,
            now: Now { wall, monotonic: std::time::Duration::from_secs(1000) },
            settings: PlannerSettings::default(),
        };
        Self {
            o,
            status: DcsBackupScheduleStatus::default(),
            wall,
            children: BTreeMap::new(),
            hidden: BTreeMap::new(),
            created: BTreeMap::new(),
            deleted: Vec::new(),
            warnings: Vec::new(),
            made: 0,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.wall
    }

    pub(super) fn pass_to(&mut self, wall: &str) {
        self.wall = at(wall);
    }

    pub(super) fn edit(&mut self, change: impl FnOnce(&mut DcsBackupScheduleSpec)) {
        change(&mut self.o.spec);
        self.o.subject.generation += 1;
    }

    pub(super) fn instance(&mut self, change: impl FnOnce(&mut InstanceView)) {
        if let InstanceObject::Found(view) = &mut self.o.instance {
            change(view);
        }
    }

    pub(super) fn lose_status(&mut self) {
        self.status = DcsBackupScheduleStatus::default();
    }

    /// The plan, once it needs no lookup.
    pub(super) fn plan(&self) -> Plan {
        let mut o = self.o.clone();
        o.status = self.status.clone();
        o.children = self.children.values().cloned().collect();
        o.now.wall = self.wall;
        for _ in 0..6 {
            let plan = plan(&o);
            let Step::Lookup(Lookup::Child { name }) = &plan.step else { return plan };
            let name = name.clone();
            let found = match (self.hidden.get(&name), self.children.get(&name)) {
                (Some(Some(child)), _) => ChildLookup::Own(Box::new(child.clone())),
                (Some(None), _) => ChildLookup::Foreign,
                (None, Some(child)) => ChildLookup::Own(Box::new(child.clone())),
                (None, None) => ChildLookup::Absent,
            };
            o.on_lookup(&name, found);
        }
        panic!("the lookups do not end");
    }

    /// One reconcile. Returns whether it changed anything.
    pub(super) fn step(&mut self) -> bool {
        let plan = self.plan();
        self.warnings.extend(plan.warnings.iter().cloned());
        match plan.step {
            Step::Nothing => {
                let changed = plan.publish && plan.status != self.status;
                if changed {
                    self.status = plan.status;
                }
                changed
            }
            Step::Prepare(KubeAction::Create(backup)) => {
                let name = backup.metadata.name.clone().unwrap();
                assert!(self.created.insert(name.clone(), *backup).is_none(), "{name} is made twice");
                self.made += 1;
                let child =
                    Child { name: name.clone(), uid: name.clone(), created: self.wall, ..Child::default() };
                self.children.insert(name, child);
                true
            }
            Step::Prepare(KubeAction::Delete { name, uid, .. }) => {
                let child = self.children.remove(&name).unwrap();
                assert_eq!(child.uid, uid);
                self.deleted.push(name);
                true
            }
            Step::Lookup(_) | Step::AddFinalizer | Step::RemoveFinalizer | Step::CloudAction(_) => {
                panic!("{:?}", plan.step)
            }
        }
    }

    /// Goes on until nothing changes.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            if !self.step() {
                return;
            }
        }
        panic!("it does not come to rest: {:?}", self.status);
    }

    /// Goes on, and every backup succeeds.
    pub(super) fn run(&mut self) {
        self.settle();
        while let Some(name) = self.active() {
            self.end(&name, true);
            self.settle();
        }
    }

    /// A backup ends.
    pub(super) fn end(&mut self, name: &str, succeeds: bool) {
        let (now, id) = (self.wall, format!("id-{name}"));
        let child = self.children.get_mut(name).unwrap();
        if succeeds {
            (child.outcome, child.completed, child.id) = (Some(JobOutcome::Succeeded), Some(now), Some(id));
            child.ready = Some(("True".to_owned(), "Restorable".to_owned()));
        } else {
            child.outcome = Some(JobOutcome::Failed);
            child.cloud_status = Some("failed".to_owned());
            child.ready = Some(("False".to_owned(), "OperationFailed".to_owned()));
            child.failure = Some(("OperationFailed".to_owned(), "DCS could not make the backup".to_owned()));
        }
    }

    /// A backup of a time of the schedule that has ended well.
    pub(super) fn add(&mut self, slot: &str) -> &mut Child {
        let slot = at(slot);
        let name = crate::formats::scheduled_backup_name("nightly", slot);
        let child = Child { name: name.clone(), uid: name.clone(), created: slot, ..Child::default() };
        self.children.insert(name.clone(), child);
        let now = std::mem::replace(&mut self.wall, slot);
        self.end(&name, true);
        self.wall = now;
        self.children.get_mut(&name).unwrap()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.children.keys().cloned().collect()
    }

    pub(super) fn active(&self) -> Option<String> {
        self.status.active.as_ref().map(|active| active.name.clone())
    }

    fn condition(&self, type_: &str) -> (String, String) {
        let found = self.status.conditions.iter().find(|condition| condition.type_ == type_);
        found.map_or_else(Default::default, |c| (format!("{}/{}", c.status, c.reason), c.message.clone()))
    }

    /// Ready, Reconciling and Stalled.
    pub(super) fn row(&self) -> [String; 3] {
        ["Ready", "Reconciling", "Stalled"].map(|type_| self.condition(type_).0)
    }

    pub(super) fn last_run(&self) -> String {
        self.condition("LastRunSucceeded").0
    }

    pub(super) fn last_run_message(&self) -> String {
        self.condition("LastRunSucceeded").1
    }
}
