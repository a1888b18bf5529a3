//! Simulated load, computed from instance id and age without state (API reference 4.2.6).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{ids::number, instance::Instance, state::Service};
use crate::{dcs::model::InstanceStatus, simulator::call::Reply};

/// Memory usage of an empty instance in MB.
const BASE_MEMORY_MB: i64 = 2;
/// Seconds until memory usage reaches its normal level.
const RAMP_UP_SECONDS: i64 = 600;

/// Memory usage in MB: grows to 5 to 30% of the maximum, then varies.
pub(super) fn used_memory(instance: &Instance, now: DateTime<Utc>) -> i64 {
    if let Some(fixed) = instance.used_memory {
        return fixed;
    }
    let Some(age) = age(instance, now) else { return 0 };
    let most = i64::from(instance.shape.max_memory);
    let percent = 5 + pseudo_random(instance, "fill", 23);
    let wave = pseudo_random(instance, &format!("wave {}", age / 60), 3);
    let used = most * (percent + wave) / 100 * age.min(RAMP_UP_SECONDS) / RAMP_UP_SECONDS;
    (used + BASE_MEMORY_MB).min(most)
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
    let used = used_memory(instance, now);
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
    fn memory_grows_and_stays_below_a_third() {
        let mut instance = fixtures::instance();
        instance.launched_at = None;
        assert_eq!(used_memory(&instance, fixtures::time(0)), 0);
        instance.launched_at = Some(fixtures::time(0));
        let used = |seconds| used_memory(&instance, fixtures::time(seconds));
        assert_eq!(used(0), BASE_MEMORY_MB);
        assert!(used(0) < used(300) && used(300) < used(600));
        for seconds in [0, 300, 600, 86_400, 86_400 * 365] {
            assert!(used(seconds) * 100 <= i64::from(instance.shape.max_memory) * 35, "{seconds}");
        }
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
