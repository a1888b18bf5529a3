//! Simulated load, computed from instance id and age without state (API reference 4.2.6). Nobody writes into an instance
//! of the simulator: it stays empty, unless a control call sets the memory that is in use.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{ids::number, instance::Instance, state::Service};
use crate::{dcs::model::InstanceStatus, simulator::call::Reply};

/// Memory usage of an empty instance in MB.
const BASE_MEMORY_MB: i64 = 2;

/// Memory usage in MB.
pub(super) fn used_memory(instance: &Instance) -> i64 {
    let base = if instance.launched_at.is_some() { BASE_MEMORY_MB } else { 0 };
    instance.used_memory.unwrap_or(base)
}

// === impl Service ===

impl Service {
    /// API reference 4.2.6. Running instances only.
    pub(super) fn statistics(&self) -> Reply {
        let running =
            self.visible().filter(|instance| *instance.visible_status().0 == InstanceStatus::Running);
        let statistics: Vec<_> = running.map(|instance| statistic(instance, self.now)).collect();
        Reply::ok(json!({"statistics": statistics}))
    }
}

fn statistic(instance: &Instance, now: DateTime<Utc>) -> Value {
    let age = age(instance, now).unwrap_or_default();
    let used = used_memory(instance);
    // Commands per second; one in ten is a write.
    let rate = 1 + pseudo_random(instance, "rate", 500);
    let noise = pseudo_random(instance, &format!("noise {}", age / 10), 100);
    let kbps = |factor: i64| {
        let hundredths = rate * factor + noise;
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    };
    json!({
        "instance_id": instance.id,
        "input_kbps": kbps(160),
        "output_kbps": kbps(420),
        "keys": (used - BASE_MEMORY_MB).max(0) * 900,
        "used_memory": used,
        "max_memory": instance.shape.max_memory,
        "cmd_get_count": rate * age,
        "cmd_set_count": rate * age / 10,
        "used_cpu": format!("{}.{:02}", rate * age / 10_000, rate * age / 100 % 100),
    })
}

/// Seconds since the instance started or lost its data.
fn age(instance: &Instance, now: DateTime<Utc>) -> Option<i64> {
    // The limit of a century keeps the counters from overflowing.
    Some((now - instance.launched_at?).num_seconds().clamp(0, 3_155_760_000))
}

/// A number below `bound` that is derived from the instance id.
fn pseudo_random(instance: &Instance, what: &str, bound: u64) -> i64 {
    i64::try_from(number(&[instance.id.as_bytes(), what.as_bytes()]) % bound.max(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::service::fixtures::{self, Cloud};

    #[test]
    fn an_untouched_instance_stays_empty() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.large.r2.64", 64.0);
        cloud.wait(86_400 * 365);
        let body = cloud.get("ListStatisticsOfRunningInstances", &[], &[]).body;
        let (used, keys) = (&body["statistics"][0]["used_memory"], &body["statistics"][0]["keys"]);
        assert_eq!((used.as_i64(), keys.as_i64()), (Some(BASE_MEMORY_MB), Some(0)));
        assert_eq!(cloud.show(&id)["used_memory"], BASE_MEMORY_MB);
        // A shrink is not refused for data that nobody wrote.
        cloud.ok(
            "ResizeInstance",
            &id,
            serde_json::json!({"spec_code": "redis.ha.xu1.large.r2.1", "new_capacity": 1}),
        );
    }

    #[test]
    fn only_a_control_call_fills_an_instance() {
        let mut instance = fixtures::instance();
        assert_eq!(used_memory(&instance), BASE_MEMORY_MB);
        instance.used_memory = Some(700);
        assert_eq!(used_memory(&instance), 700);
        (instance.used_memory, instance.launched_at) = (None, None);
        assert_eq!(used_memory(&instance), 0);
    }

    #[test]
    fn statistics_increase_and_cover_running_instances_only() {
        let mut cloud = Cloud::default();
        let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
        cloud.create("redis.ha.xu1.large.r2.4", 4.0, serde_json::json!({}));
        cloud.wait(50);
        let first = cloud.get("ListStatisticsOfRunningInstances", &[], &[]).body;
        assert_eq!(first["statistics"].as_array().unwrap().len(), 1);
        assert_eq!(first["statistics"][0]["instance_id"], id);
        cloud.wait(60);
        let second = cloud.get("ListStatisticsOfRunningInstances", &[], &[]).body;
        assert_eq!(second["statistics"].as_array().unwrap().len(), 2);
        let count = |body: &Value| {
            let all = body["statistics"].as_array().unwrap();
            let mine = all.iter().find(|one| one["instance_id"] == id.as_str()).unwrap();
            (
                mine["cmd_get_count"].as_i64().unwrap(),
                mine["used_cpu"].as_str().unwrap().parse::<f64>().unwrap(),
            )
        };
        assert!(count(&first).0 < count(&second).0 && count(&first).1 <= count(&second).1);
    }
}
