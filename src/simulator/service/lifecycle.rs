//! Automatic transitions: operations complete, status overrides expire, deferred resizes start.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    instance::{Instance, Layout, PendingTransition, ScheduledResize, Transition},
    state::Service,
    topology,
};
use crate::{
    dcs::model::{CacheMode, InstanceStatus},
    simulator::cloud_clock::later,
};

// === impl Service ===

impl Service {
    /// Applies all transitions that are due at `now`, in order.
    pub(crate) fn advance(&mut self, now: DateTime<Utc>) {
        let until = self.now.max(now);
        while let Some((due, instance)) = self.store.next_due().filter(|(due, _)| *due <= until) {
            // Each transition happens at its due time, however late it is applied.
            self.now = self.now.max(due);
            let id = instance.id.clone();
            self.apply_due(&id, due);
        }
        self.now = until;
    }

    /// Time of the next automatic transition.
    pub(crate) fn next_transition(&self) -> Option<DateTime<Utc>> {
        let hidden = self.store.iter().map(|instance| instance.visible_at).filter(|at| *at > self.now).min();
        self.store.next_due().map(|(due, _)| due).into_iter().chain(hidden).min()
    }

    /// Applies one due transition of an instance.
    fn apply_due(&mut self, id: &str, due: DateTime<Utc>) {
        let Some(instance) = self.store.get(id) else { return };
        if instance.forced.as_ref().and_then(|forced| forced.until).is_some_and(|until| until <= due) {
            self.store.update(id, |instance| {
                instance.forced = None;
                instance.updated_at = due;
            });
        } else if instance.pending.as_ref().is_some_and(|pending| pending.until <= due) {
            self.complete_pending(id, due);
        } else if instance.automatic.as_ref().is_some_and(|automatic| automatic.due <= due) {
            self.try_automatic_backup(id, due);
        } else if instance.next_expiry().is_some_and(|expiry| expiry <= due) {
            self.store.update(id, |instance| instance.expire_backups(due));
        } else if instance.scheduled.is_some() {
            self.start_scheduled(id, due);
        }
    }

    /// Completes the pending transition.
    pub(super) fn complete_pending(&mut self, id: &str, at: DateTime<Utc>) {
        let before = self.store.get(id).map(topology::held_addresses).unwrap_or_default();
        let transition = self.store.update(id, |instance| instance.pending.take());
        let Some(transition) = transition.flatten().map(|pending| pending.transition) else { return };
        if let Transition::Delete = transition {
            self.remove(id);
            return;
        }
        let restarts = self.rules().resize_restarts && matches!(transition, Transition::Resize(_));
        let until = later(at, self.options.operation / 4);
        let after = self.store.update(id, |instance| {
            instance.apply(transition, at);
            if restarts {
                instance.status = InstanceStatus::Restarting;
                instance.pending = Some(PendingTransition { until, transition: Transition::Restart });
            }
            (instance.subnet_id.clone(), topology::held_addresses(instance))
        });
        if let Some((subnet_id, after)) = after {
            self.networks.release(&subnet_id, before.difference(&after).copied());
        }
    }

    /// A deferred resize is postponed while the instance is busy.
    fn start_scheduled(&mut self, id: &str, due: DateTime<Utc>) {
        let scheduled = self.store.update(id, |instance| instance.scheduled.take()).flatten();
        let Some(ScheduledResize { layout, .. }) = scheduled else { return };
        if self.store.get(id).is_some_and(|instance| instance.ensure_idle().is_ok()) {
            self.start_resize(id, layout);
        } else {
            let at = later(due, Duration::from_secs(60));
            self.store.update(id, |instance| instance.scheduled = Some(ScheduledResize { at, layout }));
        }
    }
}

// === impl Instance ===

impl Instance {
    /// Applies a transition, including its addresses.
    fn apply(&mut self, transition: Transition, at: DateTime<Utc>) {
        self.updated_at = at;
        self.task = None;
        self.stale_reads = 0;
        self.status = InstanceStatus::Running;
        match transition {
            Transition::Create => {
                self.launched_at = Some(at);
                self.plan_automatic_backup(at);
            }
            Transition::FailToCreate => {
                self.status = InstanceStatus::CreateFailed;
                self.sub_status = "create_failed".to_owned();
                self.proxy_address = None;
                self.nodes.clear();
            }
            Transition::Resize(Layout { shape, nodes, proxy_address }) => {
                let old = std::mem::replace(&mut self.shape, shape);
                (self.nodes, self.proxy_address) = (nodes, proxy_address);
                self.outdate_backups(&old);
            }
            Transition::Configure { port, rename_commands } => {
                self.port = port.unwrap_or(self.port);
                if let Some(renamed) = rename_commands {
                    self.rename_commands = renamed;
                    self.lose_data_if_single(at);
                }
            }
            Transition::Restart => self.lose_data_if_single(at),
            Transition::Password => {}
            Transition::Backup(id) => self.end_backup(&id, at),
            Transition::Restore(id) => self.end_restore(&id, at),
            Transition::Delete => self.status = InstanceStatus::Deleted,
        }
    }

    /// A single node loses its data on restart.
    fn lose_data_if_single(&mut self, at: DateTime<Utc>) {
        if self.shape.mode == CacheMode::Single {
            self.launched_at = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use crate::simulator::{Options, Site, service::fixtures::Cloud};

    #[test]
    fn an_instance_is_created_and_deleted() {
        let mut cloud = Cloud::default();
        let id = cloud.create("redis.ha.xu1.large.r2.4", 4.0, json!({}));
        assert_eq!(cloud.show(&id)["status"], "CREATING");
        assert_eq!(cloud.service.next_transition(), Some(cloud.now + chrono::Duration::seconds(100)));
        cloud.wait(99);
        assert_eq!(cloud.show(&id)["status"], "CREATING");
        cloud.wait(1);
        let body = cloud.show(&id);
        assert_eq!((&body["status"], &body["launched_at"]), (&json!("RUNNING"), &body["update_at"]));
        assert_eq!(cloud.service.next_transition(), None);
        assert_eq!(cloud.ok("DeleteInstance", &id, json!(null)).status, 204);
        assert_eq!(cloud.show(&id)["status"], "DELETING");
        cloud.wait(60);
        assert_eq!(cloud.show(&id)["error_code"], "DCS.3022");
        assert_eq!(cloud.service.instances().count(), 0);
    }

    #[test]
    fn late_transitions_happen_at_their_due_time() {
        let mut cloud = Cloud::default();
        let id = cloud.create("redis.ha.xu1.large.r2.4", 4.0, json!({}));
        let created = cloud.now;
        cloud.wait(100_000);
        let launched = cloud.service.instances().find(|instance| instance.id == id).unwrap().launched_at;
        assert_eq!(launched, Some(created + chrono::Duration::seconds(100)));
    }

    #[test]
    fn time_is_monotonic() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        cloud.service.advance(cloud.now - chrono::Duration::days(1));
        cloud.now -= chrono::Duration::days(1);
        assert_eq!(cloud.show(&id)["status"], "RUNNING");
    }

    #[test]
    fn a_failed_creation_releases_its_addresses_and_can_be_deleted() {
        let options = Options {
            networks: vec![crate::simulator::options::Network {
                vpc_id: "vpc-1".into(),
                subnet_id: "subnet-1".into(),
                addresses: 2,
            }],
            ..Options::default()
        };
        let mut cloud = Cloud::new(options);
        cloud.service.fail_next_creations(1);
        let failed = cloud.create("redis.ha.xu1.large.r2.4", 4.0, json!({}));
        cloud.wait(100);
        let body = cloud.show(&failed);
        assert_eq!((&body["status"], &body["sub_status"]), (&json!("CREATEFAILED"), &json!("create_failed")));
        let tasks = cloud.get("ListBackgroundTask", &[("instance_id", &failed)], &[]).body;
        assert_eq!(tasks["tasks"][0]["status"], "FAILED");
        // The subnet has two addresses: the failed instance must have released its own.
        let next = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        assert_eq!(cloud.show(&next)["status"], "RUNNING");
        cloud.ok("DeleteInstance", &failed, json!(null));
        cloud.wait(60);
        assert_eq!(cloud.show(&failed)["error_code"], "DCS.3022");
    }

    #[test]
    fn a_new_instance_becomes_visible_later() {
        let mut cloud = Cloud::new(Options { visible_after: Duration::from_secs(30), ..Options::default() });
        let id = cloud.create("redis.ha.xu1.large.r2.4", 4.0, json!({}));
        assert_eq!(cloud.show(&id)["error_code"], "DCS.3022");
        assert_eq!(cloud.get("ListInstances", &[], &[]).body["instance_num"], 0);
        assert_eq!(cloud.service.next_transition(), Some(cloud.now + chrono::Duration::seconds(30)));
        cloud.wait(30);
        assert_eq!(cloud.show(&id)["status"], "CREATING");
        assert_eq!(cloud.get("ListInstances", &[], &[]).body["instance_num"], 1);
    }

    #[test]
    fn some_sites_restart_after_a_resize() {
        for (site, after) in [(Site::Main, "RUNNING"), (Site::Newer, "RESTARTING")] {
            let mut cloud = Cloud::new(Options { site, ..Options::default() });
            let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
            let change = json!({"spec_code": "redis.ha.xu1.large.r2.8", "new_capacity": 8});
            cloud.ok("ResizeInstance", &id, change);
            cloud.wait(60);
            assert_eq!(cloud.show(&id)["status"], after, "{site}");
            cloud.wait(15);
            assert_eq!(cloud.show(&id)["status"], "RUNNING", "{site}");
        }
    }

    #[test]
    fn a_deferred_resize_waits_for_the_window_if_the_site_supports_it() {
        let change = json!({"spec_code": "redis.ha.xu1.large.r2.8", "new_capacity": 8,
            "execute_immediately": false});
        for (site, waits) in [(Site::Main, false), (Site::Newer, true)] {
            let mut cloud = Cloud::new(Options { site, ..Options::default() });
            let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
            cloud.ok("ResizeInstance", &id, change.clone());
            // The first read may show the old status.
            cloud.show(&id);
            let status = if waits { "RUNNING" } else { "EXTENDING" };
            assert_eq!(cloud.show(&id)["status"], status, "{site}");
            if waits {
                let again = cloud.call("ResizeInstance", &[("instance_id", &id)], &[], change.clone());
                assert_eq!(again.body["error_code"], "DCS.4108");
                let window = cloud.service.next_transition().unwrap();
                assert_eq!(window.format("%H:%M:%S").to_string(), "22:00:00");
                cloud.now = window;
                cloud.show(&id);
                assert_eq!(cloud.show(&id)["status"], "EXTENDING");
            }
            cloud.wait(60);
            assert_eq!(cloud.show(&id)["spec_code"], "redis.ha.xu1.large.r2.8", "{site}");
        }
    }
}
